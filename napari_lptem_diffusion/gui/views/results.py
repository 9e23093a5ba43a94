"""The result below the canvas: table and filter on the left, plots on the right, one selection and one time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QLabel, QSizePolicy, QSplitter, QTabWidget, QVBoxLayout, QWidget

from napari_lptem_diffusion.diffusion.changes import change_frames
from napari_lptem_diffusion.gui.messages import counted
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.columns import columns_for
from napari_lptem_diffusion.gui.views.displacements import DisplacementPlot
from napari_lptem_diffusion.gui.views.filter_line import FilterLine
from napari_lptem_diffusion.gui.views.headline import Headline, rod_parts
from napari_lptem_diffusion.gui.views.msd_plot import MsdPlot
from napari_lptem_diffusion.gui.views.rod_table import rod_table
from napari_lptem_diffusion.gui.views.scatter import AllRods
from napari_lptem_diffusion.gui.views.table import RodTable
from napari_lptem_diffusion.gui.views.theme import Theme
from napari_lptem_diffusion.gui.views.time_plot import TimePlot
from napari_lptem_diffusion.particles.correcting.drift import without_drift
from napari_lptem_diffusion.particles.correcting.tables import STUCK

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_LEAST_PLOT_HEIGHT_EM = 9
_OF_CHANGE = "Show the frame from which the selected rod moves otherwise."
_TABLE_AND_PLOTS = (430, 570)


class Results(QWidget):
    """Views of the analysis in view that share a `Selection`; they follow both by themselves."""

    def __init__(self, selection: Selection, result: Result) -> None:
        super().__init__()
        self._selection = selection
        self._analysis: Analysis | None = None
        self._moved = pd.DataFrame()
        self._particle = Headline()
        self._whose = QLabel()
        self.filter_line = FilterLine(selection)
        self.table = RodTable(selection)
        self.time_plot = TimePlot(selection)
        self.displacement_plot = DisplacementPlot(selection)
        self.msd_plot = MsdPlot()
        self.scatter = AllRods(selection)
        self.tabs = QTabWidget()
        self.actions_ = [
            self._action("Filter the rods", "Ctrl+F", self._type_filter, "Type a condition that rods are to meet."),
            self._action("Next change of motion", "Alt+Right", lambda: self._step_to_change(1), _OF_CHANGE),
            self._action("Last change of motion", "Alt+Left", lambda: self._step_to_change(-1), _OF_CHANGE),
            self.table.copy_action,
            self.table.centre_action,
        ]
        self._lay_out()
        result.changed.connect(self._on_result)
        result.corrected.connect(self._show_analysis)
        selection.particles_changed.connect(self._show_rods)
        self.tabs.currentChanged.connect(lambda _: self._show_rods())
        if result.analysis is not None:
            self._on_result(result.analysis)

    @property
    def _particles(self) -> tuple[int, ...]:
        """The selected rods that the analysis has: after a correction others may be selected before we are told."""
        there = set() if self._analysis is None else set(self._analysis.motion.particles["particle"])
        return tuple(particle for particle in self._selection.particles if particle in there)

    @property
    def words(self) -> str:
        """What is said of the selected rods."""
        return " · ".join(self._particle.parts)

    def say_whose(self, sentence: str) -> None:
        """Say above the views of which movie the result is; nothing where *sentence* is empty."""
        self._whose.setText(sentence)
        self._whose.setVisible(bool(sentence))

    def set_theme(self, foreground: str, background: str, highlight: str) -> None:
        """Take the colours of napari's theme, as hex."""
        theme = Theme(foreground, background, highlight)
        for plot in (self.time_plot, self.displacement_plot, self.msd_plot, self.scatter):
            plot.set_theme(theme)
        self._show_rods()

    def _on_result(self, analysis: Analysis | None) -> None:
        """Show a new analysis with its longest track selected, or none at all."""
        self._selection.select(None)
        if analysis is None:
            self._forget()
            return
        self._show_analysis(analysis)
        self.scatter.show_all()
        for plot in (self.time_plot, self.displacement_plot):
            plot.show_all_frames()
        particles = analysis.motion.particles
        if len(particles):
            self._selection.select(int(particles["particle"].iloc[particles["frames"].argmax()]))

    def _forget(self) -> None:
        """Show no rods; what is typed as a filter waits for the next ones."""
        if self._analysis is not None:
            for plot in (self.time_plot, self.displacement_plot, self.msd_plot):
                self._draw(plot, self._analysis, ())
            for view in (self.table, self.scatter, self.filter_line):
                view.set_table(rod_table(self._analysis)[:0], self.table.rods.columns)
        self._selection.show_only(None)
        self._analysis = None

    def _show_analysis(self, analysis: Analysis) -> None:
        """Show *analysis*; rods that are still there stay selected."""
        self._analysis = analysis
        calibration = analysis.movie.calibration
        # As it was judged: in the liquid, with the error that the judgement was told.
        error_px = analysis.settings.diffusion.localization_error_px
        moved = without_drift(analysis.tracks, error_px)
        told = error_px is not None and "drift_x" not in analysis.tracks
        self._moved = moved.assign(localization_error=error_px) if told else moved
        rods = rod_table(analysis)
        columns = columns_for(rods, calibration)
        for plot in (self.time_plot, self.displacement_plot):
            plot.set_movie(len(analysis.movie), calibration.frame_interval_s)
        self.displacement_plot.set_scale(calibration.pixel_size_nm)
        self.table.set_table(rods, columns)
        self.scatter.set_table(rods, columns)
        self.filter_line.set_table(rods, columns)
        self._selection.select_many(self._particles)
        self._show_rods()

    def _show_rods(self) -> None:
        """Show the selected rods in words and in the plot that is in front."""
        if self._analysis is None:
            return
        particles = self._particles
        if particles:
            main, motion, marked = particles[-1], self._analysis.motion, self._analysis.marked
            whole = motion.particles[motion.particles["particle"] == main].iloc[0]
            is_stuck = main in set(marked.loc[marked["mark"] == STUCK, "particle"])
            parts, explained = rod_parts(main, whole, motion.frames[motion.frames["particle"] == main], is_stuck)
            more = [f"{counted(len(particles), 'rod')} selected"] if len(particles) > 1 else []
            self._particle.say([*parts, *more], explained)
        else:
            self._particle.say(["No rod is selected: click on one in the movie, the table or a plot."])
        # Only the plot in front: the others wait until they are.
        self._draw(self.tabs.currentWidget(), self._analysis, particles)

    def _draw(self, plot: QWidget, analysis: Analysis, particles: tuple[int, ...]) -> None:
        """Draw *particles* in one of the plots that show selected rods."""
        particle = particles[-1] if particles else -1
        rods, motion = analysis.motion.particles, analysis.motion.frames
        changes = [
            frame for text in rods.loc[rods["particle"] == particle, "change_points"] for frame in change_frames(text)
        ]
        if plot is self.time_plot:
            self.time_plot.show_motion(motion[motion["particle"] == particle], changes)
        elif plot is self.displacement_plot:
            self.displacement_plot.show_track(self._moved[self._moved["particle"] == particle], changes)
        elif plot is self.msd_plot:
            self.msd_plot.show_rods(analysis, particles, self._moved[self._moved["particle"] == particle])

    def _type_filter(self) -> None:
        self.filter_line.edit.setFocus()
        self.filter_line.edit.selectAll()

    def _step_to_change(self, direction: int) -> None:
        """Show the nearest frame after (1) or before (-1) the one in view from which the rod moves otherwise."""
        if self._analysis is None or not self._particles:
            return
        rods = self._analysis.motion.particles
        (text,) = rods.loc[rods["particle"] == self._particles[-1], "change_points"]
        away = [direction * (frame - self._selection.frame) for frame in change_frames(text)]
        ahead = [frames for frames in away if frames > 0]
        if ahead:
            self._selection.show_frame(self._selection.frame + direction * min(ahead))

    def _action(self, text: str, key: str, do: Callable[[], None], tooltip: str) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setToolTip(tooltip)
        action.triggered.connect(lambda _: do())
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        self._whose.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._whose.setStyleSheet("font-weight: bold")
        self._whose.hide()
        for plot, title, tip in (
            (self.time_plot, "Over time", "Mixing ratio and exponents of the selected rod against time."),
            (self.displacement_plot, "Displacements", "How far the selected rod goes from frame to frame."),
            (self.msd_plot, "MSD", "Mean squared displacement of the selected rods, and what the numbers predict."),
            (self.scatter, "All rods", "Any two quantities of all rods, or a histogram of one."),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(plot, title), tip)
        self.tabs.setDocumentMode(True)
        self.tabs.setMinimumHeight(_LEAST_PLOT_HEIGHT_EM * self.fontMetrics().height())
        left = _column(self.filter_line, self.table)
        right = _column(self._particle, self.tabs)
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(left)
        halves.addWidget(right)
        halves.setChildrenCollapsible(False)
        halves.setSizes(_TABLE_AND_PLOTS)
        for place, share in enumerate(_TABLE_AND_PLOTS):
            halves.setStretchFactor(place, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self._whose)
        layout.addWidget(halves, stretch=1)


def _column(first: QWidget, second: QWidget) -> QWidget:
    """Return *first* above *second*, which takes the room there is."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.addWidget(first)
    layout.addWidget(second, stretch=1)
    return column
