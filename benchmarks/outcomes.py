"""What the engine makes of simulated movies, several taken together, beside the truth and the bound of physics."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scenes import Scene

from napari_lptem_diffusion import analyze
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles.known_truth.scoring import (
    Matches,
    match_rods,
    matched_filter_snr,
    outline_gaps,
    position_bound,
    without_cut,
)

Floats = NDArray[np.float64]
_APART = 100_000  # between the frame numbers and the names of one movie and the next
ISOLATED_WIDTHS, INSIDE_PX, TOUCHING_WIDTHS = 2.0, 40.0, 0.25


@dataclass(frozen=True)
class Outcome:
    """Detections, tracks and truth of one or more movies, as one long movie.

    Attributes
    ----------
    detections, tracks : DataFrame
        As of `analyze`, without the rods that are cut by the border at their centre.
    truth : DataFrame
        Poses with ``gap`` (to the next outline, in widths), ``isolated`` and the bound of the position,
        ``bound_along`` and ``bound_across`` (px).
    seconds : dict
        Time of each stage by the clock.
    processor_seconds : float
        Time of all of them on all cores together, which other work on the machine does not lengthen.
    movies, frames : int
    """

    detections: pd.DataFrame
    tracks: pd.DataFrame
    truth: pd.DataFrame
    seconds: dict[str, float] = field(default_factory=dict)
    processor_seconds: float = 0.0
    movies: int = 1
    frames: int = 0

    def each(self) -> Iterator[Outcome]:
        """One movie after the other, without their times."""
        for number in range(self.movies):
            first = _APART * number
            tables = (self.detections, self.tracks, self.truth)
            yield Outcome(*(rows[rows["frame"].between(first, first + _APART - 1)] for rows in tables))

    def matches(self, table: pd.DataFrame, isolated: bool = False) -> Matches:
        """Pair the rows of one of the tables with the truth; only with isolated rods if asked."""
        matches = match_rods(table, self.truth)
        if not isolated:
            return matches
        rows = matches.true["isolated"].to_numpy(bool)
        return Matches(matches.found[rows], matches.true[rows], matches.detections, matches.truths)


def follow(scenes: Iterable[Scene]) -> Outcome:
    """Analyze scenes and take their tables together; the first keeps its frame numbers."""
    parts = [_follow_one(known) for known in scenes]
    tables = []
    for name in ("detections", "tracks", "truth"):
        moved = []
        for number, part in enumerate(parts):
            table = getattr(part, name).copy()
            table[table.columns.intersection(["frame", "particle"])] += _APART * number
            moved.append(table)
        tables.append(pd.concat(moved, ignore_index=True))
    seconds = {stage: sum(part.seconds[stage] for part in parts) for stage in parts[0].seconds}
    processor_seconds = sum(part.processor_seconds for part in parts)
    return Outcome(*tables, seconds, processor_seconds, len(parts), sum(part.frames for part in parts))


def _follow_one(known: Scene) -> Outcome:
    start = time.process_time()
    analysis = analyze(Movie.from_array(known.movie, "scene"))
    processor_seconds = time.process_time() - start
    truth = known.poses
    if len(truth):
        truth = _with_bounds(truth, known)
        truth["gap"] = outline_gaps(truth)
        height, width = known.movie.shape[1:]
        inside = truth["x"].between(INSIDE_PX, width - 1 - INSIDE_PX)
        inside &= truth["y"].between(INSIDE_PX, height - 1 - INSIDE_PX)
        truth["isolated"] = inside & (truth["gap"] > ISOLATED_WIDTHS)
    found, tracks = (without_cut(table, truth, known.cut) for table in (analysis.detections, analysis.tracks))
    seconds = {lap.stage: lap.seconds for lap in analysis.times}
    return Outcome(found, tracks, truth, seconds, processor_seconds, frames=len(known.movie))


def _with_bounds(truth: pd.DataFrame, known: Scene) -> pd.DataFrame:
    """Both the bound and the signal-to-noise ratio go with the root of the dose."""
    tables = []
    for _, rows in truth.groupby("particle"):
        pose = rows.iloc[0].to_dict()
        root_dose = rows["matched_snr"] / matched_filter_snr(pose, known.imaging, 1.0)
        along, across = position_bound(pose, known.imaging, 1.0)
        tables.append(rows.assign(bound_along=along / root_dose, bound_across=across / root_dose))
    return pd.concat(tables).sort_index()
