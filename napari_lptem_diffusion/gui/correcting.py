"""From what is selected and drawn to corrections, and what is said of them; nothing here knows Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.draft import Draft
from napari_lptem_diffusion.gui.scene import Scene
from napari_lptem_diffusion.particles import Detector
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    Correction,
    DeleteRod,
    MarkStuck,
    ReplaceRod,
    Rod,
)
from napari_lptem_diffusion.particles.correcting.fit import fitted_rod
from napari_lptem_diffusion.particles.correcting.tables import STUCK, nearest_rod, particle_at
from napari_lptem_diffusion.session import NOT_HERE

SHORTEST_STUCK = 10
"""Frames in which a particle has to be seen to measure the drift of the stage."""

_OF_SELECTED = ("delete", "split", "join", "edit", "delete_rod", "stuck", "dirt")
_NO_SIZES = "These tracks come from another tool: their rods have no sizes."
_FITTED_WITH = {"blur", "contrast", "angle_deg", "length", "width"}


def anchor_of(scene: Scene, particle: int, frame: int) -> Anchor:
    """Return where *particle* is in *frame*, or in the nearest frame in which it is seen."""
    track = scene.of_particle(particle)
    nearest = track.iloc[int(np.abs(track["frame"].to_numpy() - frame).argmin())]
    return Anchor(frame=int(nearest["frame"]), x=float(nearest["x"]), y=float(nearest["y"]))


def anchor_from(scene: Scene, particle: int, frame: int) -> Anchor:
    """Return the first place of *particle* in *frame* or later; it is seen there."""
    track = scene.of_particle(particle)
    return anchor_of(scene, particle, int(track.loc[track["frame"] >= frame, "frame"].iloc[0]))


def is_seen(scene: Scene, particle: int, frame: int) -> bool:
    """Return whether *particle* has a rod in *frame*."""
    return frame in scene.of_particle(particle)["frame"].to_numpy()


def draft_of(scene: Scene, particle: int, frame: int) -> Draft:
    """Return the pose of *particle* in *frame*, in which it is seen, to be changed by hand."""
    track = scene.of_particle(particle)
    rod = track[track["frame"] == frame].iloc[0]
    return Draft(*(float(rod[name]) for name in ("x", "y", "angle_deg", "length", "width")))


def typical_width_px(analysis: Analysis, particle: int | None) -> float:
    """Return the median width of a particle's rods; of all rods if it is None, and if there are none the expected."""
    tracks = analysis.tracks
    rods = tracks if particle is None else tracks[tracks["particle"] == particle]
    return float(rods["width"].median() if len(rods) else analysis.measured["rod_width_px"])


def rod_of(draft: Draft, frame: int) -> Rod:
    """Return *draft* as the rod of a correction."""
    return Rod(frame=frame, **vars(draft))


def can_fit(analysis: Analysis) -> bool:
    """Return whether rods can be fitted: not where tracks came from another tool, or the movie is not here."""
    return set(analysis.detections) >= _FITTED_WITH and NOT_HERE not in analysis.movie.notes


def with_fit(analysis: Analysis, correction: AddRod | ReplaceRod, detector: Detector) -> AddRod | ReplaceRod:
    """Fit the rod of *correction* to the movie.

    Parameters
    ----------
    analysis : Analysis
        Such that `can_fit`.
    correction : AddRod or ReplaceRod
    detector : Detector
        Calibrated on the movie.

    Returns
    -------
    AddRod or ReplaceRod
        With the pose of the fit; as it was if the rod cannot be fitted.
    """
    rod, others = correction.rod, analysis.detections
    if isinstance(correction, ReplaceRod):
        try:
            others = others.drop(index=others.index[nearest_rod(others, correction.old)])
        except InputError:  # a rod that is gone is refused when the correction is made
            return correction
    others = others[others["frame"] == rod.frame]
    fitted = fitted_rod(detector, np.asarray(analysis.movie[rod.frame]), rod, others)
    return correction if fitted is None else correction.model_copy(update={"rod": fitted})


def place_of(correction: Correction) -> Anchor:
    """Return the place that *correction* names; of two, the first."""
    match correction:
        case AddRod():
            return Anchor(frame=correction.rod.frame, x=correction.rod.x, y=correction.rod.y)
        case ReplaceRod():
            return correction.old
        case DeleteRod():
            return correction.rod
        case _:
            return correction.track


def particle_near(analysis: Analysis, place: Anchor) -> int | None:
    """Return the particle whose rod is at *place*, or None."""
    try:
        return particle_at(analysis.tracks, place)
    except InputError:
        return None


def mark_of(analysis: Analysis, particle: int) -> int | None:
    """Return which of the corrections has marked *particle* as stuck, or None."""
    stuck = set(analysis.marked.loc[analysis.marked["mark"] == STUCK, "particle"])
    if particle not in stuck:
        return None
    marks = [i for i, correction in enumerate(analysis.corrections) if isinstance(correction, MarkStuck)]
    named = {i: particle_near(analysis, place_of(analysis.corrections[i])) for i in marks}
    of_it = [i for i in marks if named[i] == particle]
    elsewhere = [i for i in marks if named[i] not in stuck]  # by a later split that place is another particle's now
    return next(iter(of_it or elsewhere[::-1]), None)


def hindrances(analysis: Analysis, scene: Scene | None, particles: Sequence[int], frame: int) -> dict[str, str]:
    """Return why corrections of *particles*, the main one last, cannot be made in *frame*; no entry: they can.

    Keys are ``delete``, ``split``, ``join``, ``add``, ``edit``, ``delete_rod``, ``stuck`` and ``dirt``. Without a
    scene there is no track.
    """
    has_sizes = set(analysis.detections) >= {"angle_deg", "length", "width"}
    no_sizes = {} if has_sizes else {"add": _NO_SIZES, "edit": _NO_SIZES}
    if scene is None:
        return dict.fromkeys(_OF_SELECTED, "There are no rods in tracks.") | no_sizes
    if not particles:
        return dict.fromkeys(_OF_SELECTED, "Select a rod first: click on it.") | no_sizes
    track = scene.of_particle(particles[-1])
    frames = track["frame"].to_numpy()
    hindered = dict(no_sizes)
    if frame not in frames:
        hindered |= dict.fromkeys(("edit", "delete_rod"), "The selected rod is not seen in this frame.")
    if not len(frames) or not frames[0] < frame <= frames[-1]:
        hindered["split"] = "Go to a frame after the first one of the track: it is cut before that frame."
    if len(particles) != 2:
        hindered["join"] = "Select two rods: click on the second with Ctrl."
    else:
        shared = np.intersect1d(frames, scene.of_particle(particles[0])["frame"].to_numpy())
        if len(shared) > 1:
            hindered["join"] = f"Both are seen in frames {shared[0]} to {shared[-1]}, so they are two rods."
    if min(len(scene.of_particle(particle)) for particle in particles) < SHORTEST_STUCK:
        hindered["stuck"] = f"The drift is measured on rods that are seen in at least {SHORTEST_STUCK} frames."
    return hindered
