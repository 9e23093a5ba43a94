"""Rods of tracks in single frames: where each may be, and what its track knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, RodPriors, joined_priors
from napari_lptem_diffusion.particles.following.clear_views import ClearViews

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class TrackedRods:
    """Rods on the grid of the fit; tables take too long to be asked frame by frame.

    Attributes
    ----------
    row : ndarray
        (rods,): of the table that they were read from.
    particle : ndarray
        (rods,)
    sought : ndarray
        (rods,) of bool: lost in this frame; where such a rod is, is a guess.
    parameters : ndarray
        (rods, 8)
    priors : RodPriors
        Sizes of the tracks.
    contrast : ndarray
        (rods,): of the rod when alone.
    contrast_spread : float
        Standard deviation of its logarithm from frame to frame.
    """

    row: Rows
    particle: NDArray[np.int64]
    sought: NDArray[np.bool_]
    parameters: Matrix
    priors: RodPriors
    contrast: Matrix
    contrast_spread: float

    @classmethod
    def of(cls, rods: pd.DataFrame, detector: Detector, views: ClearViews, sought: bool = False) -> TrackedRods:
        """Read a table of *rods*: ``particle``, pose, and the size of the track with its errors."""
        particle = rods["particle"].to_numpy(np.int64)
        usual = np.array([views.contrast[name] for name in particle.tolist()], dtype=float)
        parameters, priors = detector.parameters(rods), detector.size_priors(rods)
        rows, guesses = np.arange(len(rods)), np.full(len(rods), sought)
        return cls(rows, particle, guesses, parameters, priors, usual, views.spread)

    def __len__(self) -> int:
        return len(self.particle)

    def take(self, rows: Rows | list[int]) -> TrackedRods:
        """Return these *rows* alone."""
        chosen = np.asarray(rows, dtype=np.intp)
        return TrackedRods(
            self.row[chosen],
            self.particle[chosen],
            self.sought[chosen],
            self.parameters[chosen],
            self.priors.take(chosen),
            self.contrast[chosen],
            self.contrast_spread,
        )

    def at(self, parameters: Matrix) -> TrackedRods:
        """Return the rods with other *parameters*."""
        return replace(self, parameters=parameters)

    def usual_amplitudes(self, detector: Detector) -> Matrix:
        """Amplitude of each rod with the contrast that it has when alone."""
        return detector.amplitudes(self.contrast, self.parameters)

    def priors_where_touching(self, detector: Detector) -> RodPriors:
        """Priors of the sizes and, for rods that touch another of these, of their contrast when alone.

        How a blot is shared between two rods is else hardly determined: all of it can be one of them.
        """
        priors = RodPriors(self.priors.centre.copy(), self.priors.precision.copy())
        touching = [row for group in touching_groups(self.parameters) if len(group) > 1 for row in group]
        usual = self.usual_amplitudes(detector)[touching]
        priors.centre[touching, AMPLITUDE] = usual
        priors.precision[touching, AMPLITUDE] = (self.contrast_spread * usual) ** -2.0
        return priors


def joined_rods(rods: Sequence[TrackedRods]) -> TrackedRods:
    """Return some rods, then others."""
    return TrackedRods(
        np.concatenate([some.row for some in rods]),
        np.concatenate([some.particle for some in rods]),
        np.concatenate([some.sought for some in rods]),
        np.concatenate([some.parameters for some in rods]),
        joined_priors([some.priors for some in rods]),
        np.concatenate([some.contrast for some in rods]),
        rods[0].contrast_spread,
    )
