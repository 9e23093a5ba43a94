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
        One text per row of *particles*: `medians_between` its changes, "?" where they are not known. "" without a
        change; with more than two changes, or where no median is known, their number.
    """
    count = particles.set_index("particle")["change_points"].map(lambda text: len(change_frames(text)))
    texts = count.astype("str").mask(count == 0, "")
    medians = medians_between(frames, particles)
    own = medians.index.get_level_values("particle")
    told = medians["known"].groupby(own).transform("any") & (count.reindex(own) < _MOST_LEVELS).to_numpy()
    said = np.where(medians["known"], medians["mixing_ratio"].map("{:.2f}".format), "?")
    texts.update(pd.Series(said, index=own)[told.to_numpy()].groupby(level=0).agg(ARROW.join))
    return texts.set_axis(particles.index).astype("str")


def medians_between(frames: pd.DataFrame, particles: pd.DataFrame) -> pd.DataFrame:
    """Return what the mixing ratio of each rod that changes is before, between and after its changes.

    Parameters
    ----------
    frames, particles : DataFrame
        ``motion.frames`` and ``motion.particles``.

    Returns
    -------
    DataFrame
        Medians over the frames of ``mixing_ratio`` and its ``_low`` and ``_high``, and ``known`` (bool, `is_known`), by
        ``particle`` and the number of the stretch; only of rods that change.
    """
    changes = {
        int(particle): own
        for particle, text in zip(particles["particle"], particles["change_points"], strict=True)
        if (own := change_frames(text))
    }
    rows = frames[frames["particle"].isin(list(changes))]
    medians = rows.groupby(["particle", _stretch(rows, changes)])[_ENDS].median()
    return medians.assign(known=is_known("mixing_ratio", medians[_ENDS[1]], medians[_ENDS[2]]))


def _stretch(rows: pd.DataFrame, changes: dict[int, list[int]]) -> NDArray[np.int64]:
    """Number the stretches between changes: rows of one stretch have one number, later ones a higher one."""
    apart = int(rows["frame"].max()) + 1 if len(rows) else 1
    starts = np.sort([particle * apart + frame for particle, own in changes.items() for frame in own])
    place = rows["particle"].to_numpy() * apart + rows["frame"].to_numpy()
    return np.asarray(np.searchsorted(starts, place, side="right"), dtype=np.int64)
