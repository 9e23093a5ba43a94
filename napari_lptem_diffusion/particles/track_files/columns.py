"""Which column of a foreign table of tracks is what: a guess from the header and some rows, that a user can correct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.movie.units import nm_per, seconds_per

ROLES = ("particle", "frame", "time", "x", "y", "localization_error", "angle")
_PIXELS = ("px", "pix", "pixel", "pixels")
_FROM_SUFFIX = ("nm", "um", "µm", "μm", "mm", "micron", "microns", "s", "sec", "ms", "deg", "rad", *_PIXELS)

# Names as tools write them, letters and digits only, best first.
_NAMES: dict[str, tuple[str, ...]] = {
    "particle": (
        "particle", "trackid", "particleid", "trajectoryid", "trajid", "track", "trajectory", "traj", "tracknumber",
        "trackindex", "trackn", "trackno", "tracknr", "particleindex", "particlenumber", "particleno", "moleculeid",
        "objectid", "tid", "pid", "particles", "tracks", "id", "label",
    ),
    "frame": (
        "frame", "frames", "frameid", "frameno", "framenumber", "frameindex", "framenr", "framen", "fr", "timepoint",
        "timeindex", "tindex", "timestep", "slice", "slicen", "sliceno", "slicenumber", "image", "imagenumber",
        "imageindex", "f",
    ),
    "time": ("positiont", "time", "t", "times", "timestamp", "elapsedtime"),
    "x": ("x", "positionx", "xposition", "posx", "xpos", "xcoordinate", "xcoord", "coordinatex", "coordx", "centroidx",
          "xcentroid", "centerx", "centrex", "xcenter", "xcentre", "xc", "xm", "cx", "locationx", "centroid0"),
    "y": ("y", "positiony", "yposition", "posy", "ypos", "ycoordinate", "ycoord", "coordinatey", "coordy", "centroidy",
          "ycentroid", "centery", "centrey", "ycenter", "ycentre", "yc", "ym", "cy", "locationy", "centroid1"),
    "localization_error": (
        "localizationerror", "localisationerror", "localizationprecision", "localisationprecision", "uncertainty",
        "uncertaintyxy", "locprecision", "ep",
    ),
    "angle": ("angle", "angledeg", "anglerad", "orientation", "rodangle", "ellipsetheta", "theta"),
}  # fmt: skip
_IN_RADIANS = ("anglerad", "rodangle", "ellipsetheta")


@dataclass(frozen=True)
class ColumnMap:
    """Which column of a table of tracks holds what, and in which units.

    Attributes
    ----------
    x, y : str
        Names of the columns with the position.
    particle : str, optional
        Which track; without it all rows are one particle.
    frame : str, optional
        Number of the frame; without it frames are counted from *time*.
    time : str, optional
        Used where there is no *frame*.
    localization_error, angle : str, optional
        One standard deviation of the position per axis; long axis from +x towards +y, y down.
    length_unit, time_unit : str
        Such as "nm", "px", "ms"; empty where the table does not say. The localization error is in the length unit.
    angle_unit : str
        "deg" or "rad".
    """

    x: str
    y: str
    particle: str | None = None
    frame: str | None = None
    time: str | None = None
    localization_error: str | None = None
    angle: str | None = None
    length_unit: str = ""
    time_unit: str = ""
    angle_unit: str = "deg"

    @property
    def named(self) -> dict[str, str]:
        """The columns that are used, by what they hold."""
        return {role: name for role in ROLES if (name := getattr(self, role)) is not None}


def suggest_columns(header: Sequence[str], sample: NDArray[np.float64]) -> ColumnMap | None:
    """Guess which column holds what.

    Parameters
    ----------
    header : sequence of str
        Names of the columns. Units may be part of them: ``x_nm``, ``x [µm]``, ``time (s)``.
    sample : array
        ``(rows, columns)``, some rows from the start of the table, NaN where there is no number. Decides what names
        cannot: whether a time counts frames, and, where no name says anything, which two columns are whole numbers
        that name each row once and which order of them makes the smaller steps.

    Returns
    -------
    ColumnMap or None
        None if no columns could hold x and y.
    """
    found = {role: _named(role, header) for role in ROLES}
    x, y = found["x"], found["y"]
    if x is None or y is None:
        return _suggest_by_numbers(header, sample)
    unit = unit_of(header[x])
    frame, time = found["frame"], found["time"]
    if frame is None and time is not None and not unit_of(header[time]) and _whole(sample[:, time]):
        frame, time = time, None
    error, angle = found["localization_error"], found["angle"]
    if error is not None and unit_of(header[error]) not in (unit, ""):
        error = None
    radians = angle is not None and (unit_of(header[angle]) == "rad" or _key(header[angle]) in _IN_RADIANS)

    def name(place: int | None) -> str | None:
        return None if place is None else header[place]

    return ColumnMap(
        x=header[x],
        y=header[y],
        particle=name(found["particle"]),
        frame=name(frame),
        time=name(time),
        localization_error=name(error),
        angle=name(angle),
        length_unit=unit,
        time_unit="" if time is None else unit_of(header[time]),
        angle_unit="rad" if radians else "deg",
    )


def unit_of(name: str) -> str:
    """Return the unit in the name of a column, "" if there is none: ``x_nm``, ``x (nm)`` and ``x [nm]`` give "nm"."""
    if bracketed := re.search(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*$", name):
        unit = bracketed[1]
        known = nm_per(unit) or seconds_per(unit) or unit.lower() in (*_PIXELS, "deg", "rad", "°")
        return unit if known else ""
    last = re.split(r"[_\s.]", name)[-1]
    return last if last != name and last.lower() in _FROM_SUFFIX else ""


def _key(name: str) -> str:
    """The name in lower case without its unit, letters and digits only."""
    bare = re.sub(r"[(\[][^()\[\]]*[)\]]\s*$", "", name)
    if unit := unit_of(bare):
        bare = bare[: -len(unit)]
    return re.sub(r"[^a-z0-9]", "", bare.lower())


def _named(role: str, header: Sequence[str]) -> int | None:
    """Place of the column whose name suits *role* best; of two units of the same, px first: nothing is converted."""
    names = _NAMES[role]
    suiting = [place for place, name in enumerate(header) if _key(name) in names]
    return min(
        suiting,
        key=lambda place: (names.index(_key(header[place])), unit_of(header[place]).lower() not in _PIXELS),
        default=None,
    )


def _whole(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool((known == np.round(known)).all()) and bool((known >= 0).all())


def _suggest_by_numbers(header: Sequence[str], sample: NDArray[np.float64]) -> ColumnMap | None:
    """Of four columns without telling names: two name the rows, of the others the first is x and the second y."""
    if len(header) != 4 or len(sample) < 2:
        return None
    rows = sample[np.isfinite(sample).all(axis=1)]
    best: tuple[float, tuple[int, int]] | None = None
    for particle, frame in permutations(range(4), 2):
        if not (_whole(rows[:, particle]) and _whole(rows[:, frame])):
            continue
        x, y = (place for place in range(4) if place not in (particle, frame))
        step = _median_step(rows[:, particle], rows[:, frame], rows[:, [x, y]])
        if step is not None and (best is None or step < best[0]):
            best = (step, (particle, frame))
    if best is None:
        return None
    x, y = (place for place in range(4) if place not in best[1])
    particle, frame = best[1]
    return ColumnMap(x=header[x], y=header[y], particle=header[particle], frame=header[frame])


def _median_step(
    particle: NDArray[np.float64], frame: NDArray[np.float64], positions: NDArray[np.float64]
) -> float | None:
    """Median step between consecutive rows of a particle; None if a row is not named once or nobody takes a step."""
    if len(np.unique(np.stack([particle, frame], axis=1), axis=0)) < len(particle):
        return None
    order = np.lexsort((frame, particle))
    joined = np.diff(particle[order]) == 0
    steps = np.hypot(*np.diff(positions[order], axis=0).T)[joined]
    return float(np.median(steps)) if len(steps) else None
