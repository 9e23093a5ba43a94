"""Rods of known tracks that touch in a frame: which of them are there and how they lie, judged by their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import in_groups, levenberg_marquardt, rods_image, squares
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_CLEAR_LENGTHS = 1.5
_NEAR_LENGTHS = 1.0
_LEAST_SPREAD = 0.08
_FIRST_STEPS, _LAST_STEPS = 4, 12
_FINALISTS = 3
_ONE_ROD_MORE = 16.0
"""By how much a rod must lower the squares (over the noise) to be believed; as at the first look."""
_MOST_TOGETHER = 4
_MOST_STARTS = {1: 3, 2: 3, 3: 2, 4: 2}
"""Poses of each rod that are tried, by how many rods touch."""
_POSE = ["x", "y", "angle_deg"]


@dataclass(frozen=True)
class ClearViews:
    """When each track's rod was last and next seen alone, and how dark it is then.

    Attributes
    ----------
    rows : DataFrame
        The rows of the tracks in which no other rod is within 1.5 lengths, sorted by particle and frame.
    contrast : Series
        Median contrast there, by particle.
    spread : float
        Standard deviation of the logarithm of the contrast from frame to frame.
    """

    rows: dict[int, pd.DataFrame]
    contrast: pd.Series
    spread: float

    @classmethod
    def of(cls, tracks: pd.DataFrame) -> ClearViews:
        """Read the *tracks*, sorted by particle and frame."""
        clear = tracks[_alone(tracks, _CLEAR_LENGTHS * float(tracks["length"].median())) & ~tracks["merge_suspected"]]
        logs = pd.Series(np.log(np.maximum(tracks["contrast"].to_numpy(float), 1e-6)), index=tracks.index)
        alone = logs[clear.index].groupby(tracks["particle"])
        contrast = alone.median().reindex(tracks["particle"].unique())
        contrast = contrast.fillna(logs.groupby(tracks["particle"]).median())
        off = (logs[clear.index] - alone.transform("median")).abs()
        spread = max(1.4826 * float(off.median()), _LEAST_SPREAD) if len(off) else 1.0
        return cls({int(str(name)): rows for name, rows in clear.groupby("particle")}, contrast.map(np.exp), spread)

    def around(self, particle: int, frame: int) -> pd.DataFrame:
        """Poses of the rod when it was last and next seen alone; none to two rows."""
        if particle not in self.rows:
            return pd.DataFrame(columns=_POSE)
        rows = self.rows[particle]
        place = int(np.searchsorted(rows["frame"].to_numpy(), frame))
        return rows.iloc[[k for k in (place - 1, place) if 0 <= k < len(rows)]]


def with_usual_contrast(detector: Detector, rods: pd.DataFrame, views: ClearViews) -> RodPriors:
    """Priors of the sizes of *rods* and, for those that touch another, of their contrast when alone.

    How a blot is shared between two rods is else hardly determined: all of it can be one of them.

    Parameters
    ----------
    detector : Detector
    rods : DataFrame
        Of one frame; as for `settled`.
    views : ClearViews
    """
    priors, usual = detector.size_priors(rods), _usual_amplitude(detector, rods, views)
    touching = np.array(
        [row for group in touching_groups(detector.parameters(rods)) if len(group) > 1 for row in group]
    )
    if len(touching):
        priors.centre[touching, AMPLITUDE] = usual[touching]
        priors.precision[touching, AMPLITUDE] = (views.spread * usual[touching]) ** -2.0
    return priors


def settled(normal: Array, detector: Detector, rods: pd.DataFrame, views: ClearViews, frame: int) -> pd.DataFrame:
    """Lay out the *rods* that touch in the way that explains the pixels best, without those that need not be there.

    Poses to start from are the present one of each rod and those in which it was last and next seen alone. Each way,
    and each with a rod less, is fitted to the same pixels with the sizes and the contrasts of the tracks.

    Parameters
    ----------
    normal : ndarray
        (y, x), from ``detector.field.normalise``.
    detector : Detector
    rods : DataFrame
        ``particle``, pose, and the size of the track with its errors.
    views : ClearViews
    frame : int

    Returns
    -------
    DataFrame
        As *rods*; its index tells which are left.
    """
    start = detector.parameters(rods)
    start[:, AMPLITUDE] = _usual_amplitude(detector, rods, views)
    priors = with_usual_contrast(detector, rods, views)
    dropped: list[int] = []
    for group in touching_groups(start, _MOST_TOGETHER):
        if len(group) == 1:
            continue
        others = np.delete(start, [*group, *dropped], axis=0)
        rest = normal - rods_image(normal.shape, others, detector.prior.shape.reach) if len(others) else normal
        starts = [_starts(detector, rods.iloc[row], start[row], views, frame) for row in group]
        kept, poses = _best(rest, detector, starts, priors.take(np.array(group)))
        rows = np.array(group)[kept]
        start[rows] = poses
        dropped += [row for row in group if row not in rows]
    return rods.assign(**_poses(detector, start)).drop(index=rods.index[dropped])


def _poses(detector: Detector, parameters: Matrix) -> dict[str, Matrix]:
    """Columns of a table that hold the poses of *parameters*."""
    bin_px = detector.field.bin_px
    return {
        "x": (parameters[:, X] + 0.5) * bin_px - 0.5,
        "y": (parameters[:, Y] + 0.5) * bin_px - 0.5,
        "angle_deg": np.degrees(parameters[:, ANGLE]) % 180,
    }


def _alone(tracks: pd.DataFrame, within_px: float) -> NDArray[np.bool_]:
    """Tell in which rows no other track has a rod *within_px*."""
    alone = np.ones(len(tracks), dtype=bool)
    xy = tracks[["x", "y"]].to_numpy(float)
    for rows in tracks.groupby("frame").indices.values():
        alone[rows[cKDTree(xy[rows]).query_pairs(within_px, output_type="ndarray").ravel()]] = False
    return alone


def _usual_amplitude(detector: Detector, rods: pd.DataFrame, views: ClearViews) -> Matrix:
    usual = views.contrast.reindex(rods["particle"]).to_numpy()
    amplitude: Matrix = detector.parameters(rods.assign(contrast=usual))[:, AMPLITUDE]
    return amplitude


def _starts(detector: Detector, rod: pd.Series, present: Matrix, views: ClearViews, frame: int) -> Matrix:
    """(1 to 3, 8) parameters: the present pose and those near it in which the rod was last and next seen alone."""
    seen = views.around(int(rod["particle"]), frame)
    near = np.hypot(seen["x"] - rod["x"], seen["y"] - rod["y"]) < _NEAR_LENGTHS * rod["length"]
    poses = seen[near.to_numpy(bool)][_POSE]
    moved = pd.DataFrame([rod] * len(poses)).assign(**{name: poses[name].to_numpy(float) for name in _POSE})
    if moved.empty:
        return present[None]
    others = detector.parameters(moved.astype(dict.fromkeys(("length", "width", "blur", "contrast"), float)))
    others[:, AMPLITUDE] = present[AMPLITUDE]
    return np.concatenate([present[None], others])


def _best(rest: Array, detector: Detector, starts: list[Matrix], priors: RodPriors) -> tuple[Rows, Matrix]:
    """Which rods of a group are there, and their parameters (rods, 8)."""
    present = np.stack([poses[0] for poses in starts])
    reach = detector.prior.shape.reach
    spread = max(float(np.ptp(present[:, X])), float(np.ptp(present[:, Y]))) / 2
    flat, _ = in_groups(present, priors, np.arange(len(starts))[None])
    gain = detector.field.variance_gain(present[:, X], present[:, Y]).mean(keepdims=True)
    window = Windows(rest, flat, reach + int(np.ceil(spread)), np.maximum(-gain, 0))
    window.weigh(flat, gain)
    level = detector.field.noise.correlation.at_rod_scale(reach)
    one_more = _ONE_ROD_MORE * detector.bank.texture**2
    (best, least), among = _of_these(np.arange(len(starts)), starts, window, priors, level, one_more), True
    while among and len(best[0]) > 1:
        fewer = [_of_these(np.delete(best[0], k), starts, window, priors, level, one_more) for k in range(len(best[0]))]
        explanation, cost = min(fewer, key=lambda one: one[1])
        among = cost < least
        if among:
            best, least = explanation, cost
    return best


def _of_these(
    rows: Rows, starts: list[Matrix], window: Windows, priors: RodPriors, level: float, one_more: float
) -> tuple[tuple[Rows, Matrix], float]:
    """Fit the rods *rows* of a group; those, their parameters, and the cost with *one_more* for each rod."""
    ways = np.array(list(product(*(starts[row][: _MOST_STARTS[min(len(rows), 4)]] for row in rows))))
    cost, found = _fitted(window, ways, priors.take(rows), level)
    return (rows, found), cost + one_more * len(rows)


def _fitted(window: Windows, ways: Matrix, priors: RodPriors, level: float) -> tuple[float, Matrix]:
    """Least cost over *ways* (ways, rods, 8) to start, and the rods (rods, 8) there."""
    count = ways.shape[1]
    each = np.tile(np.arange(count), len(ways))
    grouped = np.arange(len(each)).reshape(-1, count)
    parameters, known = in_groups(ways.reshape(-1, 8), priors.take(each), grouped)
    for steps in (_FIRST_STEPS, _LAST_STEPS):
        copies = window.take(np.zeros(len(parameters), dtype=np.intp))
        here = known.take(np.arange(len(parameters)))
        parameters = levenberg_marquardt(copies, copies.data, parameters, here, level, steps)
        cost = squares(copies, copies.data, parameters, here, level)[0]
        parameters = parameters[np.argsort(cost, kind="stable")[:_FINALISTS]]
    return float(cost.min()), parameters[0].reshape(-1, 8)
