"""What the network says of a batch of tracks, its intervals calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_lptem_diffusion.diffusion.calibration import temperatures
from napari_lptem_diffusion.diffusion.features import Moves, features
from napari_lptem_diffusion.diffusion.network import FRAME_QUANTITIES, TRACK_QUANTITIES, DilatedNetwork, quantiles


@dataclass(frozen=True)
class Judgement:
    """What the network says of a batch of tracks.

    Attributes
    ----------
    frames : dict of str to Tensor
        ``(tracks, steps, levels)`` quantiles of each of FRAME_QUANTITIES, float64.
    change : Tensor
        ``(tracks, steps)`` probability that a stretch begins here.
    track : dict of str to Tensor
        ``(tracks, bins)`` calibrated logits of each of TRACK_QUANTITIES.
    mismatch : Tensor
        ``(tracks,)`` probability that the track is no mixture.
    """

    frames: dict[str, Tensor]
    change: Tensor
    track: dict[str, Tensor]
    mismatch: Tensor


@torch.inference_mode()
def judge(network: DilatedNetwork, moved: Moves, levels: tuple[float, ...]) -> Judgement:
    """Judge a batch of tracks; *levels* are those of the quantiles."""
    prediction = network(features(moved))
    by_output = temperatures(network, moved).T
    frames, track = {}, {}
    for quantity, temperature in zip(FRAME_QUANTITIES, by_output, strict=False):
        logits = prediction.frames[quantity.name] / temperature[:, None, None]
        found = quantiles(logits.transpose(1, 2).flatten(0, 1), quantity, levels)
        frames[quantity.name] = found.reshape(*prediction.change.shape, len(levels))
    for quantity, temperature in zip(TRACK_QUANTITIES, by_output[len(FRAME_QUANTITIES) :], strict=True):
        track[quantity.name] = prediction.track[quantity.name] / temperature[:, None]
    return Judgement(frames, prediction.change.sigmoid(), track, prediction.mismatch.sigmoid())
