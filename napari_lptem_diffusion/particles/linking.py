"""Rods of consecutive frames into tracks: trackpy from frame to frame, then track ends joined over gaps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import trackpy
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import LinkingSettings

Positions = NDArray[np.float64]
_SHARE_OF_NEIGHBOUR_DISTANCE = 0.5
_MOST_LENGTHS = 8.0
_MOST_NEIGHBOURS = 0.7
_ADAPTIVE_STEP = 0.8
_ADAPTIVE_STOP = 0.1


def search_range_px(detections: pd.DataFrame, settings: LinkingSettings) -> float:
    """How far a rod may move from one frame to the next.

    A range shorter than the jumps of the rods cuts the physics, so it is as long as the density allows: 0.5 times
    the median distance from a rod to the next one in its frame, and at most 8 rod lengths.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y``, ``length``.
    settings : LinkingSettings

    Returns
    -------
    float
        px; the user's where there is one. Either is shortened, with an `InputWarning`, where most rods have others
        within it.
    """
    if detections.empty:
        return settings.search_range_px or 1.0
    ordered = detections.sort_values("frame", kind="stable")
    return _affordable(ordered, settings.search_range_px or _as_far_as_density_allows(ordered))


def _as_far_as_density_allows(ordered: pd.DataFrame) -> float:
    most = _MOST_LENGTHS * float(ordered["length"].median())
    distances = [_nearest(xy) for _, xy in _positions_by_frame(ordered) if len(xy) > 1]
    if not distances:
        return most
    return min(most, _SHARE_OF_NEIGHBOUR_DISTANCE * float(np.median(np.concatenate(distances))))


def link(
    detections: pd.DataFrame,
    settings: LinkingSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Link detections into tracks.

    Positions are never changed. A rod that is lost for up to ``memory_frames`` frames keeps its number if it comes back
    within the search range times the square root of one plus the frames gone by.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y`` (px) and any other columns.
    settings : LinkingSettings, optional
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        The detections that belong to a track of at least ``minimum_frames``, with ``particle`` as the first column
        (0, 1, 2, ... in order of first appearance), sorted by particle and frame.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    settings = settings or LinkingSettings()
    ordered = detections.sort_values("frame", kind="stable", ignore_index=True)
    reach = search_range_px(ordered, settings)
    pieces = _link_frames(ordered, reach, progress, should_stop)
    particle = _without_doubles(ordered, _joined(ordered, pieces, reach, settings.memory_frames))
    particle = _renumbered(particle, settings.minimum_frames)
    tracks = ordered[particle >= 0]
    tracks.insert(0, "particle", particle[particle >= 0])
    return tracks.sort_values(["particle", "frame"], ignore_index=True)


def _positions_by_frame(detections: pd.DataFrame) -> Iterator[tuple[int, Positions]]:
    """Positions of each frame from the first to the last; frames without rods included."""
    frames = detections["frame"].to_numpy()
    xy = detections[["x", "y"]].to_numpy(float)
    numbers = np.arange(frames[0], frames[-1] + 1)
    edges = np.searchsorted(frames, np.append(numbers, frames[-1] + 1))
    for number, start, stop in zip(numbers, edges[:-1], edges[1:], strict=True):
        yield int(number), xy[start:stop]


def _affordable(ordered: pd.DataFrame, reach: float) -> float:
    """Shorten a range within which most rods have others: nobody could tell them apart, and it would not end."""
    positions = [xy for _, xy in _positions_by_frame(ordered) if len(xy)]
    rods = sum(len(xy) for xy in positions)
    shorter = reach
    while sum(_pairs_within(xy, shorter) for xy in positions) > _MOST_NEIGHBOURS * rods / 2:
        shorter *= 0.8
    if shorter < reach:
        message = f"The rods are too dense to link over {reach:.1f} px: a search range of {shorter:.1f} px was used."
        warnings.warn(message, InputWarning, stacklevel=3)
    return shorter


def _pairs_within(xy: Positions, reach: float) -> int:
    tree = cKDTree(xy)
    return (int(tree.count_neighbors(tree, reach)) - len(xy)) // 2


def _nearest(xy: Positions) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = cKDTree(xy).query(xy, k=2)[0][:, 1]
    return distances


def _link_frames(
    ordered: pd.DataFrame, reach: float, progress: Progress | None, should_stop: ShouldStop | None
) -> NDArray[np.int64]:
    """Track number of every detection, linked from frame to frame without gaps."""
    if ordered.empty:
        return np.empty(0, dtype=np.int64)
    trackpy.quiet()
    total = int(ordered["frame"].iloc[-1] - ordered["frame"].iloc[0]) + 1
    options: dict[str, object] = {"adaptive_stop": _ADAPTIVE_STOP * reach, "adaptive_step": _ADAPTIVE_STEP}
    try:
        return _run_trackpy(ordered, reach, options, total, progress, should_stop)
    except trackpy.SubnetOversizeException:
        # Even a tenth of the range connects too many rods to try every combination: leave those unlinked.
        farthest = _ADAPTIVE_STOP * reach
        message = f"Too many rods lie within reach of each other: only moves up to {farthest:.1f} px are linked."
        warnings.warn(message, InputWarning, stacklevel=3)
        options = {"link_strategy": "drop"}
        return _run_trackpy(ordered, _ADAPTIVE_STOP * reach, options, total, progress, should_stop)


def _run_trackpy(
    ordered: pd.DataFrame,
    reach: float,
    options: dict[str, object],
    total: int,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> NDArray[np.int64]:
    numbers: list[int] = []
    linked = trackpy.link_iter(_positions_by_frame(ordered), search_range=reach, memory=0, **options)
    for done, (_, ids) in enumerate(linked):
        numbers.extend(ids)
        report(progress, should_stop, done + 1, total, "linking rods")
    return np.array(numbers, dtype=np.int64)


def _joined(ordered: pd.DataFrame, pieces: NDArray[np.int64], reach: float, memory_frames: int) -> NDArray[np.int64]:
    """Join the end of a piece to the start of a later one, nearest pairs first.

    A rod that jumps during the exposure is seen at both places in that frame: there a piece may start in the frame
    in which the other ends. The distance that may be bridged grows with the square root of one plus the frames gone by.
    """
    if not len(pieces):
        return pieces
    frame, xy = ordered["frame"].to_numpy(), ordered[["x", "y"]].to_numpy(float)
    names, starts = np.unique(pieces, return_index=True)
    ends = len(pieces) - 1 - np.unique(pieces[::-1], return_index=True)[1]
    several = ends > starts
    farthest = reach * np.sqrt(memory_frames + 2)
    nearby = cKDTree(xy[starts]).query_ball_point(xy[ends], farthest, return_sorted=True)
    pairs = []
    for piece, others in enumerate(nearby):
        for other in others:
            gap = frame[starts[other]] - frame[ends[piece]]
            jumped = gap == 0 and several[other] and several[piece]
            distance = np.hypot(*(xy[starts[other]] - xy[ends[piece]])) / np.sqrt(max(gap, 0) + 1)
            if distance <= reach and (jumped or 0 < gap <= memory_frames + 1):
                pairs.append((float(distance), piece, other))
    joined_to = np.arange(len(names))
    has_next = np.zeros(len(names), dtype=bool)
    for _, end_of, start_of in sorted(pairs):
        if not has_next[end_of] and joined_to[start_of] == start_of:
            has_next[end_of] = True
            joined_to[start_of] = end_of
    for piece in np.lexsort((ends, frame[starts])):
        joined_to[piece] = joined_to[joined_to[piece]]
    return names[joined_to[np.searchsorted(names, pieces)]]


def _without_doubles(ordered: pd.DataFrame, particle: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave a track one detection per frame, the brighter one; the other becomes -1."""
    brightness = ordered["snr"] if "snr" in ordered else pd.Series(0.0, index=ordered.index)
    table = pd.DataFrame({"particle": particle, "frame": ordered["frame"], "brightness": brightness})
    table = table.sort_values("brightness", ascending=False, kind="stable")
    return np.where(table.duplicated(["particle", "frame"]).sort_index(), -1, particle)


def _renumbered(particle: NDArray[np.int64], minimum_frames: int) -> NDArray[np.int64]:
    """Number the tracks 0, 1, 2, ... in order of first appearance; -1 for those that are too short."""
    names, first, inverse, counts = np.unique(particle, return_index=True, return_inverse=True, return_counts=True)
    rank = np.full(len(first), -1, dtype=np.int64)
    long_enough = np.flatnonzero((counts >= minimum_frames) & (names >= 0))
    rank[long_enough[np.argsort(first[long_enough])]] = np.arange(len(long_enough))
    result: NDArray[np.int64] = rank[inverse]
    return result
