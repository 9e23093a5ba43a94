"""Results as napari layer data, by pure functions: nothing here opens a window or imports Qt.

All layers of a movie share one space: the first axis counts frames, the other two are nm where the movie has
a pixel size and px where it has not. What is painted over the layers is in `painting`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_lptem_diffusion.gui.colours import PARTICLE_RGB
from napari_lptem_diffusion.gui.look import PALE
from napari_lptem_diffusion.gui.scene import colours
from napari_lptem_diffusion.movie import Movie

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_lptem_diffusion.movie import Calibration

LayerData = tuple[Any, dict[str, Any], str]

TRACKS, MASKS = "tracks", "rod masks"

_OWN_UNITS = "units of its own"
_TAIL_WIDTH_PX = 3
_CONTRAST_PERCENTILES = (0.2, 99.8)
_CONTRAST_BYTES = 6e6
_CONTRAST_FRAMES = 10


class LazyLabels:
    """A (frames, y, x) int32 label movie whose frames are computed when they are looked at."""

    dtype = np.dtype(np.int32)
    ndim = 3

    def __init__(self, shape: tuple[int, int, int], compute: Callable[[int], NDArray[np.int32]]) -> None:
        self.shape = shape
        self.compute_by(compute)

    def compute_by(self, compute: Callable[[int], NDArray[np.int32]]) -> None:
        """Compute frames by another function from now on."""
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


def share_units(image: Image, movies: Iterable[Layer], of_result: Iterable[Layer]) -> None:
    """Give the other *movies* and the layers *of_result* the units of *image*, the movie in view.

    napari warns of layers in different units, hidden ones as well, and then uses none of them. Movies get their own
    again when they are chosen: those that another reader opened by `give_back_units`.
    """
    for layer in movies:
        if layer is not image and layer.units != image.units:
            if not isinstance(layer.data, Movie):
                layer.metadata.setdefault(_OWN_UNITS, layer.units)
            layer.units = image.units
    for layer in of_result:
        layer.units = image.units


def give_back_units(layer: Layer) -> None:
    """Give a layer of another reader the units that it had before `share_units`."""
    own = layer.metadata.pop(_OWN_UNITS, None)
    if own is not None:
        layer.units = own


def contrast_limits(movie: Movie) -> tuple[float, float]:
    """Return the grey values between which the movie is shown: percentiles of a few of its frames.

    At most `_CONTRAST_FRAMES` frames and `_CONTRAST_BYTES` bytes are read, so that opening stays quick.
    """
    frame_bytes = movie.dtype.itemsize * movie.shape[1] * movie.shape[2]
    count = int(np.clip(_CONTRAST_BYTES // frame_bytes, 1, min(_CONTRAST_FRAMES, len(movie))))
    chosen = np.linspace(0, len(movie) - 1, count).round().astype(int)
    step = max(1, int(np.sqrt(movie.shape[1] * movie.shape[2] / 1e5)))
    sample = np.concatenate([movie[int(frame)][::step, ::step].ravel() for frame in chosen])
    return _between(sample)


def _between(sample: NDArray[np.generic]) -> tuple[float, float]:
    finite = sample[np.isfinite(sample)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, _CONTRAST_PERCENTILES)
    return float(low), float(high if high > low else low + 1)


def averaged_contrast(frames: ArrayLike) -> tuple[float, float]:
    """Return the grey values between which the mean of *frames*, (frames, y, x), is shown."""
    frames = np.asarray(frames)
    step = max(1, int(np.sqrt(frames[0].size / 1e5)))
    return _between(frames[:, ::step, ::step].mean(axis=0))


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


def masks_layer(shape: tuple[int, int, int], labels: Callable[[int], NDArray[np.int32]]) -> LayerData:
    """Return the pixels of each rod; its label is particle + 1, its colour `colours.particle_rgb`.

    Parameters
    ----------
    shape : tuple of int
        (frames, y, x).
    labels : callable
        As `Analysis.labels`.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    cycle = np.vstack([np.zeros(4), np.c_[PARTICLE_RGB, np.ones(len(PARTICLE_RGB))]])
    return LazyLabels(shape, labels), {"name": MASKS, "colormap": CyclicLabelColormap(colors=cycle)}, "labels"


def tracks_layer(rods: pd.DataFrame, tail_frames: int) -> LayerData:
    """Return the tracks as (n, 4) rows of particle, frame, y, x, sorted by particle and frame.

    Parameters
    ----------
    rods : DataFrame
        As `Scene.rods`; not empty, for napari cannot hold an empty tracks layer.
    tail_frames : int
        How long a track is seen behind its rod. The colours are given to the layer apart, see `tracks_rgba`.
    """
    options = {
        "name": TRACKS,
        "blending": "translucent",
        "tail_length": tail_frames,
        "tail_width": _TAIL_WIDTH_PX,
    }
    return track_vertices(rods), options, "tracks"


def track_vertices(rods: pd.DataFrame) -> NDArray[np.float64]:
    """Return (n, 4) rows of particle, frame, y, x."""
    return rods[["particle", "frame", "y", "x"]].to_numpy(dtype=float)


def tracks_rgba(rods: pd.DataFrame, quantity: str, foremost: Collection[int] = ()) -> NDArray[np.float64]:
    """Return (n, 4) RGBA of the vertices; napari fades them by their age.

    Parameters
    ----------
    rods : DataFrame
        As `Scene.rods`.
    quantity : str
        Key of `look.QUANTITIES`.
    foremost : collection of int
        Particles beside which others are paler; none if empty.
    """
    is_full = rods["particle"].isin(list(foremost)) if foremost else np.ones(len(rods), bool)
    return np.column_stack([colours(rods, quantity), np.where(is_full, 1.0, PALE)])
