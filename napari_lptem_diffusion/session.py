"""Saving an analysis and opening it again, without the pixels of its movie."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_lptem_diffusion.analysis import Analysis, StageTime
from napari_lptem_diffusion.diffusion.estimate import Motion
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export.folder import check_output_file, staged_file, write_errors
from napari_lptem_diffusion.export.session_file import (
    SESSION_FILE,
    SESSION_SUFFIX,
    SavedSession,
    SessionView,
    fingerprint,
    read_session,
    write_session,
)
from napari_lptem_diffusion.movie import Calibration, Movie, open_movie
from napari_lptem_diffusion.movie.frames import ArrayFrames, Recording
from napari_lptem_diffusion.particles.correcting.correction import corrections_of_record
from napari_lptem_diffusion.settings import Settings

NOT_HERE = "The movie of this session is not here: its frames are shown empty."


class MovieNotFoundError(InputError):
    """The movie of a session is not where it was: say where it is, or open the session without it."""


def save_session(
    analysis: Analysis, path: str | Path, overwrite: bool = False, view: SessionView | None = None
) -> Path:
    """Write *analysis*, and what was looked at, into one file that `open_session` opens; whole or not at all.

    Every export holds such a file, ``session.lptem``.

    Raises
    ------
    InputError
        If the file exists and *overwrite* is False, or cannot be written.
    """
    path = Path(path)
    check_output_file(path, overwrite)
    with staged_file(path) as new:
        write_session(analysis, new, home=path.parent, view=view)
    return path


def autosave(analysis: Analysis, folder: str | Path) -> Path:
    """Write *analysis* into *folder*, in place of what was saved of the same movie there; whole or not at all.

    Parameters
    ----------
    analysis : Analysis
    folder : path
        Made if it does not exist.

    Returns
    -------
    Path
        The file, which `open_session` opens.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    folder, movie = Path(folder), analysis.movie
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w-]+", "_", movie.name)[:80]
    which = hashlib.sha256(f"{movie.name} {movie.path} {movie.shape}".encode()).hexdigest()[:8]
    return save_session(analysis, folder / f"{name}-{which}{SESSION_SUFFIX}", overwrite=True)


def open_session(path: str | Path, movie: Movie | str | Path | None = None, without_movie: bool = False) -> Analysis:
    """Open an analysis that was saved; nothing is computed anew.

    Parameters
    ----------
    path : path
        The file of a session, or a folder with a ``session.lptem``, such as an export.
    movie : Movie or path, optional
        Left out: looked for where it was, seen from the session, and beside the session. The empty movie of tracks of
        other tools is made anew.
    without_movie : bool
        Open the results although the movie is not found; its frames are then empty.

    Raises
    ------
    MovieNotFoundError
        If its movie is not found.
    InputError
        If *path* is no session, or *movie* is not its movie.
    """
    return open_session_as_seen(path, movie, without_movie)[0]


def open_session_as_seen(
    path: str | Path, movie: Movie | str | Path | None = None, without_movie: bool = False
) -> tuple[Analysis, SessionView | None]:
    """Return what `open_session` does, and what was looked at when it was saved, None where that was not kept."""
    path = Path(path)
    path = path / SESSION_FILE if path.is_dir() else path
    saved = read_session(path)
    try:
        settings = Settings.checked(saved.record["settings"], path.name)
        calibration = Calibration(**saved.record["movie"]["calibration"])
        found = _the_movie(saved.record["movie"], movie, path, without_movie)
        shown = _calibrated(found, settings, calibration) if found else _empty_movie(saved.record["movie"], calibration)
        view = saved.record.get("view")
        seen = None if view is None else SessionView(int(view["frame"]), tuple(view["particles"]))
        return _analysis(saved, shown, settings, path), seen
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no session of this program, or it is damaged ({error}).") from error


def _analysis(saved: SavedSession, movie: Movie, settings: Settings, path: Path) -> Analysis:
    corrections = corrections_of_record(saved.record["corrections"], path.name)
    times = tuple(StageTime(**lap) for lap in saved.record["times"])
    drawn_over = _drawn_over(saved.record.get("drawn_over"), path)

    def state(name: str, **more: Any) -> Analysis:
        tables = {key.removeprefix(f"{name}/"): table for key, table in saved.tables.items()}
        motion = {part: tables[f"motion/{part}"] for part in ("frames", "particles", "msd")}
        return Analysis(
            movie,
            settings,
            saved.record["measured"],
            tables["detections"],
            tables["tracks"],
            Motion(**motion, model_hash=saved.record["model_hash"][name]),
            times,
            marked=tables["marked"],
            px_stands_for_nm=saved.record.get("px_stands_for_nm"),
            drawn_over=drawn_over,
            **more,
        )

    before = state("uncorrected") if corrections else None
    return state("present", corrections=corrections, uncorrected=before)


def _the_movie(record: dict[str, Any], given: Movie | str | Path | None, path: Path, optional: bool) -> Movie | None:
    if isinstance(given, Movie):
        return _recognised(given, record, path)
    if given is not None:
        return _recognised(open_movie(given), record, path)
    for place in _places(record, path.resolve().parent):
        if place.exists():
            return _recognised(open_movie(place), record, path)
    if optional or record["fingerprint"] == fingerprint(_empty_movie(record, Calibration())):
        return None
    where = record["path"] or "it was not a file"
    raise MovieNotFoundError(
        f"The movie {record['name']} of the session {path.name} is not found ({where}); say where it is."
    )


def _drawn_over(record: dict[str, Any] | None, path: Path) -> Movie | None:
    """Return the movie over which tracks were drawn; what they say does not depend on whether it is found."""
    if record is None:
        return None
    try:
        found = _the_movie(record, None, path, optional=True)
    except InputError:  # it is damaged, or another movie
        found = None
    if found is None:
        missing = f"The movie {record['name']}, over which the tracks were drawn, is not found: they are shown alone."
        warnings.warn(missing, InputWarning, stacklevel=5)
    return found


def _places(record: dict[str, Any], home: Path) -> Iterator[Path]:
    """Yield where the movie may be: where it was, beside the session, beside the folder of the session."""
    if record["path"] is not None:
        name = Path(record["path"]).name
        # Resolved: the folder of the session may go, as that of an autosave does, and a path through it with it.
        yield from ((home / record["path"]).resolve(), home / name, home.parent / name)


def _recognised(movie: Movie, record: dict[str, Any], path: Path) -> Movie:
    if list(movie.shape) != record["shape"]:
        frames, height, width = movie.shape
        before = "{} frames of {} x {} px".format(*record["shape"])
        raise InputError(
            f"{movie.name} is not the movie of the session {path.name}: it has {frames} frames of {height} x {width} "
            f"px; {before} were expected."
        )
    if record["fingerprint"] not in (None, fingerprint(movie)):
        raise InputError(
            f"{movie.name} is not the movie of the session {path.name}: its frames have other pixels than those of "
            f"{record['name']}."
        )
    return movie


def _calibrated(movie: Movie, settings: Settings, saved: Calibration) -> Movie:
    """Give *movie* the calibration that the session was saved with."""
    movie = movie.calibrated(settings.movie.pixel_size_nm, settings.movie.frame_interval_s)
    if movie.calibration == saved:
        return movie
    return movie.calibrated(saved.pixel_size_nm, saved.frame_interval_s)


def _empty_movie(record: dict[str, Any], calibration: Calibration) -> Movie:
    """Return a movie of the right shape with nothing in its frames."""
    frames = np.broadcast_to(np.zeros((), dtype=record["dtype"]), record["shape"])
    return Movie(Recording(ArrayFrames(frames, record["name"]), calibration, (NOT_HERE,)), record["name"])
