"""Which rods touch, and are therefore fitted together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.finding.priors import ANGLE, LENGTH, SIZE, WIDTH, X, Y

Matrix = NDArray[np.float64]
_MOST_TOGETHER = 3


def touching_groups(
    rods: Matrix, most: int = _MOST_TOGETHER, frames: NDArray[np.intp] | None = None
) -> list[list[int]]:
    """Group rods whose images may overlap, the nearest pairs first, and never more than *most* together.

    Parameters
    ----------
    rods : ndarray
        (rods, 8) parameters.
    most : int
    frames : ndarray, optional
        (rods,): rods of different frames do not touch; all are of one frame unless given.

    Returns
    -------
    list of list of int
        Rows of *rods*; every row is in one group; in order of their first rows.
    """
    group = list(range(len(rods)))
    members = [[row] for row in group]
    for _, first, second in _touching_pairs(rods, np.zeros(len(rods), dtype=np.intp) if frames is None else frames):
        keep, drop = sorted((group[first], group[second]))
        if keep != drop and len(members[keep]) + len(members[drop]) <= most:
            members[keep] = sorted(members[keep] + members[drop])
            for row in members[drop]:
                group[row] = keep
            members[drop] = []
    return [rows for rows in members if rows]


def _touching_pairs(rods: Matrix, frames: NDArray[np.intp]) -> list[tuple[float, int, int]]:
    """Pairs whose outlines are nearer than the blur: distance of the centres and rows, nearest first."""
    length, width, blur = np.exp(rods[:, SIZE].T)
    positions = rods[:, [X, Y]]
    farthest = float((length + blur).max(initial=0))
    places = np.column_stack([positions, (farthest + 1) * frames])
    first, second = cKDTree(places).query_pairs(farthest, output_type="ndarray").T
    gap = axis_distance(rods[first], rods[second]) - (width[first] + width[second]) / 2
    near = gap < (blur[first] + blur[second]) / 2
    distance = np.hypot(*(positions[first] - positions[second]).T)
    return sorted(zip(distance[near].tolist(), first[near].tolist(), second[near].tolist(), strict=True))


def axis_distance(one: Matrix, other: Matrix) -> Matrix:
    """Return the distance between the axes of two rods, row by row; an axis joins the centres of the round ends.

    Parameters
    ----------
    one, other : ndarray
        (pairs, 8) parameters.
    """
    arms = [_half_axis(rods) for rods in (one, other)]
    apart = other[:, [X, Y]] - one[:, [X, Y]]
    cross = arms[0][:, 0] * arms[1][:, 1] - arms[0][:, 1] * arms[1][:, 0]
    safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
    meets = [(apart[:, 0] * arm[:, 1] - apart[:, 1] * arm[:, 0]) / safe for arm in arms[::-1]]
    crossing = (np.abs(cross) > 1e-9) & (np.abs(meets[0]) <= 1) & (np.abs(meets[1]) <= 1)
    ends = [_to_axis(end * arms[1] + apart, arms[0]) for end in (-1, 1)]
    ends += [_to_axis(end * arms[0] - apart, arms[1]) for end in (-1, 1)]
    distance: Matrix = np.where(crossing, 0.0, np.min(ends, axis=0))
    return distance


def _half_axis(rods: Matrix) -> Matrix:
    half = np.maximum(np.exp(rods[:, LENGTH]) - np.exp(rods[:, WIDTH]), 0) / 2
    arm: Matrix = half[:, None] * np.stack([np.cos(rods[:, ANGLE]), np.sin(rods[:, ANGLE])], axis=1)
    return arm


def _to_axis(point: Matrix, arm: Matrix) -> Matrix:
    """Distance of points from the segments between -arm and arm."""
    share = np.clip((point * arm).sum(axis=1) / np.maximum((arm**2).sum(axis=1), 1e-12), -1, 1)
    off = point - share[:, None] * arm
    distance: Matrix = np.hypot(off[:, 0], off[:, 1])
    return distance
