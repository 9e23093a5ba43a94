"""What `calibrate` learns from movies of every kind, and that detection then works without being told anything."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_lptem_diffusion.particles import calibrate, detect, render_movie
from napari_lptem_diffusion.particles.finding.detector import coarsen
from napari_lptem_diffusion.particles.known_truth.rendering import transmission
from napari_lptem_diffusion.particles.known_truth.scoring import error_ratio, match_rods
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import EASY, HARD, rms, scene

DEFAULTS = DetectionSettings()
SHAPE = (256, 256)
NO_RODS = pd.DataFrame(columns=["particle", "frame", "x", "y", "angle_deg", "length", "width"], dtype=float)


def quality(movie, poses):
    return match_rods(detect(movie, DEFAULTS), poses).f1


@pytest.fixture(scope="module")
def easy():
    return scene(EASY, frames=4, spacing=80, seed=11)


@pytest.mark.parametrize("contrast", [0.6, -0.6])
def test_whether_rods_are_dark_or_bright_is_seen(contrast):
    movie, poses = scene(replace(EASY, contrast=contrast, bits=16, grey_per_electron=100.0), frames=4, seed=6)
    detector = calibrate(movie, DEFAULTS)
    assert detector.measured["rods_are_dark"] == (contrast > 0)
    assert match_rods(detector.detect(movie), poses).f1 > 0.97


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (0.02, -3.0), (1e-9, 0.0), (1e4, -1e5)])
def test_the_scale_of_floating_point_grey_does_not_matter(easy, scale, offset):
    movie, poses = easy
    assert quality((movie * scale + offset).astype(np.float32), poses) > 0.97


def test_counted_electrons():
    counting = replace(
        EASY, electrons_per_px=3.0, detector_blur_px=0, grey_per_electron=1, grey_offset=0, row_noise=0, bits=16
    )
    movie, poses = scene(counting, frames=4, length=60, width=30, spacing=110, seed=12)
    assert movie.max() < 20
    assert quality(movie, poses) > 0.95


def test_noise_that_goes_together_over_several_pixels(easy):
    movie, poses = easy
    smooth = ndimage.gaussian_filter(movie.astype(np.float32), (0, 1.5, 1.5))
    assert quality(smooth, poses) > 0.95


@pytest.mark.parametrize("axis", [1, 2])
def test_offsets_of_rows_and_columns(axis):
    movie, poses = scene(HARD, frames=6, shape=(384, 384), spacing=120, seed=13)
    lines = np.random.default_rng(1).normal(0, 12, (len(movie), 384))
    assert quality(movie + np.expand_dims(lines, 3 - axis), poses) > 0.97


def test_small_offsets_of_rows_hardly_cost_precision():
    """Three per cent of a pixel's variance; left in, they would make the error in y larger by a fifth."""
    movie, poses = scene(replace(EASY, row_noise=0), frames=10, shape=(256, 768), spacing=120, seed=15)
    grey = movie.astype(np.float32)
    rows = np.random.default_rng(3).normal(0, np.sqrt(0.03 * (grey[1] - grey[0]).var() / 2), (len(movie), 256, 1))
    errors = []
    for spoilt in (grey, (grey + rows).astype(np.float32)):
        matches = match_rods(detect(spoilt, DEFAULTS), poses)
        errors.append(rms(matches.found["y"] - matches.true["y"]))
    assert errors[1] < 1.13 * errors[0]


def test_hot_and_dead_pixels_are_not_rods_and_raise_nothing(easy):
    movie, poses = easy
    spoilt = movie.astype(np.uint16)
    where = np.random.default_rng(2).choice(movie[0].size, 120, replace=False)
    spoilt.reshape(len(movie), -1)[:, where[:80]] = 4000
    spoilt.reshape(len(movie), -1)[:, where[80:]] = 0
    detector = calibrate(spoilt, DEFAULTS)
    assert len(set(where) & set(detector.field.bad.index)) > 110
    assert len(detector.field.bad.index) < 130
    assert detector.measured["texture"] < 1.1
    assert match_rods(detector.detect(spoilt), poses).f1 > 0.97


def test_regions_that_show_nothing(easy):
    movie, poses = easy
    hidden = movie.copy()
    hidden[:, :40] = 0
    hidden[:, 240:250, 20:120] = 255
    in_view = poses[(poses["y"] > 60) & (poses["y"] < 220)]
    found = detect(hidden, DEFAULTS)
    assert match_rods(found[(found["y"] > 60) & (found["y"] < 220)], in_view).f1 > 0.97
    assert not (found["y"] < 30).any()


def test_frames_without_a_picture_do_no_harm(easy):
    movie, poses = easy
    gaps = np.concatenate([movie, np.full_like(movie[:1], 117), np.zeros_like(movie[:1]), movie[-1:]])
    found = detect(gaps, DEFAULTS)
    assert not found["frame"].isin([4, 5]).any()
    assert match_rods(found[found["frame"] < 4], poses).f1 > 0.97


@pytest.mark.parametrize(("length", "width"), [(8, 4), (60, 8), (20, 20)])
def test_size_is_learnt_within_a_twentieth(length, width):
    movie, poses = scene(
        replace(EASY, focus_blur_px=0.8), frames=4, length=length, width=width, spacing=max(40, 1.6 * length), seed=14
    )
    detector = calibrate(movie, DEFAULTS)
    assert match_rods(detector.detect(movie), poses).f1 > 0.95
    assert detector.measured["rod_length_px"] == pytest.approx(length, rel=0.06)
    assert detector.measured["rod_width_px"] == pytest.approx(width, rel=0.06)


def wandering(frames, background, seed):
    """Rods that wander over a background, (y, x) share of the electrons that passes."""
    rng = np.random.default_rng(seed)
    _, first = scene(EASY, frames=1, spacing=100, seed=seed)
    walks = []
    for rod in first.to_dict("records"):
        x, y = np.clip(np.cumsum(rng.normal(0, 5, (2, frames)), axis=1), -25, 25)
        walks.append(pd.DataFrame({**rod, "frame": range(frames), "x": rod["x"] + x, "y": rod["y"] + y}))
    poses = pd.concat(walks, ignore_index=True)
    electrons = (
        60
        * background
        * np.stack([transmission(poses[poses["frame"] == frame], SHAPE, EASY) for frame in range(frames)])
    )
    return rng.poisson(electrons).astype(np.uint16), poses


def test_sizes_are_learnt_from_what_moves_and_rods_are_found_over_dirt():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dirt = np.ones(SHAPE)
    for centre_x, centre_y, radius in ((70, 180, 35), (200, 40, 30), (140, 120, 8), (30, 60, 6)):
        dirt -= 0.3 / (1 + np.exp(np.hypot(x - centre_x, y - centre_y) - radius))
    movie, poses = wandering(30, dirt, seed=15)
    detector = calibrate(movie, DEFAULTS)
    assert detector.measured["rod_length_px"] == pytest.approx(30, rel=0.06)
    early = poses[poses["frame"] < 3]
    assert len(match_rods(detector.detect(movie[:3]), early).found) > 0.97 * len(early)


def test_texture_alone_gives_hardly_a_detection():
    rng = np.random.default_rng(16)
    film = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 6, mode="wrap")
    movie = rng.poisson(60 * (1 + 0.05 * film / film.std()) * np.ones((30, 1, 1))).astype(np.uint16)
    assert len(calibrate(movie, DEFAULTS).detect(movie[:6])) <= 3


def test_rods_that_stay_are_kept_where_dirt_is_taken_off():
    _, poses = scene(EASY, frames=24, spacing=100, seed=17, step_px=0.0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dirt = 1 - 0.3 / (1 + np.exp(np.hypot(x - 85, y - 85) - 18))
    passed = np.stack([transmission(poses[poses["frame"] == frame], SHAPE, EASY) for frame in range(24)])
    movie = np.random.default_rng(18).poisson(60 * dirt * passed).astype(np.uint16)
    poses = poses[poses["frame"] < 3]
    found = calibrate(movie, DEFAULTS).detect(movie[:3])
    assert len(match_rods(found, poses).found) > 0.97 * len(poses)


def test_noise_in_the_filter_has_unit_variance_and_threshold_means_what_it_says():
    movie = render_movie(NO_RODS, 12, SHAPE, HARD, np.random.default_rng(19))
    detector = calibrate(movie, DEFAULTS)
    image = coarsen(detector.field.normalise(movie[0]), detector.coarsening)
    assert detector.bank.responses(image).std() == pytest.approx(1, abs=0.06)
    assert len(detector.detect(movie)) / len(movie) < 0.3


def test_rods_that_move_everywhere_do_not_count_as_noise():
    _, poses = scene(HARD, frames=6, shape=(512, 512), spacing=70, seed=20)
    rng = np.random.default_rng(21)
    poses[["x", "y"]] += rng.uniform(-8, 8, (len(poses), 2))
    poses["angle_deg"] = rng.uniform(0, 180, len(poses))
    movie = render_movie(poses, 6, (512, 512), HARD, rng)
    matches = match_rods(calibrate(movie, DEFAULTS).detect(movie), poses)
    stated = matches.found[["localization_error_along", "localization_error_across"]].to_numpy()
    true = np.stack([matches.along, matches.across], axis=1)
    assert error_ratio(stated, true).rms == pytest.approx(1, abs=0.15)


def test_calibration_can_be_stopped_at_any_moment(easy):
    movie, _ = easy
    asked = []
    with pytest.raises(Stopped):
        calibrate(movie, DEFAULTS, should_stop=lambda: asked.append(0) or len(asked) > 20)
    assert len(asked) == 21


@pytest.mark.parametrize(
    "movie",
    [np.zeros((4, 96, 96), np.uint8), np.full((4, 96, 96), np.nan, np.float32)],
    ids=["blank", "without values"],
)
def test_a_movie_that_shows_nothing_is_measured_without_a_warning(movie):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert detect(movie).empty
