from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles import calibrate, detect, link, render_movie
from napari_lptem_diffusion.particles.finding.detections import COLUMNS
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods, position_bound
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import EASY, HARD, rms, scene

DEFAULTS = DetectionSettings()


@pytest.fixture(scope="module")
def hard():
    movie, poses = scene(HARD, frames=12, shape=(384, 384), spacing=80, seed=3)
    return movie, poses, detect(Movie.from_array(movie, name="hard"))


@pytest.fixture(scope="module")
def easy():
    movie, poses = scene(EASY, frames=6, shape=(320, 320), spacing=80, seed=1)
    return movie, poses, detect(movie)


def test_rods_at_the_real_noise_are_found(hard):
    _, poses, found = hard
    assert match_rods(found, poses).f1 > 0.97


def test_position_error_is_near_the_cramer_rao_bound(hard):
    _, poses, found = hard
    matches = match_rods(found, poses)
    dose = HARD.illumination((384, 384))
    bounds = np.array(
        [
            position_bound(pose, HARD, dose[round(pose["y"]), round(pose["x"])])
            for pose in poses[poses["frame"] == 0].to_dict("records")
        ]
    )
    assert rms(matches.along) < 1.25 * rms(bounds[:, 0])
    assert rms(matches.across) < 1.25 * rms(bounds[:, 1])


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_stated_position_errors_are_right(level, request):
    _, poses, found = request.getfixturevalue(level)
    matches = match_rods(found, poses)
    for name, error in (("along", matches.along), ("across", matches.across)):
        assert rms(matches.found[f"localization_error_{name}"]) / rms(error) == pytest.approx(1, abs=0.2)
    total = np.concatenate([matches.along, matches.across])
    assert rms(matches.found["localization_error"]) / rms(total) == pytest.approx(1, abs=0.15)


def test_angles_and_their_errors_are_right(hard):
    _, poses, found = hard
    matches = match_rods(found, poses)
    assert np.median(np.abs(matches.angle)) < 4.5
    pull = matches.angle / matches.found["angle_error_deg"]
    assert np.median(np.abs(pull)) / 0.6745 == pytest.approx(1, abs=0.3)


def test_positions_are_not_drawn_to_pixel_centres(easy):
    _, poses, found = easy
    matches = match_rods(found, poses)
    for axis in ("x", "y"):
        phase = np.exp(2j * np.pi * matches.found[axis].to_numpy())
        assert abs(phase.mean()) < 0.25
        assert abs((matches.found[axis] - matches.true[axis]).mean()) < 0.03


def test_size_and_noise_are_measured_in_the_movie(hard):
    movie, _, _ = hard
    measured = calibrate(movie, DEFAULTS).measured
    assert measured["rod_length_px"] == pytest.approx(30, rel=0.08)
    assert measured["rod_width_px"] == pytest.approx(15, rel=0.12)
    assert measured["zero_intensity_grey"] == pytest.approx(HARD.grey_offset, abs=8)


def test_a_given_size_is_used(easy):
    movie, _, _ = easy
    measured = calibrate(movie, DetectionSettings(rod_length_px=33, rod_width_px=14)).measured
    assert measured["rod_length_px"] == pytest.approx(33)
    assert measured["rod_width_px"] == pytest.approx(14)


@pytest.mark.parametrize("length", [9.0, 100.0])
def test_rods_of_very_different_size_are_found_without_being_told(length):
    movie, poses = scene(EASY, frames=4, length=length, width=length / 2, spacing=max(64, 1.5 * length), seed=2)
    matches = match_rods(detect(movie), poses)
    assert matches.f1 > 0.97
    assert matches.found["length"].median() == pytest.approx(length, rel=0.12)


def test_close_rods_come_apart():
    _, poses = scene(EASY, frames=5, shape=(128, 128), spacing=128, seed=4, step_px=0.0)
    beside = poses.assign(particle=1, y=poses["y"] + 24, angle_deg=poses["angle_deg"] + 8)
    both = pd.concat([poses, beside])
    movie = render_movie(both, 5, (128, 128), EASY, np.random.default_rng(0))
    matches = match_rods(detect(movie, DetectionSettings(rod_length_px=30, rod_width_px=15)), both)
    assert matches.f1 == 1
    assert rms(matches.along) < 0.5


def test_bright_rods_and_sixteen_bits():
    shining = replace(EASY, contrast=-0.6, bits=16, grey_per_electron=100.0)
    movie, poses = scene(shining, frames=4, seed=6)
    assert movie.dtype == np.uint16
    assert match_rods(detect(movie, DetectionSettings(rods_are="bright")), poses).f1 > 0.97
    assert detect(movie, DetectionSettings(rods_are="dark", threshold_sigma=8)).shape[0] < 0.2 * len(poses)


def test_stuck_rods_are_not_taken_for_background():
    movie, poses = scene(HARD, frames=10, step_px=0.0, seed=7)
    assert match_rods(detect(movie), poses).f1 > 0.95


def test_noise_alone_gives_no_tracks():
    empty = pd.DataFrame(columns=["particle", "frame", "x", "y", "angle_deg", "length", "width"], dtype=float)
    movie = render_movie(empty, 40, (256, 256), HARD, np.random.default_rng(8))
    found = detect(movie)
    assert len(found) < 8
    assert link(found).empty


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_blank_movie_has_no_rods_and_the_usual_columns(dtype):
    found = detect(np.full((5, 96, 80), 117, dtype=dtype))
    assert found.empty
    assert dict(found.dtypes.astype(str)) == COLUMNS
    assert link(found).columns[0] == "particle"


def test_missing_pixels_and_frames_do_no_harm(easy):
    movie, poses, _ = easy
    holed = movie.astype(np.float32)
    holed[2] = np.nan
    holed[:, 100:104, 30:34] = np.nan
    found = detect(holed)
    assert not (found["frame"] == 2).any()
    assert match_rods(found, poses[poses["frame"] != 2]).f1 > 0.95


def test_a_movie_of_nothing_but_missing_values_has_no_rods():
    assert detect(np.full((3, 64, 64), np.nan, dtype=np.float32)).empty


def test_two_frames_are_enough(easy):
    movie, poses, _ = easy
    assert match_rods(detect(movie[:2]), poses[poses["frame"] < 2]).f1 > 0.9


def test_a_rod_cut_by_the_border_is_found_and_marked():
    _, poses = scene(EASY, frames=5, shape=(128, 128), spacing=128, seed=9, step_px=0.0)
    cut = poses.assign(particle=1, x=2.0, y=90.0, angle_deg=30.0)
    both = pd.concat([poses, cut])
    found = detect(render_movie(both, 5, (128, 128), EASY, np.random.default_rng(1)))
    at_border = found[found["x"] < 10]
    assert len(at_border) == 5
    assert (at_border["visible"] < 0.85).all()
    assert (found.loc[found["x"] > 20, "visible"] > 0.98).all()


def test_the_preview_of_a_frame_is_what_detection_finds(easy):
    movie, _, found = easy
    alone = calibrate(movie, DEFAULTS).find(movie[3], 3)
    pd.testing.assert_frame_equal(alone, found[found["frame"] == 3].reset_index(drop=True), check_exact=True)


def test_detection_can_be_stopped_and_reports(easy):
    movie, _, _ = easy
    seen = []
    with pytest.raises(Stopped):
        detect(
            movie,
            progress=lambda *step: seen.append(step),
            should_stop=lambda: seen[-1][0] == 2 and seen[-1][2] == "finding rods",
        )
    assert seen[-1][2] == "finding rods"
    assert all(0 <= done <= total for done, total, _ in seen)
