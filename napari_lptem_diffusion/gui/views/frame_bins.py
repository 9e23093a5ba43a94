"""Curves over frames as paths for Qt: broken at gaps, and of a bounded number of points however long the movie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtGui import QPainterPath

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_BINS = 1000


@dataclass(frozen=True)
class FrameBins:
    """Frames in view, taken together where there are more than can be told apart.

    Attributes
    ----------
    rows : slice
        Of the table, those in view.
    starts : (bins,) int array
        First row of each bin, counted from the first row in view.
    number : (bins,) int array
        Of each bin; neighbours differ by one.
    frames_each : int
    """

    rows: slice
    starts: Ints
    number: Ints
    frames_each: int

    @classmethod
    def of(cls, frames: Ints, first: float, last: float) -> FrameBins:
        """Return the bins of increasing *frames* between *first* and *last*, with one more at either end."""
        each = max(1, math.ceil((last - first) / _MOST_BINS))
        ends = np.searchsorted(frames, [first - each, last + each])
        rows = slice(int(ends[0]), int(ends[1]))
        number = frames[rows] // each
        starts = np.flatnonzero(np.diff(number, prepend=-2))
        return cls(rows, starts, number[starts], each)

    @property
    def middle(self) -> Floats:
        """The middle of each bin, in frames."""
        return np.asarray((self.number + 0.5) * self.frames_each - 0.5, dtype=np.float64)

    def lowest(self, values: Floats) -> Floats:
        """Return the lowest of *values* (one for each row of the table) in each bin; NaN where all are unknown."""
        if not self.starts.size:
            return np.empty(0)
        return np.asarray(np.fmin.reduceat(values[self.rows], self.starts), dtype=np.float64)

    def highest(self, values: Floats) -> Floats:
        """Return the highest likewise."""
        return -self.lowest(-values)

    def curve(self, values: Floats) -> QPainterPath:
        """Return *values* as a curve; where a bin holds several, it goes from the lowest to the highest."""
        low, high = self.lowest(values), self.highest(values)
        path = QPainterPath()
        for run in unbroken_runs(self.number, low):
            path.addPath(
                pg.arrayToQPath(np.repeat(self._widened(run), 2), _interleaved(_held(low[run]), _held(high[run])))
            )
        return path

    def band(self, low: Floats, high: Floats) -> QPainterPath:
        """Return the outline of the band from *low* to *high*; it holds those of all frames of a bin."""
        bottom, top = self.lowest(low), self.highest(high)
        path = QPainterPath()
        for run in unbroken_runs(self.number, bottom):
            x = self._widened(run)
            path.addPath(pg.arrayToQPath(np.r_[x, x[::-1]], np.r_[_held(bottom[run]), _held(top[run])[::-1]]))
        return path

    def sticks(self, values: Floats) -> QPainterPath:
        """Return a stick from 0 to the highest of *values*, displacements from their frame to the next, in each bin."""
        high = self.highest(values)
        known = np.isfinite(high)
        y = _interleaved(np.zeros(known.sum()), high[known])
        x = np.repeat(self.middle[known] + 0.5, 2)
        return pg.arrayToQPath(x, y, connect="pairs") if x.size else QPainterPath()

    def _widened(self, run: slice) -> Floats:
        """Return the middles of *run* with its outer edges, so that a single frame is seen."""
        middle, half = self.middle[run], self.frames_each / 2
        return np.concatenate([[middle[0] - half], middle, [middle[-1] + half]])


def unbroken_runs(number: Ints, values: Floats) -> list[slice]:
    """Return the longest slices without a missing bin and without a missing value.

    Parameters
    ----------
    number : (n,) int array
        Increasing.
    values : (n,) float array
        NaN where unknown.
    """
    known = np.flatnonzero(np.isfinite(values))
    if known.size == 0:
        return []
    broken = np.flatnonzero((np.diff(known) > 1) | (np.diff(number[known]) > 1))
    starts = known[np.r_[0, broken + 1]]
    stops = known[np.r_[broken, known.size - 1]] + 1
    return [slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def _held(values: Floats) -> Floats:
    """Return *values* with the first and the last one twice."""
    return np.concatenate([values[:1], values, values[-1:]])


def _interleaved(one: Floats, other: Floats) -> Floats:
    return np.column_stack([one, other]).ravel()
