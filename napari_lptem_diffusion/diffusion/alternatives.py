"""Motion that is no mixture of FBM and CTRW: what `model_mismatch` must recognise.

The class of mixtures is wide. Not among these kinds, since a mixture does the same: a diffusivity that stays for many
frames (a stretch of other step size), relaxation within a frame (alpha_fbm near 0), slow drift of the stage.

Every kind is a function of ``(tracks, steps, per_frame, draw)`` that returns displacements ``(tracks, steps, 2)``
float32 of arbitrary scale, *per_frame* of them within a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.population import Draw
from napari_lptem_diffusion.diffusion.processes import stationary_gaussian

Kind = Callable[[int, int, int, Draw], Tensor]
PER_FRAME = 4


def recorded(kind: Kind, exposure: Tensor, frames: int, draw: Draw) -> Tensor:
    """Return one-frame displacements ``(tracks, frames, 2)`` of positions averaged over the exposure."""
    tracks = len(exposure)
    fine = kind(tracks, (frames + 1) * PER_FRAME, PER_FRAME, draw).cumsum(1)
    moment = torch.arange(PER_FRAME, device=exposure.device) / PER_FRAME
    exposed = (moment < exposure[:, None].clamp(min=1e-6)).float()
    weights = (exposed / exposed.sum(1, keepdim=True))[:, None, :, None]
    positions: Tensor = (fine.reshape(tracks, frames + 1, PER_FRAME, 2) * weights).sum(2)
    return positions.diff(dim=1)


def confined(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion in a harmonic well (Ornstein-Uhlenbeck) that relaxes within 2 to 30 frames."""
    return _relaxing(draw.log_uniform((tracks,), 2, 30) * per_frame, steps + 1, draw).diff(dim=1)


def caged(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion between hard walls, crossed in 4 to 100 frames."""
    half_width = (draw.log_uniform((tracks, 1, 2), 4, 100) * per_frame).sqrt()
    start = half_width * draw.uniform((tracks, 1, 2), 0, 2)
    free = start + draw.normal((tracks, steps + 1, 2)).cumsum(1)
    # Reflecting walls are the same as folding the free path.
    return (free.remainder(4 * half_width) - 2 * half_width).abs().diff(dim=1)


def scaled_brownian(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion whose diffusivity changes as t^(alpha - 1) (SBM), clearly away from alpha = 1."""
    side = draw.uniform((tracks,))
    alpha = torch.where(side < 0.5, 0.1 + 0.9 * side, 1.3 + 0.6 * (side - 0.5) * 2)
    time = torch.arange(1, steps + 1, device=draw.device) / per_frame
    size = (time ** alpha[:, None] - (time - 1 / per_frame).clamp(min=0) ** alpha[:, None]).sqrt()
    return size[..., None] * draw.normal((tracks, steps, 2))


def two_state(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion that goes to and fro, within 1 to 8 frames, between steps that differ by a factor of 3 to 15."""
    dwell = draw.log_uniform((tracks, 2, 1), 1, 8) * per_frame
    durations = dwell.repeat(1, steps // 2 + 1, 1)[:, :steps, 0] * _exponential((tracks, steps), draw)
    slow = 1 / draw.log_uniform((tracks, 1), 3, 15)
    in_turn = torch.where(torch.arange(steps, device=draw.device) % 2 == 0, slow, 1.0)[..., None]
    size: Tensor = _renewed(durations, in_turn.expand(-1, -1, 2), steps)
    return size * draw.normal((tracks, steps, 2))


def patchy(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion whose diffusivity, of up to four decades, is drawn anew every 2 to 12 frames on average."""
    dwell = draw.log_uniform((tracks, 1), 2, 12) * per_frame * _exponential((tracks, steps), draw)
    decades = draw.uniform((tracks, 1, 1), 1.5, 4)
    size = _renewed(dwell, 10 ** (-decades / 2 * draw.uniform((tracks, steps, 1))).expand(-1, -1, 2), steps)
    return size * draw.normal((tracks, steps, 2))


def diffusing_diffusivity(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion whose diffusivity is the square of a process that relaxes within 1 to 15 frames.

    Chubynsky and Slater 2014, in the minimal form of Chechkin et al. 2017.
    """
    root = _relaxing(draw.log_uniform((tracks,), 1, 15) * per_frame, steps, draw)
    size: Tensor = root.norm(dim=-1, keepdim=True)
    return size * draw.normal((tracks, steps, 2))


def run_and_tumble(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Runs of one speed and of exponential duration, 1.5 to 25 frames on average, each in a new direction."""
    run = draw.log_uniform((tracks, 1), 1.5, 25) * per_frame * _exponential((tracks, steps), draw)
    return _renewed(run, _headings((tracks, steps), draw), steps)


def turning(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion and a velocity of half a one-frame step to three, with a new direction every 10 to 80 frames."""
    run = draw.log_uniform((tracks, 1), 10, 80) * per_frame * _exponential((tracks, steps), draw)
    speed = draw.log_uniform((tracks, 1, 1), 0.5, 3) / per_frame
    flow = speed * _renewed(run, _headings((tracks, steps), draw), steps)
    return flow + _brownian(tracks, steps, per_frame, draw)


def active(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Constant speed along an axis that itself diffuses (an active particle), losing its direction in 3 to 50 frames.

    In half of the tracks the axis also turns steadily, so that the path is made of circles.
    """
    keep = draw.log_uniform((tracks, 1), 3, 50) * per_frame
    steady = draw.normal((tracks, 1)) / keep * 3 * draw.chance(tracks, 0.5)[:, None]
    angle = (steady + draw.normal((tracks, steps)) * (2 / keep).sqrt()).cumsum(1)
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def vibrating(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion on a stage that swings to and fro by 1 to 10 steps every 4 to 40 frames."""
    time = torch.arange(steps + 1, device=draw.device) / (draw.log_uniform((tracks, 1), 4, 40) * per_frame)
    swing = draw.log_uniform((tracks, 1), 1, 10) * (2 * math.pi * (time + draw.uniform((tracks, 1)))).cos()
    along = _headings((tracks, 1), draw)
    return (swing[..., None] * along).diff(dim=1) + _brownian(tracks, steps, per_frame, draw)


def directed(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Brownian motion with a constant velocity of a third of a one-frame step to twice one."""
    velocity = draw.log_uniform((tracks, 1, 1), 0.3, 2) / per_frame * _headings((tracks, 1), draw)
    return velocity + _brownian(tracks, steps, per_frame, draw)


def levy_walk(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """Flights at constant speed, their durations with a tail t^(-1-s), s in (0.2, 1.8), at least 2 frames."""
    sigma = draw.uniform((tracks, 1), 0.2, 2)
    uniform = draw.uniform((tracks, steps)).clamp(min=1e-6)
    return _renewed(2 * per_frame * uniform ** (-1 / sigma), _headings((tracks, steps), draw), steps)


def annealed_transit(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    """ATTM (Massignan et al. 2014): diffusivity D drawn anew after a time that grows as D^(-gamma)."""
    low = draw.uniform((tracks, 1), 0.3, 0.9)
    diffusivity = draw.uniform((tracks, steps)).clamp(min=1e-3) ** (1 / low)
    gamma = low / draw.uniform((tracks, 1), 0.2, 0.9)
    size = _renewed(per_frame * diffusivity**-gamma, diffusivity.sqrt()[..., None].expand(-1, -1, 2), steps)
    return size * draw.normal((tracks, steps, 2))


TRAINED: tuple[Kind, ...] = (
    confined,
    caged,
    scaled_brownian,
    two_state,
    patchy,
    diffusing_diffusivity,
    run_and_tumble,
    turning,
    active,
    vibrating,
)
UNSEEN: tuple[Kind, ...] = (directed, levy_walk, annealed_transit)
"""Never shown in training: the benchmark measures on them whether the mismatch generalises."""


def _brownian(tracks: int, steps: int, per_frame: int, draw: Draw) -> Tensor:
    return draw.normal((tracks, steps, 2)) / math.sqrt(per_frame)


def _relaxing(correlation_steps: Tensor, count: int, draw: Draw) -> Tensor:
    """Stationary Ornstein-Uhlenbeck processes ``(tracks, count, 2)`` of variance 1."""
    lag = torch.arange(count + 1, dtype=torch.float64, device=draw.device)
    return stationary_gaussian(torch.exp(-lag / correlation_steps[:, None].double()), draw.generator)[:, :count]


def _renewed(durations: Tensor, values: Tensor, steps: int) -> Tensor:
    """Hold ``values[:, i]`` for ``durations[:, i]`` steps (at least one), one after the other."""
    ends = durations.clamp(1, steps + 1).round().cumsum(1)
    time = torch.arange(steps, device=ends.device).expand(len(ends), -1).contiguous()
    index = torch.searchsorted(ends, time.to(ends.dtype), right=True)
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[-1]))


def _headings(shape: tuple[int, ...], draw: Draw) -> Tensor:
    """Unit vectors ``(*shape, 2)``."""
    angle = draw.uniform(shape, 0, 2 * math.pi)
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def _exponential(shape: tuple[int, ...], draw: Draw) -> Tensor:
    return -draw.uniform(shape).clamp(min=1e-6).log()
