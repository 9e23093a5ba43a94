"""Where frames come from: what a format must offer, and the two sources that several formats share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie.calibration import Calibration

Frame = NDArray[Any]
"""One grey frame, (y, x), any integer or floating type."""


class FrameSource(Protocol):
    """The frames of one movie; `read` may be called from several threads at once."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, y, x)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames that `read` returns."""

    def read(self, index: int) -> Frame:
        """Return frame *index* (0 <= index < frames) as a new (y, x) array."""


class Remark(str):
    """A note on how something was read that asks for nothing."""


@dataclass(frozen=True)
class Recording:
    """What a format finds in a file: everything that a `Movie` is made of.

    Attributes
    ----------
    frames : FrameSource
    calibration : Calibration
        What the file itself says.
    notes : tuple of str
        Sentences that the user should read; those that ask for nothing are each a `Remark`.
    source_files : tuple of Path
        The files that hold the frames.
    """

    frames: FrameSource
    calibration: Calibration = field(default_factory=Calibration)
    notes: tuple[str, ...] = ()
    source_files: tuple[Path, ...] = ()


def checked_dtype(dtype: Any, name: str) -> np.dtype[Any]:
    """Return *dtype* if frames can have it.

    Raises
    ------
    InputError
        If it is neither integer nor floating.
    """
    checked: np.dtype[Any] = np.dtype(dtype)
    if checked.kind not in "uif":
        raise InputError(f"{name} holds values of type {checked}, expected integer or floating-point grey values.")
    return checked


def checked_length(frames: int, name: str) -> None:
    """Refuse what is no movie.

    Raises
    ------
    InputError
        If there are fewer than 2 frames.
    """
    if frames < 2:
        count = "one frame" if frames == 1 else "no whole frame"
        raise InputError(f"{name} holds {count}; a movie needs at least 2.")


def warn_of_cut(name: str, frames: int) -> tuple[str]:
    """Warn that a file ends early, and return the sentence for the movie's notes.

    Warns
    -----
    InputWarning
        Always.
    """
    sentence = f"{name} is cut off or damaged: only its first {frames} frames are whole and are read."
    warnings.warn(sentence, InputWarning, stacklevel=4)
    return (sentence,)


def movie_shape(shape: Sequence[int], name: str) -> tuple[int, int, int]:
    """Return (frames, y, x) of an array of *shape*, of whose axes before y and x only one may be longer than 1.

    Raises
    ------
    InputError
        If it has too few or too many axes, fewer than 2 frames, or empty ones.
    """
    lengths = [int(length) for length in shape]
    frame_axes = [length for length in lengths[:-2] if length != 1]
    if len(lengths) < 2 or len(frame_axes) > 1:
        raise InputError(f"{name} has the shape {tuple(lengths)}, expected three axes: (frames, y, x).")
    checked_length(frame_axes[0] if frame_axes else 1, name)
    height, width = lengths[-2:]
    if not height * width:
        raise InputError(f"{name} has frames of {height} x {width} pixels, expected at least one pixel.")
    return frame_axes[0], height, width


@dataclass(frozen=True)
class UncompressedFrames:
    """Frames that lie uncompressed in a file, each in one piece.

    The file is opened for each frame and closed again: as fast as a memory map where the frame is needed whole, and
    unlike one it neither keeps the file from being moved nor dies with the process if a network disk goes away.

    Attributes
    ----------
    path : Path
    offsets : (frames,) int array or range
        Where each frame begins, in bytes.
    frame_shape : (y, x)
    stored : dtype
        Type of the values in the file, with its byte order.
    """

    path: Path
    offsets: range | NDArray[np.int64]
    frame_shape: tuple[int, int]
    stored: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, y, x)."""
        return (len(self.offsets), *self.frame_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames, in the machine's byte order."""
        return np.dtype(self.stored.newbyteorder("="))

    def read(self, index: int) -> Frame:
        """Return frame *index*.

        Raises
        ------
        InputError
            If the file has gone or has become shorter since it was opened.
        """
        pixels = self.frame_shape[0] * self.frame_shape[1]
        try:
            values = np.fromfile(self.path, self.stored, pixels, offset=int(self.offsets[index]))
        except OSError as error:
            raise InputError(f"{self.path.name} can no longer be read: {error.strerror}.") from error
        if values.size < pixels:
            raise InputError(f"{self.path.name} has become shorter: frame {index} is no longer whole.")
        return values.astype(self.dtype, copy=False).reshape(self.frame_shape)


@dataclass(frozen=True)
class ArrayFrames:
    """Frames of an array: numpy, memory map, dask, zarr or any other that has a shape, a dtype and slicing.

    Axes of length 1 before y and x are dropped.
    """

    array: Any
    name: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, y, x)."""
        return movie_shape(self.array.shape, self.name)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames."""
        return checked_dtype(self.array.dtype, self.name)

    def read(self, index: int) -> Frame:
        """Return frame *index*."""
        key = tuple(0 if length == 1 else index for length in self.array.shape[:-2])
        return np.array(self.array[key])
