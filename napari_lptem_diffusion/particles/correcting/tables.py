"""What each correction does to the tables of detections and tracks; tables that are handed in stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    Correction,
    DeleteRod,
    DeleteTrack,
    JoinTracks,
    MarkDirt,
    MarkStuck,
    ReplaceRod,
    Rod,
    SplitTrack,
)
from napari_lptem_diffusion.particles.correcting.drift import (
    DRIFT_COLUMNS,
    StageDrift,
    known_error_px,
    measure_drift,
    stated_error_px,
    with_drift,
)
from napari_lptem_diffusion.particles.following.linking import merge_suspected

FOUND_BY = "found_by"
BY_DETECTOR, BY_HAND, BY_FIT = "detector", "hand", "hand, fitted"
STUCK, DIRT = "stuck", "dirt"
MARKED_COLUMNS: dict[str, str] = {
    "particle": "int64",
    "mark": "str",
    "frames": "int64",
    "first_frame": "int64",
    "last_frame": "int64",
    "x": "float64",
    "y": "float64",
    "localization_error": "float64",
    "localization_error_measured": "float64",
    "localization_error_measured_error": "float64",
}
"""Columns of the table of marked particles with their types."""
_REACH_LENGTHS = 0.5
_REACH_WITHOUT_SIZE_PX = 10.0
_SHORTEST_STUCK = 10
_PLACE = ["frame", "x", "y"]


@dataclass(frozen=True)
class Rods:
    """What corrections change.

    Attributes
    ----------
    detections, tracks : DataFrame
        As in `Analysis`.
    marked : DataFrame
        One row per marked particle, columns as in `MARKED_COLUMNS`.
    next_particle : int
        The lowest number that no particle of this analysis ever had.
    """

    detections: pd.DataFrame
    tracks: pd.DataFrame
    marked: pd.DataFrame
    next_particle: int


def nothing_marked() -> pd.DataFrame:
    """Return the table of marked particles with no row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in MARKED_COLUMNS.items()})


def apply_correction(correction: Correction, rods: Rods, localization_error_px: float | None = None) -> Rods:
    """Return the tables as *correction* makes them.

    Particles keep their numbers; a new one gets ``rods.next_particle``. Tracks have columns of drift while a particle
    is marked as stuck, and the drift is measured anew whenever a stuck particle changes.

    Parameters
    ----------
    correction : Correction
    rods : Rods
    localization_error_px : float, optional
        The user's own, in place of the table's, for the drift.

    Raises
    ------
    InputError
        If there is no rod where the correction names one, or it cannot be done.
    """
    plain = replace(rods, tracks=rods.tracks.drop(columns=list(DRIFT_COLUMNS), errors="ignore"))
    changed = _changed(correction, plain)
    tracks = _as_linked(changed.tracks.sort_values(["particle", "frame"], ignore_index=True))
    detections = changed.detections.sort_values("frame", kind="stable", ignore_index=True)
    return _with_drift(replace(changed, detections=detections, tracks=tracks), localization_error_px)


def nearest_rod(rods: pd.DataFrame, anchor: Anchor, what: str = "rod") -> int:
    """Return the row (position) of the rod nearest to *anchor* in its frame, within half a rod length.

    Within 10 px where rods have no ``length``, as in tracks of other tools.

    Parameters
    ----------
    rods : DataFrame
        ``frame``, ``x``, ``y`` and, where known, ``length`` (px).
    anchor : Anchor
    what : str
        How an error calls what was looked for.

    Raises
    ------
    InputError
        If there is none so near.
    """
    rows = np.flatnonzero(rods["frame"].to_numpy() == anchor.frame)
    where = f"at x = {anchor.x:.1f}, y = {anchor.y:.1f} px in frame {anchor.frame}"
    if not len(rows):
        raise InputError(f"A {what} was expected {where}; there is none in that frame.")
    here = rods.iloc[rows]
    distance = np.hypot(here["x"].to_numpy() - anchor.x, here["y"].to_numpy() - anchor.y)
    best = int(distance.argmin())
    reach = _REACH_LENGTHS * float(here["length"].iloc[best]) if "length" in here else _REACH_WITHOUT_SIZE_PX
    if distance[best] > reach:
        raise InputError(
            f"A {what} was expected {where}, within {reach:.1f} px; the nearest is {distance[best]:.1f} px away."
        )
    return int(rows[best])


def particle_at(tracks: pd.DataFrame, anchor: Anchor) -> int:
    """Return the particle whose rod is nearest to *anchor* in its frame.

    Raises
    ------
    InputError
        If no track has a rod within half a rod length.
    """
    return int(tracks["particle"].iloc[nearest_rod(tracks, anchor, "track")])


def _changed(correction: Correction, rods: Rods) -> Rods:
    match correction:
        case DeleteTrack():
            return _without_track(rods, particle_at(rods.tracks, correction.track))
        case SplitTrack():
            return _split(rods, particle_at(rods.tracks, correction.track), correction.first_frame)
        case JoinTracks():
            return _join(rods, correction)
        case DeleteRod():
            return _without_rod(rods, nearest_rod(rods.detections, correction.rod))
        case AddRod():
            return _add(rods, correction)
        case ReplaceRod():
            return _replace(rods, correction)
        case MarkStuck():
            return _mark_stuck(rods, particle_at(rods.tracks, correction.track))
        case MarkDirt():
            return _mark_dirt(rods, particle_at(rods.tracks, correction.track))


def _as_linked(tracks: pd.DataFrame) -> pd.DataFrame:
    """Make what linking says of sorted tracks hold again: the user's own links are certain."""
    if "link_confidence" not in tracks:
        return tracks
    starts = ~tracks["particle"].duplicated()
    confidence = tracks["link_confidence"].fillna(1.0).mask(starts, 1.0)
    return tracks.assign(link_confidence=confidence, merge_suspected=merge_suspected(tracks))


def _without_track(rods: Rods, particle: int) -> Rods:
    return replace(rods, tracks=rods.tracks[rods.tracks["particle"] != particle])


def _split(rods: Rods, particle: int, first_frame: int) -> Rods:
    of_track = rods.tracks["particle"] == particle
    later = of_track & (rods.tracks["frame"] >= first_frame)
    if not later.any() or later.sum() == of_track.sum():
        frames = rods.tracks.loc[of_track, "frame"]
        raise InputError(
            f"Particle {particle} is seen in frames {frames.min()} to {frames.max()}; a split at frame {first_frame} "
            "would leave one part empty."
        )
    tracks = rods.tracks.assign(particle=rods.tracks["particle"].mask(later, rods.next_particle))
    return replace(rods, tracks=tracks, next_particle=rods.next_particle + 1)


def _join(rods: Rods, correction: JoinTracks) -> Rods:
    """Join; of two rods in the one frame in which one track ends and the other starts, the clearer one stays."""
    tracks = rods.tracks
    first = particle_at(tracks, correction.track)
    one, other = tracks[tracks["particle"] == first], _track_or_rod(rods, correction.other)
    second = int(other["particle"].iloc[0])
    if second == first:
        raise InputError(f"Particle {first} was to be joined with itself; two different tracks were expected.")
    early, late = sorted((one, other), key=lambda track: int(track["frame"].iloc[0]))
    shared = np.intersect1d(early["frame"], late["frame"])
    handed_over = len(shared) == 1 and early["frame"].iloc[-1] == late["frame"].iloc[0] and len(early) > 1 < len(late)
    if len(shared) and not handed_over:
        raise InputError(
            f"{_name(one)} and {_name(other).lower()} are both seen in {len(shared)} frames ({shared[0]} to "
            f"{shared[-1]}), so they are two rods; split or delete one of them first if they are not."
        )
    number = first if second < 0 else int(early["particle"].iloc[0])
    joined = pd.concat([early, late]).assign(particle=number)
    if "snr" in joined:
        joined = joined.sort_values("snr", ascending=False, kind="stable")
    joined = joined.drop_duplicates("frame")
    rest = tracks[~tracks["particle"].isin([first, second])]
    marks = rods.marked.assign(particle=rods.marked["particle"].replace({first: number, second: number}))
    marks = marks.drop_duplicates(["particle", "mark"])
    return replace(rods, tracks=pd.concat([rest, joined]).astype(tracks.dtypes), marked=marks)


def _track_or_rod(rods: Rods, anchor: Anchor) -> pd.DataFrame:
    """Return the rows of the track at *anchor*, or the one row of a rod in no track, as particle -1."""
    rod = rods.detections.iloc[[nearest_rod(rods.detections, anchor)]]
    tracked = rods.tracks["particle"][_same_place(rods.tracks, rod)]
    if tracked.empty:
        return rod.assign(particle=-1).reindex(columns=rods.tracks.columns)
    track: pd.DataFrame = rods.tracks[rods.tracks["particle"] == tracked.iloc[0]]
    return track


def _name(track: pd.DataFrame) -> str:
    particle = int(track["particle"].iloc[0])
    return f"Particle {particle}" if particle >= 0 else "The rod in no track"


def _without_rod(rods: Rods, row: int) -> Rods:
    rod = rods.detections.iloc[[row]]
    detections = rods.detections.drop(index=rods.detections.index[row])
    return replace(rods, detections=detections, tracks=rods.tracks[~_same_place(rods.tracks, rod)])


def _add(rods: Rods, correction: AddRod) -> Rods:
    if correction.track is None:
        rods = replace(rods, next_particle=rods.next_particle + 1)
        return _with_rod(rods, correction.rod, rods.next_particle - 1, _typical_error_px(rods, None))
    particle = particle_at(rods.tracks, correction.track)
    seen = rods.tracks.loc[rods.tracks["particle"] == particle, "frame"]
    if correction.rod.frame in seen.to_numpy():
        raise InputError(
            f"Particle {particle} has a rod in frame {correction.rod.frame} already; move that one, or delete it first."
        )
    return _with_rod(rods, correction.rod, particle, _typical_error_px(rods, particle))


def _replace(rods: Rods, correction: ReplaceRod) -> Rods:
    if correction.rod.frame != correction.old.frame:
        raise InputError(
            f"A rod of frame {correction.old.frame} was to be moved to frame {correction.rod.frame}; a rod stays in "
            "its frame."
        )
    row = nearest_rod(rods.detections, correction.old)
    tracked = rods.tracks["particle"][_same_place(rods.tracks, rods.detections.iloc[[row]])]
    particle = None if tracked.empty else int(tracked.iloc[0])
    return _with_rod(_without_rod(rods, row), correction.rod, particle, _typical_error_px(rods, particle))


def _typical_error_px(rods: Rods, particle: int | None) -> float:
    """Median localization error of a track; of all detections for a rod in none."""
    own = stated_error_px(rods.tracks)[rods.tracks["particle"] == particle]
    return float((stated_error_px(rods.detections) if own.empty else own).median())


def _with_rod(rods: Rods, rod: Rod, particle: int | None, typical_error_px: float) -> Rods:
    """Add *rod* to the detections and to the track of *particle*, if any; a pose by hand has the typical error."""
    detections, tracks = (
        table if FOUND_BY in table else table.assign(**{FOUND_BY: BY_DETECTOR})
        for table in (rods.detections, rods.tracks)
    )
    values: dict[str, object] = {"localization_error": typical_error_px, **(rod.fit or {})}
    values |= rod.model_dump(exclude={"fit"}) | {FOUND_BY: BY_HAND if rod.fit is None else BY_FIT}
    if (detections[_PLACE] == [rod.frame, rod.x, rod.y]).all(axis=1).any():
        raise InputError(f"There is a rod at x = {rod.x:.1f}, y = {rod.y:.1f} px in frame {rod.frame} already.")
    detections = _with_row(detections, values)
    if particle is not None:
        tracks = _with_row(tracks, {**values, "particle": particle})
    return replace(rods, detections=detections, tracks=tracks)


def _with_row(table: pd.DataFrame, values: dict[str, object]) -> pd.DataFrame:
    row = pd.DataFrame([values]).reindex(columns=table.columns).astype(table.dtypes)
    return pd.concat([table, row], ignore_index=True)


def _same_place(rods: pd.DataFrame, rod: pd.DataFrame) -> pd.Series:
    """Say of each row whether it is *rod* (one row), which has the very same frame and position in every table."""
    same: pd.Series = (rods[_PLACE] == rod[_PLACE].iloc[0]).all(axis=1)
    return same


def _mark_stuck(rods: Rods, particle: int) -> Rods:
    track = rods.tracks[rods.tracks["particle"] == particle]
    if len(track) < _SHORTEST_STUCK:
        raise InputError(
            f"Particle {particle} is seen in {len(track)} frames; the drift is measured on particles seen in at least "
            f"{_SHORTEST_STUCK}."
        )
    if ((rods.marked["particle"] == particle) & (rods.marked["mark"] == STUCK)).any():
        raise InputError(f"Particle {particle} is marked as stuck already.")
    return replace(rods, marked=_listed(rods.marked, track, STUCK))


def _mark_dirt(rods: Rods, particle: int) -> Rods:
    track = rods.tracks[rods.tracks["particle"] == particle]
    others = rods.marked[rods.marked["particle"] != particle]
    return _without_track(replace(rods, marked=_listed(others, track, DIRT)), particle)


def _listed(marked: pd.DataFrame, track: pd.DataFrame, mark: str, drift: StageDrift | None = None) -> pd.DataFrame:
    """Add a row that sums up *track* to the table of marked particles."""
    stated = float(np.sqrt((known_error_px(track) ** 2).mean()))
    row = {
        "particle": track["particle"].iloc[0],
        "mark": mark,
        "frames": len(track),
        "first_frame": track["frame"].min(),
        "last_frame": track["frame"].max(),
        "x": track["x"].mean(),
        "y": track["y"].mean(),
        "localization_error": stated,
        "localization_error_measured": stated * drift.error_ratio if drift else np.nan,
        "localization_error_measured_error": stated * drift.error_ratio_error if drift else np.nan,
    }
    table = pd.concat([marked, pd.DataFrame([row])], ignore_index=True) if len(marked) else pd.DataFrame([row])
    return table.astype(MARKED_COLUMNS).sort_values(["particle", "mark"], ignore_index=True)


def _with_drift(rods: Rods, localization_error_px: float | None) -> Rods:
    """Measure the drift on the stuck particles that are left, if any, and list anew what they say."""
    tracks = rods.tracks
    dirt = rods.marked[rods.marked["mark"] == DIRT]
    stuck = rods.marked.loc[rods.marked["mark"] == STUCK, "particle"]
    lengths = tracks[tracks["particle"].isin(stuck)].groupby("particle").size()
    used = tracks[tracks["particle"].isin(lengths.index[lengths >= _SHORTEST_STUCK])]
    if used.empty:
        return replace(rods, marked=dirt.reset_index(drop=True))
    if localization_error_px is not None:
        used = used.assign(localization_error=localization_error_px)
    drift = measure_drift(used, int(tracks["frame"].min()), int(tracks["frame"].max()))
    marked = dirt
    for _, track in used.groupby("particle", sort=True):
        marked = _listed(marked, track, STUCK, drift)
    return replace(rods, tracks=with_drift(tracks, drift.table), marked=marked)
