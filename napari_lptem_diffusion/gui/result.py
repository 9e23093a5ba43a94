"""The analysis of each movie with its corrections, and the one of them that all panels show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.corrections import History

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_lptem_diffusion.movie import Movie
    from napari_lptem_diffusion.settings import MovieSettings


class Result(QObject):
    """The analysis that is shown, what undo and redo need, and the layer of its movie; panels follow its signals.

    Each layer keeps its own, which is shown again when it is chosen.
    """

    changed = Signal(object)
    """Emitted with another analysis (`Analysis`), or None when none is shown any more."""
    gone = Signal(object)
    """Emitted with the layer whose analysis is forgotten, before `changed`."""
    corrected = Signal(object)
    """Emitted with the same analysis (`Analysis`) after a correction, an undo, a redo or another calibration."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._histories: dict[Image | None, History] = {}
        self._image: Image | None = None

    @property
    def history(self) -> History | None:
        """The analysis with its undo and redo, or None."""
        return self._histories.get(self._image)

    @property
    def image(self) -> Image | None:
        """The layer of the movie that was analysed, or None."""
        return self._image

    @property
    def analysis(self) -> Analysis | None:
        """The analysis as it is corrected now, or None."""
        return None if self.history is None else self.history.present

    @property
    def images(self) -> tuple[Image | None, ...]:
        """The layers of all movies that were analysed."""
        return tuple(self._histories)

    def of(self, image: Image | None) -> Analysis | None:
        """Return the analysis of the movie in *image*, or None."""
        history = self._histories.get(image)
        return None if history is None else history.present

    def show(self, image: Image | None, analysis: Analysis) -> None:
        """Show *analysis* of the movie in *image*, in place of an earlier one of that movie."""
        self._image, self._histories[image] = image, History(analysis)
        self.changed.emit(analysis)

    def choose(self, image: Image | None) -> None:
        """Show the analysis of the movie in *image* again; nothing happens where there is none, or it is shown."""
        if image in self._histories and image is not self._image:
            self._image = image
            self.changed.emit(self.analysis)

    def set_history(self, history: History) -> None:
        """Take the same analysis as it is after a correction, an undo or a redo."""
        self._histories[self._image] = history
        self.corrected.emit(history.present)

    def calibrate(self, movie: Movie, settings: MovieSettings) -> None:
        """Give the analysis another calibration of its movie; nothing happens where there is none, or it has it."""
        if self.history is None:
            return
        before = self.history.present
        if (_scale(before.movie), before.settings.movie) != (_scale(movie), settings):
            self.set_history(self.history.calibrated(movie, settings))

    def forget(self, image: Image | None) -> None:
        """Have no analysis of the movie in *image* any more."""
        if self._histories.pop(image, None) is not None:
            self.gone.emit(image)
            if image is self._image:
                self._image = None
                self.changed.emit(None)


def _scale(movie: Movie) -> tuple[float | None, float | None]:
    """What tables depend on, wherever it is from."""
    return movie.calibration.pixel_size_nm, movie.calibration.frame_interval_s
