"""The movie with the rods, their tracks and their mixing ratios drawn into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_lptem_diffusion.export.drawing import (
    as_grey,
    display_limits,
    draw_legend,
    draw_scale_bar,
    rgba_of,
    tracks_of,
)
from napari_lptem_diffusion.export.palette import MIXING_RATIO
from napari_lptem_diffusion.export.tables import rods_with_motion
from napari_lptem_diffusion.export.video import check_video_path, write_video
from napari_lptem_diffusion.particles.masks import rod_outlines
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_DOTS_PER_INCH = 100
_HEIGHT_PX = (768, 1200)
_LARGEST_WIDTH_PX = 1920
_STRIP_PX = 72
_STRIP_COLOUR = "#14181d"
_PALE_INK = "#e6ebf0"
_TAIL_FRAMES = 40
_LABEL_PX = 36


def save_overlay_movie(
    analysis: Analysis,
    path: str | Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the movie with rod outlines, tracks coloured by mixing ratio, particle numbers and a legend.

    Parameters
    ----------
    analysis : Analysis
    path : path
        ``.mp4`` (H.264) or ``.gif`` (at most 200 frames, evenly chosen). Without the package ``av`` an MP4
        becomes a GIF, with a warning.
    progress, should_stop : callable, optional
    overwrite : bool

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    InputError
        If the suffix is another one, the file exists and *overwrite* is False, or it cannot be written.
    Stopped
        If *should_stop* answered True; nothing is written then.
    """
    check_video_path(path, overwrite)
    canvas, total = OverlayCanvas(analysis), len(analysis.movie)

    def draw(frame: int) -> NDArray[np.uint8]:
        report(progress, should_stop, frame, total, "draw overlay")
        return canvas.draw(frame)

    return write_video(draw, total, path, overwrite)


class OverlayCanvas:
    """Draws one frame after the other; what stays the same, the legend, is drawn once.

    Parameters
    ----------
    analysis : Analysis
    """

    def __init__(self, analysis: Analysis) -> None:
        self._movie = analysis.movie
        self._limits = display_limits(analysis.movie)
        rods = rods_with_motion(analysis)
        self._rods = dict(iter(rods.groupby("frame")))
        self._nothing = rods[:0]
        self._tracks = tracks_of(rods, MIXING_RATIO)
        height, width = analysis.movie.shape[1:]
        self._zoom = _zoom(height, width)
        self._build(_even(width * self._zoom), _even(height * self._zoom))

    def draw(self, frame: int) -> NDArray[np.uint8]:
        """Return *frame* as (y, x, 3) sRGB with even sides."""
        rods = self._rods.get(frame, self._nothing)
        self._image.set_data(as_grey(self._movie[frame], self._limits))
        outlines = _closed(rod_outlines(rods)[..., ::-1])
        colours = rgba_of(rods, MIXING_RATIO)
        self._outline_casing.set_segments(outlines)
        self._outline.set_segments(outlines)
        self._outline.set_color(colours)
        self._draw_tails(frame)
        self._stamp.set_text(self._stamp_text(frame))

        self._canvas.restore_region(self._still)
        for artist in (self._image, *self._lines, *self._labels(rods, outlines), *self._bar, self._stamp):
            self._axes.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _build(self, width_px: int, height_px: int) -> None:
        """Make the figure and its artists, and draw what never changes."""
        total_px = height_px + _STRIP_PX
        figure = Figure(figsize=(width_px / _DOTS_PER_INCH, total_px / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
        figure.set_facecolor(_STRIP_COLOUR)
        self._canvas = FigureCanvasAgg(figure)
        height, width = self._movie.shape[1:]
        self._axes = figure.add_axes((0, _STRIP_PX / total_px, 1, height_px / total_px))
        self._axes.set_axis_off()
        self._axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        bar_px = min(320, int(width_px * 0.4))
        legend = figure.add_axes((1 - (bar_px + 60) / width_px, 24 / total_px, bar_px / width_px, 16 / total_px))
        draw_legend(legend, MIXING_RATIO, _PALE_INK, size_pt=8)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

        blank = np.zeros((height, width), np.uint8)
        self._image = self._axes.imshow(blank, cmap="gray", vmin=0, vmax=255, aspect="auto")
        draw_scale_bar(self._axes, (height, width), self._movie.calibration.pixel_size_nm, size_pt=10)
        self._bar = (*self._axes.lines, *self._axes.texts)
        self._tail_casing: Any = LineCollection([], colors="black", alpha=0.55)
        self._tail: Any = LineCollection([], capstyle="round")
        self._outline_casing: Any = LineCollection([], colors="black", linewidths=3.0, alpha=0.6)
        self._outline: Any = LineCollection([], linewidths=1.7)
        self._lines = (self._tail_casing, self._tail, self._outline_casing, self._outline)
        for lines in self._lines:
            self._axes.add_collection(lines, autolim=False)
        self._stamp = figure.text(16 / width_px, 0.5 * _STRIP_PX / total_px, "", color=_PALE_INK, va="center")
        self._stamp.set_fontsize(11)
        self._texts: list[Any] = []

    def _draw_tails(self, frame: int) -> None:
        """Set the tracks of the last frames, thinner the older they are."""
        age = frame - self._tracks.frame
        shown = (age >= 0) & (age < _TAIL_FRAMES)
        width_pt = 0.6 + 1.8 * (1 - age[shown] / _TAIL_FRAMES)
        self._tail.set_segments(self._tracks.xy[shown])
        self._tail.set_color(self._tracks.rgba[shown])
        self._tail.set_linewidths(width_pt)
        self._tail_casing.set_segments(self._tracks.xy[shown])
        self._tail_casing.set_linewidths(width_pt + 1.2)

    def _labels(self, rods: pd.DataFrame, outlines: NDArray[np.float64]) -> list[Any]:
        """Put number and mixing ratio above each rod, or below where the picture ends, and return the texts."""
        while len(self._texts) < len(rods):
            self._texts.append(_label(self._axes))
        texts = self._texts[: len(rods)]
        width = self._movie.shape[2]
        margin = _LABEL_PX / self._zoom
        x = np.clip(rods["x"], min(margin, width / 2), max(width - margin, width / 2))
        top, bottom = outlines[..., 1].min(axis=1), outlines[..., 1].max(axis=1)
        above = top * self._zoom > _LABEL_PX
        for i, (text, particle, mixing) in enumerate(zip(texts, rods["particle"], rods["mixing_ratio"], strict=True)):
            text.set_text(f"{particle}: {mixing:.2f}" if np.isfinite(mixing) else f"{particle}: –")
            text.xy = (x.iloc[i], top[i] if above[i] else bottom[i])
            text.set_position((0, 4 if above[i] else -4))
            text.set_verticalalignment("bottom" if above[i] else "top")
        return texts

    def _stamp_text(self, frame: int) -> str:
        text = f"frame {frame + 1} of {len(self._movie)}"
        interval_s = self._movie.calibration.frame_interval_s
        return text if interval_s is None else f"{frame * interval_s:.4g} s\n{text}"


def _label(axes: Any) -> Any:
    box = {"boxstyle": "round,pad=0.25", "facecolor": "black", "alpha": 0.55, "linewidth": 0}
    return axes.annotate(
        "", (0, 0), (0, 0), textcoords="offset points", color="white", fontsize=10, ha="center", bbox=box
    )


def _closed(outlines: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([outlines, outlines[:, :1]], axis=1)


def _zoom(height: int, width: int) -> float:
    """Screen pixels per pixel of the movie: a whole number where that gives a legible size."""
    smallest, largest = _HEIGHT_PX
    whole = -(-smallest // height)
    zoom = whole if height * whole <= largest else max(smallest / height, min(1.0, largest / height))
    return min(zoom, max(_LARGEST_WIDTH_PX / width, 1e-9))


def _even(size: float) -> int:
    return max(2, 2 * round(size / 2))
