"""Rods of a movie into tracks: linked, looked at again with the tracks in mind, and linked for good."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.finding.detections import COLUMNS
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.following.faint_tracks import faint_tracks
from napari_lptem_diffusion.particles.following.fits_along_paths import fitted_along
from napari_lptem_diffusion.particles.following.linking import link, merge_suspected
from napari_lptem_diffusion.particles.following.rigid_shape import with_rigid_shapes
from napari_lptem_diffusion.particles.following.second_look import look_again
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import LinkingSettings

_SAME_PLACE_WIDTHS = 0.5
_FAINT_SNR = 8.0
_MOST_LOOKS = 3
_MANY_MORE = 0.05


def follow(
    movie: Frames,
    detector: Detector,
    detections: pd.DataFrame,
    settings: LinkingSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Follow the rods of a movie: `link`, `look_again`, `link`, and one size for each rod.

    Where the rods hardly stand out (median signal to noise below 8) several frames together tell where they
    are (`faint_tracks.faint_tracks`); detections and links do not count, and every rod keeps the name of its path
    (`fits_along_paths.fitted_along`). As long as a look finds 5 % more, another one follows, at most three.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
        Calibrated on *movie*.
    detections : DataFrame
        From ``detector.detect(movie)``.
    settings : LinkingSettings, optional
    progress, should_stop : callable, optional

    Returns
    -------
    detections : DataFrame
        The rods of the tracks as they were seen at the second look, and those that belong to no track.
    tracks : DataFrame
        As of `link`, each row a row of *detections*. ``length``, ``width``, ``blur`` are the same in all rows of a
        track, and the positions and angles are fitted with them.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    settings = settings or LinkingSettings()
    if len(detections) > 0 and bool(detections["snr"].median() < _FAINT_SNR):
        first = faint_tracks(movie, detector, progress, should_stop)
        tracks = _as_linked(fitted_along(movie, detector, first, progress, should_stop), settings.minimum_frames)
    else:
        first = link(detections, settings, progress, should_stop)
        tracks = _seen_again(movie, detector, first, settings, progress, should_stop)
    if tracks.empty:
        return detections, tracks
    loose = _others(detections, first)
    tracks = with_rigid_shapes(tracks, detector)
    found = pd.concat([tracks[list(COLUMNS)], loose[~_hidden_by(loose, tracks)]])
    return found.sort_values("frame", kind="stable", ignore_index=True), tracks


def _seen_again(
    movie: Frames,
    detector: Detector,
    tracks: pd.DataFrame,
    settings: LinkingSettings,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> pd.DataFrame:
    """Look and link again as long as that finds many more rods."""
    for _ in range(_MOST_LOOKS if len(tracks) else 0):
        before = len(tracks)
        seen = look_again(movie, detector, tracks, settings.memory_frames, progress, should_stop)
        seen = seen.dropna(subset="localization_error")  # lost there, and its first fit was of another place
        tracks = link(seen, settings, progress, should_stop)
        if len(tracks) < (1 + _MANY_MORE) * before:
            break
    return tracks


def _as_linked(paths: pd.DataFrame, minimum_frames: int) -> pd.DataFrame:
    """*paths* that are long enough, numbered in order of first appearance as `link` does."""
    frames = paths.groupby("particle")["frame"].agg(["min", "size"])
    kept = frames[frames["size"] >= minimum_frames].sort_values("min", kind="stable").index
    tracks = paths[paths["particle"].isin(kept)]
    tracks = tracks.assign(particle=kept.get_indexer(pd.Index(tracks["particle"])))
    tracks = tracks.sort_values(["particle", "frame"], ignore_index=True)
    return tracks.assign(merge_suspected=merge_suspected(tracks))


def _others(detections: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Rows of *detections* that are in no track."""
    place = ["frame", "x", "y"]
    return detections[~pd.MultiIndex.from_frame(detections[place]).isin(pd.MultiIndex.from_frame(tracks[place]))]


def _hidden_by(loose: pd.DataFrame, tracks: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which *loose* rods lie where a track has one."""
    near = _SAME_PLACE_WIDTHS * float(tracks["width"].median()) if len(tracks) else 0.0
    hidden = np.zeros(len(loose), dtype=bool)
    tracked = tracks.groupby("frame").indices
    for frame, rows in loose.groupby("frame").indices.items():
        there = tracks[["x", "y"]].to_numpy()[tracked.get(frame, np.empty(0, dtype=np.intp))]
        if len(there):
            hidden[rows] = cdist(loose[["x", "y"]].to_numpy()[rows], there).min(axis=1) < near
    return hidden
