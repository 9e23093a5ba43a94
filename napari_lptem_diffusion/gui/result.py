"""The one analysis in view, with its corrections, that all panels share."""

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
    """The analysis in view, what undo and redo need, and the layer of its movie; panels follow its signals."""

    changed = Signal(object)
    """Emitted with another analysis (`Analysis`), or None when there is none any more."""
    corrected = Signal(object)
    """Emitted with the same analysis (`Analysis`) after a correction, an undo, a redo or another calibration."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history: History | None = None
        self._image: Image | None = None

    @property
    def history(self) -> History | None:
        """The analysis with its undo and redo, or None."""
        return self._history

    @property
    def image(self) -> Image | None:
        """The layer of the movie that was analysed, or None."""
        return self._image

    @property
    def analysis(self) -> Analysis | None:
        """The analysis as it is corrected now, or None."""
        return None if self._history is None else self._history.present

    def show(self, image: Image, analysis: Analysis) -> None:
        """Take *analysis* of the movie in *image* in place of an earlier one."""
        self._image, self._history = image, History(analysis)
        self.changed.emit(analysis)

    def set_history(self, history: History) -> None:
        """Take the same analysis as it is after a correction, an undo or a redo."""
        self._history = history
        self.corrected.emit(history.present)

    def calibrate(self, movie: Movie, settings: MovieSettings) -> None:
        """Give the analysis another calibration of its movie; nothing happens where there is none, or it has it."""
        if self._history is None:
            return
        before = self._history.present
        if (_scale(before.movie), before.settings.movie) != (_scale(movie), settings):
            self.set_history(self._history.calibrated(movie, settings))

    def forget(self) -> None:
        """Have no analysis any more."""
        if self._history is not None:
            self._history = self._image = None
            self.changed.emit(None)


def _scale(movie: Movie) -> tuple[float | None, float | None]:
    """What tables depend on, wherever it is from."""
    return movie.calibration.pixel_size_nm, movie.calibration.frame_interval_s
