"""Change points of rods: where they are, how likely they are, and between which levels; pure functions, no Qt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.estimate import CHANGE_REACH, expected_changes
from napari_lptem_diffusion.diffusion.known import is_known

ARROW = " → "
_MOST_LEVELS = 3
_ENDS = [f"mixing_ratio{end}" for end in ("", "_low", "_high")]


def change_frames(change_points: object) -> list[int]:
    """Return the frames of a ``change_points`` cell, such as "30;41"."""
    return [int(frame) for frame in change_points.split(";") if frame] if isinstance(change_points, str) else []


def change_probability(motion: pd.DataFrame, frame: int) -> float:
    """Return how likely it is that the motion changes within `CHANGE_REACH` frames of a change point.

    That is what called it one (`find_change_points`), hence more than one half.

    Parameters
    ----------
    motion : DataFrame
        The rows of ``motion.frames`` of one rod, sorted by frame.
    frame : int
        One of its change points.
    """
    seen = motion["frame"].to_numpy()
    displacements = np.arange(seen[0], max(seen[-1], seen[0] + 1))  # the last frame repeats the last displacement
    expected = expected_changes(np.interp(displacements, seen, motion["change_probability"]))
    around = expected[np.abs(displacements - frame) <= CHANGE_REACH]
    return float(np.clip(around.max(initial=0.5), 0.5, 1.0))


def levels(frames: pd.DataFrame, particles: pd.DataFrame) -> pd.Series:
    """Return the mixing ratios between which each rod changes, such as "0.99 → 0.01".

    Parameters
    ----------
    frames, particles : DataFrame
        ``motion.frames`` and ``motion.particles``.

    Returns
    -------
    Series
        One text per row of *particles*: medians over the frames before and after each change, "?" where their
        interval says nothing (`is_known`). "" without a change; with more than two changes their number.
    """
    changes = [change_frames(text) for text in particles["change_points"]]
    texts = pd.Series([f"{len(own)}" if own else "" for own in changes], index=particles["particle"], dtype=object)
    few = {
        int(particle): own for particle, own in zip(texts.index, changes, strict=True) if 0 < len(own) < _MOST_LEVELS
    }
    if few:
        rows = frames[frames["particle"].isin(list(few))]
        medians = rows.groupby(["particle", _stretch(rows, few)])[_ENDS].median()
        known = is_known("mixing_ratio", medians[_ENDS[1]], medians[_ENDS[2]])
        said = np.where(known, [f"{value:.2f}" for value in medians["mixing_ratio"]], "?")
        texts.update(pd.Series(said, index=medians.index, dtype=object).groupby("particle").agg(ARROW.join))
    return texts.set_axis(particles.index).astype("str")


def _stretch(rows: pd.DataFrame, changes: dict[int, list[int]]) -> NDArray[np.int64]:
    """Number the stretches between changes: rows of one stretch have one number, later ones a higher one."""
    apart = int(rows["frame"].max()) + 1
    starts = np.sort([particle * apart + frame for particle, own in changes.items() for frame in own])
    place = rows["particle"].to_numpy() * apart + rows["frame"].to_numpy()
    return np.asarray(np.searchsorted(starts, place, side="right"), dtype=np.int64)
