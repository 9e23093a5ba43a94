"""Rods that met and parted again: which is which is decided by what is known before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.following.assignment import confidence
from napari_lptem_diffusion.particles.following.link_odds import LinkOdds, Sightings

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_PATIENCE = 3
_MEMORY = 30
_MOST_MEETINGS = 20_000


@dataclass(frozen=True)
class _Track:
    """Rows of a track in order of frame, its frames, and its position in every frame between them."""

    rows: Indices
    frames: Indices
    path: Floats

    @classmethod
    def of(cls, rows: Indices, frame: Indices, xy: Floats) -> _Track:
        frames = frame[rows]
        every = np.arange(frames[0], frames[-1] + 1)
        path = np.stack([np.interp(every, frames, xy[rows, axis]) for axis in (0, 1)], axis=1)
        return cls(rows, frames, path)


def untangled(
    odds: LinkOdds, sightings: Sightings, frame: Indices, track: Indices, within_px: float
) -> tuple[Indices, dict[int, float]]:
    """Exchange what follows a meeting of two rods where that makes the whole likelier.

    Two rods meet while they are nearer than *within_px*, lost frames interpolated. Looks are compared over up to 30
    frames before and after the meeting, which tell far more than the single frame that the frame-to-frame linker sees.

    Parameters
    ----------
    odds : LinkOdds
    sightings : Sightings
        Single detections.
    frame, track : ndarray
        (n,); track is -1 for detections that belong to none.
    within_px : float

    Returns
    -------
    ndarray
        (n,) track of each detection.
    dict
        Confidence of the links at meetings, by the row of the later detection.
    """
    track = track.copy()
    tracks = _tracks(frame, sightings.xy, track)
    sure: dict[int, float] = {}
    for first, second, start, stop in _meetings(tracks, within_px):
        one, other = tracks[first], tracks[second]
        gain, crossing = _gain_of_exchange(odds, sightings, frame, one, other, start, stop)
        if crossing is None:
            continue
        link_one, link_other = crossing
        for link, of in ((link_one, one), (link_other, other)):
            row = int(of.rows[link + 1])
            sure[row] = min(sure.get(row, 1.0), float(confidence(np.array([abs(gain)]))[0]))
        if gain > 0:
            tails = one.rows[link_one + 1 :], other.rows[link_other + 1 :]
            track[tails[0]], track[tails[1]] = second, first
            for name, head, tail in (
                (first, one.rows[: link_one + 1], tails[1]),
                (second, other.rows[: link_other + 1], tails[0]),
            ):
                tracks[name] = _Track.of(np.concatenate([head, tail]), frame, sightings.xy)
    return track, sure


def _tracks(frame: Indices, xy: Floats, track: Indices) -> dict[int, _Track]:
    inside = np.flatnonzero(track >= 0)
    order = inside[np.lexsort((frame[inside], track[inside]))]
    parts = np.split(order, np.flatnonzero(np.diff(track[order])) + 1)
    return {int(track[rows[0]]): _Track.of(rows, frame, xy) for rows in parts if len(rows)}


def _meetings(tracks: dict[int, _Track], within_px: float) -> Iterator[tuple[int, int, int, int]]:
    """Pairs of tracks and first and last frame of each of their meetings, in order of time."""
    names = np.concatenate([np.full(len(t.path), name) for name, t in tracks.items()] or [np.empty(0, dtype=int)])
    frames = np.concatenate([t.frames[0] + np.arange(len(t.path)) for t in tracks.values()] or [np.empty(0, dtype=int)])
    paths = np.concatenate([t.path for t in tracks.values()] or [np.empty((0, 2))])
    order = np.argsort(frames, kind="stable")
    near: dict[tuple[int, int], list[int]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(frames[order])) + 1):
        if len(rows) < 2:
            continue
        for a, b in cKDTree(paths[rows]).query_pairs(within_px, output_type="ndarray"):
            pair = sorted((int(names[rows[a]]), int(names[rows[b]])))
            near.setdefault((pair[0], pair[1]), []).append(int(frames[rows[0]]))
    found = []
    for (first, second), when in near.items():
        for run in np.split(np.array(when), np.flatnonzero(np.diff(when) > _PATIENCE) + 1):
            found.append((int(run[0]), int(run[-1]), first, second))
    for start, stop, first, second in sorted(found)[:_MOST_MEETINGS]:
        yield first, second, start, stop


def _gain_of_exchange(
    odds: LinkOdds, sightings: Sightings, frame: Indices, one: _Track, other: _Track, start: int, stop: int
) -> tuple[float, tuple[int, int] | None]:
    """Log odds of exchanged names against the present ones, and the links at which to exchange them."""
    links = list(_overlapping_links(one, other, start, stop))
    if not links:
        return 0.0, None
    before = [t.rows[(t.frames < start) & (t.frames >= start - _MEMORY)] for t in (one, other)]
    after = [t.rows[(t.frames > stop) & (t.frames <= stop + _MEMORY)] for t in (one, other)]
    looks = 0.0
    if all(len(rows) for rows in (*before, *after)):
        seen_before, seen_after = (_pooled(sightings, parts) for parts in (before, after))
        crossed = seen_after.take(np.array([1, 0]))
        looks = float((odds.looks(seen_before, crossed) - odds.looks(seen_before, seen_after)).sum())
    a, b = np.array(links).T
    p, q, r, s = one.rows[a], one.rows[a + 1], other.rows[b], other.rows[b + 1]

    def moved(earlier: Indices, later: Indices) -> Floats:
        gap = (frame[later] - frame[earlier]).astype(float)
        return odds.motion(sightings.take(earlier), sightings.take(later), gap)

    gain = moved(p, s) + moved(r, q) - moved(p, q) - moved(r, s)
    best = int(np.argmax(gain))
    return looks + float(gain[best]), links[best]


def _overlapping_links(one: _Track, other: _Track, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Links of both tracks, by the number of their earlier detection, that could exchange their ends."""
    for a in np.flatnonzero((one.frames[1:] >= start) & (one.frames[:-1] <= stop)):
        overlap = (other.frames[:-1] < one.frames[a + 1]) & (one.frames[a] < other.frames[1:])
        for b in np.flatnonzero(overlap):
            yield int(a), int(b)


def _pooled(sightings: Sightings, parts: list[Indices]) -> Sightings:
    """One sighting per part: that of its last row with the mean looks of all of them."""
    rows = np.concatenate(parts)
    piece = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    last = np.cumsum([len(part) for part in parts]) - 1
    return sightings.take(rows).pooled(piece).take(last)
