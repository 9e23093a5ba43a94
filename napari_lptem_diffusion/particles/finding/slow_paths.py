"""Paths along which several frames together show a rod that none shows for sure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.path_loops import best_scores

Array = NDArray[np.float32]
Path = NDArray[np.intp]
USUAL_SNR = 4.5
"""Signal to noise of the rods that are sought."""
_LEAST_LOG = np.float32(-2.5)
"""Of a frame in which the rod of a path is not seen."""
_STAY, _GO = (np.float32(np.log(p)) for p in (0.6, 0.2))
"""Log probability, along each axis, to stay in a pixel and to go to the next one."""
_FAR = 3
_HOP = np.float32(np.log(0.03 / (2 * _FAR + 1) ** 2))
"""Log probability of a move to any one of the pixels that are at most so far."""
_REMEMBERED = np.float32(0.85)
"""Share of what other frames say that one frame hands on: no path lives on what a rod far away has gained."""
_NEEDED = 20.0
"""Log likelihood ratio of a place, with the frames before and after, from which a path starts there."""
_APART_LENGTHS = 0.8
_BESIDE, _FRAMES_BESIDE = 6, 3
"""Px and frames around a path in which a score may still be owed to it."""


def log_likelihood(response: Array) -> Array:
    """Log likelihood ratio of a rod of any angle against none at each place.

    Parameters
    ----------
    response : ndarray
        (angles, y, x), in standard deviations of the noise.

    Returns
    -------
    ndarray
        (y, x), not below a floor, as a rod may be hidden in a frame.
    """
    snr, best = np.float32(USUAL_SNR), response.max(axis=0)
    any_angle = np.log(np.exp(snr * (response - best)).mean(axis=0))
    likely: Array = np.maximum(snr * best - snr * snr / 2 + any_angle, _LEAST_LOG)
    return likely


def best_paths(likely: Array, length: float) -> list[Path]:
    """Find the likeliest paths of rods that creep, best first.

    Dynamic programming over all frames, forwards and backwards (track before detect); then the places around the paths
    that were found are taken out and the rest is searched again. A path that runs into one found before waits for
    that: what it has gained may be the other's.

    Parameters
    ----------
    likely : ndarray
        (frames, y, x) from `log_likelihood`.
    length : float
        Of a rod, px of *likely*.

    Returns
    -------
    list of ndarray
        (frames, 3) each: frame, y and x, frame by frame.
    """
    apart = int(np.ceil(_APART_LENGTHS * length))
    likely = likely.copy()
    paths: list[Path] = []
    while True:
        before, after = _scores(likely), _scores(np.ascontiguousarray(likely[::-1]))[::-1]
        score, taken = before + after - likely, np.zeros(likely.shape, dtype=bool)
        while True:
            t, y, x = (int(v) for v in np.unravel_index(int(np.argmax(score)), score.shape))
            if score[t, y, x] < _NEEDED:
                break
            path = _trace(before, after, (t, y, x))
            alone = not taken[tuple(path.T)].any()
            if alone:
                paths.append(path)
            for t, y, x in path:
                frames = slice(max(t - _FRAMES_BESIDE, 0), t + _FRAMES_BESIDE + 1)
                score[frames, *_around(y, x, apart + _BESIDE)] = -np.inf
                taken[t, *_around(y, x, apart)] |= alone
        if not taken.any():
            return paths
        likely[taken] = _LEAST_LOG


def _scores(likely: Array) -> Array:
    """Log likelihood ratio of the best path that ends in each place of each frame."""
    return best_scores(likely, _REMEMBERED, _STAY, _GO, _HOP, _FAR)


def _trace(before: Array, after: Array, start: tuple[int, int, int]) -> Path:
    """The path through *start*, as far as it is likelier than none."""
    path = [start]
    for scores, way in ((before, -1), (after, 1)):
        t, y, x = start
        while 0 <= t + way < len(scores):
            rows, columns = _around(y, x, _FAR)
            there = scores[t + way, rows, columns]
            down = np.abs(np.arange(rows.start, rows.start + there.shape[0]) - y)
            right = np.abs(np.arange(columns.start, columns.start + there.shape[1]) - x)
            creep = np.array([_STAY, _GO, -np.inf])
            steps = creep[np.minimum(down, 2)][:, None] + creep[np.minimum(right, 2)]
            total = there + np.maximum(steps, _HOP)
            row, column = np.unravel_index(int(np.argmax(total)), total.shape)
            if total[row, column] <= 0:
                break
            t, y, x = t + way, rows.start + int(row), columns.start + int(column)
            path.append((t, y, x))
    return np.array(sorted(path), dtype=np.intp)


def _around(y: int, x: int, reach: int) -> tuple[slice, slice]:
    return slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
