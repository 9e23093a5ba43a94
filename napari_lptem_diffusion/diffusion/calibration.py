"""Temperatures that make the intervals hold, measured on simulated tracks that the training never saw.

The logits of each output are divided by a temperature (Guo et al. 2017), which depends on the length of the track and
on the localization error and is chosen so that the central 90 % interval holds the truth in 90 % of the cases.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.features import Moves, features, moves
from napari_lptem_diffusion.diffusion.network import (
    CALIBRATED_ERRORS,
    CALIBRATED_STEPS,
    FRAME_QUANTITIES,
    TRACK_QUANTITIES,
    DilatedNetwork,
    Quantity,
    interval,
    quantiles,
)
from napari_lptem_diffusion.diffusion.population import Population
from napari_lptem_diffusion.diffusion.simulate import simulate, track_truth

COVERED = 0.9
TRIED = torch.linspace(-0.7, 0.7, 29).exp()
POSITIONS_AT_ONCE = 16_000
FRAMES_LOOKED_AT = 20
FEWEST_CASES = 100
UNTOLD_ERROR = (0.2, 1.0)
"""Localization errors of the tracks on which the temperatures for an error that is not known are measured, in steps or
jumps: on those of the training, of which most have hardly any, intervals come out that fail where an error matters."""
VISIBLE = 0.2
"""An output about a part counts where the network itself gives the part at least this share of the motion, ..."""
PURE = 0.05
"""... the mixing ratio where both parts have more than this: at the ends of its range an interval easily holds."""


def temperatures(network: DilatedNetwork, moved: Moves) -> Tensor:
    """Return ``(tracks, outputs)``, those of the frames before those of whole tracks."""
    by_steps = _hats(moved.length[:, 0].log(), torch.tensor(CALIBRATED_STEPS).float().log())
    return torch.einsum("ts,te,ose->to", by_steps, _error_weights(moved), network.temperatures.log()).exp()


@torch.inference_mode()
def calibrate(
    network: DilatedNetwork, population: Population, generator: torch.Generator, tracks: int = 3000
) -> Tensor:
    """Measure the temperatures of a network.

    At each length on *tracks* mixtures of the population whose localization error is told, and on a third as many
    whose error is not.

    Returns
    -------
    Tensor
        ``(outputs, lengths, 1 + errors)``, first those for an error that is not known.
    """
    told = replace(population, error_unknown=0.0)
    untold = replace(population, error_unknown=1.0, error=UNTOLD_ERROR)
    places = []
    for steps in CALIBRATED_STEPS:
        batch = min(tracks, POSITIONS_AT_ONCE // steps)
        drawn = [told] * -(-tracks // batch) + [untold] * -(-tracks // (3 * batch))
        parts = [_cases(network, batch, steps, one, generator) for one in drawn]
        by_output = zip(*parts, strict=True)
        places.append(torch.stack([_best(*map(torch.cat, zip(*cases, strict=True))) for cases in by_output]))
    return torch.stack(places, dim=1)


def _cases(
    network: DilatedNetwork, tracks: int, steps: int, population: Population, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """For each output the weights ``(cases, 1 + errors)`` and whether each temperature covers ``(cases, tried)``.

    All frames of a track that are looked at count together as one case.
    """
    seen, truth = simulate(tracks, steps + 1, population, generator)
    moved = moves(seen)
    prediction = network(features(moved))
    weights = _error_weights(moved) * truth.is_mixture[:, None]
    whole = track_truth(truth, moved.rms[:, 0])
    ratio = quantiles(prediction.track["mixing_ratio"], TRACK_QUANTITIES[0], (0.5,))[:, 0]

    looked_at = torch.linspace(0, steps - 1, min(FRAMES_LOOKED_AT, steps)).long()
    by_frame = (weights / len(looked_at)).repeat_interleave(len(looked_at), dim=0)
    frame_ratio = quantiles(_flat(prediction.frames["mixing_ratio"][..., looked_at]), FRAME_QUANTITIES[0], (0.5,))[:, 0]
    cases = []
    for quantity in FRAME_QUANTITIES:
        true = getattr(truth, quantity.name)[:, looked_at].flatten()
        covered = _covered(_flat(prediction.frames[quantity.name][..., looked_at]), true, quantity)
        cases.append((by_frame * _visible(frame_ratio, quantity)[:, None], covered))
    for quantity in TRACK_QUANTITIES:
        covered = _covered(prediction.track[quantity.name], whole[quantity.name], quantity)
        cases.append((weights * _visible(ratio, quantity)[:, None], covered))
    return cases


def _best(weights: Tensor, covered: Tensor) -> Tensor:
    """For each error the mildest temperature whose coverage is right within its sampling error; 1 with few cases."""
    total = weights.sum(0)[:, None]
    coverage = weights.T @ covered / total.clamp(min=1)
    sampling_error = (COVERED * (1 - COVERED) / total.clamp(min=1)).sqrt()
    wrong = ((coverage - COVERED).abs() - sampling_error).clamp(min=0)
    best = TRIED[(wrong + 1e-3 * TRIED.log().abs()).argmin(1)]
    return torch.where(total[:, 0] >= FEWEST_CASES, best, 1.0)


def _covered(logits: Tensor, true: Tensor, quantity: Quantity) -> Tensor:
    """``(cases, tried)`` 1 where the interval at a temperature holds the truth."""
    levels = ((1 - COVERED) / 2, (1 + COVERED) / 2)
    true = true.clamp(quantity.low, quantity.high)
    held = []
    for temperature in TRIED.tolist():
        low, high = interval(quantiles(logits / temperature, quantity, levels), quantity).unbind(1)
        held.append((low <= true) & (true <= high))
    return torch.stack(held, dim=1).float()


def _visible(ratio: Tensor, quantity: Quantity) -> Tensor:
    """1 where what an output is about can be seen."""
    if "fbm" in quantity.name:
        return (ratio > VISIBLE).float()
    if "ctrw" in quantity.name:
        return (ratio < 1 - VISIBLE).float()
    return ((ratio > PURE) & (ratio < 1 - PURE)).float()


def _error_weights(moved: Moves) -> Tensor:
    """``(tracks, 1 + errors)`` which localization errors a track's lies between, the first for an unknown one."""
    relative = torch.where(moved.valid > 0, moved.error, torch.nan).nanmean(1) / moved.rms[:, 0]
    known = torch.isfinite(relative).float()
    hats = _hats(relative.nan_to_num(), torch.tensor(CALIBRATED_ERRORS))
    return torch.cat([1 - known[:, None], hats * known[:, None]], dim=1)


def _hats(values: Tensor, nodes: Tensor) -> Tensor:
    """Weights ``(values, nodes)`` of linear interpolation; beyond the outermost nodes those of the nearest one."""
    values = values.clamp(nodes[0], nodes[-1])
    right = torch.searchsorted(nodes, values).clamp(1, len(nodes) - 1)
    share = (values - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
    weights = torch.zeros(len(values), len(nodes))
    weights.scatter_(1, (right - 1)[:, None], 1 - share[:, None])
    return weights.scatter_(1, right[:, None], share[:, None])


def _flat(logits: Tensor) -> Tensor:
    """``(tracks, bins, frames)`` to ``(tracks * frames, bins)``."""
    return logits.transpose(1, 2).flatten(0, 1)
