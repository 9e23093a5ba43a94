"""Progress, Ctrl-C and results in a terminal."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis


class ProgressBars:
    """One bar with ETA for each stage on standard error; a line for each where that is no terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> ProgressBars:
        return self

    def __call__(self, done: int, total: int, message: str) -> None:
        """Show *done* of *total* for the stage *message*."""
        if message != self._stage:
            self._close()
            self._stage = message
            if sys.stderr.isatty():
                self._bar = tqdm(total=total, desc=message, leave=True, dynamic_ncols=True)
            else:
                print(f"{message} ...", file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class StopOnInterrupt:
    """The first Ctrl-C (or SIGTERM) asks the work to stop, the second ends it; call it to know whether to stop."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopOnInterrupt:
        if threading.current_thread() is threading.main_thread():  # signals reach no other
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask) or signal.SIG_DFL
        return self

    def __call__(self) -> bool:
        """Say whether the user asked to stop."""
        return self._asked

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        for handled in self._before:
            signal.signal(handled, signal.default_int_handler)
        print("\nStopping; press Ctrl-C again to end at once.", file=sys.stderr)


def found_in_words(analysis: Analysis, folder: Path) -> str:
    """Return what was found, particle by particle, how long it took and what was written into *folder*; many lines."""
    from napari_lptem_diffusion.diffusion.changes import levels
    from napari_lptem_diffusion.diffusion.known import known_in_words
    from napari_lptem_diffusion.export.folder import size_text

    movie, particles = analysis.movie, analysis.motion.particles
    frames, height, width = movie.shape
    calibration = movie.calibration
    lines = [
        f"{movie.name}: {frames} frames of {width} x {height} px",
        *(f"  note: {note}" for note in movie.notes),
        f"  pixel size: {_with_source(calibration.pixel_size_nm, 'nm', calibration.pixel_size_source)}",
        f"  frame interval: {_with_source(calibration.frame_interval_s, 's', calibration.frame_interval_source)}",
        *([f"  corrections made: {len(analysis.corrections)}"] if analysis.corrections else []),
        f"Found {len(particles)} tracks ({len(analysis.detections)} sightings of rods).",
        *([f"  mixing ratio: {known_in_words(particles)}"] if len(particles) else []),
    ]
    if particles.empty:
        lines.append("  No rod was followed: try a lower --threshold-sigma, or --rods-are bright.")
    rows = particles.assign(levels=levels(analysis.motion.frames, particles)).to_dict("records")
    lines += [f"  particle {row['particle']}: {row['frames']} frames, {_motion_in_words(row)}" for row in rows]
    lines += [f"  {lap.stage}: {lap.seconds:.1f} s, {lap.rate:.1f} {lap.unit}/s" for lap in analysis.times]
    lines.append(f"Written to {folder}:")
    for entry in sorted(folder.iterdir()):
        lines.append(f"  {entry.name}/" if entry.is_dir() else f"  {entry.name} ({size_text(entry)})")
    return "\n".join(lines)


def _motion_in_words(row: Mapping[Hashable, Any]) -> str:
    """What is said of a particle; *row* is its summary with its `levels`."""
    from napari_lptem_diffusion.diffusion.changes import ARROW
    from napari_lptem_diffusion.diffusion.known import is_known

    if row["immobile"]:
        return "immobile: moves no more than its localization error"
    ratio, low, high = (row[f"mixing_ratio{end}"] for end in ("", "_low", "_high"))
    if math.isnan(ratio):
        return "too short to judge"
    whole = f"{ratio:.2f} ({low:.2f} to {high:.2f})" + ("" if is_known("mixing_ratio", low, high) else ", not known")
    return f"mixing ratio {row['levels']}; whole track {whole}" if ARROW in row["levels"] else f"mixing ratio {whole}"


def _with_source(value: float | None, unit: str, source: str) -> str:
    return f"unknown ({source}); results are in px and frames" if value is None else f"{value:g} {unit} ({source})"
