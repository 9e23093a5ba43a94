"""The image of a rod: a capsule (straight sides, round ends) blurred by the optics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RodShape:
    """Size of a rod and the blur of its image, px (of the image that it is used on).

    Attributes
    ----------
    length, width : float
        Tip to tip and side to side.
    blur : float
        Standard deviation of the edge.
    """

    length: float
    width: float
    blur: float

    def scaled(self, factor: float) -> RodShape:
        """Return the shape on a grid whose pixels are *factor* times smaller."""
        return RodShape(self.length * factor, self.width * factor, self.blur * factor)

    @property
    def reach(self) -> int:
        """Half the side of a square window that holds the rod at any angle and some background."""
        return int(np.ceil(self.length / 2 + 2.5 * self.blur + 0.25 * self.width)) + 2
