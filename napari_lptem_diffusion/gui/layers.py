"""Results as napari layer data, by pure functions: nothing here opens a window or imports Qt.

All layers of a movie share one space: the first axis counts frames, the other two are nm where the movie has
a pixel size and px where it has not. Colours come from `export.palette`, so that they mean the same in napari,
in figures and in the overlay movie.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.gui.colours import PARTICLE_RGB, napari_colormap

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.movie import Calibration, Movie

LayerData = tuple[Any, dict[str, Any], str]

OUTLINES, AXES, TRACKS, NUMBERS = "rod outlines", "rod axes", "tracks", "numbers"

_TAIL_FRAMES = 60
_TEXT_COLOUR = "white"
_SELECTED_RGBA = (1.0, 1.0, 1.0, 1.0)
_HIDDEN_RGBA = (0.0, 0.0, 0.0, 0.0)
_CONTRAST_PERCENTILES = (0.2, 99.8)
_CONTRAST_BYTES = 6e6
_CONTRAST_FRAMES = 10


class LazyLabels:
    """A (frames, y, x) int32 label movie whose frames are computed when they are looked at."""

    dtype = np.dtype(np.int32)
    ndim = 3

    def __init__(self, shape: tuple[int, int, int], compute: Callable[[int], NDArray[np.int32]]) -> None:
        self.shape = shape
        self._frame = lru_cache(maxsize=16)(compute)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.int32]:
        """Index like an array; only the frames asked for are computed."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        frames = np.arange(len(self))[first]
        if np.ndim(frames) == 0:
            return np.asarray(self._frame(int(frames))[tuple(rest)])
        stack = [self._frame(int(frame)) for frame in frames]
        image = np.stack(stack) if stack else np.empty((0, *self.shape[1:]), self.dtype)
        return np.asarray(image[(slice(None), *rest)])


def space(calibration: Calibration) -> dict[str, Any]:
    """Return ``scale``, ``units`` and ``axis_labels`` of every layer of a movie."""
    size = calibration.pixel_size_nm
    return {
        "scale": (1.0, 1.0, 1.0) if size is None else (1.0, size, size),
        "units": ("pixel", "pixel", "pixel") if size is None else ("pixel", "nm", "nm"),
        "axis_labels": ("frame", "y", "x"),
    }


def contrast_limits(movie: Movie) -> tuple[float, float]:
    """Return the grey values between which the movie is shown: percentiles of a few of its frames.

    At most `_CONTRAST_FRAMES` frames and `_CONTRAST_BYTES` bytes are read, so that opening stays quick.
    """
    frame_bytes = movie.dtype.itemsize * movie.shape[1] * movie.shape[2]
    count = int(np.clip(_CONTRAST_BYTES // frame_bytes, 1, min(_CONTRAST_FRAMES, len(movie))))
    chosen = np.linspace(0, len(movie) - 1, count).round().astype(int)
    step = max(1, int(np.sqrt(movie.shape[1] * movie.shape[2] / 1e5)))
    sample = np.concatenate([movie[int(frame)][::step, ::step].ravel() for frame in chosen])
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, _CONTRAST_PERCENTILES)
    return float(low), float(high if high > low else low + 1)


def movie_layer(movie: Movie) -> LayerData:
    """Return the movie as a lazy image layer."""
    options = {
        "name": movie.name,
        "contrast_limits": contrast_limits(movie),
        "colormap": "gray",
        "multiscale": False,
        **space(movie.calibration),
    }
    return movie, options, "image"


def rods_with_motion(analysis: Analysis) -> pd.DataFrame:
    """Return ``analysis.tracks`` with the columns of ``motion.frames``, one row per particle and frame."""
    rods = analysis.tracks.merge(analysis.motion.frames, on=["particle", "frame"], how="left", validate="1:1")
    return rods.sort_values(["particle", "frame"], ignore_index=True)


def result_layers(analysis: Analysis, quantity: str) -> list[LayerData]:
    """Return outlines, axes, tracks and numbers of the rods in tracks, coloured by *quantity*.

    Parameters
    ----------
    analysis : Analysis
    quantity : str
        Column of ``motion.frames``; a key of `export.palette.SCALES`.

    Returns
    -------
    list of (data, options, layer type)
        In the order of drawing, in px and frames. Empty if there are no tracks: napari cannot hold an
        empty tracks layer.
    """
    rods = rods_with_motion(analysis)
    if rods.empty:
        return []
    labels = LazyLabels((len(analysis.movie), *analysis.movie.shape[1:]), analysis.labels)
    return [
        outlines_layer(labels),
        axes_layer(rods, quantity),
        tracks_layer(rods, quantity),
        numbers_layer(rods, quantity),
    ]


def outlines_layer(labels: LazyLabels) -> LayerData:
    """Return the outline of each rod; its label is particle + 1, its colour `colours.particle_rgb`."""
    from napari.utils.colormaps import CyclicLabelColormap

    cycle = np.vstack([_HIDDEN_RGBA, np.c_[PARTICLE_RGB, np.ones(len(PARTICLE_RGB))]])
    return labels, {"name": OUTLINES, "opacity": 0.9, "colormap": CyclicLabelColormap(colors=cycle)}, "labels"


def axes_layer(rods: pd.DataFrame, quantity: str) -> LayerData:
    """Return the long axis of each rod from tip to tip, as (n, 2, 3) vectors in (frame, y, x)."""
    angle = np.deg2rad(rods["angle_deg"].to_numpy())
    tip_to_tip = rods["length"].to_numpy()[:, None] * np.c_[np.zeros(len(rods)), np.sin(angle), np.cos(angle)]
    centre = rods[["frame", "y", "x"]].to_numpy(dtype=float)
    vectors = np.stack([centre - tip_to_tip / 2, tip_to_tip], axis=1)
    options = {
        "name": AXES,
        "edge_color": rod_colours(rods, quantity),
        "edge_width": _line_width_px(rods),
        "vector_style": "line",
        "opacity": 0.9,
    }
    return vectors, options, "vectors"


def tracks_layer(rods: pd.DataFrame, quantity: str) -> LayerData:
    """Return the tracks as (n, 4) rows of particle, frame, y, x, sorted by particle and frame.

    Each quantity is a feature brought to 0..1 of its colour scale, under the name `colour_feature` gives it.
    """
    scales = SCALES.values()
    options = {
        "name": TRACKS,
        "features": {colour_feature(s.column): s.position(rods[s.column].to_numpy()) for s in scales},
        "colormaps_dict": {colour_feature(s.column): napari_colormap(s) for s in scales},
        "color_by": colour_feature(quantity),
        "blending": "translucent",
        "tail_length": _TAIL_FRAMES,
        "tail_width": 3,
    }
    return rods[["particle", "frame", "y", "x"]].to_numpy(dtype=float), options, "tracks"


def numbers_layer(rods: pd.DataFrame, quantity: str) -> LayerData:
    """Return points at the rods with particle and value beside each, and a ring for the selected one."""
    radius_px = float(rods["length"].median()) * 0.8
    options = {
        "name": NUMBERS,
        "features": {"particle": rods["particle"].to_numpy()}
        | {_text_feature(column): rod_texts(rods, column) for column in SCALES},
        "text": {
            "string": text_template(quantity),
            "size": 13,
            "color": _TEXT_COLOUR,
            "anchor": "lower_left",
            # up and to the right, clear of the outline however the rod lies
            "translation": np.array([0.0, -radius_px, radius_px]) * 0.7,
        },
        "size": 2 * radius_px,
        "face_color": "transparent",
        "border_color": ring_colours(rods["particle"].to_numpy(), None),
        "border_width": 0.02,
    }
    return rods[["frame", "y", "x"]].to_numpy(dtype=float), options, "points"


def rod_colours(rods: pd.DataFrame, quantity: str) -> NDArray[np.float64]:
    """Return (n, 4) RGBA of *quantity*; paler where its 90 % interval is wide."""
    scale = SCALES[quantity]
    values = rods[quantity].to_numpy()
    opacity = scale.opacity(rods[f"{quantity}_low"].to_numpy(), rods[f"{quantity}_high"].to_numpy())
    rgba: NDArray[np.float64] = np.c_[scale.rgb(values), opacity]
    return rgba


def rod_texts(rods: pd.DataFrame, quantity: str) -> NDArray[np.str_]:
    """Return ``particle: value`` of each row; a dash where the value is unknown."""
    pairs = zip(rods["particle"], rods[quantity], strict=True)
    return np.array([f"{particle}: {value:.2f}" if value == value else f"{particle}: –" for particle, value in pairs])


def ring_colours(particles: NDArray[np.int64], selected: int | None) -> NDArray[np.float64]:
    """Return (n, 4) RGBA of the rings: only those of *selected* are seen."""
    if selected is None:
        return np.tile(_HIDDEN_RGBA, (len(particles), 1))
    return np.where((particles == selected)[:, None], _SELECTED_RGBA, _HIDDEN_RGBA)


def colour_feature(quantity: str) -> str:
    """Return the name of the tracks' feature that colours by *quantity*."""
    scale = SCALES[quantity]
    return f"{scale.title}, {scale.low:g} to {scale.high:g}"


def text_template(quantity: str) -> str:
    """Return the text template of the numbers layer that shows *quantity*."""
    return f"{{{_text_feature(quantity)}}}"


def nearest_particle(rods: pd.DataFrame, y: float, x: float, reach: float = 0.75) -> int | None:
    """Return the particle whose centre is nearest to (*y*, *x*) px, within *reach* rod lengths, or None.

    Parameters
    ----------
    rods : DataFrame
        The rods of one frame: ``particle``, ``x``, ``y``, ``length``.
    """
    if rods.empty:
        return None
    distance = np.hypot(rods["x"] - x, rods["y"] - y) / rods["length"]
    nearest = distance.idxmin()
    return int(rods.loc[nearest, "particle"]) if distance[nearest] <= reach else None


def _text_feature(quantity: str) -> str:
    return f"text_{quantity}"


def _line_width_px(rods: pd.DataFrame) -> float:
    return max(1.0, float(rods["width"].median()) / 8)
