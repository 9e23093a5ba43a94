"""The limits that the network is held against are limits: exact posteriors, right as often as they say."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_lptem_diffusion.diffusion.population import Draw, Population
from napari_lptem_diffusion.diffusion.processes import ctrw_increments

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")
STEPS, TRACKS = 40, 300


@pytest.fixture(scope="module")
def limits():
    sys.path.insert(0, BENCHMARKS)
    try:
        import bayes_limits
        import ctrw_limits
        import reference_tracks
    finally:
        sys.path.remove(BENCHMARKS)
    return bayes_limits, ctrw_limits, reference_tracks


def paths(steps):
    return [np.vstack([np.zeros(2), one.cumsum(0)]) for one in steps]


def test_the_posterior_of_any_convention_covers_the_walks_of_the_training(limits):
    bayes_limits, ctrw_limits, _ = limits
    draw = Draw(torch.Generator().manual_seed(3), torch.device("cpu"))
    waiting = draw.waiting(TRACKS, Population())
    still = torch.zeros(TRACKS)
    steps, _ = ctrw_increments(waiting, still.bool(), still, STEPS, draw.generator)
    moved = steps.numpy().any((1, 2))
    alpha = waiting.alpha.numpy()[moved]
    posterior = ctrw_limits.any_convention_posteriors(paths(steps.double().numpy()[moved]))
    low, high = (bayes_limits.quantiles(posterior, level) for level in (0.05, 0.95))
    assert 0.85 < ((low <= alpha) & (alpha <= high)).mean() < 0.95
    assert (high - low).mean() < 0.75  # of the 0.81 that nobody's guess would need


def test_knowing_the_convention_helps_and_nobody_beats_it(limits):
    bayes_limits, ctrw_limits, reference_tracks = limits
    rng = np.random.default_rng(2)
    alpha = rng.uniform(0.1, 1, TRACKS)
    tracks = paths([reference_tracks.moving_ctrw_steps(one, STEPS, rng) for one in alpha])
    known = np.abs(bayes_limits.ctrw_medians(tracks) - alpha).mean()
    blind = np.abs(bayes_limits.quantiles(ctrw_limits.any_convention_posteriors(tracks), 0.5) - alpha).mean()
    assert known < blind < 1.1 * known
    assert blind < 0.2  # 0.225 without a look at the track
