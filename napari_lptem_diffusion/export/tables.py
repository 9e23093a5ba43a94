"""The exported tables and how they are written; every column is described in docs/csv.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_lptem_diffusion.diffusion.changes import medians_between
from napari_lptem_diffusion.export.units import with_units
from napari_lptem_diffusion.particles.correcting.drift import DRIFT_COLUMNS
from napari_lptem_diffusion.particles.edge import frames_at_edge

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_KEYS = ["particle", "frame"]


def rods_with_motion(analysis: Analysis) -> pd.DataFrame:
    """Return one row per particle and frame, sorted so, with its pose and its motion; px and frames."""
    rods = analysis.tracks.merge(analysis.motion.frames, on=_KEYS, how="left", validate="one_to_one")
    return rods[_KEYS + [name for name in rods.columns if name not in _KEYS]].sort_values(_KEYS, ignore_index=True)


def particle_tables(analysis: Analysis) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield (particle, table) with all that is known of the particle in each frame in which it was seen."""
    rods = with_units(rods_with_motion(analysis), analysis.movie.calibration)
    for particle, table in rods.groupby("particle", sort=True):
        yield int(str(particle)), table


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """Return one row per particle: its whole track, mixing ratios between changes, how often the edge cuts it."""
    particles = analysis.motion.particles
    particles = particles.assign(mixing_ratio_between_changes=_between_changes(analysis.motion.frames, particles))
    if "visible" in analysis.tracks:
        particles = particles.assign(frames_at_edge=particles["particle"].map(frames_at_edge(analysis.tracks)))
    return with_units(particles, analysis.movie.calibration)


def _between_changes(frames: pd.DataFrame, particles: pd.DataFrame) -> pd.Series:
    """The medians of each rod that changes, joined by ";", nothing for one that is not known; "" for all others."""
    medians = medians_between(frames, particles)
    said = medians["mixing_ratio"].map("{:.3g}".format).where(medians["known"], "")
    joined = {particle: ";".join(own) for particle, own in said.groupby(level="particle")}
    return particles["particle"].map(lambda particle: joined.get(particle, "")).astype("str")


def msd_table(analysis: Analysis) -> pd.DataFrame:
    """Return the time-averaged mean squared displacement of every particle at every lag."""
    return with_units(analysis.motion.msd, analysis.movie.calibration)


def detections_table(analysis: Analysis) -> pd.DataFrame:
    """Return every rod that was found, with its ``particle``, which is missing for rods in no track."""
    place = ["frame", "x", "y"]
    tracked = pd.MultiIndex.from_frame(analysis.tracks[place])
    loose = analysis.detections[~pd.MultiIndex.from_frame(analysis.detections[place]).isin(tracked)]
    tracks = analysis.tracks.astype({"particle": "Int64"}).drop(columns=list(DRIFT_COLUMNS), errors="ignore")
    rods = pd.concat([tracks, loose]).sort_values(["frame", "y", "x"], ignore_index=True)
    rods = rods[["frame", "particle", *(name for name in rods.columns if name not in _KEYS)]]
    return with_units(rods, analysis.movie.calibration)


def marked_table(analysis: Analysis) -> pd.DataFrame:
    """Return one row per particle that the user marked as stuck or as dirt."""
    return with_units(analysis.marked, analysis.movie.calibration)


def drift_table(analysis: Analysis) -> pd.DataFrame:
    """Return the drift of the stage, one row per frame with a tracked rod; no row unless a particle is stuck."""
    rods = analysis.tracks.reindex(columns=["frame", *DRIFT_COLUMNS])
    rods = rods.dropna().drop_duplicates("frame").sort_values("frame", ignore_index=True)
    return with_units(rods, analysis.movie.calibration)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write *table* so that equal tables give equal bytes on every system; NaN is an empty cell."""
    table.to_csv(path, index=False, float_format="%.9g", lineterminator="\n", encoding="utf-8")
