"""The size of rods that hardly stand out, learnt where several frames together say that they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.detector import Detector, coarsen
from napari_lptem_diffusion.particles.finding.filter_bank import matched_kernels
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.priors import Prior
from napari_lptem_diffusion.particles.finding.samples import Frames
from napari_lptem_diffusion.particles.finding.slow_paths import best_paths, log_likelihood

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_FRAMES = 32
_WITHIN_LENGTHS = 0.4
_ROUNDS = 3
_LARGER, _TELLING, _STRONGER = 1.4, 0.1, 1.5
"""A rod so much larger explains single ones worse, by a twentieth of their evidence; two beside each other better, by a
tenth and more. Two on each other have twice the evidence of one; single ones differ by a fifth."""
_FEWEST_PLACES = 40
_SNRS = np.concatenate([[0.0], np.arange(2.5, 8.1, 0.5)]).astype(np.float32)
_WEIGHT_ROUNDS = 25
_ANGLES = 12
_STEPS = (0.2, 0.1, 0.05, 0.025)
"""Of the logarithms of the sizes."""
_USUAL_BLUR, _BLUR_DOUBT = 0.2, 0.5
"""Of the width, and the standard deviation of its logarithm: width and blur are hard to tell apart."""
_SPREADS = (0.1, 0.1, 0.4)


def learn_faint_sizes(detector: Detector, movie: Frames, pause: Callable[[], None]) -> Prior | None:
    """Learn the typical size of rods of which a single frame says little, without choosing those that look large.

    A fit of a peak that was chosen for its height is drawn to the noise that made it high: such rods seem longer and
    sharper than they are. So several frames together say where rods are (`slow_paths`). There the response r of a
    matched filter of each size gives the likelihood exp(a r - a^2 / 2) of a rod of signal to noise a at every place and
    angle nearby; their mean is the likelihood of the size, whatever the pose. How often which a occurs, 0 included, is
    learnt with each size. Paths of what seems to be two rods that touch are left out.

    Parameters
    ----------
    detector : Detector
        Of rods of about the right size.
    movie : sequence of (y, x) frames
    pause : callable
        Called often; may raise to stop.

    Returns
    -------
    Prior or None
        px of the movie; None where too few rods are seen.
    """
    factor, correlation = detector.coarsening, detector.field.noise.correlation
    shape = detector.prior.shape.scaled(1 / factor)
    within = max(int(np.ceil(_WITHIN_LENGTHS * shape.length)), 2)
    first = max((len(movie) - _FRAMES) // 2, 0)
    images, likely = [], []
    for frame in range(first, min(first + _FRAMES, len(movie))):
        pause()
        images.append(coarsen(detector.field.normalise(movie[frame]), factor))
        likely.append(log_likelihood(detector.bank.responses(images[-1]) / np.float32(detector.bank.texture)))
    windows, owners = [], []
    for number, path in enumerate(best_paths(np.stack(likely), shape.length)):
        seen = [_windows(images[t], np.array([[x, y]]), within + shape.reach + shape.reach // 4) for t, y, x in path]
        windows += seen
        owners += [number] * sum(len(one) for one in seen)
    if len(owners) < _FEWEST_PLACES:
        return None
    rods = _Seen(
        np.concatenate(windows), np.array(owners), within, correlation.coarsened() if factor == 2 else correlation
    )
    shape = replace(shape, blur=_USUAL_BLUR * shape.width)
    for turn in range(_ROUNDS):
        several = rods.not_single(shape)
        if turn and not several.any():
            break
        rods = rods if several.all() else rods.without(several)
        shape = _likeliest(rods, shape, pause)
    return Prior(shape.scaled(factor * detector.field.bin_px), *_SPREADS)


def _windows(image: Array, places: Matrix, margin: int) -> Array:
    """Windows of half side *margin* around those *places* (x, y) around which they are in the image."""
    x, y = np.rint(places).astype(int).T.reshape(2, -1)
    inside = (np.minimum(x, y) >= margin) & (x < image.shape[1] - margin) & (y < image.shape[0] - margin)
    side = 2 * margin + 1
    if min(image.shape) < side:
        return np.empty((0, side, side), dtype=np.float32)
    windows: Array = sliding_window_view(image, (side, side))[y[inside] - margin, x[inside] - margin]
    return windows


@dataclass(frozen=True)
class _Seen:
    """Windows in which a rod is likely to be *within* so many px of the middle, and whose, (n,)."""

    windows: Array
    owner: NDArray[np.intp]
    within: int
    noise: NoiseCorrelation

    def evidence(self, shape: RodShape) -> Matrix:
        """Log likelihood of each window given rods of this *shape*, of any signal to noise, pose and frequency."""
        reach = self.windows.shape[1] // 2 - self.within
        _, kernels, _ = matched_kernels(shape, self.noise, reach, _ANGLES)
        patches = sliding_window_view(self.windows, kernels.shape[1:], axis=(1, 2))
        offset = np.arange(-self.within, self.within + 1)
        near = np.hypot(*np.meshgrid(offset, offset)) <= self.within + 0.5
        flat = patches[:, near].reshape(-1, kernels[0].size)
        response = (flat @ kernels.reshape(len(kernels), -1).T.astype(np.float32)).reshape(len(self.windows), -1)
        highest = response.max(axis=1, keepdims=True)
        likely = [np.log(np.exp(snr * (response - highest)).mean(axis=1)) - snr * snr / 2 for snr in _SNRS]
        return _mixed(np.stack(likely, axis=1) + highest * np.array(_SNRS, dtype=float))

    def not_single(self, shape: RodShape) -> NDArray[np.bool_]:
        """Which windows are of paths that stand out far more than most, or that a far larger rod explains better."""
        grown = [replace(shape, length=_LARGER * shape.length), replace(shape, width=_LARGER * shape.width)]
        grown += [replace(one, blur=_LARGER * one.blur) for one in grown]
        owner = np.unique(self.owner, return_inverse=True)[1]
        evidence, *of_grown = (np.bincount(owner, self.evidence(one)) for one in (shape, *grown))
        share = np.max(of_grown, axis=0) / np.maximum(evidence, 1)
        rate = evidence / np.bincount(owner)
        many = (rate > _STRONGER * np.median(rate)) | (share > _TELLING + np.median(share))
        return np.asarray(many[owner])

    def without(self, rows: NDArray[np.bool_]) -> _Seen:
        """Leave these *rows* out."""
        return replace(self, windows=self.windows[~rows], owner=self.owner[~rows])


def _mixed(logs: Matrix) -> Matrix:
    """Log likelihood of rows of which each is one of the columns, given theirs, at the likeliest share of each."""
    highest = logs.max(axis=1)
    likely = np.exp(logs - highest[:, None])
    share = np.full(likely.shape[1], 1 / likely.shape[1])
    for _ in range(_WEIGHT_ROUNDS):
        posterior = likely * share
        share = (posterior / posterior.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(np.log(likely @ share) + highest)


def _likeliest(seen: _Seen, start: RodShape, pause: Callable[[], None]) -> RodShape:
    """Climb from *start*, one of the three sizes at a time, in ever smaller steps."""
    logs = np.log([start.length, start.width, start.blur])

    def worth(logs: Matrix) -> float:
        pause()
        length, width, blur = np.exp(logs)
        doubt = (np.log(blur / width) - np.log(_USUAL_BLUR)) / _BLUR_DOUBT
        return float(seen.evidence(RodShape(length, width, blur)).sum()) - doubt**2 / 2 if length >= width else -np.inf

    best = worth(logs)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for axis in range(3):
                for way in (-step, step):
                    trial = logs.copy()
                    trial[axis] += way * (2 if axis == 2 else 1)
                    if (value := worth(trial)) > best:
                        best, logs, moved = value, trial, True
                        break
    return RodShape(*(float(v) for v in np.exp(logs)))
