"""What a frame would be without rods: illumination and background, and the scale of its noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.noise import (
    Noise,
    NoiseCorrelation,
    VarianceModel,
    correlation,
    fit_variance,
    tile_means,
    without_offsets,
)
from napari_lptem_diffusion.particles.finding.pixels import BadPixels
from napari_lptem_diffusion.particles.finding.samples import Frames as Frames
from napari_lptem_diffusion.particles.finding.samples import Samples, shows_something

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_GRID = 64
_NOISE_PIXELS = 4_000_000
_LEAST_NOISE = 1e-4
_LEAST_DIGIT = 1e-6


@dataclass(frozen=True)
class Field:
    """Background and noise of a movie on a grid of binned pixels.

    Attributes
    ----------
    bin_px : int
        Side of a binned pixel, px.
    background : ndarray
        (y, x) mean grey value without rods.
    noise : Noise
        Of binned pixels.
    sign : int
        -1 where rods are dark.
    blind : ndarray
        (y, x) where the movie shows nothing.
    bad : BadPixels
        Of the movie's own grid.
    """

    bin_px: int
    background: Array
    noise: Noise
    sign: int
    blind: Mask
    bad: BadPixels

    def normalise(self, image: NDArray[np.generic]) -> Array:
        """Return *image* binned, without background, rods positive, in units of the noise of a binned pixel.

        Parameters
        ----------
        image : ndarray
            (y, x) frame as recorded.

        Returns
        -------
        ndarray
            (y // bin_px, x // bin_px), float32; 0 where the frame has no finite value or the movie shows nothing, and
            everywhere in a constant frame.
        """
        if not shows_something(image):
            return np.zeros(self.background.shape, dtype=np.float32)
        return self.normalise_binned(bin_image(self.bad.repair(image), self.bin_px))

    def variance_gain(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative change of the noise variance per unit of normalised signal, at positions in binned px."""
        rows, columns = (
            np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), self.background.shape, strict=True)
        )
        gain: NDArray[np.float64] = (
            self.sign
            * self.noise.variance.slope
            / np.sqrt(self.noise.variance.variance(self.background[rows, columns]).astype(float))
        )
        return gain

    def normalise_binned(self, binned: Array) -> Array:
        """`normalise` for a frame that is repaired and binned already."""
        expected = self._expected(binned)
        scale = self.sign / np.sqrt(self.noise.variance.variance(expected))
        normal: Array = (binned - expected) * np.asarray(scale, dtype=np.float32)
        normal[self.blind] = 0
        np.nan_to_num(normal, copy=False, nan=0, posinf=0, neginf=0)
        return without_offsets(normal, *self.noise.offsets)

    def _expected(self, binned: Array) -> Array:
        """Background at the beam current of this frame; where the zero of intensity is not known, at its offset."""
        probe = (slice(None, None, 4), slice(None, None, 4))
        seen = np.isfinite(binned[probe]) & ~self.blind[probe]
        if not seen.any():
            return self.background
        here, usual = binned[probe][seen], self.background[probe][seen]
        if self.noise.variance.slope <= 0:
            return self.background + np.float32(np.median(here - usual))
        zero = np.float32(self.noise.variance.zero_level)
        lit = usual > zero
        gain = max(float(np.median((here[lit] - zero) / (usual[lit] - zero))), 0.05) if lit.any() else 1.0
        return np.asarray(zero + gain * (self.background - zero), dtype=np.float32)


def bin_image(image: NDArray[np.generic], bin_px: int) -> Array:
    """Average *bin_px* x *bin_px* blocks (a power of two); rows and columns left over are dropped."""
    rows, columns = (n - n % bin_px for n in image.shape)
    binned: Array = np.asarray(image[:rows, :columns], dtype=np.float32)
    while bin_px > 1:
        binned = binned[0::2] + binned[1::2]
        binned = (binned[:, 0::2] + binned[:, 1::2]) * np.float32(0.25)
        bin_px //= 2
    return binned


def measure_noise(
    samples: Samples, pause: Callable[[], None], rods_in: Callable[[NDArray[np.generic]], Mask] | None = None
) -> Noise:
    """Measure the noise of single pixels in the differences of consecutive frames.

    Coarser grids follow by `Noise.binned`: there, rods that move would weigh more. In a movie without two different
    frames in a row what a frame adds to a smooth background is taken for noise, wherever it is usual.

    Parameters
    ----------
    samples : Samples
    pause : callable
        Called between the steps; may raise to stop.
    rods_in : callable, optional
        Tells, (y, x), where rods are in a frame; without it, rods that move in a crowded movie count as noise.
    """
    enough = max(_NOISE_PIXELS // samples.mean.size, 1)
    pairs = samples.pairs[:: max(len(samples.pairs) // enough, 1)][:enough]
    hidden = [samples.blind | rods_in(a) | rods_in(b) if rods_in else samples.blind for a, b in pairs]
    pixels = [(bin_image(a, 1), bin_image(b, 1)) for a, b in pairs]
    background = smooth_background(samples.mean, samples.blind, np.inf)
    rounding = 1 / 12 if np.issubdtype(pairs[0][0].dtype, np.integer) else 0.0
    finest = max(_LEAST_NOISE * float(np.std(background)), _LEAST_DIGIT * float(np.abs(background).max()), 1e-15)
    floor = max(rounding, finest**2)
    if pairs[0][0] is pairs[0][1]:
        root_two = np.float32(np.sqrt(2))
        pixels = [(background + root_two * (a - background), background) for a, _ in pixels]
    seen = [(np.where(rods, np.float32(np.nan), a), b) for rods, (a, b) in zip(hidden, pixels, strict=True)]
    variance = _variance(seen, floor)
    noise = Noise(variance, NoiseCorrelation(np.ones((1, 1))))
    pause()
    flat = Field(1, background, noise, 1, samples.blind, samples.bad)
    differences = [flat.normalise_binned(a) - flat.normalise_binned(b) for a, b in pixels]
    pause()
    neighbours, row_share, column_share = correlation(differences, hidden, samples.blind)
    own_share = 1 - row_share - column_share
    return Noise(variance.scaled(own_share), neighbours, (row_share / own_share, column_share / own_share))


def build_field(samples: Samples, noise: Noise, bin_px: int, window_px: float, sign: int) -> Field:
    """Measure the background on a grid of binned pixels.

    The background is the temporal mean (a median of few electrons is biased) after a polynomial and a wide spatial
    median, so that rods that never move are not taken for background.

    Parameters
    ----------
    samples : Samples
    noise : Noise
        Of single pixels.
    bin_px : int
        A power of two.
    window_px : float
        Side of the spatial median; several rod lengths.
    sign : int
        -1 where rods are dark, 1 where they are bright.
    """
    blind = bin_image(samples.blind, bin_px) > 0
    background = smooth_background(bin_image(samples.mean, bin_px), blind, window_px / bin_px)
    return Field(bin_px, background, noise.binned(bin_px), sign, blind, samples.bad)


def smooth_background(mean: Array, blind: Mask, window: float) -> Array:
    """Polynomial times a wide spatial median of what it leaves, both blind to objects smaller than *window* px.

    Parameters
    ----------
    mean : ndarray
        (y, x) temporal mean.
    blind : ndarray
        (y, x) pixels to leave out.
    window : float
        px; infinite for the polynomial alone.
    """
    tile = max(1, min(mean.shape) // _GRID)
    rows, columns = mean.shape[0] // tile, mean.shape[1] // tile
    coarse = _tiled_mean(np.where(blind, np.float32(np.nan), mean), tile)
    if not np.isfinite(coarse).any():
        return np.zeros(mean.shape, dtype=np.float32)
    coarse = _filled(coarse)
    trend = _polynomial(coarse)
    smooth = trend
    if np.isfinite(window):
        size = [int(min(max(window / tile, 3), n)) | 1 for n in coarse.shape]
        rest = ndimage.median_filter(coarse - trend, size=size, mode="nearest")
        smooth = trend + ndimage.gaussian_filter(rest, [n / 8 for n in size], mode="nearest")
    y = (np.arange(mean.shape[0]) + 0.5) / tile - 0.5
    x = (np.arange(mean.shape[1]) + 0.5) / tile - 0.5
    spline_y, spline_x = _interpolation(y, rows), _interpolation(x, columns)
    result: Array = (spline_y @ smooth.astype(np.float32) @ spline_x.T).astype(np.float32)
    return result


def _tiled_mean(image: Array, tile: int) -> NDArray[np.float64]:
    """Mean of the finite pixels of each tile; NaN where fewer than half are."""
    rows, columns = image.shape[0] // tile, image.shape[1] // tile
    tiles = image[: rows * tile, : columns * tile].reshape(rows, tile, columns, tile)
    finite = np.isfinite(tiles)
    count = finite.sum(axis=(1, 3))
    total = np.where(finite, tiles, 0).sum(axis=(1, 3), dtype=float)
    return np.where(2 * count >= tile * tile, total / np.maximum(count, 1), np.nan)


def _filled(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give every NaN the nearest value."""
    missing = np.isnan(image)
    if not missing.any():
        return image
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = image[tuple(nearest)]
    return filled


def _interpolation(positions: NDArray[np.float64], n: int) -> Array:
    """Matrix (positions, n) of linear interpolation, continued in a straight line beyond the ends."""
    matrix = np.zeros((len(positions), n), dtype=np.float32)
    if n == 1:
        return matrix + 1
    left = np.clip(np.floor(positions).astype(int), 0, n - 2)
    weight = positions - left
    matrix[np.arange(len(positions)), left] = 1 - weight
    matrix[np.arange(len(positions)), left + 1] = weight
    return matrix


def _polynomial(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust cubic surface through *image* (Tukey's weights)."""
    y, x = (np.linspace(-1, 1, n) for n in image.shape)
    basis = np.stack([np.outer(y**i, x**j).ravel() for i in range(4) for j in range(4 - i)], axis=1)
    values = image.ravel().astype(float)
    weights = np.ones_like(values)
    surface = values
    for _ in range(6):
        weighted = basis * weights[:, None]
        surface = basis @ np.linalg.lstsq(weighted.T @ basis, weighted.T @ values, rcond=None)[0]
        deviation = np.abs(values - surface)
        scale = 4 * 1.4826 * np.median(deviation)
        if scale <= 1e-9 * deviation.max():
            break
        weights = np.clip(1 - (deviation / scale) ** 2, 0, 1) ** 2
    return surface.reshape(image.shape)


def _variance(pairs: Sequence[tuple[Array, Array]], floor: float) -> VarianceModel:
    """Variance against mean over tiles; the mean of a difference within its tile is flicker, not noise."""
    means, variances = [], []
    for first, second in pairs:
        difference = first - second
        mean = tile_means(np.float32(0.5) * (first + second))
        spread = (tile_means(difference * difference) - tile_means(difference) ** 2) / 2
        finite = np.isfinite(spread)
        means.append(mean[finite])
        variances.append(spread[finite] * np.float32(256 / 255))
    return fit_variance(np.concatenate(means), np.concatenate(variances), floor)
