"""Judging tracks of any length in bounded memory: long ones in overlapping windows, with the same result.

What a frame sees of its surroundings lies within the overlap; what it is told of the whole track are sums, which
add up over the windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.calibration import temperatures
from napari_lptem_diffusion.diffusion.features import REACH, Features, Moves, features
from napari_lptem_diffusion.diffusion.network import FRAME_QUANTITIES, TRACK_QUANTITIES, DilatedNetwork, quantiles

WINDOW = 16_384


@dataclass(frozen=True)
class Judgement:
    """What the network says of a batch of tracks.

    Attributes
    ----------
    frames : dict of str to Tensor
        ``(tracks, steps, levels)`` quantiles of each of FRAME_QUANTITIES, float64.
    change : Tensor
        ``(tracks, steps)`` probability that a stretch begins here.
    track : dict of str to Tensor
        ``(tracks, bins)`` calibrated logits of each of TRACK_QUANTITIES.
    mismatch : Tensor
        ``(tracks,)`` probability that the track is no mixture.
    """

    frames: dict[str, Tensor]
    change: Tensor
    track: dict[str, Tensor]
    mismatch: Tensor


@dataclass(frozen=True)
class _Window:
    """Displacements ``start`` to ``stop``, read from ``first`` to ``last``."""

    start: int
    stop: int
    first: int
    last: int

    def own(self, values: Tensor) -> Tensor:
        """Cut ``(tracks, steps, ...)`` read here to what is the window's own."""
        return values[:, self.start - self.first : self.stop - self.first]


@torch.inference_mode()
def judge(
    network: DilatedNetwork,
    moved: Moves,
    levels: tuple[float, ...],
    window: int = WINDOW,
    between: Callable[[], None] = lambda: None,
) -> Judgement:
    """Judge a batch of tracks, at most *window* displacements at once.

    Parameters
    ----------
    levels : tuple of float
        Of the quantiles.
    window : int
        A multiple of the network's group.
    between : callable
        Called before each window.
    """
    steps = moved.step.shape[1]
    windows = list(_windows(steps, window, network))
    length = moved.length
    sums = torch.zeros(())
    for one in windows:
        between()
        read = features(moved.part(one.first, one.last))
        products = network.products(read)
        sums = sums + network.sums(one.own(products), _own(one, read))
    summary = network.summary(sums, length)
    by_output = temperatures(network, moved).T

    frames: dict[str, list[Tensor]] = {quantity.name: [] for quantity in FRAME_QUANTITIES}
    change, pooled = [], torch.zeros(())
    for one in windows:
        if len(windows) > 1:
            between()
            read = features(moved.part(one.first, one.last))
            products = network.products(read)
        judged = one.own(network.trunk(products, read, summary))
        pooled = pooled + network.pool(judged, _own(one, read))
        logits, changes = network.judge_frames(judged)
        for quantity, temperature in zip(FRAME_QUANTITIES, by_output, strict=False):
            flat = (logits[quantity.name] / temperature[:, None, None]).transpose(1, 2).flatten(0, 1)
            frames[quantity.name].append(quantiles(flat, quantity, levels).reshape(*changes.shape, len(levels)))
        change.append(changes.sigmoid())
    track, mismatch = network.judge_tracks(pooled, summary, length)
    for quantity, temperature in zip(TRACK_QUANTITIES, by_output[len(FRAME_QUANTITIES) :], strict=True):
        track[quantity.name] = track[quantity.name] / temperature[:, None]
    return Judgement(
        {name: torch.cat(parts, dim=1) for name, parts in frames.items()},
        torch.cat(change, dim=1),
        track,
        mismatch.sigmoid(),
    )


def _windows(steps: int, window: int, network: DilatedNetwork) -> Iterator[_Window]:
    group = network.architecture.group
    halo = -(-(network.architecture.reach + REACH) // group) * group
    for start in range(0, steps, window):
        stop = min(start + window, steps)
        yield _Window(start, stop, max(start - halo, 0), min(stop + halo, steps))


def _own(window: _Window, read: Features) -> Features:
    return Features(window.own(read.vectors), window.own(read.scalars), window.own(read.valid), read.scale)
