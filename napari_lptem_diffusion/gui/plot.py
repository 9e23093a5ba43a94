"""Mixing ratio and exponents of the selected particle against time, with a cursor at the frame in view."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor

from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.gui.selection import Selection

_BAND_ALPHA = 70
_PANEL_HEIGHT_PX = 130  # with title and axis, which leaves some 65 px to the curves
_AXIS_WIDTH_PX = 26
_TITLE_STYLE = {"size": "9pt", "justify": "left"}


class MotionPlot(pg.GraphicsLayoutWidget):
    """Two panels over one time axis: mixing ratio, and both exponents. A click shows that frame."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection
        self.setMinimumHeight(2 * _PANEL_HEIGHT_PX)
        self._lines = {"mixing_ratio": "#e0e0e0", "alpha_fbm": "#2fbf5b", "alpha_ctrw": "#c07cff"}
        self._mixing = self._add_panel(0, (0, 1), [0, 0.5, 1])
        self._exponents = self._add_panel(1, (0, 2), [0, 1, 2])
        self._exponents.setXLink(self._mixing)
        self._mixing.getAxis("bottom").setStyle(showValues=False)
        self.cursors = [self._add_cursor(panel) for panel in self.panels]
        self._drawn: list[tuple[pg.PlotItem, pg.GraphicsObject]] = []
        self.setToolTip("Click to go to a frame. Bands: central 90 % intervals. Dashed lines: change points.")
        self.scene().sigMouseClicked.connect(self._on_click)
        selection.frame_changed.connect(self._move_cursors)

    @property
    def panels(self) -> tuple[pg.PlotItem, pg.PlotItem]:
        """The panels of the mixing ratio and of the exponents."""
        return self._mixing, self._exponents

    def set_frame_count(self, frames: int) -> None:
        """Span the time axis over a movie of so many frames."""
        self._mixing.setXRange(0, max(frames - 1, 1), padding=0.02)
        for cursor in self.cursors:
            cursor.setBounds((0, frames - 1))

    def show_motion(self, motion: pd.DataFrame, change_points: Iterable[int]) -> None:
        """Draw a particle's rows of ``motion.frames`` and the frames where its motion changes."""
        self.clear_motion()
        frames = motion["frame"].to_numpy()
        for column in SCALES:
            panel = self._mixing if column == "mixing_ratio" else self._exponents
            values, low, high = (motion[column + suffix].to_numpy() for suffix in ("", "_low", "_high"))
            for run in unbroken_runs(frames, values):
                self._draw_run(panel, QColor(self._lines[column]), frames[run], values[run], low[run], high[run])
        for frame in change_points:
            for panel in self.panels:
                style = pg.mkPen(self._foreground, style=Qt.PenStyle.DashLine)
                self._draw(panel, pg.InfiniteLine(frame - 0.5, pen=style))

    def clear_motion(self) -> None:
        """Show no particle."""
        for panel, item in self._drawn:
            panel.removeItem(item)
        self._drawn = []

    def set_theme(self, foreground: str, background: str, highlight: str) -> None:
        """Take the colours of napari's theme, as hex."""
        self._foreground = foreground
        self._lines["mixing_ratio"] = foreground
        self.setBackground(background)
        for panel in self.panels:
            for side in ("left", "bottom"):
                panel.getAxis(side).setPen(foreground)
                panel.getAxis(side).setTextPen(foreground)
        self._mixing.setTitle("mixing ratio", color=foreground, **_TITLE_STYLE)
        names = {"alpha_fbm": "α FBM", "alpha_ctrw": "α CTRW"}
        words = [f"<span style='color:{self._lines[column]}'>{name}</span>" for column, name in names.items()]
        self._exponents.setTitle("exponents &nbsp;" + " &nbsp;".join(words), color=foreground, **_TITLE_STYLE)
        self._exponents.setLabel("bottom", "frame", color=foreground)
        for cursor in self.cursors:
            cursor.setPen(pg.mkPen(highlight, width=2))

    def _add_panel(self, row: int, limits: tuple[float, float], ticks: list[float]) -> pg.PlotItem:
        panel = self.addPlot(row=row, col=0)
        panel.setMenuEnabled(False)
        panel.hideButtons()
        panel.setMouseEnabled(x=False, y=False)
        panel.setYRange(*limits, padding=0.12)
        panel.getAxis("left").setTicks([[(tick, f"{tick:g}") for tick in ticks]])
        panel.getAxis("left").setWidth(_AXIS_WIDTH_PX)
        panel.showGrid(y=True, alpha=0.15)
        return panel

    def _add_cursor(self, panel: pg.PlotItem) -> pg.InfiniteLine:
        cursor = pg.InfiniteLine(0, movable=True)
        cursor.setZValue(10)
        cursor.sigDragged.connect(lambda line: self._selection.show_frame(round(line.value())))
        panel.addItem(cursor)
        return cursor

    def _draw_run(
        self,
        panel: pg.PlotItem,
        colour: QColor,
        frames: NDArray[np.int64],
        values: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
    ) -> None:
        pale = QColor(colour)
        pale.setAlpha(_BAND_ALPHA)
        edges = [pg.PlotCurveItem(frames, edge) for edge in (low, high)]
        self._draw(panel, pg.FillBetweenItem(*edges, brush=pale))
        self._draw(panel, pg.PlotCurveItem(frames, values, pen=pg.mkPen(colour, width=2), antialias=True))

    def _draw(self, panel: pg.PlotItem, item: pg.GraphicsObject) -> None:
        panel.addItem(item)
        self._drawn.append((panel, item))

    def _move_cursors(self, frame: int) -> None:
        for cursor in self.cursors:
            cursor.setValue(frame)

    def _on_click(self, click: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        point: QPointF = self._mixing.vb.mapSceneToView(click.scenePos())
        first, last = self.cursors[0].bounds()
        if first <= round(point.x()) <= last:
            self._selection.show_frame(round(point.x()))


def unbroken_runs(frames: NDArray[np.int64], values: NDArray[np.float64]) -> list[slice]:
    """Return the stretches without a missing frame or value, as slices of the rows.

    Parameters
    ----------
    frames : (n,) int array
        Increasing.
    values : (n,) float array
        NaN where unknown.
    """
    known = np.flatnonzero(np.isfinite(values))
    if known.size == 0:
        return []
    broken = np.flatnonzero((np.diff(known) > 1) | (np.diff(frames[known]) > 1))
    starts = known[np.r_[0, broken + 1]]
    stops = known[np.r_[broken, known.size - 1]] + 1
    return [slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
