"""Pictures of the rods that are lost or change names: when, and what they look like.

Run ``python benchmarks/what_resists.py FOLDER``. It writes ``extreme_tracks.png``, ``extreme_lost.png`` and
``hard_crossing.png`` into the folder and prints how many rods are lost where. Nothing was tuned on the seed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from outcomes import TOUCHING_WIDTHS, Outcome, follow
from scenes import Scene, pairs, scene
from scipy.ndimage import gaussian_filter

import napari_lptem_diffusion as lptem
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods
from napari_lptem_diffusion.particles.known_truth.tracking_scores import pair_up
from napari_lptem_diffusion.particles.masks import rod_outlines

SEED, FRAMES = 201, 60
SHOWN, HALF_PX, SMOOTHED_PX = 12, 40, 3.0
"""Patches of a picture, what each shows to either side of its rod, and by how much: unsmoothed, no eye sees a rod."""
INK, LOST = "#1d2733", "#d4dae0"
TRUE, FOUND = "#ffffff", "#ff8a1f"
TRACKS = ("#3b6fb6", "#d1782f", "#4f9a5b", "#9a5fb0", "#b8534f", "#3d9b9b", "#8a7340", "#e39ac0", "#6fa8dc", "#a3b33c",
          "#5b4a8a", "#f0b03c", "#7d3c2f", "#87c79a", "#546478")  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    known = scene("extreme", SEED, FRAMES)
    outcome = follow([known])
    truth = with_tracks(outcome)
    lost = truth[truth["track"].isna()]
    for name, rows in (("touching", truth["gap"] < TOUCHING_WIDTHS), ("not touching", truth["gap"] >= TOUCHING_WIDTHS)):
        print(f"extreme, {name}: {truth.loc[rows, 'track'].isna().sum()} of {rows.sum()} rod-frames lost")
    save(draw_tracks(truth), folder / "extreme_tracks.png")
    spread = np.linspace(0, len(lost) - 1, min(SHOWN, len(lost))).round().astype(int)
    save(draw_patches(known, outcome.tracks, lost.sort_values("gap").iloc[spread]), folder / "extreme_lost.png")

    crossed = pairs("hard", SEED)
    found = lptem.detect(crossed.movie)
    crossing = crossed.poses[crossed.poses["kind"] == "crossing"]
    seen = match_rods(found, crossed.poses).true
    print(f"hard, crossing: {(seen['kind'] == 'crossing').sum()} of {len(crossing)} rod-frames found")
    one_of_each = crossing[(crossing["frame"] == 0) & (crossing["particle"] % 2 == 0)]
    save(draw_patches(crossed, found, one_of_each.head(SHOWN)), folder / "hard_crossing.png")


def with_tracks(outcome: Outcome) -> pd.DataFrame:
    """The truth and ``track``, the particle of the track that has it; NaN where none has."""
    found, true = pair_up(outcome.tracks, outcome.truth)
    truth = outcome.truth.reset_index(drop=True)
    truth.loc[true, "track"] = outcome.tracks["particle"].to_numpy(float)[found]
    return truth


def draw_tracks(truth: pd.DataFrame) -> Figure:
    """One line a rod, in the colour of the track that has it; pale where none has, ruled where it touches another."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    rods = truth["particle"].to_numpy()
    colour = np.where(truth["track"].isna(), LOST, np.take(TRACKS, truth["track"].fillna(0).astype(int) % len(TRACKS)))
    axes.barh(rods, 1, left=truth["frame"] - 0.5, height=0.6, color=colour, linewidth=0)
    near = truth[truth["gap"] < TOUCHING_WIDTHS]
    axes.barh(near["particle"] + 0.39, 1, left=near["frame"] - 0.5, height=0.1, color=INK, linewidth=0)
    axes.set(xlim=(-0.5, truth["frame"].max() + 0.5), ylim=(rods.max() + 0.6, -0.6), xlabel="Frame", ylabel="Rod")
    axes.set_yticks(np.unique(rods))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, left=False)
    return figure


def draw_patches(known: Scene, found: pd.DataFrame, rods: pd.DataFrame) -> Figure:
    """The surroundings of each of *rods* in its frame, with the true outlines and those found."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes in (panels := figure.subplots(2, SHOWN // 2).ravel()):
        axes.set_axis_off()
    for axes, rod in zip(panels, rods.to_dict("records"), strict=False):
        image = gaussian_filter(known.movie[rod["frame"]].astype(float), SMOOTHED_PX)
        x, y = round(rod["x"]), round(rod["y"])
        patch = image[max(y - HALF_PX, 0) : y + HALF_PX, max(x - HALF_PX, 0) : x + HALF_PX]
        axes.imshow(image, cmap="gray", vmin=patch.min(), vmax=patch.max())
        for poses, colour in ((known.poses, TRUE), (found, FOUND)):
            draw_outlines(axes, poses[poses["frame"] == rod["frame"]], colour)
        axes.set(xlim=(x - HALF_PX, x + HALF_PX), ylim=(y + HALF_PX, y - HALF_PX))
        axes.set_title(f"frame {rod['frame']}, snr {rod['matched_snr']:.1f}", fontsize=7, color=INK)
    return figure


def draw_outlines(axes: Any, rods: pd.DataFrame, colour: str) -> None:
    for outline in rod_outlines(rods):
        axes.fill(*outline.T[::-1], fill=False, edgecolor=colour, linewidth=1.1)


def save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor="white")


if __name__ == "__main__":
    main()
