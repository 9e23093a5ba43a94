"""Tracks as a microscope and a tracker deliver them: drift, localization error, mislinks and gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_lptem_diffusion.diffusion.population import Draw, Population


@dataclass(frozen=True)
class Observation:
    """What is known of a batch of tracks; lengths in any one unit.

    Attributes
    ----------
    positions : Tensor
        ``(tracks, frames, 2)``; anything finite where not seen.
    seen : Tensor
        ``(tracks, frames)`` bool; False in gaps and beyond the end of a shorter track.
    localization_error : Tensor
        ``(tracks, frames)`` one standard deviation per axis; NaN = unknown.
    exposure : Tensor
        ``(tracks,)`` exposed fraction of the frame interval.
    """

    positions: Tensor
    seen: Tensor
    localization_error: Tensor
    exposure: Tensor

    def to(self, device: torch.device | str) -> Observation:
        """Return the same on *device*."""
        return Observation(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def observe(recorded: Tensor, exposure: Tensor, population: Population, draw: Draw) -> Observation:
    """See displacements ``(tracks, steps, 2)`` as the microscope and the tracker do."""
    tracks, steps, _ = recorded.shape
    squared = recorded.square().mean((1, 2))
    fourth = recorded.pow(4).mean((1, 2)) / 3
    still = squared == 0  # a rod that never moves is still located with error
    size = torch.where(still, 1, squared).sqrt()
    jump = torch.where(still, 1, fourth / squared.clamp(min=1e-12)).sqrt()
    positions = torch.zeros(tracks, steps + 1, 2, device=draw.device)
    positions[:, 1:] = (recorded + _drift(size, population, draw)[:, None]).cumsum(1)

    error = _error(torch.where(draw.chance(tracks, 0.5), size, jump), steps + 1, population, draw)
    positions = positions + error[..., None] * _unit_error(tracks, steps + 1, population, draw)
    positions = positions + _mislinks(size, steps + 1, population, draw)
    return Observation(positions, _seen(tracks, steps + 1, population, draw), _told(error, population, draw), exposure)


def _drift(size: Tensor, population: Population, draw: Draw) -> Tensor:
    """Constant velocity of the stage, ``(tracks, 2)`` per frame."""
    tracks = len(size)
    speed = draw.uniform((tracks,), 0.01, 0.15) * size * draw.chance(tracks, population.stage_drift)
    angle = draw.uniform((tracks,), 0, 2 * math.pi)
    return speed[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


def _error(size: Tensor, frames: int, population: Population, draw: Draw) -> Tensor:
    """Localization error ``(tracks, frames)``: constant, scattering, or that of a rod on its way out of focus.

    In units of the rms displacement or of the large ones, which of FBM are the same, but not of rare jumps.
    """
    tracks = len(size)
    error = draw.log_uniform((tracks,), *population.error) * size * draw.chance(tracks, 0.75)
    scatter = 0.35 * draw.chance(tracks, 0.5)[:, None] * draw.normal((tracks, frames))
    focus = draw.chance(tracks, 0.2) * draw.uniform((tracks,), -1, 1)
    return error[:, None] * (scatter + focus[:, None] * torch.linspace(-1, 1, frames, device=draw.device)).exp()


def _unit_error(tracks: int, frames: int, population: Population, draw: Draw) -> Tensor:
    """Errors ``(tracks, frames, 2)`` of rms 1 per axis, larger along the rod's axis, which turns slowly."""
    ratio = 3 ** (draw.uniform((tracks,)) * draw.chance(tracks, population.anisotropic_error))
    across = (2 / (1 + ratio.square())).sqrt()
    turn = draw.log_uniform((tracks, 1), math.radians(1), math.radians(40)) * draw.normal((tracks, frames))
    axis = draw.uniform((tracks, 1), 0, math.pi) + turn.cumsum(1)
    one, other = (draw.normal((tracks, frames, 2)) * torch.stack([ratio * across, across], -1)[:, None]).unbind(-1)
    cos, sin = axis.cos(), axis.sin()
    return torch.stack([cos * one - sin * other, sin * one + cos * other], dim=-1)


def _mislinks(size: Tensor, frames: int, population: Population, draw: Draw) -> Tensor:
    """Offsets ``(tracks, frames, 2)`` of 2 to 20 steps from some frame on, or, half of them, in one frame only."""
    tracks = len(size)
    angle = draw.uniform((tracks,), 0, 2 * math.pi)
    offset = draw.log_uniform((tracks,), 2, 20) * size * draw.chance(tracks, population.mislinks)
    start = draw.integers(tracks, frames - 2)[:, None] + 1
    time = torch.arange(frames, device=draw.device)
    for_good = draw.chance(tracks, 0.5)[:, None]
    away = (time == start) | (for_good & (time >= start))
    return (offset[:, None] * away)[..., None] * torch.stack([angle.cos(), angle.sin()], dim=1)[:, None]


def _told(error: Tensor, population: Population, draw: Draw) -> Tensor:
    """The localization error as the detector states it; NaN where it does not."""
    tracks = len(error)
    wrong_by = draw.log_uniform((tracks,), *population.misjudged_by) * draw.normal((tracks,))
    told = error * (wrong_by * draw.chance(tracks, population.error_misjudged)).exp()[:, None]
    return torch.where(draw.chance(tracks, population.error_unknown)[:, None], torch.nan, told)


def _seen(tracks: int, frames: int, population: Population, draw: Draw) -> Tensor:
    """``(tracks, frames)``; half of the tracks with gaps lose runs of about three frames rather than single ones."""
    lost = draw.uniform((tracks,), 0, 0.2) * draw.chance(tracks, population.gaps)
    single = draw.uniform((tracks, frames)) < lost[:, None]
    run = functional.max_pool1d((draw.uniform((tracks, 1, frames)) < lost[:, None, None] / 3).float(), 3, 1, 1)
    missing = torch.where(draw.chance(tracks, 0.5)[:, None], single, run[:, 0] > 0)
    missing[:, [0, -1]] = False
    return ~missing
