"""The whole pipeline: a movie in, rods, tracks and their motion out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.estimate import Motion, estimate_diffusion
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.particles import Detector, calibrate, follow, label_image, search_range_px
from napari_lptem_diffusion.particles.correcting.correction import Correction
from napari_lptem_diffusion.particles.correcting.fit import for_fits
from napari_lptem_diffusion.particles.correcting.tables import nothing_marked
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


_STEPS = 4
"""Calibrate, detect, follow, judge."""


@dataclass(frozen=True)
class StageTime:
    """How long a stage took and how much it worked on."""

    stage: str
    seconds: float
    items: int
    unit: str

    @property
    def rate(self) -> float:
        """Items per second."""
        return self.items / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class Analysis:
    """What is known about the rods of a movie; the tables are described in docs/tables.md.

    Attributes
    ----------
    movie : Movie
    settings : Settings
    measured : mapping of str to float
        What the movie itself said where a setting was left empty, such as ``rod_length_px``.
    detections : DataFrame
        One row per rod and frame; positions in px.
    tracks : DataFrame
        The detections that belong to a track, with ``particle``; sorted by particle and frame.
    motion : Motion
        ``motion.frames``, ``motion.particles`` and ``motion.msd``; px and frames.
    times : tuple of StageTime
    corrections : tuple of Correction
        What the user corrected, in order; made by `corrections.correct`.
    marked : DataFrame
        Particles that the user marked as stuck or as dirt.
    uncorrected : Analysis or None
        What it was before the first correction; None if there is none.
    px_stands_for_nm : float or None
        Of tracks that came in nm or µm: positions were divided by it, so that it is the pixel size for good. None:
        positions were measured in px.
    drawn_over : Movie or None
        Of tracks of another tool, whose own movie is empty: the movie over which they are looked at.
    detector : Detector or None
        With which a rod that is drawn can be fitted at once; not kept in a session.
    """

    movie: Movie
    settings: Settings
    measured: Mapping[str, float]
    detections: pd.DataFrame
    tracks: pd.DataFrame
    motion: Motion
    times: tuple[StageTime, ...]
    corrections: tuple[Correction, ...] = ()
    marked: pd.DataFrame = field(default_factory=nothing_marked)
    uncorrected: Analysis | None = None
    px_stands_for_nm: float | None = None
    drawn_over: Movie | None = None
    detector: Detector | None = field(default=None, repr=False, compare=False)

    def labels(self, frame: int) -> NDArray[np.int32]:
        """Return the (y, x) label image of *frame*: 0 = background, particle + 1 on each rod."""
        rods = self.tracks[self.tracks["frame"] == frame]
        return label_image(rods, self.movie.shape[1:], rods["particle"].to_numpy() + 1)

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the CSVs and the provenance into *folder* and return it; see `export.save_analysis`."""
        from napari_lptem_diffusion.export import save_analysis

        return save_analysis(self, folder, overwrite=overwrite)


def analyze(
    movie: Movie | str | Path,
    settings: Settings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    detector: Detector | None = None,
) -> Analysis:
    """Find the rods of a movie, follow them and judge their motion.

    Parameters
    ----------
    movie : Movie or path
    settings : Settings, optional
        The defaults measure in the movie whatever they can.
    progress : callable, optional
        ``progress(done, total, message)``.
    should_stop : callable, optional
        Asked between frames and tracks.
    detector : Detector, optional
        What `calibrate` made of this movie with ``settings.detection`` before, which is then not done again.

    Raises
    ------
    InputError
        If the movie cannot be used.
    Stopped
        If *should_stop* answered True.
    """
    settings = settings or Settings()
    watch = _Stopwatch()
    movie = movie if isinstance(movie, Movie) else open_movie(movie)
    movie = movie.calibrated(settings.movie.pixel_size_nm, settings.movie.frame_interval_s)

    if detector is None:
        detector = calibrate(movie, settings.detection, _in_step(1, progress), should_stop)
        watch.lap("calibrate", len(movie), "frames")
    detections = detector.detect(movie, _in_step(2, progress), should_stop)
    watch.lap("detect", len(movie), "frames")

    detections, tracks = follow(movie, detector, detections, settings.linking, _in_step(3, progress), should_stop)
    watch.lap("follow", len(movie), "frames")

    motion = estimate_diffusion(tracks, settings.diffusion, _in_step(4, progress), should_stop)
    watch.lap("motion", len(motion.particles), "tracks")

    measured = {**detector.measured, "search_range_px": search_range_px(detections, settings.linking)}
    laps = tuple(watch.laps)
    return Analysis(movie, settings, measured, detections, tracks, motion, laps, detector=for_fits(detector))


def _in_step(step: int, progress: Progress | None) -> Progress | None:
    """Say in each message which of the steps it is of, some of which go over the movie several times."""
    if progress is None:
        return None
    return lambda done, total, message: progress(done, total, f"step {step} of {_STEPS}, {message}")


class _Stopwatch:
    def __init__(self) -> None:
        self.laps: list[StageTime] = []
        self._start = time.perf_counter()

    def lap(self, stage: str, items: int, unit: str) -> None:
        now = time.perf_counter()
        self.laps.append(StageTime(stage, now - self._start, items, unit))
        self._start = now
