"""Classical statistics do not take a gap for a step nor noise for motion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_lptem_diffusion.diffusion.statistics import (
    axis_diffusivity,
    covariance_diffusivity,
    lags_for,
    mean_squared_displacement,
    power_law,
    unwrap_axis,
)


def test_msd_counts_only_pairs_at_the_true_lag():
    track = np.array([[0.0, 0], [1, 0], [np.nan, np.nan], [3, 4]])
    msd, pairs = mean_squared_displacement(track, np.array([1, 2, 3]))
    np.testing.assert_array_equal(pairs, [1, 1, 1])
    np.testing.assert_allclose(msd, [1, 20, 25])


def test_msd_of_brownian_motion_is_linear():
    rng = np.random.default_rng(0)
    track = rng.standard_normal((20_000, 2)).cumsum(0)
    lags = np.array([1, 2, 4, 8])
    msd, _ = mean_squared_displacement(track, lags)
    np.testing.assert_allclose(msd, 2 * lags, rtol=0.05)
    alpha, k = power_law(lags, msd)
    assert alpha == pytest.approx(1, abs=0.03)
    assert k == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_covariance_diffusivity_is_free_of_noise_bias_and_knows_its_error(noise):
    rng = np.random.default_rng(1)
    found = [
        covariance_diffusivity(rng.standard_normal(400).cumsum() + noise * rng.standard_normal(400)) for _ in range(300)
    ]
    values, errors = np.array([(one.value, one.error) for one in found]).T
    assert values.mean() == pytest.approx(0.5, abs=4 * values.std() / 300**0.5)
    assert errors.mean() == pytest.approx(values.std(), rel=0.25)


def test_an_axis_that_turns_through_180_degrees_goes_on():
    true = np.linspace(0, 4 * np.pi, 60)
    seen = unwrap_axis(np.rad2deg(true) % 180)
    np.testing.assert_allclose(seen - seen[0], true, atol=1e-9)
    seen = unwrap_axis(np.where(np.arange(60) == 7, np.nan, np.rad2deg(true) % 180))
    assert np.isnan(seen[7])
    assert np.isfinite(np.delete(seen, 7)).all()


def test_an_axis_that_turns_too_far_between_frames_gets_no_diffusivity():
    rng = np.random.default_rng(2)
    slow = np.rad2deg(rng.normal(0, 0.2, 500).cumsum()) % 180
    assert axis_diffusivity(slow).value == pytest.approx(0.02, rel=0.2)
    assert np.isnan(axis_diffusivity(rng.uniform(0, 180, 500)).value)


@given(st.integers(2, 5000))
def test_lags_rise_from_one_to_a_quarter_of_the_track(frames):
    lags = lags_for(frames)
    assert lags[0] == 1
    assert (np.diff(lags) > 0).all()
    assert lags[-1] <= max(1, min(100, frames // 4))
