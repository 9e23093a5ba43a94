"""The dock widget: puts the panels together and passes on what one tells another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QMainWindow, QVBoxLayout, QWidget

from napari_lptem_diffusion.analysis import Analysis, analyze
from napari_lptem_diffusion.gui import autosave
from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.compare_window import CompareWindow
from napari_lptem_diffusion.gui.correct_panel import CorrectPanel
from napari_lptem_diffusion.gui.dropping import DropTarget
from napari_lptem_diffusion.gui.export_panel import ExportPanel
from napari_lptem_diffusion.gui.layers import space
from napari_lptem_diffusion.gui.live_preview import LivePreview
from napari_lptem_diffusion.gui.look_panel import LookPanel
from napari_lptem_diffusion.gui.messages import label_colours, tell, tell_error, tell_warning
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.opening import Opening
from napari_lptem_diffusion.gui.presets import PresetsMenu
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.results_dock import ResultsDock
from napari_lptem_diffusion.gui.run_panel import OnDone, RunPanel
from napari_lptem_diffusion.gui.section import Section, scrolled
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.sessions import Sessions
from napari_lptem_diffusion.gui.shortcuts import ShortcutKeeper, ShortcutsDialog
from napari_lptem_diffusion.gui.steps import Steps, column, in_words
from napari_lptem_diffusion.gui.top_bar import TopBar
from napari_lptem_diffusion.gui.views.results import Results
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    import napari
    from napari.layers import Image
    from napari.utils.events import EventEmitter

    from napari_lptem_diffusion.gui.worker import Work

_WIDTH_PX = 380


class LptemDiffusionWidget(QWidget):
    """From a movie to the motion of its rods: four steps, then what can be done with the result.

    The views of the result have a dock of their own, `results_dock`.
    """

    def __init__(self, napari_viewer: napari.Viewer, settings: Settings | None = None) -> None:
        super().__init__()
        settings = settings or Settings()
        # napari hands plugins a proxy, which would also wrap the layers and, by the name of this package, our movies.
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = viewer
        self.selection = Selection(self)
        self.result = Result(self)
        self.movie_panel = MoviePanel(viewer, settings.movie)
        self.canvas = Canvas(viewer, self.selection, self.movie_panel.frame_interval_s)
        for changed in (self.result.changed, self.result.corrected):  # before the panels, which ask the canvas
            changed.connect(self._draw_result)
        self.drops = DropTarget(self)
        self.steps = Steps(self.movie_panel, settings)
        self.run_panel = RunPanel()
        self.live_preview = LivePreview(
            self, self.movie_panel, self.steps, self.result, self.selection, self.canvas, self.run_panel
        )
        self.results = Results(self.selection, self.result)
        self.results_dock = ResultsDock(viewer, self.results)
        self.sessions = Sessions(self.result, self.selection, autosave.autosave_home(), self)
        self.look_panel = LookPanel()
        self.correct_panel = CorrectPanel(self.selection, self.canvas, self.result)
        self.export_panel = ExportPanel(self.result, self.selection, self.sessions)
        self.presets_menu = PresetsMenu(lambda: self.settings, self.set_settings, self)
        self.top_bar = TopBar(self.presets_menu, self.compare, self.results_dock.show, self.show_shortcuts)
        self._compare_window: CompareWindow | None = None
        self.opening = Opening(
            self,
            viewer,
            self.movie_panel,
            self.steps,
            self.selection,
            self.sessions,
            self.presets_menu,
            self._show_new,
            self.may_start,
        )
        self._lay_out()
        self._connect()
        self._on_theme()
        self._on_movie()

    @property
    def settings(self) -> Settings:
        """The settings as the fields show them."""
        return self.steps.settings

    def set_settings(self, settings: Settings) -> None:
        """Show *settings* in the fields."""
        self.steps.set_settings(settings)
        self.live_preview.request()

    def open(self, *paths: str | Path) -> None:
        """Open what is at *paths*, as if it was dropped; a refusal is a dialog."""
        self.opening.open(*paths)

    def show_movie(self, movie: Movie) -> Image:
        """Show *movie* from its start as a layer, choose and return it."""
        return self.opening.show_movie(movie)

    def run(self) -> None:
        """Analyse the chosen movie with the settings as they stand."""
        movie, image = self.movie_panel.movie, self.movie_panel.image
        if movie is None or image is None or not self.sessions.may_replace_result(image):
            return
        detector = self.live_preview.preview.calibrated(movie, self.settings.detection)
        work = partial(analyze, movie, self.settings, detector=detector)
        self.start(work, f"Analysing {movie.name}", partial(self._show_new, image))
        self.live_preview.stop()

    def start(self, work: Work, description: str, on_done: OnDone) -> None:
        """Do *work* with progress and Cancel; where other work is going on, say so."""
        if self.may_start():
            self.run_panel.start(work, description, on_done)

    def may_start(self) -> bool:
        """Whether nothing is running; where something is, say so."""
        if self.run_panel.is_running:
            tell("Something is still running: wait for it, or cancel it.")
        return not self.run_panel.is_running

    def compare(self, *paths: Path) -> None:
        """Open the window that compares movies, with these exports or sessions in it."""
        if self._compare_window is None:
            self._compare_window = CompareWindow(self)
        if paths:
            self._compare_window.add(paths)
        self._compare_window.show()
        self._compare_window.raise_()

    def show_shortcuts(self) -> None:
        """List the keys of all panels."""
        groups = {
            "Look": self.look_panel.actions_,
            "Correct": self.correct_panel.actions_,
            "Table": self.results.actions_,
            "Session (in the docks)": self.sessions.actions_,
        }
        dialog = ShortcutsDialog(self, groups)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def show_analysis(self, image: Image, analysis: Analysis) -> str:
        """Show *analysis* over *image* and in the docks, in place of an earlier one of it; return it in a sentence."""
        if image not in self._viewer.layers:
            return "Nothing is shown: the movie was closed meanwhile."
        self.result.show(image, analysis)
        self.result.choose(self.movie_panel.image)  # another one may have been chosen meanwhile
        self._show_states()
        self.live_preview.request()
        return in_words(analysis)

    def _show_new(self, image: Image, analysis: Analysis) -> str:
        """Show what was just made or opened; at its end where the first frame is in view, in which no track is seen.

        Where nothing was found, an earlier result of the movie stays.
        """
        earlier = self.result.of(image)
        if analysis.tracks.empty and earlier is not None and not earlier.tracks.empty:
            return f"{in_words(analysis)} The earlier result of {image.name} stays."
        if self.selection.frame == 0 and image is self.movie_panel.image and not analysis.tracks.empty:
            self.selection.show_frame(len(analysis.movie) - 1)
        return self.show_analysis(image, analysis)

    def event(self, event: QEvent) -> bool:
        """Go for good, with the dock of the results, when napari has closed the dock of this widget."""
        handled = bool(super().event(event))
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            # A timer of its own: PySide6 would call a widget that is gone by then.
            QTimer(self, singleShot=True, timeout=self._go_if_closed).start()
        return handled

    def showEvent(self, event: QShowEvent) -> None:
        """Take drops on the canvas too, once there is one."""
        super().showEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow):
            self.drops.watch(window)

    def _go_if_closed(self) -> None:
        if self.parent() is None:  # it has not been docked elsewhere meanwhile
            self.deleteLater()

    @property
    def _advice(self) -> tuple[tuple[Any, str], ...]:
        """What to do next when something cannot be done, by the part that says so."""
        return (
            (self.opening.movies, "What can be opened: TIFF, DM3, DM4, MRC, EMD, SER, NumPy files, folders of images."),
            (self.movie_panel, "Choose another layer, or drop the file of the movie here."),
            (self.live_preview.preview, "Change the setting that is named, or choose another frame."),
            (self.run_panel, "Nothing was changed: mend what is named, then try again."),
            (self.export_panel, "Choose another place, then export again: the result is still here."),
            (self.presets_menu, "Mend in a text editor what is named, or choose another file."),
        )

    def _connect(self) -> None:
        self.drops.dropped.connect(lambda paths: self.open(*paths))
        self.opening.comparison_wanted.connect(lambda paths: self.compare(*paths))
        self.opening.movies.busy.connect(self._on_opening)
        self.result.changed.connect(self._on_result)
        self.result.corrected.connect(self._show_states)
        self.movie_panel.movie_changed.connect(self._on_movie)
        self.movie_panel.calibration_changed.connect(self._on_calibration)
        self.movie_panel.open_wanted.connect(self.open)
        self.run_panel.run_clicked.connect(self.run)
        self.run_panel.warned.connect(tell_warning)
        self.run_panel.started.connect(partial(self._set_busy, True))
        self.run_panel.finished.connect(partial(self._set_busy, False))
        self.run_panel.finished.connect(self.sessions.ask_for_missing_movie)
        self.opening.tracks_shown.connect(self.export_panel.note_columns)
        self.opening.tracks_shown.connect(lambda _: self._take_scale())  # of the movie that they are drawn over
        for said in (self.presets_menu.taken, self.export_panel.told, self.correct_panel.told):
            said.connect(self.run_panel.say)
        self.steps.judge_again.follow(self.result)
        for panel in (self.export_panel, self.correct_panel, self.sessions, self.opening, self.steps.judge_again):
            panel.work_wanted.connect(self.start)
        for part, advice in self._advice:
            part.failed.connect(partial(tell_error, self, advice))
        self.look_panel.changed.connect(self.canvas.set_look)
        self.sessions.not_kept.connect(lambda error: tell(f"Results are not kept against a crash: {error}"))
        for dock in (self, self.results):
            ShortcutKeeper(dock, self.sessions.actions_)
        # Not at once: layers cannot be taken from a list that is taking one itself.
        self._tidying = QTimer(self, singleShot=True, timeout=self._forget_closed_result)
        of_viewer = (
            (self._viewer.events.theme, self._on_theme),
            (self._viewer.layers.events.removed, self._on_layer_removed),
        )
        for event, callback in of_viewer:
            event.connect(callback)
        leave = (
            self.sessions.leave,  # first: nothing may keep corrections from being kept
            self.run_panel.abandon,
            self.live_preview.preview.abandon,
            self.opening.movies.abandon,
            self._abandon_comparison,
            self.canvas.disconnect,
            self.movie_panel.leave_viewer,
            self.results_dock.remove,
        )
        self.destroyed.connect(partial(_let_go, leave, of_viewer))

    def _abandon_comparison(self) -> None:
        if self._compare_window is not None:
            self._compare_window.abandon()

    def _on_movie(self) -> None:
        movie = self.movie_panel.movie
        self.live_preview.stop()
        self.canvas.show_movie(self.movie_panel.image, self.movie_panel.movies)
        self.result.choose(self.movie_panel.image)
        self.run_panel.offer(movie)
        if not self.run_panel.is_running:
            self.run_panel.say("Open a movie to begin." if movie is None else "Ready.")
        self._fix_pixel_size()
        self._take_scale()
        known = self.movie_panel.calibrated()
        self.steps.show_movie(known)
        if known is not None and known.calibration.pixel_size_nm is None:
            self.steps.movie_section.fold(False)  # so that the scale is seen to be asked for
        self._show_states()
        self.live_preview.request()

    def _take_scale(self) -> None:
        if self.movie_panel.shows_own_movie:  # the scale of another reader's layer is not ours to set
            self._on_calibration()

    def _fix_pixel_size(self) -> None:
        result = self.result.of(self.movie_panel.image)
        self.movie_panel.fix_pixel_size(None if result is None else result.px_stands_for_nm)

    def _on_opening(self, text: str) -> None:
        if not self.run_panel.is_running:
            self.run_panel.say(text or "Ready.")

    def _on_result(self, analysis: Analysis | None) -> None:
        """Show another result, or take the one away whose movie is gone."""
        for part in (self.result_part, self.export_section):
            part.setVisible(analysis is not None)
        self.top_bar.results_button.setEnabled(analysis is not None and not analysis.motion.particles.empty)
        image = self.result.image
        self.export_section.set_state("" if image is None else image.name)
        if analysis is None or analysis.motion.particles.empty:
            self.results_dock.hide()
            return
        if not self.results_dock.is_shown:
            self.steps.fold()
            self.results_dock.show()
            QTimer.singleShot(0, self._fit_movie)

    def _draw_result(self, analysis: Analysis | None) -> None:
        image = self.result.image
        if analysis is None or image is None or analysis.motion.particles.empty:
            self.canvas.remove_result()
        else:
            self.canvas.show_result(image, analysis)

    def _fit_movie(self) -> None:
        """Show all of the movie, where the canvas has become smaller."""
        image = self.movie_panel.image
        if image is not None:
            self._viewer.reset_view(layers=[image])

    def _on_calibration(self) -> None:
        """Show another scale; a result takes it at once, since the engine works in px and frames."""
        movie, image = self.movie_panel.calibrated(), self.movie_panel.image
        if movie is None:
            return
        of_result = image is self.result.image
        self.canvas.set_space(image, space(movie.calibration), of_result)
        self.steps.show_movie(movie)
        analysis = self.result.analysis
        if of_result and analysis is not None:
            if analysis.movie.source_files != movie.source_files:  # tracks of another tool, drawn over this movie
                known = movie.calibration
                movie = analysis.movie.calibrated(known.pixel_size_nm, known.frame_interval_s)
            self.result.calibrate(movie, self.movie_panel.settings)

    def _set_busy(self, busy: bool) -> None:
        """While something runs, nothing else can be started."""
        self.run_panel.offer(self.movie_panel.movie)
        self.correct_panel.set_busy(busy)
        self.export_panel.setEnabled(not busy)

    def _on_layer_removed(self) -> None:
        self._tidying.start()

    def _forget_closed_result(self) -> None:
        """Take a result away when the user has removed the layer of its movie."""
        for image in self.result.images:
            if image not in self._viewer.layers:
                self.result.forget(image)

    def _show_states(self) -> None:
        """Show in fields and titles what is known of the chosen movie: what its result says, or nothing yet."""
        self._fix_pixel_size()
        result = self.result.of(self.movie_panel.image)
        whose = "" if result is not None or self.result.image is None else f"of {self.result.image.name}"
        self.results.say_whose(whose and f"The result {whose}, which is not the movie in view.")
        for section in (self.look_section, self.correct_section):
            section.set_state(whose)
        self.steps.show_measured({} if result is None else result.measured)
        self.steps.show_result(result)
        if result is not None and not (result.tracks.empty or self.top_bar.results_button.isEnabled()):
            self._on_result(result)  # its first rod was drawn where nothing was found

    def _on_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        text, background, warning = (colour.as_rgb_tuple() for colour in (theme.text, theme.background, theme.warning))
        self.setStyleSheet(label_colours(text, background, warning))
        self.run_panel.set_link_colour(theme.text.as_hex())
        self.results.set_theme(*(colour.as_hex() for colour in (theme.text, theme.background, theme.current)))

    def _lay_out(self) -> None:
        self.setMinimumWidth(_WIDTH_PX)
        self.export_section = Section("Save and export", "What goes out of here.", self.export_panel)
        self.look_section = Section("Look", "What is seen of the result on the canvas.", self.look_panel)
        self.correct_section = Section("Correct", "Put right what was found or followed wrongly.", self.correct_panel)
        self.result_part = column(self.look_section, self.correct_section)
        for part in (self.result_part, self.export_section):
            part.hide()
        sections = column(self.steps, self.result_part)
        sections.layout().addStretch(1)
        sections.layout().setContentsMargins(0, 0, 6, 0)  # room beside the scroll bar
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(self.top_bar)
        layout.addWidget(self.sessions.recovery)
        layout.addWidget(scrolled(sections), stretch=1)
        layout.addWidget(self.export_section)  # not scrolled: always seen to be there
        layout.addWidget(self.run_panel)


def _let_go(leave: Iterable[Callable[[], None]], of_viewer: Iterable[tuple[EventEmitter, Callable[[], None]]]) -> None:
    """Stop what runs and leave the viewer, when the widget is gone: only Python's halves may be touched."""
    with ExitStack() as steps:  # all are taken, whichever fails, the last pushed first
        for event, callback in of_viewer:
            steps.callback(event.disconnect, callback)
        for step in reversed(list(leave)):
            steps.callback(step)
