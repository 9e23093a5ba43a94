"""Tracks for the benchmark from simulators that share no code with the training: Cholesky and event by event."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fbm_covariance(alpha: float, steps: int) -> Floats:
    """Covariance of the one-frame displacements of FBM along one axis, variance 1."""
    lag = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps))).astype(float)
    return (np.abs(lag + 1) ** alpha - 2 * lag**alpha + np.abs(lag - 1) ** alpha) / 2


def fbm_steps(alpha: float, steps: int, rng: np.random.Generator) -> Floats:
    """``(steps, 2)`` displacements of FBM, one Cholesky factor a track."""
    return np.linalg.cholesky(fbm_covariance(alpha, steps)) @ rng.standard_normal((steps, 2))


def exposed_fbm_steps(alpha: float, steps: int, rng: np.random.Generator, moments: int = 8) -> Floats:
    """``(steps, 2)`` displacements of FBM whose positions are means over the whole frame, by fine steps."""
    fine = fbm_steps(alpha, (steps + 1) * moments, rng) * moments ** (-alpha / 2)
    return np.diff(fine.cumsum(0).reshape(steps + 1, moments, 2).mean(1), axis=0)


def ctrw_steps(alpha: float, steps: int, rng: np.random.Generator) -> Floats:
    """``(steps, 2)`` displacements of a CTRW that waits at least one frame (Pareto), from a renewal, jump by jump."""
    out = np.zeros((steps, 2))
    time = rng.pareto(alpha) + 1
    while time < steps:
        out[int(time)] += rng.standard_normal(2)
        time += rng.pareto(alpha) + 1
    return out


def moving_ctrw_steps(alpha: float, steps: int, rng: np.random.Generator) -> Floats:
    """The same, drawn again until there is a jump: a part without one has no size to be scaled to."""
    while not (out := ctrw_steps(alpha, steps, rng)).any():
        pass
    return out


def unit(steps: Floats) -> Floats:
    """Scale displacements to a mean squared one-frame displacement of 2 (1 per axis)."""
    return steps * np.sqrt(2 / (steps**2).sum(1).mean())


def published_ratio(fbm: Floats, ctrw: Floats, weight: float) -> float:
    """Mixing ratio of w x_ctrw / std(x_ctrw) + (1 - w) x_fbm / std(x_fbm), x positions over the whole track.

    That hybrid (Jamali and coworkers) is the sum of the two parts at this ratio of their steps.
    """
    one, other = ((steps**2).sum(1).mean() / steps.cumsum(0).std(0).mean() ** 2 for steps in (fbm, ctrw))
    return (1 - weight) ** 2 * one / ((1 - weight) ** 2 * one + weight**2 * other)


def observe(steps: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """``(frames, 2)`` positions with localization error *sigma*."""
    positions = np.vstack([np.zeros(2), steps.cumsum(0)])
    return positions + sigma * rng.standard_normal(positions.shape)


def table(tracks: list[Floats], sigma: float | None) -> pd.DataFrame:
    """Return the table that `estimate_diffusion` takes; *sigma* None = not told."""
    rows = [
        pd.DataFrame({"particle": number, "frame": np.arange(len(track)), "x": track[:, 0], "y": track[:, 1]})
        for number, track in enumerate(tracks)
    ]
    joined = pd.concat(rows, ignore_index=True)
    return joined if sigma is None else joined.assign(localization_error=sigma)
