"""What of a result is drawn, and how; kept over corrections and new results."""

from __future__ import annotations

from dataclasses import dataclass

from napari_lptem_diffusion.export.palette import MIXING_RATIO, SCALES

PARTICLE = "particle"
"""Colours rods by who they are rather than by how they move."""

AVERAGED_TO_EACH_SIDE = 2
"""Frames before and after the one in view that the running mean takes in."""

PALE = 0.3
"""How opaque rods and tracks beside the selected ones are, where these are to stand out."""

QUANTITIES = {**{scale.column: scale.title for scale in SCALES.values()}, PARTICLE: "Particle"}
"""What rods can be coloured by, with its title."""


@dataclass(frozen=True)
class Look:
    """What is drawn over a movie.

    Attributes
    ----------
    quantity : str
        Key of `QUANTITIES`.
    tail_frames : int
        Over how many frames a track is seen behind its rod.
    only_selected, only_filtered : bool
        Whether other rods are left out.
    others_pale : bool
        Whether rods and tracks beside the selected ones are paler.
    masks : bool
        Whether the pixels of rods are filled.
    averaged : bool
        Whether the movie is shown as a running mean over frames, so that faint rods stand out.
    movie, outlines, axes, numbers, changes, loose, legend : bool
        Whether each is seen; *changes* are the change points in the tails, *loose* the rods in no track.
    """

    quantity: str = MIXING_RATIO.column
    tail_frames: int = 60
    only_selected: bool = False
    only_filtered: bool = True
    others_pale: bool = False
    averaged: bool = False
    movie: bool = True
    outlines: bool = True
    masks: bool = False
    axes: bool = False
    numbers: bool = True
    changes: bool = True
    loose: bool = False
    legend: bool = True
