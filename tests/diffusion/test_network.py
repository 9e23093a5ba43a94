"""The network's construction: what must not change its answer does not, whatever its weights."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.diffusion.features import features, moves
from napari_lptem_diffusion.diffusion.network import (
    ALPHA_FBM,
    MIXING_RATIO,
    Architecture,
    DilatedNetwork,
    Prediction,
    load_network,
    quantiles,
    save_network,
)
from napari_lptem_diffusion.diffusion.simulate import Observation, Population, simulate
from napari_lptem_diffusion.diffusion.training import bin_of

SMALL = Architecture(filters=8, products=8, width=16, dilations=(1, 4, 16))


@pytest.fixture(scope="module")
def network() -> DilatedNetwork:
    torch.manual_seed(0)
    return DilatedNetwork(SMALL).eval()


def _observation(tracks: int = 6, frames: int = 90) -> Observation:
    population = Population(gaps=1.0, error_unknown=0.3)
    return simulate(tracks, frames, population, torch.Generator().manual_seed(5))[0]


def _judge(network: DilatedNetwork, observation: Observation) -> Prediction:
    with torch.inference_mode():
        return network(features(moves(observation)))


def _assert_same(one: Prediction, other: Prediction, steps: int | None = None) -> None:
    for name, logits in one.frames.items():
        torch.testing.assert_close(other.frames[name][..., :steps], logits, atol=2e-4, rtol=0)
    torch.testing.assert_close(other.change[:, :steps], one.change, atol=2e-4, rtol=0)
    for name, logits in one.track.items():
        torch.testing.assert_close(other.track[name], logits, atol=2e-4, rtol=0)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_turning_mirroring_and_moving_a_track_changes_nothing(network, mirror):
    seen = _observation()
    turn = torch.tensor([[math.cos(0.7), math.sin(0.7)], [-math.sin(0.7), math.cos(0.7)]])
    positions = seen.positions @ (turn * torch.tensor([[1.0], [mirror]])) + torch.tensor([30.0, -80.0])
    moved = Observation(positions, seen.seen, seen.localization_error, seen.exposure)
    _assert_same(_judge(network, seen), _judge(network, moved))


@pytest.mark.parametrize("scale", [1e-3, 50.0])
def test_the_unit_of_length_changes_nothing(network, scale):
    seen = _observation()
    scaled = Observation(seen.positions * scale, seen.seen, seen.localization_error * scale, seen.exposure)
    _assert_same(_judge(network, seen), _judge(network, scaled))


def test_exchanging_the_axes_changes_nothing_but_mixing_them_up_in_one_frame_does(network):
    seen = _observation()
    exchanged = Observation(seen.positions.flip(-1), seen.seen, seen.localization_error, seen.exposure)
    _assert_same(_judge(network, seen), _judge(network, exchanged))
    wrong = seen.positions.clone()
    wrong[:, 40] = wrong[:, 40].flip(-1)
    wrong = Observation(wrong, seen.seen, seen.localization_error, seen.exposure)
    assert float((_judge(network, wrong).change - _judge(network, seen).change).abs().max()) > 1e-3


def test_what_stands_beyond_the_end_of_a_track_or_in_a_gap_changes_nothing(network):
    seen = _observation()
    tracks, frames = seen.seen.shape
    positions = torch.cat(
        [torch.where(seen.seen[..., None], seen.positions, 1e3), torch.full((tracks, 37, 2), -7.0)], 1
    )
    mask = torch.cat([seen.seen, torch.zeros(tracks, 37, dtype=torch.bool)], 1)
    error = torch.cat([seen.localization_error, torch.full((tracks, 37), 9.0)], 1)
    _assert_same(_judge(network, seen), _judge(network, Observation(positions, mask, error, seen.exposure)), frames - 1)


def test_the_company_in_a_batch_changes_nothing(network):
    seen = _observation()
    alone = Observation(*(getattr(seen, name)[2:3] for name in ("positions", "seen", "localization_error", "exposure")))
    both, one = _judge(network, seen), _judge(network, alone)
    torch.testing.assert_close(both.change[2:3], one.change, atol=2e-5, rtol=0)


def test_weights_come_back_from_their_file(network, tmp_path):
    save_network(network, tmp_path / "net.safetensors", {"training": "none"})
    again = load_network(tmp_path / "net.safetensors")
    _assert_same(_judge(network, _observation()), _judge(again, _observation()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=40, max_size=40))
def test_quantiles_rise_within_the_range_and_share_out_the_mass(logits):
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    found = quantiles(torch.tensor([logits]), ALPHA_FBM, levels)[0]
    assert bool((found.diff() >= 0).all())
    assert ALPHA_FBM.low <= float(found[0])
    assert float(found[-1]) <= ALPHA_FBM.high
    mass = torch.tensor(logits).double().softmax(0)
    place = found / (ALPHA_FBM.high / ALPHA_FBM.bins)
    below = [float(mass[: int(p)].sum() + (p - int(p)) * mass[min(int(p), 39)]) for p in place]
    torch.testing.assert_close(torch.tensor(below), torch.tensor(levels), atol=1e-5, rtol=0)


def test_values_at_the_bounds_have_a_bin():
    bins = bin_of(torch.tensor([0.0, 0.999, 1.0, -3.0, 7.0]), MIXING_RATIO)
    assert bins.tolist() == [0, 39, 39, 0, 39]
