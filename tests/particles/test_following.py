"""Following rods through a movie: second look, rigid sizes, rods that touch, faint rods, noise."""

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.particles import Imaging, calibrate, follow, link, render_movie
from napari_lptem_diffusion.particles.following.second_look import look_again
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import DetectionSettings, LinkingSettings
from tests.particles.scenes import EASY, HARD, rms, scene

SIZE_GIVEN = DetectionSettings(rod_length_px=30, rod_width_px=15)


def passing_rods(frames):
    """Two rods that pass each other a width apart, and four that keep away; a column per pose."""
    time = np.arange(frames)
    passing = [(128 + 3.0 * (time - frames / 2), 120, 0.0, 34), (128 - 3.0 * (time - frames / 2), 137, 20.0, 27)]
    apart = [(50 + 0 * time, 50, 30.0, 30), (200 + 0 * time, 210, 70.0, 30), (50 + 0 * time, 215, 110.0, 30)]
    tables = [
        pd.DataFrame({"particle": number, "frame": time, "x": x, "y": float(y), "angle_deg": angle, "length": length})
        for number, (x, y, angle, length) in enumerate(passing + apart)
    ]
    return pd.concat(tables, ignore_index=True).assign(width=15.0)


@pytest.fixture(scope="module")
def followed():
    """Hard noise: movie, detector, detections, tracks."""
    movie, poses = scene(HARD, frames=16, shape=(192, 192))
    detector = calibrate(movie, SIZE_GIVEN)
    detections = detector.detect(movie)
    return movie, poses, detector, detections, follow(movie, detector, detections)


def true_names(tracks, poses):
    """The true particle nearest to each row of *tracks*, within 8 px; -1 for none."""
    names = np.full(len(tracks), -1)
    for row, rod in enumerate(tracks.itertuples()):
        here = poses[poses["frame"] == rod.frame]
        distance = np.hypot(here["x"] - rod.x, here["y"] - rod.y)
        if distance.min() < 8:
            names[row] = here["particle"].iloc[int(distance.argmin())]
    return names


def test_a_rod_has_one_size_and_its_positions_are_those_of_its_own_frames(followed):
    _, poses, _, detections, (found, tracks) = followed
    assert (tracks.groupby("particle")[["length", "width", "blur"]].nunique() == 1).all(axis=None)
    assert tracks["particle"].nunique() == poses["particle"].nunique()
    assert abs(np.log(tracks["length"] / 30)).max() < abs(np.log(detections["length"] / 30)).max()
    place = ["frame", "x", "y"]
    assert pd.MultiIndex.from_frame(tracks[place]).isin(pd.MultiIndex.from_frame(found[place])).all()


def test_the_second_look_does_not_draw_positions_towards_their_neighbours(followed):
    _, poses, _, _, (_, tracks) = followed
    tracks = tracks.assign(truth=true_names(tracks, poses))
    tracks = tracks[tracks["truth"] >= 0]
    errors = tracks.merge(poses, left_on=["truth", "frame"], right_on=["particle", "frame"], suffixes=("", "_true"))
    error = errors["x"] - errors["x_true"]
    following = error.groupby(errors["truth"]).shift(-1)
    assert abs(np.corrcoef(error[following.notna()], following.dropna())[0, 1]) < 0.2


def test_rods_that_were_lost_are_found_where_they_should_be(followed):
    movie, poses, detector, detections, (_, tracks) = followed
    rng = np.random.default_rng(0)
    gone = (rng.random(len(detections)) < 0.15) & detections["frame"].between(2, 13)
    seen = look_again(movie, detector, link(detections[~gone]), lost_frames=5)
    assert len(seen) > 0.97 * len(tracks)
    back = seen[seen["length"].isna()]
    assert len(back) > 0.8 * gone.sum()
    assert (true_names(back, poses) >= 0).mean() > 0.95


def test_a_rod_that_jumped_away_is_not_invented_at_its_old_place():
    poses = pd.DataFrame({"particle": 0, "frame": np.arange(12), "x": 60.0, "y": 60.0}).assign(angle_deg=20.0)
    poses.loc[poses["frame"] >= 6, "x"] = 130.0
    poses = pd.concat([poses, poses.assign(particle=1, x=60.0, y=150.0)]).assign(length=30.0, width=15.0)
    movie = render_movie(poses, 12, (192, 192), EASY, np.random.default_rng(0))
    detector = calibrate(movie, SIZE_GIVEN)
    _, tracks = follow(movie, detector, detector.detect(movie))
    assert tracks["particle"].nunique() == 2
    assert len(tracks) == 24
    jumper = tracks[tracks["particle"] == tracks["particle"][tracks["y"] < 100].iloc[0]]
    assert np.ptp(jumper["x"]) == pytest.approx(70, abs=1)


def test_rods_that_pass_side_by_side_keep_their_names_and_are_seen_in_every_frame():
    poses = passing_rods(40)
    movie = render_movie(poses, 40, (256, 256), Imaging(contrast=0.35), np.random.default_rng(1))
    detector = calibrate(movie, SIZE_GIVEN)
    _, tracks = follow(movie, detector, detector.detect(movie))
    names = true_names(tracks, poses)
    assert (names >= 0).mean() > 0.97
    assert len(tracks) > 0.95 * len(poses)
    by_track = pd.Series(names[names >= 0]).groupby(tracks["particle"].to_numpy()[names >= 0]).nunique()
    assert (by_track == 1).all()


def test_noise_makes_no_tracks_even_at_a_low_threshold():
    movie = render_movie(pd.DataFrame({"frame": []}), 60, (256, 256), HARD, np.random.default_rng(2))
    detector = calibrate(movie, SIZE_GIVEN.model_copy(update={"threshold_sigma": 3.5}))
    detections = detector.detect(movie)
    assert len(detections) > 60
    _, tracks = follow(movie, detector, detections, LinkingSettings(minimum_frames=3))
    assert tracks.empty


def test_rods_at_a_signal_to_noise_of_four_and_a_half_are_followed():
    movie, poses = scene(Imaging(contrast=0.105), frames=30, shape=(256, 256))
    detector = calibrate(movie, SIZE_GIVEN)
    first = detector.detect(movie)
    _, tracks = follow(movie, detector, first)
    assert len(first) < 0.7 * len(poses)
    assert len(tracks) > 0.75 * len(poses)
    assert (true_names(tracks, poses) >= 0).mean() > 0.85


def test_the_tracks_do_not_depend_on_the_number_of_threads(followed):
    movie, _, detector, detections, _ = followed
    tracks = link(detections)
    one, three = (look_again(movie, detector, tracks, lost_frames=3, workers=workers) for workers in (1, 3))
    pd.testing.assert_frame_equal(one, three, check_exact=True)


def test_the_second_look_stops_when_asked(followed):
    movie, _, detector, detections, _ = followed
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(Stopped):
        look_again(movie, detector, link(detections), 3, None, should_stop)
    assert len(asked) == 4


def test_positions_are_as_good_as_at_the_first_look(followed):
    _, poses, _, detections, (_, tracks) = followed

    def error(table):
        names = true_names(table, poses)
        near = table.assign(truth=names)[names >= 0]
        both = near.merge(poses, left_on=["truth", "frame"], right_on=["particle", "frame"], suffixes=("", "_true"))
        return rms(np.hypot(both["x"] - both["x_true"], both["y"] - both["y_true"]))

    assert error(tracks) < 1.05 * error(detections)
