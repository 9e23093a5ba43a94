"""The image of a rod: a capsule (straight sides, round ends) blurred by the optics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_INVERSE_ROOT_TWO_PI = np.float32(1 / np.sqrt(2 * np.pi))
_HALF, _ONE = np.float32(0.5), np.float32(1)
_LEAST_EXPONENT = np.float32(-72)
_TINY = np.float32(1e-12)
_FAR_ENDS = 3.0
"""Half the axis in units of the blur from which each end is alone."""


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

    The value is the chance that a point, shifted at random by the blur s, lies in the capsule. With l half the axis,
    r the radius, a and b the distances along and across, this is about Phi((d + r) / s) - Phi((d - r) / s), where
    d^2 = b^2 + Q(a - l) + Q(-a - l), and Q(m) = (m^2 + s^2) Phi(m / s) + m s phi(m / s) is the mean square of how far
    the shifted point lies beyond an end. Exact along the straight sides; elsewhere within 0.002, 0.007 and 0.023 for a
    blur of 0.13, 0.27 and 0.67 radii.

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
    ends = _beyond(along, length, width, blur)
    distance = np.sqrt(across * across + ends.square)
    radius, per_blur = width * _HALF, np.reciprocal(blur)
    outer, inner = (distance + radius) * per_blur, (distance - radius) * per_blur
    return _between(outer, inner, _bell(outer), _bell(inner))


def capsule_image(along: Array, across: Array, length: Array, width: Array, blur: Array) -> CapsuleImage:
    """`capsule_value` with its derivatives by each parameter."""
    ends = _beyond(along, length, width, blur)
    distance = np.sqrt(across * across + ends.square)
    radius, per_blur = width * _HALF, np.reciprocal(blur)
    outer, inner = (distance + radius) * per_blur, (distance - radius) * per_blur
    bell_outer, bell_inner = _bell(outer), _bell(inner)
    slope = (bell_outer - bell_inner) * per_blur * np.reciprocal(distance)
    by_length = slope * ends.by_length
    by_blur = (inner * bell_inner - outer * bell_outer) * per_blur + slope * ends.by_blur
    return CapsuleImage(
        value=_between(outer, inner, bell_outer, bell_inner),
        by_along=slope * ends.by_along,
        by_across=slope * across,
        by_length=by_length,
        by_width=(bell_outer + bell_inner) * per_blur * _HALF - by_length,
        by_blur=by_blur.astype(np.float32, copy=False),
    )


@dataclass(frozen=True)
class _Ends:
    """Mean square distance beyond the ends of the axis, px^2, and half its derivatives."""

    square: Array
    by_along: Array
    by_length: Array
    by_blur: Array


def _beyond(along: Array, length: Array, width: Array, blur: Array) -> _Ends:
    half_axis = np.maximum(length - width, 0) * _HALF
    far = half_axis > _FAR_ENDS * blur
    if far.all():
        return _beyond_nearest(along, half_axis, blur)
    if not far.any():
        return _beyond_both(along, half_axis, blur)
    ends = _Ends(*(np.empty_like(along) for _ in range(4)))
    for rods, formula in ((far, _beyond_nearest), (~far, _beyond_both)):
        rows = rods[..., 0, 0]
        part = formula(along[rows], half_axis[rows], blur[rows])
        ends.square[rows], ends.by_along[rows] = part.square, part.by_along
        ends.by_length[rows], ends.by_blur[rows] = part.by_length, part.by_blur
    return ends


def _beyond_nearest(along: Array, half_axis: Array, blur: Array) -> _Ends:
    """Where a point near one end does not reach the other."""
    past = np.abs(along) - half_axis
    outside, chance = _past_end(past, blur)
    square = np.maximum(past * outside + blur * blur * chance, _TINY)
    return _Ends(square, np.copysign(outside, along), -_HALF * outside, blur * chance)


def _beyond_both(along: Array, half_axis: Array, blur: Array) -> _Ends:
    right, chance_right = _past_end(along - half_axis, blur)
    left, chance_left = _past_end(-along - half_axis, blur)
    beyond, outside, chance = right - left, right + left, chance_right + chance_left
    square = np.maximum(along * beyond - half_axis * outside + blur * blur * chance, _TINY)
    return _Ends(square, beyond, -_HALF * outside, blur * chance)


def _past_end(past: Array, blur: Array) -> tuple[Array, Array]:
    """Mean of how far points that are shifted at random lie past an end, px, and the chance that they do."""
    z = past * np.reciprocal(blur)
    bell = _bell(z)
    chance = _HALF + np.copysign(_HALF - _tail(np.abs(z), bell), z)
    return past * chance + blur * bell, chance


def _bell(x: Array) -> Array:
    """Density of the standard normal distribution; beyond 12 as at 12, which is nothing but not subnormal."""
    bell: Array = np.exp(np.maximum(-_HALF * (x * x), _LEAST_EXPONENT)) * _INVERSE_ROOT_TWO_PI
    return bell


def _between(outer: Array, inner: Array, bell_outer: Array, bell_inner: Array) -> Array:
    """Phi(outer) - Phi(inner) for outer >= 0, to 2e-5, given the densities (Abramowitz and Stegun 26.2.16)."""
    value: Array = _HALF - _tail(outer, bell_outer)
    value -= np.copysign(_HALF - _tail(np.abs(inner), bell_inner), inner)
    return value


def _tail(x: Array, bell: Array) -> Array:
    """1 - Phi(x) for x >= 0."""
    t = np.reciprocal(_ONE + np.float32(0.33267) * x)
    tail: Array = bell * t * (np.float32(0.4361836) + t * (np.float32(-0.1201676) + t * np.float32(0.9372980)))
    return tail
