"""How well rods were found, against a known truth and against what physics allows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.rendering import Imaging, transmission

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """Detections paired one-to-one with true rods.

    Attributes
    ----------
    found, true : DataFrame
        Row k of one belongs to row k of the other.
    detections, truths : int
        How many there were.
    """

    found: pd.DataFrame
    true: pd.DataFrame
    detections: int
    truths: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * len(self.found) / max(self.detections + self.truths, 1)

    @property
    def along(self) -> Array:
        """Position error along the true axis, px."""
        return self._error()[:, 0]

    @property
    def across(self) -> Array:
        """Position error across the true axis, px."""
        return self._error()[:, 1]

    @property
    def angle(self) -> Array:
        """Angle error in degrees, [-90, 90)."""
        difference: Array = (self.found["angle_deg"] - self.true["angle_deg"]).to_numpy(float)
        return (difference + 90) % 180 - 90

    def _error(self) -> Array:
        """(rods, 2) along and across."""
        dx, dy = ((self.found[name] - self.true[name]).to_numpy(float) for name in ("x", "y"))
        angle = np.radians(self.true["angle_deg"].to_numpy(float))
        return np.stack([np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx], axis=1)


def match_rods(detections: pd.DataFrame, truth: pd.DataFrame, within_px: float = 8.0) -> Matches:
    """Pair detections with true rods, frame by frame, so that as many as possible lie within *within_px*.

    Parameters
    ----------
    detections, truth : DataFrame
        ``frame``, ``x``, ``y``, ``angle_deg``.
    within_px : float
        Farthest that a detection may lie from its rod.
    """
    found: list[int] = []
    true: list[int] = []
    by_frame = dict(detections.groupby("frame").indices)
    for frame, rows in truth.groupby("frame").indices.items():
        here = by_frame.get(frame, np.empty(0, dtype=int))
        distance = cdist(detections[["x", "y"]].to_numpy()[here], truth[["x", "y"]].to_numpy()[rows])
        # Beyond the limit all costs are equal, so a far pair never costs a near one.
        left, right = linear_sum_assignment(np.where(distance <= within_px, distance, 1e3 * within_px))
        near = distance[left, right] <= within_px
        found += list(here[left[near]])
        true += list(rows[right[near]])
    return Matches(
        detections.iloc[found].reset_index(drop=True),
        truth.iloc[true].reset_index(drop=True),
        len(detections),
        len(truth),
    )


def position_bound(pose: dict[str, float], imaging: Imaging, electrons_per_px: float) -> Array:
    """Cramer-Rao bound of a rod's position: no unbiased estimate is better.

    Fisher information of independent Poisson electrons behind the rod, J^T diag(1 / mean) J with derivatives of the
    renderer's own image. Dose, contrast and angle are unknown too, the size is known. (The detector's blur is
    invertible and loses nothing; rounding and row noise are left out.)

    Parameters
    ----------
    pose : dict
        ``angle_deg``, ``length``, ``width`` (px); optionally ``blur_px`` and ``contrast``.
    imaging : Imaging
    electrons_per_px : float
        Dose where the rod is.

    Returns
    -------
    ndarray
        (2,): one standard deviation along and across the rod, px.
    """
    half = int(pose["length"] / 2 + 4 * pose.get("blur_px", imaging.focus_blur_px)) + 4
    pose = {"contrast": imaging.contrast, **pose, "particle": 0, "frame": 0, "x": float(half), "y": float(half)}

    def mean(change: dict[str, float]) -> Array:
        moved = {name: value + change.get(name, 0.0) for name, value in pose.items()}
        return electrons_per_px * transmission(pd.DataFrame([moved]), (2 * half + 1, 2 * half + 1), imaging)

    axis = np.radians(pose["angle_deg"])
    along, across = np.array([np.cos(axis), np.sin(axis)]), np.array([-np.sin(axis), np.cos(axis)])
    steps = [
        {"x": 0.05 * along[0], "y": 0.05 * along[1]},
        {"x": 0.05 * across[0], "y": 0.05 * across[1]},
        {"angle_deg": 0.5},
        {"contrast": 0.01},
    ]
    centre = mean({})
    derivatives = [(mean(step) - mean({k: -v for k, v in step.items()})) / 2 for step in steps]
    jacobian = np.stack([*derivatives, centre]).reshape(5, -1)
    bound = np.linalg.inv((jacobian / centre.ravel()) @ jacobian.T)
    return 0.05 * np.sqrt(np.diag(bound)[:2])


def matched_filter_snr(pose: Mapping[Hashable, float], imaging: Imaging, electrons_per_px: float) -> float:
    """Signal-to-noise ratio of a rod for a filter that knows its pose: one rod, counted electrons, nothing else.

    The square root of the sum over pixels of (lost electrons)^2 / (electrons of the background).

    Parameters
    ----------
    pose : mapping
        ``length``, ``width`` (px); optionally ``blur_px`` and ``contrast``.
    imaging : Imaging
    electrons_per_px : float
        Dose where the rod is.
    """
    half = int(pose["length"] / 2 + 4 * pose.get("blur_px", imaging.focus_blur_px)) + 4
    centred = {**pose, "particle": 0, "frame": 0, "x": float(half), "y": float(half), "angle_deg": 0.0}
    absorbed = 1 - transmission(pd.DataFrame([centred]), (2 * half + 1, 2 * half + 1), imaging)
    return float(np.sqrt(electrons_per_px * np.sum(absorbed**2)))


def segment_distance(one: pd.DataFrame, other: pd.DataFrame) -> Array:
    """Distance between the axes of rods, row by row; less the mean width it is the gap between outlines.

    The axis of a capsule is the segment between the centres of its round ends. Two segments that do not cross are
    nearest at an end of one of them.

    Parameters
    ----------
    one, other : DataFrame
        ``x``, ``y``, ``angle_deg``, ``length``, ``width``; of equal length.

    Returns
    -------
    ndarray
        (rows,) px; 0 where the axes cross.
    """
    (a, b), (c, d) = _axis_ends(one), _axis_ends(other)
    to_ends = [_to_segment(a, c, d), _to_segment(b, c, d), _to_segment(c, a, b), _to_segment(d, a, b)]
    crossing = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
    return np.where(crossing, 0.0, np.min(to_ends, axis=0))


def _axis_ends(rods: pd.DataFrame) -> tuple[Array, Array]:
    centre = rods[["x", "y"]].to_numpy(float)
    angle = np.radians(rods["angle_deg"].to_numpy(float))
    half = np.maximum((rods["length"] - rods["width"]).to_numpy(float), 0) / 2
    arm = half[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centre - arm, centre + arm


def _to_segment(point: Array, start: Array, end: Array) -> Array:
    along = end - start
    length_squared = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((point - start) * along).sum(axis=1) / length_squared, 0, 1)
    offset = point - start - share[:, None] * along
    distance: Array = np.hypot(offset[:, 0], offset[:, 1])
    return distance


def _side(start: Array, end: Array, point: Array) -> Array:
    """Positive where *point* lies to one side of the line, negative to the other."""
    u, v = end - start, point - start
    side: Array = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return side
