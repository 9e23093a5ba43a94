"""Motion that is no mixture of FBM and CTRW: what `model_mismatch` must recognise.

Every kind is a function of ``(tracks, steps, per_frame, generator, device)`` that returns displacements
``(tracks, steps, 2)`` float32 of arbitrary scale, *per_frame* of them within a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Kind = Callable[[int, int, int, torch.Generator, torch.device], Tensor]
PER_FRAME = 4


def recorded(kind: Kind, exposure: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    """Return one-frame displacements ``(tracks, frames, 2)`` of positions averaged over the exposure."""
    tracks = len(exposure)
    fine = kind(tracks, (frames + 1) * PER_FRAME, PER_FRAME, generator, exposure.device).cumsum(1)
    moment = torch.arange(PER_FRAME, device=exposure.device) / PER_FRAME
    exposed = (moment < exposure[:, None].clamp(min=1e-6)).float()
    weights = (exposed / exposed.sum(1, keepdim=True))[:, None, :, None]
    positions: Tensor = (fine.reshape(tracks, frames + 1, PER_FRAME, 2) * weights).sum(2)
    return positions.diff(dim=1)


def confined(tracks: int, steps: int, per_frame: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Brownian motion in a harmonic well (Ornstein-Uhlenbeck) that relaxes within 2 to 30 frames."""
    keep = torch.exp(-1 / (per_frame * _log_uniform(tracks, 2, 30, generator, device)))[:, None]
    kick = torch.randn(tracks, steps + 1, 2, generator=generator, device=device)
    position = torch.zeros(tracks, steps + 1, 2, device=device)
    position[:, 0] = kick[:, 0] / (1 - keep**2).sqrt()
    for step in range(steps):
        position[:, step + 1] = keep * position[:, step] + kick[:, step + 1]
    return position.diff(dim=1)


def scaled_brownian(
    tracks: int, steps: int, per_frame: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Brownian motion whose diffusivity changes as t^(alpha - 1) (SBM), clearly away from alpha = 1."""
    side = torch.rand(tracks, generator=generator, device=device)
    alpha = torch.where(side < 0.5, 0.1 + 0.9 * side, 1.3 + 0.6 * (side - 0.5) * 2)
    time = torch.arange(1, steps + 1, device=device) / per_frame
    size = (time ** alpha[:, None] - (time - 1 / per_frame).clamp(min=0) ** alpha[:, None]).sqrt()
    return size[..., None] * torch.randn(tracks, steps, 2, generator=generator, device=device)


def directed(tracks: int, steps: int, per_frame: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Brownian motion with a constant velocity of a third of a one-frame step to twice one."""
    speed = _log_uniform(tracks, 0.3, 2, generator, device) / per_frame
    angle = 2 * math.pi * torch.rand(tracks, generator=generator, device=device)
    velocity = speed[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    noise = torch.randn(tracks, steps, 2, generator=generator, device=device) / per_frame**0.5
    moved: Tensor = velocity[:, None] + noise
    return moved


def levy_walk(tracks: int, steps: int, per_frame: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Flights at constant speed, their durations with a tail t^(-1-s), s in (0.2, 1.8), at least 2 frames."""
    sigma = 0.2 + 1.6 * torch.rand(tracks, 1, generator=generator, device=device)
    uniform = torch.rand(tracks, steps, generator=generator, device=device).clamp(min=1e-6)
    angle = 2 * math.pi * torch.rand(tracks, steps, generator=generator, device=device)
    heading = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return _renewed(2 * per_frame * uniform ** (-1 / sigma), heading, steps)


def annealed_transit(
    tracks: int, steps: int, per_frame: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """ATTM (Massignan et al. 2014): diffusivity D drawn anew after a time that grows as D^(-gamma)."""
    low = 0.3 + 0.6 * torch.rand(tracks, 1, generator=generator, device=device)
    diffusivity = torch.rand(tracks, steps, generator=generator, device=device).clamp(min=1e-3) ** (1 / low)
    gamma = low / (0.2 + 0.7 * torch.rand(tracks, 1, generator=generator, device=device))
    size = _renewed(per_frame * diffusivity**-gamma, diffusivity.sqrt()[..., None].expand(-1, -1, 2), steps)
    return size * torch.randn(tracks, steps, 2, generator=generator, device=device)


TRAINED: tuple[Kind, ...] = (confined, scaled_brownian)
UNSEEN: tuple[Kind, ...] = (directed, levy_walk, annealed_transit)
"""Never shown in training: the benchmark measures on them whether the mismatch generalises."""


def _renewed(durations: Tensor, values: Tensor, steps: int) -> Tensor:
    """Hold ``values[:, i]`` for ``durations[:, i]`` steps (at least one), one after the other."""
    ends = durations.clamp(1, steps + 1).round().cumsum(1)
    time = torch.arange(steps, device=ends.device).expand(len(ends), -1).contiguous()
    index = torch.searchsorted(ends, time.to(ends.dtype), right=True)
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[-1]))


def _log_uniform(count: int, low: float, high: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return low * (high / low) ** torch.rand(count, generator=generator, device=device)
