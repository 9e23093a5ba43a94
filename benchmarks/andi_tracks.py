"""Tracks of the `andi-datasets` package, in an environment of its own: python benchmarks/andi_tracks.py TRACKS.csv.

The table is read by ``python benchmarks/diffusion.py --andi TRACKS.csv``. Needs numpy and andi-datasets alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from andi_datasets.models_theory import models_theory

FRAMES, TRACKS = 300, 200
RANGES = {"fbm": (0.1, 1.0), "ctrw": (0.1, 1.0), "lw": (1.1, 1.9), "attm": (0.1, 1.0), "sbm": (0.1, 0.7)}


def main() -> None:
    rng = np.random.default_rng(20_26)
    np.random.seed(20_26)  # noqa: NPY002 - the package draws from numpy's global generator
    rows = ["kind,alpha,particle,frame,x,y"]
    for kind, (low, high) in RANGES.items():
        for particle, alpha in enumerate(rng.uniform(low, high, TRACKS)):
            x, y = np.asarray(getattr(models_theory(), kind)(FRAMES, alpha, D=2)).reshape(2, FRAMES)
            rows += [f"{kind},{alpha:.6f},{particle},{frame},{x[frame]:.8g},{y[frame]:.8g}" for frame in range(FRAMES)]
    Path(sys.argv[1]).write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
