"""What was done to what, so that an analysis can be repeated and cited; never where on whose machine."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.correcting.correction import corrections_record
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_NUMBERS_DEPEND_ON = ("numpy", "scipy", "pandas", "scikit-image", "trackpy", "torch", "tifffile", "imageio")
_CHUNK_BYTES = 1 << 22


def provenance(
    analysis: Analysis,
    files: Sequence[str],
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Return the record of *analysis* as JSON-ready values.

    Parameters
    ----------
    analysis : Analysis
    files : sequence of str
        The files of the export, relative to its folder, with "/".
    progress, should_stop : callable, optional
        The input files are read once for their SHA-256, which takes a while for large movies.

    Raises
    ------
    InputError
        If a file of the movie can no longer be read.
    Stopped
        If *should_stop* answered True.
    """
    movie = analysis.movie
    return {
        "software": software_versions(),
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "movie": {
            "name": movie.name,
            "frames": movie.shape[0],
            "height_px": movie.shape[1],
            "width_px": movie.shape[2],
            "dtype": str(movie.dtype),
            "notes": list(movie.notes),
        },
        "input_files": _input_files([Path(path) for path in movie.source_files], progress, should_stop),
        "calibration": {
            "pixel_size_nm": movie.calibration.pixel_size_nm,
            "pixel_size_source": movie.calibration.pixel_size_source,
            "frame_interval_s": movie.calibration.frame_interval_s,
            "frame_interval_source": movie.calibration.frame_interval_source,
        },
        "settings": analysis.settings.model_dump(),
        "measured": {name: float(x) if math.isfinite(x) else None for name, x in analysis.measured.items()},
        "corrections": corrections_record(analysis.corrections),
        "model_sha256": analysis.motion.model_hash,
        "results": {
            "detections": len(analysis.detections),
            "particles": len(analysis.motion.particles),
        },
        "stages": [
            {"stage": lap.stage, "seconds": round(lap.seconds, 3), "items": lap.items, "unit": lap.unit}
            for lap in analysis.times
        ],
        "files": list(files),
    }


def software_versions() -> dict[str, str]:
    """Return the versions of this program, of Python, of the system and of the packages the numbers depend on."""
    found = {"napari-lptem-diffusion": __version__, "python": platform.python_version()}
    found["system"] = f"{platform.system()} {platform.machine()}"
    for package in _NUMBERS_DEPEND_ON:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _input_files(paths: list[Path], progress: Progress | None, should_stop: ShouldStop | None) -> list[dict[str, Any]]:
    """Name (relative to the folder that holds them all), size and SHA-256 of each file."""
    if not paths:
        return []
    home = Path(os.path.commonpath([path.parent.resolve() for path in paths]))
    records = []
    for done, path in enumerate(paths):
        report(progress, should_stop, done, len(paths), "hash input files")
        try:
            digest, size_bytes = _sha256(path, should_stop)
        except OSError as error:
            raise InputError(f"The movie file {path.name} can no longer be read: {error.strerror}.") from error
        name = (path.parent.resolve() / path.name).relative_to(home).as_posix()
        records.append({"name": name, "bytes": size_bytes, "sha256": digest})
    return records


def _sha256(path: Path, should_stop: ShouldStop | None) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            report(None, should_stop, 0, 1, "hash input files")
    return digest.hexdigest(), size_bytes
