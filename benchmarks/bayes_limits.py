"""The least mean absolute error that anyone can reach on average: the posterior median of the exact likelihood.

The exponent is uniform on (0.1, 1), as in the tracks of the benchmark, or as in the training; its grid is fine against
every posterior here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from reference_tracks import fbm_covariance
from scipy.linalg import eigh
from scipy.special import logsumexp

Floats = NDArray[np.float64]
ALPHA = np.linspace(0.1, 1.0, 61)[:-1] + 0.0075
WIDE_ALPHA = np.linspace(0.05, 1.95, 77)[:-1] + 0.0125


def fbm_posterior(tracks: list[Floats], sigma: float | None) -> Floats:
    """Posterior of alpha, ``(ALPHA, tracks)``, the step unknown.

    The displacements are Gaussian with covariance step^2 C(alpha) + sigma^2 (2 on the diagonal, -1 beside it), which
    the generalised eigenvectors of the two matrices make diagonal for every step at once. A known localization error
    *sigma* is in px and the step log-uniform; None is one that is not known: in units
    of the step it is none in a quarter of the tracks, else log-uniform from 0.02 to 1.5 (as in the training).
    """
    if sigma:
        return _posterior(
            tracks, ALPHA, lambda *mode: _of_told_error(*mode, np.full((1, 1), sigma), np.ones(1), _ANY_STEP)
        )
    errors, weights = (np.zeros(1), np.ones(1)) if sigma == 0 else _UNKNOWN_ERRORS
    return _posterior(tracks, ALPHA, lambda *mode: _of_error_in_steps(*mode, errors, weights))


def fbm_posterior_as_trained(tracks: list[Floats], told: Floats) -> Floats:
    """Posterior of alpha, ``(WIDE_ALPHA, tracks)``, where all is drawn as in the training; the step is unknown,
    but the error within 0.02 and 1.5 of it.

    Parameters
    ----------
    tracks : list of array
        Of one length.
    told : array
        ``(tracks,)`` localization error, px, which may be wrong as in the training; or 0 for all, which is right.
    """
    persistent = WIDE_ALPHA > 1
    prior = np.where(persistent, 0.3 / persistent.sum(), 0.7 / (~persistent).sum())
    if not told.any():
        nothing = np.zeros(1), np.ones(1)
        return _posterior(tracks, WIDE_ALPHA, lambda *mode: _of_error_in_steps(*mode, *nothing), prior)
    factors, weights = _TOLD_WRONGLY
    sigma = told / factors[:, None]
    return _posterior(tracks, WIDE_ALPHA, lambda *mode: _of_told_error(*mode, sigma, weights, _TRAINED_STEP), prior)


def _posterior(
    tracks: list[Floats],
    alphas: Floats,
    log_likelihood: Callable[[Floats, Floats], Floats],
    prior: Floats | float = 1.0,
) -> Floats:
    """From the likelihood of the squared amplitudes ``(modes, tracks)``, and the share of the motion in each mode."""
    steps = len(tracks[0]) - 1
    noise = 2 * np.eye(steps) - np.eye(steps, k=1) - np.eye(steps, k=-1)
    both_axes = np.concatenate([np.diff(track, axis=0) for track in tracks], axis=1)
    by_alpha = []
    for alpha in alphas:
        share, vectors = eigh(fbm_covariance(alpha, steps), noise)
        by_alpha.append(log_likelihood(share, ((vectors.T @ both_axes).reshape(steps, -1, 2) ** 2).sum(2)))
    total = np.stack(by_alpha)
    mass = np.exp(total - total.max(0)) * np.broadcast_to(prior, len(alphas))[:, None]
    posterior: Floats = mass / mass.sum(0)
    return posterior


def _of_told_error(share: Floats, squared: Floats, sigma: Floats, weights: Floats, steps: Floats) -> Floats:
    """*sigma* (choices, tracks or 1) in px and how likely each choice is; the *steps* in units of it all as likely."""
    spread = 1 + steps[:, None] ** 2 * share
    by_step = -np.log(spread).sum(1)[:, None] - 0.5 * (1 / spread) @ squared / sigma[:, None] ** 2
    by_error = by_step - 2 * share.size * np.log(sigma)[:, None]
    found: Floats = logsumexp(by_error, axis=(0, 1), b=weights[:, None, None])
    return found


def _of_error_in_steps(share: Floats, squared: Floats, errors: Floats, weights: Floats) -> Floats:
    """The same with *errors* in units of the step."""
    spread = share + errors[:, None] ** 2
    by_error = -np.log(spread).sum(1)[:, None] - share.size * np.log((1 / spread) @ squared)
    found: Floats = logsumexp(by_error, axis=0, b=weights[:, None])
    return found


def _told_wrongly() -> tuple[Floats, Floats]:
    """Factors by which a told error is too large in the training, and how likely each is."""
    deviation = np.geomspace(0.05, 0.3, 3)[:, None]
    normal = np.linspace(-2.4, 2.4, 9)
    density = np.broadcast_to(np.exp(-(normal**2) / 2), (3, 9))
    weights = 0.5 * (density / density.sum()).ravel()
    return np.append(1, np.exp(deviation * normal).ravel()), np.append(0.5, weights)


_TOLD_WRONGLY = _told_wrongly()
_ANY_STEP, _TRAINED_STEP = np.geomspace(0.03, 1000, 181), np.geomspace(1 / 1.5, 1 / 0.02, 81)
_UNKNOWN_ERRORS = np.append(0, np.geomspace(0.02, 1.5, 30)), np.append(0.25, np.full(30, 0.75 / 30))


def ctrw_medians(tracks: list[Floats], cells: int = 24) -> Floats:
    """Posterior medians of alpha from the frames in which jumps were seen, without error, given that there is one.

    Waits are Pareto from one frame; the time of the last jump within its frame is carried along on a grid.
    """
    log_likelihood = np.stack([_ctrw_log_likelihood(track, cells) for track in tracks], axis=1)
    some_jump = 1 - (len(tracks[0]) - 1.0) ** -ALPHA
    log_likelihood = log_likelihood - np.log(some_jump)[:, None]
    return quantiles(np.exp(log_likelihood - log_likelihood.max(0)), 0.5)


def _ctrw_log_likelihood(track: Floats, cells: int) -> Floats:
    steps = len(track) - 1
    alpha = ALPHA[:, None]
    phase = (np.arange(cells) + 0.5) / cells
    time = np.zeros(1)  # of the last jump; at first the start of the track
    weight = np.ones((len(ALPHA), 1))
    total = np.zeros(len(ALPHA))
    for frame in np.flatnonzero(np.diff(track, axis=0).any(1)):
        new = frame + phase
        wait = new[None, :] - time[:, None]
        density = np.where(wait >= 1, alpha[..., None] * np.maximum(wait, 1) ** (-alpha[..., None] - 1), 0)
        weight = np.einsum("au,auv->av", weight, density) / cells
        size = weight.sum(1, keepdims=True)
        total += np.log(size[:, 0])
        weight, time = weight / size, new
    return total + np.log((weight * np.maximum(steps - time, 1) ** -alpha).sum(1))


def quantiles(mass: Floats, level: float, alphas: Floats = ALPHA) -> Floats:
    """Quantiles of the columns of a posterior over *alphas*, constant within a cell of the grid."""
    upper = (mass / mass.sum(0)).cumsum(0)
    cell = alphas[1] - alphas[0]
    edges = np.append(alphas - cell / 2, alphas[-1] + cell / 2)
    return np.array([np.interp(level, np.append(0, column), edges) for column in upper.T])
