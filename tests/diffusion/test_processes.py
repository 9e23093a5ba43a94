"""The simulated processes have the statistics that their definitions promise."""

import math

import numpy as np
import pytest
import torch

from napari_lptem_diffusion.diffusion.processes import (
    Waiting,
    ctrw_increments,
    fbm_increments,
    fbm_structure_function,
    waiting_times,
)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _waiting(tracks: int, alpha: float, age: float = 0, mittag_leffler: bool = False) -> Waiting:
    def full(value):
        return torch.full((tracks,), value)

    return Waiting(full(alpha), full(1.0), full(mittag_leffler), full(age))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("exposure", [0.0, 0.3, 1.0])
def test_fbm_has_the_mean_squared_displacement_of_its_exponent_and_exposure(alpha, exposure):
    tracks = 4000
    steps = fbm_increments(torch.full((tracks,), alpha), torch.full((tracks,), exposure), 32, _generator())
    position = steps.cumsum(1)
    lags = torch.tensor([1.0, 2, 10], dtype=torch.float64)
    expected = fbm_structure_function(lags, torch.tensor([alpha]).double(), torch.tensor([exposure]).double())[0]
    for lag, value in zip((1, 2, 10), expected, strict=True):
        per_track = (position[:, lag:] - position[:, :-lag]).square().mean((1, 2))
        error = per_track.std() / math.sqrt(tracks)
        assert per_track.mean() == pytest.approx(float(value), abs=5 * float(error))


def test_blur_of_brownian_motion_takes_a_third_of_the_exposure_from_the_first_lag():
    one = torch.ones(1, dtype=torch.float64)
    for exposure in (0.0, 0.01, 0.2, 1.0):
        structure = fbm_structure_function(one, one, torch.tensor([exposure]).double())
        assert float(structure) == pytest.approx(1 - exposure / 3, abs=1e-6)


def test_blur_equals_the_mean_over_fine_steps():
    alpha, exposure, fine = 0.6, 0.5, 64
    path = fbm_increments(torch.full((3000,), alpha), torch.zeros(3000), 6 * fine, _generator(1)).cumsum(1)
    path = path / math.sqrt(fine**alpha)
    frames = path.reshape(3000, 6, fine, 2)[:, :, : int(exposure * fine)].mean(2)
    msd = [(frames[:, lag:] - frames[:, :-lag]).square().mean().item() for lag in (1, 3)]
    lags = torch.tensor([1.0, 3], dtype=torch.float64)
    expected = fbm_structure_function(lags, torch.tensor([alpha]).double(), torch.tensor([exposure]).double())[0]
    np.testing.assert_allclose(msd, expected, rtol=0.05)


def test_the_axes_of_fbm_are_independent():
    steps = fbm_increments(torch.full((20_000,), 0.4), torch.zeros(20_000), 4, _generator())
    assert float((steps[..., 0] * steps[..., 1]).mean()) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.0])
def test_pareto_waits_have_their_tail_and_none_is_shorter_than_a_frame(alpha):
    waits = waiting_times(_waiting(2000, alpha), 20, _generator())
    assert waits.min() >= 1
    for time in (2.0, 10.0):
        assert float((waits > time).double().mean()) == pytest.approx(time**-alpha, abs=0.015)


def test_mittag_leffler_waits_have_their_tail():
    waits = waiting_times(_waiting(4000, 0.6, mittag_leffler=True), 20, _generator())
    survival = float((waits > 100).double().mean())
    assert survival == pytest.approx(100**-0.6 / math.gamma(0.4), rel=0.1)


@pytest.mark.parametrize(("alpha", "age"), [(0.5, 10.0), (0.9, 10.0), (0.9, 90.0)])
def test_the_first_jump_of_an_aged_walk_is_where_a_walk_that_old_has_it(alpha, age):
    tracks, frames = 3000, 60
    _, sharp = ctrw_increments(
        _waiting(tracks, alpha, age), torch.zeros(tracks, dtype=torch.bool), torch.zeros(tracks), frames, _generator()
    )
    found = [int(row.nonzero()[0]) if row.any() else frames for row in (sharp != 0).any(-1)]
    rng = np.random.default_rng(0)
    expected = []
    for _ in range(tracks):
        time = -age
        while time < 0:
            time += rng.pareto(alpha) + 1
        expected.append(min(int(time), frames))
    difference = np.abs(np.cumsum(np.bincount(found, minlength=61)) - np.cumsum(np.bincount(expected, minlength=61)))
    assert difference.max() / tracks < 0.06  # Kolmogorov-Smirnov, well beyond its 0.1 % point of 0.05


@pytest.mark.parametrize("exposure", [0.0, 0.4, 1.0])
def test_blur_moves_parts_of_jumps_between_frames_but_loses_nothing(exposure):
    tracks, frames = 200, 60
    recorded, sharp = ctrw_increments(
        _waiting(tracks, 0.8),
        torch.zeros(tracks, dtype=torch.bool),
        torch.full((tracks,), exposure),
        frames,
        _generator(),
    )
    # A jump during an exposure is seen in part one displacement early, so sums differ by the last one at most.
    difference = (recorded - sharp).cumsum(1)
    assert float(difference[:, :-1].abs().max()) <= float(sharp.abs().max()) * 1.0001 + 3
    if exposure == 0:
        torch.testing.assert_close(recorded, sharp)
    else:
        assert int((recorded != 0).any(-1).sum()) > int((sharp != 0).any(-1).sum())


def test_ctrw_without_blur_mostly_stands_still():
    tracks = 500
    _, sharp = ctrw_increments(
        _waiting(tracks, 0.5), torch.zeros(tracks, dtype=torch.bool), torch.ones(tracks), 300, _generator()
    )
    moving = (sharp != 0).any(-1).float().sum(1)
    # E[jumps by t] of Pareto waits tends to t^alpha sin(pi alpha)/(pi alpha) for large t.
    expected = 300**0.5 * math.sin(math.pi / 2) / (math.pi / 2)
    assert float(moving.mean()) == pytest.approx(expected, rel=0.1)
