"""What rods make of pixels, and least squares over them: the loops over pixels, groups and steps, as machine code.

Parameters of a group are those of its rods one after the other, columns as in `priors`. Pixels of a window are flat;
``x`` and ``y`` say where they are, from the window's corner, as the parameters do. A chunk of pixels at a time goes
through a table of rows that stays in the processor's cache: the weighted derivatives by each parameter, and last the
weighted residual.

All of them are in one file, as the machine code that is kept does not follow changes of other files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.priors import (
    AMPLITUDE,
    ANGLE,
    BACKGROUND,
    BLUR,
    LENGTH,
    WIDTH,
    X,
    Y,
)

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Single = np.float32
Loop = TypeVar("Loop", bound=Callable[..., object])
Window = tuple[Array, Array, Array, Array, float]
"""Of one group: data, weight, x and y of the pixels, and absorption."""
_PIXEL_VARIANCE = 1 / 12
_CHUNK = 128
"""Pixels; so few that a product of matrices is always done by one thread, whatever the library of linear algebra."""
_LARGEST_STEP = np.array([2.0, 2.0, 0.35, 1e3, 1e3, 0.3, 0.3, 0.5])
_FIRST_DAMPING, _MOST_DAMPING, _LESS_DAMPING, _MORE_DAMPING = 1e-2, 1e4, 0.2, 8.0
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_INVERSE_ROOT_TWO_PI = np.float32(1 / np.sqrt(2 * np.pi))
_MOST_EXPONENT, _SIXTY_FOURTH = np.float32(36), np.float32(1 / 64)
_EXPONENTIAL = tuple(np.float32(term) for term in (1 / 2, 1 / 6, 1 / 24, 1 / 120))
_TAIL = tuple(np.float32(term) for term in (0.33267, 0.4361836, -0.1201676, 0.9372980))
_TINY = np.float32(1e-12)


def compiled(loop: Loop, **options: Any) -> Loop:
    """Compile a function at its first call, and keep the machine code for the next process.

    It is kept beside this file, or in the user's cache folder where that cannot be written to; where neither can, each
    process compiles anew. Other threads run meanwhile. Sums are taken in the order in which they are written, so that
    the numbers do not depend on what else runs.
    """
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        return cast(Loop, njit(loop, cache=True, **options))
    except RuntimeError:  # there is no folder to keep it in
        return cast(Loop, njit(loop, **options))


def inlined(loop: Loop) -> Loop:
    """Compile a function into the loops that call it, so that several pixels are done at a time."""
    return compiled(loop, inline="always")


def capsule_value(along: Array, across: Array, shape: RodShape) -> Array:
    """Image of a rod of amplitude 1 at the given distances from its centre; see `_capsule`.

    Parameters
    ----------
    along, across : ndarray
        Distances (px) from the centre along the long and the short axis; of one shape.
    shape : RodShape

    Returns
    -------
    ndarray
        About 1 inside and 0 outside.
    """
    half_axis = max(shape.length - shape.width, 0) / 2
    sizes = [np.float32(size) for size in (half_axis, shape.width / 2, shape.blur)]
    values = np.empty(along.size, dtype=np.float32)
    _values(along.ravel(), across.ravel(), sizes[0], sizes[1], sizes[2], values)
    return values.reshape(along.shape)


@compiled
def add_models(parameters: Matrix, absorption: Matrix, x: Array, y: Array, images: Array) -> None:
    """Add to each window, (groups, pixels), the image of its group without background."""
    rows = np.empty((8, x.size), dtype=np.float32)
    signal = np.empty(x.size, dtype=np.float32)
    for group in range(len(parameters)):
        signal[:] = _ZERO
        absorbed = np.float32(absorption[group])
        for first in range(0, parameters.shape[1], 8):
            rod = parameters[group, first : first + 8]
            _fill(rod, x, y, rows)
            _put_on(signal, np.float32(rod[AMPLITUDE]), rows[AMPLITUDE], absorbed)
        for i in range(x.size):
            images[group, i] += signal[i]


@compiled
def linearised(parameters: Matrix, absorption: Matrix, x: Array, y: Array, data: Array, weight: Array) -> Array:
    """Weighted derivatives by each parameter and weighted residual of all groups, (groups, parameters + 1, pixels)."""
    rows = np.empty((len(parameters), parameters.shape[1] + 1, x.size), dtype=np.float32)
    for group in range(len(parameters)):
        _linearise((data[group], weight[group], x, y, absorption[group]), parameters[group], rows[group])
    return rows


@compiled
def _linearise(window: Window, parameters: Matrix, rows: Array) -> None:
    """Fill *rows*, (parameters + 1, pixels), of one group; those of a table of more pixels than there are become 0."""
    data, weight, x, y, absorption = window
    count, pixels = len(parameters) // 8, x.size
    residual = rows[8 * count]
    passed = np.empty((count, pixels), dtype=np.float32)
    absorbed, background = np.float32(absorption), _ZERO
    rows[:, pixels:] = _ZERO
    residual[:pixels] = _ZERO
    for k in range(count):
        rod = parameters[8 * k : 8 * k + 8]
        amplitude, value = np.float32(rod[AMPLITUDE]), rows[8 * k + AMPLITUDE]
        _fill(rod, x, y, rows[8 * k : 8 * k + 8])
        _put_on(residual, amplitude, value, absorbed)
        background += np.float32(rod[BACKGROUND])
        for i in range(pixels):
            passed[k, i] = _ONE - absorbed * amplitude * value[i]
    for k in range(count):
        for other in range(count):
            if other != k:
                for column in range(8):
                    if column != BACKGROUND:
                        for i in range(pixels):
                            rows[8 * k + column, i] *= passed[other, i]
    for i in range(pixels):
        residual[i] = data[i] - residual[i] - background
    for row in rows:
        for i in range(pixels):
            row[i] *= weight[i]


@compiled
def minimise(
    data: Array,
    weight: Array,
    x: Array,
    y: Array,
    absorption: Matrix,
    parameters: Matrix,
    centre: Matrix,
    precision: Matrix,
    level: float,
    steps: int,
    settled: float,
) -> Matrix:
    """Levenberg-Marquardt for each group, (groups, pixels); changes *parameters* and returns the cost, (groups,)."""
    costs = np.empty(len(data))
    for group in range(len(data)):
        costs[group] = _minimise_one(
            (data[group], weight[group], x, y, absorption[group]),
            parameters[group],
            centre[group],
            precision[group],
            level,
            steps,
            settled,
        )
    return costs


@compiled
def _minimise_one(
    window: Window,
    parameters: Matrix,
    centre: Matrix,
    precision: Matrix,
    level: float,
    steps: int,
    settled: float,
) -> float:
    count = len(parameters)
    damping = _FIRST_DAMPING
    curvature, gradient, cost = _squares(window, parameters, centre, precision, level)
    step, trial = np.empty(count), np.empty(count)
    for _ in range(steps):
        _solve(curvature, gradient, damping, step)
        promised = 0.0
        for i in range(count):
            most = _LARGEST_STEP[i % 8]
            step[i] = min(max(step[i], -most), most)
            trial[i] = parameters[i] + step[i]
        for i in range(count):
            promised += step[i] * (2 * gradient[i] - curvature[i] @ step)
        if promised < settled and damping < 1:
            parameters[:] = trial
            return cost - promised
        new_curvature, new_gradient, new_cost = _squares(window, trial, centre, precision, level)
        if new_cost < cost:
            parameters[:] = trial
            curvature, gradient, cost = new_curvature, new_gradient, new_cost
            damping *= _LESS_DAMPING
        else:
            damping *= _MORE_DAMPING
            if damping >= _MOST_DAMPING:
                break
    return cost


@compiled
def _squares(
    window: Window,
    parameters: Matrix,
    centre: Matrix,
    precision: Matrix,
    level: float,
) -> tuple[Matrix, Matrix, float]:
    """Return half the curvature of the cost, minus half its gradient, and the cost of one group.

    The cost is the sum of squared weighted residuals over noise *level* plus that of the deviations from the prior.
    """
    data, weight, x, y, absorption = window
    count = len(parameters)
    rows = np.empty((count + 1, _CHUNK), dtype=np.float32)
    products = np.zeros((count + 1, count + 1))
    for first in range(0, x.size, _CHUNK):
        here = slice(first, min(first + _CHUNK, x.size))
        _linearise((data[here], weight[here], x[here], y[here], absorption), parameters, rows)
        products += np.dot(rows, rows.T)
    products /= level
    gradient, cost = products[count, :count].copy(), products[count, count]
    for i in range(count):
        off = centre[i] - parameters[i]
        products[i, i] += precision[i]
        gradient[i] += precision[i] * off
        cost += precision[i] * off * off
    return products[:count, :count].copy(), gradient, cost


@compiled
def _solve(curvature: Matrix, gradient: Matrix, damping: float, step: Matrix) -> None:
    """Solve for the *step* with the diagonal of the curvature enlarged (Cholesky)."""
    count = len(gradient)
    factor = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            rest = curvature[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i == j:
                rest += damping * (curvature[i, i] + 1e-9) + 1e-9
                factor[i, i] = np.sqrt(max(rest, 1e-12))
            else:
                factor[i, j] = rest / factor[j, j]
    for i in range(count):
        rest = gradient[i]
        for k in range(i):
            rest -= factor[i, k] * step[k]
        step[i] = rest / factor[i, i]
    for i in range(count - 1, -1, -1):
        rest = step[i]
        for k in range(i + 1, count):
            rest -= factor[k, i] * step[k]
        step[i] = rest / factor[i, i]


@compiled
def _put_on(signal: Array, amplitude: Single, value: Array, absorbed: Single) -> None:
    """Lay a rod on those that *signal* has: with q the absorption, 1 - q S is the product of 1 - q s over the rods."""
    for i in range(min(signal.size, value.size)):
        one = amplitude * value[i]
        signal[i] += one - absorbed * signal[i] * one


@compiled
def _fill(rod: Matrix, x: Array, y: Array, rows: Array) -> None:
    """Derivatives of a rod's image by each of its parameters; that by the amplitude is the image of amplitude 1."""
    c, s = np.float32(np.cos(rod[ANGLE])), np.float32(np.sin(rod[ANGLE]))
    rod_x, rod_y, amplitude = np.float32(rod[X]), np.float32(rod[Y]), np.float32(rod[AMPLITUDE])
    length, width, optical = np.exp(rod[LENGTH]), np.exp(rod[WIDTH]), np.exp(rod[BLUR])
    both = np.sqrt(optical * optical + _PIXEL_VARIANCE)
    half_axis, radius, blur = np.float32(max(length - width, 0.0) / 2), np.float32(width / 2), np.float32(both)
    per_length = amplitude * np.float32(length / 2)
    per_width = amplitude * np.float32(width / 2)
    per_blur = amplitude * np.float32(optical * optical / both)
    for i in range(x.size):
        dx, dy = x[i] - rod_x, y[i] - rod_y
        along, across = c * dx + s * dy, c * dy - s * dx
        value, by_along, by_across, by_half_axis, by_radius, by_blur = _capsule(along, across, half_axis, radius, blur)
        rows[X, i] = amplitude * (s * by_across - c * by_along)
        rows[Y, i] = -amplitude * (s * by_along + c * by_across)
        rows[ANGLE, i] = amplitude * (by_along * across - by_across * along)
        rows[AMPLITUDE, i] = value
        rows[BACKGROUND, i] = _ONE
        rows[LENGTH, i] = per_length * by_half_axis
        rows[WIDTH, i] = per_width * (by_radius - by_half_axis)
        rows[BLUR, i] = per_blur * by_blur


@compiled
def _values(along: Array, across: Array, half_axis: Single, radius: Single, blur: Single, values: Array) -> None:
    for i in range(values.size):
        values[i] = _capsule(along[i], across[i], half_axis, radius, blur)[0]


@inlined
def _capsule(
    along: Single, across: Single, half_axis: Single, radius: Single, blur: Single
) -> tuple[Single, Single, Single, Single, Single, Single]:
    """Blurred capsule at a point, and its derivatives by all that it depends on; everything in single precision.

    The value is the chance that a point, shifted at random by the blur s, lies in the capsule. With l half the axis,
    r the radius, a and b the distances along and across, this is about Phi((d + r) / s) - Phi((d - r) / s), where
    d^2 = b^2 + Q(a - l) + Q(-a - l), and Q(m) = (m^2 + s^2) Phi(m / s) + m s phi(m / s) is the mean square of how far
    the shifted point lies beyond an end. Exact along the straight sides; elsewhere within 0.002, 0.007 and 0.023 for a
    blur of 0.13, 0.27 and 0.67 radii.

    Parameters
    ----------
    along, across : float
        Distances (px) of the point from the centre along the long and the short axis.
    half_axis : Single
        px, from the centre of the rod to that of a round end.
    radius : Single
        px, of the ends.
    blur : Single
        px.

    Returns
    -------
    tuple of float
        Value, about 1 inside and 0 outside, and its derivatives in the order of the parameters.
    """
    per_blur = _ONE / blur
    right, left = (along - half_axis) * per_blur, (-along - half_axis) * per_blur
    bell_right, bell_left = _bell(right), _bell(left)
    chance_right, chance_left = _normal(right, bell_right), _normal(left, bell_left)
    past_right, past_left = blur * (right * chance_right + bell_right), blur * (left * chance_left + bell_left)
    beyond, outside = past_right - past_left, past_right + past_left
    spread = blur * (chance_right + chance_left)
    square = along * beyond - half_axis * outside + blur * spread
    distance = np.sqrt(across * across + (square if square > _TINY else _TINY))

    outer, inner = (distance + radius) * per_blur, (distance - radius) * per_blur
    bell_outer, bell_inner = _bell(outer), _bell(inner)
    slope = (bell_outer - bell_inner) * per_blur / distance
    return (
        _normal(outer, bell_outer) - _normal(inner, bell_inner),
        slope * beyond,
        slope * across,
        -slope * outside,
        (bell_outer + bell_inner) * per_blur,
        (inner * bell_inner - outer * bell_outer) * per_blur + slope * spread,
    )


@compiled
def _bell(x: Single) -> Single:
    """Density of the standard normal distribution; beyond 8.5 as at 8.5, which is nothing but not subnormal.

    The exponential is the 64th power of five terms of its series: nothing in it keeps several pixels from being done
    at a time.
    """
    exponent = _HALF * x * x
    y = -_SIXTY_FOURTH * (exponent if exponent < _MOST_EXPONENT else _MOST_EXPONENT)
    power = _ONE + y * (
        _ONE + y * (_EXPONENTIAL[0] + y * (_EXPONENTIAL[1] + y * (_EXPONENTIAL[2] + y * _EXPONENTIAL[3])))
    )
    power = power * power * power * power
    power = power * power * power * power
    power = power * power * power * power
    return power * _INVERSE_ROOT_TWO_PI


@compiled
def _normal(x: Single, bell: Single) -> Single:
    """Phi(x) to 2e-5, given the density there (Abramowitz and Stegun 26.2.16)."""
    t = _ONE / (_ONE + _TAIL[0] * abs(x))
    tail = bell * t * (_TAIL[1] + t * (_TAIL[2] + t * _TAIL[3]))
    return tail if x < 0 else _ONE - tail
