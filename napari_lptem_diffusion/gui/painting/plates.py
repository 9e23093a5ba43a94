"""Plates at the border of the canvas: time, hint and legend, in the colours of napari's theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPen

from napari_lptem_diffusion.export.palette import ColourScale, greyed

_PAD_PX = 7.0
_MARGIN_PX = 10.0
_BAR_PX = (150.0, 10.0)
_FADES = "the greyer, the less certain"
_FADE_STEPS = 5
_STOPS = 25
_MOST_DECIMALS = 9


@dataclass(frozen=True)
class Theme:
    """Colours and font of what is painted."""

    ink: QColor
    plate: QColor
    font: QFont


def time_text(frame: int, frame_interval_s: float | None) -> str:
    """Return what the corner of the canvas says of the frame in view."""
    if frame_interval_s is None:
        return f"frame {frame}"
    decimals = min(max(0, 1 - math.floor(math.log10(frame_interval_s))), _MOST_DECIMALS)
    return f"t = {frame * frame_interval_s:.{decimals}f} s · frame {frame}"


def paint_time(painter: QPainter, text: str, theme: Theme) -> QRectF:
    """Write *text* in the top left corner of the canvas; return the plate."""
    return _text_plate(painter, text, theme, QPointF(_MARGIN_PX, _MARGIN_PX))


def paint_hint(painter: QPainter, text: str, theme: Theme, height: float) -> None:
    """Write *text* in the bottom left corner of the canvas, *height* px high."""
    line = QFontMetricsF(theme.font).height()
    _text_plate(painter, text, theme, QPointF(_MARGIN_PX, height - _MARGIN_PX - line - _PAD_PX))


def paint_legend(
    painter: QPainter, scale: ColourScale, theme: Theme, width: float, explains: bool, beside: Sequence[QRectF] = ()
) -> QRectF:
    """Paint the colour bar of *scale* in the top right corner of the canvas, *width* px wide; return the plate.

    It is below the plates that it would cover there, which it is to be *beside*.
    The bar fades downwards to the grey of what is not known, as colours do where the interval is wide; a line below
    says so if it *explains*.
    """
    metrics = QFontMetricsF(theme.font)
    line = metrics.height()
    ends = (f"{scale.low:g}  {scale.low_word}", f"{scale.high_word}  {scale.high:g}")
    needed = sum(map(metrics.horizontalAdvance, ends)) + 3 * _PAD_PX, metrics.horizontalAdvance(_FADES) + 2
    plate = QRectF(
        0, _MARGIN_PX, max(_BAR_PX[0], *needed) + 2 * _PAD_PX, (2 + explains) * line + 2 * _BAR_PX[1] + 2 * _PAD_PX + 2
    )
    plate.moveRight(width - _MARGIN_PX)
    for other in beside:
        if plate.intersects(other):
            plate.moveTop(other.bottom() + _MARGIN_PX)
    _plate(painter, plate, theme)
    inner = plate.adjusted(_PAD_PX, _PAD_PX, -_PAD_PX, -_PAD_PX)
    bold = QFont(theme.font)
    bold.setBold(True)
    painter.setFont(bold)
    painter.drawText(QRectF(inner.left(), inner.top(), inner.width(), line), Qt.AlignmentFlag.AlignLeft, scale.title)
    bar = QRectF(inner.left(), inner.top() + line + 2, inner.width(), 2 * _BAR_PX[1])
    paint_scale(painter, bar, scale)
    painter.setPen(theme.ink)
    painter.setFont(theme.font)
    below = QRectF(inner.left(), bar.bottom(), inner.width(), line)
    painter.drawText(below, Qt.AlignmentFlag.AlignLeft, ends[0])
    painter.drawText(below, Qt.AlignmentFlag.AlignRight, ends[1])
    if explains:
        faint = QColor(theme.ink)
        faint.setAlphaF(0.75)
        painter.setPen(faint)
        painter.drawText(below.translated(0, line), Qt.AlignmentFlag.AlignHCenter, _FADES)
    return plate


def paint_scale(painter: QPainter, bar: QRectF, scale: ColourScale) -> None:
    """Fill *bar* with the colours of *scale*, low to high; at the bottom as they are where nothing is certain."""
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    height = bar.height() / _FADE_STEPS
    colours = scale.table(_STOPS)
    for step in range(_FADE_STEPS):
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for index, rgb in enumerate(greyed(colours, 1.0 - step / (_FADE_STEPS - 1))):
            gradient.setColorAt(index / (_STOPS - 1), QColor.fromRgbF(*map(float, rgb)))
        painter.setBrush(gradient)
        painter.drawRect(QRectF(bar.left(), bar.top() + step * height, bar.width(), height + 0.5))
    painter.restore()


def _text_plate(painter: QPainter, text: str, theme: Theme, corner: QPointF) -> QRectF:
    metrics = QFontMetricsF(theme.font)
    size = metrics.horizontalAdvance(text) + 2 * _PAD_PX, metrics.height() + _PAD_PX
    plate = QRectF(corner.x(), corner.y(), *size)
    _plate(painter, plate, theme)
    painter.setFont(theme.font)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
    return plate


def _plate(painter: QPainter, plate: QRectF, theme: Theme) -> None:
    """A rounded plate; the pen is left in the colour of text."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.plate)
    painter.drawRoundedRect(plate, 4, 4)
    painter.setPen(QPen(theme.ink))
