"""Rods of a movie into tracks: linked, looked at again with the tracks in mind, and linked for good."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_lptem_diffusion.particles.detections import COLUMNS
from napari_lptem_diffusion.particles.detector import Detector
from napari_lptem_diffusion.particles.field import Frames
from napari_lptem_diffusion.particles.linking import link
from napari_lptem_diffusion.particles.rigid_shape import SIZES, with_rigid_shapes
from napari_lptem_diffusion.particles.second_look import look_again
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import LinkingSettings

_SAME_PLACE_WIDTHS = 0.5


def follow(
    movie: Frames,
    detector: Detector,
    detections: pd.DataFrame,
    settings: LinkingSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Follow the rods of a movie: `link`, `look_again`, `link`, and one size for each rod.

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
    first = link(detections, settings, progress, should_stop)
    if first.empty:
        return detections, first
    seen = look_again(movie, detector, first, settings.memory_frames, progress, should_stop)
    tracks = with_rigid_shapes(link(seen, settings, progress, should_stop), detector)
    loose = pd.concat([_others(detections, first), _others(seen.dropna(subset=SIZES), tracks)])
    found = pd.concat([tracks[list(COLUMNS)], loose[~_hidden_by(loose, tracks)]])
    return found.sort_values("frame", kind="stable", ignore_index=True), tracks


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
