"""How well rods were followed: tracks against true ones, and what the tracks make of the physics.

A rod and a detection of the same frame can be a pair if they lie within ``within_px`` of each other; their similarity
is 1 - distance / within_px.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
LUITEN_THRESHOLDS = tuple(np.arange(1, 20) / 20)
"""Similarities over which HOTA is averaged in the paper."""


@dataclass(frozen=True)
class Hota:
    """Higher-order tracking accuracy and the two parts of which it is the geometric mean.

    Attributes
    ----------
    hota, detection, association : float
        0 to 1.
    """

    hota: float
    detection: float
    association: float


@dataclass(frozen=True)
class TrackScores:
    """Tracks against the truth.

    Attributes
    ----------
    hota : Hota
        At the gate alone: everything within ``within_px`` counts alike.
    strict_hota : Hota
        Mean over `LUITEN_THRESHOLDS`, which also judges how exact the positions are.
    idf1 : float
        Share of rod-frames under the right name when every rod has one name throughout (Ristani et al. 2016).
    switches : int
        How often a rod takes another name than it had when last seen (Bernardin and Stiefelhagen 2008).
    rod_frames : int
        Number of true poses.
    link_jaccard : float
        Links between consecutive frames: right ones over all that are in either.
    tra : float
        The tracking measure of the Cell Tracking Challenge (Matula et al. 2015); of its edits those that a
        tracker of one pixel per rod can need: rods to add (10) or remove (1), links to add (1.5) or remove (1).
    """

    hota: Hota
    strict_hota: Hota
    idf1: float
    switches: int
    rod_frames: int
    link_jaccard: float
    tra: float

    @property
    def switches_per_1000(self) -> float:
        """Identity switches per 1000 true poses."""
        return 1000 * self.switches / max(self.rod_frames, 1)


def score_tracks(tracks: pd.DataFrame, truth: pd.DataFrame, within_px: float = 8.0) -> TrackScores:
    """Compare tracks with true ones.

    Parameters
    ----------
    tracks, truth : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px); a particle is in a frame at most once.
    within_px : float
        Farthest that a detection may lie from its rod.
    """
    found, true = pair_up(tracks, truth, within_px)
    right, in_found, in_truth = _links(tracks, truth, found, true)
    nodes_missing, nodes_wrong = len(truth) - len(true), len(tracks) - len(found)
    kept = np.zeros(len(tracks), dtype=bool)
    kept[found] = True
    edits = 10 * nodes_missing + nodes_wrong + 1.5 * (in_truth - right) + (_links_among(tracks[kept]) - right)
    from_nothing = 10 * len(truth) + 1.5 * in_truth
    return TrackScores(
        hota=hota(tracks, truth, within_px, (0.0,)),
        strict_hota=hota(tracks, truth, within_px, LUITEN_THRESHOLDS),
        idf1=_idf1(tracks, truth, within_px),
        switches=_switches(tracks, truth, found, true),
        rod_frames=len(truth),
        link_jaccard=right / max(in_found + in_truth - right, 1),
        tra=1 - min(edits, from_nothing) / max(from_nothing, 1),
    )


def hota(tracks: pd.DataFrame, truth: pd.DataFrame, within_px: float, thresholds: Sequence[float]) -> Hota:
    """Higher-order tracking accuracy (Luiten et al., Int. J. Comput. Vis. 129, 548, 2021), averaged over *thresholds*.

    Pairs of a frame maximise similarity times how much their tracks are alike over the whole movie; at a threshold
    those of at least that similarity count. Detection is TP / (TP + FN + FP); association the mean over pairs of
    the same ratio between the frames of their two tracks.

    Parameters
    ----------
    tracks, truth : DataFrame
        As of `score_tracks`.
    within_px : float
        Distance at which the similarity becomes 0.
    thresholds : sequence of float
        0 counts every pair closer than *within_px*.
    """
    name, true_name = (_numbered(table) for table in (tracks, truth))
    seen, truly = np.bincount(name), np.bincount(true_name)
    if not len(name) or not len(true_name):
        return Hota(0.0, 0.0, 0.0)
    frames = [
        (here, there, np.maximum(1 - distance / within_px, 0)) for here, there, distance in _frames(tracks, truth)
    ]
    together = np.zeros((len(seen), len(truly)))
    for here, there, similar in frames:
        union = similar.sum(0)[None, :] + similar.sum(1)[:, None] - similar
        together[np.ix_(name[here], true_name[there])] += similar / np.maximum(union, 1e-12)
    alike = together / (seen[:, None] + truly[None, :] - together)
    pairs = []
    for here, there, similar in frames:
        left, right = linear_sum_assignment(-similar * alike[np.ix_(name[here], true_name[there])])
        pairs.append(np.stack([name[here[left]], true_name[there[right]], similar[left, right]], axis=1))
    of, with_, similarity = np.concatenate(pairs).T
    scores = []
    for threshold in thresholds:
        near = (similarity > 0) & (similarity >= threshold - 1e-12)
        common = np.zeros_like(together)
        np.add.at(common, (of[near].astype(int), with_[near].astype(int)), 1)
        hits = near.sum()
        detection = hits / (len(tracks) + len(truth) - hits)
        association = (common**2 / (seen[:, None] + truly[None, :] - common)).sum() / max(hits, 1)
        scores.append((np.sqrt(detection * association), detection, association))
    return Hota(*(float(value) for value in np.mean(scores, axis=0)))


def pair_up(tracks: pd.DataFrame, truth: pd.DataFrame, within_px: float = 8.0) -> tuple[Rows, Rows]:
    """Pair detections with true rods one-to-one, frame by frame; a pair of the frame before is kept while it may be.

    Returns
    -------
    found, true : ndarray
        Row numbers, row k of one with row k of the other.
    """
    name, true_name = (_numbered(table) for table in (tracks, truth))
    found, true = [], []
    before = np.full(true_name.max(initial=-1) + 1, -1)
    for here, there, distance in _frames(tracks, truth):
        bonus = np.where(name[here][:, None] == before[true_name[there]][None, :], 1e3, 0.0)
        worth = np.where(distance <= within_px, 1 + bonus - distance / within_px, -1e-3)
        left, right = linear_sum_assignment(-worth)
        near = distance[left, right] <= within_px
        found.append(here[left[near]])
        true.append(there[right[near]])
        before[:] = -1
        before[true_name[true[-1]]] = name[found[-1]]
    nothing = np.empty(0, dtype=np.intp)
    return np.concatenate([nothing, *found]), np.concatenate([nothing, *true])


def _frames(tracks: pd.DataFrame, truth: pd.DataFrame) -> Iterator[tuple[Rows, Rows, Array]]:
    """Rows of both tables and their distances (found, true) in px, for each frame of the truth."""
    xy, true_xy = (table[["x", "y"]].to_numpy(float) for table in (tracks, truth))
    by_frame = tracks.groupby("frame").indices
    for frame, rows in sorted(truth.groupby("frame").indices.items()):
        here, there = (np.asarray(some, dtype=np.intp) for some in (by_frame.get(frame, []), rows))
        yield here, there, cdist(xy[here], true_xy[there])


def _numbered(table: pd.DataFrame) -> Rows:
    return np.asarray(pd.factorize(table["particle"])[0], dtype=np.intp)


def _idf1(tracks: pd.DataFrame, truth: pd.DataFrame, within_px: float) -> float:
    name, true_name = (_numbered(table) for table in (tracks, truth))
    near = np.zeros((name.max(initial=-1) + 1, true_name.max(initial=-1) + 1))
    for here, there, distance in _frames(tracks, truth):
        near[np.ix_(name[here], true_name[there])] += distance <= within_px
    return float(2 * near[linear_sum_assignment(-near)].sum() / max(len(tracks) + len(truth), 1))


def _switches(tracks: pd.DataFrame, truth: pd.DataFrame, found: Rows, true: Rows) -> int:
    names = pd.DataFrame(
        {
            "rod": truth["particle"].to_numpy()[true],
            "frame": truth["frame"].to_numpy()[true],
            "name": _numbered(tracks)[found],
        }
    )
    change = names.sort_values(["rod", "frame"]).groupby("rod")["name"].diff()
    return int((change.fillna(0) != 0).sum())


def _links(tracks: pd.DataFrame, truth: pd.DataFrame, found: Rows, true: Rows) -> tuple[int, int, int]:
    """Right links, found links and true links between consecutive frames."""
    rod = np.full(len(tracks), -1)
    rod[found] = _numbered(truth)[true]
    ordered = tracks.assign(rod=rod).sort_values(["particle", "frame"])
    step = ordered.groupby("particle")[["frame", "rod"]].diff()
    right = (step["frame"] == 1) & (step["rod"] == 0) & (ordered["rod"] >= 0)
    return int(right.sum()), _links_among(tracks), _links_among(truth)


def _links_among(tracks: pd.DataFrame) -> int:
    ordered = tracks.sort_values(["particle", "frame"])
    return int((ordered.groupby("particle")["frame"].diff() == 1).sum())
