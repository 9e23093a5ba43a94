"""Correcting an analysis: one correction at a time, only what changed judged again, undo and redo."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.diffusion.estimate import Motion, estimate_diffusion
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Correction, ReplaceRod, Rod, SplitTrack
from napari_lptem_diffusion.particles.correcting.drift import without_drift
from napari_lptem_diffusion.particles.correcting.tables import Rods, apply_correction
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import MovieSettings

_JUDGED_BY = ["x", "y", "localization_error", "angle_deg"]
_KEPT_STEPS = 20


def correct(
    analysis: Analysis,
    correction: Correction,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Analysis:
    """Return *analysis* with one more correction; *analysis* itself stays as it is. See `correct_together`."""
    return correct_together(analysis, (correction,), progress, should_stop)


def correct_together(
    analysis: Analysis,
    corrections: Sequence[Correction],
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Analysis:
    """Return *analysis* with more corrections, made one after the other; *analysis* itself stays as it is.

    Only tracks that changed are judged again: all of them when the drift of the stage changes. Particles keep their
    numbers, and a number is never given twice.

    Parameters
    ----------
    analysis : Analysis
    corrections : sequence of Correction
    progress, should_stop : callable, optional

    Raises
    ------
    InputError
        If there is no rod where a correction names one, or it cannot be done.
    Stopped
        If *should_stop* answered True.
    """
    rods = rods_of(analysis)
    for correction in corrections:
        if isinstance(correction, AddRod | ReplaceRod):
            _check_within(analysis.movie, correction.rod)
        rods = apply_correction(correction, rods, analysis.settings.diffusion.localization_error_px)
    return replace(
        analysis,
        detections=rods.detections,
        tracks=rods.tracks,
        marked=rods.marked,
        motion=_judged(analysis, rods.tracks, progress, should_stop),
        corrections=(*analysis.corrections, *corrections),
        uncorrected=analysis.uncorrected or analysis,
    )


def rods_of(analysis: Analysis) -> Rods:
    """Return the tables of *analysis* that a correction changes, with the number that the next new particle gets."""
    return Rods(analysis.detections, analysis.tracks, analysis.marked, _next_particle(analysis))


def replay(
    analysis: Analysis,
    corrections: Sequence[Correction],
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Analysis:
    """Return *analysis* with all *corrections*, one after the other.

    The same analysis and corrections give the same tables, byte by byte, as correcting by hand did.

    Raises
    ------
    Stopped
        If *should_stop* answered True.

    Warns
    -----
    InputWarning
        For each correction that is left out because it cannot be done here, as after other settings.
    """
    for done, correction in enumerate(corrections):
        try:
            analysis = correct(analysis, correction, should_stop=should_stop)
        except InputError as error:
            which = f"Correction {done + 1} of {len(corrections)} ({correction.do}) is left out"
            warnings.warn(f"{which}: {error}", InputWarning, stacklevel=2)
        report(progress, should_stop, done + 1, len(corrections), "correcting")
    return analysis


@dataclass(frozen=True)
class History:
    """An analysis that is being corrected, with what undo and redo need.

    Every method returns a new history. The last steps are kept in memory; `undo` makes earlier ones, and those of a
    reopened session, anew from the uncorrected analysis.

    Attributes
    ----------
    present : Analysis
    past : tuple of Analysis
        The latest last.
    future : tuple of Analysis
        What was undone, the latest undone last.
    """

    present: Analysis
    past: tuple[Analysis, ...] = ()
    future: tuple[Analysis, ...] = ()

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self.past or self.present.corrections)

    @property
    def can_redo(self) -> bool:
        """Whether a correction was taken back last."""
        return bool(self.future)

    def correct(
        self, correction: Correction, progress: Progress | None = None, should_stop: ShouldStop | None = None
    ) -> History:
        """Make one more correction; what was undone before is forgotten. Raises as `correct`."""
        return self._with((correction,), progress, should_stop)

    def correct_together(
        self,
        corrections: Sequence[Correction],
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> History:
        """Make several corrections as one step, in a reopened session too. Raises as `correct`."""
        action = 1 + max((correction.action or 0 for correction in self.present.corrections), default=0)
        together = [correction.model_copy(update={"action": action}) for correction in corrections]
        return self._with(together if len(together) > 1 else corrections, progress, should_stop)

    def _with(
        self, corrections: Sequence[Correction], progress: Progress | None, should_stop: ShouldStop | None
    ) -> History:
        corrected = correct_together(self.present, corrections, progress, should_stop)
        return History(corrected, (*self.past, self.present)[-_KEPT_STEPS:])

    def undo(self, progress: Progress | None = None, should_stop: ShouldStop | None = None) -> History:
        """Take back the last step; the same history if there is none.

        Raises
        ------
        Stopped
            If *should_stop* answered True.
        """
        if self.past:
            before = self.past[-1]
        elif self.present.uncorrected is not None:
            earlier = _before_last_step(self.present.corrections)
            before = replay(self.present.uncorrected, earlier, progress, should_stop)
        else:
            return self
        return History(before, self.past[:-1], (*self.future, self.present))

    def redo(self) -> History:
        """Make again what was taken back last; the same history if nothing was."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.present)[-_KEPT_STEPS:], self.future[:-1])

    def without(
        self, indices: Collection[int], progress: Progress | None = None, should_stop: ShouldStop | None = None
    ) -> History:
        """Take back these of the corrections and make the others again; this is a step that can be undone.

        Raises
        ------
        Stopped
            If *should_stop* answered True.
        """
        present = self.present
        if present.uncorrected is None:
            return self
        others = [correction for index, correction in enumerate(present.corrections) if index not in indices]
        again = replay(present.uncorrected, others, progress, should_stop)
        return History(again, (*self.past, present)[-_KEPT_STEPS:])

    def calibrated(self, movie: Movie, settings: MovieSettings) -> History:
        """Return the same history with another calibration of its movie, on which no correction depends.

        Raises
        ------
        InputError
            If positions came in nm or µm, and the pixel size is not the one by which they were divided.
        """
        stands_for, wanted = self.present.px_stands_for_nm, movie.calibration.pixel_size_nm
        if stands_for is not None and (wanted is None or not math.isclose(wanted, stands_for, rel_tol=1e-6)):
            other = "no pixel size" if wanted is None else f"a pixel size of {wanted:g} nm"
            raise InputError(
                f"The tracks of {self.present.movie.name} came in nm or µm and were divided by {stands_for:g} nm per "
                f"px; with {other} their lengths would be wrong: import the file again."
            )

        def with_it(analysis: Analysis) -> Analysis:
            before = None if analysis.uncorrected is None else with_it(analysis.uncorrected)
            changed = analysis.settings.model_copy(update={"movie": settings})
            return replace(analysis, movie=movie, settings=changed, uncorrected=before)

        past, future = (tuple(map(with_it, steps)) for steps in (self.past, self.future))
        return History(with_it(self.present), past, future)


def _before_last_step(corrections: tuple[Correction, ...]) -> tuple[Correction, ...]:
    """Return *corrections* without the last one and those that were made in one action with it."""
    *kept, last = corrections
    while last.action is not None and kept and kept[-1].action == last.action:
        kept.pop()
    return tuple(kept)


def _check_within(movie: Movie, rod: Rod) -> None:
    frames, height, width = movie.shape
    if not (rod.frame < frames and -0.5 <= rod.x <= width - 0.5 and -0.5 <= rod.y <= height - 0.5):
        raise InputError(
            f"A rod was to be placed at x = {rod.x:.1f}, y = {rod.y:.1f} px in frame {rod.frame}; the movie has frames "
            f"0 to {frames - 1} of {height} x {width} px."
        )


def _next_particle(analysis: Analysis) -> int:
    """Return the lowest number that no particle ever had: those of the analysis, then one for each new track."""
    particles = (analysis.uncorrected or analysis).tracks["particle"]
    new = sum(
        isinstance(correction, SplitTrack) or (isinstance(correction, AddRod) and correction.track is None)
        for correction in analysis.corrections
    )
    return int(particles.max() if len(particles) else -1) + 1 + new


def _judged(
    analysis: Analysis, tracks: pd.DataFrame, progress: Progress | None, should_stop: ShouldStop | None
) -> Motion:
    """Return the motion of *tracks*: that of *analysis* where a track is the same, else judged anew."""
    settings = analysis.settings.diffusion
    before, now = (without_drift(table, settings.localization_error_px) for table in (analysis.tracks, tracks))
    if "drift_x" in tracks:
        settings = settings.model_copy(update={"localization_error_px": None})  # it is in the table, with the drift's
    changed = _changed_particles(before, now)
    motion = estimate_diffusion(now[now["particle"].isin(changed)], settings, progress, should_stop)
    if motion.model_hash != analysis.motion.model_hash:  # two networks would not compare
        return estimate_diffusion(now, settings, progress, should_stop)
    kept = set(now["particle"]) - changed
    return Motion(
        _merged(analysis.motion.frames, motion.frames, kept, "frame"),
        _merged(analysis.motion.particles, motion.particles, kept, None),
        _merged(analysis.motion.msd, motion.msd, kept, "lag"),
        motion.model_hash,
    )


def _changed_particles(before: pd.DataFrame, now: pd.DataFrame) -> set[int]:
    """Return the particles of *now* that are new or were seen elsewhere, less surely, or in other frames."""
    keys = ["particle", "frame"]
    old, new = (table.reindex(columns=keys + _JUDGED_BY) for table in (before, now))
    both = new.merge(old, on=keys, how="outer", suffixes=("", "_before"), indicator="seen")
    same = both["seen"] == "both"
    for name in _JUDGED_BY:
        same &= (both[name] == both[f"{name}_before"]) | (both[name].isna() & both[f"{name}_before"].isna())
    return set(both.loc[~same, "particle"]) & set(now["particle"])


def _merged(before: pd.DataFrame, anew: pd.DataFrame, kept: set[int], order: str | None) -> pd.DataFrame:
    tables = [before[before["particle"].isin(kept)], anew.astype(before.dtypes)]
    return pd.concat(tables).sort_values(["particle", *([order] if order else [])], ignore_index=True)
