"""Filtering through torch finds what filtering through scipy finds; on a CUDA device where there is one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles import calibrate, detect
from napari_lptem_diffusion.particles.finding.transforms import transforms_on
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import HARD, scene

CUDA = torch.cuda.is_available()
SAME_PX = 1e-3


@pytest.fixture(scope="module")
def known():
    movie, _ = scene(HARD, frames=4, seed=5)
    detector = calibrate(movie, DetectionSettings())
    return movie, detector, detector.detect(movie)


def same(found, expected):
    assert found["frame"].tolist() == expected["frame"].tolist()
    assert np.abs(found[["x", "y"]] - expected[["x", "y"]]).to_numpy().max() < SAME_PX
    assert found["snr"].to_numpy() == pytest.approx(expected["snr"].to_numpy(), rel=1e-3)


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="needs a CUDA device"))]
)
def test_torch_finds_the_same_rods(known, device):
    movie, detector, expected = known
    by_torch = replace(detector, bank=replace(detector.bank, torch_device=device, spectra={}))
    assert len(expected) > 20
    same(by_torch.detect(movie), expected)


@pytest.mark.skipif(not CUDA, reason="needs a CUDA device")
def test_a_movie_is_measured_and_searched_on_a_cuda_device(known):
    movie, _, expected = known
    same(detect(movie, DetectionSettings(device="cuda")), expected)


def test_odd_grids_come_back_as_they_went():
    image = np.random.default_rng(0).standard_normal((2, 15, 21)).astype(np.float32)
    for there in (transforms_on(None), transforms_on("cpu")):
        back = there.take(there.backward(there.forward(there.put(image), (15, 21)), (15, 21)))
        assert back == pytest.approx(image, abs=1e-5)


@pytest.mark.skipif(CUDA, reason="needs a machine without a CUDA device")
def test_a_device_that_is_not_there_is_refused(known):
    movie, _, _ = known
    with pytest.raises(InputError, match=r"^The device for detection is cuda, .* expected cpu\.$"):
        calibrate(movie, DetectionSettings(device="cuda"))
