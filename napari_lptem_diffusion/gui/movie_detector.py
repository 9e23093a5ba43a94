"""The detector with which rods that are drawn are fitted to the movie of the result in view."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_lptem_diffusion.gui.correcting import can_fit
from napari_lptem_diffusion.gui.latest import Latest
from napari_lptem_diffusion.particles import Detector, calibrate
from napari_lptem_diffusion.particles.correcting.fit import for_fits
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.gui.result import Result

_DELAY_MS = 1500
_SECONDS_BETWEEN_LOOKS = 0.1


class MovieDetector(QObject):
    """Measures the movie of a session in the background, so that its first drawn rod need not wait for it.

    A run leaves its detector with its analysis; a session does not keep it, which is as large as several frames.
    """

    def __init__(self, parent: QObject, result: Result) -> None:
        super().__init__(parent)
        self._known: tuple[object, Detector] | None = None
        self._turn = threading.Lock()
        self._ahead = Latest(self, _DELAY_MS)
        result.changed.connect(self._on_result)

    def of(self, analysis: Analysis, progress: Progress, should_stop: ShouldStop) -> Detector:
        """Return the detector of the movie of *analysis*, which `can_fit`; called by work in another thread.

        Raises
        ------
        InputError
            If the movie cannot be read.
        Stopped
            If *should_stop* answered True.
        """
        if analysis.detector is not None:
            return analysis.detector
        while not self._turn.acquire(timeout=_SECONDS_BETWEEN_LOOKS):
            report(progress, should_stop, 0, 1, "measuring the movie")
        try:
            whose = analysis.measured  # the same object in all that is made of one analysis by corrections
            if self._known is None or self._known[0] is not whose:
                detector = calibrate(analysis.movie, analysis.settings.detection, progress, should_stop)
                self._known = whose, for_fits(detector)
            return self._known[1]
        finally:
            self._turn.release()

    def _on_result(self, analysis: Analysis | None) -> None:
        self._ahead.stop()
        self._known = None
        if analysis is not None and analysis.detector is None and can_fit(analysis):
            self._ahead.want(lambda *how: self.of(analysis, *how))
