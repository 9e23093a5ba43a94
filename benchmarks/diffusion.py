"""How well the motion is judged: python benchmarks/diffusion.py [--tracks N]; prints markdown tables.

Every line is measured on tracks of simulators that share no code with the training (reference_tracks.py), next to the
exact limit where it is known (bayes_limits.py) and to the usual fit of the mean squared displacement.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bayes_limits import WIDE_ALPHA, Floats, ctrw_medians, fbm_posterior, fbm_posterior_as_trained, quantiles
from ctrw_limits import any_convention_posteriors
from own_population import own_population
from reference_tracks import (
    exposed_fbm_steps,
    fbm_steps,
    moving_ctrw_steps,
    observe,
    published_ratio,
    table,
    unit,
)

from napari_lptem_diffusion.diffusion import alternatives
from napari_lptem_diffusion.diffusion.estimate import BUNDLED_WEIGHTS, Motion, network_estimates
from napari_lptem_diffusion.diffusion.population import Draw
from napari_lptem_diffusion.diffusion.statistics import mean_squared_displacement, power_law
from napari_lptem_diffusion.settings import DiffusionSettings

NO_BLUR = DiffusionSettings(exposure_fraction=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=300, help="tracks a line")
    parser.add_argument("--andi", type=Path, help="tracks written by andi_tracks.py: the tables of that package too")
    parser.add_argument("--weights", type=Path, default=BUNDLED_WEIGHTS)
    arguments = parser.parse_args()
    rng = np.random.default_rng(20_26)
    pure_fbm(arguments.tracks, arguments.weights, rng)
    fbm_as_trained(arguments.tracks, arguments.weights, rng)
    brownian(arguments.tracks, arguments.weights, rng)
    exposed_fbm(arguments.tracks, arguments.weights, rng)
    pure_ctrw(arguments.tracks, arguments.weights, rng)
    recognised_ctrw(arguments.tracks, arguments.weights, rng)
    superposed(arguments.tracks, arguments.weights, rng)
    interleaved(arguments.tracks, arguments.weights, rng)
    mismatch(arguments.tracks, arguments.weights, rng)
    own_population(arguments.tracks, arguments.weights)
    if arguments.andi:
        andi_datasets(arguments.andi, arguments.weights, rng)
    speed(arguments.weights, rng)


def pure_fbm(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Pure FBM: mean absolute error of alpha_fbm, alpha uniform on (0.1, 1)\n")
    print(
        "Known: the localization error is told to the network and to the limit. Width: of the 90 % interval, over that"
    )
    print("of the exact posterior of somebody who knows that the track is pure FBM with alpha below 1.")
    print("The limit for an unknown error is the least on average over errors; at one of them a guess may be better,")
    print("and the interval of the exact posterior may cover less.\n")
    print(
        "| frames | error/step | known: network | limit | ratio | width | covers | unknown: network | limit | ratio | "
        "covers | limit covers | TA-MSD | m > .8 |"
    )
    print("|" + "---|" * 14)
    for frames in (50, 100, 300):
        for sigma in (0.0, 0.3, 1.0):
            alpha = rng.uniform(0.1, 1, count)
            tracks = [observe(fbm_steps(a, frames - 1, rng), sigma, rng) for a in alpha]
            fits = np.array([_msd_alpha(track) for track in tracks])
            columns = []
            for known in (sigma, None):
                found, posterior = _judge(tracks, known, weights).particles, fbm_posterior(tracks, known)
                error, limit = _error(found["alpha_fbm"], alpha), _error(quantiles(posterior, 0.5), alpha)
                columns += [f"{error:.3f}", f"{limit:.3f}", f"{error / limit:.2f}"]
                if known is not None:
                    least = quantiles(posterior, 0.95) - quantiles(posterior, 0.05)
                    width = (found["alpha_fbm_high"] - found["alpha_fbm_low"]).mean() / least.mean()
                    columns.append(f"{width:.2f}")
                    pure = (found["mixing_ratio"] > 0.8).mean()
                columns.append(f"{_covers(found, 'alpha_fbm', alpha):.0%}")
            exact = (quantiles(posterior, 0.05) <= alpha) & (alpha <= quantiles(posterior, 0.95))
            columns.append(f"{exact.mean():.0%}")  # of the last of the two, for which the error is not known
            row = " | ".join([str(frames), str(sigma), *columns, f"{_error(fits, alpha):.3f}", f"{pure:.0%}"])
            print(f"| {row} |")


def fbm_as_trained(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Pure FBM as the network expects it: mean absolute error of alpha_fbm\n")
    print("alpha from 0.05 to 1.95, and in half of the tracks the told error is wrong by a factor, as in training.")
    print("The exact posterior knows this too, and, other than the network, that the track is pure FBM without gaps,")
    print("drift or mislinks and that its error is the same in all directions.\n")
    print("| frames | error/step | network | limit | ratio | width | covers |")
    print("|---|---|---|---|---|---|---|")
    for frames in (50, 100, 300):
        for sigma in (0.0, 0.3, 1.0):
            alpha = np.where(rng.random(count) < 0.3, rng.uniform(1, 1.95, count), rng.uniform(0.05, 1, count))
            wrong_by = np.exp(rng.uniform(np.log(0.05), np.log(0.3), count)) * rng.standard_normal(count)
            told = sigma * np.exp(wrong_by * (rng.random(count) < 0.5))
            tracks = [observe(fbm_steps(a, frames - 1, rng), sigma, rng) for a in alpha]
            rows = table(tracks, sigma).assign(localization_error=np.repeat(told, frames))
            found = network_estimates(rows, NO_BLUR, weights=weights).particles
            posterior = fbm_posterior_as_trained(tracks, told)
            low, median, high = (quantiles(posterior, level, WIDE_ALPHA) for level in (0.05, 0.5, 0.95))
            error, limit = _error(found["alpha_fbm"], alpha), _error(median, alpha)
            width = (found["alpha_fbm_high"] - found["alpha_fbm_low"]).mean() / (high - low).mean()
            print(
                f"| {frames} | {sigma} | {error:.3f} | {limit:.3f} | {error / limit:.2f} | {width:.2f} | "
                f"{_covers(found, 'alpha_fbm', alpha):.0%} |"
            )


def brownian(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Brownian motion with a localization error of half a step: is it called anomalous?\n")
    print("| frames | error | median of alpha_fbm - 1 | 90 % interval excludes 1 |")
    print("|---|---|---|---|")
    for frames in (50, 100, 300):
        tracks = [observe(fbm_steps(1.0, frames - 1, rng), 0.5, rng) for _ in range(count)]
        for known, sigma in (("told", 0.5), ("not told", None)):
            found = _judge(tracks, sigma, weights).particles
            bias = (found["alpha_fbm"] - 1).median()
            print(f"| {frames} | {known} | {bias:+.3f} | {1 - _covers(found, 'alpha_fbm', np.ones(count)):.0%} |")


def recognised_ctrw(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Pure CTRW of 300 frames with a localization error in shares of a jump: is it recognised?\n")
    print("| error/jump | mixing ratio < .2 | of tracks with three jumps or more |")
    print("|---|---|---|")
    for sigma in (0.0, 0.02, 0.1, 0.3):
        steps = [moving_ctrw_steps(a, 299, rng) for a in rng.uniform(0.1, 1, count)]
        found = _judge([observe(one, sigma, rng) for one in steps], sigma, weights).particles["mixing_ratio"] < 0.2
        many = np.array([one.any(1).sum() >= 3 for one in steps])
        print(f"| {sigma} | {found.mean():.0%} | {found[many].mean():.0%} |")


def exposed_fbm(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Pure FBM, 100 frames exposed all the time: is motion blur seen through?\n")
    print("| alpha_fbm drawn | error/step | network | bias | 90 % covers | K_fbm/true | covers | TA-MSD bias |")
    print("|---|---|---|---|---|---|---|---|")
    for low, high in ((0.1, 0.4), (0.4, 1.0), (1.0, 1.8)):
        for sigma in (0.0, 0.3):
            alpha = rng.uniform(low, high, count)
            tracks = [observe(exposed_fbm_steps(a, 99, rng), sigma, rng) for a in alpha]
            found = network_estimates(table(tracks, sigma), DiffusionSettings(), weights=weights).particles
            fits = np.array([_msd_alpha(track) for track in tracks])
            print(
                f"| {low} to {high} | {sigma} | {_error(found['alpha_fbm'], alpha):.3f} | "
                f"{(found['alpha_fbm'] - alpha).mean():+.3f} | {_covers(found, 'alpha_fbm', alpha):.0%} | "
                f"{(found['k_fbm'] / 0.5).median():.2f} | {_covers(found, 'k_fbm', np.full(count, 0.5)):.0%} | "
                f"{(fits - alpha).mean():+.3f} |"
            )


def pure_ctrw(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Pure CTRW, Pareto waits of at least a frame: mean absolute error of alpha_ctrw\n")
    print(
        "Limit: of somebody who sees every jump and knows how the waits are drawn; *any*: who expects all conventions"
    )
    print("that the network was trained on.\n")
    print("| frames | error/rms step | this network | limit | ratio | limit, any | ratio | 90 % covers | m < .2 |")
    print("|" + "---|" * 9)
    for frames in (50, 100, 300):
        alpha = rng.uniform(0.1, 1, (3, count))
        clean = [[observe(unit(moving_ctrw_steps(a, frames - 1, rng)), 0, rng) for a in line] for line in alpha]
        blind = quantiles(any_convention_posteriors([path for line in clean for path in line]), 0.5).reshape(3, -1)
        for sigma, truth, paths, guess in zip((0.0, 0.1, 0.3), alpha, clean, blind, strict=True):
            tracks = [path + sigma * rng.standard_normal(path.shape) for path in paths]
            found = _judge(tracks, sigma, weights).particles
            error, limit, any_limit = (_error(one, truth) for one in (found["alpha_ctrw"], ctrw_medians(paths), guess))
            print(
                f"| {frames} | {sigma} | {error:.3f} | {limit:.3f} | {error / limit:.2f} | {any_limit:.3f} | "
                f"{error / any_limit:.2f} | {_covers(found, 'alpha_ctrw', truth):.0%} | "
                f"{(found['mixing_ratio'] < 0.2).mean():.0%} |"
            )


def superposed(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### FBM + CTRW superposed, constant mixing ratio: mean absolute errors\n")
    print("Uniform m; or uniform weight w of parts scaled to equal steps or, as published, to equal spread of path.\n")
    print("| frames | error/step | drawn | m per frame | covers | alpha_fbm | covers | alpha_ctrw | covers |")
    print("|---|---|---|---|---|---|---|---|---|")
    for frames in (50, 300):
        for sigma in (0.0, 0.3):
            for drawn in ("uniform m", "uniform w", "published"):
                weight = rng.uniform(0, 1, count)
                ratio = weight if drawn == "uniform m" else (1 - weight) ** 2 / ((1 - weight) ** 2 + weight**2)
                fbm, ctrw = rng.uniform(0.1, 1, (2, count))
                parts = [
                    (fbm_steps(f, frames - 1, rng), moving_ctrw_steps(c, frames - 1, rng))
                    for f, c in zip(fbm, ctrw, strict=True)
                ]
                if drawn == "published":
                    ratio = np.array([published_ratio(*both, w) for both, w in zip(parts, weight, strict=True)])
                tracks = [
                    observe(np.sqrt(m) * unit(f) + np.sqrt(1 - m) * unit(c), sigma, rng)
                    for m, (f, c) in zip(ratio, parts, strict=True)
                ]
                motion = _judge(tracks, sigma, weights)
                whole, by_frame = motion.particles, np.repeat(ratio, frames)
                print(
                    f"| {frames} | {sigma} | {drawn} | {_error(motion.frames['mixing_ratio'], by_frame):.3f} | "
                    f"{_covers(motion.frames, 'mixing_ratio', by_frame):.0%} | {_error(whole['alpha_fbm'], fbm):.3f} | "
                    f"{_covers(whole, 'alpha_fbm', fbm):.0%} | {_error(whole['alpha_ctrw'], ctrw):.3f} | "
                    f"{_covers(whole, 'alpha_ctrw', ctrw):.0%} |"
                )


def interleaved(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### FBM and CTRW in turn, 300 frames: per frame, and change points (gate 10 frames)\n")
    print("| window | error/step | mixing-ratio error | 90 % covers | change points: Jaccard | median distance |")
    print("|---|---|---|---|---|---|")
    for window in (100, 50):
        for sigma in (0.0, 0.3):
            steps, truth = 299, []
            tracks = []
            for _ in range(count):
                fbm, ctrw = rng.uniform(0.1, 1, 2)
                is_fbm = (np.arange(steps) // window + rng.integers(2)) % 2 == 0
                parts = unit(fbm_steps(fbm, steps, rng)), _scaled_by_window(ctrw, steps, window, rng)
                tracks.append(observe(np.where(is_fbm[:, None], *parts), sigma, rng))
                truth.append(np.append(is_fbm, is_fbm[-1]).astype(float))
            motion = _judge(tracks, sigma, weights)
            true_points = [np.arange(window, steps, window)] * count
            jaccard, distance = _change_points(motion.particles["change_points"], true_points, gate=10)
            by_frame = np.concatenate(truth)
            print(
                f"| {window} | {sigma} | {_error(motion.frames['mixing_ratio'], by_frame):.3f} | "
                f"{_covers(motion.frames, 'mixing_ratio', by_frame):.0%} | {jaccard:.2f} | {distance:.1f} |"
            )


def mismatch(count: int, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Motion of other kinds, 300 frames: is model_mismatch above that of mixtures?\n")
    print("| kind | in training | AUC | mismatch > .5 |")
    print("|---|---|---|---|")
    mixtures = [
        np.sqrt(m) * unit(fbm_steps(f, 299, rng)) + np.sqrt(1 - m) * unit(moving_ctrw_steps(c, 299, rng))
        for m, f, c in zip(rng.uniform(0, 1, count), *rng.uniform(0.1, 1, (2, count)), strict=True)
    ]
    usual = _mismatch(mixtures, weights, rng)
    print(f"| mixtures of FBM and CTRW | yes | | {(usual > 0.5).mean():.0%} |")
    draw = Draw(torch.Generator().manual_seed(7), torch.device("cpu"))
    for kinds, trained in ((alternatives.TRAINED, "yes"), (alternatives.UNSEEN, "no")):
        for kind in kinds:
            for exposure in (0.0, 1.0):
                steps = alternatives.recorded(kind, torch.full((count,), exposure), 299, draw).double().numpy()
                found = _mismatch([unit(one) for one in steps], weights, rng, exposure)
                above = (found[:, None] > usual).mean() + (found[:, None] == usual).mean() / 2
                name = f"{kind.__name__.replace('_', ' ')}, exposure {exposure:.0f}"
                print(f"| {name} | {trained} | {above:.2f} | {(found > 0.5).mean():.0%} |")


def andi_datasets(path: Path, weights: Path, rng: np.random.Generator) -> None:
    print("\n### Tracks of the `andi-datasets` package, 300 frames, those that move\n")
    print("| kind | error/step | alpha error | 90 % covers | as what it is: m > .8 or < .2 | mismatch > .5 |")
    print("|---|---|---|---|---|---|")
    for kind, rows in pd.read_csv(path).groupby("kind"):
        numbered = [(track["alpha"].iloc[0], track[["x", "y"]].to_numpy()) for _, track in rows.groupby("particle")]
        moving = [(alpha, unit(np.diff(track, axis=0))) for alpha, track in numbered if np.ptp(track, axis=0).any()]
        alpha = np.array([one for one, _ in moving])
        for sigma in (0.0, 0.1):
            found = _judge([observe(steps, sigma, rng) for _, steps in moving], sigma, weights).particles
            columns = ["", "", ""]
            if kind in ("fbm", "ctrw"):
                right = found["mixing_ratio"] > 0.8 if kind == "fbm" else found["mixing_ratio"] < 0.2
                name = f"alpha_{kind}"
                columns = [
                    f"{_error(found[name], alpha):.3f}",
                    f"{_covers(found, name, alpha):.0%}",
                    f"{right.mean():.0%}",
                ]
            print(f"| {kind} | {sigma} | {' | '.join(columns)} | {(found['model_mismatch'] > 0.5).mean():.0%} |")


def _mismatch(all_steps: list[Floats], weights: Path, rng: np.random.Generator, exposure: float = 0) -> Floats:
    rows = table([observe(steps, 0.1, rng) for steps in all_steps], 0.1)
    settings = DiffusionSettings(exposure_fraction=exposure)
    return network_estimates(rows, settings, weights=weights).particles["model_mismatch"].to_numpy()


def speed(weights: Path, rng: np.random.Generator) -> None:
    tracks = [observe(fbm_steps(0.5, 299, rng), 0.1, rng) for _ in range(300)]
    rows = table(tracks, 0.1)
    start = time.perf_counter()
    network_estimates(rows, NO_BLUR, weights=weights)
    network = time.perf_counter() - start
    start = time.perf_counter()
    for track in tracks:
        _msd_alpha(track)
    fits = time.perf_counter() - start
    print(
        f"\nSpeed: 300 tracks of 300 frames, all outputs: {300 / network:.0f} tracks/s; {network / fits:.1f} times as"
    )
    print("long as plain TA-MSD fits of the same tracks in the same run.")


def _judge(tracks: list[Floats], sigma: float | None, weights: Path) -> Motion:
    return network_estimates(table(tracks, sigma), NO_BLUR, weights=weights)


def _scaled_by_window(alpha: float, steps: int, window: int, rng: np.random.Generator) -> Floats:
    """A CTRW that starts anew in every window, each with the same mean squared step."""
    parts = [unit(moving_ctrw_steps(alpha, window, rng)) for _ in range(-(-steps // window))]
    return np.concatenate(parts)[:steps]


def _msd_alpha(track: Floats) -> float:
    lags = np.arange(1, 5)
    return power_law(lags, mean_squared_displacement(track, lags)[0])[0]


def _error(found: pd.Series | Floats, truth: Floats) -> float:
    return float(np.abs(np.asarray(found) - truth).mean())


def _covers(found: pd.DataFrame, name: str, truth: Floats) -> float:
    return float(((found[f"{name}_low"] <= truth) & (truth <= found[f"{name}_high"])).mean())


def _change_points(found: pd.Series, truth: list[Floats], gate: int) -> tuple[float, float]:
    """Jaccard index of change points matched one to one within *gate* frames, and their median distance."""
    matched, false, missed, distances = 0, 0, 0, []
    for text, true in zip(found, truth, strict=True):
        left = [int(frame) for frame in text.split(";")] if text else []
        for point in true:
            nearest = min(left, key=lambda frame: abs(frame - point), default=None)
            if nearest is not None and abs(nearest - point) <= gate:
                left.remove(nearest)
                distances.append(abs(nearest - point))
                matched += 1
            else:
                missed += 1
        false += len(left)
    return matched / max(matched + false + missed, 1), float(np.median(distances)) if distances else float("nan")


if __name__ == "__main__":
    main()
