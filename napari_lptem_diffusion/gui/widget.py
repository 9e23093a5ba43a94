"""The dock widget: puts the panels together and passes on what one tells another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_lptem_diffusion.analysis import Analysis, analyze
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.export_panel import ExportPanel
from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.gui.layers import movie_layer, space
from napari_lptem_diffusion.gui.messages import SECONDARY, WARNING, counted, tell_error, tell_warning
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.preview import Found, Preview
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.results import Results
from napari_lptem_diffusion.gui.results_dock import ResultsDock
from napari_lptem_diffusion.gui.run_panel import RunPanel
from napari_lptem_diffusion.gui.section import Section
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.movie import Movie, open_movie
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
        self._find_state = ""
        self.selection = Selection(self)
        self.result = Result(self)
        self.canvas = Canvas(viewer, self.selection)
        self.movie_panel = MoviePanel(viewer, settings.movie)
        self.find_form = SettingsForm(settings.detection)
        self.follow_form = SettingsForm(settings.linking)
        self.motion_form = SettingsForm(settings.diffusion)
        self.preview = Preview(self)
        self.preview_box = QCheckBox("Preview in this frame")
        self.run_panel = RunPanel()
        self.results = Results(self.selection)
        self.results_dock = ResultsDock(viewer, self.results)
        self.results_button = QPushButton("Show results")
        self.export_panel = ExportPanel(self.result)
        self._lay_out()
        self._connect()
        self._on_theme()
        self._on_movie()

    @property
    def settings(self) -> Settings:
        """The settings as the fields show them."""
        return Settings(
            movie=self.movie_panel.settings,
            detection=self.find_form.settings,
            linking=self.follow_form.settings,
            diffusion=self.motion_form.settings,
        )

    def open(self, path: str | Path) -> None:
        """Show the movie at *path* and choose it; a refusal is a dialog."""
        try:
            self.show_movie(open_movie(path))
        except InputError as error:
            tell_error(self, error)

    def show_movie(self, movie: Movie) -> Image:
        """Show *movie* from its start as a layer, choose and return it."""
        image = self._viewer.add_layer(Layer.create(*movie_layer(movie)))
        self.selection.show_frame(0)
        return image

    def run(self) -> None:
        """Analyse the chosen movie with the settings as they stand."""
        movie, image = self.movie_panel.movie, self.movie_panel.image
        if movie is None or image is None:
            return
        work = partial(analyze, movie, self.settings)
        self.run_panel.start(work, f"Analysing {movie.name}", partial(self.show_analysis, image))
        self._stop_preview()

    def show_analysis(self, image: Image, analysis: Analysis) -> str:
        """Show *analysis* over *image* and in the dock, in place of an earlier one; return it in a sentence."""
        if image not in self._viewer.layers:
            return "Nothing is shown: the movie was closed meanwhile."
        self.result.show(image, analysis)
        followed = len(analysis.motion.particles)
        sentence = f"{counted(followed, 'rod')} in {counted(len(analysis.movie), 'frame')}."
        if followed == 0:
            other = "bright" if analysis.measured.get("rods_are_dark", 1) else "dark"
            sentence = f"No rods were followed: try a lower threshold, or {other} rods."
        self._show_states()
        self._request_preview()
        return sentence

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what is dropped."""
        for url in event.mimeData().urls():
            self.open(url.toLocalFile())
        event.acceptProposedAction()

    def _connect(self) -> None:
        self.result.changed.connect(self._on_result)
        self.movie_panel.movie_changed.connect(self._on_movie)
        self.movie_panel.calibration_changed.connect(self._on_calibration)
        self.movie_panel.open_wanted.connect(self.open)
        self.find_form.changed.connect(self._request_preview)
        self.preview_box.toggled.connect(self._request_preview)
        self.selection.frame_changed.connect(self._request_preview)
        self.preview.found.connect(self._on_found)
        self.preview.busy.connect(self._on_preview_busy)
        self.run_panel.run_clicked.connect(self.run)
        self.run_panel.warned.connect(tell_warning)
        self.run_panel.finished.connect(self._on_run_finished)
        self.results.quantity_changed.connect(self.canvas.colour_by)
        self.export_panel.work_wanted.connect(self._on_export)
        for source in (self.movie_panel, self.preview, self.run_panel, self.export_panel):
            source.failed.connect(partial(tell_error, self))
        self._viewer.events.theme.connect(self._on_theme)
        # Not at once: layers cannot be taken from a list that is taking one itself.
        self._tidying = QTimer(self)
        self._tidying.setSingleShot(True)
        self._tidying.timeout.connect(self._forget_closed_result)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        of_viewer = (
            (self._viewer.events.theme, self._on_theme),
            (self._viewer.layers.events.removed, self._on_layer_removed),
        )
        leave = (
            self.run_panel.abandon,
            self.preview.abandon,
            self.canvas.disconnect,
            self.movie_panel.leave_viewer,
            self.results_dock.remove,
        )
        self.destroyed.connect(partial(_let_go, leave, of_viewer))

    def _on_movie(self) -> None:
        movie = self.movie_panel.movie
        self._stop_preview()
        self.canvas.show_movie(self.movie_panel.image, self.movie_panel.movies)
        self.canvas.read_slider()
        self.run_panel.run_button.setEnabled(movie is not None and not self.run_panel.is_running)
        if not self.run_panel.is_running:
            self.run_panel.say("Open a movie to begin." if movie is None else "Ready.")
        if self.movie_panel.shows_own_movie:  # the scale of another reader's layer is not ours to set
            self._on_calibration()
        self._show_states()
        self._request_preview()

    def _on_result(self, analysis: Analysis | None) -> None:
        """Show another result, or take the one away whose movie is gone."""
        for section in self._of_result:
            section.setVisible(analysis is not None)
        if analysis is None or analysis.motion.particles.empty:
            self.selection.select(None)
            self.canvas.remove_result()
            self.results_dock.hide()
        image = self.result.image
        if analysis is None or image is None:
            return
        self.export_section.set_state(image.name)
        self.canvas.show_result(image, analysis, self.results.quantity)
        self.results.show_analysis(analysis)
        if not analysis.motion.particles.empty and not self.results_dock.is_shown:
            for section in (self.find_section, self.follow_section, self.motion_section):
                section.fold()
            self.results_dock.show()
            QTimer.singleShot(0, self._fit_movie)

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
        if of_result:
            self.result.calibrate(movie, self.movie_panel.settings)

    @property
    def _result_in_view(self) -> Analysis | None:
        """The result of the chosen movie."""
        return self.result.analysis if self.result.image is self.movie_panel.image else None

    @property
    def _preview_is_wanted(self) -> bool:
        """Whether to preview: not while something runs, nor where a result shows what these settings find."""
        if not self.preview_box.isChecked() or self.run_panel.is_running:
            return False
        result = self._result_in_view
        return result is None or result.settings.detection != self.find_form.settings

    def _request_preview(self) -> None:
        movie = self.movie_panel.movie
        if movie is not None and self._preview_is_wanted:
            self.preview.request(movie, self.find_form.settings, self.selection.frame)
        else:
            self._stop_preview()

    def _stop_preview(self) -> None:
        self.preview.stop()
        self.canvas.hide_preview()
        result = self._result_in_view
        self._find_state = "" if result is None else f"{len(result.detections)} in all frames"
        self.find_section.set_state(self._find_state)

    def _on_found(self, found: Found) -> None:
        if self._preview_is_wanted:
            self.canvas.show_preview(self.movie_panel.image, found)
            self._find_state = f"{len(found.rods)} in frame {found.frame}"
            self._show_measured(found.measured)

    def _on_preview_busy(self, text: str) -> None:
        self.find_section.set_state(text or self._find_state)

    def _on_run_finished(self) -> None:
        self.run_panel.run_button.setEnabled(self.movie_panel.movie is not None)
        self._request_preview()

    def _on_layer_removed(self) -> None:
        self._tidying.start()

    def _forget_closed_result(self) -> None:
        """Take the result away when the user has removed the layer of its movie."""
        if self.result.image is not None and self.result.image not in self._viewer.layers:
            self.result.forget()

    def _on_export(self, work: Work, description: str) -> None:
        self.run_panel.start(work, description, lambda path: f"Written: {path}")

    def _show_states(self) -> None:
        """Show in fields and titles what is known of the chosen movie: what its result says, or nothing yet."""
        result = self._result_in_view
        self._show_measured({} if result is None else result.measured)
        followed = judged = ""
        if result is not None:
            particles = result.motion.particles
            followed = f"{counted(len(particles), 'rod')} followed"
            judged = f"{particles['mixing_ratio'].notna().sum()} of {len(particles)} judged"
        self.follow_section.set_state(followed)
        self.motion_section.set_state(judged)

    def _show_measured(self, measured: Mapping[str, float]) -> None:
        """Show in the fields that are left to the movie what it says."""
        said: dict[str, float | str] = dict(measured)
        if "rods_are_dark" in measured:
            said["rods_are"] = "dark" if measured["rods_are_dark"] else "bright"
        for form in (self.find_form, self.follow_form, self.motion_form):
            for name, row in form.rows.items():
                row.show_measured(said.get(name))

    def _on_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        text, background, warning = (colour.as_rgb_tuple() for colour in (theme.text, theme.background, theme.warning))
        self.setStyleSheet(
            f"#{SECONDARY} {{ color: {_mixed(text, background)} }} #{WARNING} {{ color: {_mixed(warning, text)} }}"
        )
        self.results.set_theme(*(colour.as_hex() for colour in (theme.text, theme.background, theme.current)))

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        self.setMinimumWidth(_WIDTH_PX)
        self.preview_box.setChecked(True)
        self.preview_box.setToolTip(
            "Outline the rods that these settings find in the frame in view; a result of the same settings replaces it."
        )
        self.results_button.setToolTip("Bring back the table and the plots, where they were closed or hidden.")
        self.results_button.clicked.connect(self.results_dock.show)
        self.movie_section = Section("Movie", "What is analysed, and its scale.", self.movie_panel)
        self.find_section = Section("Find", "How rods are found in a frame.", _column(self.find_form, self.preview_box))
        self.follow_section = Section("Follow", "How rods become tracks.", self.follow_form)
        self.motion_section = Section("Motion", "What the network is told besides the tracks.", self.motion_form)
        self.export_section = Section(
            "Save and export", "What goes out of here.", _column(self.results_button, self.export_panel)
        )
        self._of_result = (self.export_section,)
        steps = (self.movie_section, self.find_section, self.follow_section, self.motion_section)
        self._sections = _column(*steps, *self._of_result)
        self._sections.layout().addStretch(1)
        self._sections.layout().setContentsMargins(0, 0, 6, 0)  # room beside the scroll bar
        scroll = QScrollArea()
        scroll.setWidget(self._sections)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for section in self._of_result:
            section.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.run_panel)


def _column(*widgets: QWidget) -> QWidget:
    """Return *widgets* one below the other."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(5)
    for widget in widgets:
        layout.addWidget(widget)
    return column


def _mixed(rgb: tuple[int, ...], other: tuple[int, ...], share: float = 0.7) -> str:
    """Return *share* of one colour with the rest of the *other*, for a style sheet."""
    return "rgb({}, {}, {})".format(*(round(share * a + (1 - share) * b) for a, b in zip(rgb, other, strict=True)))


def _let_go(leave: Iterable[Callable[[], None]], of_viewer: Iterable[tuple[EventEmitter, Callable[[], None]]]) -> None:
    """Stop what runs and leave the viewer, when the widget is gone: only Python's halves may be touched."""
    for step in leave:
        step()
    for event, callback in of_viewer:
        event.disconnect(callback)
