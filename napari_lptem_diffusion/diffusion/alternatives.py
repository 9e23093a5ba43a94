"""Motion that is no mixture of FBM and CTRW: what `model_mismatch` must recognise.

Every function returns displacements ``(tracks, frames, 2)`` float32 of arbitrary scale, without blur or error.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def confined(tracks: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Brownian motion in a harmonic well (Ornstein-Uhlenbeck) that relaxes within 2 to 30 frames."""
    keep = torch.exp(-1 / _log_uniform(tracks, 2, 30, generator, device))[:, None]
    step = torch.randn(tracks, frames + 1, 2, generator=generator, device=device)
    position = torch.zeros(tracks, frames + 1, 2, device=device)
    position[:, 0] = step[:, 0] / (1 - keep**2).sqrt()
    for frame in range(frames):
        position[:, frame + 1] = keep * position[:, frame] + step[:, frame + 1]
    return position.diff(dim=1)


def scaled_brownian(tracks: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Brownian motion whose diffusivity changes as t^(alpha - 1) (SBM), clearly away from alpha = 1."""
    side = torch.rand(tracks, generator=generator, device=device)
    alpha = torch.where(side < 0.5, 0.1 + 0.9 * side, 1.3 + 0.6 * (side - 0.5) * 2)
    time = torch.arange(1, frames + 1, device=device)
    step = (time ** alpha[:, None] - (time - 1) ** alpha[:, None]).sqrt()
    return step[..., None] * torch.randn(tracks, frames, 2, generator=generator, device=device)


def directed(tracks: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Brownian motion with a constant velocity of a third of a step to twice a step."""
    speed = _log_uniform(tracks, 0.3, 2, generator, device)
    angle = 2 * math.pi * torch.rand(tracks, generator=generator, device=device)
    velocity = speed[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    return velocity[:, None] + torch.randn(tracks, frames, 2, generator=generator, device=device)


def levy_walk(tracks: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Flights at constant speed, their durations with a tail t^(-1-s), s in (0.2, 1.8), at least 2 frames."""
    sigma = 0.2 + 1.6 * torch.rand(tracks, 1, generator=generator, device=device)
    uniform = torch.rand(tracks, frames, generator=generator, device=device).clamp(min=1e-6)
    angle = 2 * math.pi * torch.rand(tracks, frames, generator=generator, device=device)
    return _renewed(2 * uniform ** (-1 / sigma), torch.stack([angle.cos(), angle.sin()], dim=-1), frames)


def annealed_transit(tracks: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """ATTM (Massignan et al. 2014): diffusivity D drawn anew after a time that grows as D^(-gamma)."""
    low = 0.3 + 0.6 * torch.rand(tracks, 1, generator=generator, device=device)
    diffusivity = torch.rand(tracks, frames, generator=generator, device=device).clamp(min=1e-3) ** (1 / low)
    gamma = low / (0.2 + 0.7 * torch.rand(tracks, 1, generator=generator, device=device))
    step = _renewed(diffusivity**-gamma, diffusivity.sqrt()[..., None].expand(-1, -1, 2), frames)
    return step * torch.randn(tracks, frames, 2, generator=generator, device=device)


TRAINED = (confined, scaled_brownian)
UNSEEN = (directed, levy_walk, annealed_transit)
"""Never shown in training: the benchmark measures on them whether the mismatch generalises."""


def _renewed(durations: Tensor, values: Tensor, frames: int) -> Tensor:
    """Hold ``values[:, i]`` for ``durations[:, i]`` frames (at least one), one after the other."""
    ends = durations.clamp(1, frames + 1).round().cumsum(1)
    time = torch.arange(frames, device=ends.device).expand(len(ends), -1).contiguous()
    index = torch.searchsorted(ends, time.to(ends.dtype), right=True)
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[-1]))


def _log_uniform(count: int, low: float, high: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return low * (high / low) ** torch.rand(count, generator=generator, device=device)
