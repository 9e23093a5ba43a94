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
_LOG_RATIOS = {1: np.log(np.geomspace(1e-6, 1e4, 11)), 2: np.log(np.geomspace(1e-10, 1e2, 13))}
"""By order: variance of a step of the random walk over that of the noise, as far as it is looked for."""
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

    A stuck particle shows the drift plus a constant and its localization error. The drift is steady but for a random
    walk, either of the stage itself (it shakes) or of its velocity (it creeps): which of the two, the size of the
    steps, and a common factor of the localization errors are the most probable ones; the drift is then the mean of its
    posterior, with its standard deviation (state space models by maximum likelihood: Durbin and Koopman, Time Series
    Analysis by State Space Methods, 2nd ed., 2012, sections 3.2 and 7.2; here solved as one banded system). So little
    noise is added where the stage hardly drifts, and frames without a stuck particle get a drift too, with a larger
    error.

    Parameters
    ----------
    stuck : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` and, where known, ``localization_error`` (px).
    first_frame, last_frame : int
        The span for which drift is wanted; holds the frames of *stuck*.
    """
    rows = _Sightings.of(stuck, first_frame)
    frames = last_frame - first_frame + 1
    log_ratio, order = min((_most_probable(rows, frames, order) for order in _LOG_RATIOS), key=lambda best: best[0])[1:]
    less, solution, more = (_solve(rows, frames, order, log_ratio + shift) for shift in (-_SHIFT, 0, _SHIFT))
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
    error = stated_error_px(tracks) if localization_error_px is None else localization_error_px
    return tracks.assign(
        x=tracks["x"] - tracks["drift_x"],
        y=tracks["y"] - tracks["drift_y"],
        localization_error=np.hypot(error, tracks["drift_error"]),
    ).drop(columns=list(DRIFT_COLUMNS))


def stated_error_px(rods: pd.DataFrame) -> pd.Series:
    """Return the column ``localization_error``; NaN where a table of another tool has none."""
    if "localization_error" in rods:
        return rods["localization_error"].astype(float)
    return pd.Series(np.nan, index=rods.index)


def known_error_px(stuck: pd.DataFrame) -> pd.Series:
    """Return the localization errors of stuck particles; a typical one where it is not stated.

    Where none is stated: what the displacements from row to row would come from if there were no drift.
    """
    stated = stated_error_px(stuck)
    if stated.notna().any():
        return stated.fillna(stated.median())
    steps = stuck.groupby("particle")[["x", "y"]].diff()
    return stated.fillna(float(np.sqrt((steps**2).mean().mean() / 2)))


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
        weight = np.maximum(known_error_px(stuck).to_numpy(), _LEAST_ERROR_PX) ** -2.0
        unit_error = float(weight.mean() ** -0.5)
        frame = stuck["frame"].to_numpy() - first_frame
        return cls(particle, frame, xy - centre[particle], weight * unit_error**2, unit_error)

    @property
    def degrees(self) -> int:
        """Degrees of freedom per axis: each particle rests at a place of its own, the stage has a mean velocity."""
        return len(self.frame) - int(self.particle.max()) - 2

    def summed(self, values: Matrix, frames: int) -> Matrix:
        """Weighted sums of *values* (rows, any) over the rows of each frame, (frames, any)."""
        total = np.zeros((frames, values.shape[1]))
        np.add.at(total, self.frame, self.weight[:, None] * values)
        return total


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
    factor: Matrix

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
        """Variance of the drift in each frame for unit noise: diagonal of the inverse of the banded system.

        Takahashi's recursion on its Cholesky factor, which gives the inverse within the band only.
        """
        frames, pad = self.factor.shape[1], np.zeros(4)
        near = np.concatenate([_band(self.factor, 1) / self.factor[-1], pad]).tolist()
        far = np.concatenate([_band(self.factor, 2) / self.factor[-1], pad]).tolist()
        own = (self.factor[-1] ** -2.0).tolist()
        variance, beside = [0.0] * (frames + 2), [0.0] * (frames + 2)
        for k in range(frames - 1, -1, -1):
            beside[k] = -near[k] * variance[k + 1] - far[k] * beside[k + 1]
            two_on = -near[k] * beside[k + 1] - far[k] * variance[k + 2]
            variance[k] = own[k] - near[k] * beside[k] - far[k] * two_on
        return np.array(variance[:frames])


def _most_probable(rows: _Sightings, frames: int, order: int) -> tuple[float, float, int]:
    """Return the least cost for this *order*, and where it is."""

    def cost(log_ratio: float) -> float:
        return _solve(rows, frames, order, log_ratio).cost

    grid = _LOG_RATIOS[order]
    best = int(np.argmin([cost(log_ratio) for log_ratio in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-3})
    return float(found.fun), float(found.x), order


def _solve(rows: _Sightings, frames: int, order: int, log_ratio: float) -> _Solution:
    """Best drift, resting places and velocity if a step has exp(*log_ratio*) times the variance of the noise."""
    bands = np.exp(-log_ratio) * _roughness(frames, order)
    bands[-1] += rows.summed(np.ones((len(rows.frame), 1)), frames)[:, 0]
    factor = cholesky_banded(bands)

    # The first particle rests at 0: only differences of resting places are in the data.
    fixed = (rows.particle[:, None] == np.arange(1, rows.particle.max() + 1)).astype(float)
    time = np.arange(frames) - (frames - 1) / 2
    if order == 1:  # the other one has a mean velocity anyway
        fixed = np.column_stack([fixed, time[rows.frame]])
    pulled, free = rows.summed(rows.xy, frames), rows.summed(fixed, frames)
    answer = cho_solve_banded((factor, False), np.concatenate([pulled, free], axis=1))
    drift, follows = answer[:, :2], answer[:, 2:]
    weighted = rows.weight[:, None] * fixed
    reduced = weighted.T @ fixed - free.T @ follows
    aim = weighted.T @ rows.xy
    effects = np.linalg.solve(reduced, aim - free.T @ drift)
    drift = drift - follows @ effects
    left = (rows.weight[:, None] * rows.xy**2).sum() - (pulled * drift).sum() - (aim * effects).sum()
    if order == 1:
        drift = drift + time[:, None] * effects[-1]

    squares = max(float(left), 0.0) / rows.unit_error**2
    determinants = 2 * float(np.log(factor[-1]).sum()) + float(np.linalg.slogdet(reduced)[1])
    determinants = 2 * (determinants + (frames - order) * log_ratio)
    noise = float(np.exp(brentq(_slope, -40, 40, args=(squares, rows.degrees)) / 2))
    return _Solution(drift, squares, rows.degrees, noise, determinants, factor)


def _roughness(frames: int, order: int) -> Matrix:
    """Matrix of the sum of squared differences of this *order*, in upper banded form, (order + 1, frames)."""
    stencil = np.diff(np.eye(order + 1), order, axis=0)[0]
    bands = np.zeros((order + 1, frames))
    for apart in range(order + 1):
        for k in range(order + 1 - apart):
            at = slice(k + apart, frames - order + k + apart)
            bands[order - apart, at] += stencil[k] * stencil[k + apart]
    return bands


def _band(factor: Matrix, apart: int) -> Matrix:
    """Return the elements of an upper banded matrix so far right of its diagonal, row by row; 0 beyond the band."""
    row = len(factor) - 1 - apart
    return np.append(factor[row, apart:], np.zeros(apart)) if row >= 0 else np.zeros(factor.shape[1])


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
