"""Gatan's DigitalMicrograph files, DM3 and DM4: image stacks.

The layout of the files is as described by C. Boothroyd (www.er-c.org/cbb/info/dmformat): a tree of tags, in which the
images of a file lie under ``ImageList``. Sizes are big-endian; values have the byte order that the header names.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.found import Found
from napari_lptem_diffusion.movie.frames import Recording, UncompressedFrames, checked_length
from napari_lptem_diffusion.movie.units import seconds_per

_NUMBERS = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "B", 9: "b", 10: "B", 11: "q", 12: "Q"}
"""Formats of single values by DM's code of the encoded type; 15 is a structure, 18 a string, 20 an array."""
_SINGLE = 6
_PIXELS = {1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8"}
"""Types of grey values by DM's code of the kind of image."""
_KINDS = {3: "complex", 5: "packed complex", 8: "colour", 13: "complex", 14: "binary", 23: "colour"}
_ENERGIES = ("ev", "kev", "mev")

_MOST_TAGS = 200_000
_DEEPEST = 64
_LONGEST_PATH = 512
_LONGEST_INFO = 4096
_LONGEST_TEXT = 1024
"""Bounds on what is read of any file, far above what the program writes: a damaged one shall not fill the memory."""


@dataclass(frozen=True)
class _Stored:
    """An array that was left in the file."""

    offset: int
    nbytes: int


_Tags = dict[str, int | float | str | _Stored]
"""Values by their path in the tree, such as ``ImageList.0.ImageData.DataType``; nameless tags are numbered."""


def open_digital_micrograph(path: Path) -> Recording:
    """Read the tags of a DM3 or DM4 file; the frames of its image stack are read later.

    Raises
    ------
    InputError
        If it is no such file, is cut off, or holds anything but one stack of grey images.
    """
    tags, little_endian = _read_tags(path)
    image = _stack(tags, path)
    width, height, count = _dimensions(tags, image)
    checked_length(count, path.name)
    dtype = _pixel_type(tags, image, path.name).newbyteorder("<" if little_endian else ">")
    data = tags[f"{image}.Data"]
    frame_bytes = width * height * dtype.itemsize
    if not isinstance(data, _Stored) or min(width, height) < 1 or frame_bytes * count > data.nbytes:
        raise InputError(f"{path.name} is damaged: {count} frames of {width} x {height} px are not in its image data.")
    offsets = range(data.offset, data.offset + count * frame_bytes, frame_bytes)
    calibration, notes = _calibration(tags, image, path.name)
    return Recording(UncompressedFrames(path, offsets, (height, width), dtype), calibration, notes, (path,))


def _stack(tags: _Tags, path: Path) -> str:
    """Return the path of the one image that is a stack; the thumbnail and other single images are passed over."""
    images = [
        key.removesuffix(".Data") for key in tags if key.startswith("ImageList.") and key.endswith("ImageData.Data")
    ]
    stacks = [image for image in images if len(_dimensions(tags, image)) > 2]
    if len(stacks) > 1:
        raise InputError(f"{path.name} holds {len(stacks)} image stacks, expected one movie.")
    if not stacks:
        if path.with_suffix(".raw").exists() or any(".In-situ." in key for key in tags):
            raise InputError(
                f"{path.name} is the header of a Gatan in-situ recording, whose .raw file of frames is not read; save "
                "the recording as an image stack (.dm4) in DigitalMicrograph and open that."
            )
        checked_length(1 if images else 0, path.name)
    dimensions = _dimensions(tags, stacks[0])
    unit = _text(tags, f"{stacks[0]}.Calibrations.Dimension.2.Units").strip()
    if len(dimensions) > 3 or unit.lower() in _ENERGIES:
        what = "a spectrum image" if unit.lower() in _ENERGIES else f"data of {len(dimensions)} dimensions (4D-STEM)"
        raise InputError(f"{path.name} holds {what}, expected a movie of shape (frames, y, x).")
    return stacks[0]


def _dimensions(tags: _Tags, image: str) -> list[int]:
    """Return the lengths of the axes of an image, x first."""
    lengths: list[int] = []
    while isinstance(length := tags.get(f"{image}.Dimensions.{len(lengths)}"), int):
        lengths.append(length)
    return lengths


def _pixel_type(tags: _Tags, image: str, name: str) -> np.dtype:
    code = tags.get(f"{image}.DataType")
    if not isinstance(code, int) or code not in _PIXELS:
        kind = _KINDS.get(code, f"unknown (type {code})") if isinstance(code, int) else "unknown"
        raise InputError(
            f"{name} holds images whose values are {kind}, expected integer or floating-point grey values."
        )
    return np.dtype(_PIXELS[code])


def _calibration(tags: _Tags, image: str, name: str) -> tuple[Calibration, tuple[str, ...]]:
    axes = [f"{image}.Calibrations.Dimension.{axis}" for axis in range(3)]
    scales = [_number(tags, f"{axis}.Scale") for axis in axes]
    units = [_text(tags, f"{axis}.Units") for axis in axes]
    found = Found(name, f"DigitalMicrograph tags of {name}")
    if scales[0] is not None and scales[1] is not None:
        found.pixel_in((scales[0], scales[1]), units)
    seconds = seconds_per(units[2])
    exposure_s = _number(tags, image.removesuffix("ImageData") + "ImageTags.DataBar.Exposure Time (s)")
    if scales[2] is not None and seconds is not None:
        found.interval(scales[2] * seconds)
    elif exposure_s is not None and exposure_s > 0:
        note = f"{name} states an exposure of {exposure_s:g} s but no frame interval, which may be longer: enter it."
        return found.calibration(), (*found.notes, note)
    return found.calibration(), found.notes


def _number(tags: _Tags, key: str) -> float | None:
    value = tags.get(key)
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _text(tags: _Tags, key: str) -> str:
    value = tags.get(key, "")
    return value if isinstance(value, str) else ""


def _read_tags(path: Path) -> tuple[_Tags, bool]:
    """Return all tags of a file, and whether its values are little-endian.

    What comes after a cut is left out: a cut is told of only if the image itself is not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        version = int.from_bytes(head, "big")
        if len(head) < 4 or version not in (3, 4):
            raise InputError(f"{path.name} is no DigitalMicrograph file of version 3 or 4, as its ending says.")
        walk = _Walk(file, size, path.name, version)
        try:
            walk.size_word()
            walk.order = "<" if struct.unpack(">i", walk.bytes(4))[0] == 1 else ">"
            walk.group("", 0)
        except EOFError as error:
            if not walk.has_image:
                raise InputError(
                    f"{path.name} is cut off: it ends before the tags that say how large its frames are, so that none "
                    "of them can be read."
                ) from error
    return walk.tags, walk.order == "<"


@dataclass
class _Walk:
    """A walk through the tree of tags; every size is checked against the file before it is believed."""

    file: BinaryIO
    size: int
    name: str
    version: int
    order: str = "<"
    tags: _Tags = field(default_factory=dict)
    count: int = 0

    @property
    def has_image(self) -> bool:
        """Whether an image stack and its dimensions were passed."""
        return any(key.endswith("ImageData.Dimensions.2") for key in self.tags)

    def bytes(self, length: int) -> bytes:
        """Return the next bytes; EOFError if the file has fewer."""
        content = self.file.read(length)
        if len(content) < length:
            raise EOFError
        return content

    def size_word(self) -> int:
        """Return the next size: 4 bytes in DM3, 8 in DM4."""
        return int.from_bytes(self.bytes(4 if self.version == 3 else 8), "big")

    def group(self, path: str, depth: int) -> None:
        """Pass a group of tags, of which each is a group or a value."""
        if depth > _DEEPEST:
            raise self.damaged()
        self.bytes(2)  # whether it is sorted, whether it is open
        nameless = 0
        for _ in range(self.size_word()):
            self.count += 1
            kind, length = struct.unpack(">BH", self.bytes(3))
            label = self.bytes(length).decode("latin-1")
            if not label:
                label, nameless = str(nameless), nameless + 1
            if self.version == 4:
                self.bytes(8)
            inner = f"{path}.{label}" if path else label
            if kind not in (20, 21) or self.count > _MOST_TAGS or len(inner) > _LONGEST_PATH:
                raise self.damaged()
            if kind == 20:
                self.group(inner, depth + 1)
            else:
                self.value(inner)

    def value(self, path: str) -> None:
        """Pass a value: a number and a unit are kept, of an array where it lies; structures are left out."""
        if self.bytes(4) != b"%%%%":
            raise self.damaged()
        length = self.size_word()
        if not 0 < length <= _LONGEST_INFO:
            raise self.damaged()
        info = [self.size_word() for _ in range(length)]
        if info[0] in _NUMBERS and length == 1:
            code = self.order + _NUMBERS[info[0]]
            value = struct.unpack(code, self.bytes(struct.calcsize(code)))[0]
            self.tags[path] = float(str(np.float32(value))) if info[0] == _SINGLE else value  # 0.0125 as it was written
            return
        offset, nbytes = self.file.tell(), self.nbytes(info)
        if nbytes > self.size - offset:
            raise EOFError
        if path.endswith(".Units") and info[:2] == [20, 4] and nbytes <= _LONGEST_TEXT:
            self.tags[path] = self.bytes(nbytes).decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace")
            return
        if info[0] == 20:
            self.tags[path] = _Stored(offset, nbytes)
        self.file.seek(nbytes, 1)

    def nbytes(self, info: list[int]) -> int:
        """Return the size of a structure, a string or an array by its description."""
        count, item = (info[-1], info[1:-1]) if info[0] == 20 else (1, info)
        if item[:1] == [18] and len(item) == 2:
            return count * 2 * item[1]
        codes = item[4::2] if item[:1] == [15] else item
        if not all(code in _NUMBERS for code in codes):
            raise self.damaged()
        return count * sum(struct.calcsize("<" + _NUMBERS[code]) for code in codes)

    def damaged(self) -> InputError:
        return InputError(f"{self.name} is damaged: its tags make no sense near byte {self.file.tell()}.")
