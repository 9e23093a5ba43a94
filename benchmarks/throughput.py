"""How long each stage of an analysis takes: python benchmarks/throughput.py [MOVIE ...]; prints a markdown table.

Times are given as multiples of reading and averaging all frames once in the same run, so that they can be compared
between machines and between runs on a busy one. Without a movie the sample is used.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE

from napari_lptem_diffusion import analyze, open_movie


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movies", nargs="*", type=Path, default=[SAMPLE_MOVIE])
    print("| movie | stage | items/s | seconds | times reading |")
    print("|---|---|---|---|---|")
    for path in parser.parse_args().movies:
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
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"\nPeak memory of the process, imports included: {peak:.0f} MiB.")


if __name__ == "__main__":
    main()
