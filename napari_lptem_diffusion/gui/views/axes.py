"""Axes that pyqtgraph lacks: level names, seconds along frames, decades along logarithms; a text that gives way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtWidgets import QGraphicsSceneResizeEvent

Ticks = list[tuple[float, list[float]]]
_LABELLED_STEPS_UP_TO = 2.2
_PLAIN_DECADES = range(-2, 4)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class LevelAxis(pg.AxisItem):
    """An axis at the left of a low panel, or below it, whose name is written level at its left end."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.label.setRotation(0)

    def resizeEvent(self, event: QGraphicsSceneResizeEvent | None = None) -> None:
        """Put the name beside the middle of the axis, or before its first tick."""
        super().resizeEvent(event)
        if self.label is not None:  # which it is when the axis is closed
            room, name = self.size(), self.label.boundingRect()
            x = 0.0 if self.orientation == "left" else -name.width()
            self.label.setPos(x, (room.height() - name.height()) / 2)

    def boundingRect(self) -> QRectF:
        """Return where it draws: numbers at the ends of a scale may stand half out of a low panel."""
        out_px = self.style["tickTextHeight"] / 2 if self.orientation == "left" else 0
        drawn: QRectF = super().boundingRect().adjusted(0, -out_px, 0, out_px)
        return drawn


class SecondsAxis(pg.AxisItem):
    """Seconds along an axis of frames."""

    def __init__(self) -> None:
        super().__init__("top")
        self.frame_interval_s = 1.0

    def tickValues(self, minVal: float, maxVal: float, size: float) -> Ticks:
        """Return ticks at round seconds, in frames."""
        interval = self.frame_interval_s
        levels = super().tickValues(minVal * interval, maxVal * interval, size)
        return [(spacing / interval, [value / interval for value in values]) for spacing, values in levels]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the seconds of *values* in frames."""
        digits = max(0, math.ceil(-math.log10(spacing * self.frame_interval_s) - 1e-9))
        return [f"{value * self.frame_interval_s:.{digits}f} s" for value in values]


class DecadesAxis(pg.AxisItem):
    """An axis of decimal logarithms, while `is_logarithmic`, that shows the numbers; else like any other."""

    def __init__(self, side: str, is_logarithmic: bool = False) -> None:
        super().__init__(side)
        self.is_logarithmic = is_logarithmic
        self.enableAutoSIPrefix(False)

    def show_logarithms(self, is_logarithmic: bool) -> None:
        """Say whether the values are logarithms."""
        self.is_logarithmic = is_logarithmic
        self.picture = None
        self.update()

    def tickValues(self, minVal: float, maxVal: float, size: float) -> Ticks:
        """Return decades, and between them 2 and 5 where there are few, then all the others."""
        if not self.is_logarithmic:
            levels: Ticks = super().tickValues(minVal, maxVal, size)
            return levels
        decades = np.arange(math.floor(minVal), math.ceil(maxVal) + 1, dtype=float)
        levels = [(1.0, list(decades))]
        for spacing, steps in ((0.3, (2, 5)), (0.1, (3, 4, 6, 7, 8, 9))):
            levels.append((spacing, list((decades[:, None] + np.log10(steps)).ravel())))
        return [(spacing, [v for v in values if minVal <= v <= maxVal]) for spacing, values in levels]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the numbers whose logarithms *values* are; none for the smallest steps, nor over many decades."""
        if not self.is_logarithmic:
            plain: list[str] = super().tickStrings(values, scale, spacing)
            return plain
        span = self.range[1] - self.range[0]
        if spacing < 0.2 or (spacing < 1 and span > _LABELLED_STEPS_UP_TO):
            return [""] * len(values)
        return [_number(value) for value in values]


class GivingLabel(pg.LabelItem):
    """A line of rich text that gets shorter, or is cut off, where there is no room, rather than widening the plot."""

    def show_text(self, texts: Sequence[str], colour: str, room_px: float) -> None:
        """Show the first of *texts*, of which each is shorter than the one before, for which there is room."""
        for text in texts:
            self.setText(text, color=colour)
            if self.itemRect().width() <= room_px:
                return

    def updateMin(self) -> None:
        """Ask for the height of the text only."""
        self.setMinimumHeight(self.itemRect().height())
        self.setMaximumHeight(self.itemRect().height())


def _number(logarithm: float) -> str:
    """Return ten to the power of *logarithm*, a decade or a simple step of it."""
    decade = math.floor(logarithm + 1e-9)
    step = round(10 ** (logarithm - decade))
    if decade in _PLAIN_DECADES:
        return f"{step * 10.0**decade:g}"
    power = f"10{str(decade).translate(_SUPERSCRIPT)}"
    return power if step == 1 else f"{step}·{power}"
