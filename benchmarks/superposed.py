"""The network beside the exact posterior of superposed FBM + CTRW: python benchmarks/superposed.py [--tracks N].

The posterior knows everything about how the tracks are made but their numbers: a uniform mixing ratio; exponents
uniform on (0.1, 1); Pareto waits of at least a frame, Gaussian jumps; the localization error. It is sampled, which
takes seconds to minutes a track. The network is told the localization error, and holds far more motion possible.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from reference_tracks import Floats, fbm_covariance, fbm_steps, moving_ctrw_steps, observe, table, unit

from napari_lptem_diffusion.diffusion.estimate import BUNDLED_WEIGHTS, network_estimates
from napari_lptem_diffusion.settings import DiffusionSettings

EXPONENTS = np.linspace(0.1, 1.0, 46)[:-1] + 0.01
STARTS = (4.0, 9.0, 25.0)
"""Above how many times the usual squared displacement a chain starts with a jump."""
SWEEPS = {50: 800, 300: 240}
"""Of each chain, by frames; the first quarter is left out."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=8, help="of 300 frames a line; four times as many of 50")
    parser.add_argument("--weights", type=Path, default=BUNDLED_WEIGHTS)
    arguments = parser.parse_args()
    print("\n### FBM + CTRW superposed: the track's mixing ratio beside its exact posterior, mean absolute errors\n")
    print(f"{arguments.tracks} tracks of 300 frames a line, four times as many of 50. Sampling error: mean absolute")
    print("difference between the medians of the two halves of the samples.\n")
    print("| frames | error/step | network | posterior | ratio | sampling error | alpha_fbm: network | posterior |")
    print("|---|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(20_27)
    for frames in SWEEPS:
        for sigma in (0.0, 0.3):
            count = arguments.tracks * (4 if frames < 100 else 1)
            print(line(frames, sigma, count, arguments.weights, rng), flush=True)


def line(frames: int, sigma: float, count: int, weights: Path, rng: np.random.Generator) -> str:
    """Return one line of the table, on *count* fresh tracks."""
    ratio = rng.uniform(0, 1, count)
    fbm, ctrw = rng.uniform(0.1, 1, (2, count))
    tracks = []
    for m, f, c in zip(ratio, fbm, ctrw, strict=True):
        parts = unit(fbm_steps(f, frames - 1, rng)), unit(moving_ctrw_steps(c, frames - 1, rng))
        tracks.append(observe(np.sqrt(m) * parts[0] + np.sqrt(1 - m) * parts[1], sigma, rng))
    told = DiffusionSettings(exposure_fraction=0)
    judged = network_estimates(table(tracks, sigma), told, weights=weights).particles
    samples = np.stack([posterior(track, sigma, SWEEPS[frames], rng) for track in tracks])
    medians = np.median(samples, axis=1)
    halves = np.median(samples[..., 0].reshape(count, 2, -1), axis=2)
    between = np.abs(np.diff(halves)).mean()
    errors = [np.abs(found - ratio).mean() for found in (judged["mixing_ratio"], medians[:, 0])]
    alphas = [np.abs(found - fbm).mean() for found in (judged["alpha_fbm"], medians[:, 1])]
    return (
        f"| {frames} | {sigma} | {errors[0]:.3f} | {errors[1]:.3f} | {errors[0] / errors[1]:.2f} | {between:.3f} | "
        f"{alphas[0]:.3f} | {alphas[1]:.3f} |"
    )


def posterior(track: Floats, sigma: float, sweeps: int, rng: np.random.Generator) -> Floats:
    """Return samples of mixing ratio and alpha_fbm, ``(samples, 2)``.

    A chain may stay where it explains the track badly, so that the one of several with the highest density counts.
    """
    chains = []
    for contrast in STARTS:
        chain = Chain(np.diff(track, axis=0), sigma, contrast, rng)
        chains.append([chain.sweep() for _ in range(sweeps)][sweeps // 4 :])
    best = np.mean(chains, axis=1)[:, 2].argmax()
    return np.array(chains[best])[:, :2]


class Chain:
    """Markov chain over the frames of the jumps, both exponents and the sizes of both parts.

    Given the frames of the jumps J (0 or 1), displacements are Gaussian along each axis with covariance
    F C(alpha_fbm) + B diag(J) + sigma^2 N, so that setting or taking away one jump changes the inverse by a matrix of
    rank one. F and B are sampled as mixing ratio F / (F + B r) and size F + B r, r the share of frames with a jump.
    """

    def __init__(self, seen: Floats, sigma: float, contrast: float, rng: np.random.Generator) -> None:
        self._seen, self._rng = seen, rng
        steps = len(seen)
        self._noise = sigma**2 * (2 * np.eye(steps) - np.eye(steps, k=1) - np.eye(steps, k=-1))
        self._waits = waiting_probabilities(steps)
        squares = (seen**2).sum(1) / 2
        usual = np.median(squares) / np.log(2)
        self._jumps = squares >= min(contrast * usual, squares.max())
        self._fbm = max(usual - 2 * sigma**2, 0.1 * usual)
        self._jump = squares[self._jumps].mean()
        self._alpha_fbm, self._alpha_ctrw = 0.5, len(EXPONENTS) // 2
        self._log_density = self._solve()

    def sweep(self) -> tuple[float, float, float]:
        """Draw everything anew once.

        Returns the mixing ratio that the track happened to have, alpha_fbm, and the log density up to a constant.
        """
        for frame in self._rng.permutation(len(self._seen)):
            self._draw_jump(frame)
        self._log_density = self._solve()
        for width in (0.1, 0.4):
            self._try_sizes_and_exponent(width)
        log_mass = self._log_pattern(slice(None))
        self._alpha_ctrw = self._rng.choice(len(EXPONENTS), p=np.exp(log_mass - np.logaddexp.reduce(log_mass)))
        parts = self._fbm * fbm_covariance(self._alpha_fbm, len(self._seen)), np.diag(self._jump * self._jumps)
        squares = [self._square(part) for part in parts]
        log_density = self._log_density + log_mass[self._alpha_ctrw]
        return squares[0] / sum(squares), self._alpha_fbm, float(log_density)

    def _solve(self) -> float:
        """Solve for the inverse; return the log density of sizes and alpha_fbm, up to a constant."""
        covariance = self._fbm * fbm_covariance(self._alpha_fbm, len(self._seen)) + self._noise
        self._inverse = np.linalg.inv(covariance + np.diag(self._jump * self._jumps))
        self._weighted = self._inverse @ self._seen
        log_determinant = np.linalg.slogdet(self._inverse)[1]
        return float(log_determinant - 0.5 * (self._seen * self._weighted).sum() + self._log_prior(self._jumps.sum()))

    def _log_prior(self, jumps: int) -> float:
        """Log density of F and B whose mixing ratio is uniform and whose size is log-uniform."""
        share = jumps / len(self._seen)
        return float(np.log(share) - 2 * np.log(self._fbm + self._jump * share) + np.log(self._fbm * self._jump))

    def _draw_jump(self, frame: int) -> None:
        """Draw anew whether there is a jump in *frame*, given everything else."""
        is_jump, jumps = self._jumps[frame], int(self._jumps.sum())
        change = -self._jump if is_jump else self._jump
        if is_jump and jumps == 1:
            return
        denominator = 1 + change * self._inverse[frame, frame]
        odds = -np.log(denominator) + 0.5 * change * (self._weighted[frame] ** 2).sum() / denominator
        odds += self._log_prior(jumps + (-1 if is_jump else 1)) - self._log_prior(jumps)
        before = self._log_pattern(self._alpha_ctrw, frame)
        self._jumps[frame] = not is_jump
        odds += self._log_pattern(self._alpha_ctrw, frame) - before
        if np.log(self._rng.random()) >= -np.logaddexp(0, -odds):
            self._jumps[frame] = is_jump
            return
        column = self._inverse[:, frame].copy()
        self._inverse -= np.outer(column, column) * (change / denominator)
        self._weighted -= np.outer(column, self._weighted[frame]) * (change / denominator)

    def _log_pattern(self, alpha: int | slice, around: int | None = None) -> Floats:
        """Log probability of the frames of the jumps; only of the waits next to one frame, if that is named."""
        first, between, last = self._waits
        at = np.flatnonzero(self._jumps)
        if around is not None:
            place = np.searchsorted(at, around)
            low, high = max(place - 1, 0), min(place + 1 + self._jumps[around], len(at))
            total = between[alpha, np.diff(at[low:high])].sum(axis=-1)
            total = total + (first[alpha, at[0]] if low == 0 else 0)
            return total + (last[alpha, len(self._seen) - at[-1]] if high == len(at) else 0)
        waits = between[alpha, :][..., np.diff(at)].sum(axis=-1)
        return first[alpha, at[0]] + waits + last[alpha, len(self._seen) - at[-1]]

    def _try_sizes_and_exponent(self, width: float) -> None:
        """Propose other sizes and another alpha_fbm."""
        before = self._fbm, self._jump, self._alpha_fbm, self._inverse, self._weighted
        self._fbm, self._jump = np.array(before[:2]) * np.exp(width * self._rng.standard_normal(2))
        self._alpha_fbm = 0.1 + abs(
            (self._alpha_fbm - 0.1 + 0.5 * width * self._rng.standard_normal() + 0.9) % 1.8 - 0.9
        )
        log_density = self._solve()
        if np.log(self._rng.random()) < log_density - self._log_density:
            self._log_density = log_density
        else:
            self._fbm, self._jump, self._alpha_fbm, self._inverse, self._weighted = before

    def _square(self, part: Floats) -> float:
        """Return the expected sum of squares of one part, both axes, given the displacements."""
        mean = part @ self._weighted
        return float((mean**2).sum() + 2 * (np.trace(part) - (part * (self._inverse @ part)).sum()))


def waiting_probabilities(steps: int, cells: int = 40) -> tuple[Floats, Floats, Floats]:
    """Return log probabilities of the first jump in frame k, of the next one k frames on, and of none in the last k.

    Each is ``(EXPONENTS, steps + 1)``. Where in its frame a jump lies is averaged over, not carried on.
    """
    alpha = EXPONENTS[:, None, None]

    def survival(time: Floats) -> Floats:
        return np.maximum(time, 1.0) ** -alpha

    frames = np.arange(steps + 1)[:, None]
    phase = (np.arange(cells) + 0.5) / cells
    first = (survival(frames + 0.0 * phase) - survival(frames + 1.0 + 0 * phase)).mean(2)
    between = (survival(frames - phase) - survival(frames + 1 - phase)).mean(2)
    last = survival(frames - phase).mean(2)
    first, between, last = (np.log(np.maximum(mass, 1e-300)) for mass in (first, between, last))
    return first, between, last


if __name__ == "__main__":
    main()
