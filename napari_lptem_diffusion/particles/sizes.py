"""The size of the rods, learnt from the movie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.capsule import RodShape
from napari_lptem_diffusion.particles.field import Field, Pairs, build_field
from napari_lptem_diffusion.particles.filter_bank import build_filter_bank
from napari_lptem_diffusion.particles.noise import Noise, NoiseCorrelation
from napari_lptem_diffusion.particles.pose_fit import levenberg_marquardt, normal_equations
from napari_lptem_diffusion.particles.priors import SIZE, Prior
from napari_lptem_diffusion.particles.windows import Windows

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_SURE = 7.0
_SMALLEST_GRID = 24
_SCAN_PIXELS = 3_000_000
_RELATIVE_BLUR = 0.15
_POPULATION_ROUNDS = 10
_SPREADS = (np.array([0.05, 0.05, 0.5]), np.array([0.4, 0.3, 0.8]))
"""Least and largest spread of the logarithms of length, width and blur that a population may have."""


def scan_sizes(pairs: Pairs, noise: Noise, sign: int) -> RodShape | None:
    """Find the size of object that stands out most, over all octaves.

    A coarse filter bank (two widths and two elongations per octave) runs on a few frames; where several sizes
    answer to the same object the strongest answer counts; the result is the median over objects, weighted by signal
    to noise.

    Parameters
    ----------
    pairs : sequence of two frames
        From `field.sample_pairs`.
    noise : Noise
        Of single pixels.
    sign : int
        -1 where rods are dark.

    Returns
    -------
    RodShape or None
        px of the movie; None where nothing stands out.
    """
    height, width = pairs[0][0].shape
    count = int(np.clip(_SCAN_PIXELS // (height * width), 1, 6))
    frames = [pairs[k][0] for k in np.unique(np.linspace(0, len(pairs) - 1, count).astype(int))]
    answers: list[Matrix] = []
    bin_px = 1
    while min(height, width) // bin_px >= _SMALLEST_GRID:
        field = build_field(pairs, noise, bin_px, min(height, width) / 3, sign)
        answers += [_answers(field, frame, k) for k, frame in enumerate(frames)]
        bin_px *= 2
    winners = _strongest(np.concatenate(answers)) if answers else np.empty((0, 6))
    if not len(winners):
        return None
    weights = np.minimum(winners[:, 3], 20)
    length, breadth = (_weighted_median(winners[:, k], weights) for k in (4, 5))
    return RodShape(length, breadth, max(_RELATIVE_BLUR * breadth, 0.7))


def _answers(field: Field, frame: NDArray[np.generic], index: int) -> Matrix:
    """Peaks of every size on this grid: columns frame, x, y, snr, length, width; px of the movie."""
    image = field.normalise(frame)
    rows = []
    for breadth in (3.5, 5.0):
        for elongation in (1.4, 2.8):
            shape = RodShape(breadth * elongation, breadth, 0.8)
            if 2 * shape.reach + 1 > min(image.shape):
                continue
            found = build_filter_bank(shape, field.noise.correlation).candidates(image, _SURE, 40)
            for x, y, snr in zip(found.x, found.y, found.snr, strict=True):
                rows.append((index, *((np.array([x, y]) + 0.5) * field.bin_px), snr, shape.length, shape.width))
    table = np.array(rows, dtype=float).reshape(-1, 6)
    table[:, 4:] *= field.bin_px
    return table


def _strongest(answers: Matrix) -> Matrix:
    """Keep the strongest answer of each object: greedily, hiding weaker ones within its length."""
    left = answers[np.argsort(-answers[:, 3], kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0])
        apart = np.hypot(left[:, 1] - left[0, 1], left[:, 2] - left[0, 2])
        left = left[(left[:, 0] != left[0, 0]) | (apart > np.maximum(left[0, 4], left[:, 4]) * 0.75)]
    return np.array(kept).reshape(-1, 6)


def _weighted_median(values: Matrix, weights: Matrix) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def learn_population(images: Sequence[Array], rods: Sequence[Matrix], prior: Prior, noise: NoiseCorrelation) -> Prior:
    """Learn the typical size of the rods and how much it varies, from many rods seen badly.

    In one noisy frame the size of a rod is hardly known, and rods differ. The logarithms of length, width and blur
    are taken as normal over the population; its means and spreads and the sizes of the rods are found together
    (expectation maximisation, each rod's posterior taken as normal).

    Parameters
    ----------
    images : sequence of ndarray
        Normalised, (y, x).
    rods : sequence of ndarray
        (rods, 8) parameters per image, from `pose_fit.fit_rods`; at least one rod in each.
    prior : Prior
        Where to start.
    noise : NoiseCorrelation

    Returns
    -------
    Prior
        px of the images.
    """
    level = noise.at_rod_scale(prior.shape.reach)
    views = [Windows(image, start, prior.shape.reach) for image, start in zip(images, rods, strict=True)]
    data = [view.data - view.others(start) for view, start in zip(views, rods, strict=True)]
    parameters = list(rods)
    for _ in range(_POPULATION_ROUNDS):
        means, variances = [], []
        for k, (view, pixels) in enumerate(zip(views, data, strict=True)):
            parameters[k] = levenberg_marquardt(view, pixels, parameters[k], prior.of_rods(len(pixels)), level, steps=4)
            curvature, _ = normal_equations(*view.linearise(pixels, parameters[k]), level)
            posterior = np.linalg.inv(curvature + np.diag(prior.precision()) + 1e-9 * np.eye(8))
            means.append(parameters[k][:, SIZE])
            variances.append(np.einsum("nii->ni", posterior)[:, SIZE])
        log_size, variance = np.concatenate(means), np.concatenate(variances)
        centre = log_size.mean(axis=0)
        spread = np.sqrt(((log_size - centre) ** 2 + variance).mean(axis=0))
        length_spread, width_spread, blur_spread = (float(v) for v in np.clip(spread, *_SPREADS))
        shape = RodShape(*(float(v) for v in np.exp(centre)))
        prior = Prior(shape, length_spread, width_spread, blur_spread)
    return prior
