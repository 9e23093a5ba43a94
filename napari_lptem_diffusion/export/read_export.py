"""The particles of an exported analysis or of a session, read back without the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.folder import PROVENANCE
from napari_lptem_diffusion.export.session_file import SESSION_FILE, SESSION_SUFFIX, read_session
from napari_lptem_diffusion.export.units import with_units
from napari_lptem_diffusion.movie import Calibration
from napari_lptem_diffusion.movie.folder import natural_key

SUMMARY = "summary.csv"
_K_UNITS = {"k_fbm": ("um2_per_s_alpha", "px2_per_frame_alpha"), "k_ctrw": ("um2_per_s", "px2_per_frame")}
_ESTIMATED = ("mixing_ratio", "alpha_fbm", "alpha_ctrw")
_ENDS = ("", "_low", "_high")
_Stamps = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class ExportedRods:
    """What an export says of its particles.

    Attributes
    ----------
    particles : DataFrame
        The rows of ``summary.csv``, K without its unit in the name.
    units : mapping of str to str
        The unit of ``k_fbm`` and ``k_ctrw``, as it ends the names of columns.
    model_hash, source : str or None
        The network that judged, and the movie it was made of, as digests; None where that is not known.
    """

    particles: pd.DataFrame
    units: Mapping[str, str]
    model_hash: str | None
    source: str | None


def exports_in(path: str | Path) -> tuple[Path, ...]:
    """Return what `read_export` reads at *path*: itself, or the exports in the folder, in natural order of their names.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(path)
    if path.name == SESSION_FILE and (path.parent / SUMMARY).is_file():
        return (path.parent,)
    if (path / SUMMARY).is_file() or (path.is_file() and path.suffix.lower() == SESSION_SUFFIX):
        return (path,)
    folders = [entry.parent for entry in path.glob(f"*/{SUMMARY}")] if path.is_dir() else []
    found = tuple(sorted(folders, key=lambda folder: natural_key(folder.name)))
    if not found:
        raise InputError(f"{path} holds no {SUMMARY} and is no session; a folder written by an analysis was expected.")
    return found


def read_export(path: Path) -> ExportedRods:
    """Read the particles of a folder that an analysis wrote, or of a session.

    Raises
    ------
    InputError
        If *path* is neither.
    """
    if path.suffix.lower() == SESSION_SUFFIX and path.is_file():
        return _of_session(path)
    file = path / SUMMARY
    try:
        table = pd.read_csv(file)
    except OSError as error:
        raise InputError(f"{path} holds no {SUMMARY}; a folder written by an analysis was expected.") from error
    except ValueError as error:
        raise InputError(f"{file} is no table of particles: {error}.") from error
    network, source = _made_of(path)
    return ExportedRods(*_with_plain_k(table, file), network, source)


class ReadExports:
    """`read_export` that keeps what it read for as long as the files are the same; to be handed to `compare`."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[_Stamps, ExportedRods]] = {}

    def __call__(self, path: Path) -> ExportedRods:
        """Return `read_export` of *path*. Raises as that does."""
        stamps = tuple(map(_stamp, (path, path / SUMMARY, path / PROVENANCE)))
        kept = self._kept.get(path)
        if kept is None or kept[0] != stamps:
            kept = self._kept[path] = stamps, read_export(path)
        return kept[1]


def _stamp(file: Path) -> tuple[int, int] | None:
    """By what it is seen that a file was written anew; None if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _of_session(path: Path) -> ExportedRods:
    saved = read_session(path)
    try:
        movie = saved.record["movie"]
        table = with_units(saved.tables["present/motion/particles"], Calibration(**movie["calibration"]))
        return ExportedRods(*_with_plain_k(table, path), saved.record["model_hash"]["present"], movie["fingerprint"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no session of this program, or it is damaged ({error}).") from error


def _with_plain_k(table: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Take the unit of K out of the names of its columns, and see that all others are there."""
    units: dict[str, str] = {}
    for name, possible in _K_UNITS.items():
        for unit in possible:
            if f"{name}_{unit}" in table:
                units[name] = unit
                table = table.rename(columns={f"{name}{end}_{unit}": f"{name}{end}" for end in _ENDS})
    needed = ["particle", "frames", "immobile", "model_mismatch"]
    needed += [f"{name}{end}" for name in _ESTIMATED for end in _ENDS]
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(f"{file} has no column {missing[0]!r}; the {SUMMARY} of an analysis was expected.")
    return table, units


def _made_of(folder: Path) -> tuple[str | None, str | None]:
    """The network and the first input file, as the provenance has them."""
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        inputs = [str(file["sha256"]) for file in record["input_files"]]
        return str(record["model_sha256"]), inputs[0] if inputs else None
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
