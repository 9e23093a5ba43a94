"""TIA series (Thermo Fisher / FEI's TEM Imaging & Analysis): the ``.ser`` file of an acquisition.

The layout is as TIA's own description and C. Boothroyd (www.er-c.org/cbb/info/TIAformat) give it; all is little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.found import Found
from napari_lptem_diffusion.movie.frames import Frame, Recording, UncompressedFrames, checked_length, warn_of_cut
from napari_lptem_diffusion.movie.units import nm_per, seconds_per

_MAGIC = b"\x49\x49\x97\x01"
_LONG_OFFSETS = 0x0220
"""From this version on offsets have 8 bytes instead of 4."""
_IMAGES = 0x4122
_PIXELS = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8"}
_ELEMENT = struct.Struct("<ddiddihii")
"""Before the pixels of a frame: offset, step and its element in x, the same in y, type of values, width, height."""
_TAG = struct.Struct("<HxxI")
"""Kind of the tag, time in s since 1970."""
_TIMES = (0x4152, 0x4142)
_LONGEST_TEXT = 4096
_LARGEST_IMAGE_STEP_M = 1e-4
"""Steps above are those of diffraction patterns, in 1/m: the file does not name the unit."""
_STAMP_S = 1.0
"""Resolution of the time stamps."""
_ERROR = 0.01
"""Relative error of the frame interval up to which time stamps of that resolution are used."""


@dataclass(frozen=True)
class _Series:
    """What the head of a file says."""

    offsets: NDArray[np.int64]
    tag_offsets: NDArray[np.int64]
    step: float
    unit: str


@dataclass(frozen=True)
class _Element:
    """What stands before the pixels of a frame: (x, y) steps between pixels, their type, (y, x) shape."""

    steps: tuple[float, float]
    stored: np.dtype[Any]
    shape: tuple[int, int]


def open_ser(path: Path) -> Recording:
    """Read the head of a TIA series and of its frames; the pixels are read later.

    Raises
    ------
    InputError
        If it is no such file, or holds anything but a series of grey images of one size.

    Warns
    -----
    InputWarning
        If the file ends early; the whole frames are kept.
    """
    with path.open("rb") as file:
        try:
            series = _read_head(file, path)
        except EOFError as error:
            raise InputError(f"{path.name} is cut off in its head, before the first frame.") from error
        checked_length(len(series.offsets), path.name)
        elements = _read_elements(file, series.offsets, path)
        times_s = _read_times(file, series.tag_offsets[: len(elements)])
    checked_length(len(elements), path.name)
    notes = warn_of_cut(path.name, len(elements)) if len(elements) < len(series.offsets) else ()
    first = elements[0]
    starts = series.offsets[: len(elements)] + _ELEMENT.size
    calibration, left_out = _calibration(series, first.steps, times_s, path.name)
    frames = _UprightFrames(UncompressedFrames(path, starts, first.shape, first.stored))
    return Recording(frames, calibration, notes + left_out, (path,))


@dataclass(frozen=True)
class _UprightFrames:
    """Frames whose rows stand in the file from the bottom to the top, as TIA's y axis points."""

    stored: UncompressedFrames

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.dtype

    def read(self, index: int) -> Frame:
        return self.stored.read(index)[::-1].copy()


def _read_head(file: BinaryIO, path: Path) -> _Series:
    """Return where the frames are, and what is said of the axis along which they follow one another."""
    if file.read(4) != _MAGIC:
        raise InputError(f"{path.name} is no TIA series: it does not begin as one.")
    version, kind, _, total, valid = _read(file, "<hiiii")
    word = "q" if version >= _LONG_OFFSETS else "i"
    table, axes = _read(file, f"<{word}i")
    if kind != _IMAGES:
        raise InputError(f"{path.name} holds spectra, expected a movie of grey images.")
    if axes != 1:
        raise InputError(
            f"{path.name} holds images over {axes} axes (a map), expected a movie of shape (frames, y, x)."
        )
    _, _, step, _ = _read(file, "<iddi")
    _text(file)
    unit = _text(file)
    if nm_per(unit) is not None:
        raise InputError(
            f"{path.name} holds images along a line on the sample, expected a movie of shape (frames, y, x)."
        )
    width = struct.calcsize(f"<{word}")
    if not 0 <= valid <= total or not 0 <= table <= path.stat().st_size - 2 * total * width:
        raise EOFError
    file.seek(table)
    tables = np.frombuffer(file.read(2 * total * width), f"<i{width}").astype(np.int64).reshape(2, total)
    return _Series(tables[0, :valid], tables[1, :valid], step, unit)


def _read_elements(file: BinaryIO, offsets: NDArray[np.int64], path: Path) -> list[_Element]:
    """Return what stands before each frame, up to the first frame that is not whole."""
    size = path.stat().st_size
    elements: list[_Element] = []
    for frame, offset in enumerate(offsets):
        if not 0 <= offset <= size - _ELEMENT.size:
            break
        file.seek(int(offset))
        _, x_step, _, _, y_step, _, code, width, height = _ELEMENT.unpack(file.read(_ELEMENT.size))
        found = f"Frame {frame} of {path.name} has {height} x {width} px"
        if code not in _PIXELS or min(height, width) < 1:
            raise InputError(f"{found} of type {code}, expected an image of integer or floating-point grey values.")
        element = _Element((x_step, y_step), np.dtype(_PIXELS[code]).newbyteorder("<"), (height, width))
        first = (elements or [element])[0]
        if (element.stored, element.shape) != (first.stored, first.shape):
            raise InputError(
                f"{found} of type {element.stored.name}, expected {first.shape[0]} x {first.shape[1]} px of type "
                f"{first.stored.name} as in the first."
            )
        whole_bytes = _ELEMENT.size + height * width * element.stored.itemsize
        if offset > size - whole_bytes or len(elements) >= size // whole_bytes:
            break
        elements.append(element)
    return elements


def _read_times(file: BinaryIO, offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the time stamps of the frames, in whole seconds; empty if one is missing."""
    times_s = []
    for offset in offsets:
        file.seek(max(0, int(offset)))
        tag = file.read(_TAG.size)
        if len(tag) < _TAG.size or _TAG.unpack(tag)[0] not in _TIMES:
            return np.empty(0)
        times_s.append(_TAG.unpack(tag)[1])
    return np.array(times_s, dtype=np.float64)


def _calibration(
    series: _Series, steps: tuple[float, float], times_s: NDArray[np.float64], name: str
) -> tuple[Calibration, tuple[str, ...]]:
    """Return the pixel size of the first frame, and the interval by the axis of the frames or by their time stamps."""
    found = Found(name, f"TIA header of {name}")
    if max(steps) > _LARGEST_IMAGE_STEP_M:
        found.leave_out(f"a distance of {steps[0]:g} between pixels, which counts 1/m (a diffraction pattern)")
    elif any(steps):
        found.pixel(steps[0] * 1e9, steps[1] * 1e9)
    per_unit_s = seconds_per(series.unit)
    if per_unit_s is not None:
        found.interval(series.step * per_unit_s)
    elif len(times_s) > 1:
        _interval_by_stamps(found, times_s, name)
    return found.calibration(), found.notes


def _interval_by_stamps(found: Found, times_s: NDArray[np.float64], name: str) -> None:
    """Take the mean interval of the time stamps if they span long enough for their resolution."""
    span_s = times_s[-1] - times_s[0]
    if span_s * _ERROR < _STAMP_S:
        found.notes += (f"The time stamps of {name} count whole seconds, too coarse for a frame interval: enter it.",)
        return
    mean_s = span_s / (len(times_s) - 1)
    found.interval(float(mean_s), f"mean of the time stamps of {name}, which count whole seconds")
    from_line_s = times_s - times_s[0] - mean_s * np.arange(len(times_s))
    if np.ptp(from_line_s) > 2 * _STAMP_S + 0.1 * mean_s:
        found.notes += (f"The frame times of {name} are uneven; their mean interval, {mean_s:g} s, is used.",)


def _read(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    """Return the next values; EOFError if the file ends before."""
    content = file.read(struct.calcsize(layout))
    if len(content) < struct.calcsize(layout):
        raise EOFError
    return struct.unpack(layout, content)


def _text(file: BinaryIO) -> str:
    """Return the next text, which follows its length."""
    (length,) = _read(file, "<i")
    if not 0 <= length <= _LONGEST_TEXT:
        raise EOFError
    return file.read(length).decode("latin-1")
