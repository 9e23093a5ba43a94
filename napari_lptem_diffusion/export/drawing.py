"""What the figures and the overlay movie draw alike: grey frames, coloured tracks, scale bar, legend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, ColourScale, greyed

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Movie

_SAMPLED_FRAMES = 10
_SAMPLED_PIXELS = 512
"""Along the longer side, for the contrast."""
_SHADING_SHARE = 12
"""Illumination varies over a length of one part in so many of the picture: far more than a rod."""
_WHITE = 190


@dataclass(frozen=True)
class Tracks:
    """Tracks as straight pieces, each from one frame in which a particle was seen to the next.

    Attributes
    ----------
    frame : (pieces,) int array
        Frame at the end of the piece.
    xy : (pieces, 2, 2) array
        Start and end of the piece, each (x, y) in px.
    rgb : (pieces, 3) array
        Colour of the value at the end of the piece, greyer where it is uncertain; `NO_VALUE_RGB` across a gap.
    """

    frame: NDArray[np.int64]
    xy: NDArray[np.float64]
    rgb: NDArray[np.float64]


@dataclass(frozen=True)
class Display:
    """How grey values become 8-bit grey: less the uneven illumination, between two fixed limits.

    Attributes
    ----------
    shading : (y, x) array
        What the illumination adds here to its mean.
    black, white : float
        Grey values, less the shading, that are shown as black and white.
    """

    shading: NDArray[np.float32]
    black: float
    white: float

    def grey(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Return *image* as 8-bit grey, dimmed so that the colours stand out; what is not finite becomes black."""
        share = (image - self.shading - self.black) / (self.white - self.black)
        grey: NDArray[np.uint8] = (_WHITE * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)
        return grey


def rgb_of(rows: pd.DataFrame, scale: ColourScale) -> NDArray[np.float64]:
    """Return (rows, 3) sRGB: the colour of each row's value, greyer the wider its 90 % interval."""
    name = scale.column
    return greyed(scale.rgb(rows[name]), scale.certainty(rows[f"{name}_low"], rows[f"{name}_high"]))


def tracks_of(rods: pd.DataFrame, scale: ColourScale) -> Tracks:
    """Return the pieces of all tracks of *rods*, which are sorted by particle and frame."""
    particle, frame = rods["particle"].to_numpy(), rods["frame"].to_numpy()
    joined = np.flatnonzero(particle[1:] == particle[:-1])
    xy = rods[["x", "y"]].to_numpy(float)
    rgb = rgb_of(rods, scale)[joined + 1]
    across_gap = frame[joined + 1] - frame[joined] > 1
    rgb[across_gap] = NO_VALUE_RGB
    return Tracks(frame[joined + 1], np.stack([xy[joined], xy[joined + 1]], axis=1), rgb)


def display_of(movie: Movie) -> Display:
    """Return how all frames of *movie* are shown alike, from some of them."""
    shading = _shading(mean_frame(movie, _SAMPLED_FRAMES))
    step = -(-max(shading.shape) // _SAMPLED_PIXELS)
    sampled = [(frame - shading)[::step, ::step] for frame in _some_frames(movie, _SAMPLED_FRAMES)]
    return Display(shading, *_limits(np.stack(sampled or [shading])))


def display_of_image(image: NDArray[np.float32]) -> Display:
    """Return how the one *image*, (y, x) and all finite, is shown."""
    shading = _shading(image)
    return Display(shading, *_limits(image - shading))


def mean_frame(movie: Movie, count: int) -> NDArray[np.float32]:
    """Return the (y, x) mean of at most *count* frames spread over *movie*; 0 if they are all missing."""
    total, seen = np.zeros(movie.shape[1:], dtype=np.float32), 0
    for frame in _some_frames(movie, count):
        total += frame
        seen += 1
    total /= max(seen, 1)
    return total


def _some_frames(movie: Movie, count: int) -> Iterator[NDArray[np.float32]]:
    """Frames spread over *movie*, without those that are missing."""
    for index in np.unique(np.linspace(0, len(movie) - 1, count).astype(int)):
        frame = np.asarray(movie[int(index)], dtype=np.float32)
        if np.isfinite(frame).all():
            yield frame


def _shading(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    without_outliers = np.clip(mean, *np.percentile(mean, (0.5, 99.5)))
    illumination: NDArray[np.float32] = gaussian_filter(without_outliers, min(mean.shape) / _SHADING_SHARE)
    illumination -= illumination.mean()
    return illumination


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    black, white = np.percentile(values, (0.5, 99.5))
    return float(black), float(max(white, black + 1e-6))


def scale_bar(width_px: int, pixel_size_nm: float | None) -> tuple[float, str]:
    """Return the length in px and the label of a scale bar: 1, 2 or 5 times a power of ten, near a fifth of the width.

    Without a pixel size the bar is in px.
    """
    wanted = width_px * (pixel_size_nm or 1.0) / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    length = power * max(step for step in (1, 2, 5) if step * power <= wanted)
    if pixel_size_nm is None:
        return float(length), f"{length:g} px"
    label = f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"
    return float(length / pixel_size_nm), label


def draw_scale_bar(axes: Any, shape_yx: tuple[int, int], pixel_size_nm: float | None, size_pt: float) -> None:
    """Draw the scale bar into the lower left corner of the matplotlib *axes* of an image."""
    height, width = shape_yx
    length_px, label = scale_bar(width, pixel_size_nm)
    x, y = 0.03 * width, height - 0.035 * height
    axes.plot([x, x + length_px], [y, y], color="black", linewidth=size_pt / 2, solid_capstyle="butt")
    axes.plot([x, x + length_px], [y, y], color="white", linewidth=size_pt / 3, solid_capstyle="butt")
    axes.annotate(
        label,
        (x + length_px / 2, y),
        (0, size_pt * 0.45),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color="white",
        fontsize=size_pt,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "black", "alpha": 0.55, "linewidth": 0},
    )


def draw_legend(axes: Any, scale: ColourScale, ink: str, size_pt: float) -> None:
    """Fill the matplotlib *axes* with the colour scale: certain above, uncertain below, its ends in words."""
    certainty = np.linspace(1.0, 0.0, 16)
    bar = greyed(scale.table(), certainty[:, None])
    axes.imshow(bar, aspect="auto", extent=(scale.low, scale.high, 0, 1), interpolation="nearest")
    axes.set_yticks([])
    ticks = (scale.low, (scale.low + scale.high) / 2, scale.high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.tick_params(colors=ink, labelsize=size_pt, length=2, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    text = {"transform": axes.transAxes, "color": ink, "fontsize": size_pt}
    axes.text(-0.03, 0.5, scale.low_word, ha="right", va="center", weight="bold", **text)
    axes.text(1.03, 0.5, scale.high_word, ha="left", va="center", weight="bold", **text)
    axes.text(0.5, 1.15, f"{scale.title}  (greyer: less certain)", ha="center", va="bottom", **text)
