"""Pixels of the camera that tell nothing: hot, dead or blinking ones, and regions that never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_OUTLIER = 8.0
_ISOLATED = 0.15
_LOUDER = 3.0
_FEWEST_FRAMES_FOR_VARIANCE = 8
_CONSTANT_SIDE = 5


@dataclass(frozen=True)
class BadPixels:
    """Single pixels that are read as the mean of their good neighbours.

    Attributes
    ----------
    index : ndarray
        (bad,) flat index of each.
    neighbours : ndarray
        (bad, 8) flat indices.
    weights : ndarray
        (bad, 8) summing to 1.
    """

    index: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    weights: Array

    def repair(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return *image* (y, x) with its bad pixels repaired; itself where there are none."""
        if not len(self.index):
            return image
        flat = image.ravel().astype(np.float32)
        flat[self.index] = (flat[self.neighbours] * self.weights).sum(axis=1)
        return flat.reshape(image.shape)


def repair_of(bad: Mask) -> BadPixels:
    """How to repair the *bad* pixels, (y, x); those without a good neighbour take the mean of all eight."""
    height, width = bad.shape
    y, x = np.nonzero(bad)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    rows = np.stack([np.clip(y + dy, 0, height - 1) for dy, _ in steps], axis=1)
    columns = np.stack([np.clip(x + dx, 0, width - 1) for _, dx in steps], axis=1)
    good = ~bad[rows, columns]
    weights = np.where(good.any(axis=1, keepdims=True), good, True).astype(np.float32)
    return BadPixels(y * width + x, rows * width + columns, weights / weights.sum(axis=1, keepdims=True))


def temporal_moments(frames: Sequence[NDArray[np.generic]]) -> tuple[Array, Array]:
    """Mean and variance of every pixel over *frames*, (y, x) each, of their finite values; NaN where there is none."""
    reference = np.asarray(frames[0], dtype=np.float32)
    seen = np.isfinite(reference)
    reference = np.where(seen, reference, np.float32(np.median(reference[seen]) if seen.any() else 0))
    total, squares, deviation = np.zeros_like(reference), np.zeros_like(reference), np.empty_like(reference)
    count = np.full_like(reference, len(frames))
    for frame in frames:
        np.subtract(frame, reference, out=deviation, casting="same_kind")
        if np.issubdtype(frame.dtype, np.floating):
            missing = ~np.isfinite(deviation)
            deviation[missing] = 0
            count -= missing
        total += deviation
        deviation *= deviation
        squares += deviation
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        variance = squares / count - mean * mean
    return mean + reference, np.maximum(variance, 0)


def find_bad_pixels(mean: Array, variance: Array, frames: int) -> Mask:
    """Find single pixels that stand out of their surroundings in temporal mean or variance while no neighbour does.

    What the optics has drawn, however small, spreads over neighbours.

    Parameters
    ----------
    mean, variance : ndarray
        (y, x), from `temporal_moments`.
    frames : int
        How many there were.
    """
    bad = _lonely(mean, 0.0)
    if frames >= _FEWEST_FRAMES_FOR_VARIANCE:
        bad |= _lonely(variance, _LOUDER)
    return bad


def _lonely(image: Array, relative: float) -> Mask:
    """Pixels that differ from the ring around them by much, also *relative* to it, while their neighbours do not."""
    filled = np.where(np.isfinite(image), image, 0)
    wide, near = (ndimage.uniform_filter(filled, n, mode="reflect") for n in (5, 3))
    ring = (25 * wide - 9 * near) / 16
    deviation = filled - ring
    neighbours = (9 * near - filled) / 8 - ring
    scale = 1.4826 * np.median(np.abs(deviation[::2, ::2]))
    mask: Mask = (np.abs(deviation) > _OUTLIER * scale + 1e-6 * np.abs(ring)) & np.isfinite(image)
    mask &= np.abs(neighbours) < _ISOLATED * np.abs(deviation)
    if relative:
        mask &= deviation > relative * ring
    return mask


def find_blind_regions(mean: Array, variance: Array, frames: int) -> Mask:
    """Find regions that carry no signal: outside an aperture, saturated, burnt-in scale bars, never finite.

    Regions of at least 5 x 5 px that never change (one frame: that are flat), and a margin of 2 px.
    """
    constant = ~np.isfinite(mean)
    if frames > 1:
        constant |= variance <= 1e-12 * np.square(mean)
    else:
        constant |= ndimage.maximum_filter(mean, 3) == ndimage.minimum_filter(mean, 3)
    if not constant.any():
        return constant
    square = np.ones((_CONSTANT_SIDE, _CONSTANT_SIDE), dtype=bool)
    region = ndimage.binary_opening(np.pad(constant, _CONSTANT_SIDE, mode="edge"), square)
    region = ndimage.binary_dilation(region, np.ones((5, 5), dtype=bool)) if region.any() else region
    inside = slice(_CONSTANT_SIDE, -_CONSTANT_SIDE)
    blind: Mask = region[inside, inside]
    return blind
