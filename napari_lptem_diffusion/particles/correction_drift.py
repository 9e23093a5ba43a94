"""Drift of the stage, measured on particles that are stuck to the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.optimize import brentq, minimize_scalar

Matrix = NDArray[np.float64]
DRIFT_COLUMNS = ("drift_x", "drift_y", "drift_error")
_LOG_RATIOS = (np.log(1e-6), np.log(1e4))
_TRUST = 0.5
"""Standard deviation of the logarithm of by how much stated localization errors are believed to be off."""
_LEAST_ERROR_PX = 0.01
_SHIFT = 0.2


@dataclass(frozen=True)
class StageDrift:
    """How the field of view moved, and what the stuck particles say of the localization error.

    Attributes
    ----------
    table : DataFrame
        ``frame`` (every frame of the span), ``drift_x``, ``drift_y`` (px, 0 in the first frame) and ``drift_error``
        (px, one standard deviation per axis).
    error_ratio : float
        Scatter of the stuck particles around the drift, over their stated localization error; 1 if that is right.
    error_ratio_error : float
        One standard deviation of it.
    """

    table: pd.DataFrame
    error_ratio: float
    error_ratio_error: float


def measure_drift(stuck: pd.DataFrame, first_frame: int, last_frame: int) -> StageDrift:
    """Measure the drift of the stage on particles that do not move.

    The drift is a random walk whose step is unknown, each stuck particle shows it plus a constant and its localization
    error. Step and a common factor of the localization errors are the most probable ones; the drift is then the mean of
    its posterior, with its standard deviation (the local level model; Durbin and Koopman, Time Series Analysis by State
    Space Methods, 2nd ed., 2012, chapter 2, solved as one banded system). So little noise is added where
    the stage hardly drifts, and frames without a stuck particle get a drift too, with a larger error.

    Parameters
    ----------
    stuck : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px), ``localization_error`` (px).
    first_frame, last_frame : int
        The span for which drift is wanted; holds the frames of *stuck*.
    """
    rows = _Sightings.of(stuck, first_frame)
    frames = last_frame - first_frame + 1
    best = minimize_scalar(lambda log_ratio: _solve(rows, frames, log_ratio).cost, bounds=_LOG_RATIOS, method="bounded")
    less, solution, more = (_solve(rows, frames, float(best.x) + shift) for shift in (-_SHIFT, 0, _SHIFT))
    table = pd.DataFrame({"frame": np.arange(first_frame, last_frame + 1)})
    table[["drift_x", "drift_y"]] = solution.drift - solution.drift[0]
    table["drift_error"] = rows.unit_error * solution.noise * np.sqrt(solution.unit_variance())
    return StageDrift(table, solution.noise, solution.noise * _log_noise_error(less, solution, more))


def with_drift(tracks: pd.DataFrame, drift: pd.DataFrame) -> pd.DataFrame:
    """Return *tracks* with the columns of `DRIFT_COLUMNS` beside the positions, which stay as they are."""
    columns = drift.set_index("frame").loc[tracks["frame"], list(DRIFT_COLUMNS)]
    return tracks.assign(**{name: columns[name].to_numpy() for name in DRIFT_COLUMNS})


def without_drift(tracks: pd.DataFrame, localization_error_px: float | None = None) -> pd.DataFrame:
    """Return *tracks* as they move in the liquid: drift subtracted, its error added to the localization error.

    Parameters
    ----------
    tracks : DataFrame
        As `with_drift` returns it; without drift columns it is returned as it is.
    localization_error_px : float, optional
        Stands in for the table's own before the drift's is added.
    """
    if "drift_x" not in tracks:
        return tracks
    error = tracks["localization_error"] if localization_error_px is None else localization_error_px
    return tracks.assign(
        x=tracks["x"] - tracks["drift_x"],
        y=tracks["y"] - tracks["drift_y"],
        localization_error=np.hypot(error, tracks["drift_error"]),
    ).drop(columns=list(DRIFT_COLUMNS))


@dataclass(frozen=True)
class _Sightings:
    """Rows of the stuck particles; weights are inverse variances in units of ``unit_error`` (px), their mean is 1."""

    particle: NDArray[np.intp]
    frame: NDArray[np.int64]
    xy: Matrix
    weight: Matrix
    unit_error: float

    @classmethod
    def of(cls, stuck: pd.DataFrame, first_frame: int) -> _Sightings:
        names, particle = np.unique(stuck["particle"].to_numpy(), return_inverse=True)
        xy = stuck[["x", "y"]].to_numpy(float)
        centre = np.array([xy[particle == k].mean(axis=0) for k in range(len(names))])
        weight = np.maximum(stuck["localization_error"].to_numpy(float), _LEAST_ERROR_PX) ** -2.0
        unit_error = float(weight.mean() ** -0.5)
        frame = stuck["frame"].to_numpy() - first_frame
        return cls(particle, frame, xy - centre[particle], weight * unit_error**2, unit_error)

    @property
    def degrees(self) -> int:
        """Degrees of freedom per axis: each particle rests at a place of its own."""
        return len(self.frame) - int(self.particle.max()) - 1

    def weight_of_frames(self, frames: int) -> Matrix:
        return np.bincount(self.frame, self.weight, frames).astype(np.float64)


@dataclass(frozen=True)
class _Solution:
    """The drift for one ratio of its step to the noise, with -2 log probability of that ratio.

    ``drift`` is (frames, 2) px, ``squares`` the weighted squares left over, ``noise`` the most probable factor of the
    localization errors; the rest is the banded system that gave them.
    """

    drift: Matrix
    squares: float
    degrees: int
    noise: float
    determinants: float
    diagonal: Matrix
    coupling: float

    @property
    def cost(self) -> float:
        """-2 log probability, with the noise factor at its best."""
        return self.cost_at(2 * float(np.log(self.noise)))

    def cost_at(self, log_variance: float) -> float:
        """-2 log probability for another logarithm of the squared noise factor."""
        trust = (log_variance / (2 * _TRUST)) ** 2
        squares = float(self.squares * np.exp(-log_variance))
        return 2 * self.degrees * log_variance + self.determinants + squares + trust

    def slope(self, log_variance: float) -> float:
        """Derivative of the cost by the logarithm of the squared noise factor."""
        return _slope(log_variance, self.squares, self.degrees)

    def unit_variance(self) -> Matrix:
        """Diagonal of the inverse of the system: variance of the drift in each frame for unit noise."""
        return 1 / (self._pivots(self.diagonal) + self._pivots(self.diagonal[::-1])[::-1] - self.diagonal)

    def _pivots(self, diagonal: Matrix) -> Matrix:
        pivots, square = diagonal.copy(), self.coupling**2
        for k in range(1, len(pivots)):
            pivots[k] -= square / pivots[k - 1]
        return pivots


def _solve(rows: _Sightings, frames: int, log_ratio: float) -> _Solution:
    """Best drift and resting places if a step of the drift has exp(*log_ratio*) times the variance of the noise."""
    coupling = float(np.exp(-log_ratio))
    degree = np.full(frames, 2.0)
    degree[[0, -1]] -= 1
    diagonal = rows.weight_of_frames(frames) + coupling * degree
    factor = cholesky_banded(np.stack([np.append(0, np.full(frames - 1, -coupling)), diagonal]))

    count = int(rows.particle.max()) + 1
    seen = np.zeros((frames, count))
    np.add.at(seen, (rows.frame, rows.particle), rows.weight)
    pulled = np.stack([np.bincount(rows.frame, rows.weight * axis, frames) for axis in rows.xy.T], axis=1)
    resting = np.stack([np.bincount(rows.particle, rows.weight * axis, count) for axis in rows.xy.T], axis=1)
    # The first particle rests at 0: only differences of resting places are in the data.
    free = seen[:, 1:]
    answer = cho_solve_banded((factor, False), np.concatenate([pulled, free], axis=1))
    drift, follows = answer[:, :2], answer[:, 2:]
    reduced = np.diag(seen.sum(axis=0)[1:]) - free.T @ follows
    places = np.linalg.solve(reduced, resting[1:] - free.T @ drift)
    drift = drift - follows @ places

    left = (rows.weight[:, None] * rows.xy**2).sum() - (pulled * drift).sum() - (resting[1:] * places).sum()
    squares = max(float(left), 0.0) / rows.unit_error**2
    determinants = 2 * float(np.log(factor[1]).sum()) + float(np.linalg.slogdet(reduced)[1])
    determinants = 2 * (determinants + (frames - 1) * log_ratio)
    noise = float(np.exp(brentq(_slope, -40, 40, args=(squares, rows.degrees)) / 2))
    return _Solution(drift, squares, rows.degrees, noise, determinants, diagonal, coupling)


def _slope(log_variance: float, squares: float, degrees: int) -> float:
    return float(2 * degrees - squares * np.exp(-log_variance) + log_variance / (2 * _TRUST**2))


def _log_noise_error(less: _Solution, best: _Solution, more: _Solution) -> float:
    """Standard deviation of the logarithm of the noise factor, from the curvature of the cost around its minimum."""
    here = 2 * float(np.log(best.noise))
    by_noise = best.squares * np.exp(-here) + 1 / (2 * _TRUST**2)
    by_ratio = (less.cost_at(here) + more.cost_at(here) - 2 * best.cost) / _SHIFT**2
    mixed = (more.slope(here) - less.slope(here)) / (2 * _SHIFT)
    if by_ratio * by_noise > mixed**2:
        by_noise -= mixed**2 / by_ratio
    return float(np.sqrt(0.5 / by_noise))
