"""How dark the rods of a movie usually are: two that lie on each other are darker than one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, RodPriors

Matrix = NDArray[np.float64]
_SPREADS = (0.2, 1.0)
"""Least and largest relative standard deviation: crystals diffract, so that alike rods differ from frame to frame."""
_FEWEST = 8
_HALF_OF_NORMAL = 1.349
"""Width of the middle half of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class UsualContrast:
    """Contrast of single rods, as a share of the background, and its standard deviation as a share of that."""

    typical: float
    spread: float

    @classmethod
    def of(cls, contrasts: Matrix) -> UsualContrast:
        """Learn it from the *contrasts*, (rods,), of rods told apart by their shapes.

        The middle and the width of the shortest interval of logarithms that holds half of them: what still hides
        two rods is darker, and hardly moves it.
        """
        logs = np.sort(np.log(contrasts[contrasts > 0]))
        half = len(logs) // 2 + 1
        if len(logs) < _FEWEST:
            return ANY_CONTRAST
        widths = logs[half - 1 :] - logs[: len(logs) - half + 1]
        first = int(np.argmin(widths))
        middle = (logs[first] + logs[first + half - 1]) / 2
        return cls(float(np.exp(middle)), float(np.clip(widths[first] / _HALF_OF_NORMAL, *_SPREADS)))


ANY_CONTRAST = UsualContrast(1.0, np.inf)
"""Where nothing is known of it."""


def with_amplitudes(priors: RodPriors, usual: Matrix, spread: float) -> RodPriors:
    """Add to the *priors* of some rods their *usual* amplitude, (rods,), of which *spread* is the relative error."""
    centre, precision = priors.centre.copy(), priors.precision.copy()
    centre[:, AMPLITUDE], precision[:, AMPLITUDE] = usual, (spread * usual) ** -2.0
    return replace(priors, centre=centre, precision=precision)
