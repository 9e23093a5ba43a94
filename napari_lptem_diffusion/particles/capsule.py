"""The image of a rod: a capsule (straight sides, round ends) blurred by the optics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float32]
_INVERSE_ROOT_TWO_PI = np.float32(1 / np.sqrt(2 * np.pi))


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

    def arrays(self) -> tuple[Array, Array, Array]:
        """Length, width and blur as arrays without axes."""
        length, width, blur = np.array([[self.length], [self.width], [self.blur]], dtype=np.float32)
        return length, width, blur

    @property
    def reach(self) -> int:
        """Half the side of a square window that holds the rod at any angle and some background."""
        return int(np.ceil(self.length / 2 + 2.5 * self.blur + 0.25 * self.width)) + 2


@dataclass(frozen=True)
class CapsuleImage:
    """A blurred capsule and its derivatives; every array has the shape of the coordinates."""

    value: Array
    by_along: Array
    by_across: Array
    by_length: Array
    by_width: Array
    by_blur: Array


def capsule_value(along: Array, across: Array, length: Array, width: Array, blur: Array) -> Array:
    """Blurred capsule at the given distances from its centre.

    With d the distance to the axis segment, r the radius and s the blur this is
    Phi((d + r) / s) - Phi((d - r) / s): exact along the straight sides at any blur, and at the ends for a small one.

    Parameters
    ----------
    along, across : ndarray
        Distances (px) from the centre along the long and the short axis.
    length, width, blur : ndarray
        px; broadcast against the distances.

    Returns
    -------
    ndarray
        About 1 inside and 0 outside.
    """
    distance = np.hypot(np.maximum(np.abs(along) - np.maximum(length - width, 0) / 2, 0), across)
    value: Array = ndtr((distance + width / 2) / blur) - ndtr((distance - width / 2) / blur)
    return value


def capsule_image(along: Array, across: Array, length: Array, width: Array, blur: Array) -> CapsuleImage:
    """`capsule_value` with its derivatives by each parameter."""
    beyond = np.maximum(np.abs(along) - np.maximum(length - width, 0) / 2, 0)
    distance = np.hypot(beyond, across) + np.float32(1e-6)
    outer, inner = (distance + width / 2) / blur, (distance - width / 2) / blur
    bell_outer = _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * outer * outer)
    bell_inner = _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * inner * inner)
    by_distance = (bell_outer - bell_inner) / blur
    slope = by_distance / distance
    by_half_axis = -slope * beyond
    return CapsuleImage(
        value=ndtr(outer) - ndtr(inner),
        by_along=slope * beyond * np.sign(along),
        by_across=slope * across,
        by_length=by_half_axis / 2,
        by_width=(bell_outer + bell_inner) / (2 * blur) - by_half_axis / 2,
        by_blur=(inner * bell_inner - outer * bell_outer) / blur,
    )
