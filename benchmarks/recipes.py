"""What people use: common recipes, tuned on a movie of their own, linked with trackpy.

Each recipe takes a movie, the frames to search (the background may come from all) and its options; it returns
``frame``, ``x``, ``y`` and a ``score`` that is cut at a threshold. Options, threshold and linking are those with the
best F1 and HOTA on the tuning movie.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import trackpy
from numpy.typing import NDArray
from scenes import Scene
from scipy.ndimage import gaussian_filter, zoom
from skimage.feature import blob_dog, blob_log
from skimage.filters import threshold_li, threshold_otsu, threshold_yen
from skimage.measure import label, regionprops_table

from napari_lptem_diffusion.particles.known_truth.scoring import match_rods, without_cut
from napari_lptem_diffusion.particles.known_truth.tracking_scores import hota

Movie = NDArray[Any]
Frames = Sequence[int]
Recipe = Callable[..., pd.DataFrame]
SEARCH_RANGES_PX, MEMORIES, SHORTEST = (10, 20, 35, 60), (0, 3), (1, 3, 5)


def trackpy_locate(movie: Movie, frames: Frames, diameter: int) -> pd.DataFrame:
    """`trackpy.locate` on the frames as they are."""
    return _located(((frame, movie[frame]) for frame in frames), diameter, invert=True)


def trackpy_flat(movie: Movie, frames: Frames, diameter: int, sigma: float) -> pd.DataFrame:
    """`trackpy.locate` after a flat field and a Gaussian."""
    return _located(_darkness(movie, frames, sigma), diameter)


def regions(movie: Movie, frames: Frames, sigma: float, threshold: Callable[[Movie], float]) -> pd.DataFrame:
    """Gaussian, wide Gaussian background, a threshold from the histogram, regionprops; the score is the area."""
    return _regions((frame, dark > threshold(dark)) for frame, dark in _darkness(movie, frames, sigma))


def median_background(movie: Movie, frames: Frames, sigma: float, deviations: float) -> pd.DataFrame:
    """Temporal median as background, Gaussian, regions; rods that do not move are in the background."""
    background = np.median(movie[::5], axis=0).astype(np.float32)
    dark = ((frame, gaussian_filter(background - movie[frame], sigma)) for frame in frames)
    return _regions((frame, image > deviations * image.std()) for frame, image in dark)


def blobs(movie: Movie, frames: Frames, finder: Callable[..., Movie], sigma: float) -> pd.DataFrame:
    """`blob_log` or `blob_dog` of the size of a rod, after a flat field, 2 x binned; the score is the response."""
    tables = []
    for frame, dark in _darkness(movie, frames, sigma):
        small = zoom(dark, 0.5, order=1)
        steps = {"num_sigma": 3, "threshold": 0.02} if finder is blob_log else {"threshold": 0.005}
        spots = finder(small, min_sigma=4, max_sigma=8, **steps)
        rows, columns = spots[:, :2].astype(int).T
        response = gaussian_filter(small, 5) - gaussian_filter(small, 8)
        place = {"frame": frame, "x": 2 * spots[:, 1] + 0.5, "y": 2 * spots[:, 0] + 0.5}
        tables.append(pd.DataFrame(place | {"score": response[rows, columns]}))
    return pd.concat(tables, ignore_index=True)


RECIPES: dict[str, tuple[Recipe, list[tuple[Any, ...]]]] = {
    "trackpy.locate": (trackpy_locate, [(21,), (31,), (41,)]),
    "flat field, Gaussian, trackpy.locate": (trackpy_flat, list(product((21, 31), (2.0, 4.0)))),
    "Gaussian, background, Otsu / Li / Yen, regionprops": (
        regions,
        list(product((2.0, 4.0, 6.0), (threshold_otsu, threshold_li, threshold_yen))),
    ),
    "temporal median (loses rods that do not move), threshold, regionprops": (
        median_background,
        list(product((2.0, 4.0, 6.0), (3.0, 4.0, 5.0))),
    ),
    "flat field, Gaussian, blob_log": (blobs, [(blob_log, 2.0)]),
    "flat field, Gaussian, blob_dog": (blobs, [(blob_dog, 2.0), (blob_dog, 4.0)]),
}
"""Function and grid of options."""
DEFAULTS: dict[str, tuple[Recipe, tuple[Any, ...]]] = {
    "trackpy.locate": (trackpy_locate, (31,)),
    "Gaussian, background, Otsu, regionprops": (regions, (1.0, threshold_otsu)),
}


@dataclass(frozen=True)
class Linking:
    """Arguments of `trackpy.link`, and the least length of a track."""

    search_range_px: float
    memory: int
    shortest: int


@dataclass(frozen=True)
class Tuned:
    """A recipe with the options, the cut of the score and the linking that were best on the tuning movie."""

    name: str
    options: tuple[Any, ...]
    cut: float
    linking: Linking

    def apply(self, scene: Scene, frames: Frames) -> tuple[pd.DataFrame, pd.DataFrame, float]:
        """Return detections, tracks and frames/s of the detection."""
        start = time.perf_counter()
        table = RECIPES[self.name][0](scene.movie, frames, *self.options)
        speed = len(frames) / (time.perf_counter() - start)
        found = without_cut(table[table["score"] >= self.cut], scene.poses, scene.cut)
        return found, linked(found, self.linking), speed


def tune(name: str, scene: Scene, options_on: Frames, linking_on: Frames) -> Tuned:
    """Take the options and the cut of the best F1 on some frames, then the linking of the best HOTA on others."""
    recipe, grid = RECIPES[name]
    truth = scene.poses[scene.poses["frame"].isin(options_on)].reset_index(drop=True)
    best = (-1.0, grid[0], 0.0)
    for options in grid:
        table = without_cut(recipe(scene.movie, options_on, *options), truth, scene.cut)
        ranked = np.sort(table["score"].to_numpy())[::-1]
        ranks = (np.geomspace(0.25, 4, 100) * len(truth)).astype(int)
        for cut in np.unique(ranked[np.minimum(ranks, len(ranked) - 1)]) if len(ranked) else []:
            kept = table[table["score"] >= cut].reset_index(drop=True)
            best = max(best, (match_rods(kept, truth).f1, options, float(cut)), key=itemgetter(0))
    tuned = Tuned(name, best[1], best[2], Linking(10, 0, 1))
    found = tuned.apply(scene, linking_on)[0]
    truth = scene.poses[scene.poses["frame"].isin(linking_on)]
    choices = [Linking(*values) for values in product(SEARCH_RANGES_PX, MEMORIES, SHORTEST)]
    scores = [hota(linked(found, choice), truth, 8.0, (0.0,)).hota for choice in choices]
    return replace(tuned, linking=choices[int(np.argmax(scores))])


def linked(found: pd.DataFrame, linking: Linking) -> pd.DataFrame:
    """Link with trackpy; a range that connects too many rods shrinks."""
    trackpy.quiet()
    if found.empty:
        return found.assign(particle=0)
    try:
        tracks = trackpy.link(
            found, linking.search_range_px, memory=linking.memory, adaptive_stop=2.0, adaptive_step=0.8
        )
    except trackpy.SubnetOversizeException:
        tracks = found.assign(particle=np.arange(len(found)))
    length = tracks.groupby("particle")["frame"].transform("size")
    return tracks[length >= linking.shortest].reset_index(drop=True)


def _darkness(movie: Movie, frames: Frames, sigma: float) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Absorbed share: one minus the smoothed frame over a flat field, the temporal mean smoothed over 50 px."""
    flat = gaussian_filter(movie[::5].mean(axis=0, dtype=np.float32), 50)
    for frame in frames:
        yield frame, 1 - gaussian_filter(movie[frame].astype(np.float32), sigma) / flat


def _located(images: Iterable[tuple[int, Movie]], diameter: int, **options: Any) -> pd.DataFrame:
    trackpy.quiet()
    tables = []
    for frame, image in images:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = trackpy.locate(np.maximum(image, 0), diameter, **options)
        tables.append(pd.DataFrame({"frame": frame, "x": found["x"], "y": found["y"], "score": found["mass"]}))
    return pd.concat(tables, ignore_index=True)


def _regions(masks: Iterable[tuple[int, NDArray[np.bool_]]]) -> pd.DataFrame:
    tables = []
    for frame, mask in masks:
        found = pd.DataFrame(regionprops_table(label(mask), properties=("centroid", "area")))
        found = found.rename(columns={"centroid-0": "y", "centroid-1": "x", "area": "score"})
        tables.append(found.assign(frame=frame))
    return pd.concat(tables, ignore_index=True)
