"""Linkers on the same detections: python benchmarks/linkers.py; prints a markdown table.

Each linker but ours takes the options that are best on a movie of another seed (HOTA). laptrack is no dependency of the
project: ``pip install laptrack``; without it its rows say so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from recipes import Linking, linked
from scenes import Scene, jumpers, scene

from napari_lptem_diffusion.particles import detect, link
from napari_lptem_diffusion.particles.known_truth.motion_scores import score_jumps
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods, without_cut
from napari_lptem_diffusion.particles.known_truth.tracking_scores import hota, score_tracks
from napari_lptem_diffusion.settings import LinkingSettings

try:
    from laptrack import LapTrack
except ImportError:
    LapTrack = None

Linker = Callable[..., pd.DataFrame]
TUNING_SEED = 100
KINDS: dict[str, Callable[..., Scene]] = {
    "medium": lambda seed, frames: scene("medium", seed, frames),
    "hard": lambda seed, frames: scene("hard", seed, frames),
    "hard, 60 rods": lambda seed, frames: scene("hard", seed, frames, rods=60),
    "jumpers, medium": lambda seed, frames: jumpers("medium", seed, frames=frames),
    "jumpers, hard": lambda seed, frames: jumpers("hard", seed, frames=frames),
    "jumpers, hard, 40 rods": lambda seed, frames: jumpers("hard", seed, frames=frames, rods=40),
}
GRID = list(product((20, 35, 60, 120, 240), (0, 3, 10), (1, 3)))
"""Search range (px), frames for which a rod may be lost, and the shortest track (frames)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102])
    parser.add_argument("--frames", type=int, default=40)
    options = parser.parse_args()
    print(f"Detections of {len(options.seeds)} movies a kind of {options.frames} frames, 1024 x 1024 px, linked once,")
    print(
        "without the second look of `follow`. Options: search range (px), frames for which a rod may be lost, shortest"
    )
    print(f"track; the best on seed {TUNING_SEED}. HOTA, association at the gate of 8 px; a far jump exceeds 38 px.\n")
    columns = ["movies", "linker", "options", "F1", "HOTA", "AssA", "switches per 1000", "link Jaccard"]
    row(*columns, "false jumps / links", "far jumps kept", "ms a frame")
    print("|---" * (len(columns) + 3) + "|")
    for kind, make in KINDS.items():
        scenes = (make(seed, options.frames) for seed in (TUNING_SEED, *options.seeds))
        tuning, *known = ((_found(one), one.poses) for one in scenes)
        for name, (linker, grid) in LINKERS.items():
            if linker is not by_laptrack or LapTrack is not None:
                row(kind, name, *scores(linker, best(linker, grid, *tuning), known))
            else:
                row(kind, name, "not installed")


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def ours(found: pd.DataFrame) -> pd.DataFrame:
    """The project's own linker with its own choice of everything."""
    return link(found)


def ours_over_trackpy(found: pd.DataFrame) -> pd.DataFrame:
    """Links from frame to frame by trackpy, the rest by the project."""
    return link(found, LinkingSettings(linker="trackpy"))


def by_trackpy(found: pd.DataFrame, search_range_px: float, memory: int, shortest: int) -> pd.DataFrame:
    """`trackpy.link`, with a range that shrinks where it connects too many rods."""
    return linked(found, Linking(search_range_px, memory, shortest))


def by_laptrack(found: pd.DataFrame, search_range_px: float, memory: int, shortest: int) -> pd.DataFrame:
    """LapTrack: the assignment of Jaqaman et al. (2008) from frame to frame, then over gaps."""
    farthest = search_range_px**2
    tracker = LapTrack(cutoff=farthest, gap_closing_cutoff=farthest, gap_closing_max_frame_count=memory)
    named, _, _ = tracker.predict_dataframe(found[["frame", "x", "y"]], ["x", "y"], only_coordinate_cols=False)
    tracks = found.loc[named.index].assign(particle=named["track_id"].to_numpy()).reset_index(drop=True)
    return tracks[tracks.groupby("particle")["frame"].transform("size") >= shortest].reset_index(drop=True)


LINKERS: dict[str, tuple[Linker, Sequence[tuple[Any, ...]]]] = {
    "likelihood (default)": (ours, [()]),
    "likelihood, links by trackpy": (ours_over_trackpy, [()]),
    "trackpy.link": (by_trackpy, GRID),
    "laptrack": (by_laptrack, GRID),
}
"""Function and grid of options."""


def best(linker: Linker, grid: Sequence[tuple[Any, ...]], found: pd.DataFrame, truth: pd.DataFrame) -> tuple[Any, ...]:
    """Options of the highest HOTA."""
    worth = [hota(linker(found, *options), truth, 8.0, (0.0,)).hota for options in grid] if len(grid) > 1 else [0]
    return grid[int(np.argmax(worth))]


def scores(
    linker: Linker, options: tuple[Any, ...], known: Sequence[tuple[pd.DataFrame, pd.DataFrame]]
) -> Iterator[str]:
    """Cells of the table, means or sums over the movies."""
    start = time.process_time()
    tables = [linker(found, *options) for found, _ in known]
    seconds = time.process_time() - start
    truths = [truth for _, truth in known]
    tracked = [score_tracks(table, truth) for table, truth in zip(tables, truths, strict=True)]
    jumps = [score_jumps(table, truth) for table, truth in zip(tables, truths, strict=True)]
    yield ", ".join(map(str, options)) or "none"
    yield f"{np.mean([match_rods(table, truth).f1 for table, truth in zip(tables, truths, strict=True)]):.3f}"
    yield f"{np.mean([one.hota.hota for one in tracked]):.3f}"
    yield f"{np.mean([one.hota.association for one in tracked]):.3f}"
    yield f"{1000 * sum(one.switches for one in tracked) / sum(one.rod_frames for one in tracked):.1f}"
    yield f"{np.mean([one.link_jaccard for one in tracked]):.3f}"
    yield f"{sum(one.false for one in jumps)} / {sum(one.links for one in jumps)}"
    yield f"{sum(one.kept for one in jumps)} / {sum(one.far for one in jumps)}"
    yield f"{1000 * seconds / sum(truth['frame'].nunique() for truth in truths):.1f}"


def _found(one: Scene) -> pd.DataFrame:
    return without_cut(detect(one.movie), one.poses, one.cut).reset_index(drop=True)


if __name__ == "__main__":
    main()
