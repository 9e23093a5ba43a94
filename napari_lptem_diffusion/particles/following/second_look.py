"""Every frame once more, knowing the tracks: rods fitted with their own size, lost rods sought where they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.finding.detections import COLUMNS
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, joined_fits, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, LENGTH, X, Y
from napari_lptem_diffusion.particles.following.clear_views import ClearViews
from napari_lptem_diffusion.particles.following.rigid_shape import rigid_shapes
from napari_lptem_diffusion.particles.following.touching_rods import settled
from napari_lptem_diffusion.particles.following.tracked_rods import TrackedRods, joined_rods
from napari_lptem_diffusion.progress import Progress, ShouldStop

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
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
    shapes = rigid_shapes(tracks, detector)
    length, width = float(shapes["length"].median()), float(shapes["width"].median())
    away = _excursions(tracks, _NEAR_LENGTHS * length)
    steady = _shaped(tracks[~away], shapes)
    places = _shaped(_places_of_lost_rods(steady, len(movie), lost_frames, _NEAR_LENGTHS * length), shapes)
    views = ClearViews.of(tracks)
    known, lost = TrackedRods.of(steady, detector, views), TrackedRods.of(places, detector, views, sought=True)
    in_frame = [_rows_by(table["frame"]) for table in (steady, places)]
    faintest = float(np.clip(_FAINTEST_SHARE * typical_snr, *_FAINTEST_SIGMA))
    none = np.empty(0, dtype=np.intp)

    def work(images: Sequence[NDArray[np.generic]], first: int) -> list[pd.DataFrame]:
        look = _Look(detector, views, length, width, faintest, steady)
        normals = np.stack([detector.field.normalise(image) for image in images])
        parts = [
            [rods.take(rows.get(frame, none)) for rods, rows in zip((known, lost), in_frame, strict=True)]
            for frame in range(first, first + len(images))
        ]
        seen = look.at(normals, [part[0] for part in parts], [part[1] for part in parts], first)
        return [look.table(seen, first)] if seen else []

    found = list(over_frames(work, movie, detector.frames_together, "looking again", progress, should_stop, workers))
    table = pd.concat(found, ignore_index=True) if found else steady.iloc[:0]
    return _with_first_sizes(_settled(table, tracks[away]), tracks[~away])


def _rows_by(column: pd.Series[int]) -> dict[int, Rows]:
    """Rows of a table, rising, by the number that a column has there."""
    order = np.argsort(column.to_numpy(), kind="stable")
    numbers, first = np.unique(column.to_numpy()[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, first)[1:], strict=True))


def _shaped(rods: pd.DataFrame, shapes: pd.DataFrame) -> pd.DataFrame:
    """Give *rods* the sizes of their tracks."""
    own = shapes.loc[rods["particle"]]
    return rods.assign(**{str(name): own[name].to_numpy() for name in own})


def _places_of_lost_rods(tracks: pd.DataFrame, frames: int, lost_frames: int, near_px: float) -> pd.DataFrame:
    """Where each track may be in the frames in which it is not seen: where it was last or first, or between if near."""
    frame, xy = tracks["frame"].to_numpy(), tracks[["x", "y"]].to_numpy(float)
    taken, moments, middles = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.int64)], [np.empty((0, 2))]
    for rows in _rows_by(tracks["particle"]).values():
        seen = frame[rows]
        every = np.arange(max(seen[0] - lost_frames, 0), min(seen[-1] + lost_frames + 1, frames))
        lost = np.setdiff1d(every, seen, assume_unique=True)
        following = np.searchsorted(seen, lost)
        before, after = rows[np.maximum(following - 1, 0)], rows[np.minimum(following, len(seen) - 1)]
        stayed = np.hypot(*(xy[before] - xy[after]).T) < near_px
        taken += [before, after[~stayed]]
        moments += [lost, lost[~stayed]]
        middles += [np.where(stayed[:, None], (xy[before] + xy[after]) / 2, xy[before]), xy[after[~stayed]]]
    middle = np.concatenate(middles)
    places = tracks[["particle", *_POSE]].iloc[np.concatenate(taken)].reset_index(drop=True)
    return places.assign(frame=np.concatenate(moments), x=middle[:, 0], y=middle[:, 1])


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
    """Decide for each rod that was away in a frame whether it is there or at home."""
    which = ["particle", "frame"]
    home = rivals[which].merge(table[[*which, "snr"]], how="left", on=which)["snr"].fillna(0.0).to_numpy()
    away = rivals[home < _HOME_SHARE * rivals["snr"].to_numpy()]
    if away.empty:
        return table
    at_home = pd.MultiIndex.from_frame(table[which]).isin(pd.MultiIndex.from_frame(away[which]))
    return pd.concat([table[~at_home], away[table.columns]], ignore_index=True)


@dataclass(frozen=True)
class _Look:
    """What it takes to see frames with the tracks in mind.

    ``length`` and ``width`` are the typical ones, px of the movie; a sought rod counts from a signal to noise of
    ``faintest``. ``steady`` is the table that the known rods were read from.
    """

    detector: Detector
    views: ClearViews
    length: float
    width: float
    faintest: float
    steady: pd.DataFrame

    def at(
        self, normals: Array, rods: list[TrackedRods], lost: list[TrackedRods], first: int
    ) -> dict[int, tuple[Fit, TrackedRods]]:
        """Fit the *rods* of each frame again with those of the *lost* that can be seen, by number of the frame."""
        waiting: dict[int, TrackedRods] = {}
        for number, normal in enumerate(normals):
            sought = self._candidates(normal, rods[number], lost[number])
            together = joined_rods([rods[number], sought])
            if len(together):
                waiting[number] = settled(normal, self.detector, together, self.views, first + number)
        seen = {}
        while waiting:
            starts = {number: some.parameters for number, some in waiting.items()}
            priors = {number: some.priors_where_touching(self.detector) for number, some in waiting.items()}
            again = {}
            for number, fit in self.detector.refit_all(normals, starts, priors).items():
                some = waiting[number]
                doubtful = self._doubtful(fit, some, normals.shape[1:])
                if len(doubtful):
                    again[number] = some.take(np.delete(np.arange(len(some)), doubtful))
                else:
                    seen[number] = fit, some
            waiting = again
        return seen

    def table(self, seen: dict[int, tuple[Fit, TrackedRods]], first: int) -> pd.DataFrame:
        """Table of the fits, with the first fit of each known rod that the second one lost."""
        fit = joined_fits([one for one, _ in seen.values()])
        rods = joined_rods([some for _, some in seen.values()])
        frames = np.repeat([first + number for number in seen], [len(some) for _, some in seen.values()])
        table = self.detector.table(fit, frames).assign(particle=rods.particle)
        moved = np.hypot(*(fit.parameters - rods.parameters)[:, [X, Y]].T)
        lost = fit.snr / self.detector.bank.texture < self.faintest
        worse = ~rods.sought & (lost | (moved > np.exp(rods.parameters[:, LENGTH]) / 2))
        if not worse.any():
            return table
        kept = self.steady[table.columns].iloc[rods.row[worse]]
        x, y = self._px(rods.parameters[worse]).T
        kept = kept.assign(x=x, y=y, angle_deg=np.degrees(rods.parameters[worse, ANGLE]) % 180)
        both: pd.DataFrame = pd.concat([kept, table[~worse]], ignore_index=True)
        return both

    def _px(self, parameters: Matrix) -> Matrix:
        """Positions in px of the movie, (rods, 2)."""
        places: Matrix = (parameters[:, [X, Y]] + 0.5) * self.detector.field.bin_px - 0.5
        return places

    def _candidates(self, normal: Array, known: TrackedRods, lost: TrackedRods) -> TrackedRods:
        """At most one start per lost rod: what stands out near its places, or the place itself beside another rod."""
        if not len(lost):
            return lost
        places = self._px(lost.parameters)
        shown = self._standing_out(normal, known, places)
        away = cdist(self._px(shown), places)
        starts, chosen = lost.parameters.copy(), dict[int, int]()
        for candidate, place in zip(
            *np.unravel_index(np.argsort(away, axis=None, kind="stable"), away.shape), strict=True
        ):
            particle = int(lost.particle[place])
            if particle not in chosen and away[candidate, place] <= _WITHIN_LENGTHS * self.length:
                chosen[particle] = int(place)
                starts[place, [X, Y, ANGLE, AMPLITUDE]] = shown[candidate, [X, Y, ANGLE, AMPLITUDE]]
                away[candidate] = np.inf
        for place, particle in enumerate(lost.particle.tolist()):
            chosen.setdefault(particle, place)
        return lost.at(starts).take(list(chosen.values()))

    def _standing_out(self, normal: Array, known: TrackedRods, places: Matrix) -> Matrix:
        """Rods of any size that stand out near *places* when the *known* ones are taken away, (found, 8)."""
        rest = normal - rods_image(normal.shape, known.parameters, self.detector.prior.shape.reach)
        start = self.detector.look(rest, np.empty((0, 8)), places, _WITHIN_LENGTHS * self.length, self.faintest)
        if not len(start):
            return start
        return self.detector.refit(rest, start, self.detector.prior.of_rods(len(start))).parameters

    def _doubtful(self, fit: Fit, rods: TrackedRods, shape: tuple[int, ...]) -> Rows:
        """Rows of the sought rods that are not seen or went away; else of the faintest that lies along another."""
        sought = np.flatnonzero(rods.sought)
        if not len(sought):
            return sought
        xy, snr = self._px(fit.parameters), fit.snr[sought] / self.detector.bank.texture
        moved = np.hypot(*(xy - self._px(rods.parameters))[sought].T)
        size = np.array(shape[::-1]) * self.detector.field.bin_px
        outside = (xy[sought] < -1).any(axis=1) | (xy[sought] > size).any(axis=1)
        bad: NDArray[np.bool_] = (snr < self.faintest) | (moved > _WITHIN_LENGTHS * self.length) | outside
        if bad.any():
            return sought[bad]
        apart = cdist(xy[sought], xy)
        apart[np.arange(len(sought)), sought] = np.inf
        angle = fit.parameters[:, ANGLE]
        apart[np.abs(np.sin(angle[sought, None] - angle)) > _CROSSED] = np.inf
        on_another = np.flatnonzero(apart.min(axis=1) < _APART_WIDTHS * self.width)
        on_another = on_another[np.argsort(snr[on_another], kind="stable")]
        return sought[on_another][:1]


def _with_first_sizes(found: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Give the rods the sizes of the first fit; they are evidence of which rod it is, those of the track are not."""
    first = tracks[["particle", "frame", *_SHAPE]]
    table = found.drop(columns=_SHAPE).merge(first, on=["particle", "frame"], how="left")
    table = table.sort_values(["frame", "particle"], ignore_index=True)
    result: pd.DataFrame = table[list(COLUMNS)]
    return result
