"""Movies opened in another thread, one after the other: headers of large files and folders take their time."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_lptem_diffusion.gui.layers import movie_layer
from napari_lptem_diffusion.gui.worker import Worker
from napari_lptem_diffusion.movie import open_movie

if TYPE_CHECKING:
    from napari_lptem_diffusion.gui.layers import LayerData
    from napari_lptem_diffusion.progress import Progress, ShouldStop


class MovieOpener(QObject):
    """Opens movies and looks at a few frames for their contrast."""

    opened = Signal(object)
    """Emitted with the `LayerData` of a movie."""
    busy = Signal(str)
    """Emitted with what is being opened; empty when idle."""
    failed = Signal(object)
    """Emitted with the exception."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[Path] = deque()
        self._worker: Worker | None = None

    def open(self, path: Path) -> None:
        """Open the movie at *path* when those before it are open."""
        self._waiting.append(path)
        if self._worker is None:
            self._start()

    def abandon(self) -> None:
        """Hear no more of what is being opened; works when Qt's half of the object is gone."""
        self._waiting.clear()
        if self._worker is not None:
            self._worker.quit()

    def _start(self) -> None:
        path = self._waiting.popleft()

        def work(progress: Progress, should_stop: ShouldStop) -> LayerData:
            return movie_layer(open_movie(path))

        self.busy.emit(f"Opening {path.name} …")
        self._worker = Worker(work)
        self._worker.returned.connect(self.opened)
        self._worker.errored.connect(self.failed)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None
        if self._waiting:
            self._start()
        else:
            self.busy.emit("")
