"""Numbers beside rods: on plates that can be read on noise, that stay in the picture and clear of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

MOST_LABELS = 60
"""More could not be read."""

_PLATE = QColor(14, 16, 21, 205)
_INK = QColor(245, 246, 250)
_PALE_INK = QColor(178, 182, 192)
_PAD_PX = 4.0
_GAP_PX = 4.0
_SWATCH_PX = 4.0
# Where a plate is tried beside a rod: the share of its own size by which it is moved off the corner or side of the rod.
_PLACES = ((1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class Label:
    """What is written beside a rod.

    Attributes
    ----------
    name, value : str
        The number of the particle and what follows it, paler.
    rgb : sequence of float
        Colour of the swatch, sRGB in 0..1.
    framed : bool
        Whether the plate has a frame, as that of a selected rod.
    """

    name: str
    value: str
    rgb: Sequence[float]
    framed: bool


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, px of the canvas."""


def place_plates(
    around: NDArray[np.float64], sizes: NDArray[np.float64], area: Box, must: Sequence[int], taken: Sequence[Box] = ()
) -> dict[int, tuple[float, float]]:
    """Return the top left corner of the plate of each rod that gets one, where it covers the fewest other rods.

    Parameters
    ----------
    around : (n, 4) array
        Left, top, right and bottom of each rod on the canvas.
    sizes : (n, 2) array
        Width and height of the plates.
    area : tuple of float
        What plates stay in.
    must : sequence of int
        Rods that get a plate first, and whatever it covers; others only where it is clear of earlier plates.
    taken : sequence of tuple of float
        What else plates keep clear of.
    """
    order = [*must, *(index for index in range(len(around)) if index not in set(must))]
    boxes_taken = list(taken)
    placed: dict[int, tuple[float, float]] = {}
    for index in order:
        tried = [_corner(around[index], sizes[index], place, area) for place in _PLACES]
        boxes = [(x, y, x + sizes[index][0], y + sizes[index][1]) for x, y in tried]
        free = [number for number, box in enumerate(boxes) if not any(_overlap(box, other) for other in boxes_taken)]
        if free or index in must:
            rods = [tuple(rod) for rod in np.delete(around, index, axis=0).tolist()]
            chosen = min(free or [0], key=lambda number: sum(_overlap(boxes[number], rod) for rod in rods))
            placed[index] = tried[chosen]
            boxes_taken.append(boxes[chosen])
    return placed


def paint_labels(
    painter: QPainter,
    labels: Sequence[Label],
    around: NDArray[np.float64],
    area: Box,
    taken: Sequence[Box],
    font: QFont,
) -> None:
    """Paint each label beside the box *around* its rod, framed ones first; the rest as in `place_plates`."""
    bold = QFont(font)
    bold.setBold(True)
    name_metrics, metrics = QFontMetricsF(bold), QFontMetricsF(font)
    names = [name_metrics.horizontalAdvance(label.name) for label in labels]
    values = [metrics.horizontalAdvance(label.value) + _GAP_PX if label.value else 0.0 for label in labels]
    height = name_metrics.height() + _PAD_PX
    sizes = np.array([(_SWATCH_PX + 2 * _PAD_PX + n + v, height) for n, v in zip(names, values, strict=True)])
    must = [index for index, label in enumerate(labels) if label.framed]
    for index, (x, y) in place_plates(around, sizes, area, must, taken).items():
        label, plate = labels[index], QRectF(x, y, *sizes[index])
        painter.setPen(QPen(_INK, 1.2) if label.framed else Qt.PenStyle.NoPen)
        painter.setBrush(_PLATE)
        painter.drawRoundedRect(plate, 3, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor.fromRgbF(*map(float, label.rgb)))
        painter.drawRoundedRect(plate.adjusted(1.5, 1.5, _SWATCH_PX + 1.5 - plate.width(), -1.5), 1.5, 1.5)
        base = QPointF(x + _SWATCH_PX + 1.5 * _PAD_PX, y + _PAD_PX / 2 + name_metrics.ascent())
        painter.setFont(bold)
        painter.setPen(_INK)
        painter.drawText(base, label.name)
        painter.setFont(font)
        painter.setPen(_PALE_INK)
        painter.drawText(base + QPointF(names[index] + _GAP_PX, 0), label.value)


def _corner(
    rod: NDArray[np.float64], size: NDArray[np.float64], place: tuple[int, int], area: Box
) -> tuple[float, float]:
    """Top left corner of a plate beside a rod; moved into *area* where it would leave it."""
    left, top, right, bottom = rod
    across = {-1: left - size[0], 0: (left + right - size[0]) / 2, 1: right}[place[0]]
    down = {-1: top - size[1], 0: (top + bottom - size[1]) / 2, 1: bottom}[place[1]]
    x = max(area[0], min(across, area[2] - size[0]))
    y = max(area[1], min(down, area[3] - size[1]))
    return float(x), float(y)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
