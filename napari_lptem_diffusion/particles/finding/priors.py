"""The parameters of a rod in the fit, and what is known of them before it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.capsule import RodShape

Matrix = NDArray[np.float64]
X, Y, ANGLE, AMPLITUDE, BACKGROUND, LENGTH, WIDTH, BLUR = range(8)
"""Columns of the parameters: px, px, radians, noise units, noise units, and the natural logarithms of px."""
SIZE = [LENGTH, WIDTH, BLUR]


@dataclass(frozen=True)
class RodPriors:
    """What is known of each rod's parameters: normal, each parameter on its own.

    Attributes
    ----------
    centre : ndarray
        (rods, 8) means; any number where nothing is known.
    precision : ndarray
        (rods, 8) one over the variance; 0 where nothing is known.
    """

    centre: Matrix
    precision: Matrix

    def take(self, rows: NDArray[np.intp]) -> RodPriors:
        """Return the priors of these *rows* alone."""
        return RodPriors(self.centre[rows], self.precision[rows])


def joined_priors(priors: Sequence[RodPriors]) -> RodPriors:
    """Return the priors of some rods, then of others."""
    return RodPriors(np.concatenate([one.centre for one in priors]), np.concatenate([one.precision for one in priors]))


@dataclass(frozen=True)
class Prior:
    """Size of the rods of a population: the logarithms are normal with these standard deviations."""

    shape: RodShape
    length_spread: float
    width_spread: float
    blur_spread: float

    def scaled(self, factor: float) -> Prior:
        """Return the prior on a grid whose pixels are *factor* times smaller."""
        return replace(self, shape=self.shape.scaled(factor))

    def centre(self) -> Matrix:
        """Mean of the parameters, (8,); 0 where nothing is known."""
        known = np.log([self.shape.length, self.shape.width, self.shape.blur])
        return np.concatenate([np.zeros(5), known])

    def precision(self) -> Matrix:
        """One over the variance of each parameter, (8,); 0 where nothing is known."""
        spreads = np.array([self.length_spread, self.width_spread, self.blur_spread])
        return np.concatenate([np.zeros(5), spreads**-2.0])

    def of_rods(self, count: int) -> RodPriors:
        """Return the same prior for each of *count* rods."""
        return RodPriors(np.tile(self.centre(), (count, 1)), np.tile(self.precision(), (count, 1)))
