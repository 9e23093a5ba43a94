"""The four steps from a movie to the motion of its rods: their settings, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_lptem_diffusion.diffusion.known import known_in_words, knows_mixing_ratio
from napari_lptem_diffusion.gui.forms import FROM_MOVIE, SettingsForm
from napari_lptem_diffusion.gui.judge_again import JudgeAgain
from napari_lptem_diffusion.gui.messages import counted
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.section import Section
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.movie import Movie


class Steps(QWidget):
    """Movie, Find, Follow and Motion, each a section that folds, with its state in its title."""

    def __init__(self, movie_panel: MoviePanel, settings: Settings) -> None:
        super().__init__()
        self._movie_panel = movie_panel
        self._image: Image | None = None
        self._typed_errors: WeakKeyDictionary[Image, float | None] = WeakKeyDictionary()
        self.find_form = SettingsForm(settings.detection)
        self.follow_form = SettingsForm(settings.linking)
        self.motion_form = SettingsForm(settings.diffusion)
        self.judge_again = JudgeAgain(self.motion_form)
        self.preview_box = QCheckBox("Preview in this frame")
        self.preview_box.setChecked(True)
        self.preview_box.setToolTip(
            "Outline the rods that these settings find in the frame in view; a result of the same settings replaces it."
        )
        self.movie_section = Section(
            "Movie", "What is analysed, and its scale.", column(movie_panel, _from_movie_button(movie_panel.form))
        )
        self.find_section = Section(
            "Find",
            "How rods are found in a frame.",
            column(self.find_form, _from_movie_button(self.find_form, self.preview_box)),
        )
        self.follow_section = Section(
            "Follow", "How rods become tracks.", column(self.follow_form, _from_movie_button(self.follow_form))
        )
        self.motion_section = Section(
            "Motion",
            "What the network is told besides the tracks.",
            column(self.motion_form, _from_movie_button(self.motion_form), self.judge_again),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for section in self.sections:
            layout.addWidget(section)
        movie_panel.movie_changed.connect(self._on_movie)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The steps in their order."""
        return self.movie_section, self.find_section, self.follow_section, self.motion_section

    @property
    def settings(self) -> Settings:
        """The settings as the fields show them."""
        return Settings(
            movie=self._movie_panel.settings,
            detection=self.find_form.settings,
            linking=self.follow_form.settings,
            diffusion=self.motion_form.settings,
        )

    def set_settings(self, settings: Settings) -> None:
        """Show *settings* in the fields; the movie's are those of the movie that is chosen."""
        self._movie_panel.set_settings(settings.movie)
        self.find_form.set_settings(settings.detection)
        self.follow_form.set_settings(settings.linking)
        self.motion_form.set_settings(settings.diffusion)

    def _on_movie(self) -> None:
        """Leave a localization error that was typed with the movie, or the tracks, that it is a property of."""
        image, before, motion = self._movie_panel.image, self._image, self.motion_form.settings
        if before is not None and image is not before:
            self._typed_errors[before] = motion.localization_error_px
            error = None if image is None else self._typed_errors.get(image)
            self.motion_form.set_settings(motion.model_copy(update={"localization_error_px": error}))
        self._image = image

    def show_measured(self, measured: Mapping[str, float]) -> None:
        """Show in the fields that are left to the movie what it says."""
        said: dict[str, Any] = dict(measured)
        if "rods_are_dark" in measured:
            said["rods_are"] = "dark" if measured["rods_are_dark"] else "bright"
        for form in (self.find_form, self.follow_form, self.motion_form):
            for name, row in form.rows.items():
                row.show_measured(said.get(name))

    def show_movie(self, movie: Movie | None) -> None:
        """Show in the title what is known of the scale of *movie*, as the user calibrated it."""
        self.movie_section.set_state("" if movie is None else _scale_text(movie))

    def show_result(self, analysis: Analysis | None) -> None:
        """Show in the titles how far the steps are that came to *analysis*; None: not yet."""
        followed = known = explained = ""
        if analysis is not None:
            particles = analysis.motion.particles
            followed = f"{counted(len(particles), 'rod')} followed"
            known = f"{int(knows_mixing_ratio(particles).sum())} of {len(particles)} known"
            explained = f"Mixing ratio: {known_in_words(particles)}."
        self.follow_section.set_state(followed)
        self.motion_section.set_state(known, explained)
        lacked_error = self.judge_again.lacks_error
        self.judge_again.show_result(analysis)
        if self.judge_again.lacks_error and not lacked_error:
            self.motion_section.fold(False)  # so that it is seen to be asked for
        has_no_errors = analysis is not None and "localization_error" not in analysis.tracks
        error = self.motion_form.rows["localization_error_px"]
        error.show_measured(None, otherwise="not known" if has_no_errors else FROM_MOVIE)

    def fold(self) -> None:
        """Fold all steps: they are done, and their titles say what came of them."""
        for section in self.sections:
            section.fold()


def in_words(analysis: Analysis) -> str:
    """Return in a sentence what came of the steps."""
    followed = len(analysis.motion.particles)
    if followed == 0:
        other = "bright" if analysis.measured.get("rods_are_dark", 1) else "dark"
        return f"No rods stand out from the noise. If you see some: try a lower threshold, or {other} rods."
    found = f"{counted(followed, 'rod')} in {counted(len(analysis.movie), 'frame')}"
    if knows_mixing_ratio(analysis.motion.particles).all():
        return f"{found}."
    return f"{found}; mixing ratio: {known_in_words(analysis.motion.particles)}."


def column(*widgets: QWidget) -> QWidget:
    """Return *widgets* one below the other."""
    stack = QWidget()
    layout = QVBoxLayout(stack)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(5)
    for widget in widgets:
        layout.addWidget(widget)
    return stack


def _from_movie_button(form: SettingsForm[Any], beside: QWidget | None = None) -> QWidget:
    """Return a line with a button that leaves all fields of *form* to the movie, seen while some are typed."""
    names = ", ".join(row.spec.title.lower() for row in form.rows.values() if row.spec.optional)
    button = QPushButton("From the movie")
    button.setToolTip(f"Forget what was typed and take from the movie: {names}.")
    button.clicked.connect(form.take_from_movie)
    form.typed_changed.connect(lambda typed: button.setVisible(bool(typed)))
    button.setVisible(bool(form.typed))
    line = QWidget()
    layout = QHBoxLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    if beside is not None:
        layout.addWidget(beside)
    layout.addStretch(1)
    layout.addWidget(button)
    return line


def _scale_text(movie: Movie) -> str:
    known = movie.calibration
    size = None if known.pixel_size_nm is None else f"{known.pixel_size_nm:.4g} nm/px"
    interval = None if known.frame_interval_s is None else f"{known.frame_interval_s:.4g} s/frame"
    return ", ".join(filter(None, (size, interval))) or "no scale: px and frames"
