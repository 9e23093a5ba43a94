"""From tracks to what the network reads: scale-free vectors that rotate with the track, and scalars that do not.

Everything is per displacement, ``(tracks, frames - 1)``. Two scales per track, the rms displacement and the median
one, take the unit out; softly clipped copies of the displacements let correlations of the small steps be seen beside
rare large jumps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from napari_lptem_diffusion.diffusion.observation import Observation

CLIPS = (("rms", 6.0), ("median", 4.0), ("median", 1.5))
BOXES = (2, 4, 8, 16, 32, 64)
REACH = max(BOXES) // 2
"""How many displacements to either side a feature sees."""
VECTORS = len(CLIPS) + 2 * len(BOXES)
SCALARS = 13


@dataclass(frozen=True)
class Moves:
    """Displacements of a batch of tracks, gaps bridged, and the scales of whole tracks.

    Attributes
    ----------
    step : Tensor
        ``(tracks, steps, 2)``; the displacement across a gap is spread evenly over it.
    error : Tensor
        ``(tracks, steps)`` localization error, rms of both ends; NaN = unknown.
    whole : Tensor
        ``(tracks, steps)`` 1 where both ends were seen, else 0.
    share : Tensor
        ``(tracks, steps)`` one over the frames that a bridged displacement was spread over.
    valid : Tensor
        ``(tracks, steps)`` 1 between the first and the last frame of a track, else 0.
    exposure, rms, median, length : Tensor
        ``(tracks, 1)`` exposed fraction, rms and median displacement between frames that were seen, and steps.
    """

    step: Tensor
    error: Tensor
    whole: Tensor
    share: Tensor
    valid: Tensor
    exposure: Tensor
    rms: Tensor
    median: Tensor
    length: Tensor

    def part(self, start: int, stop: int) -> Moves:
        """Return some of the displacements, scales as they are."""
        cut = {name: getattr(self, name)[:, start:stop] for name in ("step", "error", "whole", "share", "valid")}
        return replace(self, **cut)


@dataclass(frozen=True)
class Features:
    """The network's input.

    Attributes
    ----------
    vectors : Tensor
        ``(tracks, steps, 2, VECTORS)``.
    scalars : Tensor
        ``(tracks, steps, SCALARS)``.
    valid : Tensor
        ``(tracks, steps, 1)`` 1 between the first and the last frame of a track, else 0.
    scale : Tensor
        ``(tracks,)`` rms displacement in the unit of the positions: what lengths were divided by.
    """

    vectors: Tensor
    scalars: Tensor
    valid: Tensor
    scale: Tensor


def moves(observation: Observation) -> Moves:
    """Take the displacements of tracks, the first frame of each of which must be seen."""
    seen = observation.seen
    index, previous, following = _neighbours(seen)
    start = _take(observation.positions, previous)
    span = (following - previous).clamp(min=1)
    part = ((index - previous) / span)[..., None]
    positions = start + part * (_take(observation.positions, following) - start)
    whole = (seen[:, 1:] & seen[:, :-1]).float()
    valid = (following[:, 1:] < seen.shape[1]).float()
    step = positions.diff(dim=1) * valid[..., None]

    size = step.norm(dim=-1)
    count = whole.sum(1, keepdim=True).clamp(min=1)
    rms = ((size.square() * whole).sum(1, keepdim=True) / count).sqrt().clamp(min=1e-12)
    median = torch.where(whole > 0, size, torch.nan).nanmedian(dim=1, keepdim=True).values.nan_to_num()
    median = torch.maximum(median, 0.01 * rms)

    error = _take(observation.localization_error, previous)
    error = ((error[:, 1:].square() + error[:, :-1].square()) / 2).sqrt()
    length = valid.sum(1, keepdim=True)
    return Moves(step, error, whole, 1 / span[:, :-1], valid, observation.exposure[:, None], rms, median, length)


def features(moved: Moves) -> Features:
    """Compute what the network reads."""
    by_scale = {"rms": moved.step / moved.rms[..., None], "median": moved.step / moved.median[..., None]}
    clipped = [_soft_clip(by_scale[name], limit) for name, limit in CLIPS]
    boxes = [_box_sum(vector, length) for vector in clipped[:2] for length in BOXES]
    vectors = torch.stack(clipped + boxes, dim=-1)

    size = moved.step.norm(dim=-1)
    error = moved.error.nan_to_num()
    everywhere = torch.ones_like(size)
    scalars = torch.stack(
        [
            torch.log1p(10 * size / moved.rms),
            torch.log1p(size / moved.median),
            (size / moved.rms).square().clamp(max=20) / 5,
            torch.isfinite(moved.error).float(),
            torch.log1p(10 * error / moved.rms),
            torch.log1p(error / moved.median),
            (error / moved.rms).clamp(max=3),
            moved.exposure * everywhere,
            moved.whole,
            moved.share,
            (moved.median / moved.rms).log() * everywhere,
            moved.length.log() / 3 * everywhere,
            moved.valid,
        ],
        dim=-1,
    )
    return Features(vectors, scalars * moved.valid[..., None], moved.valid[..., None], moved.rms[:, 0])


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
