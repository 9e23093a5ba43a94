"""Rods of consecutive frames into tracks: from frame to frame, over gaps, and through meetings of rods."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.particles.following.chance import beyond_chance
from napari_lptem_diffusion.particles.following.frame_links import (
    linked_by_odds,
    linked_by_trackpy,
    positions_by_frame,
    possible_links,
)
from napari_lptem_diffusion.particles.following.joining import joined
from napari_lptem_diffusion.particles.following.link_odds import LinkOdds, Sightings, odds_of_positions
from napari_lptem_diffusion.particles.following.meetings import untangled
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import LinkingSettings

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_MOST_LENGTHS = 8.0
_MOST_NEIGHBOURS = 0.7
_SHORTER = 0.9
_SURE = 0.95
_MEETING_LENGTHS = 1.5
_HIDING_LENGTHS = 0.75
_WHOLE = 0.9


def search_range_px(detections: pd.DataFrame, settings: LinkingSettings) -> float:
    """How far a rod may move from one frame to the next.

    A range shorter than the jumps of the rods cuts the physics, so it is as long as the density allows: at most 8 rod
    lengths, and so that a rod has on average at most 0.7 others within it.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y`` and, where it is known, ``length`` (px).
    settings : LinkingSettings

    Returns
    -------
    float
        px; the user's where there is one, shortened, with an `InputWarning`, where the rods are too dense for it.
    """
    if detections.empty:
        return settings.search_range_px or 1.0
    widest = _MOST_LENGTHS * _typical_length(detections) or float(np.ptp(detections[["x", "y"]].to_numpy(float)))
    wanted = settings.search_range_px or max(widest, 1.0)
    reach = _affordable(detections.sort_values("frame", kind="stable"), wanted)
    if settings.search_range_px is not None and reach < wanted:
        message = f"The rods are too dense to link over {wanted:.1f} px: a search range of {reach:.1f} px was used."
        warnings.warn(message, InputWarning, stacklevel=2)
    return reach


def link(
    detections: pd.DataFrame,
    settings: LinkingSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Link detections into tracks.

    Every possible link has odds: how far the rod would have moved (Student-t, learnt from the movie), how it would
    have turned, and how alike the two are in size, blur and contrast, each against its error; links are chosen so that
    the whole is the likeliest. Then pieces are joined over lost frames, and rods that met are told apart by what is
    known of them before and after. Positions are never changed. A rod that is lost for up to ``memory_frames`` frames
    keeps its number if it comes back within the search range times the square root of one plus the frames gone by, at
    most twice the range.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y`` (px) and any other columns; those that the detector writes are used.
    settings : LinkingSettings, optional
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        The detections that belong to a track of at least ``minimum_frames`` that chance does not explain, with
        ``particle`` as the first column (0, 1, 2, ... in order of first appearance), sorted by particle and frame.
        ``link_confidence`` is the probability of the link from the track's previous detection against the best
        alternative, 1 for a track's first; ``merge_suspected`` says that another track is lost where this rod is seen.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    settings = settings or LinkingSettings()
    ordered = detections.sort_values("frame", kind="stable", ignore_index=True)
    particle, sure = _followed(ordered, settings, progress, should_stop)
    particle = _renumbered(particle, settings.minimum_frames)
    kept = particle >= 0
    tracks = ordered[kept].assign(link_confidence=sure[kept])
    tracks.insert(0, "particle", particle[kept])
    tracks = tracks.sort_values(["particle", "frame"], ignore_index=True)
    first = ~tracks["particle"].duplicated()
    return tracks.assign(
        link_confidence=tracks["link_confidence"].where(~first, 1.0), merge_suspected=merge_suspected(tracks)
    )


def merge_suspected(tracks: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell for each row of *tracks* whether another track is lost there in that frame: one rod may hide another.

    The lost rod is taken to be on the straight line between where it was seen last and next; it is there if that is
    within 0.75 lengths of the row.
    """
    frame, xy = tracks["frame"].to_numpy(), tracks[["x", "y"]].to_numpy(float)
    near = _HIDING_LENGTHS * _typical_length(tracks)
    hidden: list[tuple[int, float, float]] = []
    for rows in tracks.groupby("particle", sort=False).indices.values():
        lost = np.setdiff1d(np.arange(frame[rows[0]], frame[rows[-1]]), frame[rows])
        x, y = (np.interp(lost, frame[rows], xy[rows, axis]) for axis in (0, 1))
        hidden += list(zip(lost.tolist(), x.tolist(), y.tolist(), strict=True))
    suspected = np.zeros(len(tracks), dtype=bool)
    seen_in = tracks.groupby("frame").indices
    for when, x, y in hidden:
        rows = seen_in.get(when, np.empty(0, dtype=np.intp))
        suspected[rows[np.hypot(xy[rows, 0] - x, xy[rows, 1] - y) < near]] = True
    return suspected


def _typical_length(detections: pd.DataFrame) -> float:
    """Median length, px; 0 for points."""
    return float(detections["length"].median()) if "length" in detections and len(detections) else 0.0


def _followed(
    ordered: pd.DataFrame, settings: LinkingSettings, progress: Progress | None, should_stop: ShouldStop | None
) -> tuple[Indices, Floats]:
    """Track of each detection, -1 for none, and how sure the link to it is."""
    sure = np.ones(len(ordered))
    if ordered.empty:
        return np.empty(0, dtype=np.intp), sure
    reach = search_range_px(ordered, settings)
    frame, length = ordered["frame"].to_numpy().astype(np.intp), _typical_length(ordered)
    sightings = Sightings.of(ordered).doubting(_cut(ordered))
    odds, links, confidence = _frame_to_frame(ordered, sightings, frame, reach, settings, progress, should_stop)
    sure[links[:, 1]] = confidence
    report(progress, should_stop, 1, 2, "joining tracks")
    track, joints = joined(odds, sightings, frame, _pieces(len(ordered), links), reach, settings.memory_frames)
    report(progress, should_stop, 2, 2, "joining tracks")
    track = _without_doubles(ordered, track)
    track, meetings = untangled(odds, sightings, frame, track, _MEETING_LENGTHS * length)
    for row, value in [*joints.items(), *meetings.items()]:
        sure[row] = min(sure[row], value)
    return np.where(beyond_chance(frame, sightings.xy, track, odds.density), track, -1), sure


def _cut(ordered: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which rods are partly out of view."""
    whole = ordered["visible"].to_numpy(float) if "visible" in ordered else np.ones(len(ordered))
    return whole < _WHOLE


def _frame_to_frame(
    ordered: pd.DataFrame,
    sightings: Sightings,
    frame: Indices,
    reach: float,
    settings: LinkingSettings,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> tuple[LinkOdds, Indices, Floats]:
    """Odds learnt from the movie, (links, 2) rows of consecutive frames, and their confidence."""
    odds = odds_of_positions(ordered, sightings, reach)
    pairs = possible_links(frame, sightings.xy, reach)
    links, sure = linked_by_odds(odds, sightings, frame, pairs, progress, should_stop)
    clear = links[sure > _SURE]
    odds = odds.learnt(sightings, _pieces(len(frame), clear), clear)
    if settings.linker == "trackpy":
        links = linked_by_trackpy(frame, sightings.xy, reach, progress, should_stop)
        return odds, links, np.ones(len(links))
    return odds, *linked_by_odds(odds, sightings, frame, pairs, progress, should_stop)


def _pieces(count: int, links: Indices) -> Indices:
    """Number the chains that *links* make of *count* detections, from 0."""
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    pieces: Indices = connected_components(graph, directed=False)[1].astype(np.intp)
    return pieces


def _by_frame(ordered: pd.DataFrame) -> Iterator[tuple[int, Floats]]:
    return positions_by_frame(ordered["frame"].to_numpy(), ordered[["x", "y"]].to_numpy(float))


def _affordable(ordered: pd.DataFrame, reach: float) -> float:
    """Shorten a range within which most rods have others: nobody could tell them apart, and it would not end."""
    positions = [xy for _, xy in _by_frame(ordered) if len(xy)]
    most = _MOST_NEIGHBOURS * sum(len(xy) for xy in positions) / 2
    while sum(_pairs_within(xy, reach) for xy in positions) > most:
        reach *= _SHORTER
    return reach


def _pairs_within(xy: Floats, reach: float) -> int:
    tree = cKDTree(xy)
    return (int(tree.count_neighbors(tree, reach)) - len(xy)) // 2


def _without_doubles(ordered: pd.DataFrame, particle: Indices) -> Indices:
    """Leave a track one detection per frame, the brighter one; the other becomes -1."""
    brightness = ordered["snr"] if "snr" in ordered else pd.Series(0.0, index=ordered.index)
    table = pd.DataFrame({"particle": particle, "frame": ordered["frame"], "brightness": brightness})
    table = table.sort_values("brightness", ascending=False, kind="stable")
    return np.where(table.duplicated(["particle", "frame"]).sort_index(), -1, particle)


def _renumbered(particle: Indices, minimum_frames: int) -> Indices:
    """Number the tracks 0, 1, 2, ... in order of first appearance; -1 for those that are too short."""
    names, first, inverse, counts = np.unique(particle, return_index=True, return_inverse=True, return_counts=True)
    rank = np.full(len(first), -1, dtype=np.intp)
    long_enough = np.flatnonzero((counts >= minimum_frames) & (names >= 0))
    rank[long_enough[np.argsort(first[long_enough])]] = np.arange(len(long_enough))
    result: Indices = rank[inverse]
    return result
