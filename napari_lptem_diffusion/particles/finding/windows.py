"""Square windows around groups of rods, and the image that the parameters of a group make in its window."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, BLUR, LENGTH, WIDTH, RodPriors, X, Y
from napari_lptem_diffusion.particles.finding.rod_loops import add_models, linearised, minimise

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_LEAST_VARIANCE = np.float32(0.1)
_FARTHEST_BLURS = 3.0
"""How far beyond its outline a rod is seen, in standard deviations of its edge."""
_FAR_APART = 1e6
"""Between frames, px."""


class Windows:
    """Windows cut from an image once and used by every step of the fit; one for each group of rods.

    Parameters everywhere are (groups, 8 * rods in a group), the eight of the first rod first; the windows of one
    object hold groups of one size. The background of a group is the sum of those of its rods.

    Parameters
    ----------
    images : ndarray
        (y, x) normalised, or (frames, y, x).
    start : ndarray
        Parameters; a window is centred on the mean position of its rods.
    reach : int
        Half the side of a window, px.
    absorption : ndarray, optional
        (groups,): share of the electrons that an amplitude of 1 takes away; rods on top of each other then let pass
        the product of what each lets pass. 0, the default: their images add up.
    frames : ndarray, optional
        (groups,): in which of *images* each group lies; 0, the default, is the first.
    """

    def __init__(
        self,
        images: Array,
        start: Matrix,
        reach: int,
        absorption: Matrix | None = None,
        frames: NDArray[np.intp] | None = None,
    ) -> None:
        self.reach = reach
        self.corner_x = np.rint(start[:, X::8].mean(axis=1)).astype(int) - reach
        self.corner_y = np.rint(start[:, Y::8].mean(axis=1)).astype(int) - reach
        self.absorption = np.zeros(len(start)) if absorption is None else absorption
        self.frames = np.zeros(len(start), dtype=np.intp) if frames is None else frames
        stack = images.reshape(-1, *images.shape[-2:])
        (rows, seen_y), (columns, seen_x) = (
            _pixels(corner, reach, n) for corner, n in zip((self.corner_y, self.corner_x), stack.shape[1:], strict=True)
        )
        self.inside = (seen_y[:, :, None] & seen_x[:, None, :]).astype(np.float32)
        self.data = stack[self.frames[:, None, None], rows[:, :, None], columns[:, None, :]] * self.inside
        self.weight = self.inside

    def take(self, rows: NDArray[np.intp]) -> Windows:
        """Return the windows of these *rows* alone; a row may be taken several times."""
        part = copy(self)
        for name in ("corner_x", "corner_y", "absorption", "frames", "data", "inside", "weight"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def weigh(self, parameters: Matrix, variance_gain: Matrix) -> None:
        """Set the weight of each pixel: one over the standard deviation of its noise in units of the background's."""
        variance = 1 + variance_gain.astype(np.float32)[:, None, None] * self.models(parameters)
        self.weight = self.inside / np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def models(self, parameters: Matrix) -> Array:
        """Image of each group in its window, without background."""
        images = np.zeros(self.inside.shape, dtype=np.float32)
        add_models(self._from_corner(parameters), self.absorption, *self._pixels(), _flat(images))
        return images

    def rods(self, parameters: Matrix) -> Array:
        """Image of every rod of a group with amplitude 1, (groups, rods, y, x)."""
        single = parameters.reshape(-1, 8).copy()
        single[:, AMPLITUDE] = 1
        count = parameters.shape[1] // 8
        images = self.take(np.repeat(np.arange(len(parameters)), count)).models(single)
        return images.reshape(len(parameters), count, *images.shape[1:])

    def others(self, parameters: Matrix) -> Array:
        """What the other groups add to each window."""
        rows, others = overlapping(self, self, parameters)
        total = np.zeros_like(self.data)
        self.subtract(total, rows, parameters[others], self.absorption[others])
        return -total

    def subtract(self, images: Array, rows: NDArray[np.intp], parameters: Matrix, absorption: Matrix) -> None:
        """Take groups of rods, (n, 8 * rods), away from the windows *rows* (n,) of *images*, which it changes."""
        part = self.take(rows)
        part.absorption = absorption
        for row, model in zip(rows, part.models(parameters), strict=True):
            images[row] -= model

    def linearise(self, data: Array, parameters: Matrix) -> tuple[Array, Array]:
        """Weighted residual (groups, y, x) and derivatives of the model (groups, parameters, y, x)."""
        local = self._from_corner(parameters)
        rows = linearised(local, self.absorption, *self._pixels(), _flat(data), _flat(self.weight))
        rows = rows.reshape(*rows.shape[:2], *data.shape[1:])
        return rows[:, -1], rows[:, :-1]

    def minimised(
        self, data: Array, start: Matrix, priors: RodPriors, level: float, steps: int, settled: float
    ) -> tuple[Matrix, Matrix]:
        """Minimise squares over noise *level* plus the prior (Levenberg-Marquardt), for each group.

        A step that promises to lower the squares by less than *settled*, in units of the noise, is the last.

        Returns
        -------
        parameters, cost : ndarray
            (groups, 8 * rods in a group) and (groups,), the latter to within *settled*.
        """
        parameters, centre = self._from_corner(start), self._from_corner(priors.centre)
        pixels = (_flat(data), _flat(self.weight), *self._pixels())
        cost = minimise(*pixels, self.absorption, parameters, centre, priors.precision, level, steps, settled)
        return self._from_corner(parameters, -1), cost

    def _pixels(self) -> tuple[Array, Array]:
        """Where the pixels of a window are, x and y from its corner, flat."""
        y, x = np.indices((2 * self.reach + 1,) * 2, dtype=np.float32)
        return x.ravel(), y.ravel()

    def _from_corner(self, parameters: Matrix, sign: int = 1) -> Matrix:
        """Parameters with positions from the corner of each window; *sign* -1: back again."""
        moved = parameters.copy()
        moved[:, X::8] -= sign * self.corner_x[:, None]
        moved[:, Y::8] -= sign * self.corner_y[:, None]
        return moved


def overlapping(windows: Windows, others: Windows, parameters: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which groups of *others*, with these *parameters*, reach into which *windows*, a group of its own not counted.

    Returns
    -------
    tuple of ndarray
        Rows of *windows* and rows of *others*, (pairs,) each.
    """
    low, high = _boxes(parameters)
    first = np.stack([windows.corner_x, windows.corner_y], axis=1)
    trees = [
        cKDTree(np.column_stack([(start + end) / 2, _FAR_APART * view.frames]))
        for start, end, view in ((first, first + 2 * windows.reach, windows), (low, high, others))
    ]
    farthest = windows.reach + float((high - low).max(initial=0)) / 2
    near = trees[0].query_ball_tree(trees[1], farthest, p=np.inf)
    rows = np.repeat(np.arange(len(near)), [len(one) for one in near])
    columns = np.array([other for one in near for other in sorted(one)], dtype=np.intp)
    inside = ((low[columns] < first[rows] + 2 * windows.reach) & (high[columns] > first[rows])).all(axis=1)
    if windows is others:
        inside &= rows != columns
    return rows[inside], columns[inside]


def draw_rods(images: Array, parameters: Matrix, reach: int, frames: NDArray[np.intp], amplitude: int = 1) -> None:
    """Draw rods, (rods, 8), *amplitude* times as strong, each in a window of half side *reach* px.

    Changes *images*, (frames, y, x); *frames* (rods,) says which of them.
    """
    if not len(parameters):
        return
    windows = Windows(images, parameters, reach, frames=frames)
    ends = 2 * reach + 1
    models = amplitude * windows.models(parameters)
    for frame, x, y, model in zip(frames, windows.corner_x, windows.corner_y, models, strict=True):
        top, left = max(y, 0), max(x, 0)
        shown = images[frame, top : max(y + ends, 0), left : max(x + ends, 0)]
        shown += model[top - y :, left - x :][: shown.shape[0], : shown.shape[1]]


def _boxes(parameters: Matrix) -> tuple[Matrix, Matrix]:
    """Least and greatest x and y, (groups, 2) each, at which the rods of a group are seen."""
    rods = parameters.reshape(len(parameters), parameters.shape[1] // 8, 8)
    length, width, blur = (np.exp(rods[..., column]) for column in (LENGTH, WIDTH, BLUR))
    half_axis, round_end = np.maximum(length - width, 0) / 2, width / 2 + _FARTHEST_BLURS * blur
    axis = np.abs(np.stack([np.cos(rods[..., ANGLE]), np.sin(rods[..., ANGLE])], axis=-1))
    extent = half_axis[..., None] * axis + round_end[..., None]
    return (rods[..., [X, Y]] - extent).min(axis=1), (rods[..., [X, Y]] + extent).max(axis=1)


def _pixels(corner: NDArray[np.intp], reach: int, n: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Numbers of the pixels along one side of each window, (groups, 2 * reach + 1), and which are in the image."""
    numbers = corner[:, None] + np.arange(2 * reach + 1)
    return np.clip(numbers, 0, n - 1), (numbers >= 0) & (numbers < n)


def _flat(images: Array) -> Array:
    return images.reshape(len(images), images.shape[1] * images.shape[2])
