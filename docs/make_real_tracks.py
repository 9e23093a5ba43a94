"""Write docs/real_tracks.md and its pictures from published tracks of gold nanorods.

The tracks are those of vidajamali/MoNet (MIT licence), as one CSV of particle, frame, x, y::

    python docs/make_real_tracks.py aunr_tracks.csv
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.estimate import Motion, estimate_diffusion
from napari_lptem_diffusion.export.figures import LINES
from napari_lptem_diffusion.export.palette import MIXING_RATIO

HERE = Path(__file__).parent
LONGEST_STEP = 10.0
"""Of the step between two windows, in rms steps of the window before: a longer one is another recording."""
ASSUMED_ERRORS = (None, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65)
"""Localization errors that are tried, in rms one-frame displacements of the track per axis; None: not told."""
INK, FAINT = "#1d2733", "#9aa5b1"


def main() -> None:
    """Judge the tracks, draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracks", type=Path)
    windows = pd.read_csv(parser.parse_args().tracks)
    recording = recordings(windows)
    motion = estimate_diffusion(windows)
    judged = motion.particles.assign(recording=recording)
    shown = instructive(motion)
    save(histogram(motion), "real_tracks_histogram")
    save(by_recording(judged), "real_tracks_recordings")
    save(over_time(motion, shown), "real_tracks_over_time")
    page = PAGE.format(
        windows=len(judged),
        recordings=recording.max() + 1,
        spread=spread_lines(motion, judged),
        shown=shown_lines(motion, shown),
        assumed=assumed_lines(windows, judged),
    )
    (HERE / "real_tracks.md").write_text(page, encoding="utf-8")


def recordings(windows: pd.DataFrame) -> NDArray[np.int64]:
    """Return for each window the number of its recording: a window that begins where the last ended is of the same."""
    by_window = windows.sort_values(["particle", "frame"]).groupby("particle")[["x", "y"]]
    first, last = by_window.first().to_numpy(), by_window.last().to_numpy()
    between = np.hypot(*(first[1:] - last[:-1]).T)
    return np.r_[0, np.cumsum(between > LONGEST_STEP * rms_steps(windows)[:-1])]


def rms_steps(windows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the root mean square displacement from frame to frame of each window."""
    squares = windows.groupby("particle")[["x", "y"]].diff().pow(2).sum(axis=1, min_count=2)
    return np.sqrt(squares.groupby(windows["particle"]).mean().to_numpy())


def within_range(motion: Motion) -> pd.Series:
    """Return how much the mixing ratio varies within each track: between the 5 and 95 % points over its frames."""
    by_track = motion.frames.groupby("particle")["mixing_ratio"]
    return by_track.quantile(0.95) - by_track.quantile(0.05)


def instructive(motion: Motion) -> list[int]:
    """Return the window that is surest FBM, the one that is surest CTRW, and the one that changes most."""
    particles = motion.particles
    rows = [particles["mixing_ratio_low"].argmax(), particles["mixing_ratio_high"].argmin()]
    rows.append(within_range(motion).argmax())  # in the same order: both are sorted by particle
    return [int(particle) for particle in particles["particle"].iloc[rows]]


def spread_lines(motion: Motion, judged: pd.DataFrame) -> str:
    """Return the lines of the table of what the tracks say."""
    ratio = judged["mixing_ratio"]
    width = (judged["mixing_ratio_high"] - judged["mixing_ratio_low"]).median()
    by_recording = judged.groupby("recording")["mixing_ratio"]
    between, within = by_recording.mean().std(), by_recording.std().pow(2).mean() ** 0.5
    surely_ctrw = (judged["mixing_ratio_high"] < 0.5).groupby(judged["recording"]).mean()
    points = " / ".join(f"{ratio.quantile(share):.2f}" for share in (0.05, 0.25, 0.5, 0.75, 0.95))
    lines = [
        ("mixing ratio of a window: 5 / 25 / 50 / 75 / 95 %", points),
        ("windows surely above one half (90 % interval), surely below", shares(judged)),
        ("median width of that interval", f"{width:.2f}"),
        ("standard deviation between recordings, between windows of one recording", f"{between:.2f}, {within:.2f}"),
        ("recordings in which most windows are surely below, in which none is", kinds(surely_ctrw)),
        ("median range within a window (5 to 95 % of its frames)", f"{within_range(motion).median():.2f}"),
        ("windows with a change point", f"{(judged['change_points'].fillna('') != '').mean():.0%}"),
        (
            "windows that no mixture explains (`model_mismatch` above 0.5)",
            f"{(judged['model_mismatch'] > 0.5).mean():.0%}",
        ),
        ("median `alpha_fbm` where the mixing ratio is above one half", median_of(judged, "alpha_fbm", ratio > 0.5)),
        ("median `alpha_ctrw` where it is below", median_of(judged, "alpha_ctrw", ratio < 0.5)),
    ]
    return "\n".join(f"| {what} | {value} |" for what, value in lines)


def shares(judged: pd.DataFrame) -> str:
    """Return the shares of windows that are surely above and surely below one half."""
    return f"{(judged['mixing_ratio_low'] > 0.5).mean():.0%}, {(judged['mixing_ratio_high'] < 0.5).mean():.0%}"


def kinds(shares: pd.Series) -> str:
    """Return how many recordings have a share above one half, and how many one of 0."""
    return f"{(shares > 0.5).sum()}, {(shares == 0).sum()}"


def median_of(judged: pd.DataFrame, column: str, rows: pd.Series) -> str:
    """Return the median with the medians of the ends of the intervals."""
    chosen = judged[rows]
    value, low, high = (chosen[f"{column}{end}"].median() for end in ("", "_low", "_high"))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def shown_lines(motion: Motion, shown: list[int]) -> str:
    """Return the lines of the table of the tracks in the picture."""
    rows = motion.particles.set_index("particle").loc[shown]
    lines = []
    for particle, row in rows.iterrows():
        values = [
            f"{row[c]:.2f} ({row[f'{c}_low']:.2f} to {row[f'{c}_high']:.2f})"
            for c in ("mixing_ratio", "alpha_fbm", "alpha_ctrw")
        ]
        lines.append(f"| {particle} | {' | '.join(values)} | {row['model_mismatch']:.2f} |")
    return "\n".join(lines)


def assumed_lines(windows: pd.DataFrame, judged: pd.DataFrame) -> str:
    """Return how the reading of the FBM-like windows depends on the localization error that one assumes."""
    like_fbm = judged.loc[judged["mixing_ratio"] > 0.5, "particle"]
    chosen = windows[windows["particle"].isin(like_fbm)]
    per_axis = pd.Series(rms_steps(windows) / np.sqrt(2), index=np.sort(windows["particle"].unique()))
    lines = []
    for share in ASSUMED_ERRORS:
        told = chosen if share is None else chosen.assign(localization_error=share * chosen["particle"].map(per_axis))
        found = estimate_diffusion(told).particles
        every = pd.Series(True, index=found.index)
        medians = [median_of(found, column, every) for column in ("alpha_fbm", "mixing_ratio")]
        immobile = f"{found['immobile'].mean():.0%}"
        lines.append(f"| {'not told' if share is None else share} | {' | '.join(medians)} | {immobile} |")
    return "\n".join(lines)


def histogram(motion: Motion) -> Figure:
    """Draw how often each mixing ratio occurs: whole windows, and single frames."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    tables = ((motion.particles, "Windows of 300 frames"), (motion.frames, "Frames"))
    for axes, (table, name) in zip(figure.subplots(1, 2), tables, strict=True):
        counts, edges = np.histogram(table["mixing_ratio"].dropna(), bins=20, range=(0, 1))
        middles = (edges[1:] + edges[:-1]) / 2
        axes.bar(middles, counts, 0.05, color=MIXING_RATIO.rgb(middles), edgecolor=INK, linewidth=0.6)
        axes.set(xlim=(0, 1), xlabel="Mixing ratio   (0: CTRW,  1: FBM)", ylabel=name)
        plain(axes)
    return figure


def by_recording(judged: pd.DataFrame) -> Figure:
    """Draw each window's mixing ratio with its interval, one line per recording, sorted by the median."""
    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.subplots()
    order = judged.groupby("recording")["mixing_ratio"].median().sort_values().index
    for line, recording in enumerate(order):
        rows = judged[judged["recording"] == recording]
        height = line + np.linspace(-0.33, 0.33, len(rows)) if len(rows) > 1 else np.array([line])
        axes.hlines(height, rows["mixing_ratio_low"], rows["mixing_ratio_high"], color=FAINT, linewidth=0.6, alpha=0.6)
        colours = MIXING_RATIO.rgb(rows["mixing_ratio"])
        axes.scatter(rows["mixing_ratio"], height, c=colours, s=14, edgecolors=INK, linewidths=0.4, zorder=3)
    axes.set_yticks(
        range(len(order)), [f"{name} ({(judged['recording'] == name).sum()})" for name in order], fontsize=7
    )
    axes.set(xlim=(0, 1), ylim=(-0.7, len(order) - 0.3))
    axes.set(xlabel="Mixing ratio, with 90 % interval", ylabel="Recording (number of windows)")
    plain(axes)
    return figure


def over_time(motion: Motion, shown: list[int]) -> Figure:
    """Draw mixing ratio and exponents of the *shown* windows over time, with their 90 % bands."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    grid = figure.subplots(len(LINES), len(shown), sharex=True, sharey="row", squeeze=False)
    for column, particle in enumerate(shown):
        frames = motion.frames[motion.frames["particle"] == particle]
        for axes, (scale, colour) in zip(grid[:, column], LINES, strict=True):
            low, high = frames[f"{scale.column}_low"], frames[f"{scale.column}_high"]
            axes.fill_between(frames["frame"], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(frames["frame"], frames[scale.column], color=colour, linewidth=1.2)
            axes.set_ylim(scale.low - 0.03, scale.high + 0.03)
            plain(axes)
        grid[0, column].set_title(f"window {particle}", fontsize=9, color=INK)
        grid[-1, column].set_xlabel("frame")
    for axes, (scale, _) in zip(grid[:, 0], LINES, strict=True):
        axes.set_ylabel(scale.title)
    return figure


def plain(axes: Axes) -> None:
    """Take away what frames the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)


def save(figure: Figure, name: str) -> None:
    """Write docs/images/*name*.png."""
    FigureCanvasAgg(figure)
    figure.savefig(HERE / "images" / f"{name}.png", dpi=140)


PAGE = """# Published gold nanorods, judged again

Written by `python docs/make_real_tracks.py aunr_tracks.csv`, which prints every number here.

The tracks are {windows} windows of 300 frames from {recordings} recordings of gold nanorods in water on silicon
nitride (Jamali et al., PNAS 118 (10), 2021; file of vidajamali/MoNet, MIT licence). A window belongs to the recording
of the window before if it begins where that one ended. Neither localization error nor exposure nor dose rate is in the
file: the error is left unknown, and the exposure taken as the whole frame interval.

## What they say

| | |
|---|---|
{spread}

![Mixing ratios](images/real_tracks_histogram.png)

![By recording](images/real_tracks_recordings.png)

Each dot is a window, each line of dots a recording, sorted; the grey bar is the 90 % interval.

The publication reads FBM at low dose rates and CTRW at high ones, by one class for each window. The file does not say
which recording was taken at which dose rate, so that this cannot be tested here. What can be seen: between the two
classes lies a continuous spectrum of mixing ratios; recordings differ, though less than the windows of one recording
do; windows that are surely CTRW are there, and gather in some recordings. No window is surely FBM as long as the
localization error is not known: antipersistent FBM is what a localization error looks like.

## Three windows over time

![Over time](images/real_tracks_over_time.png)

Left to right: the window that is surest FBM, the one that is surest CTRW, the one whose mixing ratio changes most.

| window | mixing ratio | alpha_fbm | alpha_ctrw | mismatch |
|---|---|---|---|---|
{shown}

## What if the localization error is not what one thinks

The windows whose mixing ratio came out above one half, judged again with an assumed localization error
(standard deviation per axis, in rms one-frame displacements per axis of the window). Medians of the estimates and of
the ends of their 90 % intervals.

At 0.71 all of the displacement would be localization error. Read down the columns: what the same tracks say depends on
what one assumes of the error, and where an error is told that does not fit, the network is torn between explanations
and the interval of the mixing ratio goes from 0 to 1. Nothing in the tracks decides between the rows. A rod that is
stuck in the same movie does.

| error told | alpha_fbm | mixing ratio | immobile |
|---|---|---|---|
{assumed}
"""


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
