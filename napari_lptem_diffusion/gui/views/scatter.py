"""All rods in one plot: any quantity against any other, or how often each value occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QPainterPath
from qtpy.QtWidgets import QComboBox, QGraphicsPathItem, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_lptem_diffusion.export.palette import MIXING_RATIO, NO_VALUE_RGB, PALEST, SCALES
from napari_lptem_diffusion.gui.messages import SECONDARY, counted
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.axes import DecadesAxis
from napari_lptem_diffusion.gui.views.columns import Column, interval
from napari_lptem_diffusion.gui.views.theme import Theme, with_alpha

Floats = NDArray[np.float64]
HISTOGRAM = "number of rods"
_FIRST_X, _FIRST_Y = "mixing_ratio", "alpha_fbm"
_POINT_PX, _RING_PX = 8, 13
_REACH_PX = 10
_MOST_BARS = 30
_BINS = 20
_FEW = 5
_LEAST_CHOICE_EM = 6
_HIDDEN_ALPHA = 45
_SHADES, _OPACITIES = 32, 3  # few enough that each is drawn once, and thousands of points are copies
_MULTI = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


class PickingBox(pg.ViewBox):
    """A view in which Shift and a drag pick what is inside a rectangle; a plain drag moves, as ever."""

    picked = Signal(QRectF)

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Draw the rectangle, and emit it in the coordinates of the plot at the end."""
        if axis is not None or not ev.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        self.updateScaleBox(ev.buttonDownPos(), ev.pos())
        if ev.isFinish():
            self.rbScaleBox.hide()
            rectangle = QRectF(QPointF(ev.buttonDownPos()), QPointF(ev.pos()))
            self.picked.emit(self.childGroup.mapRectFromParent(rectangle).normalized())


class AllRods(QWidget):
    """Rods as points, or as a histogram; a click or a rectangle selects."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection
        self._table = pd.DataFrame({"particle": pd.Series(dtype="int64")})
        self._columns: dict[str, Column] = {}
        self._x = self._y = np.empty(0)
        self._hovered: int | None = None
        self.theme = Theme()
        self._palette = brushes_for(self.theme)
        self.x_choice, self.y_choice = QComboBox(), QComboBox()
        self.count = QLabel()
        self.count.setObjectName(SECONDARY)
        self.plot = pg.GraphicsLayoutWidget()
        self.box = PickingBox()
        self.axes = {side: DecadesAxis(side) for side in ("left", "bottom")}
        self.panel = self.plot.addPlot(viewBox=self.box, axisItems=self.axes)
        self.points = pg.ScatterPlotItem(size=_POINT_PX)
        self.rings = pg.ScatterPlotItem(size=_RING_PX, brush=None)
        self.intervals = QGraphicsPathItem()
        self.bars = pg.BarGraphItem(x=[], height=[], width=1)
        self._lay_out()
        for item in (self.bars, self.intervals, self.points, self.rings):
            self.panel.addItem(item, ignoreBounds=True)
        self.x_choice.currentIndexChanged.connect(self._on_choice)
        self.y_choice.currentIndexChanged.connect(self._on_choice)
        self.box.picked.connect(self._on_picked)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self.plot.scene().sigMouseMoved.connect(self._on_hover)
        selection.particles_changed.connect(self._mark)
        selection.shown_changed.connect(self._draw)

    @property
    def is_histogram(self) -> bool:
        """Whether one quantity is counted rather than two compared."""
        return not self.y_choice.currentData()

    def set_table(self, table: pd.DataFrame, columns: tuple[Column, ...]) -> None:
        """Plot another `rod_table`; the two quantities stay as chosen if they are there."""
        quantities = {column.name: column for column in columns if column.is_number and column.name != "particle"}
        self._table, self._hovered = table, None
        if quantities == self._columns:
            self._place()
        else:
            self._columns = quantities
            self._fill(self.x_choice, _FIRST_X)
            self._fill(self.y_choice, _FIRST_Y)
            self._on_choice()

    def choose(self, x: str, y: str | None) -> None:
        """Plot the column *y* against *x*, or None: count *x*."""
        self.x_choice.setCurrentIndex(self.x_choice.findData(x))
        self.y_choice.setCurrentIndex(self.y_choice.findData(y or ""))

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of napari's theme."""
        self.theme = theme
        self._palette = brushes_for(theme)
        self.plot.setBackground(theme.background)
        for side in ("left", "bottom"):
            self.panel.getAxis(side).setPen(theme.foreground)
            self.panel.getAxis(side).setTextPen(theme.foreground)
        self.rings.setPen(pg.mkPen(theme.foreground, width=2))
        self._draw()

    def _fill(self, choice: QComboBox, first: str) -> None:
        """Offer the quantities, and choose what was chosen before, or *first*."""
        earlier = choice.currentData() if choice.count() else first
        choice.blockSignals(True)
        choice.clear()
        if choice is self.y_choice:
            choice.addItem(HISTOGRAM, "")
        for column in self._columns.values():
            choice.addItem(column.heading, column.name)
            choice.setItemData(choice.count() - 1, column.help, Qt.ItemDataRole.ToolTipRole)
        choice.setCurrentIndex(max(choice.findData(earlier), 0))
        choice.blockSignals(False)

    def _on_choice(self) -> None:
        """Draw the chosen quantities over their whole range."""
        if self._columns:
            self._place()
            self.show_all()

    def _place(self) -> None:
        """Put the rods where the chosen quantities say."""
        x = self._columns[self.x_choice.currentData()]
        y = None if self.is_histogram else self._columns[self.y_choice.currentData()]
        self._x = self._on_axis(x, self._table[x.name])
        self._y = np.zeros_like(self._x) if y is None else self._on_axis(y, self._table[y.name])
        self.axes["bottom"].show_logarithms(x.logarithmic)
        self.axes["left"].show_logarithms(y is not None and y.logarithmic)
        self._draw()

    def show_all(self) -> None:
        """Show the limits of the chosen quantities, or all points where there are none."""
        for choice, values, set_range in (
            (self.x_choice, self._x, self.panel.setXRange),
            (self.y_choice, self._y, self.panel.setYRange),
        ):
            name = choice.currentData()
            limits = self._columns[name].limits if name else (0, max(self._counts()[0].max(initial=0), 1))
            known = values[np.isfinite(values)]
            if limits is None and known.size:
                limits = (float(known.min()), float(known.max()))
            set_range(*(limits or (0, 1)), padding=0.06)

    def _draw(self) -> None:
        """Draw points or bars in the colours of the mixing ratio, faint where the filter leaves a rod out."""
        if not self._columns:
            return
        known = self._known()
        self._say()
        self.points.setVisible(not self.is_histogram)
        self.bars.setVisible(self.is_histogram)
        if self.is_histogram:
            self._draw_bars()
        else:
            self.panel.getAxis("left").setTickSpacing(None, None)
            brushes = list(self._brushes()[known])
            self.points.setData(self._x[known], self._y[known], brush=brushes, pen=self._outline())
        self._mark()

    def _say(self) -> None:
        """Write the values of the rod under the pointer, or else how many rods are drawn."""
        if self._hovered is None:
            self.count.setText(counted(int((self._known() & self._passing()).sum()), "rod"))
            return
        x, y = (self._columns[choice.currentData()] for choice in (self.x_choice, self.y_choice))
        row = self._table.iloc[self._hovered]
        self.count.setText(f"rod {row['particle']}: {x.text(row[x.name])}, {y.text(row[y.name])}")

    def _draw_bars(self) -> None:
        counts, edges = self._counts()
        middles = (edges[1:] + edges[:-1]) / 2
        scale = SCALES.get(self.x_choice.currentData())
        colours = (
            [self.theme.readable(rgb) for rgb in scale.rgb(middles)] if scale else [self.theme.faint] * len(middles)
        )
        brushes = [pg.mkBrush(colour) for colour in colours]
        few = counts.max(initial=0) < _FEW
        self.panel.getAxis("left").setTickSpacing(*((1, 1) if few else (None, None)))
        self.bars.setOpts(x=middles, height=counts, width=np.diff(edges), brushes=brushes, pen=self._outline())

    def _mark(self) -> None:
        """Put rings around the selected rods, with their intervals and that of the rod under the pointer.

        In a histogram a line stands where each of them is.
        """
        if not self._columns:
            return
        particles = self._table["particle"].to_numpy()
        known = self._known()
        chosen = known & np.isin(particles, np.array(self._selection.particles, dtype=np.int64))
        self.rings.setVisible(not self.is_histogram)
        colour = self.theme.highlight if self.is_histogram else self.theme.foreground
        self.intervals.setPen(pg.mkPen(colour, width=3 if self.is_histogram else 2))
        if self.is_histogram:
            places = self._x[chosen]
            height = max(self._counts()[0].max(initial=0), 1)
            sticks = np.column_stack([np.zeros_like(places), np.full_like(places, height)]).ravel()
            self.intervals.setPath(pg.arrayToQPath(np.repeat(places, 2), sticks, connect="pairs"))
            return
        self.rings.setData(self._x[chosen], self._y[chosen])
        rows = np.flatnonzero(chosen)[:_MOST_BARS].tolist()
        rows += [] if self._hovered is None or self._hovered in rows else [self._hovered]
        self.intervals.setPath(self._interval_path(rows))

    def _interval_path(self, rows: list[int]) -> QPainterPath:
        """Return a cross of the two 90 % intervals for each of *rows*."""
        path = QPainterPath()
        for axis, (choice, across) in enumerate(((self.x_choice, self._y), (self.y_choice, self._x))):
            ends = interval(self._table, str(choice.currentData()))
            if ends is None:
                continue
            column = self._columns[choice.currentData()]
            low, high = (self._on_axis(column, pd.Series(end[rows])) for end in ends)
            for start, stop, beside in zip(low, high, across[rows], strict=True):
                if np.isfinite([start, stop]).all():
                    places = [(start, beside), (stop, beside)]
                    (a, b), (c, d) = [place[::-1] if axis else place for place in places]
                    path.moveTo(a, b)
                    path.lineTo(c, d)
        return path

    def _on_axis(self, column: Column, values: pd.Series) -> Floats:
        """Return *values* as they lie on the axis; NaN where they cannot be shown there."""
        numbers = values.to_numpy(float)
        return np.log10(np.where(numbers > 0, numbers, np.nan)) if column.logarithmic else numbers

    def _known(self) -> NDArray[np.bool_]:
        return np.isfinite(self._x) & np.isfinite(self._y)

    def _passing(self) -> NDArray[np.bool_]:
        """Return which rows pass the filter."""
        shown = self._selection.shown
        if shown is None:
            return np.ones(len(self._table), dtype=bool)
        return self._table["particle"].isin(shown).to_numpy()

    def _counts(self) -> tuple[NDArray[np.int64], Floats]:
        """Return how many rods that pass the filter have values between which edges."""
        values = self._x[self._known() & self._passing()]
        limits = self._columns[self.x_choice.currentData()].limits
        everywhere = self._x[self._known()]
        if limits is None:
            limits = (everywhere.min(), everywhere.max()) if everywhere.size else (0.0, 1.0)
        counts, edges = np.histogram(values, bins=_BINS, range=limits)
        return counts, edges

    def _brushes(self) -> NDArray[np.object_]:
        """Return a brush for each row: the colour of its mixing ratio, paler the less its two values are known."""
        table = self._table
        certainty = np.ones(len(table))
        for choice in (self.x_choice, self.y_choice):
            scale = SCALES.get(choice.currentData())
            if scale is not None:
                low, high = table[f"{scale.column}_low"], table[f"{scale.column}_high"]
                certainty = np.minimum(certainty, scale.certainty(low, high))
        colour = np.nan_to_num(np.round(_SHADES * MIXING_RATIO.position(table["mixing_ratio"])), nan=_SHADES + 1)
        opacity = np.where(self._passing(), np.round(_OPACITIES * certainty), _OPACITIES + 1)
        return np.asarray(self._palette[colour.astype(int), opacity.astype(int)])

    def _outline(self) -> Any:
        return pg.mkPen(with_alpha(self.theme.background, 160), width=1)

    def _row_at(self, scene: QPointF) -> int | None:
        """Return the row of the point nearest to a place of the scene, if one is near."""
        known = np.flatnonzero(self._known() & self._passing())
        if self.is_histogram or not known.size or not self.box.sceneBoundingRect().contains(scene):
            return None
        here, (dx, dy) = self.box.mapSceneToView(scene), self.box.viewPixelSize()
        distance = np.hypot((self._x[known] - here.x()) / dx, (self._y[known] - here.y()) / dy)
        nearest = int(distance.argmin())
        return int(known[nearest]) if distance[nearest] <= _REACH_PX else None

    def _on_click(self, click: Any) -> None:
        if click.button() != Qt.MouseButton.LeftButton:
            return
        if click.double():
            self.show_all()
            return
        if self.is_histogram:
            self._select_bar(self.box.mapSceneToView(click.scenePos()).x())
            return
        row = self._row_at(click.scenePos())
        if row is not None:
            particle = int(self._table["particle"].iloc[row])
            if click.modifiers() & _MULTI:
                self._selection.toggle(particle)
            else:
                self._selection.select(particle)

    def _select_bar(self, x: float) -> None:
        """Select the rods of the bar at *x*."""
        edges = self._counts()[1]
        bar = int(np.searchsorted(edges, x)) - 1
        if 0 <= bar < len(edges) - 1:
            self._on_picked(QRectF(edges[bar], 0, edges[bar + 1] - edges[bar], 1))

    def _on_picked(self, rectangle: QRectF) -> None:
        """Select the rods inside *rectangle*; in a histogram those between its left and right."""
        inside = (self._x >= rectangle.left()) & (self._x <= rectangle.right())
        if not self.is_histogram:
            inside &= (self._y >= rectangle.top()) & (self._y <= rectangle.bottom())
        chosen = self._table["particle"].to_numpy()[inside & self._known() & self._passing()]
        self._selection.select_many(chosen.tolist())

    def _on_hover(self, scene: QPointF) -> None:
        row = self._row_at(scene)
        if row != self._hovered:
            self._hovered = row
            self._mark()
            self._say()

    def leaveEvent(self, event: QEvent) -> None:
        """Forget what was under the pointer."""
        super().leaveEvent(event)
        self._on_hover(QPointF(-1e6, -1e6))

    def _lay_out(self) -> None:
        self.panel.setMenuEnabled(False)
        self.panel.hideButtons()
        self.panel.showGrid(x=True, y=True, alpha=0.15)
        self.plot.setToolTip(
            "Every rod that has both values, in the colour of its mixing ratio, paler where it is less certain; the "
            "cross of a selected one: its 90 % intervals. Faint: left out by the filter.\n"
            "Click: select; with Ctrl: add. Shift and drag: select several. Wheel and drag: zoom and move; double "
            "click: show all."
        )
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        for words, choice, tip in (
            ("x", self.x_choice, "What the horizontal axis shows."),
            ("y", self.y_choice, "What the vertical axis shows; the number of rods gives a histogram."),
        ):
            choice.setToolTip(tip)
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            choice.setMinimumWidth(_LEAST_CHOICE_EM * self.fontMetrics().height())
            line.addWidget(QLabel(words))
            line.addWidget(choice)
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        line.addWidget(self.count, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.plot, stretch=1)


def brushes_for(theme: Theme) -> NDArray[np.object_]:
    """Return the brushes of points, (colours, opacities) on an even grid.

    The last colour is that of rods without a mixing ratio, the last opacity that of rods that the filter leaves out.
    """
    rgb = np.vstack([MIXING_RATIO.table(_SHADES + 1), NO_VALUE_RGB])
    opacities = 255 * (PALEST + (1 - PALEST) * np.arange(_OPACITIES + 1) / _OPACITIES)
    brushes = np.empty((len(rgb), _OPACITIES + 2), dtype=object)
    for place, opacity in np.ndenumerate(np.tile(np.r_[opacities, _HIDDEN_ALPHA], (len(rgb), 1))):
        colour = theme.readable(rgb[place[0]])
        colour.setAlpha(round(opacity))
        brushes[place] = pg.mkBrush(colour)
    return brushes
