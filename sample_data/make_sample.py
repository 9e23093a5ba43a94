"""Render the sample movie and its truth from the project's own simulators: ``python sample_data/make_sample.py``.

The same versions of numpy and torch reproduce the committed files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import torch
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.processes import Waiting, ctrw_increments, fbm_increments
from napari_lptem_diffusion.particles import Imaging, render_movie

FOLDER = Path(__file__).parent
FRAMES = 256
SIZE_PX = 216
MOMENTS = 8
PIXEL_SIZE_NM = 2.0
FRAME_INTERVAL_S = 0.0125
ROTATION_DEG = 5.0
EDGE_PX = 16.0
APART_PX = 34.0
LEAST_JUMPS = 8  # with fewer a stretch shows nothing of its exponent
SEED = 20

IMAGING = Imaging(
    electrons_per_px=9.6,
    contrast=0.3,
    focus_blur_px=1.6,
    illumination_drop=0.35,
    grey_per_electron=2.5,
    grey_offset=6.0,
    row_noise=0.4,
)


@dataclass(frozen=True)
class Regime:
    """Stretch of uniform motion; *step_px* is the rms one-frame displacement per axis of both parts together."""

    frames: int
    mixing_ratio: float
    alpha_fbm: float
    alpha_ctrw: float
    step_px: float


@dataclass(frozen=True)
class Rod:
    """Where a rod starts, its size in px, and how it moves."""

    x: float
    y: float
    length: float
    width: float
    regimes: tuple[Regime, ...]


HALF = FRAMES // 2
RODS = (
    Rod(40, 42, 23.0, 11.5, (Regime(FRAMES, 1.0, 0.5, np.nan, 2.0),)),
    Rod(108, 38, 25.0, 11.0, (Regime(FRAMES, 1.0, 0.95, np.nan, 1.3),)),
    Rod(176, 60, 22.0, 11.0, (Regime(FRAMES, 0.0, np.nan, 0.6, 2.2),)),
    Rod(40, 120, 24.0, 12.0, (Regime(FRAMES, 0.5, 0.6, 0.7, 2.0),)),
    Rod(112, 112, 23.0, 11.0, (Regime(HALF, 1.0, 0.4, np.nan, 1.8), Regime(HALF, 0.0, np.nan, 0.7, 1.8))),
    Rod(172, 150, 24.0, 11.5, (Regime(HALF, 0.15, 0.7, 0.65, 2.0), Regime(HALF, 0.85, 0.5, 0.65, 2.0))),
    Rod(70, 180, 26.0, 12.0, (Regime(FRAMES, 0.8, 0.7, 0.8, 1.8),)),
)


def simulate_path(rod: Rod, generator: torch.Generator) -> NDArray[np.float64]:
    """Positions (frames * MOMENTS, 2) of a rod at evenly spaced moments, x before y, px."""
    steps = np.concatenate([_regime_steps(regime, generator) for regime in rod.regimes])
    return np.array([rod.x, rod.y]) + np.cumsum(steps, axis=0)


def _regime_steps(regime: Regime, generator: torch.Generator) -> NDArray[np.float64]:
    """Displacements between moments; each part is scaled so that the mixing ratio over the stretch is as stated."""
    moments = regime.frames * MOMENTS
    steps = np.zeros((moments, 2))
    if regime.mixing_ratio > 0:
        sharp = torch.zeros(1)
        fbm = fbm_increments(torch.tensor([regime.alpha_fbm]), sharp, moments, generator)[0].numpy()
        # FBM is self-similar: a displacement over one frame has MOMENTS**alpha times the variance of a moment's.
        steps += fbm * regime.step_px * np.sqrt(regime.mixing_ratio) * MOMENTS ** (-regime.alpha_fbm / 2)
    if regime.mixing_ratio < 1:
        waiting = Waiting(
            alpha=torch.tensor([regime.alpha_ctrw]),
            shortest=torch.tensor([float(MOMENTS)]),
            mittag_leffler=torch.tensor([False]),
            age=torch.tensor([0.0]),
        )
        per_frame = np.zeros((regime.frames, 2))
        while np.count_nonzero(per_frame.any(axis=1)) < LEAST_JUMPS:
            _, ctrw = ctrw_increments(waiting, torch.tensor([False]), torch.zeros(1), moments, generator)
            jumps = ctrw[0].double().numpy()
            per_frame = jumps.reshape(regime.frames, MOMENTS, 2).sum(axis=1)
        wanted = regime.step_px**2 * (1 - regime.mixing_ratio)
        steps += jumps * np.sqrt(wanted / np.mean(per_frame**2))
    return steps


def choose_paths() -> list[NDArray[np.float64]]:
    """Draw paths until all rods stay in view and apart; fixed seeds."""
    paths: list[NDArray[np.float64]] = []
    for index, rod in enumerate(RODS):
        for attempt in range(2000):
            path = simulate_path(rod, torch.Generator().manual_seed(SEED + 10_000 * index + attempt))
            in_view = path.min() > EDGE_PX and path.max() < SIZE_PX - 1 - EDGE_PX
            if in_view and all(np.hypot(*(path - other).T).min() > APART_PX for other in paths):
                paths.append(path)
                break
        else:
            raise RuntimeError(f"No path of rod {index} stays in view and apart from the others.")
    return paths


def pose_table(paths: list[NDArray[np.float64]], rng: np.random.Generator) -> pd.DataFrame:
    """One row per rod, frame and moment of the exposure, for `render_movie`."""
    tables = []
    for particle, (rod, path) in enumerate(zip(RODS, paths, strict=True)):
        turns = rng.normal(0, ROTATION_DEG / np.sqrt(MOMENTS), len(path))
        regimes = pd.DataFrame([vars(regime) for regime in rod.regimes for _ in range(regime.frames * MOMENTS)])
        tables.append(
            pd.DataFrame(
                {
                    "particle": particle,
                    "frame": np.repeat(np.arange(FRAMES), MOMENTS),
                    "x": path[:, 0],
                    "y": path[:, 1],
                    "angle_deg": rng.uniform(0, 180) + np.cumsum(turns),
                    "length": rod.length,
                    "width": rod.width,
                    "mixing_ratio": regimes["mixing_ratio"],
                    "alpha_fbm": regimes["alpha_fbm"],
                    "alpha_ctrw": regimes["alpha_ctrw"],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Write the movie and the truth beside this file."""
    rng = np.random.default_rng(SEED)
    poses = pose_table(choose_paths(), rng)
    movie = render_movie(poses, FRAMES, (SIZE_PX, SIZE_PX), IMAGING, rng)
    truth = poses.groupby(["particle", "frame"], as_index=False).mean()
    truth["angle_deg"] = truth["angle_deg"].round(4) % 180
    truth.round(4).to_csv(FOLDER / "lptem_rods_sample_truth.csv", index=False, lineterminator="\n")
    tifffile.imwrite(
        FOLDER / "lptem_rods_sample.tif",
        movie,
        imagej=True,
        compression="zlib",
        compressionargs={"level": 9},
        resolution=(1 / PIXEL_SIZE_NM, 1 / PIXEL_SIZE_NM),
        metadata={"axes": "TYX", "unit": "nm", "finterval": FRAME_INTERVAL_S, "fps": 1 / FRAME_INTERVAL_S},
    )


if __name__ == "__main__":
    main()
