"""Long tracks are judged in windows: the same answer, in bounded memory, and stoppable on the way."""

import pytest
import torch

from napari_lptem_diffusion.diffusion.features import features, moves
from napari_lptem_diffusion.diffusion.network import Architecture, DilatedNetwork
from napari_lptem_diffusion.diffusion.population import Population
from napari_lptem_diffusion.diffusion.simulate import simulate
from napari_lptem_diffusion.diffusion.windows import judge
from napari_lptem_diffusion.progress import Stopped

LEVELS = (0.05, 0.5, 0.95)


@pytest.fixture(scope="module")
def network() -> DilatedNetwork:
    torch.manual_seed(3)
    architecture = Architecture(products=8, width=16, before=(1, 2), coarse_width=24, coarse=(1, 4, 8), after=(1,))
    return DilatedNetwork(architecture).eval()


@pytest.mark.parametrize("window", [128, 200, 1000])
def test_windows_give_what_the_whole_track_gives(network, window):
    tracks = simulate(3, 1203, Population(gaps=1.0), torch.Generator().manual_seed(1))[0]
    moved = moves(tracks)
    whole = judge(network, moved, LEVELS, window=1204)
    parts = judge(network, moved, LEVELS, window=window)
    for name, values in whole.frames.items():
        torch.testing.assert_close(parts.frames[name], values, atol=2e-5, rtol=0)
    torch.testing.assert_close(parts.change, whole.change, atol=2e-5, rtol=0)
    torch.testing.assert_close(parts.mismatch, whole.mismatch, atol=2e-5, rtol=0)
    for name, values in whole.track.items():
        torch.testing.assert_close(parts.track[name], values, atol=2e-4, rtol=0)


def test_a_window_that_sees_too_little_would_be_noticed(network, monkeypatch):
    moved = moves(simulate(3, 1203, Population(), torch.Generator().manual_seed(1))[0])
    whole = judge(network, moved, LEVELS, window=1204)
    monkeypatch.setattr(Architecture, "reach", property(lambda self: 8))
    parts = judge(network, moved, LEVELS, window=128)
    assert float((parts.change - whole.change).abs().max()) > 2e-5


def test_a_frame_sees_no_farther_than_the_architecture_says(network):
    reach = network.architecture.reach + 32
    seen = simulate(1, 1201, Population(gaps=0, error_unknown=1.0), torch.Generator().manual_seed(4))[0]
    moved = moves(seen)
    step = moved.step.clone()
    step[:, 600 + reach + 4] += 3 * moved.rms
    disturbed = type(moved)(**{**moved.__dict__, "step": step})
    # Scales and summary are held, so that only the surroundings speak.
    with torch.inference_mode():
        judged = []
        for one in (moved, disturbed):
            read = features(one)
            judged.append(network.trunk(network.products(read), read, torch.zeros(1, 24)))
    torch.testing.assert_close(judged[0][:, 600], judged[1][:, 600], atol=1e-6, rtol=0)


def test_it_stops_between_windows(network):
    moved = moves(simulate(1, 2000, Population(), torch.Generator().manual_seed(1))[0])
    calls = []

    def between():
        calls.append(1)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        judge(network, moved, LEVELS, window=400, between=between)
    assert len(calls) == 3
