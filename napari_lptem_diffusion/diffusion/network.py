"""The network: equivariant filters on the displacements, then a dilated CNN on what does not turn with the track.

Filters act on x and y alike and enter only as scalar products, so that turning or mirroring a track changes nothing
but rounding; the features carry no unit, so neither does rescaling. Every output is a distribution over bins.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from napari_lptem_diffusion.diffusion.features import CLIPS, SCALARS, VECTORS, Features

SHORTEST_TRACK = 16
"""Least number of frames in which a track must be seen to be judged."""


@dataclass(frozen=True)
class Quantity:
    """What a distribution over equal bins is about."""

    name: str
    low: float
    high: float
    bins: int


MIXING_RATIO = Quantity("mixing_ratio", 0.0, 1.0, 40)
ALPHA_FBM = Quantity("alpha_fbm", 0.0, 2.0, 40)
ALPHA_CTRW = Quantity("alpha_ctrw", 0.0, 1.0, 32)
LOG_FBM_STEP2 = Quantity("log_fbm_step2", -3.5, 1.3, 40)
LOG_CTRW_STEP2 = Quantity("log_ctrw_step2", -3.5, 0.5, 40)
"""log10 of the mean squared one-frame displacement of a part over the measured one of the track; motion blur can hide
seven eighths of that of FBM."""

CALIBRATED_STEPS = (15, 49, 149, 499, 1999)
CALIBRATED_ERRORS = (0.0, 0.2, 0.4)
"""Lengths and localization errors, over the measured rms displacement, for which temperatures were measured."""

FRAME_QUANTITIES = (MIXING_RATIO, ALPHA_FBM, ALPHA_CTRW)
TRACK_QUANTITIES = (MIXING_RATIO, ALPHA_FBM, ALPHA_CTRW, LOG_FBM_STEP2, LOG_CTRW_STEP2)


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network."""

    filters: int = 32
    filter_length: int = 17
    products: int = 40
    width: int = 80
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1, 4, 16, 64)
    queries: int = 4


@dataclass(frozen=True)
class Prediction:
    """Logits of the network, per displacement and per track.

    Attributes
    ----------
    frames : dict of str to Tensor
        ``(tracks, bins, steps)`` for each of FRAME_QUANTITIES.
    change : Tensor
        ``(tracks, steps)`` that a stretch begins here.
    track : dict of str to Tensor
        ``(tracks, bins)`` for each of TRACK_QUANTITIES.
    mismatch : Tensor
        ``(tracks,)`` that the track is no mixture.
    """

    frames: dict[str, Tensor]
    change: Tensor
    track: dict[str, Tensor]
    mismatch: Tensor


class DilatedNetwork(nn.Module):
    """See the module's description; any track length."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        a = architecture
        self.filters = nn.Conv1d(len(CLIPS), a.filters, a.filter_length, padding="same", bias=False)
        self.mix = nn.Conv1d(a.filters + VECTORS, 2 * a.products, 1, bias=False)
        self.enter = nn.Conv1d(2 * a.products + SCALARS, a.width, 1)
        self.blocks = nn.ModuleList(_Block(a.width, dilation) for dilation in a.dilations)
        self.leave = _ChannelNorm(a.width)
        self.frame_head = nn.Sequential(
            nn.Conv1d(a.width, a.width, 1), nn.GELU(), nn.Conv1d(a.width, _bins(FRAME_QUANTITIES) + 1, 1)
        )
        self.attention = nn.Conv1d(a.width, a.queries, 1)
        self.track_head = nn.Sequential(
            nn.Linear((a.queries + 1) * a.width + 1, 2 * a.width),
            nn.GELU(),
            nn.Linear(2 * a.width, 2 * a.width),
            nn.GELU(),
            nn.Linear(2 * a.width, _bins(TRACK_QUANTITIES) + 1),
        )

        outputs = len(FRAME_QUANTITIES) + len(TRACK_QUANTITIES)
        table = torch.ones(outputs, len(CALIBRATED_STEPS), 1 + len(CALIBRATED_ERRORS))
        self.register_buffer("temperatures", table, persistent=False)
        self.temperatures: Tensor

    def forward(self, read: Features) -> Prediction:
        """Judge a batch of tracks."""
        valid = read.valid.transpose(1, 2)
        x = self.enter(torch.cat([self._products(read), read.scalars.transpose(1, 2)], dim=1)) * valid
        for block in self.blocks:
            x = block(x, valid)
        x = self.leave(x) * valid

        *frames, change = self.frame_head(x).split([*(q.bins for q in FRAME_QUANTITIES), 1], dim=1)
        *track, mismatch = self.track_head(self._pooled(x, valid)).split(
            [*(q.bins for q in TRACK_QUANTITIES), 1], dim=1
        )
        return Prediction(
            frames={q.name: logits for q, logits in zip(FRAME_QUANTITIES, frames, strict=True)},
            change=change[:, 0],
            track={q.name: logits for q, logits in zip(TRACK_QUANTITIES, track, strict=True)},
            mismatch=mismatch[:, 0],
        )

    def _products(self, read: Features) -> Tensor:
        """Scalar products of pairs of filtered displacements and the squared length of one of each pair."""
        tracks, steps, _, vectors = read.vectors.shape
        lines = read.vectors.permute(0, 2, 3, 1).reshape(tracks * 2, vectors, steps)
        filtered = self.mix(torch.cat([self.filters(lines[:, : len(CLIPS)]), lines], dim=1))
        one, other = filtered.reshape(tracks, 2, 2, self.architecture.products, steps).unbind(2)
        products = torch.cat([(one * other).sum(1), one.square().sum(1)], dim=1)
        compressed: Tensor = products.sign() * products.abs().log1p()
        return compressed

    def _pooled(self, x: Tensor, valid: Tensor) -> Tensor:
        steps = valid.sum(-1)
        weights = self.attention(x).masked_fill(valid == 0, -torch.inf).softmax(-1)
        attended = torch.einsum("tqs,tcs->tqc", weights, x).flatten(1)
        return torch.cat([x.sum(-1) / steps, attended, steps.log() / 3], dim=1)


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = _ChannelNorm(width)
        self.look = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.think = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        seen = self.look(self.norm(x) * valid)
        added: Tensor = (x + self.think(functional.gelu(seen))) * valid
        return added


class _ChannelNorm(nn.Module):
    """Layer norm over the channels of each displacement: it knows nothing of the track's length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))
        self.offset = nn.Parameter(torch.zeros(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        scaled: Tensor = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)
        return scaled * self.gain + self.offset


def _bins(quantities: tuple[Quantity, ...]) -> int:
    return sum(quantity.bins for quantity in quantities)


def quantiles(logits: Tensor, quantity: Quantity, levels: tuple[float, ...]) -> Tensor:
    """Return the quantiles of the binned distributions, the density constant within a bin.

    Parameters
    ----------
    logits : Tensor
        ``(n, bins)``.
    levels : tuple of float
        In (0, 1).

    Returns
    -------
    Tensor
        ``(n, levels)`` in the quantity's unit.
    """
    mass = logits.double().softmax(-1)
    upper = mass.cumsum(-1)
    level = torch.tensor(levels, dtype=upper.dtype, device=upper.device).expand(len(upper), -1).contiguous()
    index = torch.searchsorted(upper, level).clamp(max=quantity.bins - 1)
    inside = 1 - (upper.gather(1, index) - level) / mass.gather(1, index).clamp(min=1e-12)
    return quantity.low + (index + inside.clamp(0, 1)) * (quantity.high - quantity.low) / quantity.bins


def interval(bounds: Tensor, quantity: Quantity) -> Tensor:
    """Draw bounds ``(n, 2)``, low and high, that reach an outermost bin out to the end of the quantity's range."""
    width = (quantity.high - quantity.low) / quantity.bins
    low, high = bounds.unbind(1)
    low = torch.where(low < quantity.low + width, quantity.low, low)
    return torch.stack([low, torch.where(high > quantity.high - width, quantity.high, high)], dim=1)


def save_network(network: DilatedNetwork, path: Path, about: dict[str, str]) -> None:
    """Write weights and architecture as safetensors; *about* says where they come from."""
    architecture = json.dumps(asdict(network.architecture))
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    tensors["temperatures"] = network.temperatures.cpu()
    save_file(tensors, path, metadata={"architecture": architecture, **about})


def load_network(path: Path, device: torch.device | str = "cpu") -> DilatedNetwork:
    """Read a network written by `save_network`, ready to judge."""
    with safe_open(path, framework="pt", device=str(device)) as file:
        values = json.loads(file.metadata()["architecture"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no dict
    with torch.device("meta"):  # no time is spent on random weights
        network = DilatedNetwork(_architecture(values))
    network.temperatures = tensors.pop("temperatures")
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def _architecture(values: dict[str, Any]) -> Architecture:
    tuples: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Architecture(**tuples)


def weights_hash(path: Path) -> str:
    """SHA-256 of the file of weights."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
