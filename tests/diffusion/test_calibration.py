"""Intervals are stretched or narrowed until they hold the truth as often as they say."""

from dataclasses import replace

import pytest
import torch

from napari_lptem_diffusion.diffusion import calibration
from napari_lptem_diffusion.diffusion.calibration import _best, _covered, _error_weights, calibrate, temperatures
from napari_lptem_diffusion.diffusion.features import moves
from napari_lptem_diffusion.diffusion.network import (
    ALPHA_FBM,
    CALIBRATED_ERRORS,
    CALIBRATED_STEPS,
    Architecture,
    DilatedNetwork,
)
from napari_lptem_diffusion.diffusion.simulate import Observation, Population, simulate


@pytest.mark.parametrize("claimed", [0.075, 0.1, 0.135])
def test_a_distribution_that_is_too_wide_or_too_narrow_is_put_right(claimed):
    generator = torch.Generator().manual_seed(1)
    middle = 0.6 + 0.8 * torch.rand(3000, generator=generator)
    true = middle + 0.1 * torch.randn(3000, generator=generator)
    centres = (torch.arange(ALPHA_FBM.bins) + 0.5) * 2 / ALPHA_FBM.bins
    logits = -((centres - middle[:, None]) ** 2) / (2 * claimed**2)
    weights = torch.ones(3000, 1 + len(CALIBRATED_ERRORS))
    weights[:, 2] = 0
    weights[:50, 2] = 1
    found = _best(weights, _covered(logits, true, ALPHA_FBM))
    # One sampling error of the coverage is left alone.
    assert float(found[0]) == pytest.approx((0.1 / claimed) ** 2, rel=0.2)
    assert float(found[2]) == 1  # too few cases to tell


def test_the_weights_of_the_errors_add_up_and_an_unknown_error_has_its_own():
    population = replace(Population(), error=(0.1, 1.0), error_unknown=0.5)
    moved = moves(simulate(300, 60, population, torch.Generator().manual_seed(2))[0])
    weights = _error_weights(moved)
    torch.testing.assert_close(weights.sum(1), torch.ones(300))
    assert bool(((weights[:, 0] == 1) == moved.error.isnan().all(1)).all())
    relative = (moved.error.nanmean(1) / moved.rms[:, 0]).clamp(max=CALIBRATED_ERRORS[-1])
    again = weights[:, 1:] @ torch.tensor(CALIBRATED_ERRORS)
    known = weights[:, 0] == 0
    torch.testing.assert_close(again[known], relative[known])


def test_what_a_track_is_padded_with_does_not_change_its_error():
    observation = simulate(20, 60, Population(error_unknown=0), torch.Generator().manual_seed(6))[0]
    padded = Observation(
        torch.cat([observation.positions, torch.zeros(20, 50, 2)], dim=1),
        torch.cat([observation.seen, torch.zeros(20, 50, dtype=torch.bool)], dim=1),
        torch.cat([observation.localization_error, torch.full((20, 50), 9.0)], dim=1),
        observation.exposure,
    )
    torch.testing.assert_close(_error_weights(moves(padded)), _error_weights(moves(observation)))


def test_temperatures_are_measured_for_every_output_and_found_again(monkeypatch):
    monkeypatch.setattr(calibration, "FEWEST_CASES", 10)
    torch.manual_seed(0)
    architecture = Architecture(filters=4, products=4, width=8, dilations=(1, 4))
    network = DilatedNetwork(architecture).eval()
    table = calibrate(network, Population(), torch.Generator().manual_seed(3), tracks=150)
    assert table.shape == (8, len(CALIBRATED_STEPS), 1 + len(CALIBRATED_ERRORS))
    assert bool(((table >= 0.49) & (table <= 2.02)).all())
    assert float(table.std()) > 0
    network.temperatures = table
    population = replace(Population(), error_unknown=1.0)
    moved = moves(simulate(5, CALIBRATED_STEPS[1] + 1, population, torch.Generator().manual_seed(4))[0])
    torch.testing.assert_close(temperatures(network, moved), table[:, 1, 0].expand(5, -1))
