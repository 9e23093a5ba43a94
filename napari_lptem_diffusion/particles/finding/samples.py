"""Frames drawn from a movie to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.pixels import (
    BadPixels,
    find_bad_pixels,
    find_blind_regions,
    repair_of,
    temporal_moments,
)

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Pairs = Sequence[tuple[NDArray[np.generic], NDArray[np.generic]]]
_SAMPLE_PIXELS = 64_000_000
_MOST_PAIRS = 24


class Frames(Protocol):
    """The part of a Movie that detection needs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.generic]: ...


@dataclass(frozen=True)
class Samples:
    """Pairs of consecutive frames spread over a movie, their bad pixels repaired, and what they have in common.

    Attributes
    ----------
    pairs : sequence of two frames
        At least one pair; twice the same frame where the movie has no two different frames in a row.
    mean : ndarray
        (y, x) temporal mean of all of them; NaN where a pixel never has a finite value.
    blind : ndarray
        (y, x) where the movie shows nothing.
    bad : BadPixels
    """

    pairs: Pairs
    mean: Array
    blind: Mask
    bad: BadPixels


def sample_movie(movie: Frames, pause: Callable[[], None]) -> Samples:
    """Draw frames spread over a movie.

    Frames that are constant or mostly NaN are left out; where nothing else is left, a blank frame stands for the movie.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    pause : callable
        Called between frames; may raise to stop.
    """
    first = np.asarray(movie[0])
    affordable = _SAMPLE_PIXELS // max(2 * first.size, 1)
    wanted = int(min(max(affordable, 2), _MOST_PAIRS, max(len(movie) // 2, 1)))
    pairs = []
    for k in np.unique(np.linspace(0, max(len(movie) - 2, 0), wanted).astype(int)):
        pause()
        pair = [np.asarray(movie[int(j)]) for j in (k, min(k + 1, len(movie) - 1))]
        usable = [frame for frame in pair if shows_something(frame)]
        if len(usable) == 2 and not np.array_equal(usable[0], usable[1]):
            pairs.append((usable[0], usable[1]))
        elif usable:
            pairs.append((usable[0], usable[0]))
    if any(a is not b for a, b in pairs):
        pairs = [pair for pair in pairs if pair[0] is not pair[1]]
    if not pairs:
        blank = np.zeros_like(first)
        pairs = [(blank, blank)]
    pause()
    frames = [frame for pair in pairs for frame in _distinct(pair)]
    mean, variance = temporal_moments(frames)
    pause()
    bad = repair_of(find_bad_pixels(mean, variance, len(frames)))
    repaired = [(bad.repair(a), bad.repair(b) if b is not a else None) for a, b in pairs]
    return Samples(
        [(a, a if b is None else b) for a, b in repaired],
        np.asarray(bad.repair(mean), dtype=np.float32),
        find_blind_regions(mean, variance, len(frames)),
        bad,
    )


def _distinct(pair: tuple[NDArray[np.generic], NDArray[np.generic]]) -> tuple[NDArray[np.generic], ...]:
    return pair[:1] if pair[0] is pair[1] else pair


def shows_something(frame: NDArray[np.generic]) -> bool:
    """Whether more than half of a frame's pixels are finite and they are not all the same."""
    finite = frame[np.isfinite(frame)] if np.issubdtype(frame.dtype, np.floating) else frame
    return 2 * finite.size > frame.size and bool(finite.min() < finite.max())
