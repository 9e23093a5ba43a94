"""Many movies with one set of settings: on one process or several, and taken up again where it was stopped.

Nothing heavy is imported until a movie is analysed, so that the processes start with one thread each.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.overlay_style import OverlayStyle
from napari_lptem_diffusion.progress import Progress, ShouldStop, Stopped
from napari_lptem_diffusion.settings import Settings
from napari_lptem_diffusion.workers import elsewhere, on_processes

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.particles.correcting.correction import Correction

SUMMARY = "batch.csv"


@dataclass(frozen=True)
class Outputs:
    """What is written beside the tables; see `export.save_analysis`."""

    report_page: bool = True
    overlay_movie: bool = True
    trackmate: bool = False
    figures: bool = False
    overlay_style: OverlayStyle = field(default_factory=OverlayStyle)

    @property
    def names(self) -> frozenset[str]:
        """Names, without their ending, of files that only these outputs have."""
        names = {
            "report": self.report_page,
            "overlay": self.overlay_movie,
            "trackmate": self.trackmate,
            "figures/all_rods": self.figures,
        }
        return frozenset(name for name, wanted in names.items() if wanted)


@dataclass(frozen=True)
class Job:
    """A movie and the folder that its results go to."""

    movie: Path
    folder: Path
    settings: Settings
    outputs: Outputs
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a movie.

    Attributes
    ----------
    movie, folder : Path
    status : str
        "done"; "done before", with the same settings; "refused", for it cannot be used; "failed", by an error of the
        program.
    message : str
        What was found, or what is wrong, in words.
    warned : tuple of str
    details : str
        Where in the program it failed.
    """

    movie: Path
    folder: Path
    status: Literal["done", "done before", "refused", "failed"]
    message: str
    warned: tuple[str, ...] = ()
    details: str = ""


def analyze_movies(
    movies: Sequence[str | Path],
    output: str | Path,
    settings: Settings | None = None,
    outputs: Outputs | None = None,
    workers: int = 1,
    overwrite: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Analyse movies into a folder each inside *output*, with ``batch.csv`` that says what became of them.

    A movie that cannot be used does not keep the others from being analysed. A movie whose folder holds a whole
    export of the same movie, settings, network and version is not analysed again. The tables are the same, byte by
    byte, with any number of workers.

    Parameters
    ----------
    movies : sequence of path
    output : path
        Each folder in it has the name of its movie.
    settings : Settings, optional
    outputs : Outputs, optional
    workers : int
        Processes, each with one thread; 1: in this process. A script that asks for more needs
        ``if __name__ == "__main__":``.
    overwrite : bool
        Analyse all anew and replace earlier exports.
    executor : Executor, optional
        Does the work in place of processes of this machine, such as ``client.get_executor()`` of Dask; its workers
        must see *movies* and *output* under the same paths.
    progress, should_stop : callable, optional
        Of the stages of each movie with one worker, else of whole movies.
    on_outcome : callable, optional
        Called with each `Outcome` as soon as it is known.

    Returns
    -------
    tuple of Outcome
        In the order of *movies*.

    Raises
    ------
    InputError
        Before any work, if there is no movie, or a folder holds other files and *overwrite* is False.
    Stopped
        If *should_stop* answered True; movies that were done by then are skipped the next time.
    """
    from napari_lptem_diffusion.export import check_output_folder

    paths, output = [Path(movie) for movie in movies], Path(output)
    if not paths:
        raise InputError("No movie was given; files or folders of frames were expected.")
    settings, outputs = settings or Settings(), outputs or Outputs()
    jobs = [Job(movie, folder, settings, outputs, overwrite) for movie, folder in output_folders(paths, output).items()]
    known = {} if overwrite else {job: outcome for job in jobs if (outcome := _done_before(job)) is not None}
    waiting = [job for job in jobs if job not in known]
    for job in waiting:
        check_output_folder(job.folder, overwrite)
    for outcome in known.values():
        _tell(on_outcome, outcome)
    results: Iterator[tuple[Job, Outcome | Exception]] = _here(waiting, progress, should_stop)
    if executor is not None:
        results = elsewhere(_outcome_of, waiting, executor, output, progress, should_stop)
    elif workers > 1:
        results = on_processes(_outcome_of, waiting, workers, output, progress, should_stop)
    try:
        for job, result in results:
            known[job] = _told(job, result)
            _tell(on_outcome, known[job])
    finally:
        _write_summary([known[job] for job in jobs if job in known], output)
    return tuple(known[job] for job in jobs)


def analyze_and_save(
    job: Job,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    corrections: Sequence[Correction] = (),
) -> Analysis:
    """Analyse the movie of *job*, make *corrections*, write the export and return the analysis.

    Raises
    ------
    InputError
        If the movie cannot be used or the folder not be written.
    Stopped
        If *should_stop* answered True; nothing was written then.
    """
    from napari_lptem_diffusion.analysis import analyze
    from napari_lptem_diffusion.corrections import replay
    from napari_lptem_diffusion.export import save_analysis

    analysis = replay(analyze(job.movie, job.settings, progress, should_stop), corrections, progress, should_stop)
    wanted = job.outputs
    save_analysis(
        analysis,
        job.folder,
        job.overwrite,
        progress,
        should_stop,
        report_page=wanted.report_page,
        overlay_movie=wanted.overlay_movie,
        trackmate=wanted.trackmate,
        figures=wanted.figures,
        overlay_style=wanted.overlay_style,
    )
    return analysis


def output_folders(movies: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Return a folder in *output* for each movie, named after it, no two alike on any file system.

    Raises
    ------
    InputError
        If a movie is there twice.
    """
    folders: dict[Path, Path] = {}
    names: list[str] = []
    for movie in movies:
        if movie in folders:
            raise InputError(f"{movie} was given twice.")
        name = stem = movie.resolve().name if movie.is_dir() else movie.stem
        number = 1
        while name.casefold() in map(str.casefold, names):  # some file systems take Rods and rods for one
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
        folders[movie] = output / name
    return folders


def _here(
    jobs: Sequence[Job], progress: Progress | None, should_stop: ShouldStop | None
) -> Iterator[tuple[Job, Outcome]]:
    for job in jobs:
        yield job, _outcome(job, progress, should_stop)


def _outcome_of(job: Job, should_stop: ShouldStop) -> Outcome:
    """Do *job* in a worker, unless it was done in one that died before it could tell."""
    before = None if job.overwrite else _done_before(job)
    return before or _outcome(job, None, should_stop)


def _outcome(job: Job, progress: Progress | None, should_stop: ShouldStop | None) -> Outcome:
    """Do *job*; what is wrong with its movie is part of the outcome."""
    from napari_lptem_diffusion.terminal import found_in_words

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            said = found_in_words(analyze_and_save(job, progress, should_stop), job.folder)
            outcome = partial(Outcome, job.movie, job.folder, "done", said)
        except InputError as error:
            outcome = partial(Outcome, job.movie, job.folder, "refused", str(error))
        except Stopped:
            raise
        except Exception as error:  # one movie must not end the night's work; the outcome tells
            said = f"{job.movie.name}: {type(error).__name__}: {error}"
            outcome = partial(Outcome, job.movie, job.folder, "failed", said, details=traceback.format_exc())
    warned = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, InputWarning))
    return outcome(warned=tuple(warned))


def _told(job: Job, result: Outcome | Exception) -> Outcome:
    """What a worker returned; a worker that died is a failure of its movie."""
    if isinstance(result, Outcome):
        return result
    said = f"{job.movie.name}: the process that analysed it ended ({result}); it may have run out of memory."
    details = "".join(traceback.format_exception(result))
    return Outcome(job.movie, job.folder, "failed", said, details=details)


def _done_before(job: Job) -> Outcome | None:
    """The outcome of an earlier run that was the same and is whole; None if the movie is to be analysed."""
    from napari_lptem_diffusion.export.folder import PROVENANCE

    if not (job.folder / PROVENANCE).is_file():  # nor is the network to be loaded, to compare
        return None
    from napari_lptem_diffusion.export.earlier import particles_of_same_run

    found = particles_of_same_run(job.folder, job.movie, job.settings, job.outputs.names)
    if found is None:
        return None
    said = f"{job.movie.name}: {found} particles, analysed before with the same settings."
    return Outcome(job.movie, job.folder, "done before", said)


def _write_summary(outcomes: Sequence[Outcome], output: Path) -> None:
    """Write ``batch.csv``: what became of each movie, with the counts of those that are done."""
    import pandas as pd

    from napari_lptem_diffusion.export.folder import staged_file
    from napari_lptem_diffusion.export.tables import write_csv

    if not outcomes:
        return
    rows = [
        {"movie": outcome.movie.name, "folder": outcome.folder.name, "status": outcome.status, **_counts(outcome)}
        for outcome in outcomes
    ]
    output.mkdir(parents=True, exist_ok=True)
    with staged_file(output / SUMMARY) as new:
        write_csv(pd.DataFrame(rows).astype({"particles": "Int64", "judged": "Int64"}), new)


def _counts(outcome: Outcome) -> dict[str, Any]:
    import pandas as pd

    if outcome.status not in ("done", "done before"):
        return {"particles": None, "judged": None, "message": outcome.message}
    summary = pd.read_csv(outcome.folder / "summary.csv")
    return {"particles": len(summary), "judged": int(summary["mixing_ratio"].notna().sum()), "message": ""}


def _tell(on_outcome: Callable[[Outcome], None] | None, outcome: Outcome) -> None:
    if on_outcome is not None:
        on_outcome(outcome)
