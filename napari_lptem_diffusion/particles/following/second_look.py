"""Every frame once more, knowing the tracks: rods fitted with their own size, lost rods sought where they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.finding.detections import COLUMNS, empty_detections
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.pose_fit import rods_image
from napari_lptem_diffusion.particles.following.rigid_shape import rigid_shapes
from napari_lptem_diffusion.particles.following.touching_rods import ClearViews, settled, with_usual_contrast
from napari_lptem_diffusion.progress import Progress, ShouldStop

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_FAINTEST_SIGMA = (2.5, 3.5)
_FAINTEST_SHARE = 0.55
_NEAR_LENGTHS = 0.3
_EXCURSION_FRAMES = 6
_HOME_SHARE = 0.4
_WITHIN_LENGTHS = 0.4
_APART_WIDTHS = 0.4
_CROSSED = 0.35
_POSE = ["x", "y", "angle_deg", "contrast"]
_SHAPE = ["length", "length_error", "width", "width_error", "blur", "blur_error"]


def look_again(
    movie: Frames,
    detector: Detector,
    tracks: pd.DataFrame,
    lost_frames: int,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Fit every rod of every track again with the size that all of its frames agree on, and seek those that are lost.

    A lost rod is sought within 0.4 rod lengths of where it was seen before and after, with the rods that are there
    taken away: at what stands out, or else at the place itself, as two rods that touch stand out as one. How many rods
    there are where they touch, and how they lie, the pixels decide (`touching_rods.settled`). A sought rod counts if
    the joint fit of all rods of the frame sees it at 0.55 times the typical signal to noise of the tracks, at least 2.5
    and at most 3.5. A rod that is away in a single frame and back in the next is sought at home too and believed to be
    there if it shows 0.4 times the signal that was seen elsewhere. A position comes from the pixels of its frame, the
    size and, where rods touch, the contrast: neighbouring frames tell where to look, and draw no position to them.

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
    workers : int, optional
        Threads; as many as there are cores unless given. The result does not depend on it.

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
    detector = detector.of_known_sizes()
    typical_snr = float(tracks.groupby("particle")["snr"].median().median())
    shapes = rigid_shapes(tracks, detector).assign(faintest=np.clip(_FAINTEST_SHARE * typical_snr, *_FAINTEST_SIGMA))
    near_px = _NEAR_LENGTHS * float(shapes["length"].median())
    away = _excursions(tracks, near_px)
    steady, rivals = _shaped(tracks[~away], shapes), tracks[away]
    places = _shaped(_places_of_lost_rods(steady, len(movie), lost_frames, near_px), shapes)
    views = ClearViews.of(tracks)
    in_frame = [dict(tuple(table.groupby("frame"))) for table in (steady, places, rivals)]
    none = [table.iloc[:0] for table in (steady, places, rivals)]

    def work(images: Sequence[NDArray[np.generic]], first: int) -> list[pd.DataFrame]:
        normals = np.stack([detector.field.normalise(image) for image in images])
        parts = [
            [tables.get(frame, empty) for tables, empty in zip(in_frame, none, strict=True)]
            for frame in range(first, first + len(images))
        ]
        look = _Look(detector, shapes, views, normals, first)
        seen = look.at([part[0] for part in parts], [part[1] for part in parts])
        return [_settled(table, part[2]) for table, part in zip(seen, parts, strict=True)]

    found = list(over_frames(work, movie, detector.frames_together, "looking again", progress, should_stop, workers))
    return _with_first_sizes(pd.concat([table for table in found if len(table)], ignore_index=True), tracks[~away])


def _shaped(rods: pd.DataFrame, shapes: pd.DataFrame) -> pd.DataFrame:
    """Give *rods* the sizes of their tracks, and the least signal to noise at which each counts as seen."""
    own = shapes.loc[rods["particle"]]
    return rods.assign(**{str(name): own[name].to_numpy() for name in own})


def _places_of_lost_rods(tracks: pd.DataFrame, frames: int, lost_frames: int, near_px: float) -> pd.DataFrame:
    """Where each track may be in the frames in which it is not seen: where it was last or first, or between if near."""
    tables = []
    for particle, track in tracks.groupby("particle"):
        seen = track["frame"].to_numpy()
        every = np.arange(max(seen[0] - lost_frames, 0), min(seen[-1] + lost_frames + 1, frames))
        lost = np.setdiff1d(every, seen)
        following = np.searchsorted(seen, lost)
        before, after = np.maximum(following - 1, 0), np.minimum(following, len(seen) - 1)
        xy = track[["x", "y"]].to_numpy(float)
        stayed = np.hypot(*(xy[before] - xy[after]).T) < near_px
        between = track[_POSE].iloc[before].assign(particle=particle, frame=lost)
        between[["x", "y"]] = np.where(stayed[:, None], (xy[before] + xy[after]) / 2, xy[before])
        beyond = track[_POSE].iloc[after[~stayed]].assign(particle=particle, frame=lost[~stayed])
        tables += [between, beyond]
    places: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return places


def _excursions(tracks: pd.DataFrame, near_px: float) -> NDArray[np.bool_]:
    """Tell in which rows a rod is away from where it is both before and after: likely another object."""
    frame, particle, xy = tracks["frame"].to_numpy(), tracks["particle"].to_numpy(), tracks[["x", "y"]].to_numpy(float)
    away = np.zeros(len(tracks), dtype=bool)
    inside = (particle[2:] == particle[:-2]) & (frame[2:] - frame[:-2] <= _EXCURSION_FRAMES)
    home = (xy[2:] + xy[:-2]) / 2
    stayed = np.hypot(*(xy[2:] - xy[:-2]).T) < near_px
    away[1:-1] = inside & stayed & (np.hypot(*(xy[1:-1] - home).T) > near_px)
    return away


def _settled(table: pd.DataFrame, rivals: pd.DataFrame) -> pd.DataFrame:
    """Decide for each rod that was away in this frame whether it is there or at home."""
    if rivals.empty:
        return table
    home = table.set_index("particle")["snr"].reindex(rivals["particle"]).fillna(0.0).to_numpy()
    away = rivals[home < _HOME_SHARE * rivals["snr"].to_numpy()]
    return pd.concat([table[~table["particle"].isin(away["particle"])], away[table.columns]])


@dataclass(frozen=True)
class _Look:
    """Some frames in a row, normalised, from number *first* on, seen with the tracks in mind."""

    detector: Detector
    shapes: pd.DataFrame
    views: ClearViews
    normals: NDArray[np.float32]
    first: int

    def at(self, rods: list[pd.DataFrame], lost: list[pd.DataFrame]) -> list[pd.DataFrame]:
        """Fit the *rods* of each frame again with those of the *lost* that can be seen; columns as the detector's."""
        present: dict[int, tuple[pd.DataFrame, pd.DataFrame]] = {}
        for number, normal in enumerate(self.normals):
            sought = self._candidates(normal, rods[number], lost[number])
            together = _together(rods[number], sought)
            if len(together):
                left = settled(normal, self.detector, together, self.views, self.first + number)
                was_known = left.index < len(rods[number])
                present[number] = left[was_known], left[~was_known]
        tables = [empty_detections().assign(particle=0) for _ in self.normals]
        while present:
            fits = self._fitted({number: _together(*parts) for number, parts in present.items()})
            again = {}
            for number, table in fits.items():
                known, sought = present[number]
                doubtful = self._doubtful(table, sought)
                if len(doubtful):
                    again[number] = known, sought.drop(index=sought.index[doubtful])
                else:
                    tables[number] = self._kept(table, known)
            present = again
        return tables

    def _fitted(self, rods: dict[int, pd.DataFrame]) -> dict[int, pd.DataFrame]:
        """Tables of the fits of the *rods* of some frames; without those that have none."""
        starts = {number: self.detector.parameters(table) for number, table in rods.items()}
        priors = {
            number: with_usual_contrast(self.detector, table, starts[number], self.views)
            for number, table in rods.items()
        }
        return {
            number: self.detector.table(fit, self.first + number).assign(particle=rods[number]["particle"].to_numpy())
            for number, fit in self.detector.refit_all(self.normals, starts, priors).items()
        }

    def _candidates(self, normal: NDArray[np.float32], known: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
        """At most one start per lost rod: what stands out near its places, or the place itself beside another rod."""
        if lost.empty:
            return lost
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
        for place in range(len(lost)):
            starts.setdefault(int(lost["particle"].iloc[int(place)]), lost.iloc[[int(place)]])
        return pd.concat(starts.values(), ignore_index=True) if starts else lost.iloc[:0]

    def _standing_out(self, normal: NDArray[np.float32], known: pd.DataFrame, places: Floats) -> pd.DataFrame:
        """Rods of any size that stand out near *places* when the *known* ones are taken away."""
        rest = normal
        if len(known):
            rest = normal - rods_image(normal.shape, self.detector.parameters(known), self.detector.prior.shape.reach)
        within = _WITHIN_LENGTHS * float(self.shapes["length"].median())
        start = self.detector.look(rest, np.empty((0, 8)), places, within, float(self.shapes["faintest"].min()))
        if not len(start):
            return known.iloc[:0]
        return self.detector.table(
            self.detector.refit(rest, start, self.detector.prior.of_rods(len(start))), self.first
        )

    def _doubtful(self, table: pd.DataFrame, sought: pd.DataFrame) -> Rows:
        """Numbers of the sought rods that are not seen or went away; else of the faintest that lies along another."""
        if sought.empty:
            return np.empty(0, dtype=np.intp)
        first, length = len(table) - len(sought), float(self.shapes["length"].median())
        xy, snr = table[["x", "y"]].to_numpy(float), table["snr"].to_numpy()[first:]
        moved = np.hypot(*(xy[first:] - sought[["x", "y"]].to_numpy(float)).T)
        size = np.array(self.normals.shape[:0:-1]) * self.detector.field.bin_px
        outside = (xy[first:] < -1).any(axis=1) | (xy[first:] > size).any(axis=1)
        bad = np.flatnonzero((snr < sought["faintest"].to_numpy()) | (moved > _WITHIN_LENGTHS * length) | outside)
        if len(bad):
            return bad
        apart = cdist(xy[first:], xy)
        apart[np.arange(len(sought)), first + np.arange(len(sought))] = np.inf
        angle = np.radians(table["angle_deg"].to_numpy())
        apart[np.abs(np.sin(angle[first:, None] - angle)) > _CROSSED] = np.inf
        on_another = np.flatnonzero(apart.min(axis=1) < _APART_WIDTHS * float(self.shapes["width"].median()))
        return on_another[np.argsort(snr[on_another], kind="stable")][:1]

    def _kept(self, table: pd.DataFrame, rods: pd.DataFrame) -> pd.DataFrame:
        """Return *table*, with the first fit of each rod that the second one lost."""
        n = len(rods)
        moved = np.hypot(table["x"].to_numpy()[:n] - rods["x"], table["y"].to_numpy()[:n] - rods["y"])
        lost = table["snr"].to_numpy()[:n] < rods["faintest"]
        worse = (lost | (moved > rods["length"] / 2)).to_numpy()
        if not worse.any():
            return table
        kept: pd.DataFrame = pd.concat([rods[table.columns][worse], table[:n][~worse], table[n:]], ignore_index=True)
        return kept


def _together(rods: pd.DataFrame, sought: pd.DataFrame) -> pd.DataFrame:
    """Return the rods, then the sought ones, numbered from 0."""
    return pd.concat([rods, sought], ignore_index=True) if len(sought) else rods.reset_index(drop=True)


def _with_first_sizes(found: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Give the rods the sizes of the first fit; they are evidence of which rod it is, those of the track are not."""
    first = tracks[["particle", "frame", *_SHAPE]]
    table = found.drop(columns=_SHAPE).merge(first, on=["particle", "frame"], how="left")
    table = table.sort_values(["frame", "particle"], ignore_index=True)
    result: pd.DataFrame = table[list(COLUMNS)]
    return result
