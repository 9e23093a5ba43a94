"""Work spread over processes, or any executor: told to stop by a file, and going on where a process was killed."""

from __future__ import annotations

import _thread
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TypeVar

from napari_lptem_diffusion.progress import Progress, ShouldStop, Stopped, report

J = TypeVar("J")
R = TypeVar("R")
Do = Callable[[J, ShouldStop], R]
"""What is done with each job, at the top of a module, so that other processes find it."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHON_CPU_COUNT")
_SECONDS_BETWEEN_LOOKS = 0.2
_STAGE = "analyse movies"


def on_processes(
    do: Do[J, R],
    jobs: Sequence[J],
    workers: int,
    folder: Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[tuple[J, R | Exception]]:
    """Do *jobs* on so many processes with one thread each; yield each with what came of it, the first done first.

    A process that is killed, such as for want of memory, takes its pool with it. Jobs that may have been running then
    are done again one at a time, the others on a new pool. Only a job whose process dies while it runs alone comes
    with `BrokenExecutor`.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    known = 0

    def tell(*_: object) -> None:
        report(progress, None, known, len(jobs), _STAGE)

    with _one_thread_each():
        waiting = list(jobs)
        while waiting:
            lost = []
            for job, result in _on_a_pool(do, waiting, workers, folder, tell, should_stop):
                if isinstance(result, BrokenExecutor):
                    lost.append(job)
                else:
                    known += 1
                    yield job, result
            waiting = [job for job in waiting if job in lost]
            for job in waiting[:workers]:  # jobs are taken up in their order, so that these were running
                for _, result in _on_a_pool(do, [job], 1, folder, tell, should_stop):
                    known += 1
                    yield job, result
            waiting = waiting[workers:]


def elsewhere(
    do: Do[J, R],
    jobs: Sequence[J],
    executor: Executor,
    folder: Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    on_stop: Callable[[], None] = lambda: None,
) -> Iterator[tuple[J, R | Exception]]:
    """Do *jobs* with *executor*; yield each with what came of it, be it an exception, the first done first.

    Workers are told to stop by a file in *folder*, which reaches them wherever they run; *on_stop* is called then.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    with _stop_file(folder) as stop_file:
        with _interrupts_held():
            futures = {executor.submit(_in_worker, do, job, stop_file): job for job in jobs}
        pending = set(futures)
        try:
            while pending:
                report(progress, should_stop, len(jobs) - len(pending), len(jobs), _STAGE)
                done, pending = wait(pending, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                for future in done:
                    result = _result(future)
                    yield futures[future], result
            report(progress, None, len(jobs), len(jobs), _STAGE)
        except BaseException:
            stop_file.touch()
            on_stop()
            wait([future for future in pending if not future.cancel()])
            raise


def _on_a_pool(
    do: Do[J, R], jobs: Sequence[J], workers: int, folder: Path, progress: Progress, should_stop: ShouldStop | None
) -> Iterator[tuple[J, R | Exception]]:
    others = set(active_children())

    def interrupt() -> None:
        """End processes that are idle or still starting; those at work undo what they have begun."""
        if sys.platform != "win32":  # which can only kill
            for process in set(active_children()) - others:
                process.terminate()

    # Spawned on every system: forked processes would share locks of threads that they do not have.
    with ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), _leave_interrupts_to_the_parent) as pool:
        try:
            yield from elsewhere(partial(_interruptible, do), jobs, pool, folder, progress, should_stop, interrupt)
        except BaseException:
            interrupt()  # what was at work is idle now
            raise


def _in_worker(do: Do[J, R], job: J, stop_file: Path) -> R:
    if stop_file.exists():  # a pool hands out jobs ahead of time
        raise Stopped
    return do(job, stop_file.exists)


def _interruptible(do: Do[J, R], job: J, should_stop: ShouldStop) -> R:
    """Do *job* in the main thread of a process; raise `Stopped` wherever it is, for the job itself looks seldom.

    Libraries alone take seconds to load. SIGTERM has the same effect, and neither comes twice, so that what was begun
    can be undone.
    """

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    def watch() -> None:
        while not is_done.wait(_SECONDS_BETWEEN_LOOKS):
            if should_stop():
                _thread.interrupt_main(signal.SIGTERM)
                return

    is_done = threading.Event()
    before = signal.signal(signal.SIGTERM, interrupt)
    threading.Thread(target=watch, daemon=True).start()
    try:
        return do(job, should_stop)
    finally:
        is_done.set()
        signal.signal(signal.SIGTERM, before)


def _result(future: Future[R]) -> R | Exception:
    """What a worker returned, or why it did not."""
    try:
        return future.result()
    except Stopped:
        raise
    except Exception as error:
        return error


@contextmanager
def _stop_file(output: Path) -> Iterator[Path]:
    output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".lptem-", dir=output))
    try:
        yield folder / "stop"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have processes that are started meanwhile work with one thread each: libraries look when they are loaded."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; processes that are started meanwhile never hear of it, not even before they can ignore it."""
    if sys.platform == "win32":
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts_to_the_parent() -> None:
    """A terminal sends Ctrl-C to all processes at once; the parent ends the workers in good order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
