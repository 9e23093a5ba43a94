"""The least error of somebody who knows that a track is a CTRW, but not which of the conventions its waits follow.

Training draws several (`Draw.waiting`): Pareto waits of at least half a frame to four, Mittag-Leffler waits, walks that
began before the track. Seen are the frames with jumps. Time is cut into cells, and the cell of the last jump is carried
along; several jumps may fall into one frame, or one cell. The exponent lies on the grid ALPHA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bayes_limits import ALPHA, Floats
from scipy.signal import fftconvolve
from scipy.special import expit

_CELLS = 4  # a frame; with 12 the medians change by .0001
_SCALES, _SCALE_WEIGHTS = np.array([1, 0.61, 0.92, 1.41, 2.14, 3.25]), np.array([0.5, *[0.1] * 5])
_KIND_WEIGHTS = np.array([0.7, 0.3])  # Pareto, Mittag-Leffler
_AGED, _AGES = 0.3, np.geomspace(1, 100, 9)


@dataclass(frozen=True)
class _Waits:
    """Chances of all hypotheses (kinds, scales and ALPHA, flattened) by distance in cells: (hypotheses, cells).

    Attributes
    ----------
    next_jump : ndarray
        The next jump falls into the cell so far behind that of the last one.
    none_before : ndarray
        There is no other jump before that cell.
    first_jump : ndarray
        The first jump falls into that cell of the track.
    """

    next_jump: Floats
    none_before: Floats
    first_jump: Floats


def any_convention_posteriors(tracks: list[Floats]) -> Floats:
    """Posterior of alpha, ``(ALPHA, tracks)``, of CTRWs of one length without error that jump at least once."""
    waits = _waits((len(tracks[0]) - 1) * _CELLS)
    row, column = np.triu_indices(_CELLS)
    within = np.zeros((len(waits.next_jump), _CELLS, _CELLS))
    within[:, row, column] = waits.next_jump[:, column - row]
    any_number = np.linalg.inv(np.eye(_CELLS) - within)  # of further jumps in the same frame
    likelihood = np.stack([_log_likelihood(track, waits, any_number) for track in tracks], axis=1)
    prior = np.repeat(np.outer(_KIND_WEIGHTS, _SCALE_WEIGHTS), len(ALPHA))
    likelihood += np.log(prior / waits.first_jump.sum(1))[:, None]
    mass = np.exp(likelihood - likelihood.max(0)).reshape(-1, len(ALPHA), len(tracks)).sum(0)
    posterior: Floats = mass / mass.sum(0)
    return posterior


def _log_likelihood(track: Floats, waits: _Waits, any_number: Floats) -> Floats:
    inside = np.arange(_CELLS)
    jumped = np.flatnonzero(np.diff(track, axis=0).any(1)) * _CELLS
    last = np.einsum("hu,huv->hv", waits.first_jump[:, jumped[0] + inside], any_number)
    total = np.zeros(len(last))
    for apart in np.diff(jumped):
        first_in_frame = waits.next_jump[:, apart + inside[None, :] - inside[:, None]]
        last = np.einsum("hu,huv,hvw->hw", last, first_in_frame, any_number, optimize=True)
        size = np.maximum(last.sum(1, keepdims=True), 1e-300)
        total += np.log(size[:, 0])
        last = last / size
    left = (len(track) - 1) * _CELLS - jumped[-1] - inside
    return total + np.log(np.maximum((last * waits.none_before[:, left]).sum(1), 1e-300))


def _waits(cells: int) -> _Waits:
    oldest = round(_AGES[-1] * _CELLS)
    edges = np.arange(-1, cells + oldest + 2) / _CELLS
    both = [[kind(edges / scale) for scale in _SCALES] for kind in (_pareto, _mittag_leffler)]
    survival, integral = np.moveaxis(np.array(both), 2, 0).reshape(2, -1, len(edges))
    integral *= np.tile(np.repeat(_SCALES, len(ALPHA)), 2)[:, None]
    # Where in its cell the last jump fell is not known; the track, or the walk, starts at a jump at an edge.
    mean_survival = np.diff(integral, axis=1) * _CELLS
    next_jump = np.maximum(-np.diff(mean_survival, axis=1), 0)
    from_edge = np.maximum(-np.diff(survival[:, 1:], axis=1), 0)
    jumps = np.zeros((len(next_jump), oldest))  # expected in each cell of a walk
    for cell in range(oldest):
        earlier = (jumps[:, :cell] * next_jump[:, cell:0:-1]).sum(1)
        jumps[:, cell] = (from_edge[:, cell] + earlier) / (1 - next_jump[:, 0])
    first_jump = (1 - _AGED) * from_edge[:, :cells]
    for age in np.round(_AGES * _CELLS).astype(int):
        after = fftconvolve(jumps[:, :age], next_jump[:, : age + cells], axes=1)[:, age : age + cells]
        first_jump = first_jump + _AGED / len(_AGES) * (from_edge[:, age : age + cells] + np.maximum(after, 0))
    return _Waits(next_jump[:, :cells], mean_survival[:, : cells + 1], first_jump)


def _pareto(time: Floats) -> tuple[Floats, Floats]:
    """Survival of waits of at least 1, and its integral from 0; ``(ALPHA, time)``."""
    alpha, long = ALPHA[:, None], np.maximum(time, 1)
    return long**-alpha, np.minimum(time, 1) + (long ** (1 - alpha) - 1) / (1 - alpha)


def _mittag_leffler(time: Floats) -> tuple[Floats, Floats]:
    """The same of Mittag-Leffler waits of scale 1: exponential ones whose rate is drawn (Fulger et al. 2008)."""
    logit = np.linspace(-14, 14, 337)
    weight = expit(logit) * expit(-logit) * (logit[1] - logit[0])
    both = []
    for alpha in ALPHA:
        angle = alpha * np.pi
        rate = (np.sin(angle) / np.tan(expit(logit) * angle) - np.cos(angle)) ** (1 / alpha)
        lost = -np.expm1(-np.maximum(time, 0)[:, None] * rate)
        both.append((1 - lost @ weight, np.minimum(time, 0) + lost @ (weight / rate)))
    survival, integral = np.moveaxis(np.array(both), 1, 0)
    return survival, integral
