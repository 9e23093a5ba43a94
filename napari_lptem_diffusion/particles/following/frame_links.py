"""Links from each frame to the next."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import trackpy
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.particles.following.assignment import choose_links, confidence, margins
from napari_lptem_diffusion.particles.following.link_odds import LinkOdds, Sightings
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_ADAPTIVE_STEP = 0.8
_ADAPTIVE_STOP = 0.1


def possible_links(frame: Indices, xy: Floats, reach: float) -> tuple[Indices, Indices]:
    """Rows of detections in consecutive frames that are within *reach*; detections are sorted by frame."""
    edges = np.append(np.flatnonzero(np.diff(frame, prepend=frame[0] - 1)), len(frame))
    earlier, later = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    for a, b, c in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        if frame[b] == frame[a] + 1:
            pairs = cKDTree(xy[a:b]).sparse_distance_matrix(cKDTree(xy[b:c]), reach, output_type="ndarray")
            order = np.lexsort((pairs["j"], pairs["i"]))
            earlier.append(pairs["i"][order].astype(np.intp) + a)
            later.append(pairs["j"][order].astype(np.intp) + b)
    return np.concatenate(earlier), np.concatenate(later)


def linked_by_odds(
    odds: LinkOdds,
    sightings: Sightings,
    frame: Indices,
    pairs: tuple[Indices, Indices],
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> tuple[Indices, Floats]:
    """Make the likeliest links, frame by frame.

    Parameters
    ----------
    odds : LinkOdds
    sightings : Sightings
        Single detections.
    frame : ndarray
        (n,), ascending.
    pairs : tuple of ndarray
        From `possible_links`.
    progress, should_stop : callable, optional

    Returns
    -------
    ndarray
        (links, 2) rows of the earlier and the later detection.
    ndarray
        (links,) confidence.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    earlier, later = pairs
    gain = odds.of_pairs(sightings.take(earlier), sightings.take(later), np.ones(len(earlier)))
    links, sure = [np.empty((0, 2), dtype=np.intp)], [np.empty(0)]
    last = int(frame[-1] - frame[0])
    edges = np.append(np.flatnonzero(np.diff(frame[earlier], prepend=-1)), len(earlier))
    for start, stop in pairwise(edges):
        left, right, worth = earlier[start:stop], later[start:stop], gain[start:stop]
        left, right = left - left.min(), right - right.min()
        chosen = choose_links(left, right, worth)
        links.append(np.stack([earlier[start:stop][chosen], later[start:stop][chosen]], axis=1))
        sure.append(confidence(margins(left, right, worth, chosen)))
        report(progress, should_stop, int(frame[earlier[start]] - frame[0]) + 1, last, "linking rods")
    return np.concatenate(links), np.concatenate(sure)


def linked_by_trackpy(
    frame: Indices, xy: Floats, reach: float, progress: Progress | None, should_stop: ShouldStop | None
) -> Indices:
    """Links of least squared displacement by trackpy, (links, 2) rows; *frame* ascending.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    trackpy.quiet()
    options: dict[str, object] = {"adaptive_stop": _ADAPTIVE_STOP * reach, "adaptive_step": _ADAPTIVE_STEP}
    try:
        numbers = _run_trackpy(frame, xy, reach, options, progress, should_stop)
    except trackpy.SubnetOversizeException:
        # Even a tenth of the range connects too many rods to try every combination: leave those unlinked.
        farthest = _ADAPTIVE_STOP * reach
        message = f"Too many rods lie within reach of each other: only moves up to {farthest:.1f} px are linked."
        warnings.warn(message, InputWarning, stacklevel=3)
        numbers = _run_trackpy(frame, xy, farthest, {"link_strategy": "drop"}, progress, should_stop)
    order = np.lexsort((frame, numbers))
    same = numbers[order[1:]] == numbers[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def positions_by_frame(frame: Indices, xy: Floats) -> Iterator[tuple[int, Floats]]:
    """Positions of each frame from the first to the last; frames without rods included."""
    numbers = np.arange(frame[0], frame[-1] + 1)
    edges = np.searchsorted(frame, np.append(numbers, frame[-1] + 1))
    for number, start, stop in zip(numbers, edges[:-1], edges[1:], strict=True):
        yield int(number), xy[start:stop]


def _run_trackpy(
    frame: Indices,
    xy: Floats,
    reach: float,
    options: dict[str, object],
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> Indices:
    numbers: list[int] = []
    linked = trackpy.link_iter(positions_by_frame(frame, xy), search_range=reach, memory=0, **options)
    total = int(frame[-1] - frame[0]) + 1
    for done, (_, ids) in enumerate(linked):
        numbers.extend(ids)
        report(progress, should_stop, done + 1, total, "linking rods")
    return np.array(numbers, dtype=np.intp)
