"""The rods found in the frame in view, while settings are being changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from qtpy.QtCore import QObject, QTimer, Signal

from napari_lptem_diffusion.gui.worker import Worker
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles import calibrate
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import DetectionSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_lptem_diffusion.particles import Detector

_DEBOUNCE_MS = 250


@dataclass(frozen=True)
class Found:
    """What `Detector.find` found in one frame of *movie*, and what `calibrate` learnt from it."""

    movie: Movie
    frame: int
    rods: pd.DataFrame
    measured: Mapping[str, float]


@dataclass(frozen=True)
class _Wish:
    movie: Movie
    settings: DetectionSettings
    frame: int

    def wants_calibration_of(self, other: _Wish | None) -> bool:
        """Whether nothing but threshold and frame differ."""
        if other is None or self.movie is not other.movie:
            return False
        threshold = {"threshold_sigma": self.settings.threshold_sigma}
        return self.settings == other.settings.model_copy(update=threshold)


class Preview(QObject):
    """Finds the rods of one frame in another thread; only the latest wish counts.

    The detector is calibrated once per movie and settings, and kept when the threshold changes, so that one sees at
    once what a threshold finds. A run with the settings of the calibration takes it over; with another threshold it
    calibrates anew, which may shift the learnt size a little.
    """

    found = Signal(object)
    """Emitted with `Found`."""
    busy = Signal(str)
    """Emitted with what is being done; empty when idle."""
    failed = Signal(object)
    """Emitted with the exception."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._wish: _Wish | None = None
        self._running: _Wish | None = None
        self._calibrated: tuple[_Wish, Detector] | None = None
        self._worker: Worker | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DEBOUNCE_MS)
        self._timer.timeout.connect(self._start)

    def request(self, movie: Movie, settings: DetectionSettings, frame: int) -> None:
        """Find the rods of *frame* soon, unless another wish follows within a moment or the movie has no such frame."""
        if frame >= len(movie):
            return
        self._wish = _Wish(movie, settings, frame)
        if self._worker is not None and not self._wish.wants_calibration_of(self._running):
            self._worker.quit()
        self._timer.start()

    def calibrated(self, movie: Movie, settings: DetectionSettings) -> Detector | None:
        """Return what `calibrate` made of *movie* with just these *settings*, if that is the latest known."""
        if self._calibrated is None:
            return None
        wish, detector = self._calibrated
        return detector if wish.movie is movie and wish.settings == settings else None

    def stop(self) -> None:
        """Forget the wish and stop the work."""
        self._timer.stop()
        self.abandon()

    def abandon(self) -> None:
        """Stop the work and hear no more of it; works when Qt's half of the object is gone."""
        self._wish = None
        if self._worker is not None:
            self._worker.quit()

    def _start(self) -> None:
        if self._worker is not None or self._wish is None:
            return  # it starts when the one that runs has ended
        wish, self._running, self._wish = self._wish, self._wish, None
        calibrated = self._calibrated
        known = calibrated[1] if calibrated is not None and wish.wants_calibration_of(calibrated[0]) else None

        def work(progress: Progress, should_stop: ShouldStop) -> tuple[_Wish, Detector, pd.DataFrame]:
            detector = known or calibrate(wish.movie, wish.settings, progress, should_stop)
            detector = replace(detector, settings=wish.settings)
            return wish, detector, detector.find(np.asarray(wish.movie[wish.frame]), wish.frame)

        self._worker = Worker(work)
        self._worker.progressed.connect(self._on_progress)
        self._worker.returned.connect(self._on_found)
        self._worker.errored.connect(self.failed)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_progress(self, done: int, total: int, message: str) -> None:
        self.busy.emit(f"{message} {done}/{total}")

    def _on_found(self, result: tuple[_Wish, Detector, pd.DataFrame]) -> None:
        wish, detector, rods = result
        if self._calibrated is None or not wish.wants_calibration_of(self._calibrated[0]):
            self._calibrated = wish, detector
        self.found.emit(Found(wish.movie, wish.frame, rods, detector.measured))

    def _on_finished(self) -> None:
        self._worker = None
        self.busy.emit("")
        if self._wish is not None and not self._timer.isActive():
            self._start()
