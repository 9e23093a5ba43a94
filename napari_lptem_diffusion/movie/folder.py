"""Folders of images, one per frame, in natural order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.frames import Frame, Recording, checked_length
from napari_lptem_diffusion.movie.grey import colour_note, to_grey
from napari_lptem_diffusion.movie.tiff import decoded_grey, first_page, one_line, opened_tiff, page_notes
from napari_lptem_diffusion.movie.tiff_calibration import tiff_calibration

_KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
FRAME_SUFFIXES = tuple(_KINDS)
"""Endings of the images that a folder may hold, in lower case."""

_PIL_DTYPES = {"L": "u1", "LA": "u1", "P": "u1", "RGB": "u1", "RGBA": "u1", "CMYK": "u1", "YCbCr": "u1",
               "I;16": "u2", "I;16B": "u2", "I": "i4", "F": "f4"}  # fmt: skip
"""Types of the frames by Pillow's name for the kind of image."""


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return a sorting key by which frame2 comes before frame10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), name


def images_in(folder: Path) -> Iterator[Path]:
    """Yield the images in *folder* in any order; hidden files and other endings are left out."""
    for path in folder.iterdir():
        if path.suffix.lower() in _KINDS and not path.name.startswith(".") and path.is_file():
            yield path


def open_folder(folder: Path) -> Recording:
    """Read the headers of a folder of JPEG, PNG or TIFF images; the frames are read later.

    Raises
    ------
    InputError
        If there are fewer than 2 images, images of several kinds, or one of another size or type than the first.
    """
    files = sorted(images_in(folder), key=lambda path: natural_key(path.name))
    kinds = Counter(_KINDS[path.suffix.lower()] for path in files)
    if not files:
        raise InputError(f"The folder {folder.name} holds no JPEG, PNG or TIFF image, expected one per frame.")
    if len(kinds) > 1:
        found = " and ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise InputError(f"The folder {folder.name} holds {found} images, expected frames of one kind.")
    checked_length(len(files), f"The folder {folder.name}")
    header = _checked_header(files)
    calibration, notes = _stated(files[0])
    return Recording(_FolderFrames(tuple(files), header), calibration, notes, tuple(files))


def _stated(path: Path) -> tuple[Calibration, tuple[str, ...]]:
    """Return what the first file says of the scale, and what the user should know of its kind."""
    if _is_tiff(path):
        with opened_tiff(path) as tif:
            calibration, notes = tiff_calibration(tif, path.name)
            return calibration, notes + page_notes(tif.pages.first, path.parent.name)
    with _opened_picture(path) as picture:
        is_grey = picture.mode not in ("P", "RGB", "RGBA", "CMYK", "YCbCr")
        return Calibration(), () if is_grey else (colour_note(path.parent.name),)


@dataclass(frozen=True)
class _Header:
    """What is known of an image before its pixels are read."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"an image of {self.shape[0]} x {self.shape[1]} px of type {self.dtype}"


@dataclass(frozen=True)
class _FolderFrames:
    """One image file per frame; a file is open only while it is read."""

    files: tuple[Path, ...]
    header: _Header

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.files), *self.header.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.header.dtype

    def read(self, index: int) -> Frame:
        path = self.files[index]
        frame = _tiff_pixels(path) if _is_tiff(path) else _picture_pixels(path)
        if (frame.shape, frame.dtype) != (self.header.shape, self.header.dtype):
            raise InputError(f"{path.name} has changed: it is {_Header(frame.shape, frame.dtype)}, not {self.header}.")
        return frame


def _checked_header(files: Sequence[Path]) -> _Header:
    """Return the header that all files have."""
    first = _header(files[0])
    for path in files[1:]:
        header = _header(path)
        if header != first:
            raise InputError(
                f"{path.name} in the folder {path.parent.name} is {header}, expected {first} as in {files[0].name}."
            )
    return first


def _is_tiff(path: Path) -> bool:
    return _KINDS[path.suffix.lower()] == "TIFF"


def _header(path: Path) -> _Header:
    if _is_tiff(path):
        with opened_tiff(path) as tif:
            page = first_page(tif, path.name)
            if len(tif.pages) > 1:
                raise InputError(
                    f"{path.name} in the folder {path.parent.name} holds {len(tif.pages)} images, expected one per "
                    "file; if it is a movie of its own, open it by itself."
                )
            return _Header((page.imagelength, page.imagewidth), np.dtype(page.dtype))
    with _opened_picture(path) as picture:
        dtype = _PIL_DTYPES.get(picture.mode)
        if dtype is None:
            raise InputError(f"{path.name} is an image of mode {picture.mode}, expected grey values or colours.")
        return _Header((picture.height, picture.width), np.dtype(dtype))


def _tiff_pixels(path: Path) -> Frame:
    with opened_tiff(path) as tif:
        return decoded_grey(first_page(tif, path.name), path.name)


def _picture_pixels(path: Path) -> Frame:
    with _opened_picture(path) as picture:
        if picture.mode in ("P", "CMYK", "YCbCr"):
            picture = picture.convert("RGB")
        pixels = np.asarray(picture)
    if pixels.ndim == 2:
        return pixels.astype(pixels.dtype.newbyteorder("="))
    return to_grey(pixels) if pixels.shape[2] >= 3 else np.array(pixels[..., 0])


@contextmanager
def _opened_picture(path: Path) -> Iterator[Image.Image]:
    """Open a JPEG or PNG; whatever Pillow finds wrong with it, also later, is told in one sentence."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            yield picture
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is not a {_KINDS[path.suffix.lower()]} image.") from error
    except FileNotFoundError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path.name} is damaged and cannot be read: {one_line(error)}.") from error
