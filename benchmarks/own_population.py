"""How often the intervals hold on mixtures drawn as in the training: what the network promises, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.calibration import PURE, UNTOLD_ERROR, VISIBLE
from napari_lptem_diffusion.diffusion.estimate import LEVELS
from napari_lptem_diffusion.diffusion.features import moves
from napari_lptem_diffusion.diffusion.network import (
    FRAME_QUANTITIES,
    TRACK_QUANTITIES,
    DilatedNetwork,
    Quantity,
    interval,
    load_network,
    quantiles,
)
from napari_lptem_diffusion.diffusion.population import Population
from napari_lptem_diffusion.diffusion.simulate import simulate, track_truth
from napari_lptem_diffusion.diffusion.windows import judge

_POPULATIONS = {
    "told": Population(error_unknown=0, other_kinds=0),
    "not told": Population(error_unknown=1, other_kinds=0, error=UNTOLD_ERROR),
}
_POSITIONS_AT_ONCE = 16_000


def own_population(count: int, weights: Path) -> None:
    print("\n### Mixtures drawn as in the training, by its simulators: how many 90 % intervals hold the truth\n")
    print("With change points, drift, gaps, mislinks and errors told wrongly; errors that are not told are 0.2 to 1")
    print("step or jump. The mixing ratio where the network finds 5 % of both parts, an exponent or the step of a part")
    print(f"(K comes from it) where it finds 20 % of it. {10 * count} tracks a line.\n")
    names = [f"{q.name}, frames" for q in FRAME_QUANTITIES] + [f"{q.name}, tracks" for q in TRACK_QUANTITIES]
    print("| frames | error | " + " | ".join(names) + " |")
    print("|" + "---|" * (2 + len(names)))
    network, generator = load_network(weights), torch.Generator().manual_seed(2027)
    for frames in (16, 50, 100, 300, 1000):
        for error, population in _POPULATIONS.items():
            batch = min(10 * count, _POSITIONS_AT_ONCE // frames)
            drawn = [list(_held(network, frames, batch, population, generator)) for _ in range(-(-10 * count // batch))]
            held = [torch.cat(one).double().mean() for one in zip(*drawn, strict=True)]
            print(f"| {frames} | {error} | " + " | ".join(f"{one:.0%}" for one in held) + " |", flush=True)


def _held(
    network: DilatedNetwork, frames: int, count: int, population: Population, generator: torch.Generator
) -> Iterator[Tensor]:
    """For each output whether the interval holds the truth, of the cases that count."""
    observation, truth = simulate(count, frames, population, generator)
    moved = moves(observation)
    judgement = judge(network, moved, LEVELS)
    by_frame = judgement.frames["mixing_ratio"][..., 2]
    for quantity in FRAME_QUANTITIES:
        bounds = judgement.frames[quantity.name][..., [0, -1]]
        yield _holds(bounds, getattr(truth, quantity.name), quantity)[_counts(by_frame, quantity)]
    whole = track_truth(truth, moved.rms[:, 0])
    ratio = quantiles(judgement.track["mixing_ratio"], TRACK_QUANTITIES[0], (0.5,))[:, 0]
    for quantity in TRACK_QUANTITIES:
        bounds = quantiles(judgement.track[quantity.name], quantity, (LEVELS[0], LEVELS[-1]))
        yield _holds(bounds, whole[quantity.name], quantity)[_counts(ratio, quantity)]


def _holds(bounds: Tensor, true: Tensor, quantity: Quantity) -> Tensor:
    low, high = interval(bounds.flatten(0, -2), quantity).unbind(1)
    true = true.clamp(quantity.low, quantity.high).flatten()
    return ((low <= true) & (true <= high)).reshape(bounds.shape[:-1])


def _counts(ratio: Tensor, quantity: Quantity) -> Tensor:
    if "fbm" in quantity.name:
        return ratio > VISIBLE
    if "ctrw" in quantity.name:
        return ratio < 1 - VISIBLE
    return (ratio > PURE) & (ratio < 1 - PURE)
