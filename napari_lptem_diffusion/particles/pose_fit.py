"""Maximum-likelihood pose, size and amplitude of rods, with errors from the curvature and the noise's correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_lptem_diffusion.particles.capsule import capsule_image, capsule_value
from napari_lptem_diffusion.particles.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.priors import (
    AMPLITUDE,
    ANGLE,
    BACKGROUND,
    BLUR,
    LENGTH,
    WIDTH,
    RodPriors,
    X,
    Y,
)

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_STEPS = 6
_ROUNDS = 3
_LEAST_VARIANCE = np.float32(0.1)


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
        (rods,): amplitude over its standard deviation when the pose is given.
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


def fit_rods(
    image: Array, start: Matrix, priors: RodPriors, noise: NoiseCorrelation, variance_gain: Matrix, reach: int
) -> Fit:
    """Fit all rods of an image, each while the others are subtracted.

    Least squares (Levenberg-Marquardt, all rods at once) weighted by the variance that the model itself
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
        (rods,): change of a pixel's noise variance, relative to the background's, per unit of amplitude.
    reach : int
        Half the side of the window that is fitted around each rod, px.
    """
    windows = Windows(image, start, reach)
    level = noise.at_rod_scale(reach)
    parameters = start
    rounds = _ROUNDS if _neighbours(start, 2 * windows.reach) else _ROUNDS - 1
    for _ in range(rounds):
        windows.weigh(parameters, variance_gain)
        data = windows.data - windows.others(parameters)
        parameters = levenberg_marquardt(windows, data, parameters, priors, level, _STEPS)
    return _with_errors(windows, parameters, priors, noise, level)


def rods_image(shape: tuple[int, ...], parameters: Matrix, reach: int) -> Array:
    """Draw the fitted rods, (y, x), without background; each in a window of half side *reach* px."""
    return Windows(np.zeros(shape, dtype=np.float32), parameters, reach).image(parameters)


class Windows:
    """Square windows around rods, cut from a padded image once and used by every step of the fit."""

    def __init__(self, image: Array, start: Matrix, reach: int) -> None:
        self.reach = reach
        self.corner_x = np.rint(start[:, X]).astype(int) - reach
        self.corner_y = np.rint(start[:, Y]).astype(int) - reach
        self.shape = image.shape
        pad = 2 * reach
        padded = np.pad(image, pad)
        inside = np.pad(np.ones(image.shape, dtype=np.float32), pad)
        steps = np.arange(2 * reach + 1)
        rows = np.clip(self.corner_y[:, None] + steps + pad, 0, padded.shape[0] - 1)
        columns = np.clip(self.corner_x[:, None] + steps + pad, 0, padded.shape[1] - 1)
        self._index = (rows[:, :, None], columns[:, None, :])
        self._padded_shape = padded.shape
        self.inside = inside[self._index]
        self.weight = self.inside
        self.data = padded[self._index]

    def axes(self, parameters: Matrix) -> tuple[Array, Array, Array, Array]:
        """Coordinates of every pixel along and across each rod, and the rod's cosine and sine."""
        steps = np.arange(2 * self.reach + 1)
        dx = (self.corner_x - parameters[:, X])[:, None, None] + steps[None, None, :]
        dy = (self.corner_y - parameters[:, Y])[:, None, None] + steps[None, :, None]
        c, s = (f(parameters[:, ANGLE])[:, None, None] for f in (np.cos, np.sin))
        along, across = c * dx + s * dy, c * dy - s * dx
        return (along.astype(np.float32), across.astype(np.float32), c.astype(np.float32), s.astype(np.float32))

    def weigh(self, parameters: Matrix, variance_gain: Matrix) -> None:
        """Set the weight of each pixel: one over the standard deviation of its noise in units of the background's."""
        variance = 1 + variance_gain.astype(np.float32)[:, None, None] * self.models(parameters)
        self.weight = self.inside / np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def models(self, parameters: Matrix) -> Array:
        """Image of each rod in its own window, without background."""
        along, across, _, _ = self.axes(parameters)
        value = capsule_value(along, across, *_size(parameters))
        return parameters[:, AMPLITUDE, None, None].astype(np.float32) * value

    def others(self, parameters: Matrix) -> Array:
        """What the other rods add to each window."""
        own = self.models(parameters)
        return self._drawn(own)[self._index] - own

    def image(self, parameters: Matrix) -> Array:
        """Image of all rods, without background, (y, x)."""
        pad = 2 * self.reach
        return self._drawn(self.models(parameters))[pad : pad + self.shape[0], pad : pad + self.shape[1]]

    def _drawn(self, models: Array) -> Array:
        """Sum of the windows on the padded image."""
        total = np.zeros(self._padded_shape, dtype=np.float32)
        np.add.at(total, self._index, models)
        return total


def levenberg_marquardt(
    windows: Windows, data: Array, start: Matrix, priors: RodPriors, level: float, steps: int
) -> Matrix:
    """Minimise squares over noise *level* plus the prior, for all rods side by side; return the parameters."""
    centre, precision = priors.centre, priors.precision
    parameters, damping = start, np.full(len(start), 1e-2)
    residual, jacobian = linearise(windows, data, parameters)
    cost = _cost(residual, parameters, centre, precision, level)
    for _ in range(steps):
        curvature, gradient = normal_equations(residual, jacobian, level)
        curvature = curvature + precision[:, :, None] * np.eye(8)
        gradient = gradient + precision * (centre - parameters)
        scale = np.einsum("nii->ni", curvature) + 1e-9
        damped = curvature + np.eye(8) * (damping[:, None] * scale + 1e-9)[:, None, :]
        step = np.linalg.solve(damped, gradient[..., None])[..., 0]
        trial = parameters + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        new_residual, new_jacobian = linearise(windows, data, trial)
        new_cost = _cost(new_residual, trial, centre, precision, level)
        better = new_cost < cost
        if not better.any() and damping.min() > 1e3:
            break
        parameters = np.where(better[:, None], trial, parameters)
        residual = np.where(better[:, None, None], new_residual, residual)
        jacobian = np.where(better[:, None, None, None], new_jacobian, jacobian)
        settled = bool(np.all(~better | (cost - new_cost < 1e-3)))
        cost = np.where(better, new_cost, cost)
        damping = np.where(better, damping * 0.2, damping * 8)
        if settled and bool(better.any()):
            break
    return parameters


_LARGEST_STEP = np.array([2.0, 2.0, 0.35, 1e3, 1e3, 0.3, 0.3, 0.5])


def _size(parameters: Matrix) -> tuple[Array, Array, Array]:
    length, width, blur = (np.exp(parameters[:, k])[:, None, None].astype(np.float32) for k in (LENGTH, WIDTH, BLUR))
    return length, width, blur


def linearise(windows: Windows, data: Array, parameters: Matrix) -> tuple[Array, Array]:
    """Weighted residual (rods, y, x) and derivatives of the model (rods, 8, y, x)."""
    along, across, c, s = windows.axes(parameters)
    length, width, blur = _size(parameters)
    image = capsule_image(along, across, length, width, blur)
    amplitude = parameters[:, AMPLITUDE, None, None].astype(np.float32)
    background = parameters[:, BACKGROUND, None, None].astype(np.float32)
    jacobian = np.empty((len(data), 8, *data.shape[1:]), dtype=np.float32)
    jacobian[:, X] = amplitude * (s * image.by_across - c * image.by_along)
    jacobian[:, Y] = -amplitude * (s * image.by_along + c * image.by_across)
    jacobian[:, ANGLE] = amplitude * (image.by_along * across - image.by_across * along)
    jacobian[:, AMPLITUDE] = image.value
    jacobian[:, BACKGROUND] = 1
    jacobian[:, LENGTH] = amplitude * length * image.by_length
    jacobian[:, WIDTH] = amplitude * width * image.by_width
    jacobian[:, BLUR] = amplitude * blur * image.by_blur
    jacobian *= windows.weight[:, None]
    residual = (data - amplitude * image.value - background) * windows.weight
    return residual, jacobian


def normal_equations(residual: Array, jacobian: Array, level: float) -> tuple[Matrix, Matrix]:
    """Curvature (rods, 8, 8) and gradient (rods, 8) of the log-likelihood for noise of variance *level*."""
    flat = jacobian.reshape(*jacobian.shape[:2], -1)
    curvature = (flat @ flat.transpose(0, 2, 1)).astype(float) / level
    gradient = (flat @ residual.reshape(len(flat), -1, 1))[..., 0].astype(float) / level
    return curvature, gradient


def _cost(residual: Array, parameters: Matrix, centre: Matrix, precision: Matrix, level: float) -> Matrix:
    squares = np.einsum("nyx,nyx->n", residual, residual).astype(float)
    cost: Matrix = squares / level + (precision * (parameters - centre) ** 2).sum(axis=1)
    return cost


def _with_errors(windows: Windows, parameters: Matrix, priors: RodPriors, noise: NoiseCorrelation, level: float) -> Fit:
    _, jacobian = linearise(windows, windows.data, parameters)
    shape = tuple(fft.next_fast_len(n + 8, real=True) for n in jacobian.shape[2:])
    spectrum = fft.rfft2(jacobian, shape)
    coloured = fft.irfft2(spectrum * noise.power((shape[0], shape[1])), shape)
    coloured = coloured[..., : jacobian.shape[2], : jacobian.shape[3]].reshape(*jacobian.shape[:2], -1)
    flat = jacobian.reshape(*jacobian.shape[:2], -1)
    known = priors.precision[:, :, None] * np.eye(8)
    curvature = (flat @ flat.transpose(0, 2, 1)).astype(float) / level + known
    spread = (flat @ coloured.transpose(0, 2, 1)).astype(float) / level**2 + known
    inverse = np.linalg.inv(curvature + 1e-9 * np.eye(8))
    covariance = inverse @ spread @ inverse

    pair = np.ix_(range(len(parameters)), [AMPLITUDE, BACKGROUND], [AMPLITUDE, BACKGROUND])
    given_pose = np.linalg.inv(curvature[pair] + 1e-9 * np.eye(2))
    given_pose = given_pose @ spread[pair] @ given_pose
    snr = parameters[:, AMPLITUDE] / np.sqrt(given_pose[:, 0, 0])
    whole = capsule_value(*windows.axes(parameters)[:2], *_size(parameters))
    visible = (whole * windows.inside).sum(axis=(1, 2)) / np.maximum(whole.sum(axis=(1, 2)), 1e-9)
    return Fit(parameters, covariance, snr, visible.astype(float))


def _neighbours(parameters: Matrix, distance: float) -> bool:
    """Whether any two rods are closer than *distance* along both axes."""
    dx = np.abs(parameters[:, None, X] - parameters[None, :, X])
    dy = np.abs(parameters[:, None, Y] - parameters[None, :, Y])
    return bool(np.triu((dx < distance) & (dy < distance), 1).any())
