"""Tracks of rods that no single frame shows for sure: found along paths, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detections import COLUMNS
from napari_lptem_diffusion.particles.finding.detector import Detector, coarsen
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.pose_fit import rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE
from napari_lptem_diffusion.particles.finding.slow_paths import best_paths, log_likelihood
from napari_lptem_diffusion.particles.following.faint_paths import retraced
from napari_lptem_diffusion.progress import Progress, ShouldStop

Array = NDArray[np.float32]
Pixels = NDArray[np.intp]
_ROUNDS = 4
_NEAR_LENGTHS = 1.5
_LEAST_SNR = 2.5
_CHOSEN = 0.4
"""By how much the response at a place that was chosen for it exceeds that of the rod."""
_MIXED = 0.05
"""Of its own response, what keeps two rods in one place from growing against each other."""
_PIXELS_TOGETHER = 12_000_000
_PLACES = ["particle", "frame", "x", "y", "angle_deg", "snr", "link_confidence"]


def faint_tracks(
    movie: Frames, detector: Detector, progress: Progress | None = None, should_stop: ShouldStop | None = None
) -> pd.DataFrame:
    """Find and follow rods that stand out of several frames together (track before detect).

    The paths along which the response of the filter is high for long (`slow_paths.best_paths`) are rods, at most one
    of those near each other in each round. They are taken out of the frames, as strong as is likeliest for all,
    and the rest is searched again: so rods that touch come apart, as each shows in many frames. Every path is traced
    (`faint_paths.retraced`) with the others taken away, and again when another is found beside it.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        As of `linking.link`, a row for every frame of a path; sizes are those of the population and nothing is fitted:
        errors are NaN. ``link_confidence`` is the probability, given all frames, that the rod is about there.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    places = pd.DataFrame({name: pd.Series(dtype=float) for name in _PLACES})
    near_px = _NEAR_LENGTHS * detector.prior.shape.length * detector.field.bin_px
    for turn in range(_ROUNDS + 1):
        table = _as_tracks(places, detector)
        new, left = _sought(movie, detector, table, progress, should_stop)
        strength = places["snr"] + places["particle"].map(_shared_out(detector, table, left))
        places = places.assign(snr=strength)[strength >= _LEAST_SNR]
        new = _one_of_each_place(new, near_px)
        if new.empty or turn == _ROUNDS:
            break
        new["particle"] += 1 + places["particle"].max() if len(places) else 0
        beside = _near(places, new, near_px)
        places = pd.concat([places, new], ignore_index=True) if len(places) else new
        snr = places.groupby("particle")["snr"].first()
        for some in (beside, list(new["particle"].unique())):
            traced = retraced(movie, detector, _as_tracks(places, detector), progress, should_stop, only=some)
            places = traced[_PLACES].assign(snr=traced["particle"].map(snr))
    return _as_tracks(places, detector)


@dataclass(frozen=True)
class _Seen:
    """A frame through the filter: log likelihoods, strongest response and its angle (y, x), responses at known rods."""

    likely: Array
    response: Array
    angle: NDArray[np.uint8]
    known: pd.Series


def _sought(
    movie: Frames,
    detector: Detector,
    known: pd.DataFrame,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> tuple[pd.DataFrame, pd.Series]:
    """Places of new paths, the *known* rods taken away, and by particle what is left of these on average."""
    in_frame = {int(str(frame)): table for frame, table in known.groupby("frame")}
    frames = over_frames(partial(_filtered, detector, in_frame), movie, 1, "seeking faint rods", progress, should_stop)
    new: list[pd.DataFrame] = []
    left = []
    together = max(_PIXELS_TOGETHER * detector.coarsening**2 // detector.field.background.size, 1)
    first = 0
    while block := list(islice(frames, together)):
        new += list(_new_places(block, first, len(new), detector))
        left += [frame.known for frame in block]
        first += len(block)
    remains = pd.concat(left)
    return pd.concat(new, ignore_index=True) if new else known[_PLACES][:0], remains.groupby(remains.index).mean()


def _filtered(
    detector: Detector, known: dict[int, pd.DataFrame], images: Sequence[NDArray[np.generic]], first: int
) -> list[_Seen]:
    """Some *images* in a row through the filter, without the rods that are *known* in each frame."""
    seen = []
    for frame, image in enumerate(images, start=first):
        normal, rods = detector.field.normalise(image), known.get(frame)
        if rods is not None:
            normal = normal - rods_image(normal.shape, detector.parameters(rods), detector.prior.shape.reach)
        response = detector.bank.responses(coarsen(normal, detector.coarsening)) / np.float32(detector.bank.texture)
        left = pd.Series(dtype=float)
        if rods is not None:
            x, y, turn = _pixels(detector, rods)
            left = pd.Series(response[turn, y, x].astype(float), index=rods["particle"].to_numpy())
        angle = response.argmax(axis=0).astype(np.uint8)
        seen.append(_Seen(log_likelihood(response), response.max(axis=0), angle, left))
    return seen


def _new_places(block: Sequence[_Seen], first: int, number: int, detector: Detector) -> Iterator[pd.DataFrame]:
    """Places of the best paths through a *block* of frames from *first* on, numbered from *number* on."""
    likely, response, angle = (
        np.stack([getattr(one, name) for one in block]) for name in ("likely", "response", "angle")
    )
    scale = detector.field.bin_px * detector.coarsening
    for particle, path in enumerate(
        best_paths(likely, detector.prior.shape.length / detector.coarsening), start=number
    ):
        t, y, x = path.T
        columns = {
            "particle": particle,
            "frame": first + t,
            "x": (x + 0.5) * scale - 0.5,
            "y": (y + 0.5) * scale - 0.5,
            "angle_deg": np.degrees(detector.bank.angles[angle[t, y, x]]),
            "snr": max(float(response[t, y, x].mean()) - _CHOSEN, _LEAST_SNR),
            "link_confidence": 1.0,
        }
        yield pd.DataFrame(columns)


def _near(places: pd.DataFrame, others: pd.DataFrame, near_px: float) -> list[int]:
    """Particles of *places* that are near one of *others* in some frame."""
    pairs = places.merge(others, on="frame", suffixes=("", "_other"))
    together = np.hypot(pairs["x"] - pairs["x_other"], pairs["y"] - pairs["y_other"]) < near_px
    return sorted(pairs.loc[together, "particle"].unique())


def _one_of_each_place(new: pd.DataFrame, near_px: float) -> pd.DataFrame:
    """Those of the *new* paths, best first, that are near none of those before."""
    kept: list[pd.DataFrame] = []
    for _, path in new.groupby("particle"):
        if not kept or not _near(path, pd.concat(kept), near_px):
            kept.append(path)
    return pd.concat(kept, ignore_index=True) if kept else new


def _shared_out(detector: Detector, rods: pd.DataFrame, left: pd.Series) -> pd.Series:
    """By particle, how much stronger than so far the *rods* are together, given what is *left* at their places."""
    overlap = _MIXED * np.eye(len(left))
    bank, reach = detector.bank, 2 * detector.bank.reach
    number = np.searchsorted(left.index.to_numpy(), rods["particle"].to_numpy())
    frames = np.bincount(number, minlength=len(left))
    x, y, turn = _pixels(detector, rods)
    for rows in rods.groupby("frame").indices.values():
        right, down = (values[rows][:, None] - values[rows] for values in (x, y))  # from the second rod to the first
        inside = np.maximum(np.abs(right), np.abs(down)) <= reach
        at = (np.clip(down, -reach, reach) + reach, np.clip(right, -reach, reach) + reach)
        response = np.where(inside, bank.overlaps[turn[rows], turn[rows][:, None], *at], 0)
        np.add.at(overlap, (number[rows][:, None], number[rows]), response / frames[number[rows]][:, None])
    return pd.Series(np.linalg.solve(overlap, left.to_numpy(float)), index=left.index)


def _pixels(detector: Detector, rods: pd.DataFrame) -> tuple[Pixels, Pixels, Pixels]:
    """Pixels x and y of the filter, and number of its angle, at which each rod is."""
    scale, (height, width) = detector.field.bin_px * detector.coarsening, detector.field.background.shape
    x, y = (
        np.clip(
            np.rint((rods[name].to_numpy(float) + 0.5) / scale - 0.5).astype(np.intp), 0, n // detector.coarsening - 1
        )
        for name, n in (("x", width), ("y", height))
    )
    count = len(detector.bank.angles)
    return x, y, np.rint(rods["angle_deg"].to_numpy(float) / 180 * count).astype(np.intp) % count


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
