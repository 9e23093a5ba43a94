"""The tables of an analysis as the canvas draws them: rods by frame, tracks, changes; nothing here knows Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, SCALES, greyed
from napari_lptem_diffusion.gui.colours import particle_rgb

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_REACH_LENGTHS = 0.75
_PLACE = ["frame", "x", "y"]
_POSE = [*_PLACE, "angle_deg", "length", "width"]
_VALUES, _CERTAINTIES = 256, 32


@dataclass(frozen=True)
class Scene:
    """What an analysis has to show.

    Attributes
    ----------
    rods : DataFrame
        Rods in tracks with their motion, sorted by particle and frame.
    detections : DataFrame
        ``frame`` and pose of all rods, in tracks or not.
    changes : DataFrame
        Change points: ``particle``, ``frame``, ``x``, ``y``, sorted by frame.
    marks : dict of int to str
        What the user said of a particle, such as "stuck".
    """

    rods: pd.DataFrame
    detections: pd.DataFrame
    changes: pd.DataFrame
    marks: dict[int, str]

    @classmethod
    def of(cls, analysis: Analysis) -> Scene:
        """Return what *analysis* has to show."""
        rods = rods_with_motion(analysis)
        marks = dict(zip(analysis.marked["particle"].tolist(), analysis.marked["mark"].tolist(), strict=True))
        return cls(rods, analysis.detections.reindex(columns=_POSE), _changes(rods, analysis.motion.particles), marks)

    @property
    def has_sizes(self) -> bool:
        """Whether rods have a pose; tracks of other tools have places only."""
        return {"angle_deg", "length", "width"} <= set(self.rods.columns)

    def in_frame(self, frame: int) -> pd.DataFrame:
        """Return the rows of `rods` in *frame*, sorted by particle."""
        order, frames = self._by_frame
        first, last = np.searchsorted(frames, [frame, frame + 1])
        return self.rods.iloc[order[first:last]]

    def of_particle(self, particle: int) -> pd.DataFrame:
        """Return the rows of `rods` of *particle*, sorted by frame."""
        first, last = np.searchsorted(self.rods["particle"].to_numpy(), [particle, particle + 1])
        return self.rods.iloc[first:last]

    @cached_property
    def loose(self) -> pd.DataFrame:
        """The rows of `detections` that are in no track, sorted by frame."""
        tracked = pd.MultiIndex.from_frame(self.rods[_PLACE])
        loose = self.detections[~pd.MultiIndex.from_frame(self.detections[_PLACE]).isin(tracked)]
        return loose.sort_values("frame", kind="stable", ignore_index=True)

    def loose_in_frame(self, frame: int) -> pd.DataFrame:
        """Return the rows of `loose` in *frame*."""
        first, last = np.searchsorted(self.loose["frame"].to_numpy(), [frame, frame + 1])
        return self.loose.iloc[first:last]

    def changes_between(self, first_frame: int, last_frame: int) -> pd.DataFrame:
        """Return the rows of `changes` from *first_frame* to *last_frame*, both included."""
        first, last = np.searchsorted(self.changes["frame"].to_numpy(), [first_frame, last_frame + 1])
        return self.changes.iloc[first:last]

    @cached_property
    def _by_frame(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of `rods` in the order of frames, and these frames."""
        frames = self.rods["frame"].to_numpy()
        order = np.argsort(frames, kind="stable")
        return order, frames[order]


def rods_with_motion(analysis: Analysis) -> pd.DataFrame:
    """Return ``analysis.tracks`` with the columns of ``motion.frames``, one row per particle and frame."""
    rods = analysis.tracks.merge(analysis.motion.frames, on=["particle", "frame"], how="left", validate="1:1")
    return rods.sort_values(["particle", "frame"], ignore_index=True)


def colours(rods: pd.DataFrame, quantity: str) -> NDArray[np.float64]:
    """Return (n, 3) sRGB of the rows of *rods*.

    Parameters
    ----------
    rods : DataFrame
        As `Scene.rods`.
    quantity : str
        Key of `look.QUANTITIES`. A value is greyer the wider its 90 % interval; a particle has a colour of its own.
    """
    scale = SCALES.get(quantity)
    if scale is None:
        return particle_rgb(rods["particle"].to_numpy())
    certainty = scale.certainty(rods[f"{quantity}_low"], rods[f"{quantity}_high"])
    position = scale.position(rods[quantity])
    value = np.rint(np.where(np.isnan(position), _VALUES, position * (_VALUES - 1))).astype(int)
    rgb: NDArray[np.float64] = _shades(quantity)[value, np.rint(certainty * (_CERTAINTIES - 1)).astype(int)]
    return rgb


def kept(table: pd.DataFrame, particles: Iterable[int] | None) -> pd.DataFrame:
    """Return the rows of these *particles*; None: all."""
    return table if particles is None else table[table["particle"].isin(list(particles))]


def nearest_rod(rods: pd.DataFrame, y: float, x: float, reach_px: float) -> pd.Series | None:
    """Return the row of the rod whose centre is nearest to (*y*, *x*) px, or None if none is near.

    Parameters
    ----------
    rods : DataFrame
        The rods of one frame: ``x``, ``y`` and, where known, ``length``.
    y, x : float
        px.
    reach_px : float
        How near is near enough at least; three quarters of the length of a rod are near, too.
    """
    if rods.empty:
        return None
    reach = np.full(len(rods), reach_px)
    if "length" in rods:
        reach = np.fmax(reach, _REACH_LENGTHS * rods["length"].to_numpy())
    distance = np.hypot(rods["x"].to_numpy() - x, rods["y"].to_numpy() - y) / reach
    nearest = int(distance.argmin())
    return rods.iloc[nearest] if distance[nearest] <= 1 else None


@lru_cache(maxsize=8)
def _shades(column: str) -> NDArray[np.float64]:
    """Colours by value and by how certain it is; the last row is that of no value."""
    scale = SCALES[column]
    certainty = np.linspace(0.0, 1.0, _CERTAINTIES)
    shades = greyed(scale.table(_VALUES)[:, None], certainty[None, :])
    return np.concatenate([shades, np.tile(NO_VALUE_RGB, (1, _CERTAINTIES, 1))])


def _changes(rods: pd.DataFrame, particles: pd.DataFrame) -> pd.DataFrame:
    """Places of the change points that are named in ``particles.change_points``."""
    named = particles[["particle", "change_points"]].dropna()
    named = named.assign(frame=named["change_points"].astype(str).str.split(";")).explode("frame")
    named = named[named["frame"] != ""]
    keys = named[["particle"]].assign(frame=named["frame"].astype("int64"))
    return keys.merge(rods[["particle", "frame", "x", "y"]], on=["particle", "frame"]).sort_values("frame")
