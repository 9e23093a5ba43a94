"""What is always in the picture and is no rod: dirt, film, bubbles, steep edges of the illumination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import chi2

from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Field, bin_image, smooth_background
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.pose_fit import rods_image
from napari_lptem_diffusion.particles.finding.priors import SIZE
from napari_lptem_diffusion.particles.finding.samples import Samples

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]
_FEWEST_FRAMES, _MOST_FRAMES = 12, 24
_PASSING = 3.5
_MOVING_SHARE, _BY_CHANCE = 0.01, 1e-4
"""What moves varies by more than this share of its square, and so much that noise hardly ever does."""
_QUIET = 0.25
"""Share of the picture in which surely nothing moves."""
_OUTLIER = 4.0
_DISTURBING = 2.5
_LARGER_THAN_RODS = 1.3
_UNEXPLAINED = 0.15
"""Rods that are stuck leave less than this share of their square."""
_UNLIKE = 16.0
"""Squared distance from the usual size, in spreads, from which a rod is none of this movie's."""
_FAINT = 0.25
"""Share of the usual signal to noise below which what stays is film rather than a rod."""
_SHOWN = 0.05
"""A rod is seen where it takes more than this share of its amplitude."""
_SURE = 3.0


@dataclass(frozen=True)
class Still:
    """What stays where it is in a movie, on the grid of a field.

    Attributes
    ----------
    bin_px : int
        Side of a binned pixel, px.
    grey : ndarray
        (y, x) temporal mean, at each place without the frames in which something passed by.
    moves : ndarray
        (y, x) where what is there varies in time more than noise does, as a rod that jiggles.
    frames : int
        How many were looked at.
    """

    bin_px: int
    grey: Array
    moves: Mask
    frames: int

    def shown_by(self, field: Field) -> Array:
        """What stays, without the background of *field*, in units of its noise."""
        variance = field.noise.variance.variance(field.background)
        rest: Array = np.where(field.blind, 0, field.sign * (self.grey - field.background) / np.sqrt(variance))
        return rest


def find_still(detector: Detector, samples: Samples, pause: Callable[[], None]) -> Still | None:
    """Find what stays; None in movies of which fewer than 12 frames are sampled.

    Parameters
    ----------
    detector : Detector
        Of rods of about the right size.
    samples : Samples
    pause : callable
        Called often; may raise to stop.
    """
    frames = [frame for one, two in samples.pairs for frame in ((one,) if one is two else (one, two))]
    if len(frames) < _FEWEST_FRAMES:
        return None
    frames = [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).astype(int))]
    field, width = detector.field, detector.prior.shape.width
    cell = 2 ** max(int(np.log2(width / 4)), 0)
    images, coarse = [], []
    for frame in frames:
        pause()
        images.append(field.normalise(frame))
        coarse.append(ndimage.gaussian_filter(bin_image(images[-1], cell), width / (4 * cell)))
    cells, seen = np.array(coarse), ~(bin_image(field.blind, cell) > 0)
    usual = np.median(cells, axis=0)
    spread = 1.4826 * np.median(np.abs(cells - usual), axis=0)
    noise = float(np.median(spread[seen])) if seen.any() else 1.0
    near = max(round(width / (2 * cell)), 1)
    passing = np.abs(cells - usual) > _PASSING * np.maximum(spread, noise)
    kept = ~ndimage.maximum_filter(passing, (1, near + 1, near + 1))
    count = np.maximum(kept.sum(axis=0), 1)
    mean = (cells * kept).sum(axis=0) / count
    varies = (np.square(cells - mean) * kept).sum(axis=0) / np.maximum(count - 1, 1)
    total = sum(image * _enlarged(k, cell, image.shape) for image, k in zip(images, kept, strict=True))
    still = np.asarray(total, dtype=np.float32) / _enlarged(count, cell, images[0].shape)
    grey = field.background + field.sign * still * np.sqrt(field.noise.variance.variance(field.background))
    moves = _moves(mean, varies, varies[seen], len(frames))
    moves = _enlarged(ndimage.binary_dilation(moves, iterations=near), cell, grey.shape) > 0
    return Still(field.bin_px, grey.astype(np.float32), moves, len(frames))


def _moves(mean: Array, varies: Array, seen: Array, frames: int) -> Mask:
    """Where the temporal variance exceeds that of noise, which is taken from the quietest quarter of what is *seen*."""
    degrees = frames - 1
    usual = float(np.quantile(seen, _QUIET)) * degrees / float(chi2.ppf(_QUIET, degrees)) if len(seen) else np.inf
    most = usual * float(chi2.isf(_BY_CHANCE, degrees)) / degrees
    return np.asarray(varies > np.maximum(most, usual + _MOVING_SHARE * mean**2))


def with_large_dirt(detector: Detector, samples: Samples) -> Field:
    """Add to the background of *detector* what stays and is too large for a rod, whatever the size of the rods.

    A disc of 1.3 rod lengths fits into no rod and no pair of rods.
    """
    field, shape = detector.field, detector.prior.shape
    if 2 * len(samples.pairs) < _FEWEST_FRAMES:
        return field
    still = field.normalise_binned(bin_image(samples.mean, field.bin_px))
    least = _DISTURBING * detector.bank.texture / (detector.bank.unit_response * detector.coarsening)
    radius = _LARGER_THAN_RODS / 2 * shape.length
    smooth = ndimage.gaussian_filter(still, shape.width / 4)
    middle = _deep_within(_dark(smooth, least, radius), radius) | _deep_within(_dark(-smooth, least, radius), radius)
    if not middle.any():
        return field
    apart = ndimage.distance_transform_edt(~middle) - radius
    return _with(field, still * np.clip(1.5 - apart / shape.width, 0, 1))


def with_dirt(detector: Detector, still: Still, usual_snr: float) -> Field:
    """Add to the background of *detector* what stays and is no rod of this movie.

    What groups of rods that touch explain of the temporal mean may be rods that are stuck, and is left, if all of
    them have sizes as the rods of this movie have and do not stand out far less; so is what moves on the spot. The
    rest is dirt and film, weighed by how far it stands out of the noise of the mean (Lee, IEEE Trans. Pattern
    Anal. Mach. Intell. 2, 165, 1980).

    Parameters
    ----------
    detector : Detector
        Of rods whose sizes are known, without film and small dirt in its background.
    still : Still
        On the same grid.
    usual_snr : float
        Signal to noise of a rod in one frame.
    """
    field, window = detector.field, 5 * detector.prior.shape.length
    rest = still.shown_by(field)
    base = smooth_background(rest, field.blind, window)
    base += smooth_background(rest - base, field.blind | _standing_out(detector, rest - base), window)
    rest = rest - base
    rods = _may_be_rods_in(detector, rest, still, usual_snr) | still.moves
    dirt = np.where(rods, np.float32(0), rest)
    dirt *= _reliable(detector, dirt, still.frames)
    return _with(field, base + dirt)


def _with(field: Field, still: Array) -> Field:
    """Add what *still* shows, in units of the noise, to the background."""
    scale = field.sign * np.sqrt(field.noise.variance.variance(field.background))
    return replace(field, background=(field.background + still * scale).astype(np.float32))


def _dark(image: Array, least: float, radius: float) -> Mask:
    """Where *image* is above *least* and half of what it reaches nearby: the blurred surroundings do not count."""
    peak = ndimage.maximum_filter(image, 2 * round(radius) + 1)
    return np.asarray(image > np.maximum(least, peak / 2))


def _deep_within(mask: Mask, depth: float) -> Mask:
    """Where a disc of radius *depth* fits into *mask*, which goes on beyond the image."""
    margin = int(np.ceil(depth))
    inside = np.pad(mask, margin, mode="edge")
    deep: Mask = ndimage.distance_transform_edt(inside) > depth
    return deep[margin:-margin, margin:-margin]


def _standing_out(detector: Detector, rest: Array) -> Mask:
    """Where a background that is smooth should not look: rods and dirt alike, with their edges."""
    width = detector.prior.shape.width
    smooth = np.abs(ndimage.gaussian_filter(rest, width / 4))
    outlier = smooth > _OUTLIER * 1.4826 * np.median(smooth)
    return np.asarray(ndimage.binary_dilation(outlier, iterations=max(round(width / 2), 1)))


def _may_be_rods_in(detector: Detector, rest: Array, still: Still, usual_snr: float) -> Mask:
    """Where what stays may be rods that are stuck, or that move a little."""
    root, field = np.float32(np.sqrt(still.frames)), detector.field
    clear = rest * root
    noise = replace(field.noise, variance=field.noise.variance.scaled(1 / still.frames))
    least = max(_FAINT * usual_snr * float(root) / detector.settings.threshold_sigma, 1.0)
    bank = replace(detector.bank, texture=least)
    fit = replace(detector, field=replace(field, noise=noise), bank=bank).fit(clear)
    places = np.zeros(rest.shape, dtype=np.bool_)
    if fit is None:
        return places
    left = clear - rods_image(clear.shape, fit.parameters, detector.prior.shape.reach)
    for group in touching_groups(fit.parameters, most=len(fit.parameters)):
        rods = fit.parameters[group]
        image = rods_image(left.shape, rods, detector.prior.shape.reach)
        near = ndimage.maximum_filter(image > _SHOWN * image.max(), 2 * round(detector.prior.shape.width / 4) + 1)
        if still.moves[near].mean() > 0.5 or _may_be_rods(detector, rods, image[near], left[near]):
            places |= near
    return places


def _may_be_rods(detector: Detector, rods: Matrix, image: Array, left: Array) -> bool:
    """Whether all of some *rods* that touch have usual sizes, and leave hardly anything of their *image*."""
    prior = detector.prior
    unlike = (prior.precision() * (rods - prior.centre()) ** 2)[:, SIZE].sum(axis=1)
    explained = (left**2 - 1).sum() < _UNEXPLAINED * (image**2).sum()
    return bool((unlike < _UNLIKE).all() and explained)


def _reliable(detector: Detector, rest: Array, frames: int) -> Array:
    """Share of what is left in a mean of *frames* that is no noise, from its square nearby."""
    width = detector.prior.shape.width
    level = detector.field.noise.correlation.at_rod_scale(detector.prior.shape.reach)
    noise = level / (frames * 4 * np.pi * (width / 4) ** 2)
    power = ndimage.gaussian_filter(ndimage.gaussian_filter(rest, width / 4) ** 2, width / 2)
    return np.asarray(np.clip(1 - _SURE * noise / np.maximum(power, 1e-9), 0, 1), dtype=np.float32)


def _enlarged(coarse: NDArray[np.generic], factor: int, shape: tuple[int, ...]) -> Array:
    """Repeat every value *factor* times along both axes, to *shape*."""
    large = np.repeat(np.repeat(coarse.astype(np.float32), factor, axis=0), factor, axis=1)
    return np.pad(large, [(0, n - m) for n, m in zip(shape, large.shape, strict=True)], mode="edge")
