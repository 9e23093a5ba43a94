"""Fractional Brownian motion and continuous-time random walks as a camera sees them, many tracks at once.

Arrays are ``(tracks, displacements, 2)`` with x before y, one frame as the unit of time. A frame is exposed from
its start for a fraction ``exposure`` of the frame interval; the recorded position is the mean over the exposure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def fbm_structure_function(lags: Tensor, alpha: Tensor, exposure: Tensor) -> Tensor:
    r"""Mean squared displacement per axis of FBM averaged over the exposure, in units of its one-frame value.

    With :math:`E[(B(t)-B(0))^2] = t^\alpha` the positions averaged over an exposure e obey
    :math:`S(j) = \langle|j+u-v|^\alpha\rangle - \langle|u-v|^\alpha\rangle`, u and v uniform on (0, e), which
    integrates to :math:`[(j+e)^p - 2 j^p + |j-e|^p - 2 e^p] / [e^2 p (p-1)]` with :math:`p = \alpha + 2`.

    Parameters
    ----------
    lags : Tensor
        ``(lags,)`` float64, whole frames >= 0.
    alpha, exposure : Tensor
        ``(tracks,)`` float64, in (0, 2) and [0, 1].

    Returns
    -------
    Tensor
        ``(tracks, lags)`` float64; 0 at lag 0 and, without blur, 1 at lag 1.
    """
    alpha, exposure = alpha[:, None], exposure[:, None]
    p = alpha + 2
    ratio = exposure / lags.clamp(min=1)
    # The closed form loses all digits where the exposure is short against the lag; its Taylor series does not.
    series = 1 + (p - 2) * (p - 3) * ratio**2 / 12 + (p - 2) * (p - 3) * (p - 4) * (p - 5) * ratio**4 / 360
    wide = ratio.clamp(min=0.05)
    closed = ((1 + wide) ** p + (1 - wide).abs() ** p - 2) / (wide**2 * p * (p - 1))
    spread = lags.clamp(min=0) ** alpha * torch.where(ratio < 0.05, series, closed)
    within = 2 * exposure**alpha / (p * (p - 1))
    return torch.where(lags == 0, torch.zeros_like(spread), spread - within * (exposure > 0))


def fbm_increments(alpha: Tensor, exposure: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    """Draw one-frame displacements of FBM with its exact covariance.

    Circulant embedding (Davies and Harte 1987; Dietrich and Newsam 1997) of the covariance of the blurred
    displacements; the real and the imaginary part of one transform are the two axes.

    Parameters
    ----------
    alpha, exposure : Tensor
        ``(tracks,)``.
    frames : int
        Number of displacements.

    Returns
    -------
    Tensor
        ``(tracks, frames, 2)`` float32; without blur each axis has variance 1.
    """
    lags = torch.arange(frames + 2, dtype=torch.float64, device=alpha.device)
    structure = fbm_structure_function(lags, alpha.double(), exposure.double())
    covariance = torch.empty(len(alpha), frames + 1, dtype=torch.float64, device=alpha.device)
    covariance[:, 0] = structure[:, 1]
    covariance[:, 1:] = (structure[:, 2:] - 2 * structure[:, 1:-1] + structure[:, :-2]) / 2
    return stationary_gaussian(covariance, generator)[:, :frames]


def stationary_gaussian(covariance: Tensor, generator: torch.Generator) -> Tensor:
    """Draw stationary Gaussian sequences by circulant embedding.

    Parameters
    ----------
    covariance : Tensor
        ``(tracks, lags)`` float64, at lags 0, 1, ... of each axis.

    Returns
    -------
    Tensor
        ``(tracks, lags, 2)`` float32, the two axes independent.
    """
    circulant = torch.cat([covariance, covariance[:, 1:-1].flip(1)], dim=1)
    spectrum = torch.fft.rfft(circulant).real.clamp(min=0).float()
    spectrum = torch.cat([spectrum, spectrum[:, 1:-1].flip(1)], dim=1)
    size = spectrum.shape[1]
    noise = torch.randn(len(covariance), size, 2, generator=generator, device=covariance.device)
    path = torch.fft.fft(torch.view_as_complex(noise) * (spectrum / size).sqrt())
    return torch.view_as_real(path[:, : covariance.shape[1]])


@dataclass(frozen=True)
class Waiting:
    """How the waiting times of a batch of CTRWs are drawn; each field is ``(tracks,)``.

    Attributes
    ----------
    alpha : Tensor
        Tail exponent, in (0, 1].
    shortest : Tensor
        Shortest Pareto wait, or the scale of the Mittag-Leffler waits, in frames.
    mittag_leffler : Tensor
        bool; Mittag-Leffler waits (Fulger et al. 2008) instead of Pareto ones.
    age : Tensor
        Frames from a renewal to the start of the track; 0 starts at a renewal.
    """

    alpha: Tensor
    shortest: Tensor
    mittag_leffler: Tensor
    age: Tensor


def waiting_times(waiting: Waiting, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``(tracks, count)`` waiting times in frames with a tail t^(-1-alpha)."""
    alpha = waiting.alpha[:, None].double()
    shape = (len(alpha), count)
    u, v = (_uniform(shape, generator, alpha.device) for _ in range(2))
    pareto = u ** (-1 / alpha)
    below_one = alpha.clamp(max=0.9999)
    angle = math.pi * below_one
    mittag_leffler = -u.log() * (angle.sin() / (angle * v).tan() - angle.cos()).clamp(min=1e-12) ** (1 / below_one)
    waits = waiting.shortest[:, None] * torch.where(waiting.mittag_leffler[:, None], mittag_leffler, pareto)
    return waits.clamp(max=1e9)


def ctrw_increments(
    waiting: Waiting, heavy_jumps: Tensor, exposure: Tensor, frames: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw one-frame displacements of CTRWs whose jumps fall anywhere within a frame.

    Parameters
    ----------
    waiting : Waiting
    heavy_jumps : Tensor
        ``(tracks,)`` bool; exponentially tailed jumps (Laplace) instead of Gaussian ones.
    exposure : Tensor
        ``(tracks,)``; a jump during the exposure is shared between two displacements.
    frames : int
        Number of displacements.

    Returns
    -------
    recorded, sharp : Tensor
        ``(tracks, frames, 2)`` float32 with and without blur; jumps have variance 1 per axis.
    """
    # With the shortest waits of a quarter frame no Pareto walk runs out of jumps before the track ends, and of the
    # Mittag-Leffler ones, whose waits may be shorter, hardly any.
    count = 4 * (frames + math.ceil(float(waiting.age.max()))) + 4
    times = waiting_times(waiting, count, generator).cumsum(1) - waiting.age[:, None]
    jumps = torch.randn(*times.shape, 2, generator=generator, device=times.device)
    stretch = (-_uniform(times.shape, generator, times.device).log()).sqrt().float()
    jumps = jumps * torch.where(heavy_jumps[:, None], stretch, torch.ones_like(stretch))[..., None]

    frame = times.floor()
    phase = times - frame
    seen_at_once = torch.where(
        exposure[:, None] > 0,
        (1 - phase / exposure[:, None].clamp(min=1e-6)).clamp(0, 1),
        torch.zeros_like(phase),
    )
    # What falls outside the track lands in a spare slot behind its end.
    frame = torch.where(frame < 0, frames + 1, frame.clamp(max=frames + 1)).long()
    before = torch.where(frame > 0, frame - 1, frames + 1)
    sharp = _add_at(frame, jumps, frames)
    early = _add_at(before, jumps * seen_at_once.float()[..., None], frames)
    late = _add_at(frame, jumps * (1 - seen_at_once).float()[..., None], frames)
    return early + late, sharp


def _add_at(index: Tensor, values: Tensor, length: int) -> Tensor:
    out = torch.zeros(len(index), length + 2, 2, device=values.device)
    return out.scatter_add_(1, index[..., None].expand(-1, -1, 2), values)[:, :length]


def _uniform(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform on (0, 1), both ends excluded: logarithms and powers of it stay finite."""
    return torch.rand(shape, generator=generator, device=device, dtype=torch.float64).clamp(1e-15, 1 - 1e-15)
