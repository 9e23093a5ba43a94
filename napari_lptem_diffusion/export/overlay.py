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
from PIL import Image

from napari_lptem_diffusion.diffusion.known import is_known
from napari_lptem_diffusion.export.drawing import (
    display_of,
    draw_legend,
    draw_scale_bar,
    rgb_of,
    tracks_of,
)
from napari_lptem_diffusion.export.palette import MIXING_RATIO
from napari_lptem_diffusion.export.tables import rods_with_motion
from napari_lptem_diffusion.export.video import check_video_path, write_video
from napari_lptem_diffusion.overlay_style import OverlayStyle
from napari_lptem_diffusion.particles.masks import rod_outlines
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_DOTS_PER_INCH = 100
_STRIP_PX = 72
_STRIP_COLOUR = "#14181d"
_PALE_INK = "#e6ebf0"
_TAIL_FRAMES = 40
_LABEL_PX = 36
_OUTLINE_GAP_PX = 3.0
_CASING_RGBA = (0.0, 0.0, 0.0, 0.6)


def save_overlay_movie(
    analysis: Analysis,
    path: str | Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    overwrite: bool = False,
    style: OverlayStyle | None = None,
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
    style : OverlayStyle, optional
        Its size, frame rate and quality.

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
    style = style or OverlayStyle()
    canvas, total = OverlayCanvas(analysis, style), len(analysis.movie)

    def draw(frame: int) -> NDArray[np.uint8]:
        report(progress, should_stop, frame, total, "draw overlay")
        return canvas.draw(frame)

    return write_video(draw, total, path, overwrite, style)


class OverlayCanvas:
    """Draws one frame after the other; what stays the same, the legend, is drawn once.

    Parameters
    ----------
    analysis : Analysis
    style : OverlayStyle
    """

    def __init__(self, analysis: Analysis, style: OverlayStyle) -> None:
        self._movie = analysis.movie
        self._display = display_of(analysis.movie)
        rods = rods_with_motion(analysis)
        self._rods = dict(iter(rods.groupby("frame")))
        self._nothing = rods[:0]
        self._tracks = tracks_of(rods, MIXING_RATIO)
        height, width = analysis.movie.shape[1:]
        self._zoom = style.zoom(height, width)
        self._size_px = style.size_px(height, width)
        self._build()

    def draw(self, frame: int) -> NDArray[np.uint8]:
        """Return *frame* as (y, x, 3) sRGB with even sides."""
        rods = self._rods.get(frame, self._nothing)
        margin_px = 2 * _OUTLINE_GAP_PX / self._zoom
        around = rods.assign(length=rods["length"] + margin_px, width=rods["width"] + margin_px)
        outlines = _closed(rod_outlines(around)[..., ::-1])
        _set_lines(self._outline, outlines, rgb_of(rods, MIXING_RATIO), np.full(len(rods), 1.9))
        age = frame - self._tracks.frame
        tail = (age >= 0) & (age < _TAIL_FRAMES)
        thinning = 1 - age[tail] / _TAIL_FRAMES
        _set_lines(self._tail, self._tracks.xy[tail], self._tracks.rgb[tail], 0.5 + 1.3 * thinning)
        self._stamp.set_text(self._stamp_text(frame))

        self._pixels[:] = self._still
        self._pixels[: self._size_px[1], :, :3] = self._enlarged(self._display.grey(self._movie[frame]))[..., None]
        for artist in (*self._tail, *self._outline, *self._labels(rods, outlines), *self._bar, self._stamp):
            self._axes.draw_artist(artist)
        return self._pixels[..., :3].copy()

    def _build(self) -> None:
        """Make the figure and its artists, and draw what never changes."""
        width_px, height_px = self._size_px
        total_px = height_px + _STRIP_PX
        figure = Figure(figsize=(width_px / _DOTS_PER_INCH, total_px / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
        figure.set_facecolor(_STRIP_COLOUR)
        canvas = FigureCanvasAgg(figure)
        height, width = self._movie.shape[1:]
        self._axes = figure.add_axes((0, _STRIP_PX / total_px, 1, height_px / total_px))
        self._axes.set_axis_off()
        self._axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        bar_px = min(320, int(width_px * 0.4))
        legend = figure.add_axes((1 - (bar_px + 60) / width_px, 24 / total_px, bar_px / width_px, 16 / total_px))
        draw_legend(legend, MIXING_RATIO, _PALE_INK, size_pt=8)
        canvas.draw()
        self._pixels = np.asarray(canvas.buffer_rgba())
        self._still = self._pixels.copy()

        draw_scale_bar(self._axes, (height, width), self._movie.calibration.pixel_size_nm, size_pt=10)
        self._bar = (*self._axes.lines, *self._axes.texts)
        self._tail, self._outline = _cased_lines(self._axes), _cased_lines(self._axes)
        self._stamp = figure.text(16 / width_px, 0.5 * _STRIP_PX / total_px, "", color=_PALE_INK, va="center")
        self._stamp.set_fontsize(11)
        self._texts: list[Any] = []

    def _enlarged(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        whole = self._zoom == round(self._zoom)
        method = Image.Resampling.NEAREST if whole else Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(grey).resize(self._size_px, method))

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
        known = is_known("mixing_ratio", rods["mixing_ratio_low"], rods["mixing_ratio_high"])
        values = zip(texts, rods["particle"], rods["mixing_ratio"], known, strict=True)
        for i, (text, particle, mixing, sure) in enumerate(values):
            said = f"{mixing:.2f}{'' if sure else ' ?'}" if np.isfinite(mixing) else "–"
            text.set_text(f"{particle}: {said}")
            text.xy = (x.iloc[i], top[i] if above[i] else bottom[i])
            text.set_position((0, 4 if above[i] else -4))
            text.set_verticalalignment("bottom" if above[i] else "top")
        return texts

    def _stamp_text(self, frame: int) -> str:
        text = f"frame {frame}"  # from 0, as on the canvas and in the tables
        interval_s = self._movie.calibration.frame_interval_s
        return text if interval_s is None else f"{frame * interval_s:.4g} s\n{text}"


def _cased_lines(axes: Any) -> tuple[Any, Any]:
    """Lines on wider dark ones, which make them stand out of the noise."""
    casing, lines = LineCollection([], capstyle="round"), LineCollection([], capstyle="round")
    axes.add_collection(casing, autolim=False)
    axes.add_collection(lines, autolim=False)
    return casing, lines


def _set_lines(cased: tuple[Any, Any], xy: Any, rgb: NDArray[np.float64], width_pt: NDArray[np.float64]) -> None:
    casing, lines = cased
    for collection, colours, widths in ((casing, _CASING_RGBA, width_pt + 1.0), (lines, rgb, width_pt)):
        collection.set_segments(xy)
        collection.set_color(colours)
        collection.set_linewidths(widths)


def _label(axes: Any) -> Any:
    box = {"boxstyle": "round,pad=0.25", "facecolor": "black", "alpha": 0.55, "linewidth": 0}
    return axes.annotate(
        "", (0, 0), (0, 0), textcoords="offset points", color="white", fontsize=10, ha="center", bbox=box
    )


def _closed(outlines: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([outlines, outlines[:, :1]], axis=1)
