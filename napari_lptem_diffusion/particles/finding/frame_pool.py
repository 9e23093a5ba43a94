"""Work on several threads, in order: on the frames of a movie, or on a few things at hand."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

Item = TypeVar("Item")
Result = TypeVar("Result")
_READ_AHEAD = 2
"""Batches of frames that are read or worked on at a time, for each thread."""


def over_frames(
    work: Callable[[Sequence[NDArray[np.generic]], int], Sequence[Result]],
    movie: Frames,
    together: int,
    message: str,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    workers: int | None = None,
) -> Iterator[Result]:
    """Yield what ``work(images, first)`` gives for each frame, in order, *together* frames at a time.

    Frames are read here, one after the other, as no file format promises to be read by several threads; the work is
    done on threads, which numpy and scipy let run side by side. Results do not depend on how many there are.

    Parameters
    ----------
    work : callable
        Of (y, x) images in a row and the number of the first; called from several threads at once.
    movie : sequence of (y, x) frames
    together : int
        Most frames in a row.
    message : str
        Names the work to *progress*.
    progress, should_stop : callable, optional
        Called from the caller's thread before each frame; *should_stop* also ends what is under way.
    workers : int, optional
        Threads; as many as there are cores, or as PYTHON_CPU_COUNT says, unless given.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    workers = workers or _cores()
    pending: deque[Future[Sequence[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for first in range(0, len(movie), together):
                if len(pending) >= _READ_AHEAD * workers:
                    yield from pending.popleft().result()
                images = []
                for frame in range(first, min(first + together, len(movie))):
                    report(progress, should_stop, frame, len(movie), message)
                    images.append(np.asarray(movie[frame]))
                pending.append(pool.submit(work, images, first))
            while pending:
                yield from pending.popleft().result()
                report(None, should_stop, len(movie), len(movie), message)
        finally:
            pool.shutdown(cancel_futures=True)
    report(progress, should_stop, len(movie), len(movie), message)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], pause: Callable[[], None]) -> list[Result]:
    """What ``work(item)`` gives for each item, in order, on as many threads as there are cores.

    Parameters
    ----------
    work : callable
        Called from several threads at once.
    items : iterable
    pause : callable
        Called from the caller's thread before the result of each item is waited for; may raise to stop.
    """
    with ThreadPoolExecutor(_cores()) as pool:
        pending = [pool.submit(work, item) for item in items]
        results = []
        try:
            for future in pending:
                pause()
                results.append(future.result())
        finally:
            pool.shutdown(cancel_futures=True)
    return results


def _cores() -> int:
    """PYTHON_CPU_COUNT, which a batch sets, else what the machine has; Python 3.13 heeds it by itself."""
    said = os.environ.get("PYTHON_CPU_COUNT", "")
    return int(said) if said.isdigit() else os.cpu_count() or 1
