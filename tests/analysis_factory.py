"""A small, consistent, made-up `Analysis` for the tests of what comes after the analysis.

Five rods in 60 frames: 0 moves as FBM, 1 switches from FBM to CTRW at frame 30, 2 rests and jumps, 3 is
mixed and lost for three frames, 4 is seen too shortly for exponents. The tables agree with one another and
with the movie. Import it as ``from tests.analysis_factory import make_analysis``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.analysis import Analysis, StageTime
from napari_lptem_diffusion.diffusion.estimate import Motion
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.settings import Settings

FRAMES = 60
SHAPE_YX = (160, 208)
SHORT_PARTICLE = 4
SWITCHING_PARTICLE = 1
SWITCH_FRAME = 30
GAP_PARTICLE = 3
GAP_FRAMES = (20, 21, 22)
MODEL_HASH = "0123456789abcdef" * 4

_LENGTH_PX, _WIDTH_PX = 22.0, 9.0
_SEEN = {
    0: range(FRAMES),
    1: range(FRAMES),
    2: range(2, FRAMES),
    3: [frame for frame in range(FRAMES) if frame not in GAP_FRAMES],
    4: range(40, 50),
}
_START_XY = [(40, 40), (104, 44), (165, 60), (60, 118), (150, 122)]
_QUANTITIES = ("mixing_ratio", "alpha_fbm", "alpha_ctrw")


def make_analysis(
    pixel_size_nm: float | None = 2.0,
    frame_interval_s: float | None = 0.0125,
    name: str = "rods.tif",
    seed: int = 0,
) -> Analysis:
    """Return the made-up analysis; the same arguments give the same tables and pixels."""
    rng = np.random.default_rng(seed)
    tracks = _tracks(rng)
    detections = _detections(tracks, rng)
    movie = Movie.from_array(
        _render(detections, rng), name=name, pixel_size_nm=pixel_size_nm, frame_interval_s=frame_interval_s
    )
    frames = _motion_frames(tracks, rng)
    motion = Motion(frames, _motion_particles(frames), _msd(tracks), MODEL_HASH)
    measured = {"rod_length_px": _LENGTH_PX, "rod_width_px": _WIDTH_PX, "search_range_px": 31.5}
    times = (StageTime("detect", 1.5, FRAMES, "frames"), StageTime("motion", 0.5, len(_SEEN), "tracks"))
    return Analysis(movie, Settings(), measured, detections, tracks, motion, times)


def empty_analysis(pixel_size_nm: float | None = 2.0, frame_interval_s: float | None = 0.0125) -> Analysis:
    """Return the analysis of a movie in which no rod was found: every table has its columns and no rows."""
    full = make_analysis(pixel_size_nm, frame_interval_s)
    motion = Motion(full.motion.frames[:0], full.motion.particles[:0], full.motion.msd[:0], MODEL_HASH)
    return Analysis(full.movie, full.settings, full.measured, full.detections[:0], full.tracks[:0], motion, full.times)


def _tracks(rng: np.random.Generator) -> pd.DataFrame:
    tables = []
    for particle, seen in _SEEN.items():
        step_px = rng.normal(0, 1.3, (FRAMES, 2))
        jumps = rng.random(FRAMES) < 0.12
        ctrw_px = rng.normal(0, 4.0, (FRAMES, 2)) * jumps[:, None]
        if particle == SWITCHING_PARTICLE:
            step_px[SWITCH_FRAME:] = ctrw_px[SWITCH_FRAME:]
        elif particle == 2:
            step_px = ctrw_px
        elif particle == GAP_PARTICLE:
            step_px = 0.7 * step_px + 0.5 * ctrw_px
        xy = np.array(_START_XY[particle]) + np.cumsum(step_px, axis=0) + rng.normal(0, 0.3, (FRAMES, 2))
        xy = np.clip(xy, 14, np.array(SHAPE_YX[::-1]) - 15)
        angle_deg = np.mod(35.0 * particle + np.cumsum(rng.normal(0, 4, FRAMES)), 180)
        index = np.array(list(seen))
        along_px, across_px = rng.uniform(0.3, 0.4, len(index)), rng.uniform(0.2, 0.3, len(index))
        tables.append(
            pd.DataFrame(
                {
                    "frame": index,
                    "x": xy[index, 0],
                    "y": xy[index, 1],
                    "angle_deg": angle_deg[index],
                    "length": _LENGTH_PX + rng.normal(0, 0.5, len(index)),
                    "width": _WIDTH_PX + rng.normal(0, 0.3, len(index)),
                    "blur": 1.2,
                    "snr": rng.uniform(8, 14, len(index)),
                    "contrast": rng.uniform(0.5, 0.6, len(index)),
                    "localization_error": np.sqrt((along_px**2 + across_px**2) / 2),
                    "localization_error_along": along_px,
                    "localization_error_across": across_px,
                    "angle_error_deg": rng.uniform(1, 3, len(index)),
                    "length_error": 0.8,
                    "width_error": 0.5,
                    "blur_error": 0.3,
                    "visible": 1.0,
                    "particle": particle,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _detections(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every rod of the tracks and three that belong to none, sorted by frame."""
    stray = tracks.iloc[[5, 70, 130]].assign(x=[20.0, 190.0, 100.0], y=[140.0, 20.0, 145.0], snr=5.5)
    found = pd.concat([tracks, stray]).drop(columns="particle")
    return found.sort_values(["frame", "y", "x"], ignore_index=True)


def _render(detections: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Dark rods with soft edges on a bright, noisy field: (frames, y, x)."""
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    grey = np.full((FRAMES, *SHAPE_YX), 130.0)
    for rod in detections.itertuples():
        turn = np.deg2rad(rod.angle_deg)
        along = (x - rod.x) * np.cos(turn) + (y - rod.y) * np.sin(turn)
        across = (y - rod.y) * np.cos(turn) - (x - rod.x) * np.sin(turn)
        core = np.clip(np.abs(along) - (rod.length - rod.width) / 2, 0, None)
        outside_px = np.hypot(core, across) - rod.width / 2
        grey[rod.frame] -= 55 / (1 + np.exp(outside_px / 0.7))
    return np.clip(grey + rng.normal(0, 22, grey.shape), 0, 255).astype(np.uint8)


def _motion_frames(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    frames = tracks[["particle", "frame"]].copy()
    level = np.select(
        [
            frames["particle"] == 0,
            (frames["particle"] == SWITCHING_PARTICLE) & (frames["frame"] < SWITCH_FRAME),
            (frames["particle"] == SWITCHING_PARTICLE) | (frames["particle"] == 2),
        ],
        [0.93, 0.88, 0.1],
        0.5,
    )
    mixing = np.clip(level + 0.03 * rng.standard_normal(len(frames)), 0.01, 0.99)
    short = (frames["particle"] == SHORT_PARTICLE).to_numpy()
    widths = {
        "mixing_ratio": np.full(len(frames), 0.18),
        "alpha_fbm": 0.3 + 1.2 * (1 - mixing),
        "alpha_ctrw": 0.2 + 0.6 * mixing,
    }
    middles = {"mixing_ratio": mixing, "alpha_fbm": 0.8 + 0.1 * mixing, "alpha_ctrw": 0.55 + 0.05 * mixing}
    highest = {"mixing_ratio": 1.0, "alpha_fbm": 2.0, "alpha_ctrw": 1.0}
    for quantity in _QUANTITIES:
        low = np.clip(middles[quantity] - widths[quantity] / 2, 0, None)
        high = np.clip(middles[quantity] + widths[quantity] / 2, None, highest[quantity])
        quartiles = ("_q25", (low + middles[quantity]) / 2), ("_q75", (middles[quantity] + high) / 2)
        for suffix, values in (("", middles[quantity]), ("_low", low), ("_high", high), *quartiles):
            frames[quantity + suffix] = np.where(short, np.nan, values)
    away = np.abs(frames["frame"] - SWITCH_FRAME)
    peak = np.where(frames["particle"] == SWITCHING_PARTICLE, 0.9 * np.exp(-away / 2), 0.0)
    frames["change_probability"] = np.where(short, np.nan, 0.02 + peak)
    return frames


def _motion_particles(frames: pd.DataFrame) -> pd.DataFrame:
    grouped = frames.groupby("particle")
    columns = [quantity + suffix for quantity in _QUANTITIES for suffix in ("", "_low", "_high", "_q25", "_q75")]
    particles = grouped[columns].mean().reset_index()
    short = particles["particle"] == SHORT_PARTICLE
    particles["frames"] = grouped.size().to_numpy()
    particles["first_frame"] = grouped["frame"].min().to_numpy()
    particles["last_frame"] = grouped["frame"].max().to_numpy()
    for name, value in (("k_fbm", 0.8), ("k_ctrw", 0.5)):
        for suffix, factor in (("", 1.0), ("_low", 0.7), ("_high", 1.4)):
            particles[name + suffix] = np.where(short, np.nan, value * factor)
    particles["change_points"] = [str(SWITCH_FRAME) if p == SWITCHING_PARTICLE else "" for p in particles["particle"]]
    particles["model_mismatch"] = np.where(short, np.nan, 0.1 + 0.2 * particles["particle"])
    particles["immobile"] = False
    particles["rotational_diffusion"] = np.deg2rad(4.0) ** 2 / 2
    particles["rotational_diffusion_error"] = 0.0004
    return particles


def _msd(tracks: pd.DataFrame) -> pd.DataFrame:
    """Time-averaged MSD at lags up to a third of the track; pairs across a gap count at their true lag."""
    rows = []
    for particle, track in tracks.groupby("particle"):
        xy = track.set_index("frame")[["x", "y"]].reindex(range(FRAMES)).to_numpy()
        for lag in range(1, len(track) // 3 + 1):
            squared = ((xy[lag:] - xy[:-lag]) ** 2).sum(axis=1)
            known = np.isfinite(squared)
            rows.append((particle, lag, squared[known].mean(), int(known.sum())))
    return pd.DataFrame(rows, columns=["particle", "lag", "msd", "pairs"])
