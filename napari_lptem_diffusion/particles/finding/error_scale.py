"""By how much the errors that the curvature states are too small for faint rods, learnt from simulated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.finding.frame_pool import side_by_side
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, SIZE, Prior, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_IMAGES, _RODS_PER_SIDE = 4, 7
_OUTLIER = 4.0
_EXCESSES = np.concatenate([[0.0], np.geomspace(1, 1000, 100)])
_KNOWN = 0.02
"""Error of the logarithm of a size that all frames of a track agree on."""


@dataclass(frozen=True)
class ErrorScale:
    """What the stated errors leave out: the variance is larger by a factor of 1 + excess / snr^2.

    The curvature at the best fit states the error of a bright rod. The next term of the expansion in the noise goes
    with one over the square of the signal-to-noise ratio.

    Attributes
    ----------
    along, across, angle : float
        Excess of the position along and across the rod, and of its angle.
    """

    along: float = 0.0
    across: float = 0.0
    angle: float = 0.0

    def factors(self, snr: Matrix) -> Matrix:
        """Factors of the standard deviations along, across and of the angle, (3, rods)."""
        factors: Matrix = np.sqrt(1 + np.array([[self.along], [self.across], [self.angle]]) / np.maximum(snr, 1) ** 2)
        return factors


NO_EXCESS = ErrorScale()
_USUAL = (ErrorScale(33, 27, 54), ErrorScale(16, 13, 24))
"""Usual excess where the size of the rod is fitted too, and where it is known: mean over rods of many kinds, as
``benchmarks/error_scale.py`` prints it."""
_USUAL_SPREAD = (ErrorScale(13, 7, 17), ErrorScale(4, 3, 11))
"""Standard deviation over the same."""


def measure_error_scales(
    find: Callable[[Array], Fit | None],
    refit: Callable[[Array, Matrix, RodPriors], Fit],
    prior: Prior,
    noise: NoiseCorrelation,
    threshold: float,
    pause: Callable[[], None],
) -> tuple[ErrorScale, ErrorScale]:
    """Find simulated rods of known pose in simulated noise, and compare stated with true errors.

    A parametric bootstrap: sizes from the population, any angle, a signal to noise of 1.1 to 2.5 times the threshold,
    noise with the movie's correlation; always the same random numbers. Two hundred rods leave the excess uncertain by
    about a third, so what is usual for rods of any kind counts too. A few images of few rods, not one of many, so that
    stopping is quick.

    Parameters
    ----------
    find : callable
        Of a normalised image (y, x); the fit of what stands out there.
    refit : callable
        Of a normalised image, parameters (rods, 8) and priors; the fit of these rods.
    prior : Prior
    noise : NoiseCorrelation
    threshold : float
        Least signal to noise of a rod that is found.
    pause : callable
        Called often; may raise to stop.

    Returns
    -------
    tuple of ErrorScale
        Where the size is fitted too, with the population as its prior; and where it is known.
    """
    rng = np.random.default_rng(0)
    looks: tuple[list[Matrix], list[Matrix]] = ([np.empty((4, 0))], [np.empty((4, 0))])
    scenes = [_simulated(prior, noise, threshold, rng) for _ in range(_IMAGES)]
    fits = side_by_side(find, (image for image, _ in scenes), pause)
    for (image, truth), fit in zip(scenes, fits, strict=True):
        if fit is None:
            continue
        distance, nearest = cKDTree(truth[:, [X, Y]]).query(fit.parameters[:, [X, Y]])
        near = np.flatnonzero(distance < prior.shape.width / 2)
        fitted, truth = fit.take(near), truth[nearest[near]]
        for look, one in zip(looks, (fitted, _of_known_size(image, fitted, truth, refit)), strict=True):
            look.append(np.concatenate([pulls(one, truth), one.snr[None]]))
    scales = []
    for look, usual, spread in zip(looks, _USUAL, _USUAL_SPREAD, strict=True):
        *pulled, snr = np.concatenate(look, axis=1)
        rows = zip(pulled, astuple(usual), astuple(spread), strict=True)
        scales.append(ErrorScale(*(_excess(pull, snr, mean, doubt) for pull, mean, doubt in rows)))
    return scales[0], scales[1]


def _of_known_size(image: Array, found: Fit, truth: Matrix, refit: Callable[[Array, Matrix, RodPriors], Fit]) -> Fit:
    """Fit the rods that were *found* again with their true sizes."""
    start, precision = found.parameters.copy(), np.zeros(truth.shape)
    start[:, SIZE] = truth[:, SIZE]
    precision[:, SIZE] = _KNOWN**-2.0
    return refit(image, start, RodPriors(truth, precision)) if len(truth) else found


def pulls(fit: Fit, truth: Matrix) -> Matrix:
    """True over stated errors along, across and of the angle, (3, rods).

    Parameters
    ----------
    fit : Fit
    truth : ndarray
        (rods, 8) parameters of the same rods.
    """
    along, across, angle = stated_errors(fit)
    off = fit.parameters - truth
    c, s = np.cos(truth[:, ANGLE]), np.sin(truth[:, ANGLE])
    turn = (off[:, ANGLE] + np.pi / 2) % np.pi - np.pi / 2
    return np.stack([(c * off[:, X] + s * off[:, Y]) / along, (c * off[:, Y] - s * off[:, X]) / across, turn / angle])


def stated_errors(fit: Fit) -> tuple[Matrix, Matrix, Matrix]:
    """Standard deviations along and across each rod (px) and of its angle (radians), from the covariance."""
    axis = np.stack([np.cos(fit.parameters[:, ANGLE]), np.sin(fit.parameters[:, ANGLE])], axis=1)
    side = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    plane = fit.covariance[:, :2, :2]
    variances = (*(np.einsum("ni,nij,nj->n", v, plane, v) for v in (axis, side)), fit.covariance[:, ANGLE, ANGLE])
    along, across, angle = (np.sqrt(np.maximum(variance, 0)) for variance in variances)  # rounding can make it negative
    return along, across, angle


def _simulated(
    prior: Prior, noise: NoiseCorrelation, threshold: float, rng: np.random.Generator
) -> tuple[Array, Matrix]:
    """An image of rods in noise, and their parameters, (rods, 8)."""
    truth, side = _scattered(prior, noise, threshold, rng)
    image: Array = rods_image((side, side), truth, prior.shape.reach) + _noise((side, side), noise, rng)
    return image, truth


def _scattered(prior: Prior, noise: NoiseCorrelation, threshold: float, rng: np.random.Generator) -> tuple[Matrix, int]:
    """Rods on a jittered grid, (rods, 8), and the side of the image that holds them, px."""
    pitch = 2 * prior.shape.reach + 4
    places = (np.arange(_RODS_PER_SIDE) + 0.5) * pitch
    count = _RODS_PER_SIDE**2
    rods = np.tile(prior.centre(), (count, 1))
    rods[:, [X, Y]] = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2) + rng.uniform(-1, 1, (count, 2))
    rods[:, ANGLE] = rng.uniform(0, np.pi, count)
    rods[:, SIZE] += rng.standard_normal((count, 3)) * prior.precision()[SIZE] ** -0.5
    rods[:, AMPLITUDE] = 1
    size = _RODS_PER_SIDE * pitch
    windows = Windows(np.zeros((size, size), dtype=np.float32), rods, prior.shape.reach)
    energy = (windows.models(rods) ** 2).sum(axis=(1, 2)).astype(float)
    level = noise.at_rod_scale(prior.shape.reach)
    rods[:, AMPLITUDE] = threshold * rng.uniform(1.1, 2.5, count) * np.sqrt(level / energy)
    return rods, size


def _noise(shape: tuple[int, int], noise: NoiseCorrelation, rng: np.random.Generator) -> Array:
    white = rng.standard_normal(shape, dtype=np.float32)
    coloured: Array = fft.irfft2(fft.rfft2(white) * np.sqrt(noise.power(shape)), shape)
    return coloured


def _excess(pull: Matrix, snr: Matrix, usual: float, spread: float) -> float:
    """Likeliest excess, given true over stated errors that are normal with a variance of 1 + excess / snr^2."""
    variance = 1 + _EXCESSES[:, None] / snr**2
    squares = np.minimum(pull**2, _OUTLIER**2)
    unlikely = (np.log(variance) + squares / variance).sum(axis=1) + ((_EXCESSES - usual) / spread) ** 2
    return float(_EXCESSES[np.argmin(unlikely)])
