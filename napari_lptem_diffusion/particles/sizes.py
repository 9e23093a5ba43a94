"""The size of the rods, learnt from the movie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.capsule import RodShape
from napari_lptem_diffusion.particles.field import Field, build_field
from napari_lptem_diffusion.particles.filter_bank import build_filter_bank
from napari_lptem_diffusion.particles.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.pose_fit import (
    Prior,
    Windows,
    linearise,
    normal_equations,
)

Array = NDArray[np.float32]
Pairs = Sequence[tuple[NDArray[np.generic], NDArray[np.generic]]]
_SURE = 7.0
_SMALLEST_GRID = 24
_SCAN_PIXELS = 4_000_000
_RELATIVE_BLUR = 0.15
_REFINEMENTS = 12
_OWN, _SHARED = slice(0, 5), slice(5, 8)
_OWN_STEP = np.array([1.0, 1.0, 0.2, 1e3, 1e3])


def scan_sizes(pairs: Pairs, sign: int) -> RodShape | None:
    """Find the size of object that stands out most, over all octaves.

    A coarse filter bank (two widths and three elongations per octave) runs on a few frames; where several sizes answer to
    the same object the strongest answer counts; the result is the median over objects weighted by signal to noise.

    Parameters
    ----------
    pairs : sequence of two frames
        From `field.sample_pairs`.
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
    answers: list[NDArray[np.float64]] = []
    bin_px = 1
    while min(height, width) // bin_px >= _SMALLEST_GRID:
        field = build_field(pairs, bin_px, min(height, width) / 3, sign)
        answers += [_answers(field, frame, k) for k, frame in enumerate(frames)]
        bin_px *= 2
    winners = _strongest(np.concatenate(answers)) if answers else np.empty((0, 6))
    if not len(winners):
        return None
    weights = np.minimum(winners[:, 3], 20)
    length, breadth = (_weighted_median(winners[:, k], weights) for k in (4, 5))
    return RodShape(length, breadth, max(_RELATIVE_BLUR * breadth, 0.7))


def _answers(field: Field, frame: NDArray[np.generic], index: int) -> NDArray[np.float64]:
    """Peaks of every size on this grid: columns frame, x, y, snr, length, width; px of the movie."""
    image = field.normalise(frame)
    rows = []
    for breadth in (3.5, 5.0):
        for elongation in (1.2, 2.0, 3.5):
            shape = RodShape(breadth * elongation, breadth, 0.8)
            if 2 * shape.reach + 1 > min(image.shape):
                continue
            found = build_filter_bank(shape, field.noise).candidates(image, _SURE, 40)
            for x, y, snr in zip(found.x, found.y, found.snr, strict=True):
                rows.append((index, *((np.array([x, y]) + 0.5) * field.bin_px), snr, shape.length, shape.width))
    table = np.array(rows, dtype=float).reshape(-1, 6)
    table[:, 4:] *= field.bin_px
    return table


def _strongest(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the strongest answer of each object: greedily, hiding weaker ones within its length."""
    left = answers[np.argsort(-answers[:, 3], kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0])
        apart = np.hypot(left[:, 1] - left[0, 1], left[:, 2] - left[0, 2])
        left = left[(left[:, 0] != left[0, 0]) | (apart > np.maximum(left[0, 4], left[:, 4]) * 0.75)]
    return np.array(kept).reshape(-1, 6)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def refine_shape(
    images: Sequence[Array], rods: Sequence[NDArray[np.float64]], prior: Prior, noise: NoiseCorrelation
) -> RodShape:
    """Fit one size to rods of several images: all share length, width and blur, each keeps its pose and amplitude.

    Gauss-Newton on the shared size with each rod's own parameters eliminated (Schur complement).

    Parameters
    ----------
    images : sequence of ndarray
        Normalised, (y, x).
    rods : sequence of ndarray
        (rods, 8) parameters per image, from `pose_fit.fit_rods`.
    prior : Prior
        Where to start and how far to believe it.
    noise : NoiseCorrelation

    Returns
    -------
    RodShape
        px of the images.
    """
    views = [(Windows(image, start, prior.shape.reach), start) for image, start in zip(images, rods, strict=True)]
    data = [view.data - view.others(start) for view, start in views]
    parameters = [start.copy() for _, start in views]
    level = float(noise.power((2 * prior.shape.reach + 1,) * 2)[0, 1])
    centre, precision = prior.centre()[_SHARED], np.diag(prior.precision()[_SHARED])
    size = centre.copy()
    for _ in range(_REFINEMENTS):
        equations = []
        for (view, _), pixels, current in zip(views, data, parameters, strict=True):
            current[:, _SHARED] = size
            equations.append(normal_equations(*linearise(view, pixels, current), level))
        curvature = np.concatenate([one[0] for one in equations])
        gradient = np.concatenate([one[1] for one in equations])
        own = curvature[:, _OWN][:, :, _OWN] + 1e-6 * np.eye(5)
        mixed = curvature[:, _OWN][:, :, _SHARED]
        solved = np.linalg.solve(own, np.concatenate([mixed, gradient[:, _OWN, None]], axis=2))
        transposed = mixed.transpose(0, 2, 1)
        whole = (curvature[:, _SHARED][:, :, _SHARED] - transposed @ solved[:, :, :-1]).sum(axis=0) + precision
        pull = (gradient[:, _SHARED] - (transposed @ solved[:, :, -1:])[..., 0]).sum(axis=0)
        step = np.clip(np.linalg.solve(whole, pull + precision @ (centre - size)), -0.2, 0.2)
        size = size + step
        change = np.clip(solved[:, :, -1] - solved[:, :, :-1] @ step, -_OWN_STEP, _OWN_STEP)
        for current, moved in zip(
            parameters, np.split(change, np.cumsum([len(one) for one in parameters])[:-1]), strict=True
        ):
            current[:, _OWN] += moved
        if np.abs(step).max() < 2e-3:
            break
    length, width, blur = np.exp(size)
    return RodShape(float(length), float(width), float(blur))
