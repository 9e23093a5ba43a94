"""From tracks to what the network reads: scale-free vectors that rotate with the track, and scalars that do not.

Everything is per displacement, ``(tracks, frames - 1)``. Two scales per track, the rms displacement and the median
one, take the unit out; softly clipped copies of the displacements let correlations of the small steps be seen beside
rare large jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_lptem_diffusion.diffusion.simulate import Observation

CLIPS = (("rms", 6.0), ("median", 4.0), ("median", 1.5))
BOXES = (2, 4, 8, 16, 32, 64)
VECTORS = len(CLIPS) + 2 * len(BOXES)
SCALARS = 13


@dataclass(frozen=True)
class Features:
    """The network's input.

    Attributes
    ----------
    vectors : Tensor
        ``(tracks, VECTORS, steps, 2)``.
    scalars : Tensor
        ``(tracks, SCALARS, steps)``.
    valid : Tensor
        ``(tracks, 1, steps)`` 1 between the first and the last frame of a track, else 0.
    scale : Tensor
        ``(tracks,)`` rms displacement in the unit of the positions: what lengths were divided by.
    """

    vectors: Tensor
    scalars: Tensor
    valid: Tensor
    scale: Tensor


def features(observation: Observation) -> Features:
    """Compute the features; the first frame of every track must be seen.

    The displacement across a gap is spread evenly over the missing frames and marked as such.
    """
    seen = observation.seen
    index, previous, following = _neighbours(seen)
    start = _take(observation.positions, previous)
    span = (following - previous).clamp(min=1)
    share = ((index - previous) / span)[..., None]
    positions = start + share * (_take(observation.positions, following) - start)
    step = positions.diff(dim=1)
    whole = (seen[:, 1:] & seen[:, :-1]).float()
    valid = (following[:, 1:] < seen.shape[1]).float()
    step = step * valid[..., None]

    size = step.norm(dim=-1)
    count = whole.sum(1).clamp(min=1)
    rms = ((size.square() * whole).sum(1) / count).sqrt().clamp(min=1e-12)
    median = torch.where(whole > 0, size, torch.nan).nanmedian(dim=1).values.nan_to_num()
    median = torch.maximum(median, 0.01 * rms)
    by_scale = {"rms": step / rms[:, None, None], "median": step / median[:, None, None]}

    clipped = [_soft_clip(by_scale[name], limit) for name, limit in CLIPS]
    boxes = [_box_sum(vector, length) for vector in clipped[:2] for length in BOXES]
    vectors = torch.stack(clipped + boxes, dim=1)

    error = _take(observation.localization_error, previous)
    told = torch.isfinite(error[:, 1:] + error[:, :-1]).float()
    error = ((error[:, 1:].square() + error[:, :-1].square()) / 2).sqrt().nan_to_num()
    length = valid.sum(1, keepdim=True)
    everywhere = torch.ones_like(valid)
    scalars = torch.stack(
        [
            torch.log1p(10 * size / rms[:, None]),
            torch.log1p(size / median[:, None]),
            (size / rms[:, None]).square().clamp(max=20) / 5,
            told,
            torch.log1p(10 * error / rms[:, None]),
            torch.log1p(error / median[:, None]),
            (error / rms[:, None]).clamp(max=3),
            observation.exposure[:, None] * everywhere,
            whole,
            1 / span[:, :-1].clamp(min=1).float(),
            (median / rms).log()[:, None] * everywhere,
            length.log() / 3 * everywhere,
            valid,
        ],
        dim=1,
    )
    return Features(vectors, scalars * valid[:, None], valid[:, None], rms)


def _neighbours(seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each frame its index, the last frame seen up to it and the next one from it (frames = none)."""
    frames = seen.shape[1]
    index = torch.arange(frames, device=seen.device).expand_as(seen)
    previous = torch.where(seen, index, 0).cummax(dim=1).values
    following = torch.where(seen, index, frames).flip(1).cummin(dim=1).values.flip(1)
    return index, previous, following


def _take(values: Tensor, index: Tensor) -> Tensor:
    index = index.clamp(max=values.shape[1] - 1)
    if values.ndim == 3:
        index = index[..., None].expand(-1, -1, values.shape[2])
    return values.gather(1, index)


def _soft_clip(vector: Tensor, limit: float) -> Tensor:
    return vector / (1 + vector.square().sum(-1, keepdim=True) / limit**2).sqrt()


def _box_sum(vector: Tensor, length: int) -> Tensor:
    """Sum over a centred window of *length* displacements, divided by the square root of the length."""
    tracks, steps, _ = vector.shape
    lines = vector.transpose(1, 2).reshape(tracks * 2, 1, steps)
    padded = functional.pad(lines, (length // 2, length - length // 2 - 1))
    total: Tensor = functional.avg_pool1d(padded, length, 1) * length**0.5
    return total.reshape(tracks, 2, steps).transpose(1, 2)
