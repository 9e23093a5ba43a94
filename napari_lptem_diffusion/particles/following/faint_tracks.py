"""Tracks of rods that no single frame shows for sure: found in many frames together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_lptem_diffusion.particles.finding.detections import COLUMNS
from napari_lptem_diffusion.particles.finding.detector import Detector, coarsen
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames, side_by_side
from napari_lptem_diffusion.particles.finding.preparing import compiled_meanwhile
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE
from napari_lptem_diffusion.particles.finding.slow_paths import best_paths, log_likelihood
from napari_lptem_diffusion.particles.following.faint_walks import (
    UNIT,
    Belief,
    View,
    Walk,
    follow_nothing,
    follow_together,
    likeliest_creep,
)
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

_ROUNDS = 2
_NEAR_LENGTHS, _HALF_LENGTHS = 1.5, 0.8
"""In rod lengths: within which rods are followed together, and half the window in which each is sought."""
_RESPONSES_TOGETHER = 200_000_000
_FRAMES_SHARED = 16
"""Frames at the end of one part of a movie with which the next begins, so that rods keep their names."""
_SAME_LENGTHS = 0.5
_PLACES = ["particle", "frame", "x", "y", "angle_deg", "snr", "link_confidence"]


def faint_tracks(
    movie: Frames, detector: Detector, progress: Progress | None = None, should_stop: ShouldStop | None = None
) -> pd.DataFrame:
    """Find and follow rods that stand out of several frames together (track before detect).

    The paths along which the response of the filter is high for long (`slow_paths.best_paths`) may be rods. They are
    followed through all frames, those that are near each other together (`faint_walks.follow_together`); then
    what they explain is taken away, and the rest is searched again. So rods that touch come apart, as each shows in
    many frames.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        As of `linking.link`, a row for every frame in which a rod is; sizes are those of the population and nothing is
        fitted: errors are NaN. ``link_confidence`` is the probability, given all frames, that the rod is about there.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    compiled_meanwhile(
        follow_nothing,
        lambda: report(progress, should_stop, 0, 1, "preparing for faint rods (once after the installation)"),
    )
    bank, grid = detector.bank, detector.field.background.size // detector.coarsening**2
    together = max(_RESPONSES_TOGETHER // (len(bank.angles) * grid), 2 * _FRAMES_SHARED)
    places = pd.DataFrame({name: pd.Series(dtype=float) for name in _PLACES})
    for first in range(0, max(len(movie) - _FRAMES_SHARED, 1), together - _FRAMES_SHARED):
        part = _Part(movie, range(first, min(first + together, len(movie))))
        found = _followed(_view(part, detector, progress, should_stop), detector, first, should_stop)
        same_px = _SAME_LENGTHS * detector.prior.shape.length * detector.field.bin_px
        places = _joined(places, found, first, same_px)
    return _as_tracks(places, detector)


@dataclass(frozen=True)
class _Part:
    """Some frames of a movie."""

    movie: Frames
    frames: range

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int, /) -> NDArray[np.generic]:
        return self.movie[self.frames[index]]


def _view(movie: Frames, detector: Detector, progress: Progress | None, should_stop: ShouldStop | None) -> View:
    """All frames through the filter."""

    def work(images: Sequence[NDArray[np.generic]], first: int) -> list[NDArray[np.int16]]:
        return [_in_units(detector, detector.field.normalise(image)) for image in images]

    frames = list(over_frames(work, movie, 1, "seeking faint rods", progress, should_stop))
    half = int(np.ceil(_HALF_LENGTHS * detector.prior.shape.length / detector.coarsening))
    return View(np.stack(frames), detector.bank.overlaps, half, np.ones(1, np.float32)).creeping(0.0)


def _in_units(detector: Detector, normal: NDArray[np.float32]) -> NDArray[np.int16]:
    response = detector.bank.responses(coarsen(normal, detector.coarsening)) / np.float32(detector.bank.texture)
    limits = np.iinfo(np.int16)
    whole: NDArray[np.int16] = np.clip(np.rint(response / UNIT), limits.min, limits.max).astype(np.int16)
    return whole


def _followed(view: View, detector: Detector, first: int, should_stop: ShouldStop | None) -> pd.DataFrame:
    """Places of the rods of a *view* that begins with the frame *first*."""

    def pause() -> None:
        report(None, should_stop, 0, 1, "following faint rods")

    near_px, frames = _NEAR_LENGTHS * detector.prior.shape.length / detector.coarsening, len(view.responses)
    followed: list[tuple[Walk, Belief]] = []
    for turn in range(_ROUNDS):
        walks = [walk for walk, _ in followed]
        likely = side_by_side(partial(_likelihood_of_more, view, walks), range(frames), pause)
        new = [_walk(path, view) for path in best_paths(np.stack(likely), near_px / _NEAR_LENGTHS)]
        if turn == 0 and new:
            view = likeliest_creep(view, [one for one in new if not _beside(one, new, near_px)] or new)
        elif walks:
            view = replace(view, usual_snr=float(np.median([walk.snr for walk in walks])))
        groups = _groups([*walks, *new], near_px)
        tasks = [
            (
                replace(view, known=tuple(walk for group in groups[:k] + groups[k + 1 :] for walk in group)),
                groups[k],
                np.random.default_rng([first, turn, k]),
            )
            for k in range(len(groups))
        ]
        followed = [rod for rods in side_by_side(lambda task: follow_together(*task), tasks, pause) for rod in rods]
    return _places([belief for _, belief in followed], detector, first)


def _likelihood_of_more(view: View, walks: Sequence[Walk], frame: int) -> NDArray[np.float32]:
    """Log likelihood ratio, (y, x), of another rod in a *frame* beside those of the *walks*."""
    response = view.responses[frame] * UNIT
    reach = view.overlaps.shape[2] // 2
    for walk in walks:
        if walk.present[frame]:
            angle, y, x = walk.states[frame]
            rows, columns = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
            seen = response[:, rows, columns]
            down, right = max(reach - y, 0), max(reach - x, 0)
            seen -= (
                np.float32(walk.snr)
                * view.overlaps[angle, :, down : down + seen.shape[1], right : right + seen.shape[2]]
            )
    return log_likelihood(response)


def _walk(path: NDArray[np.intp], view: View) -> Walk:
    """The walk along a *path* of places (frame, y, x)."""
    t, y, x = path.T
    angle = view.responses[t, :, y, x].argmax(axis=1)
    return Walk.through(t, np.stack([angle, y, x], axis=1), len(view.responses))


def _beside(walk: Walk, others: Sequence[Walk], px: float) -> bool:
    return any(walk is not other and walk.near(other, px) for other in others)


def _groups(walks: Sequence[Walk], px: float) -> list[list[Walk]]:
    """Those that come within *px* of each other, directly or by others between them, together."""
    groups: list[list[Walk]] = []
    for walk in walks:
        near = [group for group in groups if any(walk.near(other, px) for other in group)]
        groups = [group for group in groups if not any(group is one for one in near)]
        groups.append([*(rod for group in near for rod in group), walk])
    return groups


def _places(beliefs: Sequence[Belief], detector: Detector, first: int) -> pd.DataFrame:
    """Rows of the rods, in px of the movie, of the frames from *first* on."""
    scale = detector.field.bin_px * detector.coarsening
    tables = [pd.DataFrame({name: pd.Series(dtype=float) for name in _PLACES})]
    for particle, belief in enumerate(beliefs):
        frames = np.flatnonzero(belief.present)
        angle, y, x = belief.states[frames].T
        columns = {
            "particle": particle,
            "frame": first + frames,
            "x": (x + 0.5) * scale - 0.5,
            "y": (y + 0.5) * scale - 0.5,
            "angle_deg": np.degrees(detector.bank.angles[angle]),
            "snr": belief.snr,
            "link_confidence": belief.confidence[frames],
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _joined(places: pd.DataFrame, found: pd.DataFrame, first: int, same_px: float) -> pd.DataFrame:
    """*places* so far and those *found* from the frame *first* on; who is at the same place keeps its name."""
    if places.empty:
        return found
    found = found.assign(particle=found["particle"] + 1 + places["particle"].max())
    both = places.merge(found, on="frame", suffixes=("", "_found"))
    both["apart"] = np.hypot(both["x"] - both["x_found"], both["y"] - both["y_found"])
    apart = both.pivot_table(index="particle", columns="particle_found", values="apart", aggfunc="median")
    cost = apart.fillna(np.inf).to_numpy().clip(max=1e3 * same_px)
    rows, columns = linear_sum_assignment(cost)
    same = cost[rows, columns] < same_px
    names = dict(zip(apart.columns[columns[same]], apart.index[rows[same]], strict=True))
    found = found.assign(particle=found["particle"].replace(names))
    middle = first + _FRAMES_SHARED // 2
    return pd.concat([places[places["frame"] < middle], found[found["frame"] >= middle]], ignore_index=True)


def _as_tracks(places: pd.DataFrame, detector: Detector) -> pd.DataFrame:
    """*places* with the columns of tracks; contrasts are those of the signal to noise of each."""
    shape = detector.prior.shape.scaled(detector.field.bin_px)
    table = places.reindex(columns=["particle", *COLUMNS, "link_confidence"]).assign(
        length=shape.length, width=shape.width, blur=shape.blur, visible=1.0, contrast=1.0
    )
    per_snr = detector.bank.texture / (detector.bank.unit_response * detector.coarsening)
    contrast = places["snr"] * per_snr / detector.parameters(table)[:, AMPLITUDE]
    table = table.assign(contrast=contrast, merge_suspected=False)
    return table.sort_values(["particle", "frame"], ignore_index=True)
