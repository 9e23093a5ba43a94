"""The engine in another thread: its ``progress`` and ``should_stop`` as Qt signals and `Worker.quit`.

What runs in `Worker.work` may touch no widget, layer or viewer; it speaks by signals only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from qtpy.QtCore import QObject, Signal

from napari_lptem_diffusion.progress import Progress, ShouldStop, Stopped

Work = Callable[[Progress, ShouldStop], Any]

_SECONDS_BETWEEN_REPORTS = 0.05


class _Signals(WorkerBaseSignals):
    progressed = Signal(int, int, str)


class Worker(WorkerBase):
    """Runs ``work(progress, should_stop)`` and emits what it returns.

    Signals: ``progressed(done, total, message)``; then one of ``returned(result)``, ``errored(exception)`` or,
    after `quit`, neither; then ``finished()``.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(SignalsClass=_Signals)
        self._work = work
        self._last_report = (0.0, "")

    def run(self) -> None:
        """Run `work` and emit what came of it; called by Qt in the other thread.

        Qt may delete the signals while the work runs, for the window was closed; nobody listens then.
        """
        try:
            super().run()
        except RuntimeError:
            if not _is_deleted(self.signals):
                raise

    def work(self) -> Any:
        """Run the work; called by Qt in the other thread."""
        try:
            return self._work(self._report, lambda: self.abort_requested)
        except Stopped:
            return None

    def _report(self, done: int, total: int, message: str) -> None:
        """Pass a report on, unless it follows too closely on the last one of the same stage."""
        now = time.monotonic()
        last_time, last_message = self._last_report
        if message != last_message or done == total or now - last_time > _SECONDS_BETWEEN_REPORTS:
            self._last_report = (now, message)
            self.progressed.emit(done, total, message)


def _is_deleted(signals: QObject) -> bool:
    """Return whether Qt's half of *signals* is gone."""
    try:
        signals.objectName()
    except RuntimeError:
        return True
    return False


def announced_worker(work: Work, description: str) -> Worker:
    """Return a worker that napari knows of: closing the window while it runs asks first.

    Parameters
    ----------
    work : callable
    description : str
        What the question says is running.
    """
    worker: Worker = create_worker(_Described(work, description), _worker_class=Worker, _ignore_errors=True)
    return worker


class _Described:
    def __init__(self, work: Work, description: str) -> None:
        self._work = work
        self._description = description

    def __call__(self, progress: Progress, should_stop: ShouldStop) -> Any:
        return self._work(progress, should_stop)

    def __str__(self) -> str:
        return self._description
