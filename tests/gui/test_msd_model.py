"""The predicted mean squared displacement against simulated motion whose parts are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from napari_lptem_diffusion.diffusion.processes import Waiting, ctrw_increments, fbm_increments
from napari_lptem_diffusion.diffusion.statistics import mean_squared_displacement
from napari_lptem_diffusion.gui.views.msd_model import msd_parts, relative_error
from napari_lptem_diffusion.gui.views.msd_plot import predicted

TRACKS, STEPS = 300, 400
LAGS = np.array([1, 2, 3, 5, 8, 12])


def simulated(alpha: float, ctrw_share: float, sigma: float, exposure: float) -> np.ndarray:
    """Positions (tracks, frames, 2): FBM with K = 1/2 and a CTRW of *ctrw_share* times its one-frame MSD."""
    generator = torch.Generator().manual_seed(3)
    every = torch.ones(TRACKS)
    fbm = fbm_increments(alpha * every, exposure * every, STEPS, generator)
    waiting = Waiting(0.9 * every, every, torch.zeros(TRACKS, dtype=torch.bool), 0 * every)
    blurred, sharp = ctrw_increments(waiting, waiting.mittag_leffler, exposure * every, STEPS, generator)
    scale = (2 * ctrw_share / (sharp**2).sum(-1).mean(1)).sqrt()
    path = (fbm + scale[:, None, None] * blurred).numpy().cumsum(axis=1)
    return path + np.random.default_rng(4).normal(0, sigma, path.shape)


@pytest.mark.parametrize(
    ("alpha", "ctrw_share", "sigma", "exposure"),
    [(0.5, 1.0, 0.4, 1.0), (1.5, 0.3, 0.2, 1.0), (0.5, 0.0, 0.4, 0.0), (1.0, 2.0, 0.0, 0.5)],
)
def test_the_sum_of_the_parts_is_the_msd_of_simulated_rods(
    alpha: float, ctrw_share: float, sigma: float, exposure: float
) -> None:
    paths = simulated(alpha, ctrw_share, sigma, exposure)
    measured = np.mean([mean_squared_displacement(path, LAGS)[0] for path in paths], axis=0)
    parts = msd_parts(LAGS.astype(float), 0.5, alpha, 0.5 * ctrw_share, sigma, exposure)
    assert parts.total == pytest.approx(measured, rel=0.04)
    # Any part left out, or the blur, would show.
    assert measured[0] != pytest.approx(parts.total[0] - parts.fbm[0], rel=0.04)
    if exposure == 1:
        sharp = msd_parts(LAGS.astype(float), 0.5, alpha, 0.5 * ctrw_share, sigma, 0.0)
        assert sharp.total[0] != pytest.approx(measured[0], rel=0.04)


def test_the_standard_error_is_that_of_many_brownian_rods() -> None:
    steps = np.random.default_rng(0).normal(size=(800, 200, 2))
    lags = np.array([1, 5, 20, 50, 150])
    found = [mean_squared_displacement(path, lags) for path in steps.cumsum(axis=1)]
    msd, pairs = np.array([one for one, _ in found]), found[0][1]
    assert relative_error(lags, pairs) == pytest.approx(msd.std(axis=0) / msd.mean(axis=0), rel=0.12)


def test_a_rod_that_was_not_judged_has_no_prediction() -> None:
    row = pd.Series({"k_fbm": np.nan, "alpha_fbm": np.nan, "k_ctrw": np.nan})
    assert predicted(row, 0.3, 1.0, np.array([1.0, 2.0])) is None
    judged = pd.Series({"k_fbm": 0.5, "alpha_fbm": 1.0, "k_ctrw": 0.0})
    unknown_error = predicted(judged, float("nan"), 0.0, np.array([1.0, 2.0]))
    assert unknown_error is not None
    assert unknown_error.total == pytest.approx([2.0, 4.0])
