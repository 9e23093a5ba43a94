"""What becomes of a file that is dropped or opened: movies, tracks of other tools, sessions, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_lptem_diffusion.gui.dropping import Kind, kind_of
from napari_lptem_diffusion.gui.import_tracks import ask_for_tracks
from napari_lptem_diffusion.gui.layers import movie_layer
from napari_lptem_diffusion.gui.movie_opener import MovieOpener
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.presets import PresetsMenu
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.sessions import Sessions
from napari_lptem_diffusion.gui.steps import Steps
from napari_lptem_diffusion.judge import judge_tracks
from napari_lptem_diffusion.movie import Movie

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.gui.layers import LayerData
    from napari_lptem_diffusion.particles.track_files.columns import ColumnMap

ShowAnalysis = Callable[["Image", "Analysis"], str]


class Opening(QObject):
    """Opens whatever is dropped and shows it.

    Parameters
    ----------
    window : QWidget
        Over which questions are asked.
    viewer : napari.Viewer
    movie_panel, steps, selection, sessions, presets
        Which take what was opened.
    show_analysis : callable
        Shows an analysis over a layer and returns it in a sentence.
    may_start : callable
        Returns whether work can be started now, and tells the user where it cannot.
    """

    work_wanted = Signal(object, str, object)
    """Emitted with `Work`, its description, and what to do with what it returns (`OnDone`)."""
    comparison_wanted = Signal(list)
    """Emitted with the paths of several sessions or exports."""
    tracks_shown = Signal(object)
    """Emitted with the `ColumnMap` of the file of tracks that is shown now, or None if it needs none."""

    def __init__(
        self,
        window: QWidget,
        viewer: napari.Viewer,
        movie_panel: MoviePanel,
        steps: Steps,
        selection: Selection,
        sessions: Sessions,
        presets: PresetsMenu,
        show_analysis: ShowAnalysis,
        may_start: Callable[[], bool],
    ) -> None:
        super().__init__(window)
        self._window, self._viewer, self._movie_panel, self._steps = window, viewer, movie_panel, steps
        self._selection, self._sessions, self._presets = selection, sessions, presets
        self._show_analysis, self._may_start = show_analysis, may_start
        self.movies = MovieOpener(self)
        self.movies.opened.connect(self._show_layer)
        sessions.opened.connect(self._show_session)

    def open(self, *paths: str | Path) -> None:
        """Open what is at *paths*; several sessions are compared. A refusal is emitted by whose file it is."""
        kinds = {Path(path): kind_of(Path(path)) for path in paths}
        if len(kinds) > 1 and set(kinds.values()) == {Kind.SESSION}:
            self.comparison_wanted.emit(list(kinds))
            return
        for path, kind in kinds.items():
            if kind is Kind.SESSION:
                self._sessions.open(path)
            elif kind is Kind.SETTINGS:
                self._presets.load(path)
            elif kind is Kind.TRACKS:
                self.import_tracks(path)
            else:
                self.movies.open(path)

    def show_movie(self, movie: Movie) -> Image:
        """Show *movie* from its start as a layer, choose and return it."""
        return self._show_layer(movie_layer(movie))

    def import_tracks(self, path: Path) -> None:
        """Ask what the columns of a file of tracks hold, and judge their motion."""
        if not self._may_start():
            return
        answer = ask_for_tracks(self._window, path, self._steps.settings)
        if answer is not None and self._sessions.may_replace_result(self._movie_panel.image):
            work = partial(judge_tracks, answer.path, answer.settings, answer.columns)
            on_done = partial(self._show_tracks, answer.columns)
            self.work_wanted.emit(work, f"Judging the tracks of {path.name}", on_done)

    def _show_layer(self, data: LayerData) -> Image:
        image = Layer.create(*data)
        beside = self._movie_panel.image
        if beside is not None:  # napari warns of other units at once; it gets its own when it is chosen
            image.units = beside.units
        self._viewer.add_layer(image)
        self._selection.show_frame(0)
        return image

    def _show_tracks(self, columns: ColumnMap | None, analysis: Analysis) -> str:
        """Show judged tracks over the chosen movie if they lie within it, else over empty frames."""
        movie, image = self._movie_panel.movie, self._movie_panel.image
        if movie is None or image is None or not lies_within(analysis, movie):
            image = self.show_movie(analysis.movie)
        else:
            analysis = replace(analysis, drawn_over=movie)
        self._movie_panel.choose(image)
        over = "" if image.data is analysis.movie else f", over {image.name}"
        sentence = f"{self._show_analysis(image, analysis)} Tracks of {analysis.movie.name}{over}."
        if self._steps.judge_again.lacks_error:
            sentence += " Their localization error is not known: give it under Motion if you can."
        self._movie_panel.set_settings(analysis.settings.movie)  # as they were entered with the file
        self._steps.motion_form.set_settings(analysis.settings.diffusion)
        self.tracks_shown.emit(columns)
        return sentence

    def _show_session(self, analysis: Analysis) -> None:
        """Show the analysis of a session and its settings, over the layer of its movie if there is one.

        Not over one with corrections that are not saved: they stay there, beside it.
        """
        movie = analysis.drawn_over or analysis.movie
        of_movie = (image for image in self._movie_panel.movies if _is_of(image, movie))
        image = next((image for image in of_movie if not self._sessions.has_unsaved_corrections(image)), None)
        if image is None:
            image = self.show_movie(movie)
        self._movie_panel.choose(image)
        self._steps.set_settings(analysis.settings)
        self._show_analysis(image, analysis)


def lies_within(analysis: Analysis, movie: Movie) -> bool:
    """Whether all rods of *analysis* lie in the frames of *movie*, so that they may be drawn over it."""
    frames, height, width = movie.shape
    tracks = analysis.tracks
    inside = tracks["x"].between(-0.5, width - 0.5) & tracks["y"].between(-0.5, height - 0.5)
    return bool((inside & (tracks["frame"] < frames)).all())


def _is_of(image: Image, movie: Movie) -> bool:
    """Whether a layer shows *movie*, opened before."""
    shown = image.data
    if not isinstance(shown, Movie) or shown.path is None:
        return False
    return movie.path is not None and (shown.path.resolve(), shown.shape) == (movie.path.resolve(), movie.shape)
