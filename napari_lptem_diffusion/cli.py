"""The command line: analyze, judge, compare, view, train and demo, over the same engine as the plugin."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.batch import Job, Outcome, Outputs, analyze_and_save, analyze_movies
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.overlay_style import QUALITIES, RATES_PER_S, WIDTHS_PX, OverlayStyle
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import Settings, StageSettings
from napari_lptem_diffusion.terminal import ProgressBars, StopOnInterrupt, found_in_words

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.diffusion.training import TrainingConfig
    from napari_lptem_diffusion.particles.correcting.correction import Correction

BAD_INPUT, INTERRUPTED = 2, 130
_MOVIE = "a TIFF, DM3, DM4, MRC, EMD, SER or NumPy file, or a folder of frames"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, 2 for input that cannot be used, 130 when stopped."""
    options = _parser().parse_args(arguments)
    try:
        with _warnings_as_lines():
            options.run(options)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT
    except (Stopped, KeyboardInterrupt) as stopped:
        print(str(stopped) or "Stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-lptem-diffusion",
        description="Find gold nanorods in liquid-phase TEM movies and say how their motion mixes FBM and CTRW.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser(
        "analyze",
        help="analyse movies and write CSVs",
        description="Analyse movies and write CSVs. Of several movies, those that are done already with the same "
        "settings are left out, so that a run that was stopped can be taken up by the same command.",
    )
    analyze.add_argument("movies", nargs="+", type=Path, metavar="MOVIE", help=_MOVIE)
    analyze.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    _add_video(analyze)
    analyze.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run in OUT")
    _add_extras(analyze)
    analyze.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="analyse so many movies at a time (default: 1)"
    )
    analyze.add_argument(
        "--corrections", type=Path, metavar="FILE.json", help="make the corrections of an export to its movie again"
    )
    _add_settings(analyze)
    analyze.set_defaults(run=_analyze)

    judge = commands.add_parser("judge", help="judge the motion of tracks that another tool found")
    judge.add_argument("tracks", type=Path, metavar="TRACKS", help="CSV of any tool, TrackMate's XML or CSV, .mat")
    judge.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    judge.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="WHAT=NAME",
        help="what a column holds (x, y, particle, frame, time, localization_error, angle) or its unit (length_unit, "
        "time_unit, angle_unit), such as --column x=POSITION_X --column length_unit=nm; guessed where left out",
    )
    _add_extras(judge)
    judge.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run in OUT")
    _add_settings(judge, "movie", "diffusion")
    judge.set_defaults(run=_judge)

    compare = commands.add_parser("compare", help="compare conditions over the results of many movies")
    compare.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="results of analyze or judge, or sessions"
    )
    compare.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the comparison")
    compare.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="FOLDER=LABEL",
        help="condition of a folder, a number or a word; folders of one label are one condition (default: its name)",
    )
    compare.add_argument("--condition-name", default="Condition", metavar="NAME", help="what the labels are, with unit")
    compare.add_argument(
        "--largest-mismatch", type=float, default=0.5, metavar="X", help="leave out particles above (default: 0.5)"
    )
    compare.add_argument("--overwrite", action="store_true", help="replace an earlier comparison in OUT")
    compare.set_defaults(run=_compare)

    view = commands.add_parser("view", help="open napari with the plugin docked")
    view.add_argument("movie", nargs="?", type=Path, metavar="MOVIE", help=_MOVIE)
    _add_settings(view)
    view.set_defaults(run=_view)

    demo = commands.add_parser("demo", help="analyse the sample movie, then show it if there is a display")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo_output"), metavar="OUT")
    demo.add_argument("--no-window", action="store_true", help="do not open napari")
    demo.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run in OUT")
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train the network on simulated tracks")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run; continued")
    train.add_argument("--config", type=Path, help="TOML file; what it does not name keeps its default")
    train.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="default: %(default)s")
    train.add_argument("--start", type=Path, metavar="WEIGHTS", help="weights to start from instead of random ones")
    train.add_argument("--finish", type=int, metavar="STEPS", help="let the run of the folder end, over so many steps")
    train.set_defaults(run=_train)
    return parser


def _add_extras(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trackmate", action="store_true", help="write the tracks for Fiji's TrackMate too")
    parser.add_argument("--figures", action="store_true", help="write figures for a paper too (SVG and PDF)")


def _add_video(parser: argparse.ArgumentParser) -> None:
    low, high = WIDTHS_PX
    slow, fast = RATES_PER_S
    parser.add_argument("--no-video", action="store_true", help="do not write the overlay movie")
    parser.add_argument(
        "--video-width", type=int, metavar="PX", help=f"of the overlay movie, {low} to {high} (default: by the movie)"
    )
    parser.add_argument(
        "--video-fps",
        type=float,
        default=OverlayStyle.frames_per_second,
        metavar="X",
        help=f"frames of the movie in a second of the overlay, {slow:g} to {fast:g} (default: %(default)g)",
    )
    parser.add_argument(
        "--video-quality",
        choices=list(QUALITIES),
        default=OverlayStyle.quality,
        help="low makes the file about half as large, high twice as large (default: %(default)s)",
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 1")
    return number


def _add_settings(parser: argparse.ArgumentParser, *stages: str) -> None:
    """Add ``--settings FILE`` and one option for each field of the settings model, of *stages* or all."""
    parser.add_argument("--settings", type=Path, metavar="FILE.toml", help="settings; the options below win over it")
    for stage, stage_field in Settings.model_fields.items():
        if stages and stage not in stages:
            continue
        model = stage_field.annotation
        assert model is not None
        group = parser.add_argument_group(stage, (model.__doc__ or "").strip())
        for name, field in model.model_fields.items():
            choices = [value for value in get_args(field.annotation) if isinstance(value, str)]
            extra = field.json_schema_extra
            unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
            group.add_argument(
                f"--{name.replace('_', '-')}",
                dest=f"{stage}.{name}",
                choices=choices or None,
                metavar=None if choices else "X",
                help=f"{field.description}{f' [{unit}]' if unit else ''}".replace("%", "%%"),
            )


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings of the file, if any, with the options given on the command line put over them."""
    base = Settings.from_toml(options.settings) if options.settings else Settings()
    values: dict[str, Any] = base.model_dump()
    for stage, fields in values.items():
        assert issubclass(type(getattr(base, stage)), StageSettings)
        for name in fields:
            if (given := getattr(options, f"{stage}.{name}", None)) is not None:
                fields[name] = given
    return Settings.checked(values, "Command line")


def _analyze(options: argparse.Namespace) -> None:
    settings = _settings(options)
    style = OverlayStyle(options.video_width, options.video_fps, options.video_quality)
    outputs = Outputs(True, not options.no_video, options.trackmate, options.figures, style)
    if len(options.movies) == 1:
        job = Job(options.movies[0], options.output, settings, outputs, options.overwrite)
        _analyze_one(job, _corrections(options))
    elif options.corrections is not None:
        raise InputError(f"--corrections belong to one movie, but {len(options.movies)} movies were given.")
    else:
        _analyze_many(options, settings, outputs)


def _analyze_one(job: Job, corrections: Sequence[Correction] = ()) -> Analysis:
    from napari_lptem_diffusion.export import check_output_folder

    check_output_folder(job.folder, overwrite=job.overwrite)
    with StopOnInterrupt() as should_stop, ProgressBars() as progress:
        analysis = analyze_and_save(job, progress, should_stop, corrections)
    print(found_in_words(analysis, job.folder))
    return analysis


def _analyze_many(options: argparse.Namespace, settings: Settings, outputs: Outputs) -> None:
    with StopOnInterrupt() as should_stop, ProgressBars() as progress:
        outcomes = analyze_movies(
            options.movies,
            options.output,
            settings,
            outputs,
            options.workers,
            options.overwrite,
            progress=progress,
            should_stop=should_stop,
            on_outcome=_print_outcome,
        )
    if without := [outcome.movie.name for outcome in outcomes if outcome.status in ("refused", "failed")]:
        raise InputError(f"{len(without)} of {len(outcomes)} movies could not be analysed: {', '.join(without)}.")


def _print_outcome(outcome: Outcome) -> None:
    for warned in outcome.warned:
        print(f"Warning: {warned}", file=sys.stderr)
    if outcome.status in ("refused", "failed"):
        print(f"{outcome.details}Error: {outcome.message}", file=sys.stderr)
    else:
        print(outcome.message)


def _corrections(options: argparse.Namespace) -> tuple[Correction, ...]:
    from napari_lptem_diffusion.particles.correcting.correction import read_corrections

    return () if options.corrections is None else read_corrections(options.corrections)


def _judge(options: argparse.Namespace) -> None:
    from napari_lptem_diffusion.export import check_output_folder, save_analysis
    from napari_lptem_diffusion.judge import judge_tracks

    settings = _settings(options)
    columns = _pairs(options.column, "--column x=POSITION_X")
    check_output_folder(options.output, overwrite=options.overwrite)
    with StopOnInterrupt() as should_stop, ProgressBars() as progress:
        analysis = judge_tracks(options.tracks, settings, columns, progress, should_stop)
        save_analysis(
            analysis,
            options.output,
            options.overwrite,
            progress,
            should_stop,
            report_page=True,
            trackmate=options.trackmate,
            figures=options.figures,
        )
    print(found_in_words(analysis, options.output))


def _compare(options: argparse.Namespace) -> None:
    from napari_lptem_diffusion.compare import compare, labels_of, save_comparison
    from napari_lptem_diffusion.diffusion.known import LEFT_OUT
    from napari_lptem_diffusion.export import check_output_folder
    from napari_lptem_diffusion.export.read_export import exports_in

    said = _pairs(options.condition, "--condition movie1=low")
    labels = labels_of([export for folder in options.folders for export in exports_in(folder)], said)
    check_output_folder(options.output, overwrite=options.overwrite)
    with StopOnInterrupt() as should_stop, ProgressBars() as progress:
        comparison = compare(
            labels, options.condition_name, options.largest_mismatch, progress=progress, should_stop=should_stop
        )
    save_comparison(comparison, options.output, options.overwrite)
    for row in comparison.conditions.to_dict("records"):
        left_out = ", ".join(f"{row[f'n_{why}']} {why.replace('_', ' ')}" for why in LEFT_OUT)
        print(f"{row['condition']}: {row['n_movies']} movies, {row['n_compared']} particles compared ({left_out})")
    for row in comparison.table.to_dict("records"):
        found = f"{row['median']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
        print(f"  {row['quantity']} at {row['condition']}: {found} {row['unit']}".rstrip())
    print(f"Written to {options.output}")


def _pairs(given: Sequence[str], example: str) -> dict[str, str]:
    """Read options of the form NAME=VALUE."""
    for pair in given:
        if "=" not in pair:
            raise InputError(f"{pair!r} has no '='; something like {example} was expected.")
    return {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in given)}


def _view(options: argparse.Namespace) -> None:
    from napari_lptem_diffusion.gui.app import view

    view(options.movie, _settings(options))


def _demo(options: argparse.Namespace) -> None:
    from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE

    analysis = _analyze_one(Job(SAMPLE_MOVIE, options.output, Settings(), Outputs(), options.overwrite))
    if options.no_window:
        return
    if not _has_display():
        print("napari was not opened: there is no display.")
        return
    from napari_lptem_diffusion.gui.app import show

    show(analysis)


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _train(options: argparse.Namespace) -> None:
    import torch

    from napari_lptem_diffusion.diffusion.training import finish, train
    from napari_lptem_diffusion.export.figures import save_training_figure

    if options.device == "cuda" and not torch.cuda.is_available():
        raise InputError("No CUDA device was found; --device cuda needs one.")
    if options.finish:
        weights: Path | None = finish(options.output, options.finish, options.device)
    else:
        weights = train(_training_config(options.config), options.output, options.device, start=options.start)
    assert weights is not None  # None is for a run that was told where to stop
    save_training_figure(weights.parent / "log.csv", weights.parent / "losses.png")
    print(f"Written: {weights}")


def _training_config(path: Path | None) -> TrainingConfig:
    from napari_lptem_diffusion.diffusion.training import TrainingConfig

    try:
        return TrainingConfig.from_toml(path) if path else TrainingConfig()
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The training configuration {path} cannot be read: {error}.") from error


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print what users are warned of as one line each."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, InputWarning):
            print(f"Warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


if __name__ == "__main__":
    sys.exit(main())
