"""Every frame once more, knowing the tracks: rods fitted with their own size, lost rods sought where they should be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.detections import COLUMNS
from napari_lptem_diffusion.particles.detector import Detector
from napari_lptem_diffusion.particles.field import Frames
from napari_lptem_diffusion.particles.pose_fit import rods_image
from napari_lptem_diffusion.particles.rigid_shape import rigid_shapes
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_FAINTEST_SIGMA = 3.5
_WITHIN_LENGTHS = 0.75
_APART_WIDTHS = 0.4
_TOUCHING_LENGTHS = 1.2
_POSE = ["x", "y", "angle_deg", "contrast"]
_SHAPE = ["length", "length_error", "width", "width_error", "blur", "blur_error"]


def look_again(
    movie: Frames,
    detector: Detector,
    tracks: pd.DataFrame,
    lost_frames: int,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Fit every rod of every track again with the size that all of its frames agree on, and seek those that are lost.

    A lost rod is sought at a lower threshold (3.5 standard deviations of the noise) within 0.75 rod lengths of where it
    was seen before and after, with the rods that are there taken away; beside another rod it is tried even where
    nothing stands out, as two rods that touch stand out as one. It counts if it is seen in the joint fit of all rods of
    the frame. A position comes from the pixels of its frame and the size alone. Neighbouring frames only tell where to
    look, so no position is drawn towards them; a lost rod that went farther stays lost.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
        Calibrated on *movie*.
    tracks : DataFrame
        From `link`.
    lost_frames : int
        For how many frames before and after a track its rod is sought.
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        Detections to be linked again, sorted by frame. ``length``, ``width``, ``blur`` and their errors are those of
        the first fit, which did not know the track; NaN for a rod that was lost.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    if tracks.empty:
        return tracks
    shapes = rigid_shapes(tracks, detector)
    places = _places_of_lost_rods(tracks, len(movie), lost_frames)
    rows_of, places_of = (table.groupby("frame").indices for table in (tracks, places))
    nothing = np.empty(0, dtype=np.intp)
    found: list[pd.DataFrame] = []
    for frame in range(len(movie)):
        report(progress, should_stop, frame, len(movie), "looking again")
        rods = tracks.iloc[rows_of.get(frame, nothing)]
        lost = places.iloc[places_of.get(frame, nothing)]
        if len(rods) or len(lost):
            found.append(_Look(detector, shapes, np.asarray(movie[frame]), frame).at(rods, lost))
    report(progress, should_stop, len(movie), len(movie), "looking again")
    return _with_first_sizes(pd.concat(found, ignore_index=True), tracks)


def _places_of_lost_rods(tracks: pd.DataFrame, frames: int, lost_frames: int) -> pd.DataFrame:
    """Where each track was seen last before and first after the frames in which it is not."""
    tables = []
    for particle, track in tracks.groupby("particle"):
        seen = track["frame"].to_numpy()
        every = np.arange(max(seen[0] - lost_frames, 0), min(seen[-1] + lost_frames + 1, frames))
        lost = np.setdiff1d(every, seen)
        following = np.searchsorted(seen, lost)
        for row in (following - 1, following):
            there = (row >= 0) & (row < len(seen))
            places = track[_POSE].iloc[row[there]].reset_index(drop=True)
            tables.append(places.assign(particle=particle, frame=lost[there]))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Look:
    """One frame seen with the tracks in mind."""

    detector: Detector
    shapes: pd.DataFrame
    image: NDArray[np.generic]
    frame: int

    def at(self, rods: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
        """Fit the *rods* again together with those of the *lost* that can be seen; columns as the detector's."""
        normal = self.detector.field.normalise(self.image)
        known = self._shaped(rods)
        sought = self._candidates(normal, known, lost)
        while True:
            together = pd.concat([known, sought], ignore_index=True) if len(sought) else known
            if together.empty:
                return together
            fit = self.detector.refit(normal, self.detector.parameters(together), self.detector.size_priors(together))
            table = self.detector.table(fit, self.frame).assign(particle=together["particle"].to_numpy())
            doubtful = self._doubtful(table, sought)
            if not len(doubtful):
                return self._kept(table, rods)
            sought = sought.drop(index=sought.index[doubtful])

    def _shaped(self, rods: pd.DataFrame) -> pd.DataFrame:
        """Give *rods* the sizes of their tracks."""
        shapes = self.shapes.loc[rods["particle"]]
        return rods.assign(**{name: shapes[name].to_numpy() for name in _SHAPE}).reset_index(drop=True)

    def _candidates(self, normal: NDArray[np.float32], known: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
        """At most one start per lost rod: what stands out near its places, or the place itself beside another rod."""
        if lost.empty:
            return lost
        lost = self._shaped(lost)
        places, length = lost[["x", "y"]].to_numpy(float), float(self.shapes["length"].median())
        shown = self._standing_out(normal, known, places)
        away = cdist(shown[["x", "y"]].to_numpy(float).reshape(-1, 2), places)
        starts: dict[int, pd.DataFrame] = {}
        for candidate, place in zip(
            *np.unravel_index(np.argsort(away, axis=None, kind="stable"), away.shape), strict=True
        ):
            particle = int(lost["particle"].iloc[int(place)])
            if particle not in starts and away[candidate, place] <= _WITHIN_LENGTHS * length:
                starts[particle] = lost.iloc[[int(place)]].assign(**shown.iloc[candidate][_POSE].to_dict())
                away[candidate] = np.inf
        beside = cdist(places, known[["x", "y"]].to_numpy(float).reshape(-1, 2)) < _TOUCHING_LENGTHS * length
        for place in np.flatnonzero(beside.any(axis=1)):
            starts.setdefault(int(lost["particle"].iloc[int(place)]), lost.iloc[[int(place)]])
        return pd.concat(starts.values(), ignore_index=True) if starts else lost.iloc[:0]

    def _standing_out(self, normal: NDArray[np.float32], known: pd.DataFrame, places: Floats) -> pd.DataFrame:
        """Rods of any size that stand out near *places* when the *known* ones are taken away."""
        rest = normal
        if len(known):
            rest = normal - rods_image(normal.shape, self.detector.parameters(known), self.detector.prior.shape.reach)
        within = _WITHIN_LENGTHS * float(self.shapes["length"].median())
        start = self.detector.look(rest, np.empty((0, 8)), places, within, _FAINTEST_SIGMA)
        if not len(start):
            return known.iloc[:0]
        return self.detector.table(
            self.detector.refit(rest, start, self.detector.prior.of_rods(len(start))), self.frame
        )

    def _doubtful(self, table: pd.DataFrame, sought: pd.DataFrame) -> Rows:
        """Numbers of the sought rods that are not seen, went away, or lie on another rod: the worst one, or none."""
        if sought.empty:
            return np.empty(0, dtype=np.intp)
        first = len(table) - len(sought)
        there = table.iloc[first:]
        xy = table[["x", "y"]].to_numpy(float)
        apart = cdist(xy[first:], xy)
        apart[np.arange(len(sought)), first + np.arange(len(sought))] = np.inf
        moved = np.hypot(*(xy[first:] - sought[["x", "y"]].to_numpy(float)).T)
        snr = there["snr"].to_numpy()
        bad = (snr < _FAINTEST_SIGMA) | (moved > self.shapes["length"].median() * _WITHIN_LENGTHS)
        bad |= apart.min(axis=1) < _APART_WIDTHS * float(self.shapes["width"].median())
        rows, columns = self.image.shape
        bad |= (xy[first:] < -1).any(axis=1) | (xy[first:, 0] > columns) | (xy[first:, 1] > rows)
        return np.flatnonzero(bad)[np.argsort(snr[bad], kind="stable")][:1]

    def _kept(self, table: pd.DataFrame, rods: pd.DataFrame) -> pd.DataFrame:
        """Return *table*, with the first fit of each rod that the second one lost."""
        n = len(rods)
        moved = np.hypot(table["x"][:n] - rods["x"].to_numpy(), table["y"][:n] - rods["y"].to_numpy())
        worse = ((table["snr"][:n] < _FAINTEST_SIGMA) | (moved > rods["length"].to_numpy() / 2)).to_numpy()
        first = rods[table.columns].reset_index(drop=True)
        return pd.concat([first[worse], table[:n][~worse], table[n:]])


def _with_first_sizes(found: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Give the rods the sizes of the first fit; they are evidence of which rod it is, those of the track are not."""
    first = tracks[["particle", "frame", *_SHAPE]]
    table = found.drop(columns=_SHAPE).merge(first, on=["particle", "frame"], how="left")
    table = table.sort_values(["frame", "particle"], ignore_index=True)
    result: pd.DataFrame = table[list(COLUMNS)]
    return result
