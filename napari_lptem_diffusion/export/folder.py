"""Writing a file, or a set of files into a folder: whole or not at all, and nothing of the user's touched."""

from __future__ import annotations

import errno
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_lptem_diffusion.errors import InputError

PROVENANCE = "provenance.json"
EXPORT_SUFFIX = "_diffusion"
"""Behind the name of the movie, in the folder that the window proposes."""
_OF_THE_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini")
_OURS = re.compile(
    r"particles/particle_\d+\.csv|(summary|msd|detections|marked|drift)\.csv|(provenance|corrections)\.json"
    r"|trackmate\.(xml|csv)|settings\.toml|picture\.png|report\.html|overlay\.(mp4|gif)|session\.lptem"
    r"|figures/(all_rods|rod_\d+)\.(svg|pdf)"
)


def check_output_folder(folder: str | Path, overwrite: bool = False) -> None:
    """Say before the work whether its results could be written into *folder*; nothing is left behind.

    Raises
    ------
    InputError
        If *folder* is a file, holds files and *overwrite* is False, or cannot be written to.
    """
    folder = Path(folder)
    with write_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"The output folder {folder} is a file; a folder was expected.")
        if not overwrite and folder.exists() and any(entry.name not in _OF_THE_SYSTEM for entry in folder.iterdir()):
            raise InputError(
                f"The output folder {folder} is not empty; choose another, or allow overwriting (--overwrite)."
            )
        Path(tempfile.mkdtemp(prefix=".lptem-", dir=_home(folder))).rmdir()


@contextmanager
def staged(folder: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder to write into, whose files move into *folder* when the block ends well.

    If the block or the move fails, *folder* is as it was. Files that an earlier export lists in its
    provenance and that the new one does not write are removed; everything else in *folder* stays.

    Raises
    ------
    InputError
        As `check_output_folder`, or if the disk is full.
    """
    folder = Path(folder)
    check_output_folder(folder, overwrite)
    with write_errors(folder):
        stage = Path(tempfile.mkdtemp(prefix=".lptem-", dir=_home(folder)))
        try:
            (stage / "new").mkdir()
            yield stage / "new"
            if folder.exists():
                _exchange(stage / "new", folder, stage / "old")
            else:
                folder.parent.mkdir(parents=True, exist_ok=True)
                (stage / "new").rename(folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _home(folder: Path) -> Path:
    """Return the nearest folder that exists: on the same disk as *folder* will be."""
    return next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Move the files of *new* into *folder* and those they replace into *old*; undo all if one move fails."""
    arriving = _files(new)
    leaving = sorted(name for name in {*arriving, *_listed(folder)} if (folder / name).is_file())
    moves = [(folder / name, old / name) for name in leaving]
    moves += [(new / name, folder / name) for name in arriving]
    begun: list[tuple[Path, Path]] = []  # told before each move: an interrupt may come right after it
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            begun.append((source, target))
            source.replace(target)
    except BaseException:
        for source, target in reversed(begun):
            if not source.exists():
                target.replace(source)
        raise


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _listed(folder: Path) -> list[str]:
    """Return the files that an earlier export wrote here, by its provenance; nothing if that cannot be read."""
    try:
        listed = list(json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in listed if isinstance(name, str) and _OURS.fullmatch(name)]


def check_output_file(path: str | Path, overwrite: bool = False) -> None:
    """Say before the work whether *path* could be written.

    Raises
    ------
    InputError
        If its folder is missing, or it exists and *overwrite* is False or it is a folder.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: the folder {path.parent} was expected and does not exist.")
    if path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder; a file was expected.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another name, or allow overwriting (--overwrite).")


def size_text(path: Path) -> str:
    """Return the size of the file at *path* in words, such as "3.2 MB"."""
    size = path.stat().st_size
    return f"{size / 1e6:.3g} MB" if size >= 1e5 else f"{max(1, round(size / 1e3))} kB"


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Give a path beside *path* to write to, whose file becomes *path* when the block ends well."""
    with (
        write_errors(path),
        tempfile.TemporaryDirectory(prefix=".lptem-", dir=path.parent, ignore_cleanup_errors=True) as stage,
    ):
        yield Path(stage) / path.name
        (Path(stage) / path.name).replace(path)


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn what the system says while *place* is written into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InputError(f"There is no space left to write {place}.") from error
        raise InputError(f"{place} cannot be written: {error.strerror or error}.") from error
