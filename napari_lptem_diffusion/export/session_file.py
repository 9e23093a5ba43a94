"""The file of a session: a zip of ``session.json`` and one lossless ``.npy`` for each column of each table."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles.correcting.correction import corrections_record

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

SESSION_SUFFIX = ".lptem"
SESSION_FILE = f"session{SESSION_SUFFIX}"
_FORMAT = "napari-lptem-diffusion session"
_VERSION = 1
_FINGERPRINT_STEP_PX = 4
_fingerprints: dict[tuple[object, ...], str] = {}
"""What was computed in this process, by the state of the files, shape and type: a big movie is read slowly."""


@dataclass(frozen=True)
class SavedSession:
    """What a file of a session holds.

    Attributes
    ----------
    record : dict
        The content of ``session.json``.
    tables : dict of str to DataFrame
        By name, as `tables_of` gives them.
    """

    record: dict[str, Any]
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class SessionView:
    """What was looked at: the frame in view and the selected particles, the main one last."""

    frame: int
    particles: tuple[int, ...]


def write_session(analysis: Analysis, path: Path, home: Path, view: SessionView | None = None) -> None:
    """Write *analysis* without the pixels of its movie.

    Parameters
    ----------
    analysis : Analysis
    path : Path
        Written in place; callers write beside and rename.
    home : Path
        The folder in which the file will be: the movie's path is kept relative to it where there is such a path.
    view : SessionView, optional
    """
    tables = dict(tables_of(analysis))
    record = {
        "format": _FORMAT,
        "version": _VERSION,
        "software": __version__,
        "movie": _movie_record(analysis.movie, home),
        "px_stands_for_nm": analysis.px_stands_for_nm,
        "drawn_over": None if analysis.drawn_over is None else _movie_record(analysis.drawn_over, home),
        "view": None if view is None else asdict(view),
        "settings": analysis.settings.model_dump(),
        "measured": dict(analysis.measured),
        "corrections": corrections_record(analysis.corrections),
        "model_hash": {name: state.motion.model_hash for name, state in states_of(analysis).items()},
        "times": [asdict(lap) for lap in analysis.times],
        "tables": {name: {str(c): str(kind) for c, kind in table.dtypes.items()} for name, table in tables.items()},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("session.json"), json.dumps(record, indent=1))
        for name, table in tables.items():
            for column in table.columns:
                with archive.open(zipfile.ZipInfo(_entry(name, column)), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, _plain(table[column]), allow_pickle=False)


def states_of(analysis: Analysis) -> dict[str, Analysis]:
    """Return the analysis as it is, and as it was before it was corrected, if it was."""
    states = {"present": analysis}
    return states if analysis.uncorrected is None else {**states, "uncorrected": analysis.uncorrected}


def tables_of(analysis: Analysis) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield every table of *analysis* with its name, such as ``present/motion/frames``."""
    for name, state in states_of(analysis).items():
        yield f"{name}/detections", state.detections
        yield f"{name}/tracks", state.tracks
        yield f"{name}/marked", state.marked
        for part in ("frames", "particles", "msd"):
            yield f"{name}/motion/{part}", getattr(state.motion, part)


def read_session(path: Path) -> SavedSession:
    """Read what `write_session` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is no session, is damaged, or is of a newer version of this program.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.read("session.json"))
            if record["format"] != _FORMAT:
                raise InputError(f"{path} is {record['format']!r}; a session was expected.")
            if record["version"] != _VERSION:
                raise InputError(
                    f"{path} is a session of version {record['version']}, written by {record['software']}; version "
                    f"{_VERSION} was expected by this program ({__version__})."
                )
            return SavedSession(record, {name: _read_table(archive, name, record) for name in record["tables"]})
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"The session {path} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"{path} is no session of this program, or it is damaged ({error}).") from error


def fingerprint(movie: Movie) -> str:
    """Return a SHA-256 by which a movie is recognised under another name or in another format.

    Of its shape, its type and every fourth pixel along both axes of its first, middle and last frame. Of files it is
    computed once, and anew when one of them has changed.
    """
    files = _state_of_files(movie)
    if files is None:
        return _computed_fingerprint(movie)
    known = (files, movie.shape, str(movie.dtype))
    if known not in _fingerprints:
        _fingerprints[known] = _computed_fingerprint(movie)
    return _fingerprints[known]


def _state_of_files(movie: Movie) -> tuple[tuple[str, int, int], ...] | None:
    """Return path, size and time of the files of the frames that count; None if there are none, or they are gone."""
    files = movie.source_files
    try:
        stats = [(str(path.resolve()), path.stat()) for path in {files[k] for k in (0, len(files) // 2, -1)}]
    except (OSError, IndexError):
        return None
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _computed_fingerprint(movie: Movie) -> str:
    digest = hashlib.sha256(f"{movie.shape} {movie.dtype}".encode())
    for frame in (0, len(movie) // 2, len(movie) - 1):
        pixels = movie[frame][::_FINGERPRINT_STEP_PX, ::_FINGERPRINT_STEP_PX]
        digest.update(np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _movie_record(movie: Movie, home: Path) -> dict[str, Any]:
    return {
        "name": movie.name,
        "path": None if movie.path is None else _path_from(home.resolve(), movie.path.resolve()),
        "shape": list(movie.shape),
        "dtype": str(movie.dtype),
        "fingerprint": _fingerprint_if_readable(movie),
        "calibration": asdict(movie.calibration),
    }


def _fingerprint_if_readable(movie: Movie) -> str | None:
    """A disk that was unplugged must not keep the results from being saved."""
    try:
        return fingerprint(movie)
    except InputError:
        return None


def _path_from(home: Path, path: Path) -> str:
    """Return *path* relative to *home*; as it is where they are on different drives."""
    try:
        return Path(os.path.relpath(path, home)).as_posix()
    except ValueError:
        return path.as_posix()


def _entry(table: str, column: str) -> str:
    return f"{table}/{column}.npy"


def _plain(column: pd.Series) -> np.ndarray[Any, Any]:
    """Return numbers as they are and words as text of a fixed width."""
    return column.to_numpy() if column.dtype.kind in "biuf" else column.to_numpy().astype("U")


def _read_table(archive: zipfile.ZipFile, name: str, record: dict[str, Any]) -> pd.DataFrame:
    kinds = record["tables"][name]
    columns = {}
    for column in kinds:
        with archive.open(_entry(name, column)) as file:
            columns[column] = np.lib.format.read_array(file, allow_pickle=False)
    return pd.DataFrame(columns).astype(kinds)
