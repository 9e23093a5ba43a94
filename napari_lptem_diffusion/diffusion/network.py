"""The network: equivariant filters on the displacements, then a dilated CNN on what does not turn with the track.

Filters act on x and y alike and enter only as scalar products, so that turning or mirroring a track changes nothing
but rounding; the features carry no unit, so neither does rescaling. A summary of the whole track is told to every
frame. Every output is a distribution over bins.
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
    """Sizes of the network; dilations are in displacements, those of the coarse part in groups of *group* of them."""

    filter_length: int = 17
    products: int = 40
    width: int = 64
    before: tuple[int, ...] = (1, 2, 4)
    group: int = 4
    coarse_width: int = 128
    coarse: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 1, 4, 16)
    after: tuple[int, ...] = (1, 2, 4)
    queries: int = 4

    @property
    def reach(self) -> int:
        """How many displacements to either side a frame sees, beside what it is told of the whole track."""
        return self.filter_length // 2 + sum(self.before) + sum(self.after) + self.group * (sum(self.coarse) + 1)


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
    """See the module's description; any track length.

    What is known of a whole track enters as sums over its displacements (`sums`, `pool`), so that a track too long to
    be held at once can be judged in windows.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        a = architecture
        self.mix = nn.Linear(len(CLIPS) * a.filter_length + VECTORS - len(CLIPS), 2 * a.products, bias=False)
        self.summarise = nn.Sequential(
            nn.Linear(4 * a.products + SCALARS + 1, a.coarse_width),
            nn.GELU(),
            nn.Linear(a.coarse_width, a.coarse_width),
            nn.GELU(),
        )
        self.enter = nn.Linear(2 * a.products + SCALARS, a.width)
        self.enter_summary = nn.Linear(a.coarse_width, a.width)
        self.before = nn.ModuleList(_Block(a.width, dilation) for dilation in a.before)
        self.down = nn.Linear(a.group * a.width, a.coarse_width)
        self.coarse = nn.ModuleList(_Block(a.coarse_width, dilation) for dilation in a.coarse)
        self.leave_coarse = nn.LayerNorm(a.coarse_width)
        self.up = nn.Linear(a.coarse_width, a.group * a.width)
        self.after = nn.ModuleList(_Block(a.width, dilation) for dilation in a.after)
        self.leave = nn.LayerNorm(a.width)
        self.frame_head = nn.Sequential(
            nn.Linear(a.width, a.width), nn.GELU(), nn.Linear(a.width, _bins(FRAME_QUANTITIES) + 1)
        )
        self.attention = nn.Linear(a.width, a.queries)
        self.track_head = nn.Sequential(
            nn.Linear((a.queries + 1) * a.width + a.coarse_width + 1, 160),
            nn.GELU(),
            nn.Linear(160, 160),
            nn.GELU(),
            nn.Linear(160, _bins(TRACK_QUANTITIES) + 1),
        )
        outputs = len(FRAME_QUANTITIES) + len(TRACK_QUANTITIES)
        table = torch.ones(outputs, len(CALIBRATED_STEPS), 1 + len(CALIBRATED_ERRORS))
        self.register_buffer("temperatures", table, persistent=False)
        self.temperatures: Tensor

    def forward(self, read: Features) -> Prediction:
        """Judge a batch of tracks."""
        products = self.products(read)
        steps = read.valid.sum(1)
        summary = self.summary(self.sums(products, read), steps)
        judged = self.trunk(products, read, summary)
        return Prediction(*self.judge_frames(judged), *self.judge_tracks(self.pool(judged, read), summary, steps))

    def products(self, read: Features) -> Tensor:
        """Return ``(tracks, steps, 2 * products)``: scalar products of pairs of filtered displacements, and squares."""
        straight = read.vectors[..., : len(CLIPS)]
        half = self.architecture.filter_length // 2
        shifted = functional.pad(straight, (0, 0, 0, 0, half, half)).unfold(1, self.architecture.filter_length, 1)
        filtered = self.mix(torch.cat([shifted.flatten(-2), read.vectors[..., len(CLIPS) :]], dim=-1))
        one, other = filtered.chunk(2, dim=-1)
        return torch.cat([(one * other).sum(2), one.square().sum(2)], dim=-1)

    def sums(self, products: Tensor, read: Features) -> Tensor:
        """Return ``(tracks, n)`` what the summary of a track is made of, summed over its displacements."""
        return (torch.cat([products, _compressed(products), read.scalars], dim=-1) * read.valid).sum(1)

    def summary(self, sums: Tensor, steps: Tensor) -> Tensor:
        """Return ``(tracks, coarse_width)`` from the sums over all ``(tracks, 1)`` *steps*."""
        many = 2 * self.architecture.products
        mean = sums.float() / steps
        with _full_precision(steps):
            told: Tensor = self.summarise(
                torch.cat([_compressed(mean[:, :many]), mean[:, many:], steps.log() / 3], dim=1)
            )
        return told

    def trunk(self, products: Tensor, read: Features, summary: Tensor) -> Tensor:
        """Return ``(tracks, steps, width)`` what each displacement's surroundings say."""
        x = self.enter(torch.cat([_compressed(products), read.scalars], dim=-1)).float()
        x = x + self.enter_summary(summary)[:, None]
        for block in self.before:
            x = block(x, read.valid)
        x = x + self._coarse_view(x, read.valid)
        for block in self.after:
            x = block(x, read.valid)
        judged: Tensor = self.leave(x)
        return judged

    def _coarse_view(self, x: Tensor, valid: Tensor) -> Tensor:
        """See groups of displacements as one: four times as far and as wide at the same price."""
        tracks, steps, width = x.shape
        group = self.architecture.group
        fill = (0, 0, 0, -steps % group)
        grouped = functional.pad(x * valid, fill).reshape(tracks, -1, group * width)
        some = functional.pad(valid, fill).reshape(tracks, -1, group).amax(-1, keepdim=True)
        coarse = self.down(grouped).float()
        for block in self.coarse:
            coarse = block(coarse, some)
        spread: Tensor = self.up(self.leave_coarse(coarse)).reshape(tracks, -1, width)[:, :steps]
        return spread

    def judge_frames(self, judged: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the logits of the frames and of the change points."""
        *frames, change = self.frame_head(judged).transpose(1, 2).split([*(q.bins for q in FRAME_QUANTITIES), 1], dim=1)
        return {q.name: logits for q, logits in zip(FRAME_QUANTITIES, frames, strict=True)}, change[:, 0]

    def pool(self, judged: Tensor, read: Features) -> Tensor:
        """Return ``(tracks, queries + 1, width + 1)``: weighted sums over the displacements, and of the weights."""
        with _full_precision(judged):
            weights = (10 * torch.tanh(self.attention(judged) / 10)).exp()
            weights = torch.cat([torch.ones_like(read.valid), weights], dim=-1) * read.valid
            counted = torch.cat([judged, torch.ones_like(read.valid)], dim=-1)
            return torch.einsum("tsq,tsc->tqc", weights, counted)

    def judge_tracks(self, pooled: Tensor, summary: Tensor, steps: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the logits of whole tracks and of the mismatch."""
        means = (pooled[..., :-1] / pooled[..., -1:]).flatten(1)
        with _full_precision(means):
            logits = self.track_head(torch.cat([means, summary, steps.log() / 3], dim=1))
        *track, mismatch = logits.split([*(q.bins for q in TRACK_QUANTITIES), 1], dim=1)
        return {q.name: logits for q, logits in zip(TRACK_QUANTITIES, track, strict=True)}, mismatch[:, 0]


class _Block(nn.Module):
    """Residual; three displacements a dilation apart, as one product of matrices."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(3 * width, width)
        self.think = nn.Linear(width, width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        steps = x.shape[1]
        here = self.norm(x) * valid
        if torch.is_autocast_enabled(x.device.type):
            here = here.to(torch.get_autocast_dtype(x.device.type))  # before it is copied three times
        around = functional.pad(here, (0, 0, self.dilation, self.dilation))
        seen = self.look(torch.cat([around[:, :steps], here, around[:, 2 * self.dilation :]], dim=-1))
        added: Tensor = x + self.think(functional.gelu(seen))
        return added


def _full_precision(tensor: Tensor) -> torch.autocast:
    """What is averaged over a track must not be rounded to eight bits, whatever the rest is computed in."""
    return torch.autocast(tensor.device.type, enabled=False)


def _compressed(values: Tensor) -> Tensor:
    return values.sign() * values.abs().log1p()


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
