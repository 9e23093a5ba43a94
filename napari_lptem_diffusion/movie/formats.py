"""Every format that is read. A new one is a new file and one line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.digital_micrograph import open_digital_micrograph
from napari_lptem_diffusion.movie.emd import open_emd
from napari_lptem_diffusion.movie.folder import FRAME_SUFFIXES, images_in, open_folder
from napari_lptem_diffusion.movie.frames import Recording
from napari_lptem_diffusion.movie.movie import Movie
from napari_lptem_diffusion.movie.mrc import open_mrc
from napari_lptem_diffusion.movie.npy import open_npy
from napari_lptem_diffusion.movie.ser import open_ser
from napari_lptem_diffusion.movie.tiff import open_tiff


@dataclass(frozen=True)
class _Format:
    """A kind of movie file: its endings, in lower case, and what reads its header."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Path], Recording]


FORMATS = (
    _Format("TIFF stacks", (".tif", ".tiff", ".btf"), open_tiff),
    _Format("NumPy arrays", (".npy",), open_npy),
    _Format("DigitalMicrograph stacks", (".dm3", ".dm4"), open_digital_micrograph),
    _Format("MRC stacks", (".mrc", ".mrcs"), open_mrc),
    _Format("Velox series", (".emd",), open_emd),
    _Format("TIA series", (".ser",), open_ser),
)
_WITHOUT_FRAMES = ".emi"
"""Ending of the files that TIA writes beside its series; taken so that a user who drops one is told of the other."""
MOVIE_SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)
"""Endings of the movie files that are read, in lower case."""


def open_movie(path: str | Path, pixel_size_nm: float | None = None, frame_interval_s: float | None = None) -> Movie:
    """Open a movie: a file of one of the FORMATS, or a folder of JPEG, PNG or TIFF frames; see docs/formats.md.

    Only headers are read. The calibration is what the file states, unless the user says otherwise here.

    Parameters
    ----------
    path : str or Path
    pixel_size_nm, frame_interval_s : float, optional
        The user's values; they win over the file's.

    Raises
    ------
    InputError
        If the path is no movie that can be read, or a value is out of bounds; one sentence says what is wrong.

    Warns
    -----
    InputWarning
        If the file ends early; the whole frames are kept.
    """
    path = Path(path) if Path(path).name else Path(path).resolve()  # the working folder has a name, too
    try:
        recording = _reader_of(path)(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    name = path.name if path.is_dir() else path.stem
    return Movie(recording, name, path).calibrated(pixel_size_nm, frame_interval_s)


def looks_like_movie(path: str | Path) -> bool:
    """Whether *path* is a file with a known ending or a folder with at least two images; opens no file."""
    path = Path(path)
    if path.is_dir():
        return len(list(islice(images_in(path), 2))) == 2
    return path.suffix.lower() in (*MOVIE_SUFFIXES, _WITHOUT_FRAMES)


def _reader_of(path: Path) -> Callable[[Path], Recording]:
    """Return what reads *path*, by its ending."""
    if path.is_dir():
        return open_folder
    if not path.exists():
        raise InputError(f"{path} does not exist, expected a movie file or a folder of frames.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes), expected a movie.")
    suffix = path.suffix.lower()
    for known in FORMATS:
        if suffix in known.suffixes:
            return known.open
    if suffix in FRAME_SUFFIXES:
        raise InputError(f"{path.name} is a single image; a movie of such images is opened by its folder.")
    if suffix == _WITHOUT_FRAMES:
        raise InputError(f"{path.name} holds no frames; open the series that lies beside it ({path.stem}_1.ser).")
    readable = ", ".join(f"{known.name} ({' '.join(known.suffixes)})" for known in FORMATS)
    raise InputError(
        f"{path.name} is of a format that is not read; what is read: {readable}, and folders of JPEG, PNG or "
        "TIFF frames."
    )
