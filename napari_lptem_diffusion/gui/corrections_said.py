"""What is said of corrections: each names the rods by the numbers that they had when it was made."""

from __future__ import annotations

import numpy as np

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.corrections import rods_of
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.messages import counted
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
from napari_lptem_diffusion.particles.correcting.drift import stated_error_px
from napari_lptem_diffusion.particles.correcting.tables import Rods, apply_correction, particle_at

AT_REST = 1.5
"""Rods at rest move from frame to frame by less than so many times what their localization error makes."""


class Said:
    """The sentences of the corrections of an analysis, kept, so that only a new correction is looked into."""

    def __init__(self) -> None:
        self._analysis: Analysis | None = None
        self._sentences: tuple[str, ...] = ()

    def of(self, analysis: Analysis) -> tuple[str, ...]:
        """Return a sentence for each of ``analysis.corrections``."""
        before, wanted = self._analysis, analysis.corrections
        start, known = analysis.uncorrected or analysis, 0
        if before is not None and (before.uncorrected or before).tracks is start.tracks:
            if wanted == before.corrections[: len(wanted)]:  # as after an undo
                known = len(wanted)
            elif wanted[: len(before.corrections)] == before.corrections:
                start, known = before, len(before.corrections)
        new = sentences(rods_of(start), wanted[known:], analysis.settings.diffusion.localization_error_px)
        self._analysis, self._sentences = analysis, (*self._sentences[:known], *new)
        return self._sentences


def sentences(
    rods: Rods, corrections: tuple[Correction, ...], localization_error_px: float | None = None
) -> tuple[str, ...]:
    """Return a sentence for each of *corrections*, which are made on *rods* one after the other."""
    said = []
    for index, correction in enumerate(corrections):
        said.append(in_words(correction, rods))
        if index + 1 < len(corrections):
            rods = apply_correction(correction, rods, localization_error_px)
    return tuple(said)


def in_words(correction: Correction, rods: Rods) -> str:
    """Return a short sentence on *correction*, with the numbers that the rods have in *rods*, before it is made."""
    match correction:
        case DeleteTrack():
            return f"Deleted {_track(rods, correction.track)}"
        case SplitTrack():
            return f"Split {_rod(rods, correction.track)} at frame {correction.first_frame} → {rods.next_particle}"
        case JoinTracks():
            one, other = _rod(rods, correction.track), _rod(rods, correction.other)
            return f"Joined {one} and {other} · frame {correction.other.frame}"
        case DeleteRod():
            return f"Deleted {_rod(rods, correction.rod)} in frame {correction.rod.frame}"
        case AddRod():
            whose = f"rod {rods.next_particle}, new," if correction.track is None else _rod(rods, correction.track)
            return f"Drew {whose} in frame {correction.rod.frame}, {_how(correction.rod)}"
        case ReplaceRod():
            return f"Changed {_rod(rods, correction.old)} in frame {correction.rod.frame}, {_how(correction.rod)}"
        case MarkStuck():
            return f"Marked {_rod(rods, correction.track)} as stuck · frame {correction.track.frame}"
        case MarkDirt():
            return f"Marked {_rod(rods, correction.track)} as dirt · frame {correction.track.frame}"


def of_drift(analysis: Analysis, particle: int) -> tuple[str, bool]:
    """Return what it did to mark *particle* as stuck, and whether the rod moves too much to be at rest.

    Its steps are compared with those that the localization error alone makes: a stage drifts slowly from frame to
    frame, and a rod at rest shows little else.
    """
    track = analysis.tracks[analysis.tracks["particle"] == particle]
    drift_px = float(np.hypot(analysis.tracks["drift_x"], analysis.tracks["drift_y"]).max())
    nm = analysis.movie.calibration.pixel_size_nm
    size = f"{drift_px:.2g} px" if nm is None else f"{drift_px * nm:.2g} nm"
    steps = track[["x", "y"]].diff()[track["frame"].diff() == 1]
    set_px = analysis.settings.diffusion.localization_error_px
    error_px = float(stated_error_px(track).median()) if set_px is None else set_px
    times = float(np.sqrt((steps**2).to_numpy().mean() / 2)) / error_px if len(steps) else np.nan
    said = f"A drift of up to {size} was taken off all rods."
    if times == times:
        said += f" From frame to frame, rod {particle} moved {times:.1f} times its localization error."
    if times > AT_REST:
        said += " A rod at rest does not: its own motion, too, was taken off all rods. Undo, unless the stage shook so."
    return said, times > AT_REST


def _rod(rods: Rods, place: Anchor) -> str:
    """Name the rod at *place*."""
    try:
        return f"rod {particle_at(rods.tracks, place)}"
    except InputError:
        return "a rod in no track"


def _track(rods: Rods, place: Anchor) -> str:
    """Name the track at *place*, and say how long it is."""
    try:
        particle = particle_at(rods.tracks, place)
    except InputError:
        return f"a track in frame {place.frame}"
    return f"track {particle} ({counted(int((rods.tracks['particle'] == particle).sum()), 'frame')})"


def _how(rod: Rod) -> str:
    return "by hand" if rod.fit is None else "fitted"
