"""Work that answers what the user is just changing: in another thread, and only the latest wish counts."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer, Signal

from napari_lptem_diffusion.gui.worker import Work, Worker

_DEBOUNCE_MS = 250


class Latest(QObject):
    """Does one piece of work at a time; what was wanted before the latest wish is stopped, or its result dropped."""

    done = Signal(object)
    """Emitted with what the latest work returned."""
    failed = Signal(object)
    """Emitted with the exception of the latest work."""
    busy = Signal(bool)
    """Emitted with whether an answer to the latest wish is awaited."""

    def __init__(self, parent: QObject, debounce_ms: int = _DEBOUNCE_MS) -> None:
        super().__init__(parent)
        self._wish: Work | None = None
        self._worker: Worker | None = None
        self._outdated = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(debounce_ms)
        self._timer.timeout.connect(self._start)
        parent.destroyed.connect(self.abandon)

    def want(self, work: Work) -> None:
        """Do *work* soon, unless another wish follows within a moment."""
        self.stop()
        self._wish = work
        self.busy.emit(True)
        self._timer.start()

    def stop(self) -> None:
        """Forget what was wanted; nothing of it is emitted any more."""
        self._timer.stop()
        self.abandon()
        self.busy.emit(False)

    def abandon(self) -> None:
        """Stop the work and hear no more of it; works when Qt's half of the object is gone."""
        self._wish = None
        self._outdated = True
        if self._worker is not None:
            self._worker.quit()

    def _start(self) -> None:
        if self._worker is not None or self._wish is None:
            return  # it starts when the one that runs has ended
        worker = Worker(self._wish)
        self._wish, self._outdated = None, False
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        self._worker = worker
        worker.start()

    def _on_returned(self, result: object) -> None:
        if not self._outdated:
            self.done.emit(result)

    def _on_errored(self, error: Exception) -> None:
        if not self._outdated:
            self.failed.emit(error)

    def _on_finished(self) -> None:
        self._worker = None
        if self._wish is None:
            self.busy.emit(False)
        elif not self._timer.isActive():
            self._start()
