"""Tracks as a microscope delivers them, with the truth: what the network is trained and tested on.

The truth follows the project's definition of the mixing ratio: within a stationary stretch the FBM part carries the
share m of the mean squared one-frame displacement, measured on the stretch itself, before blur and without error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion import alternatives
from napari_lptem_diffusion.diffusion.observation import Observation, observe
from napari_lptem_diffusion.diffusion.population import Draw, Population
from napari_lptem_diffusion.diffusion.processes import Waiting, ctrw_increments, fbm_increments, fbm_structure_function

MAX_REGIMES = 3
MAX_STRETCHES = 8


@dataclass(frozen=True)
class Truth:
    """The truth of a batch of tracks, per displacement ``(tracks, frames - 1)`` unless said otherwise.

    Attributes
    ----------
    mixing_ratio, alpha_fbm, alpha_ctrw : Tensor
        An exponent whose part is absent is a draw from its prior: nobody can know it.
    change : Tensor
        bool; the first displacement of every stretch that differs from the one before.
    fbm_step2, ctrw_step2 : Tensor
        ``(tracks,)`` mean squared one-frame displacement of each part, averaged over the track: of the FBM what the
        process has on average, of the CTRW, which has no such average, what this track has.
    is_mixture : Tensor
        ``(tracks,)`` bool; False for motion of another kind, for which the rest means nothing.
    """

    mixing_ratio: Tensor
    alpha_fbm: Tensor
    alpha_ctrw: Tensor
    change: Tensor
    fbm_step2: Tensor
    ctrw_step2: Tensor
    is_mixture: Tensor


def simulate(
    tracks: int, frames: int, population: Population, generator: torch.Generator, device: torch.device | str = "cpu"
) -> tuple[Observation, Truth]:
    """Draw *tracks* tracks of *frames* frames with their truth."""
    device = torch.device(device)
    draw = Draw(generator, device)
    steps = frames - 1
    exposure = draw.exposure(tracks)
    stretch, regime = _stretches(tracks, steps, population, draw)
    recorded, truth = _mixtures(stretch, regime, exposure, population, draw)

    is_mixture = ~draw.chance(tracks, population.other_kinds)
    kind = draw.integers(tracks, len(alternatives.TRAINED))
    for number, simulate_kind in enumerate(alternatives.TRAINED):
        rows = (~is_mixture & (kind == number)).nonzero()[:, 0]
        if len(rows):
            recorded[rows] = alternatives.recorded(simulate_kind, exposure[rows], steps, draw)
    truth = replace(truth, is_mixture=is_mixture)
    return observe(recorded, exposure, population, draw), truth


def track_truth(truth: Truth, scale: Tensor) -> dict[str, Tensor]:
    """Return what is true of whole tracks, each ``(tracks,)``.

    The mixing ratio is its mean over the frames; each exponent its mean weighted with the share of its own part
    (plainly averaged where the part is absent throughout). Mean squared displacements are given as decimal logarithms,
    in units of the squared *scale* ``(tracks,)``.
    """
    ratio = truth.mixing_ratio
    return {
        "mixing_ratio": ratio.mean(1),
        "alpha_fbm": _weighted_mean(truth.alpha_fbm, ratio),
        "alpha_ctrw": _weighted_mean(truth.alpha_ctrw, 1 - ratio),
        "log_fbm_step2": (truth.fbm_step2 / scale.square()).clamp(min=1e-9).log10(),
        "log_ctrw_step2": (truth.ctrw_step2 / scale.square()).clamp(min=1e-9).log10(),
    }


def _stretches(tracks: int, steps: int, population: Population, draw: Draw) -> tuple[Tensor, Tensor]:
    """Cut each track into stretches and give each a regime; both ``(tracks, steps)`` int64.

    Half of the switching tracks have change points anywhere, half alternate between two regimes in windows of one
    length, as pinned and free episodes do.
    """
    shortest = population.shortest_stretch
    time = torch.arange(steps, device=draw.device).expand(tracks, -1)
    most = min(MAX_STRETCHES, max(1, steps // shortest))
    if most == 1:
        zero = torch.zeros_like(time)
        return zero, zero
    cuts = draw.integers(tracks, min(most, 4) - 1) + 1
    room = steps - (cuts + 1) * shortest
    wanted = torch.arange(3, device=draw.device) < cuts[:, None]
    places = torch.where(wanted, draw.uniform((tracks, 3)), torch.inf).sort(dim=1).values
    places = torch.where(wanted, places, 1) * room.clamp(min=0)[:, None]
    places = places.long() + shortest * torch.arange(1, 4, device=draw.device)
    used = wanted & (room >= 0)[:, None]
    anywhere = ((time[:, None] >= places[..., None]) & used[..., None]).sum(1)

    low = max(shortest, math.ceil(steps / MAX_STRETCHES))
    window = (low * (max(steps / 2 / low, 1)) ** draw.uniform((tracks,))).long()
    offset = (draw.uniform((tracks,)) * (window - shortest + 1)).long()
    alternating = (time + offset[:, None]) // window[:, None]
    alternating = alternating.clamp(max=MAX_STRETCHES - 1)

    periodic = draw.chance(tracks, 0.5)[:, None]
    switching = draw.chance(tracks, population.switching)[:, None]
    stretch = torch.where(periodic, alternating, anywhere) * switching
    regime = torch.where(periodic, stretch % 2, stretch % MAX_REGIMES)
    return stretch, regime


def _mixtures(
    stretch: Tensor, regime: Tensor, exposure: Tensor, population: Population, draw: Draw
) -> tuple[Tensor, Truth]:
    """Return recorded displacements ``(tracks, steps, 2)`` and their truth."""
    tracks, steps = stretch.shape
    per_regime = tracks * MAX_REGIMES if bool(regime.any()) else tracks
    many = per_regime // tracks

    def spread(values: Tensor) -> Tensor:
        return values.reshape(tracks, many).gather(1, regime)

    alpha_fbm = draw.alpha_fbm(per_regime, population)
    waiting = draw.waiting(per_regime, population)
    if many > 1:
        shared = draw.chance(tracks, population.shared_exponents)
        alpha_fbm = _same_in_all_regimes(alpha_fbm, shared)
        waiting = Waiting(*(_same_in_all_regimes(getattr(waiting, item.name), shared) for item in fields(waiting)))
    exposures = exposure.repeat_interleave(many)
    fbm = _by_regime(fbm_increments(alpha_fbm, exposures, steps, draw.generator), regime, many)
    recorded, sharp = ctrw_increments(waiting, draw.chance(per_regime, 0.3), exposures, steps, draw.generator)
    recorded, sharp = _by_regime(recorded, regime, many), _by_regime(sharp, regime, many)

    # The blurred path hides part of the FBM's step; the structure function says how much on average.
    one = torch.ones(1, dtype=torch.float64, device=draw.device)
    sharpened = 1 / spread(fbm_structure_function(one, alpha_fbm.double(), exposures.double())[:, 0].float())
    fbm_step2 = _mean_over_stretch(fbm.square().sum(-1), stretch) * sharpened
    ctrw_step2 = _mean_over_stretch(sharp.square().sum(-1), stretch)

    start, end = draw.mixing_ratio(per_regime, population)
    progress = _progress(stretch, draw)
    ratio = spread(start) * (1 - progress) + spread(end) * progress
    jumps = ctrw_step2 > 0
    ratio = torch.where(jumps | (ratio == 0), ratio, torch.ones_like(ratio))  # no jump in view: FBM carries it all
    size2 = spread(draw.step_scale(tracks, many)).square()
    moves = ((ratio > 0) | jumps).any(1, keepdim=True)
    # Of a track that never moves nobody can know the ratio.
    told_ratio = torch.where(moves, ratio, draw.uniform((tracks, 1)))

    weight_fbm = (ratio * size2 / fbm_step2.clamp(min=1e-12)).sqrt()
    weight_ctrw = torch.where(jumps, (1 - ratio) * size2 / ctrw_step2.clamp(min=1e-12), torch.zeros_like(ratio)).sqrt()
    exponents = spread(alpha_fbm), spread(waiting.alpha)
    visible = torch.stack([ratio, size2, exponents[0] * (ratio > 0), exponents[1] * (ratio < 1)])
    change = torch.zeros_like(stretch, dtype=torch.bool)
    change[:, 1:] = (stretch.diff(dim=1) != 0) & (visible.diff(dim=2).abs() > 1e-4).any(0)
    truth = Truth(
        mixing_ratio=told_ratio,
        alpha_fbm=exponents[0],
        alpha_ctrw=exponents[1],
        change=change,
        fbm_step2=2 * weight_fbm.square().mean(1),
        ctrw_step2=((1 - ratio) * size2 * jumps).mean(1),
        is_mixture=torch.ones(tracks, dtype=torch.bool, device=draw.device),
    )
    return weight_fbm[..., None] * fbm + weight_ctrw[..., None] * recorded, truth


def _by_regime(values: Tensor, regime: Tensor, many: int) -> Tensor:
    """Pick ``(tracks, steps, 2)`` out of ``(tracks * many, steps, 2)``, each step from its regime."""
    tracks, steps = regime.shape
    index = regime[:, None, :, None].expand(-1, 1, -1, 2)
    return values.reshape(tracks, many, steps, 2).gather(1, index)[:, 0]


def _mean_over_stretch(values: Tensor, stretch: Tensor) -> Tensor:
    total = torch.zeros(len(values), MAX_STRETCHES, device=values.device).scatter_add_(1, stretch, values)
    count = torch.zeros_like(total).scatter_add_(1, stretch, torch.ones_like(values))
    return (total / count.clamp(min=1)).gather(1, stretch)


def _same_in_all_regimes(values: Tensor, shared: Tensor) -> Tensor:
    """Give all regimes of the *shared* tracks the value of their first."""
    by_track = values.reshape(len(shared), -1)
    return torch.where(shared[:, None], by_track[:, :1], by_track).flatten()


def _progress(stretch: Tensor, draw: Draw) -> Tensor:
    """How far the mixing ratio has gone from its start to its end: evenly, or along a smooth random curve."""
    place = _place_in_stretch(stretch)
    tracks = len(stretch)
    turns = torch.arange(1, 4, device=draw.device)[:, None]
    size, phase = draw.normal((tracks, 3, 1)) / turns, draw.uniform((tracks, 3, 1), 0, 2 * math.pi)
    wave = (size * (math.pi * turns * place[:, None] + phase).cos()).sum(1)
    return torch.where(draw.chance(tracks, 0.5)[:, None], place, torch.sigmoid(3 * wave))


def _place_in_stretch(stretch: Tensor) -> Tensor:
    """0 at the first displacement of a stretch to 1 at its last."""
    time = torch.arange(stretch.shape[1], device=stretch.device, dtype=torch.float32).expand_as(stretch)
    shape = (len(stretch), MAX_STRETCHES)
    first = torch.full(shape, torch.inf, device=stretch.device).scatter_reduce(1, stretch, time, "amin")
    last = torch.zeros(shape, device=stretch.device).scatter_reduce(1, stretch, time, "amax")
    first, last = first.gather(1, stretch), last.gather(1, stretch)
    return (time - first) / (last - first).clamp(min=1)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    weights = weights + 1e-6
    return (values * weights).sum(1) / weights.sum(1)
