"""Tables of tracks, from this program or any other, made ready to be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.simulate import Observation
from napari_lptem_diffusion.errors import InputError

REQUIRED = ("particle", "frame", "x", "y")
Floats = NDArray[np.float64]
_BEYOND_EXACT = 2.0**53  # whole numbers from here on are not exact in a table of floats
_LONGEST_SPAN = 10_000_000


@dataclass(frozen=True)
class Track:
    """One particle on an even grid of frames from its first to its last; NaN where it was not seen.

    Attributes
    ----------
    particle : int
    first_frame : int
    positions : array
        ``(frames, 2)``, x before y, px.
    localization_error : array
        ``(frames,)`` px, one standard deviation per axis; NaN where unknown.
    angle_deg : array
        ``(frames,)``; NaN where unknown.
    """

    particle: int
    first_frame: int
    positions: Floats
    localization_error: Floats
    angle_deg: Floats

    @property
    def seen(self) -> NDArray[np.bool_]:
        """``(frames,)`` where the particle was seen."""
        return ~np.isnan(self.positions[:, 0])

    @property
    def whole_steps(self) -> int:
        """Number of displacements between consecutive frames."""
        return int((self.seen[1:] & self.seen[:-1]).sum())

    @property
    def frames(self) -> NDArray[np.int64]:
        """The frames in which the particle was seen."""
        return self.first_frame + np.flatnonzero(self.seen)


def split_tracks(table: pd.DataFrame, localization_error_px: float | None = None) -> list[Track]:
    """Check a table of tracks and cut it into tracks, sorted by particle.

    Parameters
    ----------
    table : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` and, where known, ``localization_error`` and ``angle_deg``. Rows without
        a finite position count as not seen.
    localization_error_px : float, optional
        Stands in for the table's own.

    Raises
    ------
    InputError
        If a column is missing or no number, a frame is no whole number >= 0, or a particle is twice in a frame.
    """
    numbers = _checked(table)
    if localization_error_px is not None:
        numbers["localization_error"] = localization_error_px
    for optional in ("localization_error", "angle_deg"):
        if optional not in numbers:
            numbers[optional] = np.nan
    numbers = numbers[np.isfinite(numbers["x"]) & np.isfinite(numbers["y"])]
    numbers = numbers.sort_values(["particle", "frame"])
    repeated = numbers.duplicated(["particle", "frame"])
    if repeated.any():
        row = numbers[repeated].iloc[0]
        raise InputError(
            f"Particle {row['particle']:.0f} is twice in frame {row['frame']:.0f}; a table of tracks has one row per "
            "particle and frame."
        )
    values = numbers[["particle", "frame", "x", "y", "localization_error", "angle_deg"]].to_numpy()
    starts = np.flatnonzero(np.diff(values[:, 0], prepend=-1))
    return [_on_grid(rows) for rows in np.split(values, starts[1:]) if len(rows)]


def as_observation(tracks: Sequence[Track], exposure_fraction: float) -> Observation:
    """Stack tracks, the shorter ones padded as not seen; positions relative to each first one."""
    longest = max(len(track.positions) for track in tracks)
    positions = np.zeros((len(tracks), longest, 2))
    seen = np.zeros((len(tracks), longest), dtype=bool)
    error = np.full((len(tracks), longest), np.nan)
    for row, track in enumerate(tracks):
        frames = len(track.positions)
        positions[row, :frames] = np.nan_to_num(track.positions - track.positions[0])
        seen[row, :frames] = track.seen
        error[row, :frames] = track.localization_error
    return Observation(
        torch.from_numpy(positions).float(),
        torch.from_numpy(seen),
        torch.from_numpy(error).float(),
        torch.full((len(tracks),), exposure_fraction),
    )


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        found = ", ".join(map(str, table.columns)) or "no columns"
        raise InputError(
            f"The table of tracks has no column {missing[0]!r} (found: {found}); it needs particle, frame, x and y."
        )
    names = [name for name in (*REQUIRED, "localization_error", "angle_deg") if name in table]
    numbers = pd.DataFrame({name: pd.to_numeric(table[name], errors="coerce").astype("float64") for name in names})
    for name in ("particle", "frame"):
        values = numbers[name]
        wrong = ~((values >= 0) & (values < _BEYOND_EXACT) & (values == values.round()))
        if wrong.any():
            found = table[name][wrong].iloc[0]
            raise InputError(f"Column {name!r} of the tracks has '{found}'; whole numbers from 0 are expected.")
    for name in names[2:]:
        text = numbers[name].isna() & table[name].notna()
        if text.any():
            raise InputError(f"Column {name!r} of the tracks has '{table[name][text].iloc[0]}'; numbers are expected.")
    if "localization_error" in numbers:
        error = numbers["localization_error"]
        if ((error < 0) | np.isinf(error)).any():
            raise InputError(
                "Column 'localization_error' of the tracks has negative or infinite values; it is a standard deviation."
            )
    return numbers


def _on_grid(rows: Floats) -> Track:
    particle, frame = int(rows[0, 0]), rows[:, 1].astype(np.int64)
    place = frame - frame[0]
    if place[-1] >= _LONGEST_SPAN:
        raise InputError(
            f"Particle {particle} spans frames {frame[0]} to {frame[-1]}; frames are counted, "
            f"up to {_LONGEST_SPAN} a track."
        )
    grid = np.full((place[-1] + 1, 4), np.nan)
    grid[place] = rows[:, 2:]
    return Track(particle, int(frame[0]), grid[:, :2], grid[:, 2], grid[:, 3])
