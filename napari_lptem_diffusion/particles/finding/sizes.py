"""The size of the rods, learnt from the movie."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.pose_fit import SETTLED
from napari_lptem_diffusion.particles.finding.priors import SIZE, Prior
from napari_lptem_diffusion.particles.finding.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_POPULATION_ROUNDS = 10
_ROBUST_ROUNDS = 3
_SETTLED = 0.01
"""Change of the mean logarithms and of the spreads, from one round to the next, that ends the rounds."""
_USUAL = 9.0
"""Squared distance from the mean, in spreads, beyond which a rod counts less."""
_SPREADS = (np.array([0.05, 0.05, 0.5]), np.array([0.4, 0.3, 0.8]))
"""Least and largest spread of the logarithms of length, width and blur that a population may have."""


def learn_population(
    images: Sequence[Array],
    rods: Sequence[Matrix],
    prior: Prior,
    noise: NoiseCorrelation,
    pause: Callable[[], None],
) -> Prior:
    """Learn the typical size of the rods and how much it varies, from many rods seen badly.

    In one noisy frame the size of a rod is hardly known, and rods differ. The logarithms of length, width and blur
    are taken as normal over the population; its means and spreads and the sizes of the rods are found together
    (expectation maximisation, each rod's posterior taken as normal). Rods unlike most others, such as two that touch,
    hardly count.

    Parameters
    ----------
    images : sequence of ndarray
        Normalised, (y, x).
    rods : sequence of ndarray
        (rods, 8) parameters per image, from `pose_fit.fit_rods`; at least one rod in each.
    prior : Prior
        Where to start.
    noise : NoiseCorrelation
    pause : callable
        Called often; may raise to stop.

    Returns
    -------
    Prior
        px of the images.
    """
    level = noise.at_rod_scale(prior.shape.reach)
    views = [Windows(image, start, prior.shape.reach) for image, start in zip(images, rods, strict=True)]
    data = [view.data - view.others(start) for view, start in zip(views, rods, strict=True)]
    parameters = list(rods)
    for turn in range(_POPULATION_ROUNDS):
        pause()
        means, variances = [], []
        for k, (view, pixels) in enumerate(zip(views, data, strict=True)):
            parameters[k], _ = view.minimised(pixels, parameters[k], prior.of_rods(len(pixels)), level, 4, SETTLED)
            curvature = _curvature(view.linearise(pixels, parameters[k])[1], level)
            posterior = np.linalg.inv(curvature + np.diag(prior.precision()) + 1e-9 * np.eye(8))
            means.append(parameters[k][:, SIZE])
            variances.append(np.einsum("nii->ni", posterior)[:, SIZE])
        log_size, variance = np.concatenate(means), np.concatenate(variances)
        before, prior = prior, _typical(log_size, variance, None if turn < _ROBUST_ROUNDS else prior)
        if turn > _ROBUST_ROUNDS and _change(before, prior) < _SETTLED:
            break
    return prior


def _change(before: Prior, after: Prior) -> float:
    """Largest change of a mean logarithm or of a spread."""
    means = after.centre()[SIZE] - before.centre()[SIZE]
    spreads = after.precision()[SIZE] ** -0.5 - before.precision()[SIZE] ** -0.5
    return float(np.abs([means, spreads]).max())


def _typical(log_size: Matrix, variance: Matrix, before: Prior | None) -> Prior:
    """Mean and spread of most of the rods; without a prior from *before* the median and the median deviation."""
    if before is None:
        centre = np.median(log_size, axis=0)
        spread = np.hypot(1.4826 * np.median(np.abs(log_size - centre), axis=0), np.sqrt(np.median(variance, axis=0)))
    else:
        distance = (before.precision()[SIZE] * ((log_size - before.centre()[SIZE]) ** 2 + variance)).sum(axis=1)
        weight = np.minimum(1, _USUAL / np.maximum(distance, _USUAL)) ** 2
        centre = np.average(log_size, axis=0, weights=weight)
        spread = np.sqrt(np.average((log_size - centre) ** 2 + variance, axis=0, weights=weight))
    length, width, blur = (float(v) for v in np.exp(centre))
    return Prior(RodShape(length, width, blur), *(float(v) for v in np.clip(spread, *_SPREADS)))


def _curvature(jacobian: Array, level: float) -> Matrix:
    """Of the log-likelihood, (groups, n, n), for noise of variance *level*."""
    flat = jacobian.reshape(*jacobian.shape[:2], -1)
    curvature: Matrix = (flat @ flat.transpose(0, 2, 1)).astype(float) / level
    return curvature
