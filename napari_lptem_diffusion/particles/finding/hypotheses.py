"""One rod or several: explanations of an image by different numbers of rods, weighed by their likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, in_groups, levenberg_marquardt, squares
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
from napari_lptem_diffusion.particles.finding.windows import Windows, halved

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_ODD_SIZE = 6.0
_ODD_REST = 4.0
_ODD_REST_SHARE = 0.06
_SHADOW = 0.06
"""A rod that adds less than this share of its neighbour's signal to noise is taken for what the model leaves of it."""
_FIRST_STEPS, _LAST_STEPS = 4, 12
_LEAST_COARSE_WIDTH_PX = 6.0
_SETTLED = 0.5
"""How well the least squares of an explanation must be known, in units of the noise, to choose; see `least_gain`."""
_FINALISTS = 2
_MOST_EXAMINED = 100
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
    """

    level: float
    least_gain: float


def reconsider(
    rest: Array, fit: Fit, odd: NDArray[np.bool_], prior: Prior, variance_gain: Matrix, odds: Odds
) -> Matrix | None:
    """Replace rods that touch, or that look unlike one rod, by the number of rods that explains the image best.

    Rods lie in a group with those they touch; for each group the rods as they are, the group without one of them, and,
    where a rod is odd, many placements of two rods in place of the strongest are fitted to the same pixels. The
    explanation with the least cost wins: squares plus prior, and `Odds.least_gain` for each rod.

    Parameters
    ----------
    rest : ndarray
        (y, x) normalised image without the fitted rods.
    fit : Fit
        All rods of the image.
    odd : ndarray
        (rods,), from `odd_rods`.
    prior : Prior
        Of the population.
    variance_gain : ndarray
        (rods,), as for `pose_fit.fit_rods`.
    odds : Odds

    Returns
    -------
    ndarray or None
        (rods, 8) parameters to start a fit of all rods from; None where nothing changed.
    """
    kept: list[Matrix] = []
    examined = changed = 0
    for group in touching_groups(fit.parameters):
        rods = fit.parameters[group]
        ways = [*_fewer(rods), *(_splits(rods[np.argmax(rods[:, AMPLITUDE])], prior) if odd[group].any() else [])]
        if not ways or examined == _MOST_EXAMINED:
            kept.append(rods)
            continue
        examined += 1
        cost_of_one = max(odds.least_gain, float((_SHADOW * fit.snr[group].max()) ** 2))
        best = _best(rest, rods, ways, prior, float(variance_gain[group].mean()), Odds(odds.level, cost_of_one))
        changed += best is not rods
        kept.append(best)
    return np.concatenate(kept) if changed else None


def odd_rods(fit: Fit, rest: Array, pixel: int, prior: Prior) -> NDArray[np.bool_]:
    """Say which rods are of a size that is not in the population, or have something left over beside them.

    Parameters
    ----------
    fit : Fit
    rest : ndarray
        (y, x) normalised image without the fitted rods, binned by *pixel*.
    pixel : int
    prior : Prior
        Of the population, on the grid of *fit*.

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

    smooth = ndimage.gaussian_filter(rest, prior.shape.width / (2.5 * pixel), mode="nearest", truncate=3)
    noise = 1.4826 * float(np.median(np.abs(smooth[::2, ::2] - np.median(smooth[::2, ::2])))) + 1e-9
    half = int(np.ceil(0.75 * prior.shape.length / pixel))
    left = np.empty(len(off))
    for row, (x, y) in enumerate(np.rint((fit.parameters[:, [X, Y]] + 0.5) / pixel - 0.5).astype(int)):
        around = smooth[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        left[row] = (around.max(initial=0) - pixel * fit.parameters[row, BACKGROUND]) / noise
    odd: NDArray[np.bool_] = (size > _ODD_SIZE) | (left > np.maximum(_ODD_REST, _ODD_REST_SHARE * fit.snr))
    return odd


def _best(rest: Array, rods: Matrix, ways: list[Matrix], prior: Prior, variance_gain: float, odds: Odds) -> Matrix:
    """Of *rods* and other *ways* to explain the group the best; *rods* itself if it is."""
    shape = prior.shape
    spread = max(np.ptp(rods[:, X]), np.ptp(rods[:, Y])) / 2
    flat, _ = in_groups(rods, prior.of_rods(len(rods)), np.arange(len(rods))[None])
    window = Windows(rest, flat, shape.reach + int(np.ceil(spread + 0.25 * shape.length)))
    data = window.data + window.models(flat)
    window.absorption = np.array([max(-variance_gain, 0.0)])
    window.weigh(flat, np.array([variance_gain]))
    explanations = [rods, *ways]
    best, least = rods, np.inf
    for count in sorted({len(one) for one in explanations}):
        starts = np.array([one for one in explanations if len(one) == count])
        cost, found = _fitted(window, data, starts, prior, odds.level)
        if cost + count * odds.least_gain < least:
            best, least = found, cost + count * odds.least_gain
    return rods if len(best) == len(rods) and _same(best, rods, shape.width) else best


def _fitted(window: Windows, data: Array, starts: Matrix, prior: Prior, level: float) -> tuple[float, Matrix]:
    """Least cost over starts (starts, rods, 8), and the rods (rods, 8) there."""
    count = starts.shape[1]
    rods = np.arange(starts.shape[0] * count).reshape(-1, count)
    parameters, priors = in_groups(starts.reshape(-1, 8), prior.of_rods(rods.size), rods)
    first = (window.halved(), halved(data)) if prior.shape.width >= _LEAST_COARSE_WIDTH_PX else (window, data)
    for (view, seen), steps in ((first, _FIRST_STEPS), ((window, data), _LAST_STEPS)):
        copies = view.take(np.zeros(len(parameters), dtype=np.intp))
        pixels = np.broadcast_to(seen, (len(parameters), *seen.shape[1:]))
        here = priors.take(np.arange(len(parameters)))
        parameters = levenberg_marquardt(copies, pixels, parameters, here, level, steps, _SETTLED)
        cost = squares(copies, pixels, parameters, here, level)[0]
        cost = np.where((parameters[:, AMPLITUDE::8] > 0).all(axis=1), cost, np.inf)
        parameters = parameters[np.argsort(cost, kind="stable")[:_FINALISTS]]
    return float(cost.min()), parameters[0].reshape(-1, 8)


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
