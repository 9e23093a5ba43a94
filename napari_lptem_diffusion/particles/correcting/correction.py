"""What a user corrects in the rods and tracks of a movie, and the file that keeps it.

A correction names a rod or a track by a place: a frame and a position. The rod that is nearest there is meant, so that
corrections still say the same when the movie is analysed anew, with other settings, and particles get other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_lptem_diffusion.errors import InputError

CORRECTIONS_VERSION = 1
_FARTHEST_PX = 1e6


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_Frame = Annotated[int, Field(ge=0)]
_Place = Annotated[float, Field(ge=-_FARTHEST_PX, le=_FARTHEST_PX)]
_Size = Annotated[float, Field(gt=0, le=_FARTHEST_PX)]


class Anchor(_Part):
    """A place at which a rod is found again: the rod nearest to (*x*, *y*) px in *frame* is meant."""

    frame: _Frame
    x: _Place
    y: _Place


class Rod(_Part):
    """A rod that the user draws.

    Attributes
    ----------
    frame : int
    x, y : float
        Centre, px, pixel centres at integers.
    angle_deg : float
        Of the long axis, [0, 180), from +x towards +y (y down).
    length, width : float
        px.
    fit : mapping of str to float or None
        The other columns of a detection, by name, if the detector fitted the rod (`fitted_rod`); None for a rod whose
        pose is the user's own.
    """

    frame: _Frame
    x: _Place
    y: _Place
    angle_deg: Annotated[float, Field(ge=0, lt=180)]
    length: _Size
    width: _Size
    fit: Mapping[str, float] | None = None


class _Step(_Part):
    """What all corrections have.

    Attributes
    ----------
    action : int or None
        Corrections in a row with the same number were made in one action, and are undone together; None: by itself.
    """

    action: Annotated[int, Field(ge=1)] | None = None


class DeleteTrack(_Step):
    """Take a track out; its rods stay among the detections."""

    do: Literal["delete track"] = "delete track"
    track: Anchor


class SplitTrack(_Step):
    """Cut a track in two: from *first_frame* on it is a particle with a new number."""

    do: Literal["split track"] = "split track"
    track: Anchor
    first_frame: _Frame


class JoinTracks(_Step):
    """Make one track of two, or of a track and a rod in no track; it has the number of the one that starts first."""

    do: Literal["join tracks"] = "join tracks"
    track: Anchor
    other: Anchor


class DeleteRod(_Step):
    """Remove one detection, from its track too."""

    do: Literal["delete rod"] = "delete rod"
    rod: Anchor


class AddRod(_Step):
    """Add a rod that the detector missed: to *track*, or as the start of a new one."""

    do: Literal["add rod"] = "add rod"
    rod: Rod
    track: Anchor | None = None


class ReplaceRod(_Step):
    """Give a detection another pose: moved, turned, resized. It stays in its track."""

    do: Literal["replace rod"] = "replace rod"
    old: Anchor
    rod: Rod


class MarkStuck(_Step):
    """Say that a particle does not move: it then measures the drift of the stage and the localization error."""

    do: Literal["mark stuck"] = "mark stuck"
    track: Anchor


class MarkDirt(_Step):
    """Say that a particle is no rod but dirt: it is taken out of the tracks and listed."""

    do: Literal["mark dirt"] = "mark dirt"
    track: Anchor


Correction = Annotated[
    DeleteTrack | SplitTrack | JoinTracks | DeleteRod | AddRod | ReplaceRod | MarkStuck | MarkDirt,
    Field(discriminator="do"),
]
_MANY: TypeAdapter[tuple[Correction, ...]] = TypeAdapter(tuple[Correction, ...])


def corrections_to_json(corrections: Sequence[Correction]) -> str:
    """Return *corrections* as the text of a file that `read_corrections` reads; no digit is lost."""
    record = {"version": CORRECTIONS_VERSION, "corrections": corrections_record(corrections)}
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def corrections_record(corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """Return *corrections* as JSON-ready values, in their order."""
    return [correction.model_dump(exclude_none=True) for correction in corrections]


def corrections_of_record(record: object, source: str) -> tuple[Correction, ...]:
    """Return the corrections of a record; an error names *source* and the first one at fault.

    Raises
    ------
    InputError
        If *record* is no list of corrections.
    """
    try:
        return _MANY.validate_python(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"]]
        which = f"correction {int(place[0]) + 1}" if place and place[0].isdigit() else "the list of corrections"
        name = f", {'.'.join(place[1:])}" if place[1:] else ""
        raise InputError(f"{source}: in {which}{name}: {first['msg'][:1].lower()}{first['msg'][1:]}.") from error


def read_corrections(path: str | Path) -> tuple[Correction, ...]:
    """Read corrections from the file that an export wrote, ``corrections.json``.

    Raises
    ------
    InputError
        If the file cannot be read, is no such file, or is of a newer version of this program.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"The corrections {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The corrections {path} are not valid JSON: {error}.") from error
    if not isinstance(record, dict) or "corrections" not in record or "version" not in record:
        raise InputError(f"{path} has no 'version' and 'corrections'; a corrections.json of an export was expected.")
    if record["version"] != CORRECTIONS_VERSION:
        raise InputError(
            f"{path} is of version {record['version']!r}; version {CORRECTIONS_VERSION} was expected by this program."
        )
    return corrections_of_record(record["corrections"], path.name)
