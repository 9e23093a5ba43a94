"""Finding and following rods: simulated movies of known truth, the bound of physics and common recipes beside.

Run ``python benchmarks/detection.py``; it prints markdown tables. ``--quick`` takes fewer frames and seeds; ``--real
FOLDER`` adds a folder of real frames, ``--samem FOLDER`` one with ``frames`` and ``masks``.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from outcomes import TOUCHING_WIDTHS, Outcome, follow
from recipes import DEFAULTS, RECIPES, tune
from scenes import DIFFICULT, KINDS, LEVELS, empty, jumpers, pairs, scene
from skimage import io

import napari_lptem_diffusion as lptem
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles import label_image
from napari_lptem_diffusion.particles.known_truth.motion_scores import msd_ratios, pixel_locking, score_jumps
from napari_lptem_diffusion.particles.known_truth.scoring import error_ratio, mask_overlaps, match_rods
from napari_lptem_diffusion.particles.known_truth.tracking_scores import score_tracks

LAGS = (1, 2, 5, 10)
TUNING_SEED = 100
SCORED_FRAMES = 20  # of the recipes, of which some are slow
DIFFICULT_FRAMES = 20
QUICK_DIFFICULT = ["nothing difficult", "dark blobs to 200 px", "round aperture, grey surround", "film texture"]
PAIR_GAPS = (-1.01, -0.5, 0.0, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and seeds, recipes on one level")
    parser.add_argument("--real", type=Path, help="a folder of real frames")
    parser.add_argument("--samem", type=Path, help="a folder with frames and masks of one rod")
    options = parser.parse_args()
    frames, seeds = (30, [1]) if options.quick else (100, [1, 2, 3])
    print(f"{len(seeds)} movies a level of {frames} frames, 1024 x 1024 px, 12 rods; seeds that nothing was tuned on.")
    outcomes = {level: follow(scene(level, seed, frames) for seed in seeds) for level in LEVELS}
    detection_table(outcomes)
    error_table(outcomes)
    tracking_table(outcomes)
    physics_table(outcomes, frames)
    speed_table(outcomes)
    pairs_table(["hard"] if options.quick else ["medium", "hard"])
    difficult_table(QUICK_DIFFICULT if options.quick else list(DIFFICULT))
    empty_movie(20 if options.quick else 200)
    recipes_table({"hard": outcomes["hard"]} if options.quick else outcomes, frames)
    if options.real is not None:
        real_movie(options.real)
    if options.samem is not None:
        samem_example(options.samem)


def table(title: str, note: str, columns: Sequence[str]) -> None:
    print(f"\n## {title}\n\n{note}\n\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def rms(values: pd.Series | np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def detection_table(outcomes: dict[str, Outcome]) -> None:
    note = (
        f"One-to-one within 8 px. *Touching*: rods whose outline is less than {TOUCHING_WIDTHS} widths from another's; "
        "IoU: mean over the matched rods of the masks of found and true pose."
    )
    columns = ["level", "rows of", "F1", "precision", "recall", "recall of touching rods (how many)", "IoU"]
    table("Detection", note, columns)
    for level, outcome in outcomes.items():
        for name in ("detections", "tracks"):
            matches = outcome.matches(getattr(outcome, name))
            near, seen = (rods["gap"] < TOUCHING_WIDTHS for rods in (outcome.truth, matches.true))
            row(
                level,
                name,
                f"{matches.f1:.3f}",
                f"{len(matches.found) / max(matches.detections, 1):.3f}",
                f"{len(matches.true) / matches.truths:.3f}",
                f"{seen.sum() / max(near.sum(), 1):.2f} ({near.sum()})",
                f"{mask_overlaps(matches.found[::5], matches.true[::5]).mean():.3f}",
            )


def error_table(outcomes: dict[str, Outcome]) -> None:
    note = (
        "Isolated rods (two widths from the next outline, 40 px from the border), rms. Stated over true: rms ratio, "
        "in brackets the robust one from medians. The bound is the same whether size, angle and contrast are known or "
        "not."
    )
    columns = ["level", "rows of", "along / across, px", "Cramer-Rao bound", "error / bound", "stated / true along"]
    columns += ["across", "both", "angle rms / median, deg", "stated / true angle"]
    table("Localization", note, columns)
    for level, outcome in outcomes.items():
        for name in ("detections", "tracks"):
            m = outcome.matches(getattr(outcome, name), isolated=True)
            errors = np.stack([m.along, m.across], axis=1)
            bound = m.true[["bound_along", "bound_across"]].to_numpy()
            stated = m.found[["localization_error_along", "localization_error_across"]].to_numpy()
            ratios = [error_ratio(stated[:, axis], errors[:, axis]) for axis in (0, 1, slice(None))]
            angle = error_ratio(m.found["angle_error_deg"].to_numpy(), m.angle)
            row(
                level,
                name,
                f"{rms(m.along):.2f} / {rms(m.across):.2f}",
                f"{rms(bound[:, 0]):.2f} / {rms(bound[:, 1]):.2f}",
                f"{rms(errors) / rms(bound):.2f}",
                *(f"{ratio.rms:.2f} ({ratio.robust:.2f})" for ratio in ratios),
                f"{rms(m.angle):.1f} / {np.median(np.abs(m.angle)):.1f}",
                f"{angle.rms:.2f} ({angle.robust:.2f})",
            )


def tracking_table(outcomes: dict[str, Outcome]) -> None:
    note = (
        "HOTA (Luiten et al. 2021) at the gate of 8 px, with its parts; *strict*: averaged over similarities "
        "1 - distance / 8 px from .05 to .95 as in the paper, which the bound of the position limits."
    )
    columns = ["level", "HOTA", "DetA", "AssA", "strict HOTA", "IDF1", "switches per 1000 rod-frames", "link Jaccard"]
    table("Tracking", note, [*columns, "TRA", "tracks / rods", "F1 / HOTA of each movie"])
    for level, outcome in outcomes.items():
        scores = score_tracks(outcome.tracks, outcome.truth)
        parts = (*vars(scores.hota).values(), scores.strict_hota.hota, scores.idf1)
        movies = [(one.matches(one.tracks).f1, score_tracks(one.tracks, one.truth).hota.hota) for one in outcome.each()]
        row(
            level,
            *(f"{part:.3f}" for part in parts),
            f"{scores.switches_per_1000:.1f}",
            f"{scores.link_jaccard:.3f}",
            f"{scores.tra:.3f}",
            f"{outcome.tracks['particle'].nunique()} / {outcome.truth['particle'].nunique()}",
            ", ".join(f"{f1:.2f} / {hota:.2f}" for f1, hota in movies),
        )


def physics_table(outcomes: dict[str, Outcome], frames: int) -> None:
    note = (
        "MSD of the tracks over that of all rods at lags 1, 2, 5, 10, the localization error taken out: as stated, "
        "and as it truly is. A false jump is a displacement above 15 px that no rod made. Far jumps exceed 38 px; "
        "*jumpers* are movies full of them. Locking: amplitude of an error in x and y that repeats from pixel to "
        "pixel, isolated rods, and what it would be by chance."
    )
    columns = ["level", "MSD ratio, stated errors", "MSD ratio, true errors", "false jumps / links", "far jumps kept"]
    table("Physics", note, [*columns, "locking, px (chance)"])
    more = {f"jumpers, {level}": follow([jumpers(level, 1, frames=frames)]) for level in ("medium", "hard")}
    for level, outcome in (outcomes | more).items():
        matches = outcome.matches(outcome.tracks)
        true = float(np.mean(matches.along**2 + matches.across**2))
        stated = float(2 * np.mean(outcome.tracks["localization_error"] ** 2))
        jumps = score_jumps(outcome.tracks, outcome.truth)
        row(
            level,
            *(
                ", ".join(f"{ratio:.2f}" for ratio in msd_ratios(outcome.tracks, outcome.truth, LAGS, squared))
                for squared in (stated, true)
            ),
            f"{jumps.false} / {jumps.links}",
            f"{jumps.kept} / {jumps.far}",
            locking(outcome),
        )


def locking(outcome: Outcome) -> str:
    matches = outcome.matches(outcome.tracks, isolated=True)
    found, true = (rods[["x", "y"]].to_numpy() for rods in (matches.found, matches.true))
    amplitudes = [pixel_locking(found[:, axis], true[:, axis]) for axis in (0, 1)]
    chance = rms(found - true) * np.sqrt(np.pi / max(len(found), 1))
    return f"{amplitudes[0]:.3f}, {amplitudes[1]:.3f} ({chance:.3f})"


def speed_table(outcomes: dict[str, Outcome]) -> None:
    note = (
        "From memory, as the stages of an analysis report it, in frames per second by the clock; the last column, all "
        "stages with calibration and motion on all cores, is not lengthened by other work on the machine."
    )
    stages = list(next(iter(outcomes.values())).seconds)
    followed = [stage for stage in stages if stage not in ("calibrate", "motion")]
    columns = ["level", "calibrate, s a movie", *followed, " and ".join(followed), "processor s a movie"]
    table("Speed", note, columns)
    for level, outcome in outcomes.items():
        together = sum(outcome.seconds[stage] for stage in followed)
        row(
            level,
            f"{outcome.seconds['calibrate'] / outcome.movies:.1f}",
            *(f"{outcome.frames / max(outcome.seconds[stage], 1e-9):.1f}" for stage in followed),
            f"{outcome.frames / together:.1f}",
            f"{outcome.processor_seconds / outcome.movies:.1f}",
        )
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(
        f"\nPeak memory of the process so far, imports, simulation and the movies themselves included: {peak:.0f} MiB."
    )


def pairs_table(levels: Sequence[str]) -> None:
    note = "64 pairs, 8 frames: recall by the gap between outlines, in widths; below 0 they lie on each other."
    edges = [f"{low:.1f} to {high:.1f}" for low, high in pairwise(PAIR_GAPS)]
    table("Pairs of rods", note, ["level", "how they lie", *edges, "all", "precision of the level"])
    for level in levels:
        known = pairs(level, 1)
        matches = match_rods(lptem.detect(known.movie), known.poses)
        seen = known.poses.merge(matches.true[["particle", "frame"]].assign(seen=True), how="left")
        seen = seen.assign(seen=seen["seen"].notna(), bin=pd.cut(seen["gap_widths"], PAIR_GAPS, labels=edges))
        for kind in KINDS:
            here = seen[seen["kind"] == kind]
            recall = here.groupby("bin", observed=False)["seen"].mean()
            cells = ["" if np.isnan(share) else f"{share:.2f}" for share in recall]
            row(level, kind, *cells, f"{here['seen'].mean():.2f}", f"{len(matches.found) / matches.detections:.3f}")


def difficult_table(names: Sequence[str]) -> None:
    note = (
        f"One movie each of {DIFFICULT_FRAMES} frames, tracks; *hard* where it says so, else *medium*. A false track "
        "is one of which less than half is a rod. Error and stated error of isolated rods."
    )
    columns = ["movie", "F1", "precision", "recall", "HOTA", "false tracks", "tracks / rods", "error / bound"]
    table("Difficult movies", note, [*columns, "stated / true"])
    for name in names:
        level, options = DIFFICULT[name]
        outcome = follow([scene(level, 1, **({"frames": DIFFICULT_FRAMES} | options))])
        tracks, truth = outcome.tracks, outcome.truth
        if tracks.empty:
            row(name, "0.000", "", "0.000", "0.000", 0, f"0 / {truth['particle'].nunique()}", "", "")
            continue
        matches, isolated = outcome.matches(tracks), outcome.matches(tracks, isolated=True)
        lengths = tracks.groupby("particle").size()
        right = matches.found.groupby("particle").size().reindex(lengths.index, fill_value=0)
        errors = np.stack([isolated.along, isolated.across], axis=1)
        stated = isolated.found[["localization_error_along", "localization_error_across"]].to_numpy()
        row(
            name,
            f"{matches.f1:.3f}",
            f"{len(matches.found) / matches.detections:.3f}",
            f"{len(matches.true) / matches.truths:.3f}",
            f"{score_tracks(tracks, truth).hota.hota:.3f}",
            (right < lengths / 2).sum(),
            f"{len(lengths)} / {truth['particle'].nunique()}",
            f"{rms(errors) / rms(isolated.true[['bound_along', 'bound_across']].to_numpy()):.2f}",
            f"{error_ratio(stated, errors).rms:.2f}" if len(errors) else "",
        )


def empty_movie(frames: int) -> None:
    analysis = lptem.analyze(Movie.from_array(empty("hard", 1, frames).movie, "empty"))
    print(f"\n## No rods\n\n{frames} frames of noise: {len(analysis.detections)} detections, ", end="")
    print(f"{analysis.tracks['particle'].nunique()} tracks.")


def recipes_table(outcomes: dict[str, Outcome], frames: int) -> None:
    scored = range(SCORED_FRAMES)
    note = (
        f"The first {len(scored)} frames of the first movie. Options, threshold and linking of each recipe are those "
        f"that were best on another movie (seed {TUNING_SEED}); backgrounds are of all {frames} frames, the link is "
        "trackpy's. "
        "Error: rms in x and y together."
    )
    columns = ["level", "recipe", "F1", "HOTA", "switches per 1000", "error, px", "frames/s of detection"]
    table("Common recipes", note, columns)
    for level, outcome in outcomes.items():
        tuning, test = scene(level, TUNING_SEED, frames), scene(level, 1, frames)
        here = [part[part["frame"] < len(scored)] for part in (outcome.detections, outcome.tracks, outcome.truth)]
        found, tracks, truth = (part.reset_index(drop=True) for part in here)
        seconds = sum(spent for stage, spent in outcome.seconds.items() if stage not in ("calibrate", "motion"))
        recipe_row(level, "**this engine** (speed with linking)", found, tracks, outcome.frames / seconds, truth)
        for name, (recipe, options) in DEFAULTS.items():
            found = recipe(test.movie, range(4), *options)
            recipe_row(level, f"{name}, defaults", found, None, float("nan"), truth[truth["frame"] < 4])
        for name in RECIPES:
            tuned = tune(name, tuning, range(0, frames, frames // 4), range(12))
            recipe_row(level, f"{name}, tuned", *tuned.apply(test, scored), truth)


def recipe_row(
    level: str, name: str, found: pd.DataFrame, tracks: pd.DataFrame | None, speed: float, truth: pd.DataFrame
) -> None:
    matches = match_rods(found.assign(angle_deg=0.0), truth)
    cells = ["", ""]
    if tracks is not None:
        scores = score_tracks(tracks, truth)
        cells = [f"{scores.hota.hota:.3f}", f"{scores.switches_per_1000:.1f}"]
    error = np.sqrt(np.mean(matches.along**2 + matches.across**2)) if len(matches.found) else float("nan")
    row(level, name, f"{matches.f1:.3f}", *cells, f"{error:.2f}", "" if np.isnan(speed) else f"{speed:.1f}")


def real_movie(folder: Path) -> None:
    tracks = lptem.analyze(folder).tracks
    lengths = ", ".join(str(count) for count in tracks.groupby("particle").size())
    print(f"\n## Real movie\n\n{tracks['particle'].nunique()} tracks of {lengths} frames.")


def samem_example(folder: Path) -> None:
    """Mask and centroid of one rod per frame, without prompts."""
    masks = [io.imread(path) for path in sorted((folder / "masks").glob("*.png"))]
    masks = [(mask if mask.ndim == 2 else mask[..., :3].max(axis=-1)) > 0 for mask in masks]
    tracks = lptem.analyze(folder / "frames").tracks
    overlaps, distances = [], []
    for frame, mask in enumerate(masks):
        rods = tracks[tracks["frame"] == frame]
        drawn = label_image(rods, mask.shape, np.ones(len(rods), dtype=int)) > 0
        overlaps.append((drawn & mask).sum() / (drawn | mask).sum())
        centre = [positions.mean() for positions in np.nonzero(mask)]
        distances += list(np.hypot(rods["x"] - centre[1], rods["y"] - centre[0]))
    print(f"\n## SAM-EM example\n\n{len(masks)} frames, {tracks['particle'].nunique()} tracks, ", end="")
    print(f"{len(tracks)} detections: mask IoU {np.mean(overlaps):.3f}, ", end="")
    print(f"centroid error {np.mean(distances):.2f} px mean, {np.median(distances):.2f} px median.")


if __name__ == "__main__":
    main()
