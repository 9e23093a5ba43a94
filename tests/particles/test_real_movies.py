from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage import io

from napari_lptem_diffusion.particles import detect, label_image, link
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods

SHARED = Path(__file__).parents[3] / "shared" / "data"
SAMPLE = Path(__file__).parents[2] / "sample_data"


def frames_of(folder, pattern, count):
    if not folder.is_dir():
        pytest.skip(f"real frames are not at {folder}")
    images = [io.imread(path) for path in sorted(folder.glob(pattern))[:count]]
    return np.stack([image if image.ndim == 2 else image[..., 0] for image in images])


def test_six_rods_of_the_real_movie_are_each_one_track():
    movie = frames_of(SHARED / "lptem_gold_nanorods", "*.jpeg", 16)
    tracks = link(detect(movie))
    lengths = tracks.groupby("particle").size()
    assert len(lengths) == 6
    assert (lengths >= 15).all()


def test_masks_of_the_samem_example_are_found_without_prompts():
    movie = frames_of(SHARED / "samem_example" / "frames", "*.jpg", 20)
    masks = frames_of(SHARED / "samem_example" / "masks", "*.png", 20) > 0
    found = detect(movie)
    assert list(found["frame"]) == list(range(20))
    overlaps = []
    for frame, mask in enumerate(masks):
        drawn = label_image(found[found["frame"] == frame], mask.shape, [1]) > 0
        overlaps.append((drawn & mask).sum() / (drawn | mask).sum())
    assert np.mean(overlaps) > 0.88


def test_the_sample_is_followed_rod_by_rod():
    movie = io.imread(SAMPLE / "lptem_rods_sample.tif")[:96]
    truth = pd.read_csv(SAMPLE / "lptem_rods_sample_truth.csv").query("frame < 96")
    found = detect(movie)
    assert match_rods(found, truth).f1 > 0.98
    tracks = link(found)
    assert tracks["particle"].nunique() == truth["particle"].nunique()
    assert tracks.groupby("particle").size().min() > 90
