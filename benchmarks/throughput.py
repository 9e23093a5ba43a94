"""How long each stage of an analysis takes: python benchmarks/throughput.py [MOVIE ...]; prints a markdown table.

Times are given as multiples of reading and averaging all frames once in the same run, so that they can be compared
between machines and between runs on a busy one. Without a movie the sample is used. ``--large`` takes a simulated movie
of 4096 x 4096 px instead, from memory, and scores what was found in it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE
from scenes import scene

from napari_lptem_diffusion import analyze, open_movie
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods, without_cut

LARGE = ("hard", 101, 8, 4096, 100)
"""Level, seed, frames, size (px) and rods."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movies", nargs="*", type=Path, default=[SAMPLE_MOVIE])
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    if options.large:
        large_movie()
    else:
        stages(options.movies)
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"\nPeak memory of the process, imports included: {peak:.0f} MiB.")


def stages(paths: list[Path]) -> None:
    """Print the table for movies in files."""
    print("| movie | stage | items/s | seconds | times reading |")
    print("|---|---|---|---|---|")
    for path in paths:
        movie = open_movie(path)
        start = time.perf_counter()
        for frame in movie:
            np.mean(frame, dtype=np.float64)
        reading = time.perf_counter() - start
        size = f"{movie.name} ({len(movie)} x {movie.shape[1]} x {movie.shape[2]})"
        print(f"| {size} | read | {len(movie) / reading:.1f} frames/s | {reading:.2f} | 1 |")
        analysis = analyze(path)
        for lap in analysis.times:
            print(f"| | {lap.stage} | {lap.rate:.1f} {lap.unit}/s | {lap.seconds:.2f} | {lap.seconds / reading:.1f} |")


def large_movie() -> None:
    """Print the table for a movie of large frames; it is simulated in another process, whose memory does not count."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        known = pool.submit(scene, *LARGE).result()
    start = time.process_time()
    analysis = analyze(Movie.from_array(known.movie, "large"))
    seconds = time.process_time() - start
    level, _, frames, size, rods = LARGE
    print(
        f"{level}: {frames} frames of {size} x {size} px, {rods} rods.\n\n| stage | items/s | seconds |\n|---|---|---|"
    )
    for lap in analysis.times:
        print(f"| {lap.stage} | {lap.rate:.1f} {lap.unit}/s | {lap.seconds:.2f} |")
    f1 = match_rods(without_cut(analysis.tracks, known.poses, known.cut), known.poses).f1
    print(f"\nF1 of the tracks: {f1:.3f}. Processor time of all stages: {seconds:.1f} s.")


if __name__ == "__main__":
    main()
