"""Rods that no frame shows for sure are found in many frames together, and noise makes none."""

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.particles import calibrate, follow, render_movie
from napari_lptem_diffusion.particles.finding.slow_paths import USUAL_SNR, best_paths
from napari_lptem_diffusion.particles.following.faint_tracks import faint_tracks
from napari_lptem_diffusion.particles.following.fits_along_paths import fitted_along, rms_within
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods, matched_filter_snr
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import HARD

FRAMES, SHAPE = 24, (256, 256)
GIVEN = DetectionSettings(rod_length_px=31, rod_width_px=15.5)


def likelihoods(paths, seed, shape=(64, 64), snr=USUAL_SNR):
    """Log likelihoods, (frames, y, x), of rods that go along these paths of (y, x), and of white noise."""
    response = np.random.default_rng(seed).standard_normal((FRAMES, *shape)).astype(np.float32)
    for path in paths:
        for frame, (y, x) in enumerate(path):
            response[frame, y, x] += snr
    return np.maximum(USUAL_SNR * response - USUAL_SNR**2 / 2, -2.5).astype(np.float32)


def creeping(y, x, seed):
    steps = np.random.default_rng(seed).choice([-1, 0, 0, 0, 1], (FRAMES, 2))
    return np.array([y, x]) + np.cumsum(steps, axis=0)


def test_paths_are_found_and_go_from_the_first_to_the_last_frame():
    rods = [creeping(16, 16, 1), creeping(46, 40, 2), creeping(46, 20, 3)]
    found = best_paths(likelihoods(rods, 4), length=6)
    assert len(found) == 3
    for rod in rods:
        path = min(found, key=lambda one: np.abs(one[0, 1:] - rod[0]).sum())
        assert list(path[:, 0]) == list(range(FRAMES))
        assert (np.abs(path[:, 1:] - rod).max(axis=1) <= 1).mean() > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_path(seed):
    assert best_paths(likelihoods([], seed), length=6) == []


def test_what_stands_out_is_one_path_though_a_wide_neighbourhood_gains_by_it():
    blot = likelihoods([], 6)
    blot[:, 30:34, 30:34] = 20
    assert len(best_paths(blot, length=6)) == 1


def rods_at(centres, angles, snr, seed):
    """A movie of rods that creep, of this signal to noise, and their poses."""
    rng = np.random.default_rng(seed)
    pose = {"length": 31.0, "width": 15.5, "blur_px": 2.5, "contrast": HARD.contrast}
    pose["contrast"] *= snr / matched_filter_snr(pose, HARD, HARD.illumination(SHAPE)[128, 128])
    walks = []
    for particle, (centre, angle) in enumerate(zip(centres, angles, strict=True)):
        x, y = np.array(centre)[:, None] + np.cumsum(rng.normal(0, 0.7, (2, FRAMES)), axis=1)
        frames = np.arange(FRAMES)
        walks.append(pd.DataFrame({"particle": particle, "frame": frames, "x": x, "y": y, "angle_deg": angle, **pose}))
    poses = pd.concat(walks, ignore_index=True)
    return render_movie(poses, FRAMES, SHAPE, HARD, rng), poses


def test_rods_that_touch_come_apart_in_many_frames():
    movie, poses = rods_at([(60, 62), (60, 90), (180, 60), (190, 180)], [0, 0, 60, 120], 4.8, seed=5)
    detector = calibrate(movie, GIVEN)
    tracks = faint_tracks(movie, detector)
    matches = match_rods(tracks, poses)
    assert len(matches.true) > 0.85 * len(poses)
    assert len(matches.found) > 0.9 * len(tracks)


def test_the_size_is_that_of_single_rods_though_a_blot_of_three_stands_out_more():
    singles = [(50, 50), (200, 50), (50, 200), (230, 130)]
    blot = [(140, 140), (150, 146), (142, 156)]
    movie, _ = rods_at(singles + blot, [0, 60, 120, 90, 0, 50, 110], 4.8, seed=7)
    size = calibrate(movie, DetectionSettings(rods_are="dark")).measured
    assert size["rod_length_px"] == pytest.approx(31, rel=0.25)
    assert size["rod_width_px"] == pytest.approx(15.5, rel=0.3)


def test_a_fit_goes_where_its_frame_says_and_is_not_kept_where_that_is_off_the_path():
    movie, poses = rods_at([(70, 70), (180, 180)], [0, 60], 12.0, seed=6)
    detector = calibrate(movie, GIVEN)
    paths = faint_tracks(movie, detector)
    beside = paths.assign(x=paths["x"] + 4.0)
    tracks = fitted_along(movie, detector, beside)
    matches = match_rods(tracks, poses)
    assert matches.f1 == 1.0
    assert np.hypot(matches.along, matches.across).mean() < 1.5
    far = fitted_along(movie, detector, paths.assign(x=paths["x"] + 13.0))
    assert len(far) < 0.1 * len(paths)


def test_rods_keep_their_names_from_one_part_of_a_long_movie_to_the_next(monkeypatch):
    monkeypatch.setattr(f"{faint_tracks.__module__}._RESPONSES_TOGETHER", 1)
    monkeypatch.setattr(f"{faint_tracks.__module__}._FRAMES_SHARED", 6)
    movie, poses = rods_at([(60, 60), (180, 60), (120, 190)], [0, 60, 120], 4.8, seed=8)
    tracks = faint_tracks(movie, calibrate(movie, GIVEN))
    matches = match_rods(tracks, poses)
    assert len(set(zip(matches.true["particle"], matches.found["particle"], strict=True))) == 3
    assert matches.f1 > 0.9
    assert not tracks.duplicated(["particle", "frame"]).any()


def test_every_path_keeps_its_name_and_the_probability_of_its_places():
    movie, poses = rods_at([(60, 60), (180, 60), (120, 190)], [0, 60, 120], 4.8, seed=8)
    detector = calibrate(movie, GIVEN)
    _, tracks = follow(movie, detector, detector.detect(movie))
    assert tracks["particle"].nunique() == poses["particle"].nunique()
    matches = match_rods(tracks, poses)
    names = set(zip(matches.true["particle"], matches.found["particle"], strict=True))
    assert len(names) == poses["particle"].nunique()
    assert tracks["link_confidence"].between(0, 1).all()
    assert tracks["link_confidence"].median() > 0.6
    assert not tracks.duplicated(["particle", "frame"]).any()


@pytest.mark.parametrize(("along", "across", "radius"), [(3.5, 2.2, 8.0), (1.0, 1.0, 2.0), (2.0, 1.0, 100.0)])
def test_errors_of_rods_that_count_as_seen_are_those_within_the_distance_that_counts(along, across, radius):
    drawn = np.random.default_rng(0).normal(0, (along, across), (400_000, 2))
    kept = drawn[np.hypot(*drawn.T) <= radius]
    (stated_along,), (stated_across,) = rms_within(np.array([along]), np.array([across]), radius)
    assert [stated_along, stated_across] == pytest.approx(np.sqrt((kept**2).mean(axis=0)), rel=0.01)
