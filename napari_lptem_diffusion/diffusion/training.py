"""Training of the network on freshly simulated tracks; needs only torch, numpy and safetensors.

A run is a folder: ``config.json``, ``log.csv``, ``checkpoint.pt`` and at the end ``weights.safetensors`` and
``report.json``. Started again on the same folder it goes on from the checkpoint, with the tracks it would have seen.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import platform
import time
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_lptem_diffusion.diffusion.calibration import calibrate
from napari_lptem_diffusion.diffusion.features import features, moves
from napari_lptem_diffusion.diffusion.network import (
    FRAME_QUANTITIES,
    TRACK_QUANTITIES,
    Architecture,
    DilatedNetwork,
    Prediction,
    Quantity,
    load_network,
    save_network,
)
from napari_lptem_diffusion.diffusion.simulate import Population, Truth, simulate, track_truth
from napari_lptem_diffusion.errors import InputError

LENGTHS = 24
LOG_COLUMNS = ("step", "seconds", "learning_rate", "training_loss", "validation_loss")


@dataclass(frozen=True)
class TrainingConfig:
    """All that makes the weights; every field may be set in a TOML file.

    Attributes
    ----------
    steps : int
        Optimizer steps.
    positions_per_step : int
        Tracks times frames of one batch.
    shortest, longest : int
        Frames of the tracks, log-uniform, the same within a batch.
    learning_rate : float
        Peak of a warm-up followed by a cosine.
    averaging : float
        Decay of the moving average of the weights, which is what is saved.
    calibration_tracks : int
        Tracks of each length on which the temperatures of the intervals are measured at the end.
    """

    steps: int = 7000
    positions_per_step: int = 16_000
    shortest: int = 16
    longest: int = 2000
    learning_rate: float = 2e-3
    averaging: float = 0.998
    seed: int = 1
    validate_every: int = 250
    calibration_tracks: int = 3000
    architecture: Architecture = field(default_factory=Architecture)
    population: Population = field(default_factory=Population)

    @classmethod
    def from_toml(cls, path: Path) -> TrainingConfig:
        """Read a configuration; what the file does not name keeps its default.

        Raises
        ------
        InputError
            If a name is unknown.
        """
        config: TrainingConfig = _filled(cls, tomllib.loads(path.read_text(encoding="utf-8")))
        return config


def train(
    config: TrainingConfig,
    folder: Path,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = print,
    stop_at: int | None = None,
    start: Path | None = None,
) -> Path | None:
    """Train until the last step and return the path of the weights.

    Parameters
    ----------
    folder : Path
        Of the run; a checkpoint in it is continued.
    stop_at : int, optional
        Stop after this step, checkpoint written, and return None.
    start : Path, optional
        Weights of the same architecture to start from instead of random ones.

    Raises
    ------
    InputError
        If *folder* holds a run with another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, config)
    torch.manual_seed(config.seed)
    network = DilatedNetwork(config.architecture).to(device)
    if start is not None:
        network.load_state_dict(load_network(start, device).state_dict())
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=1e-4, betas=(0.9, 0.98))
    first, seconds = _resume(folder, network, average, optimizer, device)
    last = min(config.steps, stop_at or config.steps)
    started, losses = time.perf_counter() - seconds, []

    for step in range(first, last):
        rate = _learning_rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _batch_loss(network, config, _seed(f"training {config.seed}", step), device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        _update_average(average, network, min(config.averaging, (step + 1) / (step + 10)))
        losses.append(float(loss.detach()))

        if (step + 1) % config.validate_every == 0 or step + 1 == last:
            seconds = time.perf_counter() - started
            held_out = validation_loss(average, config, device)
            row = (step + 1, round(seconds, 1), round(rate, 7), round(sum(losses) / len(losses), 5), round(held_out, 5))
            losses = []
            _log(folder, row)
            say(" ".join(f"{name}={value}" for name, value in zip(LOG_COLUMNS, row, strict=True)))
            _checkpoint(folder, network, average, optimizer, step + 1, seconds)
    return _finish(folder, average, config, device) if last == config.steps else None


def total_loss(prediction: Prediction, truth: Truth, scale: Tensor) -> Tensor:
    """Sum of the cross-entropies of all outputs, in nats.

    Parameters
    ----------
    scale : Tensor
        ``(tracks,)`` what the features divided lengths by.
    """
    known = truth.is_mixture
    loss = functional.binary_cross_entropy_with_logits(prediction.mismatch, (~known).float())
    loss = loss + functional.binary_cross_entropy_with_logits(
        prediction.change[known], _near(truth.change[known], 1).float()
    )
    for quantity in FRAME_QUANTITIES:
        target = bin_of(getattr(truth, quantity.name), quantity)
        loss = loss + functional.cross_entropy(prediction.frames[quantity.name][known], target[known])
    for quantity in TRACK_QUANTITIES:
        target = bin_of(track_truth(truth, scale)[quantity.name], quantity)
        loss = loss + 0.5 * functional.cross_entropy(prediction.track[quantity.name][known], target[known])
    return loss


def bin_of(values: Tensor, quantity: Quantity) -> Tensor:
    """Return the bin of each value, those out of range in the outermost one."""
    place = (values - quantity.low) / (quantity.high - quantity.low) * quantity.bins
    return place.long().clamp(0, quantity.bins - 1)


def validation_loss(network: DilatedNetwork, config: TrainingConfig, device: torch.device | str) -> float:
    """Mean loss on 8 batches that training never sees, the same at every call."""
    with torch.inference_mode():
        losses = [float(_batch_loss(network, config, _seed("validation", number), device)) for number in range(8)]
    return sum(losses) / len(losses)


def _batch_loss(network: DilatedNetwork, config: TrainingConfig, seed: int, device: torch.device | str) -> Tensor:
    generator = torch.Generator(device).manual_seed(seed)
    # Few different lengths: the kernels for each are compiled once and kept in memory.
    spot = int(torch.randint(LENGTHS, (), generator=generator, device=device)) / (LENGTHS - 1)
    frames = round(config.shortest * (config.longest / config.shortest) ** spot)
    tracks = config.positions_per_step // frames
    observation, truth = simulate(tracks, frames, config.population, generator, device)
    read = features(moves(observation))
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        prediction = network(read)
    return total_loss(_as_float(prediction), truth, read.scale)


def _as_float(prediction: Prediction) -> Prediction:
    return Prediction(
        {name: logits.float() for name, logits in prediction.frames.items()},
        prediction.change.float(),
        {name: logits.float() for name, logits in prediction.track.items()},
        prediction.mismatch.float(),
    )


def _seed(purpose: str, number: int) -> int:
    """Seeds that differ in their lowest 32 bits, which are all that torch looks at on a CPU."""
    return zlib.crc32(f"{purpose} {number}".encode())


def _learning_rate(config: TrainingConfig, step: int) -> float:
    warm_up = min(300, config.steps // 10 + 1)
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    done = (step - warm_up) / max(config.steps - warm_up, 1)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def _near(change: Tensor, reach: int) -> Tensor:
    """Mark also the displacements within *reach* of a change."""
    return functional.max_pool1d(change[:, None].float(), 2 * reach + 1, 1, reach)[:, 0] > 0


@torch.no_grad()
def _update_average(average: DilatedNetwork, network: DilatedNetwork, decay: float) -> None:
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)


def _claim(folder: Path, config: TrainingConfig) -> None:
    """Write the configuration, or check that the run in *folder* is this one."""
    path, text = folder / "config.json", json.dumps(asdict(config), indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{folder} holds a run with another configuration; choose another folder.")
    path.write_text(text, encoding="utf-8")


def _resume(
    folder: Path,
    network: DilatedNetwork,
    average: DilatedNetwork,
    optimizer: torch.optim.Optimizer,
    device: torch.device | str,
) -> tuple[int, float]:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location=device, weights_only=True)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["seconds"]


def _checkpoint(
    folder: Path,
    network: DilatedNetwork,
    average: DilatedNetwork,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    state = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(state, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def _log(folder: Path, row: tuple[float, ...]) -> None:
    path = folder / "log.csv"
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(LOG_COLUMNS)
        writer.writerow(row)


def _finish(folder: Path, average: DilatedNetwork, config: TrainingConfig, device: torch.device | str) -> Path:
    seconds = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)["seconds"]
    average = average.cpu().eval()
    generator = torch.Generator().manual_seed(_seed("calibration", config.seed))
    average.temperatures = calibrate(average, config.population, generator, config.calibration_tracks)
    report = {
        "validation_loss": validation_loss(average, config, "cpu"),
        "positions_seen": config.steps * config.positions_per_step,
        "seconds": seconds,
        "device": torch.cuda.get_device_name() if torch.device(device).type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "parameters": sum(parameter.numel() for parameter in average.parameters()),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    path = folder / "weights.safetensors"
    save_network(average, path, {"training": json.dumps(asdict(config)), "report": json.dumps(report)})
    return path


def _filled(kind: type[Any], values: dict[str, Any]) -> Any:
    """Build a dataclass of nested *values*, lists made tuples."""
    defaults = kind()
    names = {item.name for item in fields(kind)}
    if unknown := sorted(set(values) - names):
        raise InputError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(names))}.")
    built = {}
    for name, value in values.items():
        default = getattr(defaults, name)
        if is_dataclass(default):
            built[name] = _filled(type(default), value)
        else:
            built[name] = tuple(value) if isinstance(value, list) else value
    return kind(**built)
