"""Tracks of any tool as a table of this program: CSV and TSV in any dialect, TrackMate's XML and CSV, MATLAB files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import Calibration
from napari_lptem_diffusion.movie.frames import Remark
from napari_lptem_diffusion.movie.units import nm_per, seconds_per
from napari_lptem_diffusion.particles.track_files.columns import ROLES, ColumnMap, suggest_columns
from napari_lptem_diffusion.particles.track_files.matlab import read_mat_table
from napari_lptem_diffusion.particles.track_files.text import peek, to_numbers
from napari_lptem_diffusion.particles.track_files.trackmate import read_trackmate_xml

Columns = ColumnMap | Mapping[str, str]
_NO_TRACK = ("", "nan", "none", "na", "null", "ø")
_TIME_TOLERANCE = 0.2
"""Of the frame interval: stamps in whole milliseconds pass at 80 frames/s, a lost frame does not."""
_DRAWN_PX = 1024
_MOST_FRAMES = 10_000_000


@dataclass(frozen=True)
class TrackFile:
    """Tracks as they were found in a file.

    Attributes
    ----------
    table : DataFrame
        ``particle``, ``frame`` (int), ``x``, ``y`` (px) and, where the file has them, ``localization_error`` (px) and
        ``angle_deg`` ([0, 180)); sorted by particle and frame.
    calibration : Calibration
        What the file says of pixel size and frame interval, or the user.
    columns : ColumnMap or None
        Which columns were taken for what; None for XML, which names everything itself.
    notes : tuple of str
        What the user should know: where frames start, what was left out.
    px_stands_for_nm : float or None
        By what positions in nm or um were divided; None where the file has or knows px.
    """

    table: pd.DataFrame
    calibration: Calibration
    columns: ColumnMap | None
    notes: tuple[str, ...]
    px_stands_for_nm: float | None


@dataclass(frozen=True)
class _Raw:
    """Columns by what they hold, in the units of the file; ``particle`` as text or numbers."""

    table: pd.DataFrame
    length_unit: str
    time_unit: str
    pixel_size: float | None = None
    frame_interval: float | None = None
    notes: tuple[str, ...] = ()


def read_tracks(
    path: str | Path,
    columns: Columns | None = None,
    pixel_size_nm: float | None = None,
    frame_interval_s: float | None = None,
) -> pd.DataFrame:
    """Return the table of tracks in a file, ready for `estimate_diffusion`; see `open_tracks`."""
    return open_tracks(path, columns, pixel_size_nm, frame_interval_s).table


def open_tracks(
    path: str | Path,
    columns: Columns | None = None,
    pixel_size_nm: float | None = None,
    frame_interval_s: float | None = None,
) -> TrackFile:
    """Read the tracks of any tool.

    Parameters
    ----------
    path : path
        ``.xml`` of TrackMate, ``.mat`` of MATLAB up to version 7, anything else is read as text in columns.
    columns : ColumnMap or mapping of str to str, optional
        Which column is what, or only what the guess from the header gets wrong: fields of `ColumnMap` by name, ""
        for a column that is not there.
    pixel_size_nm, frame_interval_s : float, optional
        What the user knows; both win over the file. The pixel size turns positions in nm or um into px. Without one,
        a px of the result stands for a round number of nm, which the calibration then says.

    Warns
    -----
    InputWarning
        If rows have no position, if tracks were cut or left out.

    Raises
    ------
    InputError
        If the file cannot be read, columns are missing, a particle is twice in a frame, or times are too uneven to
        count frames.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    taken: ColumnMap | None = None
    if suffix == ".xml":
        raw = _from_xml(path)
    elif suffix == ".mat":
        table = read_mat_table(path)
        taken = _chosen(columns, [str(column) for column in table.columns], table.head(1000).to_numpy(float), path.name)
        raw = _by_role(table[list(taken.named.values())], taken)
    else:
        text = peek(path)
        taken = _chosen(columns, text.header, text.sample, path.name)
        raw = _by_role(text.load(taken.named.values()), taken)
    if raw.table.empty:
        raise InputError(f"{path.name} holds no track.")
    return _tracks(raw, path.name, taken, pixel_size_nm, frame_interval_s)


def _from_xml(path: Path) -> _Raw:
    found = read_trackmate_xml(path)
    table = found.table
    if "angle" in table:
        table = table.assign(angle=np.degrees(table["angle"]))
    for note in found.notes:
        warnings.warn(f"{path.name}: {note}", InputWarning, stacklevel=4)
    return _Raw(table, found.length_unit, found.time_unit, found.pixel_size, found.frame_interval, found.notes)


def _chosen(
    columns: Columns | None, header: list[str] | tuple[str, ...], sample: NDArray[np.float64], name: str
) -> ColumnMap:
    """The guess with the user's columns over it, each found in the header with or without its unit."""
    has = ", ".join(header)
    if not isinstance(columns, ColumnMap):
        columns = _completed(columns or {}, suggest_columns(header, sample), name, has)
    for role, wanted in columns.named.items():
        suiting = [column for column in header if wanted in (column, column.rsplit(" (", 1)[0])]
        if len(suiting) != 1:
            raise InputError(f"{name} has no column {wanted!r} for {role} (found: {has}).")
        columns = replace(columns, **{role: suiting[0]})
    return columns


def _completed(said: Mapping[str, str], guess: ColumnMap | None, name: str, has: str) -> ColumnMap:
    known = [field.name for field in fields(ColumnMap)]
    unknown = [role for role in said if role not in known]
    if unknown:
        raise InputError(f"A column cannot hold {unknown[0]!r}; one of {', '.join(known)} was expected.")
    chosen = ({} if guess is None else asdict(guess)) | {
        role: column or (None if role in ROLES else "") for role, column in said.items()
    }
    if not (chosen.get("x") and chosen.get("y")):
        raise InputError(f"{name} has the columns {has}; which of them are x and y was not clear: name them.")
    return ColumnMap(**chosen)


def _by_role(table: pd.DataFrame, columns: ColumnMap) -> _Raw:
    found = {}
    for role, name in columns.named.items():
        found[role] = table[name] if role == "particle" else to_numbers(table[name])
    if "angle" in found and columns.angle_unit == "rad":
        found["angle"] = np.degrees(found["angle"])
    notes: tuple[str, ...] = ()
    if "particle" not in found:
        notes = ("The file has no column of particles: all rows are one particle.",)
        found["particle"] = pd.Series(0, index=table.index)
    if "frame" not in found and "time" not in found:
        raise InputError(f"The columns {', '.join(columns.named.values())} hold neither frame nor time.")
    return _Raw(pd.DataFrame(found), columns.length_unit, columns.time_unit, notes=notes)


def _tracks(
    raw: _Raw, name: str, columns: ColumnMap | None, pixel_size_nm: float | None, frame_interval_s: float | None
) -> TrackFile:
    table, left_out = _numbered(raw.table)
    notes = [*raw.notes, *left_out]
    lost = ~(np.isfinite(table["x"]) & np.isfinite(table["y"]))
    if lost.any():
        notes.append(f"{int(lost.sum())} rows of {name} have no position and are left out.")
        warnings.warn(notes[-1], InputWarning, stacklevel=4)
        table = table[~lost]
    if table.empty:
        raise InputError(f"{name} holds no track: no row has a particle and a position.")
    frames, interval = _frames(table, name, raw)
    table = table.assign(frame=frames).sort_values(["particle", "frame"], ignore_index=True)
    _refuse_twice(table, name)
    if (first := int(table["frame"].min())) == 1:
        notes.append(Remark(f"Frames start at {first}, as in the file; they are kept."))
    table, calibration = _in_pixels(table, raw, interval, name, pixel_size_nm)
    calibration = calibration.with_user_values(pixel_size_nm, frame_interval_s)
    is_physical = raw.pixel_size is None and nm_per(raw.length_unit) is not None
    stands_for = calibration.pixel_size_nm if is_physical else None
    return TrackFile(table, calibration, columns, tuple(notes), stands_for)


def _numbered(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give particles whole numbers: the file's own, or in the order of their names; drop what is in no track."""
    cells = table["particle"].astype(str).str.strip()
    numbers = to_numbers(cells)
    nowhere = cells.str.lower().isin(_NO_TRACK) | (numbers < 0)
    kept = table[~nowhere]
    notes: list[str] = [Remark(f"{int(nowhere.sum())} rows in no track are left out.")] if nowhere.any() else []
    numbers = numbers[~nowhere]
    if numbers.notna().all() and (numbers == numbers.round()).all() and (numbers < 2**53).all():
        return kept.assign(particle=numbers.astype("int64")), notes
    codes, names = pd.factorize(cells[~nowhere])
    notes.append(Remark(f"Particles have names and are numbered in their order: {names[0]} is 0."))
    return kept.assign(particle=codes.astype("int64")), notes


def _frames(table: pd.DataFrame, name: str, raw: _Raw) -> tuple[NDArray[np.int64], float | None]:
    """Return whole frames, and the frame interval in s where the file says it."""
    second = seconds_per(raw.time_unit)
    if "frame" not in table:
        frames, step = _frames_of_times(table, name)
        return frames, None if second is None else step * second
    frame = table["frame"]
    wrong = ~((frame >= 0) & (frame < _MOST_FRAMES) & (frame == frame.round()))
    if wrong.any():
        raise InputError(
            f"The frames of {name} hold {frame[wrong].iloc[0]:g}; whole numbers from 0 to {_MOST_FRAMES} were expected."
        )
    whole = frame.to_numpy().astype(np.int64)
    if second is None:
        return whole, None
    if raw.frame_interval is not None:
        return whole, raw.frame_interval * second
    even = _even_step(table["time"].to_numpy(), whole) if "time" in table else None
    return whole, None if even is None else even * second


def _even_step(times: NDArray[np.float64], frames: NDArray[np.int64]) -> float | None:
    """Return the time between frames if the times go with the frames, else None."""
    if not np.isfinite(times).all() or np.ptp(frames) == 0:
        return None
    first, last = frames.argmin(), frames.argmax()
    step = float((times[last] - times[first]) / (frames[last] - frames[first]))
    off = np.abs(times - times[first] - step * (frames - frames[first])).max()
    return step if step > 0 and off <= _TIME_TOLERANCE * step else None


def _frames_of_times(table: pd.DataFrame, name: str) -> tuple[NDArray[np.int64], float]:
    """Count frames from times: the step is the shortest common one."""
    times = table["time"].to_numpy()
    if not np.isfinite(times).all():
        raise InputError(f"The times of {name} have empty cells or text; numbers were expected.")
    ordered = table.sort_values(["particle", "time"])
    steps = ordered.groupby("particle")["time"].diff().dropna().to_numpy()
    steps = steps[steps > 0]
    if not len(steps):
        raise InputError(f"The times of {name} never advance within a particle; frames cannot be counted from them.")
    step = float(np.mean(steps[steps < 1.5 * np.quantile(steps, 0.01)]))
    stamps, place = np.unique(times, return_inverse=True)
    # From stamp to stamp, for stamps in whole milliseconds drift against a step that is not quite right.
    frames = np.concatenate([[0.0], np.cumsum(np.rint(np.diff(stamps) / step))])[place]
    step = float(np.ptp(times) / max(np.ptp(frames), 1))
    off = np.abs(times - times.min() - step * frames)
    if off.max() > _TIME_TOLERANCE * step or frames.max() >= _MOST_FRAMES:
        raise InputError(
            f"The times of {name} are uneven: {times[off.argmax()]:g} is {off.max() / step:.0%} of the interval "
            f"{step:g} from the nearest frame, at most {_TIME_TOLERANCE:.0%} was expected; give a column of frames."
        )
    return frames.astype(np.int64), step


def _refuse_twice(table: pd.DataFrame, name: str) -> None:
    twice = table[table.duplicated(["particle", "frame"])]
    if len(twice):
        row = twice.iloc[0]
        more = f", and {len(twice) - 1} more rows are likewise" if len(twice) > 1 else ""
        raise InputError(
            f"In {name} particle {row['particle']:.0f} is twice in frame {row['frame']:.0f}{more}; one row per "
            "particle and frame was expected."
        )


def _in_pixels(
    table: pd.DataFrame, raw: _Raw, interval_s: float | None, name: str, pixel_size_nm: float | None
) -> tuple[pd.DataFrame, Calibration]:
    """Turn lengths into px and angles into [0, 180); say what a px and a frame are."""
    unit_nm = nm_per(raw.length_unit)
    source = f"in {name}"
    size_nm: float | None
    if raw.pixel_size is not None:
        px = raw.pixel_size
        size_nm = None if unit_nm is None else px * unit_nm
    elif unit_nm is None:
        px, size_nm = 1.0, None
    else:
        size_nm = pixel_size_nm or _round_pixel_nm(table[["x", "y"]].to_numpy() * unit_nm)
        px = size_nm / unit_nm
        source = f"{name} is in {raw.length_unit}, and one px of the tables stands for {size_nm:g} nm"
    columns = {"particle": table["particle"], "frame": table["frame"], "x": table["x"] / px, "y": table["y"] / px}
    if "localization_error" in table:
        error = table["localization_error"] / px
        columns["localization_error"] = error.where(np.isfinite(error) & (error >= 0))
    if "angle" in table:
        columns["angle_deg"] = table["angle"] % 180
    calibration = Calibration()
    if size_nm is not None:
        calibration = replace(calibration, pixel_size_nm=size_nm, pixel_size_source=source)
    if interval_s is not None:
        calibration = replace(calibration, frame_interval_s=interval_s, frame_interval_source=f"in {name}")
    return pd.DataFrame(columns), calibration


def _round_pixel_nm(positions_nm: NDArray[np.float64]) -> float:
    """1, 2 or 5 times a power of ten, such that the tracks fit into a picture of ordinary size."""
    extent_nm = max(float(np.max(positions_nm)), float(np.ptp(positions_nm)), 1e-6)
    power = 10.0 ** np.floor(np.log10(extent_nm / _DRAWN_PX))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power * _DRAWN_PX >= extent_nm))
