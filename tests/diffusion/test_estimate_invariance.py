"""What must not matter to the judgement does not: units, axes, frame rate, company, threads, how many there are."""

import numpy as np
import pandas as pd
import pytest
import torch

from napari_lptem_diffusion import estimate_diffusion
from napari_lptem_diffusion.diffusion import estimate
from napari_lptem_diffusion.diffusion.estimate import POSITIONS_PER_BATCH, batches
from napari_lptem_diffusion.diffusion.features import features, moves
from napari_lptem_diffusion.diffusion.network import ALPHA_CTRW, ALPHA_FBM, load_network, quantiles
from napari_lptem_diffusion.diffusion.simulate import Population, simulate
from napari_lptem_diffusion.diffusion.tracks import split_tracks
from napari_lptem_diffusion.settings import DiffusionSettings

SHARP = DiffusionSettings(exposure_fraction=0)
ROUNDING = 5e-4


def fbm_path(frames: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Positions of FBM by Cholesky, one-frame displacements of variance 1 per axis."""
    lag = np.abs(np.subtract.outer(np.arange(frames - 1), np.arange(frames - 1))).astype(float)
    covariance = ((lag + 1) ** alpha - 2 * lag**alpha + np.abs(lag - 1) ** alpha) / 2
    steps = np.linalg.cholesky(covariance) @ rng.standard_normal((frames - 1, 2))
    return np.vstack([[0, 0], steps.cumsum(0)])


def table_of(paths: list[np.ndarray], error: float) -> pd.DataFrame:
    tables = [
        pd.DataFrame({"particle": number, "frame": np.arange(len(path)), "x": path[:, 0], "y": path[:, 1]})
        for number, path in enumerate(paths)
    ]
    return pd.concat(tables, ignore_index=True).assign(localization_error=error)


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def paths(rng) -> list[np.ndarray]:
    lengths = (16, 40, 130, 300, 301, 700)
    return [fbm_path(frames, alpha, rng) for frames in lengths for alpha in (0.3, 0.8, 1.4)]


def _largest_difference(one: pd.DataFrame, other: pd.DataFrame) -> float:
    names = [name for name in one if name.startswith(("mixing", "alpha", "model", "change_prob"))]
    return float((one[names] - other[names]).abs().max().max())


def test_the_unit_of_length_changes_k_alone(paths):
    table = table_of(paths, 0.2)
    scaled = table.assign(x=table["x"] * 7, y=table["y"] * 7, localization_error=1.4)
    one, other = estimate_diffusion(table).particles, estimate_diffusion(scaled).particles
    assert _largest_difference(one, other) < ROUNDING
    np.testing.assert_allclose(other["k_fbm"], one["k_fbm"] * 49, rtol=5e-3, atol=1e-6)


def test_exchanging_the_axes_changes_nothing(paths):
    table = table_of(paths, 0.2)
    exchanged = table.rename(columns={"x": "y", "y": "x"})
    assert _largest_difference(estimate_diffusion(table).frames, estimate_diffusion(exchanged).frames) < ROUNDING


def test_the_frame_rate_changes_k_as_the_exponent_says(rng):
    alpha = 0.6
    fast = [fbm_path(601, alpha, rng) for _ in range(25)]
    one = estimate_diffusion(table_of(fast, 0.0), SHARP).particles
    other = estimate_diffusion(table_of([path[::2] for path in fast], 0.0), SHARP).particles
    assert np.median(other["alpha_fbm"] - one["alpha_fbm"]) == pytest.approx(0, abs=0.03)
    assert np.median(other["k_fbm"] / one["k_fbm"]) == pytest.approx(2**alpha, rel=0.06)


def test_neither_the_size_of_a_batch_nor_the_company_in_it_matters(paths, monkeypatch):
    table = table_of(paths, 0.2)
    one = estimate_diffusion(table)
    monkeypatch.setattr(estimate, "POSITIONS_PER_BATCH", 700)
    other = estimate_diffusion(table)
    assert _largest_difference(one.frames, other.frames) < ROUNDING
    assert _largest_difference(one.particles, other.particles) < ROUNDING


def test_the_number_of_threads_does_not_matter(paths):
    table, before = table_of(paths, 0.2), torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(estimate_diffusion(table).frames)
    torch.set_num_threads(before)
    assert _largest_difference(*found) < ROUNDING


def test_ten_thousand_tracks_are_judged_a_bounded_batch_at_a_time(rng):
    paths = [rng.standard_normal((16, 2)).cumsum(0) for _ in range(10_000)]
    table = table_of(paths, 0.1)
    sizes = [len(batch) * len(batch[-1].positions) for batch in batches(split_tracks(table))]
    assert max(sizes) <= POSITIONS_PER_BATCH
    found = estimate_diffusion(table)
    assert found.particles["alpha_fbm"].notna().all()
    assert found.frames["mixing_ratio"].between(0, 1).all()


def test_an_error_that_is_known_in_some_frames_only_is_used_there(paths):
    table = table_of(paths, 0.2)
    table.loc[table["frame"] % 3 == 0, "localization_error"] = np.nan
    found = estimate_diffusion(table)
    assert found.particles["alpha_fbm"].notna().all()
    assert found.frames["alpha_fbm"].notna().all()


def test_quartiles_lie_within_the_interval(paths):
    found = estimate_diffusion(table_of(paths, 0.2)).frames
    for name in ("mixing_ratio", "alpha_fbm", "alpha_ctrw"):
        values = found[[f"{name}{end}" for end in ("_low", "_q25", "", "_q75", "_high")]].to_numpy()
        assert (np.diff(values, axis=1) >= 0).all()


def test_what_nobody_can_know_is_not_known():
    """The exponent of an absent part is a draw from its prior: an answer that follows it would be a leak."""
    network = load_network(estimate.BUNDLED_WEIGHTS)
    population = Population(switching=0, pure=1.0, other_kinds=0)
    observation, truth = simulate(600, 64, population, torch.Generator().manual_seed(5))
    with torch.inference_mode():
        prediction = network(features(moves(observation)))
    is_fbm = truth.mixing_ratio[:, 0] == 1
    for quantity, absent in ((ALPHA_CTRW, is_fbm), (ALPHA_FBM, truth.mixing_ratio[:, 0] == 0)):
        median = quantiles(prediction.track[quantity.name], quantity, (0.5,))[:, 0]
        true = getattr(truth, quantity.name)[:, 0].double()
        both = torch.stack([median[absent], true[absent]])
        assert abs(float(torch.corrcoef(both)[0, 1])) < 0.25
