"""How often the intervals of `compare` hold the true median of a condition, on made-up populations of particles.

Run: python -m benchmarks.comparison
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_lptem_diffusion.compare import interval_of_median

TRIALS, REPLICATES, PARTICLES = 200, 200, 12
POPULATIONS = {
    "alike movies": (0.0, 0.2, 0.1),
    "alike movies, uncertain particles": (0.0, 0.1, 0.2),
    "movies differ as much as particles": (0.12, 0.12, 0.1),
    "movies differ more than particles": (0.2, 0.08, 0.08),
}
"""Standard deviations of movies, of particles within a movie, and of the estimate of a particle."""


def population(movies: int, between: float, within: float, error: float, rng: np.random.Generator) -> pd.DataFrame:
    """Particles of one condition whose true median is 1, as `compare` reads them."""
    truth = 1 + rng.normal(0, between, (movies, 1)) + rng.normal(0, within, (movies, PARTICLES))
    sigma = (error * np.exp(rng.normal(0, 0.5, truth.shape))).ravel()
    seen = truth.ravel() + sigma * rng.standard_normal(sigma.size)
    ends = {"k_ctrw": seen, "k_ctrw_low": seen - 1.645 * sigma, "k_ctrw_high": seen + 1.645 * sigma}
    return pd.DataFrame({"movie": np.repeat(np.arange(movies), PARTICLES).astype(str), "mixing_ratio": 0.5, **ends})


def main() -> None:
    """Print the table of docs/compare.md."""
    numbers = (1, 2, 3, 4, 6)
    print("| population | " + " | ".join(f"{movies} movie{'s' * (movies > 1)}" for movies in numbers) + " |")
    print("|---" * (len(numbers) + 1) + "|")
    for name, sigmas in POPULATIONS.items():
        cells = []
        for movies in numbers:
            rng = np.random.default_rng(movies)
            found = [
                interval_of_median(population(movies, *sigmas, rng), "k_ctrw", seed, REPLICATES)
                for seed in range(TRIALS)
            ]
            cells.append(f"{np.mean([one['low'] <= 1 <= one['high'] for one in found]):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
