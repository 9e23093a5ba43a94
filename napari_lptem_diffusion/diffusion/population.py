"""What tracks are drawn in training, and the random numbers to draw them with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.processes import Waiting


@dataclass(frozen=True)
class Population:
    """What tracks are drawn; fractions of all tracks unless said otherwise.

    Attributes
    ----------
    switching : float
        Tracks with change points (as far as their length allows).
    shared_exponents : float
        Switching tracks in which the ratio alone changes, not the exponents.
    pure : float
        Regimes that are FBM alone or CTRW alone, half each.
    drifting_ratio : float
        Regimes whose mixing ratio changes along each stretch, half linearly, half along a smooth random curve.
    shortest_stretch : int
        Frames between change points.
    persistent : float
        Regimes with alpha_fbm above 1.
    alpha_fbm, alpha_ctrw : tuple of float
        Ranges; alpha_ctrw is uniform, alpha_fbm uniform below and above 1.
    error : tuple of float
        Range of the localization error in one-frame steps or, in half of the tracks, in jumps (log-uniform); a
        quarter of the tracks have none.
    error_unknown : float
        Tracks whose localization error is not told.
    error_misjudged : float
        Tracks whose localization error is told wrongly by one factor...
    misjudged_by : tuple of float
        ... whose logarithm has a standard deviation in this range (log-uniform).
    anisotropic_error : float
        Tracks whose error is up to three times as large along a slowly turning axis as across it; the rms is told.
    gaps : float
        Tracks with missing frames.
    stage_drift : float
        Tracks with a slow constant drift.
    mislinks : float
        Tracks that go over to another particle, or catch another one for a single frame.
    other_kinds : float
        Tracks that are no mixture (see `alternatives.TRAINED`).
    """

    switching: float = 0.35
    shared_exponents: float = 0.5
    pure: float = 0.4
    drifting_ratio: float = 0.12
    shortest_stretch: int = 14
    persistent: float = 0.3
    alpha_fbm: tuple[float, float] = (0.05, 1.95)
    alpha_ctrw: tuple[float, float] = (0.1, 1.0)
    error: tuple[float, float] = (0.02, 1.5)
    error_unknown: float = 0.25
    error_misjudged: float = 0.5
    misjudged_by: tuple[float, float] = (0.05, 0.3)
    anisotropic_error: float = 0.4
    gaps: float = 0.3
    stage_drift: float = 0.08
    mislinks: float = 0.03
    other_kinds: float = 0.13


@dataclass(frozen=True)
class Draw:
    """Random numbers of one generator on one device."""

    generator: torch.Generator
    device: torch.device

    def uniform(self, shape: tuple[int, ...], low: float = 0, high: float = 1) -> Tensor:
        """Draw from (low, high)."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, shape: tuple[int, ...], low: float, high: float) -> Tensor:
        """Draw from (low, high) so that every factor is as likely as any other."""
        return low * (high / low) ** self.uniform(shape)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Draw with mean 0 and variance 1."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, count: int, probability: float) -> Tensor:
        """Return ``(count,)`` bool, True with *probability*."""
        return self.uniform((count,)) < probability

    def integers(self, count: int, below: int) -> Tensor:
        """Return ``(count,)`` int64 from 0."""
        return torch.randint(below, (count,), generator=self.generator, device=self.device)

    def exposure(self, count: int) -> Tensor:
        """A third of the cameras with no blur, a third that expose all the time, the rest between."""
        return (self.uniform((count,), -1, 2)).clamp(0, 1)

    def alpha_fbm(self, count: int, population: Population) -> Tensor:
        """Return ``(count,)`` exponents of FBM."""
        low, high = population.alpha_fbm
        if not low < 1 < high:
            return self.uniform((count,), low, high)
        above = self.chance(count, population.persistent)
        return torch.where(above, self.uniform((count,), 1, high), self.uniform((count,), low, 1))

    def waiting(self, count: int, population: Population) -> Waiting:
        """CTRW conventions: half wait at least one frame, the others between a half and four."""
        shortest = torch.where(self.chance(count, 0.5), 1.0, self.log_uniform((count,), 0.5, 4))
        mittag_leffler = self.chance(count, 0.3)
        age = self.log_uniform((count,), 1, 100) * self.chance(count, 0.3)
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
