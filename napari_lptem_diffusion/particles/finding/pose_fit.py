"""Maximum-likelihood pose, size and amplitude of rods, with errors from the curvature and the noise's correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.groups import touching_groups
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, BACKGROUND, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.windows import Windows, draw_rods, overlapping

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_STEPS = (4, 3, 8)
"""Of each round; before it the neighbours are subtracted anew and the pixels weighed. The second is for those that have
neighbours."""
_SPREAD_STEP_PX = 4
"""Windows of groups grow in such steps, so that there are few sizes."""
SETTLED = 0.02
"""A step that promises less, in units of the noise, is the last."""
_NO_BACKGROUND = 1e6
"""Precision that keeps all backgrounds of a group but the first at 0."""
_LEAST_KNOWN = 1e-8
"""Precision that everything has, so that a rod without a pixel in the frame has an error, and a large one."""


@dataclass(frozen=True)
class Fit:
    """Rods of one normalised image.

    Attributes
    ----------
    parameters : ndarray
        (rods, 8), columns as in `priors`.
    covariance : ndarray
        (rods, 8, 8).
    snr : ndarray
        (rods,): amplitude over its standard deviation when the poses are given.
    visible : ndarray
        (rods,): share of the rod's image inside the frame.
    """

    parameters: Matrix
    covariance: Matrix
    snr: Matrix
    visible: Matrix

    def take(self, rows: Rows) -> Fit:
        """Return the fits of these *rows* alone."""
        return Fit(self.parameters[rows], self.covariance[rows], self.snr[rows], self.visible[rows])


@dataclass
class _Batch:
    """Groups of the same number of rods in windows of the same size.

    ``near`` says which groups of which batches reach into which of these windows.
    """

    rods: Rows
    windows: Windows
    parameters: Matrix
    priors: RodPriors
    variance_gain: Matrix
    near: list[tuple[_Batch, Rows, Rows]] = field(default_factory=list)

    @property
    def beside(self) -> Rows:
        """Groups that have neighbours."""
        rows: Rows = np.unique(np.concatenate([np.empty(0, dtype=np.intp), *(rows for _, rows, _ in self.near)]))
        return rows

    def better(self, rows: Rows, level: float, steps: int) -> Matrix:
        """Parameters of the groups *rows* after so many steps, with what reaches into their windows taken away."""
        parameters = self.parameters[rows]
        part = self.windows.take(rows)
        part.weigh(parameters, self.variance_gain[rows])
        return part.minimised(self._alone()[rows], parameters, self.priors.take(rows), level, steps, SETTLED)[0]

    def _alone(self) -> Array:
        data = self.windows.data.copy() if self.near else self.windows.data
        for other, rows, others in self.near:
            self.windows.subtract(data, rows, other.parameters[others], other.windows.absorption[others])
        return data


def fit_rods(
    images: Array,
    start: Matrix,
    priors: RodPriors,
    noise: NoiseCorrelation,
    variance_gain: Matrix,
    shape: RodShape,
    frames: Rows | None = None,
) -> Fit:
    """Fit all rods of some images, those that touch together, each group while the others are subtracted.

    Least squares (Levenberg-Marquardt) weighted by the variance that the model itself
    predicts, which is the maximum of the likelihood for many electrons; the covariance allows for noise that is
    correlated between pixels (sandwich estimator).

    Parameters
    ----------
    images : ndarray
        (y, x) normalised, or (frames, y, x).
    start : ndarray
        (rods, 8) parameters to start from; at least one rod.
    priors : RodPriors
        Of the same rods.
    noise : NoiseCorrelation
        Of the images.
    variance_gain : ndarray
        (rods,): change of a pixel's noise variance, relative to the background's, per unit of amplitude. Where
        electrons are counted it is minus the share of the electrons that an amplitude of 1 takes away.
    shape : RodShape
        Typical; half the side of the window around each rod is its reach.
    frames : ndarray, optional
        (rods,): in which of *images* each rod lies; all in the first unless given. A rod's fit does not depend on what
        other images there are.
    """
    level = noise.at_rod_scale(shape.reach)
    frames = np.zeros(len(start), dtype=np.intp) if frames is None else frames
    batches = _batches(images, start, priors, variance_gain, shape, frames)
    for number, steps in enumerate(_STEPS):
        better = []
        for batch in batches:
            rows = batch.beside if number == 1 else np.arange(len(batch.rods))
            if len(rows):
                better.append((batch, rows, batch.better(rows, level, steps)))
        for batch, rows, parameters in better:
            batch.parameters[rows] = parameters
    order = np.argsort(np.concatenate([batch.rods.ravel() for batch in batches]))
    return joined_fits([_with_errors(batch, noise, level) for batch in batches]).take(order)


def joined_fits(fits: Sequence[Fit]) -> Fit:
    """One fit after the other."""
    return Fit(
        *(
            np.concatenate([getattr(fit, name) for fit in fits])
            for name in ("parameters", "covariance", "snr", "visible")
        )
    )


def rods_image(shape: tuple[int, ...], parameters: Matrix, reach: int) -> Array:
    """Draw the fitted rods, (y, x), without background; each in a window of half side *reach* px."""
    image = np.zeros(shape, dtype=np.float32)
    draw_rods(image[None], parameters, reach, np.zeros(len(parameters), dtype=np.intp))
    return image


def enlarged(reach: int, by_px: float) -> int:
    """Half the side of a window that holds rods *by_px* from its middle, of few different ones."""
    return reach + _SPREAD_STEP_PX * int(np.ceil(by_px / _SPREAD_STEP_PX))


def in_groups(values: Matrix, priors: RodPriors, groups: Rows) -> tuple[Matrix, RodPriors]:
    """Lay the parameters and priors of rods out as (groups, 8 * rods in a group).

    Parameters
    ----------
    values : ndarray
        (rods, 8).
    priors : RodPriors
    groups : ndarray
        (groups, rods in a group) rows of *values*.
    """
    centre, precision = priors.centre[groups], priors.precision[groups]
    parameters = values[groups]
    for array, pinned in ((centre, 0.0), (precision, _NO_BACKGROUND), (parameters, 0.0)):
        array[:, 1:, BACKGROUND] = pinned
    flat = (len(groups), -1)
    return parameters.reshape(flat), RodPriors(centre.reshape(flat), precision.reshape(flat))


def _diagonal(values: Matrix) -> Matrix:
    return values[:, :, None] * np.eye(values.shape[1])


def _batches(
    images: Array, start: Matrix, priors: RodPriors, variance_gain: Matrix, shape: RodShape, frames: Rows
) -> list[_Batch]:
    """Rods that touch in groups; groups of one size and one size of window in batches."""
    alike: dict[tuple[int, int], list[list[int]]] = {}
    for group in touching_groups(start, frames=frames):
        reach = enlarged(shape.reach, float(np.ptp(start[group][:, [X, Y]], axis=0).max()) / 2)
        alike.setdefault((len(group), reach), []).append(group)
    batches = []
    for (_, reach), groups in sorted(alike.items()):
        rods = np.array(groups)
        parameters, grouped = in_groups(start, priors, rods)
        gain = variance_gain[rods].mean(axis=1)
        windows = Windows(images, parameters, reach, np.maximum(-gain, 0), frames[rods[:, 0]])
        batches.append(_Batch(rods, windows, parameters, grouped, gain))
    for batch in batches:
        for other in batches:
            rows, others = overlapping(batch.windows, other.windows, other.parameters)
            if len(rows):
                batch.near.append((other, rows, others))
    return batches


def _with_errors(batch: _Batch, noise: NoiseCorrelation, level: float) -> Fit:
    windows, parameters = batch.windows, batch.parameters
    windows.weigh(parameters, batch.variance_gain)
    _, jacobian = windows.linearise(windows.data, parameters)
    flat = jacobian.reshape(*jacobian.shape[:2], -1).astype(float)
    known = _diagonal(batch.priors.precision + _LEAST_KNOWN)
    curvature = flat @ flat.transpose(0, 2, 1) / level + known
    spread = _noise_through(jacobian, noise) / level**2 + known
    inverse = np.linalg.inv(curvature)
    covariance = inverse @ spread @ inverse.transpose(0, 2, 1)

    columns = np.arange(parameters.shape[1])
    free = columns[(columns % 8 == AMPLITUDE) | (columns % 8 == BACKGROUND)]
    pair = np.ix_(range(len(parameters)), free, free)
    given_pose = np.linalg.inv(curvature[pair])
    amplitude_error = np.sqrt(np.einsum("nii->ni", given_pose @ spread[pair] @ given_pose)[:, free % 8 == AMPLITUDE])
    visible = np.ones((len(parameters), parameters.shape[1] // 8))
    cut = np.flatnonzero((windows.inside == 0).any(axis=(1, 2)))
    whole = windows.take(cut).rods(parameters[cut])
    visible[cut] = (whole * windows.inside[cut, None]).sum(axis=(2, 3)) / np.maximum(whole.sum(axis=(2, 3)), 1e-9)
    rods = range(parameters.shape[1] // 8)
    blocks = np.stack([covariance[:, 8 * k : 8 * k + 8, 8 * k : 8 * k + 8] for k in rods], axis=1)
    return Fit(
        parameters.reshape(-1, 8),
        blocks.reshape(-1, 8, 8),
        (parameters[:, AMPLITUDE::8] / amplitude_error).ravel(),
        visible.ravel(),
    )


def _noise_through(jacobian: Array, noise: NoiseCorrelation) -> Matrix:
    """Covariance (groups, n, n) of the gradients that noise of the given correlation makes."""
    rows, columns = (fft.next_fast_len(n + 8, real=True) for n in jacobian.shape[2:])
    power = noise.power((rows, columns)) / np.float32(rows * columns)
    power[:, 1 : (columns + 1) // 2] *= 2  # each stands for its mirror image, which the half spectrum leaves out
    spectrum = (fft.rfft2(jacobian, (rows, columns)) * np.sqrt(power)).reshape(*jacobian.shape[:2], -1)
    flat = spectrum.view(np.float32).astype(float)
    through: Matrix = flat @ flat.transpose(0, 2, 1)
    return through
