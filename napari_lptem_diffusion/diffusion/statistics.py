"""Classical statistics of tracks: mean squared displacement, its power law, and diffusivities free of noise bias.

A track is ``(frames, values)`` on an even grid of frames, NaN where it was not seen: a gap is never taken for one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def lags_for(frames: int, longest: int = 100) -> NDArray[np.int64]:
    """Return up to 24 lags in frames, evenly spread in their logarithm, from one to a quarter of the track."""
    last = max(1, min(longest, frames // 4))
    return np.unique(np.round(np.geomspace(1, last, 24)).astype(np.int64))


def mean_squared_displacement(track: Floats, lags: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the time-averaged MSD and the number of pairs at each lag.

    Parameters
    ----------
    track : array
        ``(frames, dimensions)``, NaN where not seen.
    lags : array
        Frames, >= 1.

    Returns
    -------
    msd : array
        ``(lags,)`` in the square of the track's unit, summed over dimensions; NaN where there is no pair.
    pairs : array
        ``(lags,)``.
    """
    msd = np.full(len(lags), np.nan)
    pairs = np.zeros(len(lags), dtype=np.int64)
    for number, lag in enumerate(lags):
        moved = track[lag:] - track[:-lag]
        squared = np.einsum("td,td->t", moved, moved)
        squared = squared[~np.isnan(squared)]
        pairs[number] = len(squared)
        if len(squared):
            msd[number] = squared.mean()
    return msd, pairs


def power_law(lags: NDArray[np.int64], msd: Floats) -> tuple[float, float]:
    """Fit ``msd = 4 K lag^alpha`` by least squares of the logarithms and return alpha and K.

    The usual estimate, biased by localization error (downwards) and motion blur (upwards); NaN below two points.
    """
    usable = np.isfinite(msd) & (msd > 0)
    if usable.sum() < 2:
        return float("nan"), float("nan")
    alpha, intercept = np.polyfit(np.log(lags[usable]), np.log(msd[usable]), 1)
    return float(alpha), float(np.exp(intercept) / 4)


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    error: float


def covariance_diffusivity(values: Floats) -> Estimate:
    """Diffusivity of Brownian motion in one dimension, free of bias by localization error and motion blur.

    D = <d_n^2>/2 + <d_n d_(n+1)> per frame (Vestergaard, Blainey and Flyvbjerg, PRE 89, 022726, 2014); the error by a
    jackknife over ten blocks.

    Parameters
    ----------
    values : array
        ``(frames,)`` one coordinate or an unwrapped angle; NaN where not seen.

    Returns
    -------
    Estimate
        In the square of the unit per frame; NaN with fewer than ten pairs of displacements.
    """
    step = np.diff(values)
    terms = (step[:-1] ** 2 + step[1:] ** 2) / 4 + step[:-1] * step[1:]
    terms = terms[~np.isnan(terms)]
    if len(terms) < 10:
        return Estimate(float("nan"), float("nan"))
    blocks = np.array_split(terms, 10)
    left_out = np.array([(terms.sum() - block.sum()) / (len(terms) - len(block)) for block in blocks])
    error = np.sqrt(0.9 * ((left_out - left_out.mean()) ** 2).sum())
    return Estimate(float(terms.mean()), float(error))


def axis_diffusivity(angle_deg: Floats) -> Estimate:
    """Rotational diffusivity of an axis in rad^2 per frame, by `covariance_diffusivity` of its unwrapped angle.

    NaN where the rms turn from frame to frame, that of the angle's own error included, is beyond 35 degrees: an axis
    is the same after half a turn, so that larger turns are seen as smaller ones.

    Parameters
    ----------
    angle_deg : array
        ``(frames,)`` in [0, 180), NaN where not seen.
    """
    angle = unwrap_axis(angle_deg)
    turns = np.diff(angle)
    turns = turns[~np.isnan(turns)]
    if len(turns) and np.sqrt((turns**2).mean()) > np.deg2rad(35):
        return Estimate(float("nan"), float("nan"))
    return covariance_diffusivity(angle)


def unwrap_axis(angle_deg: Floats) -> Floats:
    """Unwrap the angle of an axis, known modulo 180 degrees, across frames and gaps.

    Parameters
    ----------
    angle_deg : array
        ``(frames,)`` in [0, 180), NaN where not seen.

    Returns
    -------
    array
        ``(frames,)`` in radians, each within a quarter turn of the last one seen.
    """
    out = np.full(len(angle_deg), np.nan)
    seen = ~np.isnan(angle_deg)
    out[seen] = np.unwrap(np.deg2rad(angle_deg[seen]), period=np.pi)
    return out
