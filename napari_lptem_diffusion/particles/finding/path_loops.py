"""Paths of rods through many frames: the loops over frames and pixels, as machine code.

A rod that is there has a number of an angle, a row and a column: its state. States of one frame are (angles, y, x) of a
window around where the rod usually is; the windows of two frames in a row are *shift* (y, x) apart.

All of them are in one file, as the machine code that is kept does not follow changes of other files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.rod_loops import compiled

Array = NDArray[np.float32]
States = NDArray[np.int64]
Number = np.float32
_LEAST_EXPONENT = np.float32(-40)
_OUT_OF_VIEW = np.float32(20)
"""Log likelihood against a rod where nothing is seen."""
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)


@compiled
def best_scores(likely: Array, kept: Number, stay: Number, go: Number, hop: Number, far: int) -> Array:
    """Log likelihood ratio of the best path that ends in each place of each frame.

    Parameters
    ----------
    likely : ndarray
        (frames, y, x), of each place alone.
    kept : float
        Share of what a path has gained that it hands on.
    stay, go : float
        Log probability, along each axis, to stay in a pixel and to go to the next one.
    hop : float
        Log probability to go to any one of the pixels that are at most *far*.
    far : int
    """
    frames, height, width = likely.shape
    scores = np.empty_like(likely)
    along, across = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    highest, arriving = np.empty((height, width), np.float32), np.zeros((height, width), np.float32)
    for t in range(frames):
        for y in range(height):
            for x in range(width):
                scores[t, y, x] = likely[t, y, x] + kept * max(arriving[y, x], _ZERO)
        for y in range(height):
            for x in range(width):
                along[y, x] = scores[t, y, x] + stay
                highest[y, x] = scores[t, y, x]
            for x in range(1, width):
                along[y, x] = max(along[y, x], scores[t, y, x - 1] + go)
            for x in range(width - 1):
                along[y, x] = max(along[y, x], scores[t, y, x + 1] + go)
            for d in range(1, far + 1):
                for x in range(d, width):
                    highest[y, x] = max(highest[y, x], scores[t, y, x - d])
                for x in range(width - d):
                    highest[y, x] = max(highest[y, x], scores[t, y, x + d])
        for y in range(height):
            for x in range(width):
                arriving[y, x] = along[y, x] + stay
                across[y, x] = highest[y, x]
            for way in range(-far, far + 1):
                if not 0 <= y + way < height:
                    continue
                if way == -1 or way == 1:
                    for x in range(width):
                        arriving[y, x] = max(arriving[y, x], along[y + way, x] + go)
                for x in range(width):
                    across[y, x] = max(across[y, x], highest[y + way, x])
            for x in range(width):
                arriving[y, x] = max(arriving[y, x], across[y, x] + hop)
    return scores


@compiled
def log_likelihoods(
    responses: NDArray[np.int16],
    unit: Number,
    centres: States,
    half: int,
    snr: Number,
    others: States,
    present: NDArray[np.bool_],
    snr_of_others: Array,
    overlaps: Array,
) -> Array:
    """Log likelihood ratio of every state of a rod against none, the others taken away, (frames, angles, y, x).

    Parameters
    ----------
    responses : ndarray
        (frames, angles, y, x) of the filter, in *unit* standard deviations of the noise.
    unit : float
    centres : ndarray
        (frames, 2) y and x of the middle of each window.
    half : int
        Half the side of a window.
    snr : float
        Of the rod.
    others, present, snr_of_others : ndarray
        (rods, frames, 3) states; (rods, frames); (rods,).
    overlaps : ndarray
        As of `FilterBank`.
    """
    frames, angles, height, width = responses.shape
    reach, side = (overlaps.shape[2] - 1) // 2, 2 * half + 1
    nothing = _HALF * snr * snr
    logs = np.empty((frames, angles, side, side), np.float32)
    for t in range(frames):
        top, left = centres[t, 0] - half, centres[t, 1] - half
        for k in range(angles):
            for i in range(side):
                for j in range(side):
                    y, x = top + i, left + j
                    if 0 <= y < height and 0 <= x < width:
                        logs[t, k, i, j] = snr * (unit * responses[t, k, y, x]) - nothing
                    else:
                        logs[t, k, i, j] = -nothing - _OUT_OF_VIEW
        for m in range(len(others)):
            if not present[m, t]:
                continue
            down, right = top - others[m, t, 1] + reach, left - others[m, t, 2] + reach
            first_i, last_i = max(-down, 0), min(2 * reach + 1 - down, side)
            first_j, last_j = max(-right, 0), min(2 * reach + 1 - right, side)
            taken = snr * snr_of_others[m]
            for k in range(angles):
                for i in range(first_i, last_i):
                    for j in range(first_j, last_j):
                        logs[t, k, i, j] -= taken * overlaps[others[m, t, 0], k, down + i, right + j]
    return logs


@compiled
def _moved_on(belief: Array, creep: Array, turning: Array, row: Array, crept: Array) -> None:
    """Let *belief*, (angles, y, x), creep and turn; the result is in *crept*, and *belief* is spoilt."""
    angles, height, width = belief.shape
    reach, number = len(creep) - 1, np.float32(angles)
    for k in range(angles):
        for y in range(height):
            for x in range(width):
                row[x] = creep[0] * belief[k, y, x]
            for d in range(1, reach + 1):
                for x in range(d, width):
                    row[x] += creep[d] * belief[k, y, x - d]
                for x in range(width - d):
                    row[x] += creep[d] * belief[k, y, x + d]
            for x in range(width):
                belief[k, y, x] = row[x]
        for y in range(height):
            for x in range(width):
                crept[k, y, x] = creep[0] * belief[k, y, x]
            for d in range(1, reach + 1):
                if y >= d:
                    for x in range(width):
                        crept[k, y, x] += creep[d] * belief[k, y - d, x]
                if y + d < height:
                    for x in range(width):
                        crept[k, y, x] += creep[d] * belief[k, y + d, x]
    for y in range(height):
        for x in range(width):
            row[x] = _ZERO
        for k in range(angles):
            for x in range(width):
                row[x] += crept[k, y, x] / number
        for k in range(angles):
            before, after = (k - 1) % angles, (k + 1) % angles
            for x in range(width):
                belief[k, y, x] = (
                    turning[0] * crept[k, y, x]
                    + turning[1] * (crept[before, y, x] + crept[after, y, x])
                    + turning[2] * row[x]
                )
    crept[:] = belief


@compiled
def filtered(
    logs: Array, shifts: States, creep: Array, turning: Array, jump: Number, appear: Number, vanish: Number
) -> tuple[Array, Array, float]:
    """Probability of every state given the frames so far; of being absent; and the log evidence for the rod.

    Parameters
    ----------
    logs : ndarray
        (frames, angles, y, x) from `log_likelihoods`.
    shifts : ndarray
        (frames - 1, 2) y and x from the window of one frame to that of the next.
    creep : ndarray
        Probability, along each axis, of moving by 0, 1, ... px.
    turning : ndarray
        (3,) probability to keep the angle, to take either of the next ones, and to take any.
    jump, appear, vanish : float
        Probability from frame to frame.

    Returns
    -------
    here : ndarray
        (frames, angles, y, x).
    absent : ndarray
        (frames,).
    evidence : float
        Log likelihood ratio of all frames against no rod ever.
    """
    frames, angles, height, width = logs.shape
    states = np.float32(angles * height * width)
    here, absent = np.empty_like(logs), np.empty(frames, np.float32)
    moved, crept = np.empty(logs.shape[1:], np.float32), np.empty(logs.shape[1:], np.float32)
    message, row = np.full(logs.shape[1:], _HALF / states, np.float32), np.empty(width, np.float32)
    off, evidence = _HALF, 0.0
    for t in range(frames):
        highest = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    highest = max(highest, logs[t, k, y, x])
        absent[t] = off * np.exp(-highest)
        total = np.float64(absent[t])
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    log = logs[t, k, y, x] - highest
                    value = message[k, y, x] * np.exp(log) if log > _LEAST_EXPONENT else _ZERO
                    here[t, k, y, x] = value
                    total += value
        evidence += float(np.log(total) + highest)
        share = np.float32(1 / total)
        absent[t] *= share
        present = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    here[t, k, y, x] *= share
                    present += here[t, k, y, x]
        if t == frames - 1:
            break
        down, right = shifts[t]
        kept = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    i, j = y + down, x + right
                    seen = here[t, k, i, j] if 0 <= i < height and 0 <= j < width else _ZERO
                    moved[k, y, x] = seen
                    kept += seen
        _moved_on(moved, creep, turning, row, crept)
        anywhere = ((present - (_ONE - jump) * kept) * (_ONE - vanish) + absent[t] * appear) / states
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    message[k, y, x] = (_ONE - jump) * (_ONE - vanish) * crept[k, y, x] + anywhere
        off = absent[t] * (_ONE - appear) + present * vanish
    return here, absent, evidence


@compiled
def drawn(
    here: Array,
    absent: Array,
    shifts: States,
    creep: Array,
    turning: Array,
    jump: Number,
    appear: Number,
    vanish: Number,
    chances: NDArray[np.float64],
) -> tuple[States, NDArray[np.bool_]]:
    """One path out of all, as likely as it is: states (frames, 3) in the windows, and where the rod is present.

    Parameters
    ----------
    here, absent : ndarray
        From `filtered`, with which the others are shared.
    chances : ndarray
        (frames,) uniform random numbers.
    """
    frames, angles, height, width = here.shape
    states, number, reach = np.float32(angles * height * width), np.float32(angles), len(creep) - 1
    path, present = np.zeros((frames, 3), np.int64), np.zeros(frames, np.bool_)
    weight = np.empty(here.shape[1:], np.float32)
    for t in range(frames - 1, -1, -1):
        last = t == frames - 1
        off = absent[t]
        if not last:
            off *= appear / states if present[t + 1] else _ONE - appear
        total = float(off)
        for k in range(angles):
            turned = _ONE
            if not last and present[t + 1]:
                apart = min((k - path[t + 1, 0]) % angles, (path[t + 1, 0] - k) % angles)
                turned = turning[2] / number + (turning[apart] if apart < 2 else _ZERO)
            for y in range(height):
                for x in range(width):
                    value = here[t, k, y, x]
                    if not last and not present[t + 1]:
                        value *= vanish
                    elif not last:
                        i, j = y - shifts[t, 0], x - shifts[t, 1]
                        step = _ONE / states
                        if 0 <= i < height and 0 <= j < width:
                            down, right = abs(i - path[t + 1, 1]), abs(j - path[t + 1, 2])
                            crept = creep[down] * creep[right] if down <= reach and right <= reach else _ZERO
                            step = jump / states + (_ONE - jump) * turned * crept
                        value *= (_ONE - vanish) * step
                    weight[k, y, x] = value
                    total += value
        left = chances[t] * total - off
        if left < 0:
            continue
        present[t], flat = True, weight.ravel()
        for state in range(len(flat)):
            left -= flat[state]
            if left < 0:
                break
        path[t, 0] = state // (height * width)
        path[t, 1] = state // width % height
        path[t, 2] = state % width
    return path, present


@compiled
def believed(
    logs: Array,
    here: Array,
    absent: Array,
    shifts: States,
    creep: Array,
    turning: Array,
    jump: Number,
    appear: Number,
    vanish: Number,
) -> tuple[Array, Array]:
    """Probability of every state, and of being absent, given all frames; arguments and result as of `filtered`."""
    frames, angles, height, width = logs.shape
    states = np.float32(angles * height * width)
    belief, gone = np.empty_like(logs), np.empty(frames, np.float32)
    after, off = np.ones(logs.shape[1:], np.float32), _ONE
    moved, row, crept = np.empty_like(after), np.empty(width, np.float32), np.empty_like(after)
    for t in range(frames - 1, -1, -1):
        gone[t] = absent[t] * off
        total = float(gone[t])
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    belief[t, k, y, x] = here[t, k, y, x] * after[k, y, x]
                    total += belief[t, k, y, x]
        share = np.float32(1 / total)
        gone[t] *= share
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    belief[t, k, y, x] *= share
        if t == 0:
            break
        highest = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    highest = max(highest, logs[t, k, y, x])
        mean = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    log = logs[t, k, y, x] - highest
                    moved[k, y, x] = after[k, y, x] * np.exp(log) if log > _LEAST_EXPONENT else _ZERO
                    mean += moved[k, y, x] / states
        nowhere = off * np.exp(-highest)
        _moved_on(moved, creep, turning, row, crept)
        down, right = shifts[t - 1]
        largest = _ZERO
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    i, j = y - down, x - right
                    step = mean
                    if 0 <= i < height and 0 <= j < width:
                        step = jump * mean + (_ONE - jump) * crept[k, i, j]
                    after[k, y, x] = (_ONE - vanish) * step + vanish * nowhere
                    largest = max(largest, after[k, y, x])
        off = (_ONE - appear) * nowhere + appear * mean
        largest = max(largest, off)
        off /= largest
        for k in range(angles):
            for y in range(height):
                for x in range(width):
                    after[k, y, x] /= largest
    return belief, gone
