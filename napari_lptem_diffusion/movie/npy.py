"""NumPy files: one array of shape (frames, y, x)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.frames import (
    ArrayFrames,
    FrameSource,
    Recording,
    UncompressedFrames,
    checked_dtype,
    checked_length,
    movie_shape,
    warn_of_cut,
)


def open_npy(path: Path) -> Recording:
    """Read the header of a NumPy file; its frames are read later.

    Raises
    ------
    InputError
        If it holds no array of grey frames.

    Warns
    -----
    InputWarning
        If the file ends early; the whole frames are kept.
    """
    shape, by_columns, dtype, start = _header(path)
    checked_dtype(dtype, path.name)
    declared, height, width = movie_shape(shape, path.name)
    frame_bytes = height * width * dtype.itemsize
    whole = min(declared, (path.stat().st_size - start) // frame_bytes)
    checked_length(whole, path.name)
    notes = warn_of_cut(path.name, whole) if whole < declared else ()
    frames: FrameSource
    if by_columns:
        if notes:
            raise InputError(f"{path.name} ends early and is in Fortran order, so that no frame of it is whole.")
        frames = ArrayFrames(np.memmap(path, dtype, "r", start, shape, order="F"), path.name)
    else:
        offsets = range(start, start + whole * frame_bytes, frame_bytes)
        frames = UncompressedFrames(path, offsets, (height, width), dtype)
    return Recording(frames, notes=notes, source_files=(path,))


def _header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, whether in Fortran order, type, and where the values begin."""
    try:
        with path.open("rb") as file:
            version = npy_format.read_magic(file)
            read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, by_columns, dtype = read(file)
            return shape, by_columns, dtype, file.tell()
    except ValueError as error:
        raise InputError(
            f"{path.name} is not a NumPy array file, expected an array of shape (frames, y, x) saved by numpy.save."
        ) from error
