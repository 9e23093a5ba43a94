"""What detection and linking do to the physics: mean squared displacements, jumps, sub-pixel positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.known_truth.tracking_scores import pair_up

Array = NDArray[np.float64]


@dataclass(frozen=True)
class JumpScores:
    """What became of jumps.

    Attributes
    ----------
    false, links : int
        Displacements in the tracks that are jumps where the rod made none, of how many displacements.
    kept, far : int
        True jumps across which a rod kept its name, of how many.
    """

    false: int
    links: int
    kept: int
    far: int


def mean_square_displacements(tracks: pd.DataFrame, lags: Sequence[int]) -> Array:
    """Mean over all rods and times of the squared displacement at each lag (frames), px^2 in both axes together."""
    later = tracks[["particle", "frame", "x", "y"]]
    means = []
    for lag in lags:
        pairs = later.assign(frame=later["frame"] - lag).merge(
            tracks, on=["particle", "frame"], suffixes=("_later", "")
        )
        squared = (pairs["x_later"] - pairs["x"]) ** 2 + (pairs["y_later"] - pairs["y"]) ** 2
        means.append(squared.mean())
    return np.array(means)


def msd_ratios(tracks: pd.DataFrame, truth: pd.DataFrame, lags: Sequence[int], squared_error: float) -> Array:
    """Ratio of the tracks' mean squared displacement to that of all true rods, the localization error taken out.

    Parameters
    ----------
    tracks, truth : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px).
    lags : sequence of int
        Frames.
    squared_error : float
        Mean squared localization error, px^2, both axes together: every displacement contains it twice.
    """
    measured = mean_square_displacements(tracks, lags) - 2 * squared_error
    ratio: Array = measured / mean_square_displacements(truth, lags)
    return ratio


def score_jumps(
    tracks: pd.DataFrame,
    truth: pd.DataFrame,
    within_px: float = 8.0,
    false_px: float = 15.0,
    far_px: float = 38.0,
    frames: int = 5,
) -> JumpScores:
    """Count jumps that are not in the truth and true ones that are not in the tracks.

    A displacement between consecutive rows of a track is a false jump if it exceeds *false_px* and is not that of one
    rod which itself moved at least half as far. A true displacement of more than *far_px* in one frame is kept if
    the rod has the same name when last seen up to *frames* before it and when first seen up to *frames* after it.

    Parameters
    ----------
    tracks, truth : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px).
    within_px : float
        As of `pair_up`.
    """
    found, true = pair_up(tracks, truth, within_px)
    rods = truth[["particle", "frame", "x", "y"]].iloc[true].reset_index(drop=True)
    named = rods.assign(name=tracks["particle"].to_numpy()[found])

    row = np.full(len(tracks), -1)
    row[found] = np.arange(len(found))
    theirs = rods.rename(columns={"particle": "rod", "x": "true_x", "y": "true_y"}).drop(columns="frame").reindex(row)
    matched = pd.concat([tracks.reset_index(drop=True), theirs.reset_index(drop=True)], axis=1)
    matched = matched.sort_values(["particle", "frame"])
    step = matched.groupby("particle")[["x", "y", "rod", "true_x", "true_y"]].diff().to_numpy(float).T
    length, moved = np.hypot(step[0], step[1]), np.hypot(step[3], step[4])
    false = int(((length > false_px) & ~((step[2] == 0) & (moved >= length / 2))).sum())

    kept, jumps = 0, _far_jumps(truth, far_px)
    for particle, frame in jumps:
        rod = named[named["particle"] == particle]
        before = rod[rod["frame"].between(frame - frames, frame - 1)].sort_values("frame")["name"]
        after = rod[rod["frame"].between(frame, frame + frames - 1)].sort_values("frame")["name"]
        kept += bool(len(before) and len(after) and before.iloc[-1] == after.iloc[0])
    return JumpScores(false, int(np.isfinite(length).sum()), kept, len(jumps))


def _far_jumps(truth: pd.DataFrame, far_px: float) -> list[tuple[int, int]]:
    """Rod and first frame after each true jump."""
    ordered = truth.sort_values(["particle", "frame"])
    step = ordered.groupby("particle")[["frame", "x", "y"]].diff()
    far = (step["frame"] == 1) & (np.hypot(step["x"], step["y"]) > far_px)
    return list(ordered.loc[far, ["particle", "frame"]].itertuples(index=False, name=None))


def pixel_locking(found_px: Array, true_px: Array) -> float:
    """Amplitude in px of an error that repeats from pixel to pixel, as positions drawn to pixel centres have.

    Least squares of the error on the sine and cosine of 2 pi times the true position; rounding to whole pixels
    has 1 / pi.

    Parameters
    ----------
    found_px, true_px : ndarray
        (n,) positions along one axis.
    """
    phase = 2 * np.pi * true_px
    waves = np.stack([np.ones_like(phase), np.sin(phase), np.cos(phase)], axis=1)
    fitted = np.linalg.lstsq(waves, found_px - true_px, rcond=None)[0]
    return float(np.hypot(fitted[1], fitted[2]))
