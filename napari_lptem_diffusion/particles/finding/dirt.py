"""What is always in the picture and too large for a rod: dirt, bubbles, steep edges of the illumination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Field, bin_image
from napari_lptem_diffusion.particles.finding.samples import Samples

Array = NDArray[np.float32]
_FEWEST_FRAMES = 8
_OUTLIER = 3.5
_DISTURBING = 2.5
_LARGER_THAN_RODS = 1.3


def with_dirt(detector: Detector, samples: Samples, pause: Callable[[], None]) -> Field:
    """Add to the background of *detector* what stays where it is and is too large for a rod.

    The temporal mean of a movie, without the frames in which something passed by, shows all that stays. A disc of 1.3
    rod lengths fits into no rod and no pair of rods; where one fits into what would disturb the search, that is
    dirt. Smaller dirt cannot be told from a rod that is stuck, and stays.

    Parameters
    ----------
    detector : Detector
        Of rods of about the right size, on a smooth background.
    samples : Samples
    pause : callable
        Called often; may raise to stop.
    """
    field, shape = detector.field, detector.prior.shape
    if len(samples.pairs) < _FEWEST_FRAMES:
        return field
    still = _still_image(detector, samples, pause)
    least = _DISTURBING * detector.bank.texture / (detector.bank.unit_response * detector.coarsening)
    radius = _LARGER_THAN_RODS / 2 * shape.length
    smooth = ndimage.gaussian_filter(still, shape.width / 4)
    middle = _deep_within(_dark(smooth, least, radius), radius) | _deep_within(_dark(-smooth, least, radius), radius)
    if not middle.any():
        return field
    apart = ndimage.distance_transform_edt(~middle) - radius
    share = np.clip(1.5 - apart / shape.width, 0, 1)
    scale = field.sign * np.sqrt(field.noise.variance.variance(field.background))
    return replace(field, background=(field.background + still * share * scale).astype(np.float32))


def _dark(image: Array, least: float, radius: float) -> NDArray[np.bool_]:
    """Where *image* is above *least* and half of what it reaches nearby: the blurred surroundings do not count."""
    peak = ndimage.maximum_filter(image, 2 * round(radius) + 1)
    return np.asarray(image > np.maximum(least, peak / 2))


def _deep_within(mask: NDArray[np.bool_], depth: float) -> NDArray[np.bool_]:
    """Where a disc of radius *depth* fits into *mask*, which goes on beyond the image."""
    margin = int(np.ceil(depth))
    inside = np.pad(mask, margin, mode="edge")
    deep: NDArray[np.bool_] = ndimage.distance_transform_edt(inside) > depth
    return deep[margin:-margin, margin:-margin]


def _still_image(detector: Detector, samples: Samples, pause: Callable[[], None]) -> Array:
    """Mean of the normalised frames, at each place without those in which something passed by."""
    field = detector.field
    cell = 2 ** max(int(np.log2(detector.prior.shape.width / 2)), 0)
    noise = np.sqrt(field.noise.binned(cell).variance.floor / field.noise.variance.floor)
    images, cells = [], []
    for first, _ in samples.pairs:
        pause()
        images.append(field.normalise(first))
        cells.append(bin_image(images[-1], cell) / np.float32(noise))
    usual = np.median(cells, axis=0)
    spread = 1.4826 * np.median(np.abs(np.array(cells) - usual), axis=0)
    total, count = np.zeros_like(images[0]), np.zeros_like(images[0])
    for image, coarse in zip(images, cells, strict=True):
        passing = np.abs(coarse - usual) > _OUTLIER * np.maximum(spread, 1)
        kept = 1 - _enlarged(ndimage.binary_dilation(passing), cell, image.shape)
        total += image * kept
        count += kept
    return np.asarray(total / np.maximum(count, 1), dtype=np.float32)


def _enlarged(coarse: NDArray[np.generic], factor: int, shape: tuple[int, ...]) -> Array:
    """Repeat every value *factor* times along both axes, to *shape*."""
    large = np.repeat(np.repeat(coarse.astype(np.float32), factor, axis=0), factor, axis=1)
    return np.pad(large, [(0, n - m) for n, m in zip(shape, large.shape, strict=True)], mode="edge")
