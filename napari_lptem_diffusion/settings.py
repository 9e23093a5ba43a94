"""The settings of every stage: one model for the GUI's fields, the command line, TOML and the provenance.

Each field has a title, a help text, its bounds and, where it has one, its unit. ``None`` always means
"from the movie": the value is then measured, and the provenance says what was found.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_lptem_diffusion.errors import InputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def _field(default: Any, title: str, help_text: str, unit: str = "", advanced: bool = False, **bounds: Any) -> Any:
    """Return a field; the window folds it away if it is *advanced*."""
    extra: Any = {"unit": unit, "advanced": advanced}
    return Field(default, title=title, description=help_text, json_schema_extra=extra, **bounds)


class StageSettings(BaseModel):
    """Immutable settings of one stage; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MovieSettings(StageSettings):
    """What the user knows of the recording."""

    pixel_size_nm: Annotated[float, Field(gt=0, le=1e4)] | None = _field(
        None, "Pixel size", "Size of one pixel. Left to itself: the value in the file, if it has one.", "nm"
    )
    frame_interval_s: Annotated[float, Field(gt=0, le=1e5)] | None = _field(
        None,
        "Frame interval",
        "Time from one frame to the next. Left to itself: the value in the file, if it has one.",
        "s",
    )


class DetectionSettings(StageSettings):
    """How rods are found in a frame."""

    rods_are: Literal["dark", "bright"] | None = _field(
        None,
        "Rods are",
        "Dark rods on a bright field (bright-field TEM) or bright rods on a dark one. Left to itself: seen in "
        "the movie.",
    )
    threshold_sigma: float = _field(
        5.0,
        "Threshold",
        "How far a rod must stand out of the noise of the filtered frame. Lower finds fainter rods and more "
        "false ones.",
        "noise s.d.",
        ge=2,
        le=50,
    )
    rod_length_px: Annotated[float, Field(ge=3, le=500)] | None = _field(
        None, "Rod length", "Length of the rods from tip to tip. Left to itself: measured in the movie.", "px"
    )
    rod_width_px: Annotated[float, Field(ge=2, le=500)] | None = _field(
        None, "Rod width", "Width of the rods. Left to itself: measured in the movie.", "px"
    )

    device: Literal["cpu", "cuda"] = _field(
        "cpu",
        "Filter on",
        "Where frames are filtered, about a quarter of the work: on the processor, or on a CUDA graphics card through "
        "torch. Positions then agree to a thousandth of a pixel, but no longer to the last digit.",
        advanced=True,
    )

    @model_validator(mode="after")
    def _longer_than_wide(self) -> DetectionSettings:
        if self.rod_length_px is not None and self.rod_width_px is not None and self.rod_length_px < self.rod_width_px:
            raise ValueError(
                f"a rod is at least as long as it is wide, not {self.rod_length_px} by {self.rod_width_px}"
            )
        return self


class LinkingSettings(StageSettings):
    """How rods of consecutive frames become tracks."""

    search_range_px: Annotated[float, Field(gt=0, le=1000)] | None = _field(
        None,
        "Search range",
        "Farthest that a rod moves from one frame to the next. Left to itself: as far as the density of rods allows.",
        "px",
    )
    linker: Literal["likelihood", "trackpy"] = _field(
        "likelihood",
        "Linker",
        "From frame to frame: by displacement, rotation, size and contrast, or by trackpy from the displacement alone.",
        advanced=True,
    )
    memory_frames: int = _field(
        10,
        "Gap",
        "For how many frames a rod may be lost and still be the same rod.",
        "frames",
        advanced=True,
        ge=0,
        le=100,
    )
    minimum_frames: int = _field(
        8, "Shortest track", "Tracks seen in fewer frames are dropped.", "frames", ge=1, le=10_000
    )


class DiffusionSettings(StageSettings):
    """What the network is told besides the tracks."""

    exposure_fraction: float = _field(
        1.0,
        "Exposure",
        "Share of the frame interval during which the camera collects. 1: the whole interval, as "
        "direct-electron cameras do. Motion during the exposure imitates persistence.",
        "of the interval",
        ge=0,
        le=1,
    )
    localization_error_px: Annotated[float, Field(ge=0, le=100)] | None = _field(
        None,
        "Localization error",
        "One standard deviation of a position along one axis. Left to itself: the tracks' own, which the "
        "detector measures for every rod and frame; unknown if they have none.",
        "px",
    )


class Settings(StageSettings):
    """All settings of an analysis."""

    movie: MovieSettings = MovieSettings()
    detection: DetectionSettings = DetectionSettings()
    linking: LinkingSettings = LinkingSettings()
    diffusion: DiffusionSettings = DiffusionSettings()

    def to_toml(self) -> str:
        """Return the settings as TOML text; fields that are None are left out, as TOML has no null."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    @classmethod
    def from_toml(cls, path: str | Path) -> Settings:
        """Read settings from a TOML file.

        Raises
        ------
        InputError
            If the file cannot be read, is not TOML, or has an unknown name or a value out of bounds.
        """
        path = Path(path)
        try:
            return cls.checked(tomllib.loads(path.read_text(encoding="utf-8-sig")), str(path.name))
        except OSError as error:
            raise InputError(f"The settings file {path} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"The settings file {path} is not valid TOML: {error}.") from error

    @classmethod
    def checked(cls, values: dict[str, Any], source: str) -> Settings:
        """Build settings from nested *values*; an error names *source* and the first field at fault.

        Raises
        ------
        InputError
            If a name is unknown or a value is out of bounds.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{source}: {_in_words(error.errors()[0])}.") from error


def _in_words(error: ErrorDetails) -> str:
    """Say in half a sentence what a setting was and what was expected."""
    stage, *rest = (str(part) for part in error["loc"])
    name = rest[0] if rest else stage
    if error["type"] == "extra_forbidden":
        model = Settings.model_fields[stage].annotation if rest else Settings
        known = list(model.model_fields) if model is not None else []
        near = get_close_matches(name, known, n=1) or [", ".join(known)]
        return f"there is no setting {'.'.join([stage, *rest])}; {near[0]} was expected"
    if error["type"] == "value_error":
        return f"{stage}: {error['ctx']['error']}"
    expected = error["msg"].removeprefix("Input should be ").split(", unable")[0]
    return f"{stage}.{name} is {error['input']!r}; {expected} was expected"
