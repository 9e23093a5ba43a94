"""The movie that all other rooms work on."""

from __future__ import annotations

import operator
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.movie.calibration import BY_USER, Calibration
from napari_lptem_diffusion.movie.frames import ArrayFrames, Frame, FrameSource, Recording

_CACHED_BYTES = 128 * 2**20
_NOT_FINITE = (
    "{name} has pixels that are not finite numbers: they are read as the median of their frame, and frames "
    "without any finite pixel as missing."
)


class Movie:
    """A movie whose frames are read when they are asked for.

    It can be indexed as an array of shape (frames, y, x), by integers and slices, from several threads at once,
    and handed to napari as it is. The last frames read are kept in memory (128 MiB); no file stays open.

    Frames are read-only (y, x) arrays of `dtype` in the machine's byte order. Pixels of a floating-point frame
    that are NaN or infinite are replaced by the median of its finite ones; a frame that has no finite pixel is
    missing and comes as all NaN.

    Attributes
    ----------
    name : str
    path : Path or None
        The file or folder; None for a movie made from an array.
    calibration : Calibration
    """

    def __init__(self, recording: Recording, name: str, path: Path | None = None) -> None:
        self.name = name
        self.path = path
        self._recording = recording
        self._reader = _Reader(recording.frames, name)

    @classmethod
    def from_array(
        cls,
        array: Any,
        name: str,
        pixel_size_nm: float | None = None,
        frame_interval_s: float | None = None,
        source: str = BY_USER,
    ) -> Movie:
        """Make a movie of an array of shape (frames, y, x): numpy, memory map, dask, zarr, a napari layer's data.

        Parameters
        ----------
        array : array-like with shape, dtype and slicing
            Read frame by frame. Axes of length 1 before y and x are dropped.
        name : str
        pixel_size_nm, frame_interval_s : float, optional
        source : str
            Where the two numbers came from, in words.

        Raises
        ------
        InputError
            If the array is no movie of grey frames, or a number is out of bounds.
        """
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = np.asarray(array)
        calibration = Calibration(None, None, "not in the array", "not in the array")
        calibration = calibration.with_user_values(pixel_size_nm, frame_interval_s, source)
        return cls(Recording(ArrayFrames(array, name), calibration), name)

    def calibrated(self, pixel_size_nm: float | None = None, frame_interval_s: float | None = None) -> Movie:
        """Return the same movie with the user's calibration; None keeps what is there.

        Raises
        ------
        InputError
            If a value is not a positive number within bounds.
        """
        calibration = self.calibration.with_user_values(pixel_size_nm, frame_interval_s)
        movie = Movie.__new__(Movie)
        movie.__dict__.update(self.__dict__)
        movie._recording = replace(self._recording, calibration=calibration)
        return movie

    def noted(self, notes: Sequence[str]) -> Movie:
        """Return the same movie with other notes on how it was read."""
        movie = Movie.__new__(Movie)
        movie.__dict__.update(self.__dict__)
        movie._recording = replace(self._recording, notes=tuple(notes))
        return movie

    @property
    def calibration(self) -> Calibration:
        """Pixel size and frame interval, and where each came from."""
        return self._recording.calibration

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the user should read; one more after a frame with pixels that are not finite."""
        return self._recording.notes + self._reader.notes

    @property
    def source_files(self) -> tuple[Path, ...]:
        """The files that hold the frames, in their order; empty for an array."""
        return self._recording.source_files

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, y, x)."""
        return self._recording.frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames."""
        return self._reader.dtype

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def size(self) -> int:
        """Number of pixels in all frames."""
        frames, height, width = self.shape
        return frames * height * width

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Frame]:
        return (self._reader.frame(index) for index in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return what numpy would for an array of `shape`, for integers, slices and an ellipsis.

        Raises
        ------
        IndexError
            If an integer is out of range, or the key is of another kind.
        InputError
            If a frame cannot be read.
        """
        frame_key, *inside = _expanded(key)
        within = tuple(inside)
        if not isinstance(frame_key, slice):
            return self._reader.frame(_checked_index(frame_key, len(self)))[within]
        indices = range(*frame_key.indices(len(self)))
        if not indices:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *within)]
        return np.stack([self._reader.frame(index)[within] for index in indices])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all frames in memory."""
        frames: NDArray[Any] = self[:]
        return frames if dtype is None else frames.astype(dtype, copy=False)

    def __repr__(self) -> str:
        frames, height, width = self.shape
        return f"<Movie {self.name!r}: {frames} frames of {height} x {width} px, {self.dtype}>"


class _Reader:
    """Finite frames of a source, the last ones kept; shared by a movie and its recalibrated copies."""

    def __init__(self, source: FrameSource, name: str) -> None:
        stored = source.dtype
        self.dtype = np.dtype(np.float32) if stored == np.float16 else stored.newbyteorder("=")
        self.notes: tuple[str, ...] = ()
        self._source = source
        self._name = name
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        frame_bytes = source.shape[1] * source.shape[2] * self.dtype.itemsize
        self._capacity = max(1, _CACHED_BYTES // max(frame_bytes, 1))

    def frame(self, index: int) -> Frame:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        frame = self._finite(self._source.read(index).astype(self.dtype, copy=False))
        frame.flags.writeable = False
        with self._lock:
            self._kept[index] = frame
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return frame

    def _finite(self, frame: Frame) -> Frame:
        if frame.dtype.kind != "f":
            return frame
        finite = np.isfinite(frame)
        if finite.all():
            return frame
        self._tell(_NOT_FINITE.format(name=self._name))
        filler = np.median(frame[finite]) if finite.any() else np.nan
        return np.where(finite, frame, filler).astype(frame.dtype)

    def _tell(self, sentence: str) -> None:
        with self._lock:
            if sentence in self.notes:
                return
            self.notes += (sentence,)
        warnings.warn(sentence, InputWarning, stacklevel=5)


def _expanded(key: Any) -> tuple[Any, Any, Any]:
    """Return *key* as one integer or slice for each of the three axes."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for part in keys:
        is_integer = isinstance(part, Integral) and not isinstance(part, bool)
        if not (part is Ellipsis or isinstance(part, slice) or is_integer):
            raise IndexError(f"a movie is indexed by integers and slices, not by {type(part).__name__}")
    ellipses = [place for place, part in enumerate(keys) if part is Ellipsis]
    if len(ellipses) > 1 or len(keys) - len(ellipses) > 3:
        raise IndexError("too many indices: a movie has 3 axes")
    place = ellipses[0] if ellipses else len(keys)
    missing = 3 - (len(keys) - len(ellipses))
    first, second, third = keys[:place] + [slice(None)] * missing + keys[place + 1 :]
    return first, second, third


def _checked_index(index: Any, length: int) -> int:
    """Return the non-negative index."""
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"frame {position} is out of range: the movie has {length} frames")
    return position % length
