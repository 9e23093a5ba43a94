"""The motion of tracks that another tool found: everything that an analysis of a movie gives, without the movie."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from napari_lptem_diffusion.analysis import Analysis, StageTime
from napari_lptem_diffusion.corrections import replay
from napari_lptem_diffusion.diffusion.estimate import estimate_diffusion
from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.movie.frames import ArrayFrames, Recording, Remark
from napari_lptem_diffusion.particles.track_files.read import Columns, TrackFile, open_tracks
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import DiffusionSettings, Settings

_LARGEST_PICTURE_PX = 2048
NO_ERROR = (
    "The localization error is not known. It looks like antipersistent motion, so that intervals are wide; give it if "
    "you can."
)


def judge_tracks(
    path: str | Path,
    settings: Settings | None = None,
    columns: Columns | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Analysis:
    """Judge the motion of the tracks in a file.

    Parameters
    ----------
    path : path
        Tracks of any tool; see `open_tracks`.
    settings : Settings, optional
        Of these, ``movie`` (pixel size, frame interval) and ``diffusion`` (exposure, localization error) count.
    columns : ColumnMap or mapping of str to str, optional
        Which column is what, as far as the guess from the header is wrong; see `open_tracks`.
    progress, should_stop : callable, optional

    Returns
    -------
    Analysis
        Its movie has the name of the file and empty frames, just large enough for the tracks.

    Raises
    ------
    InputError
        If the file cannot be used.
    Stopped
        If *should_stop* answered True.
    """
    settings, path = settings or Settings(), Path(path)
    found = open_tracks(path, columns, settings.movie.pixel_size_nm, settings.movie.frame_interval_s)
    start = time.perf_counter()
    motion = estimate_diffusion(found.table, settings.diffusion, progress, should_stop)
    laps = (StageTime("motion", time.perf_counter() - start, len(motion.particles), "tracks"),)
    detections = found.table.drop(columns="particle").sort_values(["frame", "y", "x"], ignore_index=True)
    if "localization_error" not in found.table and settings.diffusion.localization_error_px is None:
        found = replace(found, notes=(*found.notes, NO_ERROR))
    movie, stands_for = _empty_movie(path, found), found.px_stands_for_nm
    return Analysis(movie, settings, {}, detections, found.table, motion, laps, px_stands_for_nm=stands_for)


def judge_again(
    analysis: Analysis,
    settings: DiffusionSettings,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Analysis:
    """Judge the motion of the same tracks with other *settings*; corrections are made again.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    before = analysis.uncorrected or analysis
    movie = analysis.movie
    if NO_ERROR in movie.notes and settings.localization_error_px is not None:
        movie = movie.noted([note for note in movie.notes if note != NO_ERROR])
    before = replace(
        before,
        movie=movie,
        settings=before.settings.model_copy(update={"diffusion": settings}),
        motion=estimate_diffusion(before.tracks, settings, progress, should_stop),
    )
    return replay(before, analysis.corrections, progress, should_stop)


def _empty_movie(path: Path, found: TrackFile) -> Movie:
    """A movie of the size that the tracks ask for, which takes no memory."""
    table = found.table
    shape = (max(int(table["frame"].max()) + 1, 2), _extent_px(table["y"]), _extent_px(table["x"]))
    notes: list[str] = [Remark(f"The tracks were read from {path.name}; there is no movie, only empty frames.")]
    if found.columns is not None:
        told = ", ".join(f"{role.replace('_', ' ')} from {name!r}" for role, name in found.columns.named.items())
        notes.append(Remark(f"Columns: {told}."))
    outside = ~(table["x"].between(-0.5, shape[2]) & table["y"].between(-0.5, shape[1]))
    if outside.any():
        notes.append(
            f"{int(outside.sum())} of {len(table)} positions lie outside of the pictures, which end at "
            f"{_LARGEST_PICTURE_PX} px; if positions are in nm or µm, name their unit."
        )
        warnings.warn(notes[-1], InputWarning, stacklevel=3)
    frames = ArrayFrames(np.broadcast_to(np.uint8(0), shape), path.name)
    return Movie(Recording(frames, found.calibration, (*notes, *found.notes), (path,)), path.name)


def _extent_px(positions: pd.Series) -> int:
    return int(np.clip(np.ceil(positions.max()) + 10, 64, _LARGEST_PICTURE_PX))
