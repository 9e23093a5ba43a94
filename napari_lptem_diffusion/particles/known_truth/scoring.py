"""How well rods were found, against a known truth and against what physics allows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.known_truth.rendering import Imaging, transmission
from napari_lptem_diffusion.particles.masks import label_image

Array = NDArray[np.float64]
_MEDIAN_OF_HALF_NORMAL = 0.6745


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


def without_cut(
    detections: pd.DataFrame, truth: pd.DataFrame, cut: pd.DataFrame, within_px: float = 8.0
) -> pd.DataFrame:
    """Drop the detections of rods whose centre is out of view: to find them is neither right nor wrong.

    Parameters
    ----------
    detections, truth, cut : DataFrame
        ``frame``, ``x``, ``y``; *cut* are the rods of which less than half is in view, with ``length``. What pairs with
        no rod of *truth* and lies within half a length of one of *cut* is dropped.
    within_px : float
        As of `match_rods`.
    """
    paired = match_rods(detections.assign(row=np.arange(len(detections))), truth, within_px).found["row"]
    drop = np.zeros(len(detections), dtype=bool)
    for frame, rods in cut.groupby("frame"):
        here = np.flatnonzero(detections["frame"] == frame)
        distance = cdist(detections[["x", "y"]].to_numpy()[here], rods[["x", "y"]].to_numpy())
        drop[here] = (distance <= rods["length"].to_numpy() / 2).any(axis=1)
    drop[paired] = False
    return detections[~drop].reset_index(drop=True)


@dataclass(frozen=True)
class ErrorRatio:
    """Stated over true errors: 1 is honest, less is too sure of itself.

    Attributes
    ----------
    rms : float
        Root mean square of the stated errors over that of the true ones.
    robust : float
        One over the standard deviation of true over stated errors, from their median size.
    """

    rms: float
    robust: float


def error_ratio(stated: Array, errors: Array) -> ErrorRatio:
    """Compare stated standard deviations with *errors* of the same shape; several axes are taken together."""
    rms = np.sqrt(np.mean(np.square(stated)) / np.mean(np.square(errors)))
    spread = np.median(np.abs(errors / stated)) / _MEDIAN_OF_HALF_NORMAL
    return ErrorRatio(float(rms), float(1 / spread))


def outline_gaps(rods: pd.DataFrame) -> Array:
    """Gap between a rod's outline and the nearest other one of its frame, in widths of the rod.

    Parameters
    ----------
    rods : DataFrame
        ``frame``, ``x``, ``y``, ``angle_deg``, ``length``, ``width``.

    Returns
    -------
    ndarray
        (rows,); -1 where the axes of two equal rods cross, infinite where there is no other rod.
    """
    gaps = np.full(len(rods), np.inf)
    width = rods["width"].to_numpy(float)
    for rows in map(np.asarray, rods.groupby("frame").indices.values()):
        first, second = (rows[index.ravel()] for index in np.meshgrid(np.arange(len(rows)), np.arange(len(rows))))
        first, second = first[first != second], second[first != second]
        distance = segment_distance(rods.iloc[first], rods.iloc[second])
        np.minimum.at(gaps, first, (distance - (width[first] + width[second]) / 2) / width[first])
    return gaps


def mask_overlaps(one: pd.DataFrame, other: pd.DataFrame) -> Array:
    """Intersection over union of the masks of rods, row by row.

    Parameters
    ----------
    one, other : DataFrame
        ``x``, ``y``, ``angle_deg``, ``length``, ``width``; of equal length.
    """
    overlaps = []
    for pair in zip(one.to_dict("records"), other.to_dict("records"), strict=True):
        left, top = (round(min(rod[axis] - rod["length"] for rod in pair)) for axis in ("x", "y"))
        right, bottom = (round(max(rod[axis] + rod["length"] for rod in pair)) for axis in ("x", "y"))
        here = [pd.DataFrame([rod | {"x": rod["x"] - left, "y": rod["y"] - top}]) for rod in pair]
        masks = [label_image(rod, (bottom - top + 1, right - left + 1), [1]) > 0 for rod in here]
        overlaps.append((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())
    return np.array(overlaps)


def position_bound(pose: Mapping[Hashable, float], imaging: Imaging, electrons_per_px: float) -> Array:
    """Cramer-Rao bound of a rod's position: no unbiased estimate is better.

    Fisher information of independent Poisson electrons behind the rod, J^T diag(1 / mean) J, of
    the renderer's own image. It is the same whether dose, contrast, angle, length, width and blur are known or not:
    their derivatives are even about the centre of the rod and those of the position odd. The spread of electrons in
    the detector can be inverted, so it correlates the noise but loses nothing. Rounding and row noise are left out.

    Parameters
    ----------
    pose : mapping
        ``angle_deg``, ``length``, ``width`` (px); optionally ``blur_px`` and ``contrast``.
    imaging : Imaging
    electrons_per_px : float
        Dose where the rod is; the bound goes with one over its square root.

    Returns
    -------
    ndarray
        (2,): one standard deviation along and across the rod, px.
    """
    axis = np.radians(pose["angle_deg"])
    mean = passing_electrons(pose, imaging, electrons_per_px)
    # Moving the rod moves its image: the slope comes from the image's spectrum, exact for one that is blurred.
    spectrum, waves = np.fft.fft2(mean), 2j * np.pi * np.fft.fftfreq(len(mean))
    right, down = (np.fft.ifft2(spectrum * wave).real for wave in (waves[None, :], waves[:, None]))
    slopes = [np.cos(axis) * right + np.sin(axis) * down, np.cos(axis) * down - np.sin(axis) * right]
    jacobian = np.stack(slopes).reshape(2, -1)
    bound: Array = np.sqrt(np.diag(np.linalg.inv((jacobian / mean.ravel()) @ jacobian.T)))
    return bound


def passing_electrons(pose: Mapping[Hashable, float], imaging: Imaging, electrons_per_px: float) -> Array:
    """Mean electrons per pixel behind a rod in the middle of a square window that holds its image."""
    half = int(pose["length"] / 2 + 4 * pose.get("blur_px", imaging.focus_blur_px)) + 4
    centred = {**pose, "particle": 0, "frame": 0, "x": float(half), "y": float(half)}
    return electrons_per_px * transmission(pd.DataFrame([centred]), (2 * half + 1, 2 * half + 1), imaging)


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
    absorbed = 1 - passing_electrons({**pose, "angle_deg": 0.0}, imaging, 1.0)
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
