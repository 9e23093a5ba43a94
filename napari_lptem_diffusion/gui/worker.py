"""The engine in another thread: its ``progress`` and ``should_stop`` as Qt signals and `Worker.quit`.

What runs in `Worker.work` may touch no widget, layer or viewer; it speaks by signals only.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from qtpy.QtCore import QObject, Signal

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.progress import Progress, ShouldStop, Stopped

Work = Callable[[Progress, ShouldStop], Any]

_SECONDS_BETWEEN_REPORTS = 0.05


class _Signals(WorkerBaseSignals):
    progressed = Signal(int, int, str)


class Worker(WorkerBase):
    """Runs ``work(progress, should_stop)`` and emits what it returns.

    Signals: ``progressed(done, total, message)`` and ``warned(warning)``, a tuple whose first two are the warning
    and its category; then one of ``returned(result)``, ``errored(exception)`` or, if the work stopped or after `quit`,
    neither; then ``finished()``.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(SignalsClass=_Signals)
        self._work = work
        self._is_to_stop = False
        self._last_report = (0.0, "")
        _route_warnings()

    def stop(self) -> None:
        """Ask the work to stop; if it ends all the same, what it returns is emitted. After `quit` it is not."""
        self._is_to_stop = True

    def run(self) -> None:
        """Run `work` and emit what came of it; called by Qt in the other thread.

        Qt may delete the signals while the work runs, for the window was closed; nobody listens then.
        """
        try:
            self.started.emit()
            self._running = True
            self._run_work()
            self._running = False
            self.finished.emit()
            self._finished.emit(self)
        except RuntimeError:
            if not _is_deleted(self.signals):
                raise

    def _run_work(self) -> None:
        """Run the work; not as napari's own, which swaps the process's warnings, and mixes them up between threads."""
        try:
            with _heard_by(lambda warning: self.warned.emit(warning)):
                result = self._work(self._report, lambda: self._is_to_stop or self.abort_requested)
            if not self.abort_requested:
                self.returned.emit(result)
        except Stopped:
            pass
        except Exception as error:
            self.errored.emit(error)

    def _report(self, done: int, total: int, message: str) -> None:
        """Pass a report on, unless it follows too closely on the last one of the same stage."""
        now = time.monotonic()
        last_time, last_message = self._last_report
        if message != last_message or done == total or now - last_time > _SECONDS_BETWEEN_REPORTS:
            self._last_report = (now, message)
            self.progressed.emit(done, total, message)


class _WarningRouter:
    """Stands in for `warnings.showwarning`: a worker's warnings go to its listener, others where they went before."""

    def __init__(self) -> None:
        self._otherwise = warnings.showwarning

    def __call__(self, message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        listener = getattr(_of_thread, "listener", None)
        if listener is None:
            self._otherwise(message, category, *place, **more)
        else:
            listener((message, category, *place))


_of_thread = threading.local()


def _route_warnings() -> None:
    """Put the router in place, once in a process; tests and napari's end put back what was before."""
    if not isinstance(warnings.showwarning, _WarningRouter):
        warnings.showwarning = _WarningRouter()
        warnings.simplefilter("always", InputWarning)  # else one that was told in an earlier run is not told again


@contextmanager
def _heard_by(listener: Callable[[tuple[Any, ...]], None]) -> Iterator[None]:
    """Have *listener* hear the warnings of this thread."""
    _of_thread.listener = listener
    try:
        yield
    finally:
        del _of_thread.listener


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
