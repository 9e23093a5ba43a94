"""How the motion of each track mixes FBM and CTRW, frame by frame, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_lptem_diffusion.diffusion.features import moves
from napari_lptem_diffusion.diffusion.network import (
    FRAME_QUANTITIES,
    LOG_CTRW_STEP2,
    LOG_FBM_STEP2,
    SHORTEST_TRACK,
    DilatedNetwork,
    Quantity,
    interval,
    load_network,
    quantiles,
    weights_hash,
)
from napari_lptem_diffusion.diffusion.statistics import (
    axis_diffusivity,
    lags_for,
    mean_squared_displacement,
)
from napari_lptem_diffusion.diffusion.tracks import Track, as_observation, split_tracks
from napari_lptem_diffusion.diffusion.windows import judge
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import DiffusionSettings

BUNDLED_WEIGHTS = Path(__file__).parent / "weights" / "lptem_diffusion.safetensors"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
ENDS = ("", "_low", "_high", "_q25", "_q75")
POSITIONS_PER_BATCH = 16_000
CHANGE_REACH = 5
"""Displacements within which a change is looked for."""
DIGITS = 4
"""Decimals of the network's outputs: far below their uncertainty."""

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Motion:
    """How every track moves; lengths in px, times in frames.

    Attributes
    ----------
    frames : DataFrame
        One row per particle and frame where the particle was seen, sorted so: ``particle``, ``frame``,
        ``mixing_ratio``, ``alpha_fbm``, ``alpha_ctrw``, each with ``_low`` and ``_high`` (the central
        90 % interval), and ``change_probability``. NaN for tracks too short for the network, and where a particle is
        immobile: its localization error says nothing of the mixture.
    particles : DataFrame
        One row per particle, sorted: the same quantities for the whole track, ``frames`` (int, frames in which
        it was seen), ``first_frame``, ``last_frame``, ``k_fbm`` (px^2 / frame^alpha_fbm) and ``k_ctrw``
        (px^2 / frame), with ``_low`` and ``_high``, ``change_points`` (str, the frames joined by ";"),
        ``model_mismatch`` (0 to 1),
        ``immobile`` (bool, moves no more than its localization error), ``rotational_diffusion``
        (rad^2 / frame) and its ``_error`` where the angle is known.
    msd : DataFrame
        Time-averaged mean squared displacement: ``particle``, ``lag`` (frames), ``msd`` (px^2), ``pairs`` (int).
    model_hash : str
        SHA-256 of the weights that were used.
    """

    frames: pd.DataFrame
    particles: pd.DataFrame
    msd: pd.DataFrame
    model_hash: str


def estimate_diffusion(
    tracks: pd.DataFrame,
    settings: DiffusionSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    weights: Path = BUNDLED_WEIGHTS,
) -> Motion:
    """Judge the motion of every track; one that is immobile has neither mixing ratio nor exponents.

    Parameters
    ----------
    tracks : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px) and, where known, ``localization_error`` (px, one standard
        deviation per axis) and ``angle_deg``; from any tool. Gaps are missing frames.
    settings : DiffusionSettings, optional
    weights : Path
        A network written by the training.

    Raises
    ------
    InputError
        If the table cannot be used.
    Stopped
        If *should_stop* answered True.
    """
    return _without_immobile(network_estimates(tracks, settings, progress, should_stop, weights))


def network_estimates(
    tracks: pd.DataFrame,
    settings: DiffusionSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    weights: Path = BUNDLED_WEIGHTS,
) -> Motion:
    """Return what the network says of every track, whether or not it moves; otherwise as `estimate_diffusion`."""
    settings = settings or DiffusionSettings()
    all_tracks = split_tracks(tracks, settings.localization_error_px)
    judged: dict[int, tuple[Columns, Columns]] = {}
    able = [track for track in all_tracks if _judgeable(track)]
    if able:
        network = load_network(weights)
        for batch in batches(able):
            tell = partial(report, progress, should_stop, len(judged), len(able), "motion")
            judged.update(_judge(network, batch, settings.exposure_fraction, tell))
        report(progress, should_stop, len(judged), len(able), "motion")
    return Motion(
        frames=_frames_table(all_tracks, judged),
        particles=_particles_table(all_tracks, judged),
        msd=_msd_table(all_tracks),
        model_hash=weights_hash(weights),
    )


def batches(tracks: Sequence[Track]) -> Iterator[list[Track]]:
    """Group tracks of like length so that little is padded and a batch has a bounded size."""
    batch: list[Track] = []
    for track in sorted(tracks, key=lambda track: (len(track.positions), track.particle)):
        if batch and (len(batch) + 1) * len(track.positions) > POSITIONS_PER_BATCH:
            yield batch
            batch = []
        batch.append(track)
    if batch:
        yield batch


def expected_changes(probability: Floats, reach: int = CHANGE_REACH) -> Floats:
    """Return how many changes are expected within *reach* displacements of each.

    Parameters
    ----------
    probability : array
        ``(steps,)`` that a change lies within one displacement of here, as the network gives it: a change counts
        in three of them.
    reach : int

    Returns
    -------
    array
        ``(steps,)``; up to 1 it is about the probability that there is a change.
    """
    return np.convolve(np.pad(probability, reach), np.ones(2 * reach + 1), mode="valid") / 3


def find_change_points(probability: Floats, reach: int = CHANGE_REACH) -> list[int]:
    """Pick the displacements at which a stretch begins.

    Parameters
    ----------
    probability : array
        ``(steps,)`` that a change lies within one displacement of here, as the network gives it.
    reach : int
        A change is called where its expected number within *reach* displacements exceeds one half; the next one is
        looked for beyond twice the reach.
    """
    expected = expected_changes(probability, reach)
    found: list[int] = []
    while expected.max(initial=0) > 0.5:
        middle = int(expected.argmax())
        start = max(0, middle - reach)
        found.append(start + int(probability[start : middle + reach + 1].argmax()))
        expected[max(0, middle - 2 * reach) : middle + 2 * reach + 1] = 0
    return sorted(found)


def _judgeable(track: Track) -> bool:
    return track.whole_steps >= SHORTEST_TRACK - 1 and not _is_constant(track)


def _without_immobile(motion: Motion) -> Motion:
    """Return *motion* with no values where a particle is immobile: noise says nothing of the mixture."""
    particles, frames = motion.particles.copy(), motion.frames.copy()
    still = particles["immobile"]
    particles.loc[still, list(PARTICLE_COLUMNS)] = np.nan
    particles.loc[still, "change_points"] = ""
    frames.loc[frames["particle"].isin(particles.loc[still, "particle"]), list(FRAME_COLUMNS)] = np.nan
    return replace(motion, particles=particles, frames=frames)


def _is_constant(track: Track) -> bool:
    return track.seen.sum() > 1 and bool(np.ptp(track.positions[track.seen], axis=0).max() == 0)


def _judge(
    network: DilatedNetwork, tracks: Sequence[Track], exposure_fraction: float, between: Callable[[], None]
) -> dict[int, tuple[Columns, Columns]]:
    """Return for each particle the columns of its seen frames and those of the whole track (length 1)."""
    moved = moves(as_observation(tracks, exposure_fraction))
    judgement = judge(network, moved, LEVELS, between=between)
    change = judgement.change.double().numpy()
    mismatch = judgement.mismatch.double().numpy()
    whole = _whole_track(judgement.track, moved.rms)
    judged = {}
    for row, track in enumerate(tracks):
        steps = len(track.positions) - 1
        # A frame is judged by the displacement that leaves it, the last one by the displacement that reaches it.
        step = np.minimum(np.flatnonzero(track.seen), steps - 1)
        frames: Columns = {}
        for quantity in FRAME_QUANTITIES:
            frames |= _interval(judgement.frames[quantity.name][row, step], quantity)
        frames["change_probability"] = change[row, step].round(DIGITS)
        points = track.first_frame + np.array(find_change_points(change[row, :steps]), dtype=np.float64)
        one = {name: values[row : row + 1] for name, values in whole.items()}
        one["model_mismatch"] = mismatch[row : row + 1].round(DIGITS)
        judged[track.particle] = frames, {**one, "change_points": points}
    return judged


def _whole_track(logits: dict[str, Tensor], scale: Tensor) -> Columns:
    columns: Columns = {}
    for quantity in FRAME_QUANTITIES:
        columns |= _interval(quantiles(logits[quantity.name], quantity, LEVELS), quantity)
    for name, quantity in (("k_fbm", LOG_FBM_STEP2), ("k_ctrw", LOG_CTRW_STEP2)):
        log_share = quantiles(logits[quantity.name], quantity, (0.05, 0.5, 0.95))
        least = quantity.low + (quantity.high - quantity.low) / quantity.bins
        share = torch.where(log_share < least, 0, 10**log_share)  # the lowest bin stands for "none that can be seen"
        share[:, -1] = share[:, -1].clamp(min=10**least)
        # MSD(1 frame) = 2 d K with d = 2.
        low, middle, high = _significant((share * scale.double() ** 2 / 4).numpy()).T
        columns |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return columns


def _significant(values: Floats) -> Floats:
    """Round to four significant digits."""
    unit = 10.0 ** (3 - np.floor(np.log10(np.where(values > 0, values, 1))))
    return np.round(values * unit) / unit


def _interval(found: Tensor, quantity: Quantity) -> Columns:
    """Median, central 90 % interval, which takes in the whole of an outermost bin that it reaches, and quartiles."""
    low, high = interval(found[:, [0, -1]], quantity).unbind(1)
    values = {"": found[:, 2], "_low": low, "_high": high, "_q25": found[:, 1], "_q75": found[:, 3]}
    return {f"{quantity.name}{end}": column.numpy().round(DIGITS) for end, column in values.items()}


FRAME_COLUMNS = (
    *(f"{quantity.name}{end}" for quantity in FRAME_QUANTITIES for end in ENDS),
    "change_probability",
)
PARTICLE_COLUMNS = (
    *(f"{quantity.name}{end}" for quantity in FRAME_QUANTITIES for end in ENDS),
    *(f"{name}{end}" for name in ("k_fbm", "k_ctrw") for end in ("", "_low", "_high")),
    "model_mismatch",
)


def _frames_table(tracks: Sequence[Track], judged: dict[int, tuple[Columns, Columns]]) -> pd.DataFrame:
    parts: list[dict[str, Any]] = []
    for track in tracks:
        columns = judged[track.particle][0] if track.particle in judged else {}
        unknown = np.full(len(track.frames), np.nan)
        known = {name: columns.get(name, unknown) for name in FRAME_COLUMNS}
        parts.append({"particle": np.full(len(track.frames), track.particle), "frame": track.frames} | known)
    return _stacked(parts, {"particle": np.int64, "frame": np.int64} | dict.fromkeys(FRAME_COLUMNS, np.float64))


def _particles_table(tracks: Sequence[Track], judged: dict[int, tuple[Columns, Columns]]) -> pd.DataFrame:
    rows = []
    for track in tracks:
        columns = judged[track.particle][1] if track.particle in judged else {}
        turning = axis_diffusivity(track.angle_deg)
        points = columns.get("change_points", np.empty(0))
        rows.append(
            {
                "particle": track.particle,
                "frames": int(track.seen.sum()),
                "first_frame": track.first_frame,
                "last_frame": track.first_frame + len(track.positions) - 1,
                **{name: float(columns[name][0]) if columns else np.nan for name in PARTICLE_COLUMNS},
                "change_points": ";".join(f"{frame:.0f}" for frame in points),
                "immobile": is_immobile(track),
                "rotational_diffusion": turning.value,
                "rotational_diffusion_error": turning.error,
            }
        )
    whole = ("particle", "frames", "first_frame", "last_frame")
    types: dict[str, Any] = dict.fromkeys(whole, np.int64) | dict.fromkeys(PARTICLE_COLUMNS, np.float64)
    types |= {"change_points": "str", "immobile": bool}
    types |= {"rotational_diffusion": np.float64, "rotational_diffusion_error": np.float64}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def is_immobile(track: Track) -> bool:
    """Say whether a track moves no more than its localization error explains, at one frame and at long lags.

    Beside the sampling error a fifth above the localization error's own mean squared displacement, 4 sigma^2, is
    allowed; without a known error only a constant track is immobile.
    """
    if _is_constant(track):
        return True
    noise = 4 * np.nanmean(track.localization_error**2) if np.isfinite(track.localization_error).any() else 0.0
    lags = np.unique([1, max(1, len(track.positions) // 4)])
    msd, pairs = mean_squared_displacement(track.positions, lags)
    # The MSD of noise alone has a relative standard error of about (1.5 / pairs)^(1/2); two of them and a fifth.
    most = noise * (1.2 + 2 * np.sqrt(1.5 / np.maximum(pairs, 1)))
    return bool(noise > 0 and pairs[0] > 1 and (msd < most)[pairs > 0].all())


def _msd_table(tracks: Sequence[Track]) -> pd.DataFrame:
    parts: list[dict[str, Any]] = []
    for track in tracks:
        lags = lags_for(len(track.positions))
        msd, pairs = mean_squared_displacement(track.positions, lags)
        parts.append({"particle": np.full(len(lags), track.particle), "lag": lags, "msd": msd, "pairs": pairs})
    return _stacked(parts, {"particle": np.int64, "lag": np.int64, "msd": np.float64, "pairs": np.int64})


def _stacked(parts: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> pd.DataFrame:
    """Join columns track by track; they and their types are there even without a track."""
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in types}
    return pd.DataFrame(joined).astype(types)
