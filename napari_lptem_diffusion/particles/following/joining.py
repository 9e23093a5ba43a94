"""Pieces of tracks into tracks: over frames in which a rod was lost, and over jumps beyond the search range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.following.assignment import choose_links, confidence, margins
from napari_lptem_diffusion.particles.following.link_odds import LinkOdds, Sightings

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_SPEED_LIMIT = 2.0
_SEEN_TWICE = np.log(0.05)


def joined(
    odds: LinkOdds, sightings: Sightings, frame: Indices, piece: Indices, reach: float, memory_frames: int
) -> tuple[Indices, dict[int, float]]:
    """Join the end of a piece to the start of a later one, all at once, so that the whole is the likeliest.

    The distance that may be bridged grows with the square root of one plus the frames gone by, up to twice the search
    range. A rod that jumps during the exposure is seen at both places in that frame: there a piece may start in the
    frame in which the other ends.

    Parameters
    ----------
    odds : LinkOdds
    sightings : Sightings
        Single detections, sorted by frame.
    frame, piece : ndarray
        (n,); pieces are numbered from 0.
    reach : float
        Search range, px.
    memory_frames : int
        Most frames that a rod may be lost.

    Returns
    -------
    ndarray
        (n,) number of the track of each detection.
    dict
        Confidence of each link that was made, by the row of its later detection.
    """
    names, starts = np.unique(piece, return_index=True)
    ends = len(piece) - 1 - np.unique(piece[::-1], return_index=True)[1]
    pairs = _within_reach(sightings.xy, frame, starts, ends, reach, memory_frames)
    pooled = sightings.pooled(piece)
    before, after = ends[pairs[:, 0]], starts[pairs[:, 1]]
    gap = frame[after] - frame[before]
    gain = odds.of_pairs(pooled.take(before), pooled.take(after), np.maximum(gap, 1).astype(float))
    gain = gain + np.where(gap == 0, _SEEN_TWICE, 0.0)
    chosen = choose_links(pairs[:, 0], pairs[:, 1], gain)
    sure = confidence(margins(pairs[:, 0], pairs[:, 1], gain, chosen))
    joined_to = np.arange(len(names))
    joined_to[pairs[chosen, 1]] = pairs[chosen, 0]
    for number in np.lexsort((ends, frame[starts])):
        joined_to[number] = joined_to[joined_to[number]]
    return joined_to[piece], dict(zip(after[chosen].tolist(), sure.tolist(), strict=True))


def _within_reach(
    xy: Floats, frame: Indices, starts: Indices, ends: Indices, reach: float, memory_frames: int
) -> NDArray[np.intp]:
    """(pairs, 2) numbers of pieces of which the second may go on from the first."""
    several = ends > starts
    limit = reach * min(np.sqrt(memory_frames + 2), _SPEED_LIMIT)
    found = []
    tree = cKDTree(xy[starts])
    for number, others in enumerate(tree.query_ball_point(xy[ends], limit, return_sorted=True)):
        other = np.array(others, dtype=np.intp)
        gap = frame[starts[other]] - frame[ends[number]]
        near = np.hypot(*(xy[starts[other]] - xy[ends[number]]).T) <= reach * np.minimum(
            np.sqrt(np.maximum(gap, 0) + 1), _SPEED_LIMIT
        )
        jumped = (gap == 0) & several[other] & several[number]
        other = other[near & (jumped | ((gap > 0) & (gap <= memory_frames + 1)))]
        found.append(np.stack([np.full(len(other), number), other], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)
