"""The noise of a movie, measured in the differences of its consecutive frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_TILE = 16
_LAGS = 4
_FEWEST_TILES = 30
_LOUD = 4.5


@dataclass(frozen=True)
class VarianceModel:
    """Variance of a pixel against its mean: ``intercept + slope * mean``, never below ``floor``.

    For counted electrons the slope is the grey value of one electron and ``zero_level`` the grey value of none.
    """

    intercept: float
    slope: float
    floor: float

    @property
    def zero_level(self) -> float:
        """Grey value at which no electron arrived; 0 where the movie does not tell."""
        return -self.intercept / self.slope if self.slope > 0 else 0.0

    def scaled(self, factor: float) -> VarianceModel:
        """Return the model of *factor* times the variance."""
        return VarianceModel(self.intercept * factor, self.slope * factor, self.floor * factor)

    def variance(self, mean: Array) -> Array:
        """Variance of pixels of the given mean."""
        variance: Array = np.maximum(self.intercept + self.slope * mean, self.floor).astype(np.float32)
        return variance


@dataclass(frozen=True)
class NoiseCorrelation:
    """How the noise of neighbouring pixels goes together.

    Attributes
    ----------
    autocorrelation : ndarray
        (2 * lags_y + 1, 2 * lags_x + 1), centre = 1.
    """

    autocorrelation: Matrix

    def power(self, shape: tuple[int, int]) -> Array:
        """Power spectrum on the grid of ``rfft2`` for an image of *shape*; 1 for white noise, always positive."""
        lags_y, lags_x = self.autocorrelation.shape[0] // 2, self.autocorrelation.shape[1] // 2
        keep_y, keep_x = min(lags_y, (shape[0] - 1) // 2), min(lags_x, (shape[1] - 1) // 2)
        kernel = np.zeros(shape)
        rows, columns = np.arange(-keep_y, keep_y + 1), np.arange(-keep_x, keep_x + 1)
        kernel[np.ix_(rows, columns)] = self.autocorrelation[np.ix_(rows + lags_y, columns + lags_x)]
        power: Array = np.maximum(fft.rfft2(kernel).real, 0.2).astype(np.float32)
        return power

    def at_rod_scale(self, reach: int) -> float:
        """Noise power at the longest wave in a window of ``2 * reach + 1`` px, without row noise."""
        return float(self.power((2 * reach + 1, 2 * reach + 1))[0, 1])

    def coarsened(self) -> NoiseCorrelation:
        """Correlation after `coarsen` by 2: sums of 2 x 2 pixels divided by 2."""
        padded = np.pad(self.autocorrelation, [(1 + (n // 2 + 1) % 2,) * 2 for n in self.autocorrelation.shape])
        triangle = np.array([0.5, 1.0, 0.5])
        summed = ndimage.convolve1d(padded, triangle, axis=0, mode="constant")
        summed = ndimage.convolve1d(summed, triangle, axis=1, mode="constant")
        return NoiseCorrelation(summed[_even(summed.shape[0])][:, _even(summed.shape[1])])


@dataclass(frozen=True)
class Noise:
    """Noise of a pixel and of its neighbours together."""

    variance: VarianceModel
    correlation: NoiseCorrelation

    def binned(self, bin_px: int) -> Noise:
        """Noise of pixels averaged over *bin_px* x *bin_px* (a power of two)."""
        noise = self
        while bin_px > 1:
            coarse = noise.correlation.coarsened().autocorrelation
            centre = float(coarse[coarse.shape[0] // 2, coarse.shape[1] // 2])
            noise = Noise(noise.variance.scaled(centre / 4), NoiseCorrelation(coarse / centre))
            bin_px //= 2
        return noise


def _even(n: int) -> slice:
    """Every second of *n* lags (odd), the centre included."""
    return slice((n // 2) % 2, None, 2)


def fit_variance(means: Array, variances: Array, floor: float) -> VarianceModel:
    """Fit a line to variance against mean, robust against tiles through which something moved.

    Parameters
    ----------
    means, variances : ndarray
        One value per tile (grey values, grey values squared).
    floor : float
        Variance below which the recording cannot be (rounding).
    """
    means, variances = means.astype(float), variances.astype(float)
    typical = max(float(np.median(variances)), floor)
    constant = VarianceModel(typical, 0.0, max(floor, 0.05 * typical))
    model, doubt = constant, np.inf
    for _ in range(5):
        deviation = variances / model.variance(means) - 1
        keep = np.abs(deviation) < 3 * 1.4826 * np.median(np.abs(deviation)) + 1e-6
        if np.count_nonzero(keep) < _FEWEST_TILES:
            return constant
        model, doubt = _line(means[keep], variances[keep], 1 / model.variance(means[keep]) ** 2, constant.floor)
    return model if model.slope > 3 * doubt else constant


def _line(means: Matrix, variances: Matrix, weights: Matrix, floor: float) -> tuple[VarianceModel, float]:
    """Weighted straight line and the standard error of its slope."""
    centre = np.average(means, weights=weights)
    lever = float((weights * (means - centre) ** 2).sum())
    if lever <= 0:
        return VarianceModel(float(np.average(variances, weights=weights)), 0.0, floor), 1.0
    level = np.average(variances, weights=weights)
    slope = float((weights * (means - centre) * variances).sum()) / lever
    rest = variances - level - slope * (means - centre)
    doubt = float(np.sqrt((weights * rest**2).mean() / lever))
    return VarianceModel(float(level - slope * centre), slope, floor), doubt


def tile_means(image: Array) -> Array:
    """Mean of each 16 x 16 tile, flat; NaN where a tile has a NaN."""
    rows, columns = max(image.shape[0] // _TILE, 1), max(image.shape[1] // _TILE, 1)
    height, width = min(_TILE, image.shape[0]), min(_TILE, image.shape[1])
    tiles = image[: rows * height, : columns * width].reshape(rows, height, columns, width)
    means: Array = tiles.mean(axis=(1, 3)).ravel()
    return means


def correlation(differences: list[Array]) -> NoiseCorrelation:
    """Autocorrelation of noise from differences of consecutive normalised frames, (y, x) each.

    Tiles through which something moved are left out. Lags up to 4 px, and along a row all, for row noise.
    """
    quiet = [_quiet(difference) for difference in differences]
    total = sum(_autocovariance(np.where(q, d, np.float32(0))) for q, d in zip(quiet, differences, strict=True))
    count = sum(_autocovariance(q.astype(np.float32)) for q in quiet)
    shape = differences[0].shape
    lags_y, lags_x = min(_LAGS, (shape[0] - 1) // 2), min(64, (shape[1] - 1) // 2)
    rows, columns = np.arange(-lags_y, lags_y + 1), np.arange(-lags_x, lags_x + 1)
    covariance = np.asarray(total)[np.ix_(rows, columns)] / np.maximum(np.asarray(count)[np.ix_(rows, columns)], 1)
    far = np.abs(columns) > _LAGS
    row_noise = max(float(covariance[lags_y, far].mean()), 0.0) if far.any() else 0.0
    covariance[:, far] = 0
    covariance[lags_y, far] = row_noise
    centre = covariance[lags_y, lags_x]
    return NoiseCorrelation(covariance / centre if centre > 0 else _white())


def _white() -> Matrix:
    return np.ones((1, 1))


def _quiet(difference: Array) -> NDArray[np.bool_]:
    """Where nothing moved: the local mean of a difference is what noise makes of it."""
    drift = ndimage.uniform_filter(difference, _TILE // 2, mode="nearest")
    loud = np.abs(drift) > _LOUD * 1.4826 * np.median(np.abs(drift))
    return np.asarray(~ndimage.binary_dilation(loud, iterations=_TILE // 4))


def _autocovariance(image: NDArray[np.floating]) -> Matrix:
    shape = [fft.next_fast_len(n + 65, real=True) for n in image.shape]
    spectrum = fft.rfft2(image.astype(float), shape)
    result: Matrix = fft.irfft2(np.abs(spectrum) ** 2, shape)
    return result
