"""The noise of a movie, measured in the differences of its consecutive frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_TILE = 16
_LAGS = (4, 8, 16)
_UNCORRELATED = 0.005
_SHARED_OFFSET = 0.005
"""Share of the variance from which an offset matters: rows of a rod of 30 px then have a tenth more noise together."""
_FARTHEST_LAG = 64
_STRETCH = 8
_ALIKE = 2.0
_LEAST_POWER = 0.2
_DYNAMIC_RANGE = 0.03
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
        power = fft.rfft2(kernel).real
        positive: Array = np.maximum(power, max(_LEAST_POWER, _DYNAMIC_RANGE * power.max())).astype(np.float32)
        return positive

    def at_rod_scale(self, reach: int) -> float:
        """Noise power at the longest wave in a window of ``2 * reach + 1`` px."""
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
    """Noise of a pixel and of its neighbours together.

    Attributes
    ----------
    variance : VarianceModel
    correlation : NoiseCorrelation
        Without the offsets.
    offsets : tuple of float
        Variances of the offset that the pixels of each row, and those of each column, have in common, over that of a
        pixel without them; 0 where there is none to be taken off.
    """

    variance: VarianceModel
    correlation: NoiseCorrelation
    offsets: tuple[float, float] = (0.0, 0.0)

    def binned(self, bin_px: int) -> Noise:
        """Noise of pixels averaged over *bin_px* x *bin_px* (a power of two)."""
        noise = self
        while bin_px > 1:
            coarse = noise.correlation.coarsened().autocorrelation
            centre = float(coarse[coarse.shape[0] // 2, coarse.shape[1] // 2])
            rows, columns = (2 / centre * share for share in noise.offsets)
            noise = Noise(noise.variance.scaled(centre / 4), NoiseCorrelation(coarse / centre), (rows, columns))
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
    typical = max(float(np.median(variances)), floor) if len(variances) else floor
    constant = VarianceModel(typical, 0.0, max(floor, 0.05 * typical))
    if len(variances) < _FEWEST_TILES:
        return constant
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


def correlation(
    differences: Sequence[Array], hidden: Sequence[NDArray[np.bool_]], blind: NDArray[np.bool_]
) -> tuple[NoiseCorrelation, float, float]:
    """Autocorrelation of noise, and the share of its variance that is common to a row and to a column.

    Regions through which something moved are left out. The correlation reaches as far as there is any (4, 8 or 16 px).
    What goes together along a row (a column) beyond that is its offset; where it is large it has to be taken off and
    is not in the correlation, a small one of rows is left in it, over 64 px.

    Parameters
    ----------
    differences : sequence of ndarray
        (y, x) images of nothing but noise, such as differences of consecutive normalised frames.
    hidden : sequence of ndarray
        (y, x) of each, what to leave out.
    blind : ndarray
        (y, x) where all differences are 0 because nothing is seen there.
    """
    quiet = [_quiet(difference, blind) & ~h for difference, h in zip(differences, hidden, strict=True)]
    total = sum(_autocovariance(np.where(q, d, np.float32(0))) for q, d in zip(quiet, differences, strict=True))
    count = sum(_autocovariance(q.astype(np.float32)) for q in quiet)
    covariance = np.asarray(total, dtype=float) / np.maximum(np.asarray(count, dtype=float), 1)
    if covariance[0, 0] <= 0:
        return NoiseCorrelation(_white()), 0.0, 0.0
    covariance /= covariance[0, 0]
    reach = [(n - 1) // 2 for n in differences[0].shape]
    shares: list[float] = []
    row_share = 0.0
    beside = min(_LAGS[0], *reach)
    for lines, most in ((covariance, reach[1]), (covariance.T, reach[0])):
        far = slice(_LAGS[-1] + 1, min(_FARTHEST_LAG, most))
        # What moved goes together along the lines beside, too; an offset does not.
        share = float((lines[0, far] - lines[beside, far]).mean()) if far.stop > far.start else 0.0
        row_share = share if not shares else row_share
        shares.append(share if share > _SHARED_OFFSET else 0.0)
    covariance[0] -= shares[0]
    covariance[:, 0] -= shares[1]
    covariance /= covariance[0, 0]
    for lags in _LAGS:
        edge = covariance[min(lags, reach[0]), : min(lags, reach[1]) + 1]
        if abs(float(edge.mean())) < _UNCORRELATED:
            break
    rows, columns = (np.arange(-min(lags, n), min(lags, n) + 1) for n in reach)
    near = covariance[np.ix_(rows, columns)]
    if shares[0] > 0:
        return NoiseCorrelation(near), shares[0], shares[1]
    wide = min(_FARTHEST_LAG, reach[1]) - min(lags, reach[1])
    whole = np.pad(near, [(0, 0), (wide, wide)])
    middle = whole[len(rows) // 2]
    middle[:wide] = middle[len(middle) - wide :] = max(row_share, 0.0)
    return NoiseCorrelation(whole), 0.0, shares[1]


def without_offsets(image: Array, rows: float, columns: float) -> Array:
    """Take off a normalised *image* (y, x) the offsets of its rows and columns, whose variances are given."""
    if rows:
        image = image - _common(image, rows)[:, None]
    if columns:
        image = image - _common(image.T, columns)
    return image


def _common(image: Array, variance: float) -> Array:
    """Likeliest offset of each row: of the mean of its stretches the share that their scatter leaves (Wiener).

    Only stretches that are alike count, so that a rod does not; where rods are everywhere, stretches scatter much.
    """
    count = max(image.shape[1] // _STRETCH, 1)
    stretches = image[:, : count * (image.shape[1] // count)].reshape(len(image), count, -1).mean(axis=2)
    deviation = np.abs(stretches - np.median(stretches, axis=1, keepdims=True))
    alike = deviation <= _ALIKE * 1.4826 * np.median(deviation)
    offset: Array = (stretches * alike).sum(axis=1) / np.maximum(alike.sum(axis=1), 1)
    offset *= np.float32(variance / (variance + np.square(deviation).mean() / count))
    return offset


def _white() -> Matrix:
    return np.ones((1, 1))


def _quiet(difference: Array, blind: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where nothing moved: the local mean of a difference is what noise makes of it where something is seen."""
    drift = np.abs(ndimage.uniform_filter(difference, _TILE // 2, mode="nearest"))
    seen = drift[~blind] if blind.any() and not blind.all() else drift
    loud = drift > _LOUD * 1.4826 * np.median(seen)
    return np.asarray(~ndimage.binary_dilation(loud, iterations=_TILE // 4))


def _autocovariance(image: NDArray[np.floating]) -> Matrix:
    shape = [fft.next_fast_len(n + _FARTHEST_LAG, real=True) for n in image.shape]
    spectrum = fft.rfft2(image, shape)
    result: Matrix = fft.irfft2(np.abs(spectrum) ** 2, shape)
    return result
