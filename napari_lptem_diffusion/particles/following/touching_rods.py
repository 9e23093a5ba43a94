"""Rods of known tracks that touch in a frame: which of them are there and how they lie, judged by their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.explanations import Way, likeliest
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import enlarged, in_groups, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, LENGTH, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_CLEAR_LENGTHS = 1.5
_NEAR_LENGTHS = 1.0
_LEAST_SPREAD = 0.08
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
    poses : dict
        By particle, the frames in which no other rod is within 1.5 lengths, rising, and x, y (px) and angle (degrees)
        there, (frames, 3).
    contrast : dict
        By particle, the median contrast there.
    spread : float
        Standard deviation of the logarithm of the contrast from frame to frame.
    """

    poses: dict[int, tuple[Rows, Matrix]]
    contrast: dict[int, float]
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
        poses = {
            int(str(name)): (rows["frame"].to_numpy(), rows[_POSE].to_numpy(float))
            for name, rows in clear.groupby("particle")
        }
        return cls(poses, {int(str(name)): float(np.exp(log)) for name, log in contrast.items()}, spread)

    def around(self, particle: int, frame: int) -> Matrix:
        """x, y and angle of the rod when it was last and next seen alone, (0 to 2, 3)."""
        if particle not in self.poses:
            return np.empty((0, 3))
        frames, poses = self.poses[particle]
        place = int(np.searchsorted(frames, frame))
        return poses[max(place - 1, 0) : place + 1]


def with_usual_contrast(detector: Detector, rods: pd.DataFrame, parameters: Matrix, views: ClearViews) -> RodPriors:
    """Priors of the sizes of *rods* and, for those that touch another, of their contrast when alone.

    How a blot is shared between two rods is else hardly determined: all of it can be one of them.

    Parameters
    ----------
    detector : Detector
    rods : DataFrame
        Of one frame; as for `settled`.
    parameters : ndarray
        (rods, 8), of the same rods.
    views : ClearViews
    """
    priors = detector.size_priors(rods)
    touching = np.array([row for group in touching_groups(parameters) if len(group) > 1 for row in group])
    if len(touching):
        usual = _usual_amplitude(detector, rods, parameters, views)[touching]
        priors.centre[touching, AMPLITUDE] = usual
        priors.precision[touching, AMPLITUDE] = (views.spread * usual) ** -2.0
    return priors


def settled(normal: Array, detector: Detector, rods: pd.DataFrame, views: ClearViews, frame: int) -> pd.DataFrame:
    """Lay out the *rods* that touch in the way that explains the pixels best, without those that need not be there.

    Poses to start from are the present one of each rod and those in which it was last and next seen alone. Each way,
    and each with fewer rods, is fitted to the same pixels with the sizes and the contrasts of the tracks.

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
    groups = [group for group in touching_groups(start, _MOST_TOGETHER) if len(group) > 1]
    if not groups:
        return rods
    priors = with_usual_contrast(detector, rods, start, views)
    start[:, AMPLITUDE] = _usual_amplitude(detector, rods, start, views)
    particles = rods["particle"].to_numpy()
    dropped: list[int] = []
    for group in groups:
        others = np.delete(start, [*group, *dropped], axis=0)
        rest = normal - rods_image(normal.shape, others, detector.prior.shape.reach) if len(others) else normal
        starts = [_starts(start[row], views.around(int(particles[row]), frame), detector.field.bin_px) for row in group]
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


def _usual_amplitude(detector: Detector, rods: pd.DataFrame, parameters: Matrix, views: ClearViews) -> Matrix:
    usual = np.array([views.contrast[particle] for particle in rods["particle"].tolist()])
    return detector.amplitudes(usual, parameters)


def _starts(present: Matrix, seen: Matrix, bin_px: int) -> Matrix:
    """(1 to 3, 8) parameters: the present pose and those near it in which the rod was last and next *seen* alone."""
    starts = np.tile(present, (1 + len(seen), 1))
    starts[1:, [X, Y]] = (seen[:, :2] + 0.5) / bin_px - 0.5
    starts[1:, ANGLE] = np.radians(seen[:, 2])
    away = np.hypot(*(starts - present)[:, [X, Y]].T)
    near: Matrix = starts[away < _NEAR_LENGTHS * np.exp(present[LENGTH])]
    return near


def _best(rest: Array, detector: Detector, starts: list[Matrix], priors: RodPriors) -> tuple[Rows, Matrix]:
    """Which rods of a group are there, and their parameters (rods, 8)."""
    present = np.stack([poses[0] for poses in starts])
    shape = detector.prior.shape
    flat, _ = in_groups(present, priors, np.arange(len(starts))[None])
    gain = detector.field.variance_gain(present[:, X], present[:, Y]).mean(keepdims=True)
    reach = enlarged(shape.reach, float(np.ptp(present[:, [X, Y]], axis=0).max()) / 2)
    window = Windows(rest, flat, reach, np.maximum(-gain, 0))
    window.weigh(flat, gain)
    level = detector.field.noise.correlation.at_rod_scale(shape.reach)
    one_more = _ONE_ROD_MORE * detector.bank.texture**2
    ways, rods_of = [], {}
    for count in range(len(starts), 0, -1):
        for kept in combinations(range(len(starts)), count):
            for poses in product(*(starts[row][: _MOST_STARTS[count]] for row in kept)):
                way = Way(np.array(poses), priors.take(np.array(kept)), one_more * count)
                ways.append(way)
                rods_of[id(way)] = np.array(kept)
    ((way, found),) = likeliest(window, [ways], level)
    return rods_of[id(way)], found
