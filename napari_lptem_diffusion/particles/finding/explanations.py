"""Ways to explain windows of an image by rods, weighed by their likelihood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.pose_fit import in_groups
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, RodPriors, joined_priors
from napari_lptem_diffusion.particles.finding.windows import Windows

Matrix = NDArray[np.float64]
_FIRST_STEPS, _LAST_STEPS = 3, 12
_SETTLED = 0.5
"""How well the least squares of an explanation must be known, in units of the noise, to choose."""
_FINALISTS = 2
"""Starts of one number of rods that are looked at closely."""


@dataclass(frozen=True)
class Way:
    """Some rods that may explain a window.

    Attributes
    ----------
    start : ndarray
        (rods, 8) parameters.
    priors : RodPriors
        Of the same rods.
    handicap : float
        What is added to its cost: squares over the noise plus prior.
    strangest : float
        Most that the prior of one rod's amplitude counts in the cost.
    """

    start: Matrix
    priors: RodPriors
    handicap: float
    strangest: float = np.inf


def likeliest(windows: Windows, ways: Sequence[Sequence[Way]], level: float) -> list[tuple[Way, Matrix]]:
    """Choose the best way to explain each window, and fit its rods.

    Parameters
    ----------
    windows : Windows
        With weights; one for each of *ways*.
    ways : sequence of sequence of Way
        At least one for each window; the first is the present one, which gives way only after a close look.
    level : float
        Variance of the noise at rod scale.

    Returns
    -------
    list of (Way, ndarray)
        For each window the way and its rods, (rods, 8); those of the present way only roughly where none came near.
    """
    left = [[(way, way.start) for way in some] for some in ways]
    for steps in (_FIRST_STEPS, _LAST_STEPS):
        open_ones = [number for number, some in enumerate(left) if len(some) > 1]
        fitted = _fitted(windows, {number: left[number] for number in open_ones}, level, steps)
        for number in open_ones:
            left[number] = _best_of(fitted[number], ways[number][0])
    return [some[0] for some in left]


def _best_of(fitted: list[tuple[float, Way, Matrix]], present: Way) -> list[tuple[Way, Matrix]]:
    """Ways that are not beaten, the best first, and of each number of rods a few; the *present* one stays."""
    ordered = sorted(fitted, key=lambda one: one[0])
    beaten = ordered[0][0] + present.handicap / len(present.start)  # what a rod costs is what differences must exceed
    taken: dict[int, int] = defaultdict(int)
    kept = []
    for total, way, rods in ordered:
        near = total <= beaten and taken[len(rods)] < _FINALISTS
        if near or way is present:
            taken[len(rods)] += 1
            kept.append((way, rods))
    return kept


def _fitted(
    windows: Windows, ways: dict[int, list[tuple[Way, Matrix]]], level: float, steps: int
) -> dict[int, list[tuple[float, Way, Matrix]]]:
    """Cost, way and rods of all *ways* by window after so many steps, those of one number of rods side by side."""
    by_count = defaultdict(list)
    for number, some in ways.items():
        for way, rods in some:
            by_count[len(rods)].append((number, way, rods))
    result: dict[int, list[tuple[float, Way, Matrix]]] = {number: [] for number in ways}
    for count, alike in sorted(by_count.items()):
        rods = np.concatenate([start for _, _, start in alike])
        priors = joined_priors([way.priors for _, way, _ in alike])
        start, grouped = in_groups(rods, priors, np.arange(len(rods)).reshape(-1, count))
        part = windows.take(np.array([number for number, _, _ in alike]))
        found, cost = part.minimised(part.data, start, grouped, level, steps, _SETTLED)
        strange = grouped.precision[:, AMPLITUDE::8] * (found - grouped.centre)[:, AMPLITUDE::8] ** 2
        most = np.array([[way.strangest] for _, way, _ in alike])
        cost = cost - np.maximum(strange - most, 0).sum(axis=1)
        cost = np.where((found[:, AMPLITUDE::8] > 0).all(axis=1), cost, np.inf)
        for (number, way, _), total, parameters in zip(alike, cost.tolist(), found, strict=True):
            result[number].append((total + way.handicap, way, parameters.reshape(-1, 8)))
    return result
