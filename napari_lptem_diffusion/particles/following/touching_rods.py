"""Rods of known tracks that touch in a frame: which of them are there and how they lie, judged by their pixels."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.explanations import Way, likeliest
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import enlarged, in_groups, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, LENGTH, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows
from napari_lptem_diffusion.particles.following.clear_views import ClearViews
from napari_lptem_diffusion.particles.following.tracked_rods import TrackedRods

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_NEAR_LENGTHS = 1.0
_ONE_ROD_MORE = 16.0
"""By how much a rod must lower the squares (over the noise) to be believed; as at the first look."""
_MOST_TOGETHER = 4
_MOST_STARTS = {1: 3, 2: 3, 3: 2, 4: 2}
"""Poses of each rod that are tried, by how many rods touch."""


def settled(normal: Array, detector: Detector, rods: TrackedRods, views: ClearViews, frame: int) -> TrackedRods:
    """Lay out the *rods* that touch in the way that explains the pixels best, without those that need not be there.

    Poses to start from are the present one of each rod and those in which it was last and next seen alone. Each way,
    and each with fewer rods, is fitted to the same pixels with the sizes and the contrasts of the tracks.

    Parameters
    ----------
    normal : ndarray
        (y, x), from ``detector.field.normalise``.
    detector : Detector
    rods : TrackedRods
        Of this frame.
    views : ClearViews
        Of the tracks.
    frame : int
    """
    groups = [group for group in touching_groups(rods.parameters, _MOST_TOGETHER) if len(group) > 1]
    if not groups:
        return rods
    priors, start = rods.priors_where_touching(detector), rods.parameters.copy()
    start[:, AMPLITUDE] = rods.usual_amplitudes(detector)
    present = np.ones(len(rods), dtype=bool)
    for group in groups:
        beside = present.copy()
        beside[group] = False
        rest = normal - rods_image(normal.shape, start[beside], detector.prior.shape.reach)
        starts = [
            _starts(start[row], views.around(int(rods.particle[row]), frame), detector.field.bin_px) for row in group
        ]
        kept, poses = _best(rest, detector, starts, priors.take(np.array(group)))
        present[group] = False
        present[np.array(group)[kept]] = True
        start[np.array(group)[kept]] = poses
    laid_out = rods.parameters.copy()
    laid_out[:, [X, Y, ANGLE]] = start[:, [X, Y, ANGLE]]
    return rods.at(laid_out).take(np.flatnonzero(present))


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
