"""The least mean absolute error that anyone can reach on average: the posterior median of the exact likelihood.

The exponent is uniform on (0.1, 1), as in the tracks of the benchmark; its grid is fine against every posterior here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from reference_tracks import fbm_covariance
from scipy.linalg import eigh
from scipy.special import logsumexp

Floats = NDArray[np.float64]
ALPHA = np.linspace(0.1, 1.0, 61)[:-1] + 0.0075


def fbm_posterior(tracks: list[Floats], sigma: float | None) -> Floats:
    """Posterior of alpha, ``(ALPHA, tracks)``, the step unknown.

    The displacements are Gaussian with covariance step^2 C(alpha) + sigma^2 (2 on the diagonal, -1 beside it), which
    the generalised eigenvectors of the two matrices make diagonal for every step at once. A known localization error
    *sigma* is in px and the step log-uniform over three decades either way; None is one that is not known: in units
    of the step it is none in a quarter of the tracks, else log-uniform from 0.02 to 1.5 (as in the training).
    """
    steps = len(tracks[0]) - 1
    noise = 2 * np.eye(steps) - np.eye(steps, k=1) - np.eye(steps, k=-1)
    both_axes = np.concatenate([np.diff(track, axis=0) for track in tracks], axis=1)
    log_likelihood = np.empty((len(ALPHA), len(tracks)))
    for row, alpha in enumerate(ALPHA):
        share, vectors = eigh(fbm_covariance(alpha, steps), noise)
        squared = ((vectors.T @ both_axes).reshape(steps, -1, 2) ** 2).sum(2)
        if sigma:
            spread = 10 ** np.linspace(-3, 3, 121)[:, None] * share + sigma**2
            log_likelihood[row] = logsumexp(-np.log(spread).sum(1)[:, None] - (0.5 / spread) @ squared, axis=0)
        else:
            errors, weights = (np.zeros(1), np.ones(1)) if sigma == 0 else _UNKNOWN_ERRORS
            spread = share + errors[:, None] ** 2
            by_error = -np.log(spread).sum(1)[:, None] - steps * np.log((1 / spread) @ squared)
            log_likelihood[row] = logsumexp(by_error, axis=0, b=weights[:, None])
    mass = np.exp(log_likelihood - log_likelihood.max(0))
    posterior: Floats = mass / mass.sum(0)
    return posterior


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


def quantiles(mass: Floats, level: float) -> Floats:
    """Quantiles of the columns of a posterior over ALPHA, constant within a cell of the grid."""
    upper = (mass / mass.sum(0)).cumsum(0)
    cell = ALPHA[1] - ALPHA[0]
    edges = np.append(ALPHA - cell / 2, ALPHA[-1] + cell / 2)
    return np.array([np.interp(level, np.append(0, column), edges) for column in upper.T])
