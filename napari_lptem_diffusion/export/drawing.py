"""What the figures and the overlay movie draw alike: grey frames, coloured tracks, scale bar, legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, PALEST, ColourScale

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Movie

_SAMPLED_FRAMES = 10
_MID_GREY = "#6e6e6e"


@dataclass(frozen=True)
class Tracks:
    """Tracks as straight pieces, each from one frame in which a particle was seen to the next.

    Attributes
    ----------
    frame : (pieces,) int array
        Frame at the end of the piece.
    xy : (pieces, 2, 2) array
        Start and end of the piece, each (x, y) in px.
    rgba : (pieces, 4) array
        Colour of the value at the end of the piece, paler where it is uncertain; `NO_VALUE_RGB` across a gap.
    """

    frame: NDArray[np.int64]
    xy: NDArray[np.float64]
    rgba: NDArray[np.float64]


def rgba_of(rods: pd.DataFrame, scale: ColourScale) -> NDArray[np.float64]:
    """Return (rods, 4): the colour of each rod's value, its opacity from the 90 % interval."""
    name = scale.column
    opacity = scale.opacity(rods[f"{name}_low"], rods[f"{name}_high"])
    return np.column_stack([scale.rgb(rods[name]), opacity])


def tracks_of(rods: pd.DataFrame, scale: ColourScale) -> Tracks:
    """Return the pieces of all tracks of *rods*, which are sorted by particle and frame."""
    particle, frame = rods["particle"].to_numpy(), rods["frame"].to_numpy()
    joined = np.flatnonzero(particle[1:] == particle[:-1])
    xy = rods[["x", "y"]].to_numpy(float)
    rgba = rgba_of(rods, scale)[joined + 1]
    across_gap = frame[joined + 1] - frame[joined] > 1
    rgba[across_gap] = (*NO_VALUE_RGB, PALEST)
    return Tracks(frame[joined + 1], np.stack([xy[joined], xy[joined + 1]], axis=1), rgba)


def display_limits(movie: Movie) -> tuple[float, float]:
    """Return the grey values shown as black and white, the same for all frames: percentiles of some of them."""
    chosen = np.unique(np.linspace(0, len(movie) - 1, _SAMPLED_FRAMES).astype(int))
    return limits_of(np.stack([movie[int(frame)] for frame in chosen]))


def limits_of(image: NDArray[Any]) -> tuple[float, float]:
    """Return the grey values of *image* to be shown as black and white."""
    finite = image[np.isfinite(image)].astype(float)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, (0.5, 99.5))
    return float(low), float(max(high, low + 1e-9))


def as_grey(image: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return *image* as 8-bit grey; what is not finite becomes black."""
    share = (np.nan_to_num(image.astype(np.float32), nan=limits[0]) - limits[0]) / (limits[1] - limits[0])
    grey: NDArray[np.uint8] = (255 * np.clip(share, 0, 1)).astype(np.uint8)
    return grey


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
    colours = scale.table()
    opacity = np.linspace(1.0, PALEST, 16)
    bar = np.empty((len(opacity), len(colours), 4))
    bar[..., :3] = colours
    bar[..., 3] = opacity[:, None]
    axes.set_facecolor(_MID_GREY)
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
    axes.text(0.5, 1.15, f"{scale.title}  (paler: less certain)", ha="center", va="bottom", **text)
