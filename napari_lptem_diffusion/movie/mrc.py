"""MRC stacks (MRC2014 and what came before it), as cameras and SerialEM, IMOD and DE-Server write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.found import Found
from napari_lptem_diffusion.movie.frames import Recording, Remark, UncompressedFrames, checked_length, warn_of_cut

_FIELDS = {"nx": ("i4", 0), "ny": ("i4", 4), "nz": ("i4", 8), "mode": ("i4", 12), "mx": ("i4", 28), "my": ("i4", 32),
           "cell_x": ("f4", 40), "cell_y": ("f4", 44), "dmax": ("f4", 80), "ispg": ("i4", 88), "nsymbt": ("i4", 92),
           "imod_stamp": ("i4", 152), "imod_flags": ("i4", 156), "stamp": ("u1", 212)}  # fmt: skip
"""Type and place of what is read of the header (Cheng et al. 2015, doi:10.1016/j.jsb.2015.04.002, and IMOD's)."""
_HEADER = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [kind for kind, _ in _FIELDS.values()],
        "offsets": [place for _, place in _FIELDS.values()],
        "itemsize": 1024,
    }
)
_PIXELS = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_KINDS = {3: "complex", 4: "complex", 16: "colour", 101: "4-bit"}
_LARGEST_EDGE_PX = 2**20
_BIG_ENDIAN = 0x11
_VOLUMES = 401
"""Space groups from here on mark stacks of volumes."""
_IMOD = 1146047817
_LONGEST_INFO = 2**20
"""Bytes that are read of a DE-Server's text file; real ones have 40 000."""


def open_mrc(path: Path) -> Recording:
    """Read the header of an MRC stack; its frames are read later.

    Raises
    ------
    InputError
        If it is no MRC file, or holds anything but a stack of grey images.

    Warns
    -----
    InputWarning
        If the file ends early; the whole frames are kept.
    """
    header = _read_header(path)
    info = _detector_info(path)
    if header["ispg"] >= _VOLUMES or _is_scan(info):
        what = "a 4D-STEM scan" if _is_scan(info) else "a stack of volumes"
        raise InputError(f"{path.name} holds {what}, expected a movie of shape (frames, y, x).")
    dtype, notes = _pixel_type(header, path.name)
    width, height, declared = (int(header[axis]) for axis in ("nx", "ny", "nz"))
    checked_length(declared, path.name)
    start = _HEADER.itemsize + max(0, int(header["nsymbt"]))
    frame_bytes = width * height * dtype.itemsize
    whole = max(0, min(declared, (path.stat().st_size - start) // frame_bytes))
    checked_length(whole, path.name)
    if whole < declared:
        notes += warn_of_cut(path.name, whole)
    frames = UncompressedFrames(path, range(start, start + whole * frame_bytes, frame_bytes), (height, width), dtype)
    calibration, left_out = _calibration(header, info, path.name)
    return Recording(frames, calibration, notes + left_out, (path,))


def _read_header(path: Path) -> Any:
    """Return the header in the byte order that its machine stamp names, or if that makes no sense in the other."""
    with path.open("rb") as file:
        content = file.read(_HEADER.itemsize)
    if len(content) == _HEADER.itemsize:
        little = np.frombuffer(content, _HEADER.newbyteorder("<"))[0]
        big = np.frombuffer(content, _HEADER.newbyteorder(">"))[0]
        for header in (big, little) if little["stamp"] == _BIG_ENDIAN else (little, big):
            edges = [header["nx"], header["ny"]]
            if min(edges) > 0 and max(edges) <= _LARGEST_EDGE_PX and int(header["mode"]) in {*_PIXELS, *_KINDS}:
                return header
    raise InputError(f"{path.name} is no MRC file: its first 1024 bytes are not the header of one.")


def _pixel_type(header: Any, name: str) -> tuple[np.dtype[Any], tuple[str, ...]]:
    """Return the type of the values, and a note where 8-bit ones are unsigned against the standard."""
    mode = int(header["mode"])
    if mode not in _PIXELS:
        raise InputError(f"{name} holds {_KINDS[mode]} images, expected integer or floating-point grey values.")
    by_imod = header["imod_stamp"] == _IMOD and not header["imod_flags"] & 1
    if mode == 0 and (by_imod or header["dmax"] > 127):
        note = f"The 8-bit values of {name} are read as unsigned, as its header says (the MRC standard's are signed)."
        return np.dtype("u1"), (Remark(note),)
    order = header.dtype["mode"].byteorder
    return np.dtype(_PIXELS[mode]).newbyteorder(order), ()


def _calibration(header: Any, info: Mapping[str, str], name: str) -> tuple[Calibration, tuple[str, ...]]:
    """Return the pixel size of the header, and the frame time of a DE-Server's text file beside it."""
    found = Found(name, f"MRC header of {name}")
    with np.errstate(all="ignore"):
        x_angstrom, y_angstrom = header["cell_x"] / header["mx"], header["cell_y"] / header["my"]
    if x_angstrom == 1 and y_angstrom == 1:
        found.leave_out("a pixel size of exactly 1 angstrom, which programs write where they know none")
    elif math.isfinite(x_angstrom) and x_angstrom != 0:
        found.pixel_in([float(str(size)) for size in (x_angstrom, y_angstrom)], ("angstrom", "angstrom"))
    frame_ns, summed = _positive(info, "Frame Time (nanoseconds)"), _positive(info, "Autosave Movie Sum Count")
    if frame_ns is not None and summed is not None:
        found.interval(frame_ns * summed * 1e-9, f"frame time in the DE-Server's text file beside {name}")
    return found.calibration(), found.notes


def _detector_info(path: Path) -> dict[str, str]:
    """Return what the DE-Server wrote beside ``<run>_movie.mrc``, in ``<run>_info.txt``; empty if there is no such."""
    beside = path.with_name(f"{path.stem.rpartition('_')[0]}_info.txt")
    if not beside.is_file():
        return {}
    with beside.open(encoding="utf-8", errors="replace") as file:
        lines = file.read(_LONGEST_INFO).splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def _is_scan(info: Mapping[str, str]) -> bool:
    """Whether the beam was scanned, so that each image belongs to a place instead of a time."""
    points = (_positive(info, "Scan - Size X") or 0) * (_positive(info, "Scan - Size Y") or 0)
    return info.get("Scan - Enable") == "Enable" and points > 1


def _positive(info: Mapping[str, str], key: str) -> float | None:
    try:
        value = float(info.get(key, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
