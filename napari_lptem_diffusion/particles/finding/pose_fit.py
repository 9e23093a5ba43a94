"""Maximum-likelihood pose, size and amplitude of rods, with errors from the curvature and the noise's correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_lptem_diffusion.particles.finding.groups import touching_groups, windows_overlap
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, BACKGROUND, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_STEPS, _STEPS_WITH_NEIGHBOURS = (3, 8), (3, 3, 8)
"""Of each round; before it the neighbours are subtracted anew and the pixels weighed."""
_SETTLED = 0.02
_MOST_PIXELS = 40_000
"""Of all rods that are fitted side by side."""
_NO_BACKGROUND = 1e6
"""Precision that keeps all backgrounds of a group but the first at 0."""
_LEAST_KNOWN = 1e-8
"""Precision that everything has, so that a rod without a pixel in the frame has an error, and a large one."""
_LARGEST_STEP = np.array([2.0, 2.0, 0.35, 1e3, 1e3, 0.3, 0.3, 0.5])


@dataclass(frozen=True)
class Fit:
    """Rods of one normalised image.

    Attributes
    ----------
    parameters : ndarray
        (rods, 8), columns as in `priors`.
    covariance : ndarray
        (rods, 8, 8).
    snr : ndarray
        (rods,): amplitude over its standard deviation when the poses are given.
    visible : ndarray
        (rods,): share of the rod's image inside the frame.
    """

    parameters: Matrix
    covariance: Matrix
    snr: Matrix
    visible: Matrix

    def take(self, rows: NDArray[np.intp]) -> Fit:
        """Return the fits of these *rows* alone."""
        return Fit(self.parameters[rows], self.covariance[rows], self.snr[rows], self.visible[rows])


@dataclass
class _Batch:
    """Groups of the same number of rods, fitted side by side."""

    rods: NDArray[np.intp]
    windows: Windows
    parameters: Matrix
    priors: RodPriors
    variance_gain: Matrix


def fit_rods(
    image: Array, start: Matrix, priors: RodPriors, noise: NoiseCorrelation, variance_gain: Matrix, reach: int
) -> Fit:
    """Fit all rods of an image, those that touch together, each group while the others are subtracted.

    Least squares (Levenberg-Marquardt, all groups side by side) weighted by the variance that the model itself
    predicts, which is the maximum of the likelihood for many electrons; the covariance allows for noise that is
    correlated between pixels (sandwich estimator).

    Parameters
    ----------
    image : ndarray
        (y, x) normalised.
    start : ndarray
        (rods, 8) parameters to start from.
    priors : RodPriors
        Of the same rods.
    noise : NoiseCorrelation
        Of the image.
    variance_gain : ndarray
        (rods,): change of a pixel's noise variance, relative to the background's, per unit of amplitude. Where
        electrons are counted it is minus the share of the electrons that an amplitude of 1 takes away.
    reach : int
        Half the side of the window that is fitted around each rod, px.
    """
    level = noise.at_rod_scale(reach)
    groups = touching_groups(start)
    batches = [
        _batch(image, start, priors, variance_gain, rods, reach)
        for size in sorted({len(group) for group in groups})
        for rods in _parts(np.array([g for g in groups if len(g) == size]), (2 * reach + 1) ** 2)
    ]
    neighbours = windows_overlap(start, groups, 2 * reach)
    for steps in _STEPS_WITH_NEIGHBOURS if neighbours else _STEPS:
        drawn = _drawn(image.shape, batches) if neighbours else None
        for batch in batches:
            batch.windows.weigh(batch.parameters, batch.variance_gain)
            data = batch.windows.data if drawn is None else _without_others(batch, drawn)
            batch.parameters = levenberg_marquardt(batch.windows, data, batch.parameters, batch.priors, level, steps)
    return _joined(len(start), batches, [_with_errors(batch, noise, level) for batch in batches])


def rods_image(shape: tuple[int, ...], parameters: Matrix, reach: int) -> Array:
    """Draw the fitted rods, (y, x), without background; each in a window of half side *reach* px."""
    windows = Windows(np.zeros(shape, dtype=np.float32), parameters, reach)
    padded = np.zeros((shape[0] + 4 * reach, shape[1] + 4 * reach), dtype=np.float32)
    windows.draw(windows.models(parameters), padded)
    return padded[2 * reach : 2 * reach + shape[0], 2 * reach : 2 * reach + shape[1]]


def in_groups(values: Matrix, priors: RodPriors, groups: NDArray[np.intp]) -> tuple[Matrix, RodPriors]:
    """Lay the parameters and priors of rods out as (groups, 8 * rods in a group).

    Parameters
    ----------
    values : ndarray
        (rods, 8).
    priors : RodPriors
    groups : ndarray
        (groups, rods in a group) rows of *values*.
    """
    centre, precision = priors.centre[groups], priors.precision[groups]
    parameters = values[groups]
    for array, pinned in ((centre, 0.0), (precision, _NO_BACKGROUND), (parameters, 0.0)):
        array[:, 1:, BACKGROUND] = pinned
    flat = (len(groups), -1)
    return parameters.reshape(flat), RodPriors(centre.reshape(flat), precision.reshape(flat))


def levenberg_marquardt(
    windows: Windows,
    data: Array,
    start: Matrix,
    priors: RodPriors,
    level: float,
    steps: int,
    settled: float = _SETTLED,
) -> Matrix:
    """Minimise squares over noise *level* plus the prior, for all groups side by side; return the parameters.

    A step that promises to lower the squares by less than *settled*, in units of the noise, is the last.
    """
    parameters, damping = start.copy(), np.full(len(start), 1e-2)
    cost, curvature, gradient = squares(windows, data, parameters, priors, level)
    largest = np.tile(_LARGEST_STEP, start.shape[1] // 8)
    active = np.arange(len(start))
    for _ in range(steps):
        scale = np.einsum("nii->ni", curvature[active]) + 1e-9
        damped = curvature[active] + np.eye(start.shape[1]) * (damping[active, None] * scale + 1e-9)[:, None, :]
        newton = np.linalg.solve(damped, gradient[active][..., None])[..., 0]
        step = np.clip(newton, -largest, largest)
        promised = 2 * (step * gradient[active]).sum(axis=1) - np.einsum("ni,nij,nj->n", step, curvature[active], step)
        last = (promised < settled) & (damping[active] < 1)
        trial = parameters[active] + step
        parameters[active[last]] = trial[last]
        active, trial = active[~last], trial[~last]
        if not len(active):
            break
        part = windows if len(active) == len(start) else windows.take(active)
        new = squares(part, data[active], trial, priors.take(active), level)
        better = new[0] < cost[active]
        won = active[better]
        parameters[won] = trial[better]
        cost[won], curvature[won], gradient[won] = (value[better] for value in new)
        damping[active] *= np.where(better, 0.2, 8)
        active = active[damping[active] < 1e4]
    return parameters


def squares(
    windows: Windows, data: Array, parameters: Matrix, priors: RodPriors, level: float
) -> tuple[Matrix, Matrix, Matrix]:
    """Return the cost (groups,), half its curvature and minus half its gradient.

    The cost is the sum of squared weighted residuals over noise *level* plus that of the deviations from the prior.
    """
    residual, jacobian = windows.linearise(data, parameters)
    curvature, gradient = normal_equations(residual, jacobian, level)
    off = priors.centre - parameters
    cost = np.einsum("nyx,nyx->n", residual, residual).astype(float) / level + (priors.precision * off**2).sum(axis=1)
    return cost, curvature + _diagonal(priors.precision), gradient + priors.precision * off


def normal_equations(residual: Array, jacobian: Array, level: float) -> tuple[Matrix, Matrix]:
    """Curvature (groups, n, n) and gradient (groups, n) of the log-likelihood for noise of variance *level*."""
    flat = jacobian.reshape(*jacobian.shape[:2], -1)
    curvature = (flat @ flat.transpose(0, 2, 1)).astype(float) / level
    gradient = (flat @ residual.reshape(len(flat), -1, 1))[..., 0].astype(float) / level
    return curvature, gradient


def _diagonal(values: Matrix) -> Matrix:
    return values[:, :, None] * np.eye(values.shape[1])


def _parts(groups: NDArray[np.intp], pixels: int) -> list[NDArray[np.intp]]:
    """Cut many *groups* (groups, rods), each rod with so many pixels, into parts that the processor's cache holds."""
    return np.array_split(groups, int(np.ceil(groups.size * pixels / _MOST_PIXELS)))


def _batch(
    image: Array, start: Matrix, priors: RodPriors, variance_gain: Matrix, rods: NDArray[np.intp], reach: int
) -> _Batch:
    parameters, grouped = in_groups(start, priors, rods)
    gain = variance_gain[rods].mean(axis=1)
    spread = max(float(np.ptp(parameters[:, column::8], axis=1).max()) for column in (X, Y))
    windows = Windows(image, parameters, reach + int(np.ceil(spread / 2)), np.maximum(-gain, 0))
    return _Batch(rods, windows, parameters, grouped, gain)


def _drawn(shape: tuple[int, ...], batches: list[_Batch]) -> Array:
    """All rods on an image padded by the largest windows."""
    pad = 2 * max(batch.windows.reach for batch in batches)
    total = np.zeros((shape[0] + 2 * pad, shape[1] + 2 * pad), dtype=np.float32)
    for batch in batches:
        inset = pad - 2 * batch.windows.reach
        part = total[inset : total.shape[0] - inset, inset : total.shape[1] - inset]
        batch.windows.draw(batch.windows.models(batch.parameters), part)
    return total


def _without_others(batch: _Batch, drawn: Array) -> Array:
    """Windows of the image from which the rods of the other groups are taken away."""
    inset = (drawn.shape[0] - batch.windows.padded_shape[0]) // 2
    part = drawn[inset : drawn.shape[0] - inset, inset : drawn.shape[1] - inset]
    return batch.windows.data - (part[batch.windows.index] - batch.windows.models(batch.parameters))


def _with_errors(batch: _Batch, noise: NoiseCorrelation, level: float) -> Fit:
    windows, parameters = batch.windows, batch.parameters
    _, jacobian = windows.linearise(windows.data, parameters)
    flat = jacobian.reshape(*jacobian.shape[:2], -1).astype(float)
    known = _diagonal(batch.priors.precision + _LEAST_KNOWN)
    curvature = flat @ flat.transpose(0, 2, 1) / level + known
    spread = _noise_through(jacobian, noise) / level**2 + known
    inverse = np.linalg.inv(curvature)
    covariance = inverse @ spread @ inverse.transpose(0, 2, 1)

    columns = np.arange(parameters.shape[1])
    free = columns[(columns % 8 == AMPLITUDE) | (columns % 8 == BACKGROUND)]
    pair = np.ix_(range(len(parameters)), free, free)
    given_pose = np.linalg.inv(curvature[pair])
    amplitude_error = np.sqrt(np.einsum("nii->ni", given_pose @ spread[pair] @ given_pose)[:, free % 8 == AMPLITUDE])
    whole = windows.rods(parameters)
    visible = (whole * windows.inside[:, None]).sum(axis=(2, 3)) / np.maximum(whole.sum(axis=(2, 3)), 1e-9)
    rods = range(parameters.shape[1] // 8)
    blocks = np.stack([covariance[:, 8 * k : 8 * k + 8, 8 * k : 8 * k + 8] for k in rods], axis=1)
    return Fit(
        parameters.reshape(-1, 8),
        blocks.reshape(-1, 8, 8),
        (parameters[:, AMPLITUDE::8] / amplitude_error).ravel(),
        visible.ravel().astype(float),
    )


def _noise_through(jacobian: Array, noise: NoiseCorrelation) -> Matrix:
    """Covariance (groups, n, n) of the gradients that noise of the given correlation makes."""
    rows, columns = (fft.next_fast_len(n + 8, real=True) for n in jacobian.shape[2:])
    power = noise.power((rows, columns)) / np.float32(rows * columns)
    power[:, 1 : (columns + 1) // 2] *= 2  # each stands for its mirror image, which the half spectrum leaves out
    spectrum = (fft.rfft2(jacobian, (rows, columns)) * np.sqrt(power)).reshape(*jacobian.shape[:2], -1)
    flat = spectrum.view(np.float32).astype(float)
    through: Matrix = flat @ flat.transpose(0, 2, 1)
    return through


def _joined(count: int, batches: list[_Batch], fits: list[Fit]) -> Fit:
    """Fits of all batches in the order of the rods."""
    order = np.argsort(np.concatenate([batch.rods.ravel() for batch in batches])) if count else np.arange(0)
    whole = Fit(
        *(
            np.concatenate([getattr(fit, name) for fit in fits])
            for name in ("parameters", "covariance", "snr", "visible")
        )
    )
    return whole.take(order)
