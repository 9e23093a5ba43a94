"""Tracks as a microscope delivers them, with the truth: what the network is trained and tested on.

The truth follows the project's definition of the mixing ratio: within a stationary stretch the FBM part carries the
share m of the mean squared one-frame displacement, measured on the stretch itself, before blur and without error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion import alternatives
from napari_lptem_diffusion.diffusion.processes import Waiting, ctrw_increments, fbm_increments, fbm_structure_function

MAX_REGIMES = 3
MAX_STRETCHES = 8


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


@dataclass(frozen=True)
class Truth:
    """The truth of a batch of tracks, per displacement ``(tracks, frames - 1)`` unless said otherwise.

    Attributes
    ----------
    mixing_ratio, alpha_fbm, alpha_ctrw : Tensor
        An exponent whose part is absent is a draw from its prior: nobody can know it.
    change : Tensor
        bool; the first displacement of every stretch but the first.
    fbm_step2, ctrw_step2 : Tensor
        ``(tracks,)`` mean squared one-frame displacement that each part carries, averaged over the track.
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


@dataclass(frozen=True)
class Population:
    """What tracks are drawn; fractions of all tracks unless said otherwise.

    Attributes
    ----------
    switching : float
        Tracks with change points (as far as their length allows).
    pure : float
        Regimes that are FBM alone or CTRW alone, half each.
    drifting_ratio : float
        Regimes whose mixing ratio changes linearly along each stretch.
    shortest_stretch : int
        Frames between change points.
    error : tuple of float
        Range of the localization error in one-frame steps (log-uniform); a quarter of the tracks have none.
    error_unknown : float
        Tracks whose localization error is not told.
    gaps : float
        Tracks with missing frames.
    stage_drift : float
        Tracks with a slow constant drift.
    other_kinds : float
        Tracks that are no mixture (see `alternatives.TRAINED`).
    alpha_fbm, alpha_ctrw : tuple of float
        Ranges, uniform.
    """

    switching: float = 0.45
    pure: float = 0.4
    drifting_ratio: float = 0.1
    shortest_stretch: int = 14
    error: tuple[float, float] = (0.02, 1.5)
    error_unknown: float = 0.25
    gaps: float = 0.3
    stage_drift: float = 0.08
    other_kinds: float = 0.1
    alpha_fbm: tuple[float, float] = (0.05, 1.95)
    alpha_ctrw: tuple[float, float] = (0.1, 1.0)


def simulate(
    tracks: int, frames: int, population: Population, generator: torch.Generator, device: torch.device | str = "cpu"
) -> tuple[Observation, Truth]:
    """Draw *tracks* tracks of *frames* frames with their truth."""
    device = torch.device(device)
    draw = _Draw(generator, device)
    steps = frames - 1
    exposure = draw.exposure(tracks)
    stretch, regime = _stretches(tracks, steps, population, draw)
    recorded, truth = _mixtures(stretch, regime, exposure, population, draw)

    is_mixture = ~draw.chance(tracks, population.other_kinds)
    kind = draw.integers(tracks, len(alternatives.TRAINED))
    for number, simulate_kind in enumerate(alternatives.TRAINED):
        rows = (~is_mixture & (kind == number)).nonzero()[:, 0]
        if len(rows):
            recorded[rows] = alternatives.recorded(simulate_kind, exposure[rows], steps, generator)
    truth = replace(truth, is_mixture=is_mixture)
    return _observe(recorded, exposure, population, draw), truth


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


def _stretches(tracks: int, steps: int, population: Population, draw: _Draw) -> tuple[Tensor, Tensor]:
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
    stretch: Tensor, regime: Tensor, exposure: Tensor, population: Population, draw: _Draw
) -> tuple[Tensor, Truth]:
    """Return recorded displacements ``(tracks, steps, 2)`` and their truth."""
    tracks, steps = stretch.shape
    per_regime = tracks * MAX_REGIMES if bool(regime.any()) else tracks
    many = per_regime // tracks

    def spread(values: Tensor) -> Tensor:
        return values.reshape(tracks, many).gather(1, regime)

    alpha_fbm = draw.uniform((per_regime,), *population.alpha_fbm)
    waiting = draw.waiting(per_regime, population)
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
    progress = _place_in_stretch(stretch)
    ratio = spread(start) * (1 - progress) + spread(end) * progress
    jumps = ctrw_step2 > 0
    ratio = torch.where(jumps | (ratio == 0), ratio, torch.ones_like(ratio))  # no jump in view: FBM carries it all
    size2 = spread(draw.step_scale(tracks, many)).square()
    moves = ((ratio > 0) | jumps).any(1, keepdim=True)
    # Of a track that never moves nobody can know the ratio.
    told_ratio = torch.where(moves, ratio, draw.uniform((tracks, 1)))

    weight_fbm = (ratio * size2 / fbm_step2.clamp(min=1e-12)).sqrt()
    weight_ctrw = torch.where(jumps, (1 - ratio) * size2 / ctrw_step2.clamp(min=1e-12), torch.zeros_like(ratio)).sqrt()
    change = torch.zeros_like(stretch, dtype=torch.bool)
    change[:, 1:] = stretch.diff(dim=1) != 0
    truth = Truth(
        mixing_ratio=told_ratio,
        alpha_fbm=spread(alpha_fbm),
        alpha_ctrw=spread(waiting.alpha),
        change=change,
        fbm_step2=(ratio * size2).mean(1),
        ctrw_step2=((1 - ratio) * size2 * jumps).mean(1),
        is_mixture=torch.ones(tracks, dtype=torch.bool, device=draw.device),
    )
    return weight_fbm[..., None] * fbm + weight_ctrw[..., None] * recorded, truth


def _observe(recorded: Tensor, exposure: Tensor, population: Population, draw: _Draw) -> Observation:
    """Add stage drift, localization error and gaps."""
    tracks, steps, _ = recorded.shape
    size = recorded.square().mean((1, 2)).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))  # a rod that never moves is still located with error
    speed = draw.uniform((tracks,), 0.01, 0.15) * size * draw.chance(tracks, population.stage_drift)
    angle = draw.uniform((tracks,), 0, 2 * math.pi)
    drift = speed[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    positions = torch.zeros(tracks, steps + 1, 2, device=draw.device)
    positions[:, 1:] = (recorded + drift[:, None]).cumsum(1)

    low, high = population.error
    error = low * (high / low) ** draw.uniform((tracks,)) * size * draw.chance(tracks, 0.75)
    varying = 0.35 * draw.chance(tracks, 0.5)[:, None] * draw.normal((tracks, steps + 1))
    error = error[:, None] * varying.exp()
    positions = positions + error[..., None] * draw.normal((tracks, steps + 1, 2))
    told = error * (0.1 * draw.chance(tracks, 0.3) * draw.normal((tracks,))).exp()[:, None]
    told = torch.where(draw.chance(tracks, population.error_unknown)[:, None], torch.nan, told)

    lost = draw.uniform((tracks,), 0, 0.2) * draw.chance(tracks, population.gaps)
    single = draw.uniform((tracks, steps + 1)) < lost[:, None]
    # Half of the tracks with gaps lose runs of about three frames rather than single ones.
    run = torch.nn.functional.max_pool1d(
        (draw.uniform((tracks, 1, steps + 1)) < lost[:, None, None] / 3).float(), 3, 1, 1
    )
    missing = torch.where(draw.chance(tracks, 0.5)[:, None], single, run[:, 0] > 0)
    missing[:, [0, -1]] = False
    return Observation(positions, ~missing, told, exposure)


@dataclass(frozen=True)
class _Draw:
    """Random numbers of one generator on one device."""

    generator: torch.Generator
    device: torch.device

    def uniform(self, shape: tuple[int, ...], low: float = 0, high: float = 1) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, count: int, probability: float) -> Tensor:
        return self.uniform((count,)) < probability

    def integers(self, count: int, below: int) -> Tensor:
        return torch.randint(below, (count,), generator=self.generator, device=self.device)

    def exposure(self, count: int) -> Tensor:
        """A third of the cameras with no blur, a third that expose all the time, the rest between."""
        return (self.uniform((count,), -1, 2)).clamp(0, 1)

    def waiting(self, count: int, population: Population) -> Waiting:
        """CTRW conventions: half wait at least one frame, the others between a quarter and four."""
        shortest = torch.where(self.chance(count, 0.5), 1.0, 0.25 * 16 ** self.uniform((count,)))
        mittag_leffler = self.chance(count, 0.3)
        age = 10 ** self.uniform((count,), 0, 2) * self.chance(count, 0.3)
        alpha = self.uniform((count,), *population.alpha_ctrw)
        return Waiting(alpha, shortest, mittag_leffler, age)

    def mixing_ratio(self, count: int, population: Population) -> tuple[Tensor, Tensor]:
        """The ratio at the start and at the end of each stretch."""
        start = self.uniform((count,))
        end = torch.where(self.chance(count, population.drifting_ratio), self.uniform((count,)), start)
        pure = self.chance(count, population.pure)
        side = self.chance(count, 0.5).float()
        return torch.where(pure, side, start), torch.where(pure, side, end)

    def step_scale(self, tracks: int, regimes: int) -> Tensor:
        """Steps that differ between the regimes of half of the tracks, by a factor of about 2."""
        differ = self.chance(tracks, 0.5)[:, None]
        return (0.7 * differ * self.normal((tracks, regimes))).exp()


def _by_regime(values: Tensor, regime: Tensor, many: int) -> Tensor:
    """Pick ``(tracks, steps, 2)`` out of ``(tracks * many, steps, 2)``, each step from its regime."""
    tracks, steps = regime.shape
    index = regime[:, None, :, None].expand(-1, 1, -1, 2)
    return values.reshape(tracks, many, steps, 2).gather(1, index)[:, 0]


def _mean_over_stretch(values: Tensor, stretch: Tensor) -> Tensor:
    total = torch.zeros(len(values), MAX_STRETCHES, device=values.device).scatter_add_(1, stretch, values)
    count = torch.zeros_like(total).scatter_add_(1, stretch, torch.ones_like(values))
    return (total / count.clamp(min=1)).gather(1, stretch)


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
