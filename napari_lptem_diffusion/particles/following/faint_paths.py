"""Which peak of a frame is a faint rod: the likeliest path through all frames of its track."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.detector import Detector, coarsen
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.pose_fit import rods_image
from napari_lptem_diffusion.particles.finding.priors import X, Y
from napari_lptem_diffusion.particles.following.rigid_shape import SIZES, rigid_shapes
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
_HALF_LENGTHS = 0.7
"""Half the side of the window in which a rod is sought around its usual path, in rod lengths."""
_PATH_FRAMES = 5
_JUMP, _ODD_TURN, _NEXT_ANGLE = 0.03, 0.1, 0.1
"""Probability, from frame to frame, of a jump, of a turn to any angle, and of one to the next angle of the filters."""
_CELL_VARIANCE = 1 / 6
"""Of a rod that rests, seen on a grid: it is anywhere in its pixel."""
_RAISED = 3.0
"""By how much the fit of a place and an angle raises the square of the signal to noise."""
_LEAST_SNR = 3.0
_MOST_LOG = 300.0
_BLOCK, _OVERLAP = 64, 8
"""Frames whose likelihoods are held at a time, and those before and after that count too."""
_STEPS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of a one-frame displacement that are tried, px of the filter."""
_TRIED_TRACKS = 12
_SAME_PEAK = 1.0
"""Px of the filter, along each axis, by which one peak is seen elsewhere by the filter and by the fit."""


def retraced(
    movie: Frames,
    detector: Detector,
    tracks: pd.DataFrame,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    workers: int | None = None,
    only: Collection[int] | None = None,
) -> pd.DataFrame:
    """Move each row of each track to the peak of its frame that the whole track makes the likeliest.

    At a signal to noise of 4 to 5 one frame in six has a peak of the noise beside the rod that is higher than the rod.
    Around each track the response r of the matched filter gives the likelihood exp(a r - a^2 / 2) of every place and
    angle, a the track's usual signal to noise; rods creep and turn a little from frame to frame, and jump at times. The
    forward-backward algorithm gives the probability of every place given all frames, and the row goes to the likeliest;
    how far rods creep is what makes the frames the likeliest. That is where to start a fit, no more: the position then
    comes from its own frame.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
    tracks : DataFrame
        From `link`.
    progress, should_stop : callable, optional
    workers : int, optional
        Threads; as many as there are cores unless given. The result does not depend on it.

    Returns
    -------
    DataFrame
        As *tracks*, with a row for every frame from the first to the last of a track. Where a row has moved to another
        peak, the size and the errors are NaN: those of the first fit are of another place.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    plan, step = _Plan.of(tracks, detector, only), None
    tables = []
    for start in range(0, len(movie), _BLOCK):
        first = max(start - _OVERLAP, 0)
        frames = range(first, min(start + _BLOCK + _OVERLAP, len(movie)))
        part = _Part(movie, frames)
        work = partial(plan.likelihoods, frames)
        found = over_frames(work, part, 1, "following faint rods", progress, should_stop, workers)
        windows = plan.windows(dict(zip(frames, found, strict=True)))
        step = _likeliest_step(windows) if step is None and windows else step
        for window in windows:
            report(None, should_stop, start, len(movie), "following faint rods")
            tables.append(plan.path(window, step or 0.0, range(start, start + _BLOCK)))
    if not tables:
        return tracks
    followed = tracks["particle"].isin(plan.paths)
    moved = _moved(tracks[followed], pd.concat(tables), _SAME_PEAK * plan.scale)
    result = pd.concat([moved, tracks[~followed]]) if not followed.all() else moved
    return result.sort_values(["particle", "frame"], ignore_index=True)


@dataclass(frozen=True)
class _Part:
    """Some frames of a movie."""

    movie: Frames
    frames: range

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int, /) -> NDArray[np.generic]:
        return self.movie[self.frames[index]]


@dataclass(frozen=True)
class _Plan:
    """What is known of the tracks before: by particle the usual path, signal to noise and motion.

    Attributes
    ----------
    rods : dict
        By frame, the rods of all tracks with their sizes and usual contrasts.
    paths : dict
        By particle: its frames, and the pixel of the filter (x, y) on which its window is centred in each.
    half : int
        Half the side of a window, px of the filter.
    snr : dict
        By particle.
    """

    detector: Detector
    rods: dict[int, pd.DataFrame]
    paths: dict[int, tuple[range, NDArray[np.intp]]]
    half: int
    snr: dict[int, float]

    @property
    def scale(self) -> int:
        """Px of the movie in one of the filter."""
        return self.detector.field.bin_px * self.detector.coarsening

    @classmethod
    def of(cls, tracks: pd.DataFrame, detector: Detector, only: Collection[int] | None = None) -> _Plan:
        shapes = rigid_shapes(tracks, detector)
        usual = shapes[SIZES].join(tracks.groupby("particle")[["snr", "contrast"]].median())
        scale = detector.field.bin_px * detector.coarsening
        rods = tracks[["particle", "frame", "x", "y", "angle_deg"]].join(usual, on="particle")
        paths = {}
        for particle, track in tracks.groupby("particle"):
            if only is not None and particle not in only:
                continue
            seen = track["frame"].to_numpy()
            frames = range(int(seen[0]), int(seen[-1]) + 1)
            smooth = ndimage.median_filter(track[["x", "y"]].to_numpy(float), (_PATH_FRAMES, 1), mode="nearest")
            path = np.stack([np.interp(frames, seen, smooth[:, axis]) for axis in (0, 1)], axis=1)
            paths[int(str(particle))] = (frames, np.rint((path + 0.5) / scale - 0.5).astype(np.intp))
        snr = np.sqrt(np.maximum(usual["snr"].to_numpy() ** 2 - _RAISED, _LEAST_SNR**2))
        return cls(
            detector,
            {int(str(frame)): table for frame, table in rods.groupby("frame")},
            paths,
            int(np.ceil(_HALF_LENGTHS * float(shapes["length"].median()) / scale)),
            {int(str(particle)): float(value) for particle, value in zip(usual.index, snr, strict=True)},
        )

    def likelihoods(self, frames: range, images: Sequence[NDArray[np.generic]], index: int) -> list[dict[int, Floats]]:
        """Likelihoods against no rod, by particle, (angles, y, x) of its window, in some *images* in a row."""
        return [self._in_frame(image, frame) for image, frame in zip(images, frames[index:], strict=False)]

    def _in_frame(self, image: NDArray[np.generic], frame: int) -> dict[int, Floats]:
        normal = self.detector.field.normalise(image)
        rods = self.rods.get(frame)
        parameters = np.empty((0, 8)) if rods is None else self.detector.parameters(rods)
        own = np.empty(0) if rods is None else rods["particle"].to_numpy()
        return {
            particle: self._around(normal, centres[frame - frames.start], parameters[own != particle], particle)
            for particle, (frames, centres) in self.paths.items()
            if frame in frames
        }

    def _around(self, normal: Array, centre: NDArray[np.intp], others: Floats, particle: int) -> Floats:
        """Likelihoods in the window around *centre*, the *others* taken away."""
        detector, bank = self.detector, self.detector.bank
        factor, reach = detector.coarsening, detector.prior.shape.reach
        margin = self.half + bank.reach
        corner = factor * (centre - margin)
        side = factor * (2 * margin + 1)
        top, left = corner[1], corner[0]
        rows, columns = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
        window = np.zeros((side, side), dtype=np.float32)
        seen = normal[rows, columns]
        at = (max(-top, 0), max(-left, 0))
        window[at[0] : at[0] + seen.shape[0], at[1] : at[1] + seen.shape[1]] = seen
        near = others[(np.abs(others[:, [X, Y]] - corner - side / 2) < side / 2 + reach).all(axis=1)].copy()
        if len(near):
            near[:, [X, Y]] -= corner
            window -= rods_image(window.shape, near, reach)
        inner = slice(bank.reach, bank.reach + 2 * self.half + 1)
        response = bank.responses(coarsen(window, factor))[:, inner, inner] / bank.texture
        snr = self.snr[particle]
        likelihood: Floats = np.exp(np.minimum(snr * response.astype(float) - snr * snr / 2, _MOST_LOG))
        return likelihood

    def windows(self, maps: dict[int, dict[int, Floats]]) -> list[_Windows]:
        """Collect for each track what *maps* have of it, by frame and particle."""
        collected = []
        for particle, (frames, centres) in self.paths.items():
            numbers = [frame for frame in frames if frame in maps]
            if numbers:
                likely = [maps[frame][particle] for frame in numbers]
                here = centres[numbers[0] - frames.start : numbers[-1] + 1 - frames.start]
                collected.append(_Windows(particle, numbers, here, likely))
        return collected

    def path(self, windows: _Windows, step: float, wanted: range) -> pd.DataFrame:
        """The likeliest place and angle of a track in those of the *wanted* frames that it has."""
        belief = windows.beliefs(step)
        best = [int(np.argmax(one.sum(axis=0))) for one in belief]
        row, column = np.divmod(best, 2 * self.half + 1)
        angle = [int(np.argmax(one[:, y, x])) for one, y, x in zip(belief, row, column, strict=True)]
        near = [
            one[:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] for one, y, x in zip(belief, row, column, strict=True)
        ]
        place = windows.centres + np.stack([column, row], axis=1) - self.half
        table = pd.DataFrame(
            {
                "particle": windows.particle,
                "frame": windows.frames,
                "x": (place[:, 0] + 0.5) * self.scale - 0.5,
                "y": (place[:, 1] + 0.5) * self.scale - 0.5,
                "angle_deg": np.degrees(self.detector.bank.angles[angle]),
                "link_confidence": [part.sum() / one.sum() for part, one in zip(near, belief, strict=True)],
            }
        )
        return table[table["frame"].isin(wanted)]


@dataclass(frozen=True)
class _Windows:
    """Likelihoods (angles, y, x) of one track in consecutive frames, in windows around *centres* (x, y)."""

    particle: int
    frames: list[int]
    centres: NDArray[np.intp]
    likely: list[Floats]

    def beliefs(self, step: float) -> list[Floats]:
        """Probability of every place and angle in each frame given all of them, but for a factor."""
        shifts = np.diff(self.centres, axis=0)
        before, _ = _messages(self.likely, shifts, step)
        after, _ = _messages(self.likely[::-1], -shifts[::-1], step)
        return [one * two * here for one, two, here in zip(before, after[::-1], self.likely, strict=True)]

    def evidence(self, step: float) -> float:
        """Log likelihood of all frames together."""
        return _messages(self.likely, np.diff(self.centres, axis=0), step)[1]


def _likeliest_step(windows: list[_Windows]) -> float:
    """Of `_STEPS` the one that explains some tracks best."""
    some = windows[:: max(len(windows) // _TRIED_TRACKS, 1)]
    return max(_STEPS, key=lambda step: sum(one.evidence(step) for one in some))


def _messages(likely: list[Floats], shifts: NDArray[np.intp], step: float) -> tuple[list[Floats], float]:
    """What all frames before say of each one, (angles, y, x), sums to 1; and the log likelihood of all."""
    message = np.full(likely[0].shape, 1 / likely[0].size)
    messages, evidence = [], 0.0
    for here, (x, y) in zip(likely, [*shifts, (0, 0)], strict=True):
        messages.append(message)
        belief = message * here
        total = float(belief.sum())
        evidence += np.log(total)
        message = _moved_on(_shifted(belief / total, -y, -x), step)
        message /= message.sum()
    return messages, evidence


def _shifted(belief: Floats, down: int, right: int) -> Floats:
    """*belief* in a window that moved the other way; 0 where it saw nothing before."""
    if down == right == 0:
        return belief
    moved = np.zeros_like(belief)
    to = (slice(max(down, 0), down if down < 0 else None), slice(max(right, 0), right if right < 0 else None))
    of = (slice(max(-down, 0), -down if down > 0 else None), slice(max(-right, 0), -right if right > 0 else None))
    moved[:, *to] = belief[:, *of]
    return moved


def _moved_on(belief: Floats, step: float) -> Floats:
    """Spread of a *belief* in one frame: creeping and turning a little, or a jump to anywhere with any angle."""
    spread = float(np.hypot(step, _CELL_VARIANCE**0.5))
    crept = ndimage.gaussian_filter(belief, (0, spread, spread), mode="constant", truncate=4)
    beside = (np.roll(crept, 1, axis=0) + np.roll(crept, -1, axis=0)) / 2
    turned = (1 - _NEXT_ANGLE) * crept + _NEXT_ANGLE * beside
    turned = (1 - _ODD_TURN) * turned + _ODD_TURN * crept.mean(axis=0)
    result: Floats = (1 - _JUMP) * turned + _JUMP / belief.size
    return result


def _moved(tracks: pd.DataFrame, places: pd.DataFrame, far_px: float) -> pd.DataFrame:
    """*tracks* at their new *places*."""
    pose = ["x", "y", "angle_deg"]
    table = places.merge(tracks, on=["particle", "frame"], how="left", suffixes=("", "_before"))
    off = (table[["x", "y"]].to_numpy() - table[["x_before", "y_before"]].to_numpy()).astype(float)
    new = ~(np.abs(off) <= far_px).all(axis=1)
    table.loc[new, [*SIZES, *(str(name) for name in tracks if "_error" in str(name))]] = np.nan
    table.loc[~new, pose] = table.loc[~new, [f"{name}_before" for name in pose]].to_numpy()
    usual = tracks.groupby("particle")[["contrast", "snr", "visible", "link_confidence"]].median()
    for name in usual:
        table[name] = table[name].fillna(table["particle"].map(usual[name]))
    result: pd.DataFrame = table.assign(merge_suspected=table["merge_suspected"].fillna(False).astype(bool))[
        list(tracks)
    ]
    return result
