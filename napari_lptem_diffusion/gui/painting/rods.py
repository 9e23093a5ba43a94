"""Rods, change points and the rod being edited, painted in px of the canvas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_lptem_diffusion.gui.look import PALE

CASING = QColor(10, 12, 16, 150)
"""Around every line, so that it stands out from grey noise."""
WHITE = QColor(255, 255, 255)
DRAFT = PREVIEW = QColor("#ffd640")
HANDLE_PX = 5.0
"""Half the size of a handle of the rod being edited."""

MOST_OUTLINES = 300
"""Where more rods are in view, they are lines."""

_OUTLINE_PX = 1.8
_SELECTED_PX = 2.4
_RING_GAP_PX = 5.0
_CASING_PX = 1.6
_POINT_PX = 6.0
_CHANGE_PX = 5.0
_SHADES = 15


@dataclass(frozen=True)
class Drawn:
    """The rods of a frame on the canvas.

    Attributes
    ----------
    centres : (n, 2) array
    outlines : (n, vertices, 2) array, or None
        None where only the places of rods are known, or there are more than `MOST_OUTLINES`.
    tips : (n, 2, 2) array, or None
        The ends of the long axes.
    rgb : (n, 3) array
        sRGB in 0..1.
    selected : (n,) bool array
    """

    centres: NDArray[np.float64]
    outlines: NDArray[np.float64] | None
    tips: NDArray[np.float64] | None
    rgb: NDArray[np.float64]
    selected: NDArray[np.bool_]

    @property
    def ring_reach(self) -> NDArray[np.float64]:
        """(n,) radii of the rings that selected rods get."""
        if self.outlines is None:
            return np.full(len(self.centres), _POINT_PX + _RING_GAP_PX)
        reach: NDArray[np.float64] = np.linalg.norm(self.outlines - self.centres[:, None], axis=2).max(axis=1)
        return reach + _RING_GAP_PX


def paint_outlines(painter: QPainter, rods: Drawn, others_pale: bool = False) -> None:
    """Outline each rod in its colour; where there are very many, draw a line from tip to tip instead."""
    if rods.outlines is None and rods.tips is not None:
        _paint_many(painter, rods)
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for index, rgb in enumerate(rods.rgb):
        width = _SELECTED_PX if rods.selected[index] else _OUTLINE_PX
        painter.setOpacity(PALE if others_pale and not rods.selected[index] else 1.0)
        for pen in (QPen(CASING, width + _CASING_PX), QPen(_colour(rgb), width)):
            painter.setPen(pen)
            if rods.outlines is None:
                painter.drawEllipse(QPointF(*rods.centres[index]), _POINT_PX, _POINT_PX)
            else:
                painter.drawPolygon(_polygon(rods.outlines[index]))
    painter.setOpacity(1.0)


def paint_axes(painter: QPainter, rods: Drawn) -> None:
    """Draw the long axis of each rod in its colour."""
    if rods.tips is None:
        return
    for width, colours in ((_OUTLINE_PX + _CASING_PX, None), (_OUTLINE_PX, rods.rgb)):
        for index, (first, second) in enumerate(rods.tips):
            colour = CASING if colours is None else _colour(colours[index])
            painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(*first), QPointF(*second))


def paint_rings(painter: QPainter, rods: Drawn, main: int | None) -> None:
    """Draw a ring around each selected rod, a fuller one around the row *main*."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    reach = rods.ring_reach
    for index in np.flatnonzero(rods.selected):
        centre = rods.centres[index]
        style = Qt.PenStyle.SolidLine if index == main else Qt.PenStyle.DashLine
        for pen in (QPen(CASING, _OUTLINE_PX + _CASING_PX), QPen(WHITE, _OUTLINE_PX, style)):
            painter.setPen(pen)
            painter.drawEllipse(QPointF(*centre), reach[index], reach[index])


def paint_loose(painter: QPainter, outlines: NDArray[np.float64]) -> None:
    """Outline rods in no track: dotted, without a colour."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for outline in outlines:
        for pen in (QPen(CASING, _OUTLINE_PX + _CASING_PX), QPen(WHITE, _OUTLINE_PX, Qt.PenStyle.DotLine)):
            painter.setPen(pen)
            painter.drawPolygon(_polygon(outline))


def paint_changes(painter: QPainter, places: NDArray[np.float64], age: NDArray[np.float64]) -> None:
    """Mark change points of motion by diamonds.

    Parameters
    ----------
    painter : QPainter
    places : (n, 2) array
    age : (n,) array
        0: now, 1: at the end of the tail, where they are paler.
    """
    diamond = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)]) * _CHANGE_PX
    painter.setPen(QPen(CASING.darker(), _OUTLINE_PX))
    painter.setBrush(WHITE)
    for place, share in zip(places, age, strict=True):
        painter.setOpacity(1.0 - 0.6 * float(share))
        painter.drawPolygon(_polygon(place + diamond))
    painter.setOpacity(1.0)


def paint_draft(painter: QPainter, outline: NDArray[np.float64]) -> None:
    """Outline the rod being edited: dashed."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(CASING, _SELECTED_PX + _CASING_PX), QPen(DRAFT, _SELECTED_PX, Qt.PenStyle.DashLine)):
        painter.setPen(pen)
        painter.drawPolygon(_polygon(outline))


def paint_handles(painter: QPainter, tips: NDArray[np.float64], sides: NDArray[np.float64]) -> None:
    """Draw what can be dragged of the rod being edited: squares at its tips, circles at its sides."""
    painter.setPen(QPen(CASING.darker(), 1.5))
    painter.setBrush(DRAFT)
    for x, y in tips:
        painter.drawRect(QRectF(x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX))
    for x, y in sides:
        painter.drawEllipse(QPointF(x, y), 0.8 * HANDLE_PX, 0.8 * HANDLE_PX)


def _paint_many(painter: QPainter, rods: Drawn) -> None:
    """Lines from tip to tip, a shade of colour at a time."""
    assert rods.tips is not None
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    shades, which = np.unique(np.rint(rods.rgb * _SHADES), axis=0, return_inverse=True)
    for number, shade in enumerate(shades):
        painter.setPen(QPen(_colour(shade / _SHADES), _OUTLINE_PX))
        ends = rods.tips[which.ravel() == number].reshape(-1, 4)
        painter.drawLines([QLineF(*line) for line in ends.tolist()])
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)


def _colour(rgb: NDArray[np.float64]) -> QColor:
    return QColor.fromRgbF(*(float(part) for part in rgb))


def _polygon(points: NDArray[np.float64]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])
