"""Outside an aperture, where hardly an electron arrives, nothing is sought; inside it rods are found as elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from napari_lptem_diffusion.particles import calibrate, follow, render_movie
from napari_lptem_diffusion.particles.finding.aperture import without_dark
from napari_lptem_diffusion.particles.finding.noise import VarianceModel
from napari_lptem_diffusion.particles.finding.pixels import repair_of
from napari_lptem_diffusion.particles.finding.samples import Samples
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods
from napari_lptem_diffusion.settings import DetectionSettings, LinkingSettings
from tests.particles.scenes import HARD, scattered_rods

FRAMES, SIDE = 8, 256
COUNTED = VarianceModel(intercept=-20.0, slope=2.0, floor=1.0)
"""Grey value 10 without light."""


@pytest.mark.parametrize("grey_offset", [HARD.grey_offset, 20.0], ids=["black surround", "grey surround"])
def test_the_edge_of_a_round_aperture_is_not_followed_and_the_rods_in_it_are(grey_offset):
    imaging = replace(HARD, contrast=0.6, aperture=0.8, grey_offset=grey_offset)
    rng = np.random.default_rng(2)
    poses = scattered_rods(rng, FRAMES, (SIDE, SIDE))
    start = poses.groupby("particle")[["x", "y"]].transform("first") - (SIDE - 1) / 2
    poses = poses[np.hypot(start["x"], start["y"]) < 80].reset_index(drop=True)
    movie = render_movie(poses, FRAMES, (SIDE, SIDE), imaging, rng)
    detector = calibrate(movie, DetectionSettings())
    _, tracks = follow(movie, detector, detector.detect(movie), LinkingSettings())
    matches = match_rods(tracks, poses)
    assert len(matches.found) == matches.detections
    assert len(matches.true) == matches.truths


def seen(mean):
    """Samples of which only the temporal mean matters."""
    nowhere = np.zeros(mean.shape, dtype=np.bool_)
    return Samples([(mean, mean)], mean.astype(np.float32), nowhere, repair_of(nowhere))


def test_a_dark_side_is_left_out_with_its_edge_and_no_more():
    mean = np.full((80, 90), 110.0)
    mean[:, :30] = 12.0
    mean[:, 30:36] = np.linspace(12, 110, 8)[1:-1]
    blind = without_dark(seen(mean), COUNTED).blind
    assert blind[:, :36].all()
    assert not blind[:, 46:].any()


@pytest.mark.parametrize("dark", [10.0, np.nan], ids=["a black rod that is stuck", "pixels without a value"])
def test_what_is_dark_amid_the_light_stays(dark):
    mean = np.full((80, 90), 110.0)
    mean[30:60, 40:55] = dark
    samples = seen(mean)
    assert without_dark(samples, COUNTED) is samples


def test_nothing_is_left_out_where_the_zero_of_intensity_is_unknown():
    mean = np.full((80, 90), 110.0)
    mean[:, :30] = 1.0
    samples = seen(mean)
    assert without_dark(samples, VarianceModel(4.0, 0.0, 1.0)) is samples
