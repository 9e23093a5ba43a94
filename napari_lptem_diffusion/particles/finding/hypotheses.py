"""One rod or several: explanations of an image by different numbers of rods, weighed by their likelihood."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.explanations import Way, likeliest
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import (
    Fit,
    enlarged,
    in_groups,
)
from napari_lptem_diffusion.particles.finding.priors import (
    AMPLITUDE,
    ANGLE,
    BACKGROUND,
    BLUR,
    LENGTH,
    SIZE,
    WIDTH,
    Prior,
    X,
    Y,
)
from napari_lptem_diffusion.particles.finding.usual_contrast import with_amplitudes
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_ODD_SIZE = 4.0
_ODD_REST = 4.0
_ODD_REST_SHARE = 0.06
_SHADOW = 0.06
"""A rod that adds less than this share of its neighbour's signal to noise is taken for what the model leaves of it."""
_STRANGE = 9.0
"""Most that an unusual contrast counts against a rod, in squares over the noise: a few crystals are much darker."""
_MOST_EXAMINED = 100
_CASES_TOGETHER = 8
_SPLITS = [
    (0.35, 0.0, 0, -0.35, 0.0, 0),
    (0.0, 0.4, 0, 0.0, -0.4, 0),
    (0.25, 0.0, 90, -0.25, 0.0, 90),
    (0.0, 0.0, 45, 0.0, 0.0, -45),
    (0.0, 0.0, 0, 0.0, 0.0, 90),
    (0.25, 0.0, 70, -0.25, 0.0, 0),
    (0.25, 0.0, -70, -0.25, 0.0, 0),
    (0.25, 0.0, 0, -0.25, 0.0, 70),
    (0.25, 0.0, 0, -0.25, 0.0, -70),
    (0.3, 0.0, 30, -0.3, 0.0, -30),
    (0.3, 0.0, -30, -0.3, 0.0, 30),
]
"""Starts for two rods in place of one: shift along (lengths), shift across (widths) and turn (degrees) of each."""


@dataclass(frozen=True)
class Odds:
    """What it takes to believe in one rod more.

    Attributes
    ----------
    level : float
        Variance of the noise at rod scale.
    least_gain : float
        By how much the squares over the noise must fall.
    contrast_spread : float
        Relative standard deviation of the amplitudes of rods.
    """

    level: float
    least_gain: float
    contrast_spread: float


@dataclass(frozen=True)
class _Case:
    """Rods that touch, or one that is odd, and the ways to explain them: (rods, 8) each, the first as they are now."""

    group: list[int]
    ways: list[Matrix]
    cost_of_one: float
    usual_amplitude: float

    def all_ways(self, prior: Prior, contrast_spread: float) -> list[Way]:
        """The ways with what the population tells of the rods."""
        priors = with_amplitudes(prior.of_rods(1), np.array([self.usual_amplitude]), contrast_spread)
        return [
            Way(rods, priors.take(np.zeros(len(rods), dtype=np.intp)), len(rods) * self.cost_of_one, _STRANGE)
            for rods in self.ways
        ]


def reconsider(
    rest: Array,
    fit: Fit,
    frames: Rows,
    odd: NDArray[np.bool_],
    prior: Prior,
    usual_amplitude: Matrix,
    variance_gain: Matrix,
    odds: Odds,
) -> dict[int, Matrix]:
    """Replace rods that touch, or that look unlike one rod, by the number of rods that explains the image best.

    Rods lie in a group with those they touch; for each group the rods as they are, the group without one of them, and,
    where a rod is odd, many placements of two rods in place of the strongest are fitted to the same pixels. The
    explanation with the least cost wins: squares plus prior of sizes and amplitudes, and `Odds.least_gain` a rod.

    Parameters
    ----------
    rest : ndarray
        (frames, y, x) normalised images without the fitted rods.
    fit : Fit
        All rods of the images.
    frames : ndarray
        (rods,): in which of the images each rod lies, rising.
    odd : ndarray
        (rods,), from `odd_rods`.
    prior : Prior
        Of the population.
    usual_amplitude : ndarray
        (rods,): amplitude of a rod of usual contrast at each of these places.
    variance_gain : ndarray
        (rods,), as for `pose_fit.fit_rods`.
    odds : Odds

    Returns
    -------
    dict
        By image, for those in which something changed, (rods, 8) parameters to start a fit of all its rods from.
    """
    groups = touching_groups(fit.parameters, frames=frames)
    examined, alike = Counter[int](), defaultdict(list)
    for number, group in enumerate(groups):
        rods = fit.parameters[group]
        ways = [*_fewer(rods), *(_splits(rods[np.argmax(rods[:, AMPLITUDE])], prior) if odd[group].any() else [])]
        if ways and examined[frames[group[0]]] < _MOST_EXAMINED:
            examined[frames[group[0]]] += 1
            cost_of_one = max(odds.least_gain, float((_SHADOW * fit.snr[group].max()) ** 2))
            spread = float(np.ptp(rods[:, [X, Y]], axis=0).max()) / 2 + 0.25 * prior.shape.length
            alike[len(group), enlarged(prior.shape.reach, spread)].append(
                (number, _Case(group, [rods, *ways], cost_of_one, float(usual_amplitude[group].mean())))
            )
    best: dict[int, Matrix] = {}
    for (_, reach), cases in sorted(alike.items()):
        for first in range(0, len(cases), _CASES_TOGETHER):
            numbers, part = zip(*cases[first : first + _CASES_TOGETHER], strict=True)
            found = _best(rest, frames, part, reach, prior, variance_gain, odds)
            best |= {number: rods for number, rods in zip(numbers, found, strict=True) if rods is not None}
    changed = {int(frames[groups[number][0]]) for number in best}
    kept = [best.get(number, fit.parameters[group]) for number, group in enumerate(groups)]
    return {
        frame: np.concatenate([rods for rods, group in zip(kept, groups, strict=True) if frames[group[0]] == frame])
        for frame in sorted(changed)
    }


def odd_rods(
    fit: Fit, frames: Rows, rest: Array, pixel: int, prior: Prior, darkest_amplitude: Matrix
) -> NDArray[np.bool_]:
    """Say which rods are of a size that is not in the population, or dark, or have something left over beside them.

    Parameters
    ----------
    fit : Fit
    frames : ndarray
        (rods,): in which of the images each rod lies.
    rest : ndarray
        (frames, y, x) normalised images without the fitted rods, binned by *pixel*.
    pixel : int
    prior : Prior
        Of the population, on the grid of *fit*.
    darkest_amplitude : ndarray
        (rods,): more than this few single rods have.

    Returns
    -------
    ndarray
        (rods,) of bool.
    """
    off = (fit.parameters - prior.centre())[:, SIZE]
    variance = np.diag(1 / prior.precision()[SIZE])
    values, vectors = np.linalg.eigh(1.1 * variance - fit.covariance[:, SIZE][:, :, SIZE])
    along = np.einsum("ni,nij->nj", off, vectors)
    size = (along**2 / np.maximum(values, 0.1 * variance.min())).sum(axis=1)

    smooth = ndimage.gaussian_filter(rest, prior.shape.width / (2.5 * pixel), mode="nearest", truncate=3, axes=(1, 2))
    sample = smooth[:, ::2, ::2].reshape(len(smooth), -1)
    noise = 1.4826 * np.median(np.abs(sample - np.median(sample, axis=1, keepdims=True)), axis=1) + 1e-9
    half = int(np.ceil(0.75 * prior.shape.length / pixel))
    left = np.empty(len(off))
    places = np.rint((fit.parameters[:, [X, Y]] + 0.5) / pixel - 0.5).astype(int)
    for row, (frame, (x, y)) in enumerate(zip(frames, places, strict=True)):
        around = smooth[frame, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        left[row] = around.max(initial=0)
    left = (left - pixel * fit.parameters[:, BACKGROUND]) / noise[frames]
    odd: NDArray[np.bool_] = (size > _ODD_SIZE) | (left > np.maximum(_ODD_REST, _ODD_REST_SHARE * fit.snr))
    odd |= fit.parameters[:, AMPLITUDE] > darkest_amplitude
    return odd


def _best(
    rest: Array, frames: Rows, cases: Sequence[_Case], reach: int, prior: Prior, variance_gain: Matrix, odds: Odds
) -> list[Matrix | None]:
    """For each case, all of them groups of as many rods, the best way, (rods, 8); None where it is the present one."""
    groups = np.array([case.group for case in cases])
    rods = np.concatenate([case.ways[0] for case in cases])
    flat, _ = in_groups(rods, prior.of_rods(len(rods)), np.arange(len(rods)).reshape(groups.shape))
    gain = variance_gain[groups].mean(axis=1)
    windows = Windows(rest, flat, reach, frames=frames[groups[:, 0]])
    windows.data = windows.data + windows.models(flat)
    windows.absorption = np.maximum(-gain, 0)
    windows.weigh(flat, gain)
    ways = [case.all_ways(prior, odds.contrast_spread) for case in cases]
    best = [found for _, found in likeliest(windows, ways, odds.level)]
    return [
        None if len(found) == len(case.group) and _same(found, case.ways[0], prior.shape.width) else found
        for case, found in zip(cases, best, strict=True)
    ]


def _fewer(rods: Matrix) -> list[Matrix]:
    """The group without one of its rods, and each rod alone."""
    without = [np.delete(rods, k, axis=0) for k in range(len(rods))] if len(rods) > 1 else []
    return without + ([rods[k : k + 1] for k in range(len(rods))] if len(rods) > 2 else [])


def _splits(rod: Matrix, prior: Prior) -> list[Matrix]:
    """Two rods of the usual size in place of one, in many ways."""
    axis = np.array([np.cos(rod[ANGLE]), np.sin(rod[ANGLE])])
    side = np.array([-axis[1], axis[0]])
    pairs = []
    for split in _SPLITS:
        pair = np.tile(rod, (2, 1))
        pair[:, [LENGTH, WIDTH]] = prior.centre()[[LENGTH, WIDTH]]
        pair[:, BLUR] = min(rod[BLUR], prior.centre()[BLUR])
        pair[:, AMPLITUDE] *= 0.7
        pair[:, BACKGROUND] /= 2
        for one, (along, across, turn) in zip(pair, (split[:3], split[3:]), strict=True):
            one[[X, Y]] += along * prior.shape.length * axis + across * prior.shape.width * side
            one[ANGLE] += np.radians(turn)
        pairs.append(pair)
    return pairs


def _same(found: Matrix, rods: Matrix, width: float) -> bool:
    """Whether every rod stayed where it was."""
    return bool((np.hypot(*(found - rods)[:, [X, Y]].T) < 0.1 * width).all())
