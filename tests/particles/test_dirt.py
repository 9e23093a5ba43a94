"""Movies with dirt and film that stay where they are: rods are found, stuck ones too, and nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from napari_lptem_diffusion.particles import detect
from napari_lptem_diffusion.particles.known_truth.rendering import transmission
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods
from tests.particles.scenes import EASY, scattered_rods

FRAMES, SHAPE = 20, (384, 384)


def film():
    smooth = ndimage.gaussian_filter(np.random.default_rng(4).standard_normal(SHAPE), 6, mode="wrap")
    return 1 + 0.03 * smooth / smooth.std()


def blobs(softness):
    y, x = np.indices(SHAPE)
    light = np.ones(SHAPE)
    for centre_x, centre_y, radius in ((90, 290, 60), (300, 110, 40), (330, 320, 14)):
        light *= 1 - 0.3 / (1 + np.exp((np.hypot(x - centre_x, y - centre_y) - radius) / softness))
    return light


def found_before(background, stuck=0):
    """Precision and recall of rods beside the dirt of a background (y, x) that never changes.

    They diffuse, but for the first *stuck* of them.
    """
    rng = np.random.default_rng(1)
    poses = scattered_rods(rng, FRAMES, SHAPE, spacing=90.0, step_px=2.0)
    pose = ["x", "y", "angle_deg"]
    poses[pose] = poses[pose].where(poses["particle"] >= stuck, poses.groupby("particle")[pose].transform("first"))
    clear = ndimage.minimum_filter(background, 61) > 0.85
    middle = poses.groupby("particle")[["x", "y"]].transform("mean").round().astype(int)
    poses = poses[clear[middle["y"], middle["x"]]].reset_index(drop=True)
    rods = np.stack([transmission(poses[poses["frame"] == frame], SHAPE, EASY) for frame in range(FRAMES)])
    matches = match_rods(detect(rng.poisson(40 * background * rods).astype(np.uint16)), poses)
    return len(matches.found) / matches.detections, len(matches.true) / matches.truths


@pytest.mark.parametrize("softness", [1.0, 6.0], ids=["sharp", "soft"])
def test_dark_blobs_are_not_taken_for_rods(softness):
    precision, recall = found_before(blobs(softness))
    assert precision > 0.95
    assert recall > 0.97


def test_film_is_not_taken_for_rods():
    precision, recall = found_before(film())
    assert precision > 0.97
    assert recall > 0.97


def test_rods_that_are_stuck_beside_dirt_stay():
    precision, recall = found_before(blobs(1.0), stuck=6)
    assert precision > 0.95
    assert recall > 0.97
