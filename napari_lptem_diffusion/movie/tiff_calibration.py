"""What the tags of a TIFF file say of pixel size and frame interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
from tifffile import TiffFile

from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.found import Found
from napari_lptem_diffusion.movie.units import nm_per, seconds_per

_PRINTED_PIXEL_NM = 1e3
"""Resolutions in inches and cm of larger pixels than this are a printer's or a screen's (72 dpi, 300 dpi ...)."""


def tiff_calibration(tif: TiffFile, name: str) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration in an open TIFF file and sentences on what could not be used.

    OME metadata is asked first, then ImageJ's, then the plain resolution tags.

    Parameters
    ----------
    tif : TiffFile
    name : str
        What the file is called in the sources and notes.
    """
    if tif.ome_metadata:
        return ome_calibration(tif.ome_metadata, name)
    resolution = _pixels_per_unit(tif)
    if tif.imagej_metadata is not None:
        return imagej_calibration(tif.imagej_metadata, resolution, name)
    unit = {2: "inch", 3: "cm"}.get(int(getattr(tif.pages.first, "resolutionunit", 1)), "")
    nm = nm_per(unit)
    if nm is None or resolution is None or nm / resolution[0] > _PRINTED_PIXEL_NM:
        return Calibration(), ()
    found = Found(name, f"resolution tags of {name}")
    found.pixel(nm / resolution[0], nm / resolution[1])
    return found.calibration(), found.notes


def imagej_calibration(
    metadata: Mapping[str, Any], pixels_per_unit: tuple[float, float] | None, name: str
) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration in ImageJ's description of a file: ``unit``, ``finterval`` or ``fps``.

    Parameters
    ----------
    metadata : mapping
        The lines of the description, ``key=value``.
    pixels_per_unit : (x, y) floats, optional
        The resolution tags, which count in the description's unit.
    name : str
        What the file is called in the sources and notes.
    """
    found = Found(name, f"ImageJ tags of {name}")
    nm = nm_per(str(metadata.get("unit", "")))
    if nm is not None and pixels_per_unit is not None:
        found.pixel(nm / pixels_per_unit[0], nm / pixels_per_unit[1])
    interval, fps = _positive(metadata.get("finterval")), _positive(metadata.get("fps"))
    time_unit = seconds_per(str(metadata.get("tunit", "s")))
    if interval is not None and time_unit is not None:
        found.interval(interval * time_unit)
    elif fps is not None:
        found.interval(1 / fps, f"fps in the ImageJ tags of {name}, which may be a playback speed")
    return found.calibration(), found.notes


def ome_calibration(xml: str, name: str) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration in OME-XML: PhysicalSizeX and Y, TimeIncrement or the planes' DeltaT.

    Units that are left out are um and s (OME schema 2016-06).
    """
    found = Found(name, f"OME metadata of {name}")
    pixels = ome_pixels(xml)
    if pixels is None:
        return Calibration(), (f"The OME metadata of {name} is not valid XML and is left out.",)
    sizes = [_ome_value(pixels, f"PhysicalSize{axis}", "um", nm_per) for axis in "XY"]
    x_nm, y_nm = sizes[0] or sizes[1], sizes[1] or sizes[0]
    if x_nm is not None and y_nm is not None:
        found.pixel(x_nm, y_nm)
    increment = _ome_value(pixels, "TimeIncrement", "s", seconds_per)
    if increment is not None:
        found.interval(increment)
    else:
        found.intervals(np.diff(_plane_times_s(pixels)))
    return found.calibration(), found.notes


def ome_pixels(xml: str) -> ElementTree.Element | None:
    """Return the first Pixels element of OME-XML; None if the text is not XML or has none."""
    try:
        return ElementTree.fromstring(xml).find(".//{*}Pixels")
    except ElementTree.ParseError:
        return None


def _pixels_per_unit(tif: TiffFile) -> tuple[float, float] | None:
    """Return the resolution tags in x and y, if both are positive."""
    tags = tif.pages.first.tags
    values = []
    for tag_name in ("XResolution", "YResolution"):
        tag = tags.get(tag_name)
        if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2 or not all(tag.value):
            return None
        values.append(tag.value[0] / tag.value[1])
    return (values[0], values[1]) if min(values) > 0 else None


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _ome_value(pixels: ElementTree.Element, key: str, default_unit: str, per: Any) -> float | None:
    value, unit = _positive(pixels.get(key)), per(pixels.get(f"{key}Unit", default_unit))
    return None if value is None or unit is None else value * unit


def _plane_times_s(pixels: ElementTree.Element) -> list[float]:
    """Return the planes' DeltaT in the order of TheT."""
    times: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        unit = seconds_per(plane.get("DeltaTUnit", "s"))
        try:
            frame, time = int(plane.get("TheT", "")), float(plane.get("DeltaT", ""))
        except ValueError:
            continue
        if unit is not None and math.isfinite(time):
            times.setdefault(frame, time * unit)
    return [times[frame] for frame in sorted(times)]
