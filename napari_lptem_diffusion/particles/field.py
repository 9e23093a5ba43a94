"""What a frame would be without rods: illumination and background, and the scale of its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.noise import (
    Noise,
    NoiseCorrelation,
    VarianceModel,
    correlation,
    fit_variance,
    tile_means,
)

Array = NDArray[np.float32]
Pairs = Sequence[tuple[NDArray[np.generic], NDArray[np.generic]]]
_SAMPLE_PIXELS = 64_000_000
_MOST_PAIRS = 24
_GRID = 64
_NOISE_PIXELS = 4_000_000
_LEAST_NOISE = 1e-4


class Frames(Protocol):
    """The part of a Movie that detection needs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.generic]: ...


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
    """

    bin_px: int
    background: Array
    noise: Noise
    sign: int

    def normalise(self, image: NDArray[np.generic]) -> Array:
        """Return *image* binned, without background, rods positive, in units of the noise of a binned pixel.

        Parameters
        ----------
        image : ndarray
            (y, x) frame as recorded.

        Returns
        -------
        ndarray
            (y // bin_px, x // bin_px), float32; 0 where the frame has no finite value.
        """
        return self.normalise_binned(bin_image(image, self.bin_px))

    def variance_gain(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative change of the noise variance per unit of normalised signal, at positions in binned px."""
        rows, columns = (
            np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), self.background.shape, strict=True)
        )
        gain: NDArray[np.float64] = (
            self.sign
            * self.noise.variance.slope
            / np.sqrt(self.noise.variance.variance(self.background[rows, columns]))
        )
        return gain

    def normalise_binned(self, binned: Array) -> Array:
        """`normalise` for a frame that is binned already."""
        zero = np.float32(self.noise.variance.zero_level)
        above: Array = self.background - zero
        probe = (slice(None, None, 4), slice(None, None, 4))
        ratio = (binned[probe] - zero) / np.where(above[probe] > 0, above[probe], np.nan)
        finite = ratio[np.isfinite(ratio)]
        gain = max(float(np.median(finite)), 0.05) if finite.size else 1.0
        expected: Array = np.asarray(zero + gain * above, dtype=np.float32)
        scale = self.sign / np.sqrt(self.noise.variance.variance(expected))
        normal = (binned - expected) * scale
        result: Array = np.where(np.isfinite(normal), normal, np.float32(0)).astype(np.float32, copy=False)
        return result


def bin_image(image: NDArray[np.generic], bin_px: int) -> Array:
    """Average *bin_px* x *bin_px* blocks (a power of two); rows and columns left over are dropped."""
    rows, columns = (n - n % bin_px for n in image.shape)
    binned: Array = np.asarray(image[:rows, :columns], dtype=np.float32)
    while bin_px > 1:
        binned = binned[0::2] + binned[1::2]
        binned = (binned[:, 0::2] + binned[:, 1::2]) * np.float32(0.25)
        bin_px //= 2
    return binned


def sample_pairs(movie: Frames) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """Read pairs of consecutive frames spread over the movie.

    Pairs that are mostly NaN are left out; where nothing else is left, one blank pair stands for the movie.
    """
    first = np.asarray(movie[0])
    affordable = _SAMPLE_PIXELS // max(2 * first.size, 1)
    wanted = int(min(max(affordable, 2), _MOST_PAIRS, max(len(movie) // 2, 1)))
    starts = np.unique(np.linspace(0, max(len(movie) - 2, 0), wanted).astype(int))
    pairs = ((np.asarray(movie[int(k)]), np.asarray(movie[min(int(k) + 1, len(movie) - 1)])) for k in starts)
    usable = [pair for pair in pairs if all(np.isfinite(frame).mean() > 0.5 for frame in pair)]
    blank = np.zeros_like(first)
    return usable or [(blank, blank)]


def measure_noise(pairs: Pairs) -> Noise:
    """Measure the noise of single pixels in the differences of consecutive frames.

    Coarser grids follow by `Noise.binned`: there, rods that move would weigh more.

    Parameters
    ----------
    pairs : sequence of two frames
        Consecutive frames, from `sample_pairs`; at least one pair.
    """
    enough = max(_NOISE_PIXELS // pairs[0][0].size, 1)
    pixels = [(bin_image(a, 1), bin_image(b, 1)) for a, b in pairs[:enough]]
    background = smooth_background(_temporal_mean([frame for pair in pixels for frame in pair]), np.inf)
    rounding = 1 / 12 if np.issubdtype(pairs[0][0].dtype, np.integer) else 0.0
    floor = max(rounding, _LEAST_NOISE**2 * float(np.mean(background**2)), 1e-12)
    variance = _variance(pixels, floor)
    flat = Field(1, background, Noise(variance, NoiseCorrelation(np.ones((1, 1)))), 1)
    return Noise(variance, correlation([flat.normalise_binned(b) - flat.normalise_binned(a) for a, b in pixels]))


def build_field(pairs: Pairs, noise: Noise, bin_px: int, window_px: float, sign: int) -> Field:
    """Measure the background on a grid of binned pixels.

    The background is the temporal mean (a median of few electrons is biased) after a polynomial and a wide spatial
    median, so that rods that never move are not taken for background.

    Parameters
    ----------
    pairs : sequence of two frames
        Consecutive frames, from `sample_pairs`; at least one pair.
    noise : Noise
        Of single pixels.
    bin_px : int
        A power of two.
    window_px : float
        Side of the spatial median; several rod lengths.
    sign : int
        -1 where rods are dark, 1 where they are bright.
    """
    mean = _temporal_mean([bin_image(frame, bin_px) for pair in pairs for frame in pair])
    return Field(bin_px, smooth_background(mean, window_px / bin_px), noise.binned(bin_px), sign)


def smooth_background(mean: Array, window: float) -> Array:
    """Polynomial times a wide spatial median of what it leaves, both blind to objects smaller than *window* px."""
    tile = max(1, min(mean.shape) // _GRID)
    rows, columns = mean.shape[0] // tile, mean.shape[1] // tile
    coarse = mean[: rows * tile, : columns * tile].reshape(rows, tile, columns, tile).mean(axis=(1, 3))
    trend = _polynomial(coarse)
    size = [int(min(max(window / tile, 3), n)) | 1 for n in coarse.shape]
    rest = ndimage.median_filter(coarse - trend, size=size, mode="nearest")
    smooth = trend + ndimage.gaussian_filter(rest, [n / 8 for n in size], mode="nearest")
    y = (np.arange(mean.shape[0]) + 0.5) / tile - 0.5
    x = (np.arange(mean.shape[1]) + 0.5) / tile - 0.5
    spline_y, spline_x = _interpolation(y, rows), _interpolation(x, columns)
    result: Array = (spline_y @ smooth.astype(np.float32) @ spline_x.T).astype(np.float32)
    return result


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


def _temporal_mean(frames: Sequence[Array]) -> Array:
    total = np.zeros(frames[0].shape, dtype=np.float64)
    count = np.zeros(frames[0].shape, dtype=np.float64)
    for frame in frames:
        finite = np.isfinite(frame)
        total += np.where(finite, frame, 0)
        count += finite
    mean = total / np.maximum(count, 1)
    return np.where(count > 0, mean, np.median(mean[count > 0])).astype(np.float32)


def _polynomial(image: Array) -> NDArray[np.float64]:
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
        scale = 4 * 1.4826 * np.median(deviation) + 1e-9
        weights = np.clip(1 - (deviation / scale) ** 2, 0, 1) ** 2
    return surface.reshape(image.shape)


def _variance(binned: Sequence[tuple[Array, Array]], floor: float) -> VarianceModel:
    """Variance against mean over tiles; the mean of a difference within its tile is flicker, not noise."""
    means, variances = [], []
    for first, second in binned:
        difference = first - second
        mean = tile_means(np.float32(0.5) * (first + second))
        spread = (tile_means(difference * difference) - tile_means(difference) ** 2) / 2
        finite = np.isfinite(spread)
        means.append(mean[finite])
        variances.append(spread[finite] * np.float32(256 / 255))
    return fit_variance(np.concatenate(means), np.concatenate(variances), floor)
