"""Figures of an analysis and of a training; matplotlib without pyplot, so that they can be drawn in any thread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.changes import change_frames
from napari_lptem_diffusion.diffusion.known import is_known
from napari_lptem_diffusion.export.drawing import (
    display_of_image,
    draw_legend,
    draw_scale_bar,
    mean_frame,
    rgb_of,
    tracks_of,
)
from napari_lptem_diffusion.export.palette import ALPHA_CTRW, ALPHA_FBM, MIXING_RATIO, NO_VALUE_RGB, ColourScale
from napari_lptem_diffusion.export.rc import drawing_with
from napari_lptem_diffusion.export.tables import msd_table, rods_with_motion
from napari_lptem_diffusion.export.units import time_axis

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

INK = "#1d2733"
_FAINT = "#9aa5b1"
LINES = ((MIXING_RATIO, "#3b4653"), (ALPHA_FBM, "#1f5f99"), (ALPHA_CTRW, "#b0561f"))
_PICTURE_WIDTH_IN = 8.0
_LEGEND_HEIGHT_IN = 0.75
_AVERAGED_FRAMES = 32
_DOTS_PER_INCH = 150
LABELLED_CURVES = 10
_LABEL_HEIGHT = 0.05
"""Least distance between labels of curves, as a share of the height of the axes."""


def picture(analysis: Analysis) -> Figure:
    """Draw every track, coloured by the mixing ratio at each frame, on the mean of some frames of the movie."""
    movie = analysis.drawn_over or analysis.movie
    height, width = movie.shape[1:]
    image_in = _PICTURE_WIDTH_IN * height / width
    total_in = image_in + _LEGEND_HEIGHT_IN
    figure = _figure(_PICTURE_WIDTH_IN, total_in)
    axes = figure.add_axes((0.0, _LEGEND_HEIGHT_IN / total_in, 1.0, image_in / total_in))
    axes.set_axis_off()
    mean = mean_frame(movie, _AVERAGED_FRAMES)
    axes.imshow(display_of_image(mean).grey(mean), cmap="gray", vmin=0, vmax=255)

    rods = rods_with_motion(analysis)
    tracks = tracks_of(rods, MIXING_RATIO)
    axes.add_collection(LineCollection(list(tracks.xy), colors="black", linewidths=2.4, alpha=0.35))
    axes.add_collection(LineCollection(list(tracks.xy), colors=tracks.rgb, linewidths=1.4, capstyle="round"))
    starts = rods.groupby("particle").head(1)
    for particle, x, y in starts[["particle", "x", "y"]].to_numpy():
        _number(axes, int(particle), x, y, on_the_left=x > 0.95 * width)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    draw_scale_bar(axes, (height, width), analysis.movie.calibration.pixel_size_nm, size_pt=9)
    legend = figure.add_axes((0.3, 0.25 / total_in, 0.4, 0.2 / total_in))
    draw_legend(legend, MIXING_RATIO, INK, size_pt=8)
    return figure


def time_plot(analysis: Analysis, particle: int) -> Figure:
    """Plot mixing ratio and exponents of *particle* against time, with 90 % bands and change points."""
    rods = analysis.motion.frames
    rods = rods[rods["particle"] == particle].set_index("frame", drop=False)
    particles = analysis.motion.particles
    row = particles[particles["particle"] == particle].iloc[0]
    figure = _figure(8.0, 4.6, layout="constrained")
    rows = figure.subplots(4, 1, sharex=True, height_ratios=[0.16, 1, 1, 1])
    draw_ribbon(rows[0], rods, analysis)

    frames = pd.RangeIndex(rods.index[0], rods.index[-1] + 1)
    with_gaps = rods.reindex(frames)
    times, label = time_axis(frames.to_series(), analysis.movie.calibration)
    changed = pd.Series(change_frames(row["change_points"]), dtype=float)
    changes, _ = time_axis(changed, analysis.movie.calibration)
    for axes, (scale, colour) in zip(rows[1:], LINES, strict=True):
        draw_band(axes, times, with_gaps, scale, colour)
        for change in changes:
            axes.axvline(change, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    rows[2].axhline(1.0, color=_FAINT, linewidth=0.8, linestyle=":")
    rows[-1].set_xlabel(label)
    rows[-1].set_xlim(times.iloc[0], times.iloc[-1])
    rows[0].set_title(_heading(particle, row), loc="left", fontsize=10, color=INK)
    return figure


def mixing_histogram(analysis: Analysis) -> Figure:
    """Draw how often each mixing ratio occurs, over all particles and frames; grey above, where it is not known."""
    figure = _figure(4.6, 3.2, layout="constrained")
    axes = figure.subplots()
    rods = analysis.motion.frames.dropna(subset=["mixing_ratio"])
    known = is_known("mixing_ratio", rods["mixing_ratio_low"], rods["mixing_ratio_high"])
    counts, edges = np.histogram(rods["mixing_ratio"][known], bins=20, range=(0.0, 1.0))
    unknown, _ = np.histogram(rods["mixing_ratio"][~known], bins=edges)
    middles = (edges[1:] + edges[:-1]) / 2
    axes.bar(middles, counts, width=0.05, color=MIXING_RATIO.rgb(middles), edgecolor=INK, linewidth=0.6)
    axes.bar(middles, unknown, width=0.05, bottom=counts, color=NO_VALUE_RGB, edgecolor=_FAINT, linewidth=0.6)
    axes.set(xlim=(0, 1), xlabel="Mixing ratio   (0: CTRW,  1: FBM)", ylabel="Number of rod-frames")
    plain_axes(axes)
    return figure


def msd_plot(analysis: Analysis) -> Figure:
    """Plot the time-averaged mean squared displacement of every particle in the colour of its mixing ratio.

    The longest tracks are labelled with their particle, at most `LABELLED_CURVES` of them.
    """
    figure = _figure(4.6, 3.2, layout="constrained")
    axes = figure.subplots()
    curves = draw_msd_curves(axes, analysis, width_pt=1.5)
    particles = analysis.motion.particles
    longest = particles.sort_values(["frames", "particle"], ascending=[False, True]).head(LABELLED_CURVES)
    _label_ends(axes, curves[curves["particle"].isin(longest["particle"])])
    plain_axes(axes)
    return figure


def draw_msd_curves(axes: Any, analysis: Analysis, width_pt: float) -> pd.DataFrame:
    """Draw the mean squared displacement of every particle into *axes*; return ``particle``, ``lag``, ``msd``."""
    table = msd_table(analysis)
    lag = "lag_s" if "lag_s" in table else "lag_frames"
    msd = "msd_um2" if "msd_um2" in table else "msd_px2"
    curves = table.loc[table[msd] > 0, ["particle", lag, msd]].set_axis(["particle", "lag", "msd"], axis=1)
    particles = analysis.motion.particles
    colour = dict(zip(particles["particle"], rgb_of(particles, MIXING_RATIO), strict=True))
    casing = [withStroke(linewidth=1.6 * width_pt, foreground=INK)]
    for particle, curve in curves.groupby("particle"):
        axes.loglog(curve["lag"], curve["msd"], color=colour[particle], linewidth=width_pt, path_effects=casing)
    axes.set_xlabel("Lag (s)" if lag == "lag_s" else "Lag (frames)")
    axes.set_ylabel("MSD (µm²)" if msd == "msd_um2" else "MSD (px²)")
    axes.xaxis.set_minor_formatter(NullFormatter())
    return curves


def save_training_figure(log: str | Path, path: str | Path) -> None:
    """Plot the losses of a training against its steps and write the figure to *path*.

    Parameters
    ----------
    log : path
        ``log.csv`` of a training: ``step``, ``training_loss``, ``validation_loss``.
    path : path
        Its suffix names the format.
    """
    losses = pd.read_csv(log)
    figure = _figure(6.0, 3.6, layout="constrained")
    axes = figure.subplots()
    axes.plot(losses["step"], losses["training_loss"], color=_FAINT, linewidth=1.2, label="training")
    axes.plot(losses["step"], losses["validation_loss"], color=INK, linewidth=1.6, label="validation")
    axes.set(xlabel="Step", ylabel="Loss")
    axes.legend(frameon=False, fontsize=9)
    plain_axes(axes)
    save_figure(figure, path)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write *figure* as the format that the suffix of *path* names."""
    with drawing_with():
        figure.savefig(path, dpi=_DOTS_PER_INCH)


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Return *figure* as the bytes of a file of *kind*, "png" or "svg"."""
    buffer = io.BytesIO()
    with drawing_with():
        figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH)
    return buffer.getvalue()


def _figure(width_in: float, height_in: float, layout: Literal["constrained"] | None = None) -> Figure:
    figure = Figure(figsize=(width_in, height_in), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _number(axes: Any, particle: int, x: float, y: float, on_the_left: bool) -> None:
    axes.annotate(
        str(particle),
        (x, y),
        (-5 if on_the_left else 5, 5),
        textcoords="offset points",
        ha="right" if on_the_left else "left",
        color="white",
        fontsize=8,
        weight="bold",
        path_effects=[withStroke(linewidth=2, foreground="black")],
        annotation_clip=True,
    )


def draw_ribbon(axes: Any, rods: pd.DataFrame, analysis: Analysis) -> None:
    """Draw a stripe in the colours of the track, to find the same stretch in the movie."""
    times, _ = time_axis(rods["frame"], analysis.movie.calibration)
    width, _ = time_axis(pd.Series([1]), analysis.movie.calibration)
    axes.set_facecolor("#6e6e6e")
    colours = rgb_of(rods, MIXING_RATIO)
    axes.bar(times, 1, width=float(width[0]), color=colours, edgecolor=colours, linewidth=0.4)  # else seams show
    axes.set(ylim=(0, 1), yticks=[])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_band(
    axes: Any, times: pd.Series, rods: pd.DataFrame, scale: ColourScale, colour: str, size_pt: float = 9
) -> None:
    """Draw a quantity of one particle with its 90 % band into *axes*; NaN are gaps."""
    name = scale.column
    axes.fill_between(times, rods[f"{name}_low"], rods[f"{name}_high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(times, rods[name], color=colour, linewidth=1.4)
    axes.set(ylim=(scale.low, scale.high), ylabel=scale.title.replace(" ", "\n"))
    axes.set_yticks(np.linspace(scale.low, scale.high, 3))
    plain_axes(axes, size_pt)
    if rods[name].isna().all():
        text = "not judged: too short, or immobile"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=INK, fontsize=size_pt)


def _label_ends(axes: Any, curves: pd.DataFrame) -> None:
    """Write the particle of each curve to the right of the axes, level with its end, and lead there by a line."""
    ends = curves.groupby("particle").tail(1).sort_values("msd")
    axes.autoscale_view()
    at = (axes.transScale + axes.transLimits).transform(ends[["lag", "msd"]].to_numpy(float))
    levels = _apart(at[:, 1], _LABEL_HEIGHT)
    for particle, end, level in zip(ends["particle"], at, levels, strict=True):
        axes.annotate(
            str(particle),
            end,
            (1.06, level),
            xycoords=axes.transAxes,
            textcoords=axes.transAxes,
            va="center",
            color=INK,
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": _FAINT, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 1},
        )


def _apart(levels: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the ascending *levels*, moved up as little as keeps each *least* above the one before, then centred."""
    if not len(levels):
        return levels
    steps = least * np.arange(len(levels))
    moved: NDArray[np.float64] = np.maximum.accumulate(levels - steps) + steps
    moved -= (moved - levels).mean()
    return moved


def _heading(particle: int, row: pd.Series) -> str:
    heading = f"Particle {particle}: {row['frames']} frames"
    if np.isfinite(row["model_mismatch"]):
        heading += f", model mismatch {row['model_mismatch']:.2f}"
    return heading + (", immobile" if row["immobile"] else "")


def plain_axes(axes: Any, size_pt: float = 9) -> None:
    """Draw *axes* sparingly: two spines, a faint grid, texts of *size_pt* and a little less at the ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=size_pt * 8 / 9)
    axes.xaxis.label.set(color=INK, fontsize=size_pt)
    axes.yaxis.label.set(color=INK, fontsize=size_pt)
    axes.grid(color="#e3e8ee", linewidth=0.7)
    axes.set_axisbelow(True)
