"""Velox EMD files (HDF5, Thermo Fisher Scientific): image series of cameras and scans.

Each image or series is a group under ``Data/Image`` with ``Data``, of shape (y, x, frames), and ``Metadata``, of which
each column is the JSON of one frame.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.found import Found
from napari_lptem_diffusion.movie.frames import Frame, Recording, checked_length

_LARGEST_READ = 2**30
"""Bytes that one frame may take; a damaged header may ask for any number."""
_LONGEST_METADATA = 2**22
_FRAMES_ASKED = 17
"""Frames, evenly spread, whose time stamps are read: of each all metadata have to be read, some 60 kB."""


def open_emd(path: Path) -> Recording:
    """Read what a Velox EMD file says of its image series; the frames are read later.

    Raises
    ------
    InputError
        If it is no such file, is cut off, or holds anything but one series of grey images.
    """
    with _opened(path) as file:
        images = file.get("Data/Image")
        if images is None:
            raise InputError(
                f"{path.name} is no EMD file of Velox: it has no group Data/Image; other EMD files are not read, save "
                "the movie as TIFF."
            )
        series = {key: group for key, group in images.items() if _frames_in(group) > 1}
        if len(series) > 1:
            detectors = " and ".join(sorted(_detector(_metadata(group, 0)) for group in series.values()))
            raise InputError(
                f"{path.name} holds {len(series)} image series ({detectors}), expected one movie; export one of them "
                "from Velox as TIFF."
            )
        if not series:
            checked_length(min(1, len(images)), path.name)
        ((key, group),) = series.items()
        frames = _checked_frames(group["Data"], path, f"Data/Image/{key}/Data")
        calibration, notes = _calibration(group, path.name)
        return Recording(frames, calibration, notes, (path,))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; whatever is wrong with it, also later, is told in one sentence."""
    import h5py  # takes half a second

    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # in a damaged file HDF5 trips over almost anything
        if not path.exists():
            raise InputError(f"{path.name} can no longer be read: No such file or directory.") from error
        what = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        raise InputError(f"{path.name} is cut off, damaged or no HDF5 file ({what}).") from error


@dataclass(frozen=True)
class _SeriesFrames:
    """Frames along the last axis of a dataset; the file is open only while one is read."""

    path: Path
    dataset: str
    shape: tuple[int, int, int]
    stored: np.dtype[Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.newbyteorder("=")

    def read(self, index: int) -> Frame:
        with _opened(self.path) as file:
            data = file[self.dataset]
            if (*data.shape[2:], *data.shape[:2]) != self.shape:
                raise InputError(f"{self.path.name} has changed: frame {index} is no longer as it was.")
            return np.asarray(data[:, :, index], dtype=self.dtype)


def _frames_in(group: Any) -> int:
    """Return how many grey frames a group of Data/Image holds; 0 of other data."""
    data: Any = group.get("Data") if hasattr(group, "get") else None
    is_series = getattr(data, "ndim", 0) == 3 and data.dtype.kind in "uif"
    return int(data.shape[2]) if is_series else 0


def _checked_frames(data: Any, path: Path, dataset: str) -> _SeriesFrames:
    height, width, count = data.shape
    decoded_at_once = math.prod(data.chunks) if data.chunks and data.id.get_create_plist().get_nfilters() else 0
    largest = max(height * width, decoded_at_once) * data.dtype.itemsize
    if not height * width or largest > _LARGEST_READ or not data.id.get_storage_size():
        raise InputError(
            f"{path.name} is damaged: it states {count} frames of {height} x {width} px that it cannot hold."
        )
    return _SeriesFrames(path, dataset, (count, height, width), data.dtype)


def _metadata(group: Any, frame: int) -> dict[str, Any]:
    """Return what is said of one frame; nothing if that cannot be read."""
    table = group.get("Metadata")
    if getattr(table, "ndim", 0) != 2 or not 0 < table.shape[0] <= _LONGEST_METADATA:
        return {}
    column = bytes(np.asarray(table[:, min(frame, table.shape[1] - 1)]))
    try:
        said = json.loads(column.partition(b"\0")[0])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _said(metadata: Any, *keys: str) -> Any:
    """Return the value behind *keys*, one in another; an empty text if there is none."""
    for key in keys:
        metadata = metadata.get(key, "") if isinstance(metadata, dict) else ""
    return metadata


def _number(metadata: Any, *keys: str) -> float:
    """Return the number behind *keys*; NaN if there is none."""
    try:
        return float(_said(metadata, *keys))
    except (TypeError, ValueError):
        return math.nan


def _detector(metadata: dict[str, Any]) -> str:
    return str(_said(metadata, "BinaryResult", "Detector"))[:40] or "unnamed"


def _calibration(group: Any, name: str) -> tuple[Calibration, tuple[str, ...]]:
    """Return the pixel size, and the interval by the camera's time stamps or else the scan's frame time."""
    first = _metadata(group, 0)
    result = _said(first, "BinaryResult")
    found = Found(name, f"Velox metadata of {name}")
    units = [str(_said(result, f"PixelUnit{axis}")) for axis in "XY"]
    sizes = [_number(result, "PixelSize", edge) for edge in ("width", "height")]
    found.pixel_in(sizes, units)
    frames = np.unique(np.linspace(0, _frames_in(group) - 1, _FRAMES_ASKED).astype(int))
    stamp = f"Detectors[{_detector(first)}].TimeStamp"
    metadata = (_metadata(group, int(frame)) for frame in frames)
    times_us = np.array([_number(said, "CustomProperties", stamp, "value") for said in metadata])
    scan_s = _number(first, "Scan", "FrameTime")
    if np.isfinite(times_us).all() and np.ptp(times_us) > 0:
        found.intervals(np.diff(times_us) / np.diff(frames) / 1e6, f"time stamps of the camera in {name}")
    elif scan_s > 0:
        found.interval(scan_s, f"frame time of the scan in the Velox metadata of {name}")
    return found.calibration(), found.notes
