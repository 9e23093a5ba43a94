"""Figures for a paper: one rod, and all rods, as wide as a column or a page, as SVG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.changes import change_frames
from napari_lptem_diffusion.diffusion.known import is_known
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.comparison_figures import save_publication_figure
from napari_lptem_diffusion.export.drawing import display_of_image, draw_legend, draw_scale_bar, tracks_of
from napari_lptem_diffusion.export.figures import (
    INK,
    LINES,
    draw_band,
    draw_msd_curves,
    draw_ribbon,
    plain_axes,
)
from napari_lptem_diffusion.export.folder import staged
from napari_lptem_diffusion.export.palette import ALPHA_CTRW, ALPHA_FBM, MIXING_RATIO, ColourScale
from napari_lptem_diffusion.export.rc import drawing_with
from napari_lptem_diffusion.export.tables import rods_with_motion
from napari_lptem_diffusion.export.units import time_axis
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

COLUMN_MM, PAGE_MM = 85.0, 180.0
"""Widths that journals print: one column, the whole page."""
FIGURED_RODS = 6
"""So many of the longest tracks are drawn where nobody says which."""

_MM_PER_INCH = 25.4
_SIZE_PT = 7.0
_ROD_HEIGHT_MM, _RODS_HEIGHT_MM = 118.0, 125.0
_PICTURE_ASPECT = 1.7
_MARGIN_PX = 12.0
_NUMBERED_RODS = 30
_PALEST = 0.15
_NO_IMAGE_GREY = 96


def rod_figure(analysis: Analysis, particle: int) -> Figure:
    """Draw one rod, a column wide: its track on the movie, and mixing ratio and exponents over time.

    Parameters
    ----------
    analysis : Analysis
    particle : int

    Raises
    ------
    InputError
        If there is no such particle.
    """
    particles = analysis.motion.particles
    row = particles[particles["particle"] == particle]
    if row.empty:
        raise InputError(f"{analysis.movie.name} has no particle {particle}; one of summary.csv was expected.")
    rods = rods_with_motion(analysis)
    rods = rods[rods["particle"] == particle].set_index("frame", drop=False)
    changes = change_frames(row["change_points"].iloc[0])
    with drawing_with(_TEXT):
        figure = _figure(COLUMN_MM, _ROD_HEIGHT_MM)
        above, ribbon, *below = figure.subplots(5, 1, height_ratios=[2.5, 0.12, 1, 1, 1])
        _draw_track(above, analysis, rods, changes)
        draw_ribbon(ribbon, rods, analysis)
        _draw_over_time([ribbon, *below], analysis, rods, changes)
        _settle(figure)
    return figure


def rods_figure(analysis: Analysis) -> Figure:
    """Draw all rods, a page wide: mixing ratios, both exponents against them, and mean squared displacements.

    Bars are central 90 % intervals, and the wider, the paler; rings are values that are not known (`is_known`),
    diamonds are around rods whose motion changes. Rods that are immobile or too short to judge are only counted.
    """
    particles = analysis.motion.particles
    judged = particles.dropna(subset=["mixing_ratio"])
    with drawing_with(_TEXT):
        figure = _figure(PAGE_MM, _RODS_HEIGHT_MM)
        (ranked, fbm), (msd, ctrw) = figure.subplots(2, 2)
        _draw_ranked(ranked, judged, len(particles))
        for axes, scale in ((fbm, ALPHA_FBM), (ctrw, ALPHA_CTRW)):
            _draw_against_mixing(axes, judged, scale)
        draw_msd_curves(msd, analysis, width_pt=0.9)
        for letter, axes in zip("acbd", (ranked, msd, fbm, ctrw), strict=True):
            plain_axes(axes, _SIZE_PT)
            axes.text(-0.16, 1.02, letter, transform=axes.transAxes, weight="bold", size=_SIZE_PT + 2, color=INK)
        _settle(figure)
    return figure


def write_figures(
    analysis: Analysis,
    folder: Path,
    particles: Sequence[int] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[str]:
    """Write ``all_rods`` and ``rod_0000``, ..., each as SVG and PDF, into *folder*; return their names.

    Parameters
    ----------
    analysis : Analysis
    folder : Path
        Exists; files are written in place.
    particles : sequence of int, optional
        The longest `FIGURED_RODS` that were judged if left out.
    progress, should_stop : callable, optional

    Raises
    ------
    InputError
        If there is no such particle.
    Stopped
        If *should_stop* answered True.
    """
    chosen = longest_judged(analysis) if particles is None else list(particles)
    names = []
    for done in range(len(chosen) + 1):
        report(progress, should_stop, done, len(chosen) + 1, "draw figures")
        figure = rods_figure(analysis) if done == 0 else rod_figure(analysis, chosen[done - 1])
        name = "all_rods" if done == 0 else f"rod_{chosen[done - 1]:04d}"
        for kind in ("svg", "pdf"):
            names.append(f"{name}.{kind}")
            save_publication_figure(figure, folder / names[-1])
    return names


def save_figures(
    analysis: Analysis,
    folder: str | Path,
    particles: Sequence[int] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the figures of `write_figures` into *folder*, all or none, and return it.

    Raises
    ------
    InputError
        If *folder* is not empty and *overwrite* is False, cannot be written to, or there is no such particle.
    Stopped
        If *should_stop* answered True; *folder* is as it was then.
    """
    with staged(folder, overwrite) as new:
        write_figures(analysis, new, particles, progress, should_stop)
    return Path(folder)


def longest_judged(analysis: Analysis) -> list[int]:
    """Return the particles with the longest tracks among those with a mixing ratio, at most `FIGURED_RODS`."""
    judged = analysis.motion.particles.dropna(subset=["mixing_ratio"])
    longest = judged.sort_values(["frames", "particle"], ascending=[False, True])
    return [int(particle) for particle in longest["particle"].head(FIGURED_RODS)]


def cut_out(rods: pd.DataFrame, shape_yx: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return which part of a picture to show around a track: (left, top), (width, height), px, of a fixed aspect.

    Parameters
    ----------
    rods : DataFrame
        ``x``, ``y`` and, where known, ``length`` (px).
    shape_yx : tuple of int
        Of the picture; the part lies within it, and so does the track if it does.
    """
    margin = max(float(rods["length"].median()), _MARGIN_PX) if "length" in rods else _MARGIN_PX
    low = rods[["x", "y"]].min().to_numpy() - margin
    high = rods[["x", "y"]].max().to_numpy() + margin
    size = high - low
    size = np.maximum(size, size[::-1] * [_PICTURE_ASPECT, 1 / _PICTURE_ASPECT])
    middle = (low + high) / 2
    limits = np.array(shape_yx[::-1])
    size = np.minimum(size, limits)
    start = np.clip(middle - size / 2, 0, limits - size).round().astype(int)
    extent = np.minimum(np.ceil(size).astype(int), limits - start)
    return (int(start[0]), int(start[1])), (int(extent[0]), int(extent[1]))


_TEXT: dict[Any, Any] = {
    "font.size": _SIZE_PT,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def _figure(width_mm: float, height_mm: float) -> Figure:
    size_in = (width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH)
    figure = Figure(figsize=size_in, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _settle(figure: Figure) -> None:
    """Lay the axes out once, at round places: the last digits of the layout differ from time to time."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(side), 5) for side in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def _draw_track(axes: Any, analysis: Analysis, rods: pd.DataFrame, changes: Sequence[int]) -> None:
    """The track on the first frame in which the rod was seen, cut out around it."""
    (left, top), (width, height) = cut_out(rods, analysis.movie.shape[1:])
    image = np.asarray(analysis.movie[int(rods["frame"].iloc[0])], dtype=np.float32)
    grey = _grey(image[top : top + height, left : left + width])
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    shifted = rods.assign(x=rods["x"] - left, y=rods["y"] - top).reset_index(drop=True)
    tracks = tracks_of(shifted, MIXING_RATIO)
    axes.add_collection(LineCollection(list(tracks.xy), colors="black", linewidths=1.5, alpha=0.4))
    axes.add_collection(LineCollection(list(tracks.xy), colors=tracks.rgb, linewidths=0.8, capstyle="round"))
    first = shifted.iloc[0]
    axes.plot(first["x"], first["y"], "o", markersize=3.5, color="white", markeredgecolor="black", markeredgewidth=0.6)
    at = shifted[shifted["frame"].isin(changes)]
    axes.plot(at["x"], at["y"], "D", markersize=3.2, color="none", markeredgecolor="white", markeredgewidth=0.8)
    axes.set(xlim=(-0.5, grey.shape[1] - 0.5), ylim=(grey.shape[0] - 0.5, -0.5))
    axes.set_axis_off()
    draw_scale_bar(axes, grey.shape, analysis.movie.calibration.pixel_size_nm, size_pt=_SIZE_PT)
    legend = axes.inset_axes((0.3, -0.14, 0.4, 0.05))
    draw_legend(legend, MIXING_RATIO, INK, size_pt=_SIZE_PT - 1)


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture as 8-bit grey; an even grey where there is none."""
    if not np.isfinite(image).all() or np.ptp(image) == 0:
        return np.full(image.shape, _NO_IMAGE_GREY, np.uint8)
    return display_of_image(image).grey(image)


def _draw_over_time(rows: Sequence[Any], analysis: Analysis, rods: pd.DataFrame, changes: Sequence[int]) -> None:
    """Mixing ratio and exponents with bands and change points, under the ribbon."""
    calibration = analysis.movie.calibration
    frames = pd.RangeIndex(rods.index[0], rods.index[-1] + 1)
    times, label = time_axis(frames.to_series(), calibration)
    at, _ = time_axis(pd.Series(changes, dtype=float), calibration)
    for axes, (scale, colour) in zip(rows[1:], LINES, strict=True):
        draw_band(axes, times, rods.reindex(frames), scale, colour, _SIZE_PT)
        for change in at:
            axes.axvline(change, color=INK, linewidth=0.7, linestyle=(0, (4, 2)))
    for axes in rows:
        axes.set_xlim(times.iloc[0], max(times.iloc[-1], times.iloc[0] + 1e-9))
    for axes in rows[:-1]:
        axes.tick_params(labelbottom=False)
    rows[2].axhline(1.0, color="#9aa5b1", linewidth=0.7, linestyle=":")
    rows[-1].set_xlabel(label)


def _draw_ranked(axes: Any, judged: pd.DataFrame, all_particles: int) -> None:
    """The mixing ratio of every rod with its interval, in their order."""
    ordered = judged.sort_values(["mixing_ratio", "particle"], ignore_index=True)
    rank = ordered.index.to_numpy()
    rgba = _inks(ordered, MIXING_RATIO)
    axes.hlines(rank, ordered["mixing_ratio_low"], ordered["mixing_ratio_high"], colors=rgba, linewidths=1.0)
    known = _known(ordered, MIXING_RATIO)
    _draw_points(axes, ordered.assign(x=ordered["mixing_ratio"], y=rank), rgba, known)
    if len(ordered) <= _NUMBERED_RODS:
        axes.set_yticks(rank, [str(particle) for particle in ordered["particle"]])
        axes.set_ylabel("Rod")
    else:
        axes.set_ylabel("Rods in their order")
    axes.set(xlim=(0, 1), xlabel="Mixing ratio   (0: CTRW,  1: FBM)")
    said = f"{len(judged)} of {all_particles} rods judged, {known.sum()} known"
    said += "" if known.all() else "; rings: not known"
    said += "; diamonds: changes" if (judged["change_points"] != "").any() else ""
    axes.set_title(said, fontsize=_SIZE_PT, color=INK, loc="left")


def _draw_against_mixing(axes: Any, judged: pd.DataFrame, scale: ColourScale) -> None:
    """An exponent against the mixing ratio, both with their intervals."""
    rgba = _inks(judged, scale)
    rgba[:, 3] = np.minimum(rgba[:, 3], _inks(judged, MIXING_RATIO)[:, 3])
    mixing, value = judged["mixing_ratio"], judged[scale.column]
    axes.hlines(value, judged["mixing_ratio_low"], judged["mixing_ratio_high"], colors=rgba, linewidths=0.7)
    axes.vlines(mixing, judged[f"{scale.column}_low"], judged[f"{scale.column}_high"], colors=rgba, linewidths=0.7)
    known = _known(judged, MIXING_RATIO) & _known(judged, scale)
    _draw_points(axes, judged.assign(x=mixing, y=value), rgba, known)
    if scale is ALPHA_FBM:
        axes.axhline(1.0, color="#9aa5b1", linewidth=0.7, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(scale.low, scale.high), xlabel="Mixing ratio", ylabel=scale.title)


def _draw_points(axes: Any, rods: pd.DataFrame, rgba: NDArray[np.float64], known: NDArray[np.bool_]) -> None:
    """Draw *rods* at ``x``, ``y``: rings where the value is not known, inside of a diamond where the motion changes."""
    faces = np.where(known[:, None], rgba, 1.0)
    axes.scatter(rods["x"], rods["y"], s=8, facecolors=faces, edgecolors=rgba, linewidths=0.7, zorder=3)
    changes = (rods["change_points"] != "").to_numpy()
    around = rods[changes]
    axes.scatter(
        around["x"], around["y"], s=34, marker="D", facecolors="none", edgecolors=rgba[changes], linewidths=0.7
    )


def _known(rows: pd.DataFrame, scale: ColourScale) -> NDArray[np.bool_]:
    return is_known(scale.column, rows[f"{scale.column}_low"], rows[f"{scale.column}_high"])


def _inks(rows: pd.DataFrame, scale: ColourScale) -> NDArray[np.float64]:
    """(rows, 4): the ink of a quantity, the paler the wider the interval."""
    ink = dict(LINES)[scale]
    rgb = [int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    certainty = scale.certainty(rows[f"{scale.column}_low"], rows[f"{scale.column}_high"])
    return np.column_stack([np.tile(rgb, (len(rows), 1)), _PALEST + (1 - _PALEST) * certainty])
