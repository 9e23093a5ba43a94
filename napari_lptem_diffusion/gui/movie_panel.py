"""Which movie is analysed, and its calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.calibration import movie_of_layer, show_calibration
from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.gui.import_tracks import TRACK_SUFFIXES
from napari_lptem_diffusion.gui.layers import give_back_units
from napari_lptem_diffusion.gui.messages import SECONDARY, WARNING
from napari_lptem_diffusion.judge import NO_ERROR
from napari_lptem_diffusion.movie import MOVIE_SUFFIXES, Movie
from napari_lptem_diffusion.movie.frames import Remark
from napari_lptem_diffusion.settings import MovieSettings

if TYPE_CHECKING:
    import napari

_EMPTY = "Drop a movie or tracks here"
_FIXED = "The tracks came in nm or µm and were divided by it; to change it, import their file again."


class MoviePanel(QWidget):
    """A choice among the viewer's image layers, or a file, and the fields of `MovieSettings`."""

    movie_changed = Signal()
    """Another layer was chosen; `movie` and `image` have it."""
    calibration_changed = Signal()
    open_wanted = Signal(str)
    """The user wants the movie at this path to be opened."""
    failed = Signal(object)

    def __init__(self, viewer: napari.Viewer, settings: MovieSettings) -> None:
        super().__init__()
        self._viewer = viewer
        self._folder = Path.home()
        self.image: Image | None = None
        self.movie: Movie | None = None
        self._fixed_pixel_size_nm: float | None = None
        self._typed: WeakKeyDictionary[Image, MovieSettings] = WeakKeyDictionary()
        self.form = SettingsForm(settings)
        self.form.changed.connect(self._on_calibration)
        self._choice = QComboBox()
        self._choice.setPlaceholderText(_EMPTY)
        self._choice.setToolTip(
            "The image layer that is analysed; any movie of grey frames that napari shows. Movies, tracks and "
            "sessions can be dropped on the window."
        )
        self._choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._choice.activated.connect(self._on_chosen)
        self._facts = QLabel()
        self._facts.setWordWrap(True)
        self._facts.setObjectName(SECONDARY)
        self._facts.hide()
        self._notes = QLabel()
        self._notes.setWordWrap(True)
        self._notes.setObjectName(WARNING)
        self._notes.hide()
        self._lay_out()
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._on_layers, position="last")  # when the viewer itself knows of the layer
        viewer.layers.selection.events.active.connect(self._on_layers)
        self._on_layers()

    def leave_viewer(self) -> None:
        """Let go of the viewer."""
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._on_layers)
        self._viewer.layers.selection.events.active.disconnect(self._on_layers)
        for layer in self.movies:
            give_back_units(layer)

    @property
    def settings(self) -> MovieSettings:
        """What the user knows of the recording, with the pixel size that the result in view asks for."""
        if self._fixed_pixel_size_nm is None:
            return self.form.settings
        return self.form.settings.model_copy(update={"pixel_size_nm": self._fixed_pixel_size_nm})

    def set_settings(self, settings: MovieSettings) -> None:
        """Show *settings* of the movie that is chosen."""
        if settings != self.form.settings:
            self.form.set_settings(settings)
            self._on_calibration()

    def fix_pixel_size(self, pixel_size_nm: float | None) -> None:
        """Lock the pixel size at the one by which the positions of the result in view were divided; None: unlock."""
        if pixel_size_nm != self._fixed_pixel_size_nm:
            self._fixed_pixel_size_nm = pixel_size_nm
            row = self.form.rows["pixel_size_nm"]
            row.setEnabled(pixel_size_nm is None)
            row.show_value(self.settings.pixel_size_nm)
            self._show_calibration()

    def choose(self, image: Image) -> None:
        """Choose one of `movies`."""
        self._viewer.layers.selection.active = image
        self._choose(image)
        self._choice.setCurrentIndex(self.movies.index(image))

    @property
    def shows_own_movie(self) -> bool:
        """Whether the image was opened as a `Movie`, not by another reader."""
        return self.image is not None and self.image.data is self.movie

    def calibrated(self) -> Movie | None:
        """Return the movie with the user's calibration."""
        return None if self.movie is None else self.movie.calibrated(**self.settings.model_dump())

    def frame_interval_s(self) -> float | None:
        """Return the frame interval of the movie; None where there is no movie, or it is not known."""
        movie = self.calibrated()
        return None if movie is None else movie.calibration.frame_interval_s

    @property
    def movies(self) -> list[Image]:
        """The layers that can be chosen."""
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        return [layer for layer in images if layer.ndim == 3 and not layer.rgb]

    def _on_layers(self) -> None:
        """Offer the movies among the layers; a movie that the user makes active is chosen."""
        movies = self.movies
        self._choice.clear()
        for layer in movies:
            self._choice.addItem(layer.name, layer)
        active = self._viewer.layers.selection.active
        if active in movies:
            self._choose(active)
        elif self.image not in movies:
            self._choose(movies[-1] if movies else None)
        self._choice.setCurrentIndex(movies.index(self.image) if self.image in movies else -1)

    def _on_chosen(self, index: int) -> None:
        self._choose(self._choice.itemData(index))

    def _choose(self, image: Image | None) -> None:
        if image is self.image:
            return
        if self.image is not None:  # what was typed belongs to the movie that is left
            self._typed[self.image] = self.form.settings
            self.form.set_settings(MovieSettings() if image is None else self._typed.get(image, MovieSettings()))
        self.image = image
        self.movie = None
        if image is not None:
            give_back_units(image)
        try:
            self.movie = None if image is None else movie_of_layer(image)
        except InputError as error:
            self.failed.emit(error)
        self._show_facts()
        self._show_calibration()
        self.movie_changed.emit()

    def _show_facts(self) -> None:
        self._facts.setVisible(self.movie is not None)
        if self.movie is not None:
            frames, height, width = self.movie.shape
            remarks = [note for note in self.movie.notes if isinstance(note, Remark)]
            more = " · notes" if remarks else ""
            self._facts.setText(f"{frames} frames of {width} × {height} px, {self.movie.dtype}{more}")
            self._facts.setToolTip("\n".join(remarks))
        notes = () if self.movie is None else self.movie.notes
        to_heed = [note for note in notes if not isinstance(note, Remark) and note != NO_ERROR]  # that stands in Motion
        self._notes.setText("\n".join(to_heed))
        self._notes.setVisible(bool(to_heed))

    def _on_calibration(self) -> None:
        self._show_calibration()
        self.calibration_changed.emit()

    def _show_calibration(self) -> None:
        show_calibration(self.form, self.movie)
        if self._fixed_pixel_size_nm is not None:
            row = self.form.rows["pixel_size_nm"]
            row.show_value(self._fixed_pixel_size_nm)
            row.set_note(_FIXED)

    def _lay_out(self) -> None:
        open_button = QPushButton("Open")
        open_button.setToolTip("Open a movie, a session, or tracks of another tool.")
        self.open_menu = QMenu(open_button)
        self.open_menu.addAction("Movie file …", self._ask_file)
        self.open_menu.addAction("Folder of frames, or an export …", self._ask_folder)
        self.open_menu.addAction("Tracks of another tool …", self._ask_tracks)
        open_button.setMenu(self.open_menu)
        line = QHBoxLayout()
        line.addWidget(self._choice, stretch=1)
        line.addWidget(open_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(line)
        layout.addWidget(self._facts)
        layout.addWidget(self._notes)
        layout.addWidget(self.form)

    def _ask_file(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in MOVIE_SUFFIXES)
        self._ask_path("Open a movie", f"Movies ({kinds});;All files (*)")

    def _ask_tracks(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in TRACK_SUFFIXES)
        self._ask_path("Open tracks of another tool", f"Tracks ({kinds})")

    def _ask_path(self, title: str, kinds: str) -> None:
        path, _ = QFileDialog.getOpenFileName(self, title, str(self._folder), kinds)
        self._want(path)

    def _ask_folder(self) -> None:
        self._want(QFileDialog.getExistingDirectory(self, "Open a folder of frames or an export", str(self._folder)))

    def _want(self, path: str) -> None:
        if path:
            self._folder = Path(path).parent
            self.open_wanted.emit(path)
