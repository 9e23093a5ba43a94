"""Which tracks are more than detections that lie near each other by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_FALSE_TRACKS = 0.001
_SHORTEST_STEP_PX = 0.5


def beyond_chance(frame: Indices, xy: Floats, track: Indices, density: float) -> NDArray[np.bool_]:
    """Tell which detections belong to a track that chance does not explain.

    Among detections strewn at random, the probability that one lies as near to the one before as a link is short is
    p = *density* pi d^2 times the frames that were tried; minus the sum of log p over n links is then gamma distributed
    with shape n. A track counts if a sum as great as its own is expected less than 0.001 times in the whole movie, with
    every detection as a possible start. So the false-track rate does not depend on how many false detections there are.

    Parameters
    ----------
    frame : ndarray
        (n,).
    xy : ndarray
        (n, 2) px.
    track : ndarray
        (n,); -1 for none.
    density : float
        Detections per px^2 of a frame.

    Returns
    -------
    ndarray
        (n,).
    """
    rows = np.flatnonzero(track >= 0)
    rows = rows[np.lexsort((frame[rows], track[rows]))]
    earlier, later = rows[:-1], rows[1:]
    same = track[earlier] == track[later]
    earlier, later = earlier[same], later[same]
    square = np.maximum(((xy[later] - xy[earlier]) ** 2).sum(axis=1), _SHORTEST_STEP_PX**2)
    expected = density * np.pi * square * (frame[later] - frame[earlier])
    surprise = -np.log(np.minimum(expected, 1.0))
    count = int(track.max(initial=-1)) + 1
    links = np.bincount(track[later], minlength=count)
    total = np.bincount(track[later], weights=surprise, minlength=count)
    by_chance = len(frame) * gammaincc(np.maximum(links, 1), total)
    real = (by_chance < _FALSE_TRACKS) & (links > 0)
    result: NDArray[np.bool_] = (track >= 0) & np.append(real, False)[track]
    return result
