"""An analysis as a short Python script that does it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.particles.track_files.columns import ColumnMap
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_LINE_LENGTH = 100
_HOMES = {
    "settings": "napari_lptem_diffusion.settings",
    "correction": "napari_lptem_diffusion.particles.correcting.correction",
}


def python_recipe(analysis: Analysis, columns: ColumnMap | None = None) -> str:
    """Return a script that opens the movie, analyses and corrects it as *analysis* was, and saves the result.

    Run where this version of the program and the movie are, it writes the same CSVs, byte by byte. The path of the
    movie is in it, so that it runs as it is: it is for the user, not for what is published.

    Parameters
    ----------
    analysis : Analysis
        Of a movie, or of the tracks of another tool. A movie of which it is not known where it is goes by its name, and
        a comment says that its path is to be filled in.
    columns : ColumnMap, optional
        Which column of a file of tracks was taken for what; the script guesses them from the header otherwise.

    Returns
    -------
    str
        Python; settings that have their default are left out.
    """
    corrections = analysis.corrections
    of_tracks = _is_of_tracks(analysis)
    settings = _settings(analysis, of_tracks)
    tail = f"folder = analysis.save({analysis.movie.name + '_diffusion'!r})\nprint('Written to', folder)"
    parts = [
        f'"""{_one_line(analysis.movie.name)}: the motion of its rods, as napari-lptem-diffusion {__version__} '
        'found it."""',
        "\n".join(_imports(settings, corrections)),
        _tracks_judged(analysis, settings, columns) if of_tracks else _movie_analysed(analysis, settings),
    ]
    if corrections:
        listed = "".join(f"    {_code(correction, 4)},\n" for correction in corrections)
        parts.append(f"corrections = [\n{listed}]\nanalysis = replay(analysis, corrections)")
    return "\n\n".join([*parts, tail]) + "\n"


def _is_of_tracks(analysis: Analysis) -> bool:
    """Whether a file of tracks was judged: nobody looked for rods."""
    return all(lap.stage != "detect" for lap in analysis.times)


def _settings(analysis: Analysis, of_tracks: bool) -> Settings:
    """The settings that the script needs: `open_movie` takes the calibration, files of tracks no detector."""
    settings, known = analysis.settings, analysis.movie.calibration
    if of_tracks:  # the calibration in use, wherever it was said
        scale = {"pixel_size_nm": known.pixel_size_nm, "frame_interval_s": known.frame_interval_s}
        return Settings(movie=settings.movie.model_copy(update=scale), diffusion=settings.diffusion)
    return settings.model_copy(update={"movie": Settings().movie})


def _movie_analysed(analysis: Analysis, settings: Settings) -> str:
    calibration = analysis.movie.calibration
    known = {"pixel_size_nm": calibration.pixel_size_nm, "frame_interval_s": calibration.frame_interval_s}
    given = "".join(f", {name}={value!r}" for name, value in known.items() if value is not None)
    asked, place = _place(analysis.movie.path, analysis.movie.name)
    return (
        f"{asked}movie = lptem.open_movie({place}{given})\n"
        f"settings = {_code(settings, 0)}\nanalysis = lptem.analyze(movie, settings)"
    )


def _tracks_judged(analysis: Analysis, settings: Settings, columns: ColumnMap | None) -> str:
    asked, place = _place(next(iter(analysis.movie.source_files), None), analysis.movie.name)
    told = {} if columns is None else {role: name or "" for role, name in asdict(columns).items()}
    mapped = f"columns = {told!r}\n" if told else ""
    return (
        f"settings = {_code(settings, 0)}\n{mapped}{asked}"
        f"analysis = lptem.judge_tracks({place}, settings{', columns' if told else ''})"
    )


def _place(path: Path | None, name: str) -> tuple[str, str]:
    """A comment where the user has to say where the file is, and the path as it is written in Python."""
    if path is None:
        return "# It is not known where this file is: put in its path.\n", repr(name)
    return "", repr(path.resolve().as_posix())


def _imports(settings: Settings, corrections: tuple[BaseModel, ...]) -> Iterator[str]:
    """The imports in the order in which formatters put them."""
    yield "import napari_lptem_diffusion as lptem"
    if corrections:
        yield "from napari_lptem_diffusion.corrections import replay"
        yield f"from {_HOMES['correction']} import {_names(corrections)}"
    yield f"from {_HOMES['settings']} import {_names([settings])}"


def _names(values: Any) -> str:
    return ", ".join(sorted({type(part).__name__ for value in values for part in _parts(value)}))


def _parts(value: BaseModel) -> Iterator[BaseModel]:
    """Yield *value* and every model in it that is written out."""
    yield value
    for _, part in _said(value):
        if isinstance(part, BaseModel):
            yield from _parts(part)


def _said(value: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield the fields that do not have their default."""
    for name, field in type(value).model_fields.items():
        part = getattr(value, name)
        if field.is_required() or part != field.default:
            yield name, part


def _code(value: Any, indent: int) -> str:
    """Return the expression that makes *value*, broken into lines where it is long."""
    if not isinstance(value, BaseModel):
        return repr(value)
    name = type(value).__name__
    line = f"{name}({', '.join(f'{field}={_code(part, 0)}' for field, part in _said(value))})"
    if indent + len(line) <= _LINE_LENGTH and "\n" not in line:
        return line
    inner = " " * (indent + 4)
    fields = "".join(f"{inner}{field}={_code(part, indent + 4)},\n" for field, part in _said(value))
    return f"{name}(\n{fields}{' ' * indent})"


def _one_line(text: str) -> str:
    """Return *text* fit to stand in a docstring of one line."""
    return text.replace("\\", "/").replace('"', "'").replace("\n", " ")
