"""The polarity and rough size of the objects in a movie, with nothing known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.field import Field, bin_image, build_field
from napari_lptem_diffusion.particles.finding.filter_bank import matched_kernels
from napari_lptem_diffusion.particles.finding.frame_pool import side_by_side
from napari_lptem_diffusion.particles.finding.noise import Noise, NoiseCorrelation
from napari_lptem_diffusion.particles.finding.samples import Samples

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_SURE = 6.0
_NOTABLE = 4.0
_SMALLEST_GRID = 24
_SCAN_PIXELS = 6_000_000
_MOST_FRAMES = 8
_SPOTS_PER_FRAME = 24
_INNER, _OUTER = 5, 11
_REACH_OF_A_SPOT = (_INNER + _OUTER) / 2 / _INNER
_BREADTHS = (3.5, 5.0)
_ELONGATIONS = (1.4, 2.8, 5.6, 11.2)
_LONG = 8.0
_FEWEST_ELECTRONS = 50.0
_RELATIVE_BLUR = 0.15
_CLIMB_PX = (3, 2, 2, 1)
_STILL = 0.7
_FEWEST_MOVERS = 3
FRAME, AT_X, AT_Y, STRENGTH, LENGTH, WIDTH, MOVED = range(7)
"""Columns of a table of objects: frame, px, px, noise units (with the sign of the contrast), px, px, 0 or 1."""


@dataclass(frozen=True)
class _Level:
    """The movie on a grid of binned pixels: its normalised mean, `_contrast` of that, the noise of it, rods to try."""

    field: Field
    mean: Array
    mean_contrast: Array
    contrast_noise: float
    rods: tuple[tuple[RodShape, Array], ...]


@dataclass(frozen=True)
class Scan:
    """What stands out of a movie.

    Attributes
    ----------
    shape : RodShape or None
        px of the movie; None where nothing stands out.
    sign : int
        -1 dark or not known, 1 bright.
    strongest : float
        Signal to noise of the strongest.
    moves : bool
        Whether all of it moves.
    """

    shape: RodShape | None
    sign: int
    strongest: float
    moves: bool


def scan_movie(samples: Samples, noise: Noise, sign: int | None, pause: Callable[[], None]) -> Scan:
    """Find polarity and size of what stands out most, over all octaves; what moves counts before what does not.

    On every octave of binning, spots that differ from their surroundings are sought by a difference of squares; on
    each, rods of two widths and three elongations per octave are tried at all angles and a little beside. The size is
    the median of the strongest answers, weighted by signal to noise.

    Parameters
    ----------
    samples : Samples
    noise : Noise
        Of single pixels.
    sign : int or None
        -1 where rods are dark, 1 where they are bright, None if that is to be found.
    pause : callable
        Called often; may raise to stop.

    Returns
    -------
    Scan
    """
    levels = _levels(samples, noise, pause)
    count = int(np.clip(_SCAN_PIXELS // samples.mean.size, 1, _MOST_FRAMES))
    frames = [int(k) for k in np.unique(np.linspace(0, len(samples.pairs) - 1, count).astype(int))]
    views = side_by_side(partial(_view, samples, levels), frames, pause)
    found = _strongest(_joined([spots for _, spots in views]), _REACH_OF_A_SPOT)
    moving = found[found[:, MOVED] > 0]
    if only_movers := len(moving) >= _FEWEST_MOVERS:
        found = moving
    if sign is None:
        weight = np.sign(found[:, STRENGTH]) * (np.abs(found[:, STRENGTH]) - _NOTABLE) ** 2
        unsure = np.abs(found[:, STRENGTH]) < _SURE
        by_chance = 2 * np.sqrt(np.square(weight[unsure]).sum())
        sign = 1 if weight.sum() > by_chance else -1  # in doubt dark, as heavy rods in bright field are
    found = found[np.sign(found[:, STRENGTH]) == sign]
    of_frame = [found[found[:, FRAME] == frame][:_SPOTS_PER_FRAME] for frame in frames]
    look = partial(_answers, levels=levels, sign=sign, only_movers=only_movers)
    answers = side_by_side(lambda view: look(*view), zip((images for images, _ in views), of_frame, strict=True), pause)
    sure = _joined(answers)
    winners = _strongest(sure[sure[:, STRENGTH] > _SURE], 0.75)
    if not len(winners):
        return Scan(None, sign, 0.0, False)
    weights = np.minimum(winners[:, STRENGTH], 20)
    length, width = (_weighted_median(winners[:, k], weights) for k in (LENGTH, WIDTH))
    shape = RodShape(length, width, max(_RELATIVE_BLUR * width, 0.7))
    return Scan(shape, sign, float(winners[0, STRENGTH]), only_movers)


def _levels(samples: Samples, noise: Noise, pause: Callable[[], None]) -> list[_Level]:
    side = min(samples.mean.shape)
    field = build_field(samples, noise, _finest(samples, noise), side / 3, 1)
    mean = bin_image(samples.mean, field.bin_px)
    levels: list[_Level] = []
    while not levels or side // field.bin_px >= _SMALLEST_GRID:
        pause()
        shapes = [RodShape(width * ratio, width, 0.8) for ratio in _ELONGATIONS for width in _BREADTHS]
        fitting = [shape for shape in shapes if 2 * shape.reach + 1 <= side // field.bin_px]
        correlation = field.noise.correlation
        kernels = (matched_kernels(shape, correlation)[1].astype(np.float32) for shape in fitting)
        rods = tuple(zip(fitting, kernels, strict=True))
        normal = field.normalise_binned(mean)
        levels.append(_Level(field, normal, _contrast(normal), _contrast_noise(correlation), rods))
        field, mean = _coarser(field), bin_image(mean, 2)
    return levels


def _coarser(field: Field) -> Field:
    return replace(
        field,
        bin_px=2 * field.bin_px,
        background=bin_image(field.background, 2),
        noise=field.noise.binned(2),
        blind=bin_image(field.blind, 2) > 0,
    )


def _finest(samples: Samples, noise: Noise) -> int:
    """Binning at which a spot has electrons enough for its noise to be normal."""
    seen = samples.mean[~samples.blind & np.isfinite(samples.mean)]
    if noise.variance.slope <= 0 or not len(seen):
        return 1
    electrons = (float(np.median(seen)) - noise.variance.zero_level) / noise.variance.slope
    needed = _FEWEST_ELECTRONS / max(electrons * _INNER**2, 1e-3)
    return int(2 ** max(np.ceil(np.log2(needed) / 2), 0))


def _view(samples: Samples, levels: list[_Level], frame: int) -> tuple[list[Array], Matrix]:
    """Normalised images of a frame on every level, and what stands out in them."""
    images, spots = [], []
    binned = bin_image(samples.pairs[frame][0], levels[0].field.bin_px)
    for level in levels:
        images.append(level.field.normalise_binned(binned))
        spots.append(_spots(images[-1], level, frame))
        binned = bin_image(binned, 2)
    return images, _joined(spots)


def _contrast(image: Array) -> Array:
    """Mean of a square less that of a wider one."""
    inner, outer = (ndimage.uniform_filter(image, n, mode="nearest") for n in (_INNER, _OUTER))
    contrast: Array = inner - outer
    return contrast


def _contrast_noise(noise: NoiseCorrelation) -> float:
    """Noise of `_contrast`, one standard deviation."""
    size = 4 * _OUTER + 1
    kernel = np.zeros((size, size), dtype=np.float32)
    kernel[size // 2, size // 2] = 1
    kernel = _contrast(kernel)
    seen = fft.irfft2(fft.rfft2(kernel) * noise.power((size, size)), (size, size))
    return float(np.sqrt((kernel * seen).sum()))


def _spots(image: Array, level: _Level, frame: int) -> Matrix:
    """Peaks, up or down, of the contrast of one image, strongest first, as a table of objects."""
    contrast = _contrast(image) / level.contrast_noise
    size = np.abs(contrast)
    y, x = _peaks(size)
    order = np.argsort(-size[y, x], kind="stable")[: 4 * _SPOTS_PER_FRAME]
    y, x = y[order], x[order]
    strength = contrast[y, x].astype(float)
    before = level.mean_contrast[y, x] / level.contrast_noise
    moved = (before * np.sign(strength) < _STILL * np.abs(strength)) & (np.abs(strength) > _SURE)
    bin_px = level.field.bin_px
    width = np.full(len(x), float(_INNER * bin_px))
    return np.stack(
        [np.full(len(x), frame), (x + 0.5) * bin_px, (y + 0.5) * bin_px, strength, width, width, moved], axis=1
    )


def _peaks(size: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the notable pixels that are the largest of a square around them."""
    largest = np.pad(size, _INNER // 2)
    for _ in range(2):
        n = len(largest) - _INNER + 1
        largest = reduce(np.maximum, (largest[k : k + n] for k in range(_INNER))).T
    y, x = np.nonzero((size > _NOTABLE) & (size == largest))
    return y, x


def _answers(images: list[Array], spots: Matrix, levels: list[_Level], sign: int, only_movers: bool) -> Matrix:
    """The best place, angle and signal to noise near each spot of a frame, for every size of rod."""
    tables = []
    for image, level in zip(images, levels, strict=True):
        near = spots[np.abs(np.log2(spots[:, WIDTH] / (_INNER * level.field.bin_px))) < 1.5]
        if len(near):
            new = image - level.mean if only_movers else image
            tables.append(_answers_of_level(sign * new, level, near))
    return _joined(tables)


def _answers_of_level(image: Array, level: _Level, spots: Matrix) -> Matrix:
    """`_answers` with the rods of one level."""
    tables: list[Matrix] = []
    for shape, kernels in level.rods:
        if shape.length < _LONG * shape.width:
            tables.append(_climb(image, shape, kernels, level.field.bin_px, spots))
            continue
        best = np.stack(tables)[np.argmax([table[:, STRENGTH] for table in tables], axis=0), np.arange(len(spots))]
        drawn_out = spots[best[:, LENGTH] > _LONG / 2 * best[:, WIDTH]]
        if len(drawn_out):
            return _joined([*tables, _climb(image, shape, kernels, level.field.bin_px, drawn_out)])
    return _joined(tables)


def _climb(image: Array, shape: RodShape, kernels: Array, bin_px: int, spots: Matrix) -> Matrix:
    """The *spots* as rods of *shape*, moved to where these answer most."""
    x, y = (np.floor(spots[:, k] / bin_px).astype(int) for k in (AT_X, AT_Y))
    pad = kernels.shape[1] // 2 + max(_CLIMB_PX)
    windows = sliding_window_view(np.pad(image, pad), kernels.shape[1:])
    filters = kernels.reshape(len(kernels), -1).T
    for step in _CLIMB_PX:
        x, y = np.clip(x, 0, image.shape[1] - 1), np.clip(y, 0, image.shape[0] - 1)
        rows, columns = (step * (np.arange(9) // 3 - 1), step * (np.arange(9) % 3 - 1))
        patches = windows[y[:, None] + rows + max(_CLIMB_PX), x[:, None] + columns + max(_CLIMB_PX)]
        response = (patches.reshape(9 * len(x), -1) @ filters).max(axis=1).reshape(len(x), 9)
        best = response.argmax(axis=1)
        x, y = x + columns[best], y + rows[best]
    table = spots.copy()
    table[:, AT_X], table[:, AT_Y] = (x + 0.5) * bin_px, (y + 0.5) * bin_px
    table[:, STRENGTH] = response.max(axis=1)
    table[:, LENGTH], table[:, WIDTH] = shape.length * bin_px, shape.width * bin_px
    return table


def _joined(tables: list[Matrix]) -> Matrix:
    return np.concatenate([*tables, np.empty((0, 7))])


def _strongest(objects: Matrix, within_lengths: float) -> Matrix:
    """Keep the strongest of each frame's objects that are within so many lengths of each other, strongest first."""
    left = objects[np.argsort(-np.abs(objects[:, STRENGTH]), kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0])
        apart = np.hypot(left[:, AT_X] - left[0, AT_X], left[:, AT_Y] - left[0, AT_Y])
        near = apart <= within_lengths * np.maximum(left[0, LENGTH], left[:, LENGTH])
        left = left[(left[:, FRAME] != left[0, FRAME]) | ~near]
    return np.array(kept).reshape(-1, 7)


def _weighted_median(values: Matrix, weights: Matrix) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
