"""What the plots against time share: the axis of frames, a cursor at the frame in view, clicks, and a read-out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QResizeEvent

from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.axes import GivingLabel, LevelAxis, SecondsAxis
from napari_lptem_diffusion.gui.views.theme import Theme

_LEAST_FRAMES_IN_VIEW = 8
_LEAST_PANEL_EM, _BESIDE_PANELS_EM = 1.8, 5.0
_ANY_HEIGHT_PX = 1 << 24
_NAMES_EM, _NUMBERS_EM = 5.2, 1.5
_MARGINS_PX = 16
_PADDING = 0.12


class TimePanels(pg.GraphicsLayoutWidget):
    """Panels over one axis of frames; a click shows that frame, the cursor can be dragged, the wheel zooms.

    A double click shows the whole movie again. Subclasses add panels with `add_panel`, draw what is in view in
    `draw`, say in `read_out` what the curves are at a frame, and in `key` what their kinds mean. Where there is too
    little room, the lower panels give way.
    """

    key = ""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self.selection = selection
        self.theme = Theme()
        self.panels: list[pg.PlotItem] = []
        self._fitting = 0
        self.cursors: list[pg.InfiniteLine] = []
        self.changes: dict[int, list[pg.InfiniteLine]] = {}
        self._last_frame = 1
        self._movie: tuple[int, float | None] | None = None
        self._seconds = SecondsAxis()
        self._said = GivingLabel(justify="left")
        self.addItem(self._said, row=0, col=0)
        self.ci.layout.setContentsMargins(2, 0, 8, 3)
        self.ci.layout.setVerticalSpacing(2)
        self._hovered: int | None = None
        self.scene().sigMouseClicked.connect(self._on_click)
        self.scene().sigMouseMoved.connect(self._on_hover)
        selection.frame_changed.connect(self._on_frame)

    @property
    def said(self) -> str:
        """What the line over the panels says."""
        return str(self._said.text)

    def read_out(self, frame: int, place: str, short: bool = False) -> str:
        """Return what the curves are at *frame*, called *place*, as rich text; *short*: where there is little room."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw the curves between the `frames_in_view`."""
        raise NotImplementedError

    @property
    def frames_in_view(self) -> tuple[float, float]:
        """The ends of the axis of frames."""
        first, last = self.panels[0].vb.viewRange()[0]
        return first, last

    def add_panel(self, limits: tuple[float, float] | None) -> pg.PlotItem:
        """Add a panel below the others, with a cursor; *limits* None: as high as its curves."""
        first = not self.panels
        axes: dict[str, pg.AxisItem] = {side: LevelAxis(side) for side in ("left", "bottom")}
        if first:
            axes["top"] = self._seconds
        panel = self.addPlot(row=len(self.panels) + 1, col=0, axisItems=axes)
        self.ci.layout.setRowStretchFactor(len(self.panels) + 1, 1)
        panel.setMenuEnabled(False)
        panel.hideButtons()
        panel.setMouseEnabled(x=True, y=False)
        panel.showGrid(y=True, alpha=0.15)
        em = self.fontMetrics().height()
        for side, axis in axes.items():
            if side == "left":
                axis.setWidth(round(_NAMES_EM * em))
            else:
                axis.setHeight(round(_NUMBERS_EM * em))
        if limits is not None:
            panel.setYRange(*limits, padding=_PADDING)
        if first:
            panel.showAxis("top", False)
            panel.vb.sigXRangeChanged.connect(lambda *_: self.draw())
        else:
            self.panels[-1].hideAxis("bottom")
            panel.setXLink(self.panels[0])
        cursor = pg.InfiniteLine(0, movable=True)
        cursor.setZValue(10)
        cursor.sigDragged.connect(lambda line: self.selection.show_frame(round(line.value())))
        panel.addItem(cursor, ignoreBounds=True)
        self.panels.append(panel)
        self._fitting = len(self.panels)
        self.cursors.append(cursor)
        return panel

    def set_movie(self, frames: int, frame_interval_s: float | None) -> None:
        """Span the axis over a movie of so many frames; with an interval, seconds are written above."""
        if (frames, frame_interval_s) == self._movie:
            return  # as after a correction: what the user looks at stays in view
        self._movie = (frames, frame_interval_s)
        self._last_frame = max(frames - 1, 1)
        self._seconds.frame_interval_s = frame_interval_s or 1.0
        self.panels[0].showAxis("top", frame_interval_s is not None)
        for panel, cursor in zip(self.panels, self.cursors, strict=True):
            slack = 0.02 * self._last_frame + 0.5
            panel.setLimits(
                xMin=-slack, xMax=self._last_frame + slack, minXRange=min(_LEAST_FRAMES_IN_VIEW, self._last_frame)
            )
            cursor.setBounds((0, self._last_frame))
            cursor.setValue(self.selection.frame)  # which may have been beyond the end of the movie before
        self.show_all_frames()

    def show_all_frames(self) -> None:
        """Show the whole movie."""
        self.panels[0].setXRange(0, self._last_frame, padding=0.02)

    def show_changes(self, frames: Iterable[int]) -> None:
        """Draw a line before each of the *frames* from which a rod moves otherwise."""
        for panel, line in ((line.getViewBox(), line) for lines in self.changes.values() for line in lines):
            panel.removeItem(line)
        pen = pg.mkPen(self.theme.foreground, style=Qt.PenStyle.DashLine)
        self.changes = {frame: [pg.InfiniteLine(frame - 0.5, pen=pen) for _ in self.panels] for frame in frames}
        for lines in self.changes.values():
            for panel, line in zip(self.panels, lines, strict=True):
                panel.addItem(line, ignoreBounds=True)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of napari's theme."""
        self.theme = theme
        self.setBackground(theme.background)
        for panel, cursor in zip(self.panels, self.cursors, strict=True):
            for side in ("left", "bottom", "top"):
                panel.getAxis(side).setPen(theme.foreground)
                panel.getAxis(side).setTextPen(theme.foreground)
            cursor.setPen(pg.mkPen(theme.highlight, width=2))
            cursor.setHoverPen(pg.mkPen(theme.highlight, width=4))
        for panel in self.panels:
            panel.getAxis("bottom").setLabel("frame", color=theme.foreground)
        self.say()

    def say(self) -> None:
        """Write what the curves are under the pointer, or else at the frame in view."""
        frame = self.selection.frame if self._hovered is None else self._hovered
        name = f"frame {frame}"
        full, short = self.read_out(frame, name), self.read_out(frame, name, short=True)
        key = f" &nbsp; <span style='color:{self.theme.faint}'>{self.key}</span>"
        values = short.split(" &nbsp; ")
        fewer = [f"{' &nbsp; '.join(values[:number])} …" for number in range(len(values) - 1, 0, -1)]
        texts = (self.read_out(frame, self.place(frame)) + key, full + key, full, short + key, short, *fewer)
        self._said.show_text(texts, self.theme.foreground, self.width() - _MARGINS_PX)

    def place(self, frame: int) -> str:
        """Return "frame 12", with its time if that is known."""
        seconds = f" ({frame * self._seconds.frame_interval_s:.4g} s)" if self._seconds.isVisible() else ""
        return f"frame {frame}{seconds}"

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show and say as much as there is room for."""
        super().resizeEvent(event)
        if event is not None:  # which it is while pyqtgraph builds the view
            self._fit_panels()
            self.say()

    def leaveEvent(self, event: QEvent) -> None:
        """Read out the frame in view again."""
        super().leaveEvent(event)
        self._hovered = None
        self.say()

    def _fit_panels(self) -> None:
        """Show the upper panels that can be high enough to be read, at least one."""
        room_em = self.height() / self.fontMetrics().height() - _BESIDE_PANELS_EM
        fitting = min(max(1, int(room_em / _LEAST_PANEL_EM)), len(self.panels))
        if fitting == self._fitting:
            return
        for number, panel in enumerate(self.panels):
            panel.setVisible(number < fitting)
            panel.setMaximumHeight(_ANY_HEIGHT_PX if number < fitting else 0)
            self.ci.layout.setRowStretchFactor(number + 1, int(number < fitting))
            panel.showAxis("bottom", number == fitting - 1)
        self._fitting = fitting

    def _on_frame(self, frame: int) -> None:
        for cursor in self.cursors:
            cursor.setValue(frame)
        if self._hovered is None:
            self.say()

    def _frame_at(self, scene: QPointF) -> int | None:
        """Return the frame at a place of the scene, if that is on a panel and within the movie."""
        if not any(panel.vb.sceneBoundingRect().contains(scene) for panel in self.panels):
            return None
        frame = round(self.panels[0].vb.mapSceneToView(scene).x())
        return frame if 0 <= frame <= self._last_frame else None

    def _on_click(self, click: Any) -> None:
        if click.button() != Qt.MouseButton.LeftButton:
            return
        frame = self._frame_at(click.scenePos())
        if click.double():
            self.show_all_frames()
        elif frame is not None:
            self.selection.show_frame(frame)

    def _on_hover(self, scene: QPointF) -> None:
        hovered = self._frame_at(scene)
        if hovered != self._hovered:
            self._hovered = hovered
            self.say()
