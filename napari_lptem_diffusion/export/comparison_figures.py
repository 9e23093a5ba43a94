"""The figure of a comparison: every quantity against the condition, particle by particle."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.export.rc import drawing_with

_INK = "#1d2733"
_TITLES = {
    "mixing_ratio": "Mixing ratio\n(0: CTRW, 1: FBM)",
    "alpha_fbm": "FBM exponent",
    "alpha_ctrw": "CTRW exponent",
    "k_fbm": "K FBM",
    "k_ctrw": "K CTRW",
}
UNIT_WORDS = {
    "um2_per_s_alpha": "µm²/s^α",
    "px2_per_frame_alpha": "px²/frame^α",
    "um2_per_s": "µm²/s",
    "px2_per_frame": "px²/frame",
}
_PALEST = 0.12
_SPREAD = 0.32
"""Half the width over which the particles of a condition are spread, as a share of the distance between two."""
_DOTS_PER_INCH = 300
_AXES_WIDTH_IN, _CHARACTER_IN = 2.1, 0.06
"""Of a panel, and of a character of the labels of its ticks."""
_LONGEST_ASLANT = 18


def comparison_figure(
    particles: pd.DataFrame, table: pd.DataFrame, conditions: pd.DataFrame, condition_name: str
) -> Figure:
    """Draw each quantity against the condition: a dot for each particle, the median with its interval beside them.

    Parameters
    ----------
    particles, table, conditions : DataFrame
        As in `compare.Comparison`.
    condition_name : str
        Title of the axis.

    Notes
    -----
    The wider the interval of a particle, the paler its dot. Conditions that are all numbers stand at their value,
    others at equal distances. K has a logarithmic axis, on whose lowest line lie the particles without any.
    """
    names = list(dict.fromkeys(table["quantity"]))
    labels = list(conditions["condition"])
    place, unit = _places(labels)
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(2.7 * columns, 2.6 * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, number + 1)
        own = table[table["quantity"] == name].set_index("condition")
        _draw(axes, particles[particles["status"] == "compared"], own, name, labels, place, unit)
        axes.set_xlabel(f"{condition_name}\n(number of particles)", fontsize=8, color=_INK)
        axes.set_xlim(place[0] - 0.7 * unit, place[-1] + 0.7 * unit)
        _label_conditions(axes, place, unit, {label: int(own.loc[label, "n_particles"]) for label in labels})
    return figure


def save_publication_figure(figure: Figure, path: Path) -> None:
    """Write *figure* as the format that the suffix of *path* names; text stays text, and no date is written."""
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with drawing_with({"svg.fonttype": "none", "svg.hashsalt": "comparison", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=dates.get(path.suffix))


def _places(labels: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """Where conditions stand on the axis, and the smallest distance between two."""
    try:
        place = np.array([float(label) for label in labels])
    except ValueError:
        place = np.arange(len(labels), dtype=float)
    if not np.isfinite(place).all() or len(np.unique(place)) < len(place):
        place = np.arange(len(labels), dtype=float)
    unit = float(np.diff(np.sort(place)).min()) if len(place) > 1 else 1.0
    span = float(np.ptp(place))
    if unit < span / 15:  # numbers over decades would fall on one another
        return np.arange(len(labels), dtype=float), 1.0
    return place, unit


def _label_conditions(axes: Any, place: NDArray[np.float64], unit: float, counts: Mapping[str, int]) -> None:
    """Write each condition with its number of particles below its place; aslant where they would touch."""
    room = int(_AXES_WIDTH_IN * unit / (np.ptp(place) + 1.4 * unit) / _CHARACTER_IN)
    lines = {label: _lines(label, room) for label in counts}
    if max(len(line) for said in lines.values() for line in said) <= room:
        axes.set_xticks(place, ["\n".join((*lines[label], f"({count})")) for label, count in counts.items()])
    else:
        texts = ["\n".join(_lines(f"{label} ({count})", _LONGEST_ASLANT)) for label, count in counts.items()]
        axes.set_xticks(place, texts, rotation=40, ha="right", rotation_mode="anchor")


def _lines(text: str, room: int) -> list[str]:
    """Break *text* behind blanks, hyphens and underscores into lines of at most *room* characters where it can be."""
    lines = [""]
    for piece in re.findall(r"[^\s_-]*[\s_-]*", text):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > room:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _draw(
    axes: Any,
    particles: pd.DataFrame,
    table: pd.DataFrame,
    name: str,
    labels: Sequence[str],
    place: NDArray[np.float64],
    unit: float,
) -> None:
    scale = SCALES.get(name)
    positive = particles[name][particles[name] > 0]
    floor = float(positive.min()) / 2 if len(positive) else 1.0
    for label, x in zip(labels, place, strict=True):
        own = particles[particles["condition"] == label].dropna(subset=[name])
        if own.empty:
            continue
        shown = own[name] if scale else own[name].clip(lower=floor)
        opacity = _PALEST + (1 - _PALEST) * _certainty(own, name)
        spread = x + unit * _SPREAD * (_even(len(own)) * 2 - 1)
        axes.scatter(spread, shown, s=13, c="#2d6fa8", alpha=opacity, linewidths=0, rasterized=len(own) > 2000)
        low, median, high = table.loc[[label], ["low", "median", "high"]].to_numpy(float)[0]
        if np.isfinite(median):
            low, median, high = np.maximum([low, median, high], -np.inf if scale else floor)
            axes.plot([x, x], [low, high], color=_INK, linewidth=2.2, solid_capstyle="butt", zorder=3)
            axes.plot([x], [median], marker="D", color="white", markeredgecolor=_INK, markersize=5, zorder=4)
    if scale:
        margin = 0.03 * (scale.high - scale.low)
        axes.set_ylim(scale.low - margin, scale.high + margin)
    elif len(positive):
        axes.set_yscale("log")
    measured = UNIT_WORDS.get(str(table["unit"].iloc[0]), "")
    axes.set_ylabel(f"{_TITLES[name]}{f' ({measured})' if measured else ''}", fontsize=8, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", colors=_INK, labelsize=7)
    axes.grid(axis="y", color="#e3e8ee", linewidth=0.7)
    axes.set_axisbelow(True)


def _certainty(own: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """1 for a value known exactly, 0 for one about which nothing is known; for K by how many times it may be off."""
    low, high = own[f"{name}_low"].to_numpy(float), own[f"{name}_high"].to_numpy(float)
    if scale := SCALES.get(name):
        certainty: NDArray[np.float64] = scale.certainty(low, high)
        return certainty
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.log10(high / low)
    return 1 - np.clip(np.where(np.isfinite(decades), decades, 1.0), 0.0, 1.0)


def _even(count: int) -> NDArray[np.float64]:
    """Places in 0 to 1 that look scattered and are the same each time: multiples of the golden ratio."""
    return np.asarray((0.5 + np.arange(count) * 0.6180339887498949) % 1, dtype=np.float64)
