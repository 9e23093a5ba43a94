"""Where rods that no frame shows for sure are in every frame, those that touch together: a hidden Markov model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.path_loops import believed, drawn, filtered, log_likelihoods
from napari_lptem_diffusion.particles.finding.slow_paths import USUAL_SNR

Array = NDArray[np.float32]
States = NDArray[np.int64]
UNIT = np.float32(1 / 256)
"""Standard deviations of the noise in which responses are kept, as whole numbers of 16 bits."""
_CREEP_PX = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of a one-frame displacement that are tried, px of the filter."""
_CELL_VARIANCE = 1 / 6
"""Of a rod that rests, seen on a grid: it is anywhere in its pixel."""
_JUMP, _APPEAR, _VANISH = np.float32(0.03), np.float32(0.003), np.float32(0.003)
"""Probability from frame to frame, of a jump to anywhere in the window, with any angle."""
_ANY_TURN, _NEXT_ANGLE = 0.1, 0.1
"""Probability, from frame to frame, of a turn to any angle, and of one to a neighbouring angle of the filters."""
_TURNING = np.array(
    [(1 - _ANY_TURN) * (1 - _NEXT_ANGLE), (1 - _ANY_TURN) * _NEXT_ANGLE / 2, _ANY_TURN], dtype=np.float32
)
_USUAL_FRAMES = 3
"""As many frames as the usual signal to noise counts for when that of a rod is learnt."""
_LEAST_SNR, _SHADOW = 2.5, 0.3
"""Least signal to noise of a rod, and of that of one beside it: less may be what is left of that."""
_TWICE = 1.3
"""Signal to noise from which a rod may be two, in that of single ones, which differ by a tenth."""
_NEEDED = 20.0
"""Log evidence for a rod, given those beside it."""
_PATH_FRAMES = 5
_SETTLING, _SETTLING_WITHOUT, _DRAWS = 8, 3, 8
"""How often paths of rods that touch are drawn before they count, to see whether one may go, and while they count."""


@dataclass(frozen=True)
class View:
    """What frames show of rods.

    Attributes
    ----------
    responses : ndarray
        (frames, angles, y, x) of the filter, in `UNIT` standard deviations of the noise.
    overlaps : ndarray
        As of `FilterBank`.
    half : int
        Half the side of the window around its path in which a rod is sought, px.
    creep : ndarray
        Probability, along each axis, of moving by 0, 1, ... px from one frame to the next.
    known : tuple of Walk
        Rods that are elsewhere.
    usual_snr : float
        Of single rods; infinite while it is not known.
    """

    responses: NDArray[np.int16]
    overlaps: Array
    half: int
    creep: Array
    known: tuple[Walk, ...] = ()
    usual_snr: float = np.inf

    def creeping(self, step: float) -> View:
        """Take rods to creep by *step* px, one standard deviation along each axis."""
        spread = np.hypot(step, _CELL_VARIANCE**0.5)
        creep = np.exp(-0.5 * (np.arange(np.ceil(3 * spread) + 1) / spread) ** 2)
        return replace(self, creep=(creep / (creep[0] + 2 * creep[1:].sum())).astype(np.float32))


@dataclass(frozen=True)
class Walk:
    """A rod through all frames of a view.

    Attributes
    ----------
    states : ndarray
        (frames, 3) number of the angle, y and x; where the rod is absent, of the nearest frame in which it is not.
    present : ndarray
        (frames,)
    snr : float
    evidence : float
        Log likelihood ratio of the frames with this rod against without it.
    """

    states: States
    present: NDArray[np.bool_]
    snr: float = USUAL_SNR
    evidence: float = np.inf

    @classmethod
    def through(cls, frames: NDArray[np.intp], states: States, count: int) -> Walk:
        """A walk through *count* frames that has these *states* in these *frames*."""
        present, all_states = np.zeros(count, dtype=np.bool_), np.zeros((count, 3), dtype=np.int64)
        present[frames], all_states[frames] = True, states
        return cls(_held(all_states, present), present)

    def near(self, other: Walk, px: float) -> bool:
        """Tell whether two rods are ever so near each other."""
        apart = np.hypot(*(self.states - other.states)[:, 1:].T)
        return bool((apart < px).any())


@dataclass(frozen=True)
class Belief:
    """Where a rod is, given all frames.

    Attributes
    ----------
    states : ndarray
        (frames, 3) the likeliest place, and the likeliest angle there.
    present : ndarray
        (frames,) whether it rather is there than not.
    confidence : ndarray
        (frames,) probability of about that place, of a rod that is there.
    snr : float
    """

    states: States
    present: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    snr: float


def likeliest_creep(view: View, walks: Sequence[Walk]) -> View:
    """Take rods to creep as far as makes these *walks*, each of a rod that is alone, the likeliest."""
    likeliest = max(_CREEP_PX, key=lambda step: sum(_filtered(view.creeping(step), walk, [])[-1] for walk in walks))
    return view.creeping(likeliest)


def follow_together(view: View, walks: Sequence[Walk], rng: np.random.Generator) -> list[tuple[Walk, Belief]]:
    """Follow rods that are near each other through all frames, and leave out those that the others explain.

    The response r of a rod's own filter, less what it owes to the others, gives the likelihood exp(a r - a^2 / 2) of
    every place and angle, a its signal to noise. Rods creep and turn a little from frame to frame, jump at times, and
    seldom appear or vanish. Given the paths of the others, the path of one is drawn from its distribution
    given all frames (forward filtering, backward sampling: Carter and Kohn 1994), one rod after the other and again
    (Gibbs sampling), with the signal to noise of all that fits best; what is known of places is the mean over draws.

    Parameters
    ----------
    view : View
    walks : sequence of Walk
        Where they may be.
    rng : Generator
    """
    rods = list(walks)
    turns = _SETTLING if len(rods) > 1 else 2
    for turn in range(turns):
        rods = _redrawn(view, rods, rng)
        if 2 * turn >= turns:
            rods = _without_needless(view, rods, rng)
    rods = _with_twins(view, _without_fragments(view, rods, rng), rng)
    if not rods:
        return []
    turns = _DRAWS if len(rods) > 1 else 1
    centres = [_centres(rod) for rod in rods]
    sums: list[tuple[Array, Array] | None] = [None] * len(rods)
    for _ in range(turns):
        for k, (rod, middle) in enumerate(zip(rods, centres, strict=True)):
            others = rods[:k] + rods[k + 1 :]
            rods[k], belief = _drawn(view, rod, others, rng, middle), _believed(view, rod, others, middle)
            so_far = sums[k]
            sums[k] = belief if so_far is None else (so_far[0] + belief[0], so_far[1] + belief[1])
        rods = _as_strong_as_seen(view, rods)
    return [
        (rod, _belief(states / np.float32(turns), absent / np.float32(turns), middle - view.half, rod.snr))
        for rod, (states, absent), middle in zip(rods, (one for one in sums if one is not None), centres, strict=True)
    ]


def follow_nothing() -> None:
    """Use all loops once, so that they are compiled."""
    view = View(np.full((2, 2, 4, 4), 1500, np.int16), np.ones((2, 2, 5, 5), np.float32), 1, np.ones(1, np.float32))
    walk = Walk.through(np.arange(2), np.ones((2, 3), np.int64), 2)
    _drawn(view.creeping(0.0), walk, [walk], np.random.default_rng(0), _centres(walk))
    _believed(view, walk, [walk], _centres(walk))


def _redrawn(view: View, rods: Sequence[Walk], rng: np.random.Generator) -> list[Walk]:
    """All of them once, in turn, and then as strong as they are seen to be."""
    return _as_strong_as_seen(view, _each_drawn(view, rods, rng))


def _each_drawn(view: View, rods: Sequence[Walk], rng: np.random.Generator) -> list[Walk]:
    rods = list(rods)
    for k, rod in enumerate(rods):
        rods[k] = _drawn(view, rod, rods[:k] + rods[k + 1 :], rng, _centres(rod))
    return rods


def _without_needless(view: View, rods: list[Walk], rng: np.random.Generator) -> list[Walk]:
    """Leave out, the least first, rods for which there is too little evidence beside the others."""
    while rods and min(worths := [_worth(rod, rods) for rod in rods]) < _NEEDED:
        least = int(np.argmin(worths))
        rods = rods[:least] + rods[least + 1 :]
        for k, rod in enumerate(rods):
            if _worth(rod, rods) < _NEEDED:
                rods[k] = _drawn(view, rod, rods[:k] + rods[k + 1 :], rng, _centres(rod))
    return rods


def _worth(rod: Walk, rods: Sequence[Walk]) -> float:
    """Log evidence for a *rod* beside *rods*, none where it is too faint or never there."""
    least = max(_LEAST_SNR, *(_SHADOW * other.snr for other in rods))
    return rod.evidence if rod.snr >= least and rod.present.any() else -np.inf


def _without_fragments(view: View, rods: list[Walk], rng: np.random.Generator) -> list[Walk]:
    """Leave out, the shortest first, rods whose place others take that were absent there."""
    left, k = sorted(rods, key=lambda rod: int(rod.present.sum())), 0
    while k < len(left):
        rod, others = left[k], left[:k] + left[k + 1 :]
        tried = others
        for _ in range(_SETTLING_WITHOUT if others and not rod.present.all() else 0):
            tried = _redrawn(view, tried, rng)
        came = [new.present & ~old.present for new, old in zip(tried, others, strict=True)]
        taken_over = np.any(came, axis=0)[rod.present].mean() > 0.5 if others else False
        if taken_over and _worth(_drawn(view, rod, tried, rng, _centres(rod)), tried) < _NEEDED:
            left = tried
        else:
            k += 1
    return left


def _with_twins(view: View, rods: list[Walk], rng: np.random.Generator) -> list[Walk]:
    """Take a rod that stands out more than others for two on each other, where there is evidence for both."""
    for rod in list(rods):
        if not any(one is rod for one in rods) or rod.snr < _TWICE * view.usual_snr:
            continue
        half = replace(rod, snr=USUAL_SNR)
        tried = [*(one for one in rods if one is not rod), half, half]
        for _ in range(_SETTLING // 2):
            tried = _each_drawn(view, tried, rng)
        for _ in range(_SETTLING // 2 if _worth(tried[-1], tried) > 0 else 0):
            tried = _redrawn(view, tried, rng)
        gain = _explained(view, tried) - _explained(view, rods)
        worth = min(gain, *(_worth(one, tried) for one in tried))
        if worth >= _NEEDED and len(_without_fragments(view, tried, rng)) == len(tried):
            rods = tried
    return rods


def _drawn(view: View, rod: Walk, others: Sequence[Walk], rng: np.random.Generator, centres: States) -> Walk:
    """A path of a *rod* as likely as it is, given the *others*, in windows around *centres* (y, x)."""
    _, here, absent, evidence = _filtered(view, rod, others, centres)
    chances = rng.random(len(centres))
    path, present = drawn(
        here, absent, np.diff(centres, axis=0), view.creep, _TURNING, _JUMP, _APPEAR, _VANISH, chances
    )
    if not present.any():
        return replace(rod, present=present, evidence=evidence)
    path[:, 1:] += centres - view.half
    path[:, 1:] = np.clip(path[:, 1:], 0, np.array(view.responses.shape[2:]) - 1)
    return replace(rod, states=_held(path, present), present=present, evidence=evidence)


def _filtered(
    view: View, rod: Walk, others: Sequence[Walk], centres: States | None = None
) -> tuple[Array, Array, Array, float]:
    """Log likelihoods, and what `filtered` makes of them."""
    middle, others = _centres(rod) if centres is None else centres, [*others, *view.known]
    count = (len(others), len(middle))
    logs = log_likelihoods(
        view.responses,
        UNIT,
        middle,
        view.half,
        np.float32(rod.snr),
        np.array([one.states for one in others], dtype=np.int64).reshape(*count, 3),
        np.array([one.present for one in others], dtype=np.bool_).reshape(count),
        np.array([one.snr for one in others], dtype=np.float32),
        view.overlaps,
    )
    return logs, *filtered(logs, np.diff(middle, axis=0), view.creep, _TURNING, _JUMP, _APPEAR, _VANISH)


def _believed(view: View, rod: Walk, others: Sequence[Walk], centres: States) -> tuple[Array, Array]:
    """What `believed` says of a *rod*, given the *others*."""
    logs, here, absent, _ = _filtered(view, rod, others, centres)
    return believed(logs, here, absent, np.diff(centres, axis=0), view.creep, _TURNING, _JUMP, _APPEAR, _VANISH)


def _belief(states: Array, absent: Array, corners: States, snr: float) -> Belief:
    """The likeliest of all *states* of windows with these *corners* (y, x)."""
    places = states.sum(axis=1)
    about = ndimage.uniform_filter(places, (0, 3, 3), mode="constant")
    side, frames = places.shape[2], np.arange(len(places))
    y, x = np.divmod(about.reshape(len(places), -1).argmax(axis=1), side)
    angle = states[frames, :, y, x].argmax(axis=1)
    near = ndimage.uniform_filter(places, (0, 5, 5), mode="constant")[frames, y, x] * 25
    best = np.stack([angle, y + corners[:, 0], x + corners[:, 1]], axis=1)
    confidence = np.minimum(near / np.maximum(places.sum(axis=(1, 2)), 1e-9), 1.0)
    return Belief(best, absent < 0.5, confidence, snr)


def _centres(rod: Walk) -> States:
    """(frames, 2) y and x of the windows: the usual path."""
    smooth = ndimage.median_filter(rod.states[:, 1:], (_PATH_FRAMES, 1), mode="nearest")
    return np.ascontiguousarray(smooth)


def _held(states: States, present: NDArray[np.bool_]) -> States:
    """*states*, those of the nearest frame where the rod is present."""
    _, nearest = ndimage.distance_transform_edt(~present, return_indices=True)
    held: States = states[nearest[0]]
    return held


def _as_strong_as_seen(view: View, rods: Sequence[Walk]) -> list[Walk]:
    """The signal to noise of each that together explain the responses at their places best."""
    seen, overlap = _seen(view, rods)
    usual = np.full(len(rods), _USUAL_FRAMES)
    strength = np.linalg.solve(overlap + np.diag(usual), seen + USUAL_SNR * usual)
    return [replace(rod, snr=max(float(snr), 0.0)) for rod, snr in zip(rods, strength, strict=True)]


def _explained(view: View, rods: Sequence[Walk]) -> float:
    """Log likelihood ratio of all frames with the *rods*, where and as strong as they are, against none."""
    seen, overlap = _seen(view, rods)
    snr = np.array([rod.snr for rod in rods])
    return float(snr @ seen - snr @ overlap @ snr / 2)


def _seen(view: View, rods: Sequence[Walk]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over frames: responses at the places of *rods*, (rods,), and what each adds to each, (rods, rods)."""
    count, reach = len(rods), view.overlaps.shape[2] // 2
    states, present = (np.array([getattr(rod, name) for rod in rods]) for name in ("states", "present"))
    seen, overlap = np.zeros(count), np.zeros((count, count))
    for k in range(count):
        rows = np.flatnonzero(present[k])
        angle, y, x = states[k, rows].T
        seen[k] = float(UNIT) * view.responses[rows, angle, y, x].sum(dtype=float)
        for other in range(count):
            turned, up, left = states[other, rows].T
            down, right = y - up + reach, x - left + reach
            inside = present[other, rows] & (np.minimum(down, right) >= 0) & (np.maximum(down, right) <= 2 * reach)
            at = (turned[inside], angle[inside], down[inside], right[inside])
            overlap[k, other] = view.overlaps[at].sum(dtype=float)
    return seen, overlap
