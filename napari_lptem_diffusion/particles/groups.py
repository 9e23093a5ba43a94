"""Which rods touch, and are therefore fitted together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.priors import BLUR, LENGTH, X, Y

Matrix = NDArray[np.float64]
_MOST_TOGETHER = 3


def touching_groups(rods: Matrix, most: int = _MOST_TOGETHER) -> list[list[int]]:
    """Group rods whose images may overlap, the nearest pairs first, and never more than *most* together.

    Parameters
    ----------
    rods : ndarray
        (rods, 8) parameters.
    most : int

    Returns
    -------
    list of list of int
        Rows of *rods*; every row is in one group; in order of their first rows.
    """
    extent = np.exp(rods[:, LENGTH]) / 2 + np.exp(rods[:, BLUR]) / 2
    group = list(range(len(rods)))
    members = [[row] for row in group]
    for _, first, second in _close_pairs(rods, extent):
        keep, drop = sorted((group[first], group[second]))
        if keep != drop and len(members[keep]) + len(members[drop]) <= most:
            members[keep] = sorted(members[keep] + members[drop])
            for row in members[drop]:
                group[row] = keep
            members[drop] = []
    return [rows for rows in members if rows]


def windows_overlap(rods: Matrix, groups: list[list[int]], distance: float) -> bool:
    """Whether rods of different groups are closer than *distance* px along both axes."""
    name = np.empty(len(rods), dtype=int)
    for number, rows in enumerate(groups):
        name[rows] = number
    pairs = cKDTree(rods[:, [X, Y]]).query_pairs(distance, p=np.inf, output_type="ndarray")
    return bool((name[pairs[:, 0]] != name[pairs[:, 1]]).any())


def _close_pairs(rods: Matrix, extent: Matrix) -> list[tuple[float, int, int]]:
    """Pairs whose centres are nearer than the sum of their extents: distance and rows, nearest first."""
    positions = rods[:, [X, Y]]
    pairs = cKDTree(positions).query_pairs(2 * float(extent.max(initial=0)), output_type="ndarray")
    distance = np.hypot(*(positions[pairs[:, 0]] - positions[pairs[:, 1]]).T)
    near = distance < extent[pairs].sum(axis=1)
    return sorted((float(d), int(i), int(j)) for d, (i, j) in zip(distance[near], pairs[near], strict=True))
