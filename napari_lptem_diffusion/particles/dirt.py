"""What is always in the picture and is no rod: dirt, texture of the film, steep edges of the illumination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.detector import Detector, coarsen
from napari_lptem_diffusion.particles.field import Field, bin_image
from napari_lptem_diffusion.particles.pose_fit import Fit, rods_image
from napari_lptem_diffusion.particles.priors import AMPLITUDE, BACKGROUND, LENGTH, WIDTH, X, Y
from napari_lptem_diffusion.particles.samples import Samples

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_FEWEST_FRAMES = 8
_OUTLIER = 3.5
_RESTLESS = 1.6
_NOTABLE = 2.5
_DISTURBING = 3.5
_ABOVE_TEXTURE = 5.0
_ALIKE = 0.35
_UNEXPLAINED = 0.3
_MOST_RODS = 200


def with_dirt(detector: Detector, samples: Samples, pause: Callable[[], None]) -> Field:
    """Add to the background of *detector* what stays where it is and would be found, unless it is a rod.

    The temporal mean of a movie, without the frames in which something passed by, shows all that stays. Where it stands
    out enough to be found in single frames it belongs to the background, but for rods: objects that move
    on the spot, and those that are like the rods of the movie and stand out of the texture around them. Everywhere
    else the background is as smooth as before.

    Parameters
    ----------
    detector : Detector
        Of rods of about the right size, on a smooth background.
    samples : Samples
    pause : callable
        Called often; may raise to stop.
    """
    field = detector.field
    if len(samples.pairs) < _FEWEST_FRAMES:
        return field
    still, restless = _still_image(detector, samples, pause)
    response = detector.bank.responses(coarsen(still, detector.coarsening))
    strength = np.abs(response).max(axis=0)
    if strength.max() < _DISTURBING:
        return field
    texture = 1.4826 * float(np.median(np.abs(response)))
    rods = _rods(detector, still, restless, texture, 1 / len(samples.pairs))
    strength = np.repeat(np.repeat(strength, detector.coarsening, axis=0), detector.coarsening, axis=1)
    disturbing = np.zeros(still.shape, dtype=bool)
    disturbing[: strength.shape[0], : strength.shape[1]] = strength[: still.shape[0], : still.shape[1]] > _DISTURBING
    if not (disturbing & ~rods).any():
        return field
    width = detector.prior.shape.width
    zone = ndimage.uniform_filter((disturbing & ~rods).astype(np.float32), 2 * round(width) + 1) > 1e-6
    fading = ndimage.gaussian_filter(zone.astype(np.float32), width / 2)
    dirt = still * np.minimum(2 * fading, 1) * ~rods
    scale = field.sign * np.sqrt(field.noise.variance.variance(field.background))
    return replace(field, background=(field.background + dirt * scale).astype(np.float32))


def _still_image(detector: Detector, samples: Samples, pause: Callable[[], None]) -> tuple[Array, Array]:
    """Mean of the normalised frames where nothing passed by, and how restless each place is (1: no more than noise)."""
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
    still = np.asarray(total / np.maximum(count, 1), dtype=np.float32)
    return still, _enlarged(ndimage.uniform_filter(spread, 3), cell, images[0].shape)


def _enlarged(coarse: NDArray[np.generic], factor: int, shape: tuple[int, ...]) -> Array:
    """Repeat every value *factor* times along both axes, to *shape*."""
    large = np.repeat(np.repeat(coarse.astype(np.float32), factor, axis=0), factor, axis=1)
    return np.pad(large, [(0, n - m) for n, m in zip(shape, large.shape, strict=True)], mode="edge")


def _rods(detector: Detector, still: Array, restless: Array, texture: float, noise: float) -> Mask:
    """Where there are rods in the picture of what stays, each with a margin."""
    low = detector.settings.model_copy(update={"threshold_sigma": max(_NOTABLE, _ABOVE_TEXTURE * texture / 2)})
    start = replace(detector, settings=low).start(still)[:_MOST_RODS]
    if not len(start):
        return np.zeros(still.shape, dtype=bool)
    fit = detector.refit(still, start, detector.prior.of_rods(len(start)))
    kept = _moves_on_the_spot(fit, restless) | _is_like_the_rods(fit, detector, still, texture, noise)
    if not kept.any():
        return np.zeros(still.shape, dtype=bool)
    outlines = fit.parameters[kept]
    outlines[:, AMPLITUDE] = 1
    outlines[:, LENGTH] = np.log(np.exp(outlines[:, LENGTH]) + np.exp(outlines[:, WIDTH]))
    outlines[:, WIDTH] += np.log(2)
    return rods_image(still.shape, outlines, 2 * detector.prior.shape.reach) > 0.5


def _moves_on_the_spot(fit: Fit, restless: Array) -> Mask:
    rows, columns = (
        np.clip(np.rint(fit.parameters[:, k]).astype(int), 0, n - 1)
        for k, n in zip((Y, X), restless.shape, strict=True)
    )
    moves: Mask = restless[rows, columns] > _RESTLESS
    return moves


def _is_like_the_rods(fit: Fit, detector: Detector, still: Array, texture: float, noise: float) -> Mask:
    """Size, brightness against the texture, and the share that a rod explains of what is there."""
    shape, reach = detector.prior.shape, detector.prior.shape.reach
    alike = np.abs(fit.parameters[:, LENGTH] - np.log(shape.length)) < max(_ALIKE, 2 * detector.prior.length_spread)
    alike &= np.abs(fit.parameters[:, WIDTH] - np.log(shape.width)) < _ALIKE
    alike &= fit.snr > _ABOVE_TEXTURE * texture
    model = rods_image(still.shape, fit.parameters, reach)
    for k in np.flatnonzero(alike):
        near = rods_image(still.shape, fit.parameters[[k]], reach)
        inside = np.abs(near) > 0.1 * np.abs(near).max()
        unexplained = np.square((still - model)[inside] - fit.parameters[k, BACKGROUND]).mean() - noise
        alike[k] = unexplained < _UNEXPLAINED * np.square(near[inside]).mean()
    return np.asarray(alike, dtype=bool)
