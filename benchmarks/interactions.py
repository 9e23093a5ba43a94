"""What a click costs with thousands of rods: python benchmarks/interactions.py; needs a screen, prints markdown.

A made-up result of 5000 rods and 100 000 positions is shown in napari with its views. Every interaction is timed until
all is drawn, as processor time, so that a busy machine does not count: in the views alone, which is the plugin's own
time, and in napari's window, which includes the canvas and all that napari does, drawn without a graphics card.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

os.environ.setdefault("NAPARI_ASYNC", "0")  # a step is over when its frame is drawn
os.environ.setdefault("LP_NUM_THREADS", "1")  # software drawing in one thread, so that processor time is time waited

import napari
import numpy as np
import pandas as pd
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion import Settings
from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.diffusion.estimate import FRAME_COLUMNS, PARTICLE_COLUMNS, Motion
from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.layers import movie_layer
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.results import Results
from napari_lptem_diffusion.movie import Movie

FRAMES, SIDE_PX = 200, 512
REPEATS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rods", type=int, default=5000)
    parser.add_argument("--frames-per-rod", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    analysis = made_up(arguments.rods, arguments.frames_per_rod, rng)
    print(f"{arguments.rods} rods, {len(analysis.tracks)} positions, {FRAMES} frames of {SIDE_PX} x {SIDE_PX} px.\n")
    print("| interaction | median ms | worst ms |")
    print("|---|---|---|")
    for name, times_ms in interactions(analysis, rng):
        print(f"| {name} | {np.median(times_ms):.0f} | {max(times_ms):.0f} |", flush=True)


def interactions(analysis: Analysis, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    """Yield what was done and how long it took each time: in the views alone, then in the whole window."""
    viewer = napari.Viewer()
    selection, result = Selection(), Result()
    views = Results(selection, result)
    views.resize(980, 300)
    views.show()
    yield "views: show the result", timed(lambda _: result.show(None, analysis), range(3))
    yield from of_views("views", views, selection, rng)
    views.close()

    viewer.window.resize(1366, 768)
    selection, result = Selection(), Result()
    canvas, views = Canvas(viewer, selection), Results(selection, result)
    image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
    canvas.show_movie(image, [image])
    yield "window: frame step, movie alone", timed(selection.show_frame, rng.permutation(FRAMES))
    viewer.window.add_dock_widget(views, name="LPTEM results", area="bottom")
    yield "window: show the result", timed(lambda _: show(canvas, result, image, analysis), range(3))
    yield from of_views("window", views, selection, rng)
    quantities = ("alpha_fbm", "alpha_ctrw", "mixing_ratio")
    yield "window: colour by another quantity", timed(lambda turn: canvas.colour_by(quantities[turn % 3]), range(99))
    viewer.close()


def of_views(
    where: str, views: Results, selection: Selection, rng: np.random.Generator
) -> Iterator[tuple[str, list[float]]]:
    """Yield what can be done with the views."""
    rods = np.array(views.table.rods.particles)
    for number in range(views.tabs.count()):
        views.tabs.setCurrentIndex(number)
        title = views.tabs.tabText(number)
        yield f"{where}: frame step, {title}", timed(selection.show_frame, rng.permutation(FRAMES))
        yield f"{where}: select a rod, {title}", timed(selection.select, rng.permutation(rods))
    yield f"{where}: select 100 rods", timed(selection.select_many, rng.choice(rods, (99, 100)).tolist())
    orders = (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder)
    sort = views.table.sortByColumn
    yield f"{where}: sort", timed(lambda turn: sort(2 + turn // 2 % 4, orders[turn % 2]), range(99))
    cuts = (f"mixing_ratio < {cut:.2f} and frames > 5" for cut in rng.uniform(0.2, 0.8, 99))
    yield f"{where}: filter", timed(views.filter_line.show_text, cuts)
    views.filter_line.show_text("")
    pairs = (
        ("k_fbm", "mixing_ratio"),
        ("mixing_ratio", "alpha_fbm"),
        ("frames", "model_mismatch"),
        ("alpha_fbm", None),
    )
    yield (
        f"{where}: other quantities in All rods",
        timed(lambda turn: views.scatter.choose(*pairs[turn % 4]), range(99)),
    )


def show(canvas: Canvas, result: Result, image: Layer, analysis: Analysis) -> None:
    canvas.remove_result()
    result.show(image, analysis)
    canvas.show_result(image, analysis)


def timed(action: Callable[[Any], object], values: Iterable[Any]) -> list[float]:
    """Return the milliseconds of *action* for each of some values until all is drawn; the first one warms up."""
    times_ms = []
    for value, _ in zip(values, range(REPEATS + 1), strict=False):
        start = time.process_time()
        action(value)
        for _ in range(3):
            QApplication.processEvents()
        times_ms.append(1000 * (time.process_time() - start))
    return times_ms[1:]


def made_up(rods: int, frames_per_rod: int, rng: np.random.Generator) -> Analysis:
    """Return an analysis with random tracks and a random judgement of them."""
    shape = (rods, frames_per_rod)
    particle = np.repeat(np.arange(rods), frames_per_rod)
    first = rng.integers(0, FRAMES - frames_per_rod + 1, (rods, 1))
    xy = rng.uniform(20, SIDE_PX - 20, (rods, 1, 2)) + rng.normal(0, 1, (*shape, 2)).cumsum(axis=1)
    tracks = pd.DataFrame(
        {
            "particle": particle,
            "frame": (first + np.arange(frames_per_rod)).ravel(),
            "x": np.clip(xy[..., 0], 5, SIDE_PX - 6).ravel(),
            "y": np.clip(xy[..., 1], 5, SIDE_PX - 6).ravel(),
            "angle_deg": rng.uniform(0, 180, particle.size),
            "length": 14.0,
            "width": 6.0,
            "snr": 8.0,
            "localization_error": 0.3,
            "link_confidence": 1.0,
            "merge_suspected": False,
        }
    )
    movie = Movie.from_array(
        rng.integers(80, 180, (FRAMES, SIDE_PX, SIDE_PX), dtype=np.uint8),
        name="made up",
        pixel_size_nm=2.0,
        frame_interval_s=0.01,
    )
    detections = tracks.drop(columns="particle").sort_values(["frame", "y", "x"], ignore_index=True)
    motion = Motion(judged_frames(tracks, rng), judged_particles(tracks, rng), msd(rods, rng), "none")
    return Analysis(movie, Settings(), {}, detections, tracks, motion, ())


def judged_frames(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    columns = values_with_ends(FRAME_COLUMNS, len(tracks), rng)
    return tracks[["particle", "frame"]].assign(**columns)


def judged_particles(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    spans = tracks.groupby("particle")["frame"].agg(["size", "min", "max"]).reset_index()
    spans.columns = pd.Index(["particle", "frames", "first_frame", "last_frame"])
    columns = values_with_ends(PARTICLE_COLUMNS, len(spans), rng)
    rest = {"change_points": "", "immobile": False, "rotational_diffusion": 0.1, "rotational_diffusion_error": 0.01}
    return spans.assign(**columns, **rest)


def values_with_ends(names: Iterable[str], rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return random values for *names*, with ends of intervals around those that have them."""
    factors = {"_low": 0.7, "_high": 1.3, "_q25": 0.9, "_q75": 1.1}
    values: dict[str, np.ndarray] = {}
    for name in names:
        quantity = name.removesuffix("_low").removesuffix("_high").removesuffix("_q25").removesuffix("_q75")
        values[name] = values.get(quantity, rng.uniform(0.1, 0.75, rows)) * factors.get(name[len(quantity) :], 1.0)
    return values


def msd(rods: int, rng: np.random.Generator) -> pd.DataFrame:
    lags = np.arange(1, 6)
    curves = rng.uniform(0.5, 2, (rods, 1)) * lags
    columns = {"particle": np.repeat(np.arange(rods), 5), "lag": np.tile(lags, rods), "msd": curves.ravel()}
    return pd.DataFrame(columns).assign(pairs=15)


if __name__ == "__main__":
    main()
