"""Numbers beside rods: on plates that can be read on noise, that stay in the picture and clear of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from napari_lptem_diffusion.gui.painting.plates import Theme

MOST_LABELS = 60
"""More could not be read."""

_VALUE_ALPHA, _FAINT_ALPHA = 0.8, 0.6
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
    faint : bool
        Whether the value says nothing.
    """

    name: str
    value: str
    rgb: Sequence[float]
    framed: bool
    faint: bool = False


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, px of the canvas."""


def place_plates(
    around: NDArray[np.float64], sizes: NDArray[np.float64], area: Box, must: Sequence[int], taken: Sequence[Box] = ()
) -> dict[int, tuple[float, float]]:
    """Return the top left corner of the plate of each rod that gets one, where it covers the fewest other rods.

    Parameters
    ----------
    around : (m, 4) array
        Left, top, right and bottom of each rod on the canvas.
    sizes : (n, 2) array
        Width and height of the plates of the first n rods; the others get none.
    area : tuple of float
        What plates stay in.
    must : sequence of int
        Rods that get a plate first, and whatever it covers; others only where it is clear of earlier plates, and of
        all other rods where there are more than `MOST_LABELS` of them.
    taken : sequence of tuple of float
        What else plates keep clear of.
    """
    plated, is_crowded = len(sizes), len(around) > MOST_LABELS
    corners = _corners(around[:plated], sizes, area)
    plates = np.concatenate([corners, corners + sizes[:, None]], axis=2)
    covers = _overlap(plates[:, :, None], around)
    covers[np.arange(plated), :, np.arange(plated)] = False  # its own rod
    covered = covers.sum(axis=2)
    full = np.array(list(taken), dtype=float).reshape(-1, 4)
    placed: dict[int, tuple[float, float]] = {}
    for index in dict.fromkeys([*must, *range(plated)]):
        is_free = ~_overlap(plates[index][:, None], full).any(axis=1)
        if is_crowded and index not in must:
            is_free &= covered[index] == 0
        if is_free.any() or index in must:
            chosen = int(np.where(is_free, covered[index], len(around)).argmin()) if is_free.any() else 0
            x, y = corners[index, chosen].tolist()
            placed[index] = x, y
            full = np.vstack([full, plates[index, chosen]])
    return placed


def paint_labels(
    painter: QPainter,
    labels: Sequence[Label],
    around: NDArray[np.float64],
    area: Box,
    taken: Sequence[Box],
    theme: Theme,
) -> None:
    """Paint each label beside the box *around* its rod, framed ones first; the rest as in `place_plates`.

    *around* may go on with rods without a label, of which labels keep clear.
    """
    font, ink = theme.font, theme.ink
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
        painter.setPen(QPen(ink, 1.5) if label.framed else Qt.PenStyle.NoPen)
        painter.setBrush(theme.plate)
        painter.drawRoundedRect(plate, 3, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor.fromRgbF(*map(float, label.rgb)))
        painter.drawRoundedRect(plate.adjusted(1.5, 1.5, _SWATCH_PX + 1.5 - plate.width(), -1.5), 1.5, 1.5)
        base = QPointF(x + _SWATCH_PX + 1.5 * _PAD_PX, y + _PAD_PX / 2 + name_metrics.ascent())
        painter.setFont(bold)
        painter.setPen(ink)
        painter.drawText(base, label.name)
        painter.setFont(font)
        painter.setPen(_paler(ink, _FAINT_ALPHA if label.faint else _VALUE_ALPHA))
        painter.drawText(base + QPointF(names[index] + _GAP_PX, 0), label.value)


def _paler(ink: QColor, alpha: float) -> QColor:
    paler = QColor(ink)
    paler.setAlphaF(alpha)
    return paler


def _corners(around: NDArray[np.float64], sizes: NDArray[np.float64], area: Box) -> NDArray[np.float64]:
    """Top left corners, (n, places, 2), of plates beside rods; moved into *area* where they would leave it."""
    first, last = around[:, None, :2], around[:, None, 2:]
    size = sizes[:, None]
    side = np.array(_PLACES)
    beside = np.where(side < 0, first - size, np.where(side > 0, last, (first + last - size) / 2))
    corners: NDArray[np.float64] = np.maximum(area[:2], np.minimum(beside, area[2:] - size))
    return corners


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    both: NDArray[np.bool_] = (one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:])
    return both[..., 0] & both[..., 1]
