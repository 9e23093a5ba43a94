"""The dock widget: puts the panels together and passes on what one tells another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QFrame, QScrollArea, QSplitter, QVBoxLayout, QWidget

from napari_lptem_diffusion.analysis import Analysis, analyze
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.export_panel import ExportPanel
from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.gui.layers import movie_layer, space
from napari_lptem_diffusion.gui.messages import tell_error, tell_warning
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.preview import Found, Preview
from napari_lptem_diffusion.gui.results import Results
from napari_lptem_diffusion.gui.run_panel import RunPanel
from napari_lptem_diffusion.gui.section import Section
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_lptem_diffusion.gui.worker import Work

_WIDTH_PX = 380
_PART_HEIGHTS_PX = (300, 560)


class LptemDiffusionWidget(QWidget):
    """From a movie to the motion of its rods, in four steps and one result."""

    def __init__(self, napari_viewer: napari.Viewer, settings: Settings | None = None) -> None:
        super().__init__()
        settings = settings or Settings()
        # napari hands plugins a proxy, which would also wrap the layers and, by the name of this package, our movies.
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = viewer
        self._analysed_image: Image | None = None
        self.selection = Selection(self)
        self.canvas = Canvas(viewer, self.selection)
        self.movie_panel = MoviePanel(viewer, settings.movie)
        self.find_form = SettingsForm(settings.detection)
        self.follow_form = SettingsForm(settings.linking)
        self.motion_form = SettingsForm(settings.diffusion)
        self.preview = Preview(self)
        self.preview_box = QCheckBox("Preview in this frame")
        self.run_panel = RunPanel()
        self.results = Results(self.selection)
        self.export_panel = ExportPanel()
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
        self.preview_box.setChecked(False)
        work = partial(analyze, movie, self.settings)
        self.run_panel.start(work, f"Analysing {movie.name}", partial(self.show_analysis, image))

    def show_analysis(self, image: Image, analysis: Analysis) -> str:
        """Show *analysis* over *image* and in the dock, and return it in a sentence."""
        self._analysed_image = image
        self.canvas.show_result(image, analysis, self.results.quantity)
        self.results.show_analysis(analysis)
        self.export_panel.analysis = analysis
        self._result_part.show()
        self._show_measured(analysis.measured)
        followed = len(analysis.motion.particles)
        self.follow_section.set_state(f"{followed} rods followed")
        judged = int(analysis.motion.particles["mixing_ratio"].notna().sum())
        self.motion_section.set_state(f"{judged} of {followed} judged")
        if followed == 0:
            return "No rods were followed: try a lower threshold, or bright rods."
        return f"{followed} rods in {len(analysis.movie)} frames."

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
        self.movie_panel.movie_changed.connect(self._on_movie)
        self.movie_panel.calibration_changed.connect(self._on_calibration)
        self.movie_panel.open_wanted.connect(self.open)
        self.find_form.changed.connect(self._request_preview)
        self.preview_box.toggled.connect(self._on_preview_toggled)
        self.selection.frame_changed.connect(self._request_preview)
        self.preview.found.connect(self._on_found)
        self.preview.busy.connect(self._on_preview_busy)
        self.run_panel.run_clicked.connect(self.run)
        self.run_panel.warned.connect(tell_warning)
        self.results.quantity_changed.connect(self.canvas.colour_by)
        self.export_panel.work_wanted.connect(self._on_export)
        for source in (self.movie_panel, self.preview, self.run_panel, self.export_panel):
            source.failed.connect(partial(tell_error, self))
        self._viewer.events.theme.connect(self._on_theme)
        self.destroyed.connect(
            partial(_let_go, self.canvas, self.movie_panel, self.preview, self.run_panel, self._viewer, self._on_theme)
        )

    def _on_movie(self) -> None:
        movie = self.movie_panel.movie
        self.preview.stop()
        self.canvas.hide_preview()
        self.canvas.read_slider()
        self.run_panel.run_button.setEnabled(movie is not None and not self.run_panel.is_running)
        if not self.run_panel.is_running:
            self.run_panel.say("Open a movie to begin." if movie is None else "Ready.")
        if self.movie_panel.shows_own_movie:  # the scale of another reader's layer is not ours to set
            self._on_calibration()
        self._show_measured({})
        self._request_preview()

    def _on_calibration(self) -> None:
        """Show another scale; a result takes it at once, since the engine works in px and frames."""
        movie, image = self.movie_panel.calibrated(), self.movie_panel.image
        if movie is None:
            return
        of_result = image is self._analysed_image
        self.canvas.set_space(image, space(movie.calibration), of_result)
        if of_result:
            analysis = self.export_panel.analysis
            settings = analysis.settings.model_copy(update={"movie": self.movie_panel.settings})
            self.export_panel.analysis = replace(analysis, movie=movie, settings=settings)

    def _on_preview_toggled(self, wanted: bool) -> None:
        if wanted:
            self._request_preview()
        else:
            self.preview.stop()
            self.canvas.hide_preview()

    def _request_preview(self) -> None:
        movie = self.movie_panel.movie
        if movie is not None and self.preview_box.isChecked():
            self.preview.request(movie, self.find_form.settings, self.selection.frame)

    def _on_found(self, found: Found) -> None:
        if self.preview_box.isChecked():
            self.canvas.show_preview(self.movie_panel.image, found)
            self.find_section.set_state(f"{len(found.rods)} in frame {found.frame}")
            self._show_measured(found.measured)

    def _on_preview_busy(self, text: str) -> None:
        if text:
            self.find_section.set_state(text)

    def _on_export(self, work: Work, description: str) -> None:
        self.run_panel.start(work, description, lambda path: f"Written: {path}")

    def _show_measured(self, measured: Mapping[str, float]) -> None:
        """Show in the fields that are left to the movie what it says."""
        for form in (self.find_form, self.follow_form, self.motion_form):
            for name, row in form.rows.items():
                row.show_measured(measured.get(name))

    def _on_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.results.set_theme(*(colour.as_hex() for colour in (theme.text, theme.background, theme.current)))

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        self.setMinimumWidth(_WIDTH_PX)
        self.preview_box.setChecked(True)
        self.preview_box.setToolTip("Outline the rods that these settings find in the frame in view.")
        self.movie_section = Section("Movie", "What is analysed, and its scale.", self.movie_panel)
        self.find_section = Section("Find", "How rods are found in a frame.", _column(self.find_form, self.preview_box))
        self.follow_section = Section("Follow", "How rods become tracks.", self.follow_form)
        self.motion_section = Section("Motion", "What the network is told besides the tracks.", self.motion_form)
        steps = _column(self.movie_section, self.find_section, self.follow_section, self.motion_section)
        steps.layout().addStretch(1)
        steps.layout().setContentsMargins(0, 0, 6, 0)  # room beside the scroll bar
        scroll = QScrollArea()
        scroll.setWidget(steps)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._result_part = _column(self.results, self.export_panel)
        self._result_part.hide()
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(_column(scroll, self.run_panel))
        parts.addWidget(self._result_part)
        parts.setChildrenCollapsible(False)
        parts.setStretchFactor(1, 1)
        parts.setSizes(_PART_HEIGHTS_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(parts)


def _column(*widgets: QWidget) -> QWidget:
    """Return *widgets* one below the other."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(5)
    for widget in widgets:
        layout.addWidget(widget)
    return column


def _let_go(
    canvas: Canvas,
    movie_panel: MoviePanel,
    preview: Preview,
    run_panel: RunPanel,
    viewer: napari.Viewer,
    on_theme: Callable[[], None],
) -> None:
    """Stop what runs and leave the viewer, when the widget is gone: only Python's halves may be touched."""
    run_panel.abandon()
    preview.abandon()
    canvas.disconnect()
    movie_panel.leave_viewer()
    viewer.events.theme.disconnect(on_theme)
