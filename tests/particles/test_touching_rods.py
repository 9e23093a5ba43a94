"""Rods of known tracks that touch: as many as there are, each where it is, whatever the first look made of them."""

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.particles import Imaging, calibrate, follow, render_movie
from napari_lptem_diffusion.particles.following.clear_views import ClearViews
from napari_lptem_diffusion.particles.following.touching_rods import settled
from napari_lptem_diffusion.particles.following.tracked_rods import TrackedRods
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods
from napari_lptem_diffusion.particles.known_truth.tracking_scores import score_tracks
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import rms

FRAMES, ARRIVES, LEAVES = 48, 12, 40
NOISE = Imaging(contrast=0.3, focus_blur_px=3.0)
"""Signal to noise of about 13."""


def a_visit():
    """A rod jumps beside another, stays there for 28 frames and jumps away; three others are alone."""
    rng = np.random.default_rng(5)
    time = np.arange(FRAMES)
    visiting = (time >= ARRIVES) & (time < LEAVES)
    visitor_x = np.where(visiting, 114.0, np.where(time < ARRIVES, 96.0, 150.0))
    visitor_y = np.where(visiting, 131.0, np.where(time < ARRIVES, 90.0, 165.0))
    rods = [(128.0, 132.0, 86.0), (visitor_x, visitor_y, 50.0), (45.0, 45.0, 10.0), (200.0, 60.0, 70.0)]
    rods.append((60.0, 210.0, 130.0))
    tables = [
        pd.DataFrame({"particle": number, "frame": time, "x": x, "y": y, "angle_deg": angle})
        for number, (x, y, angle) in enumerate(rods)
    ]
    poses = pd.concat(tables, ignore_index=True).assign(length=30.0, width=15.0)
    poses[["x", "y"]] += rng.normal(0, 0.8, (len(poses), 2))
    return poses


@pytest.fixture(scope="module")
def visit():
    """Poses, movie, detector, detections of the first look and tracks.

    In this draw of the noise no frame looks more like another pair than like the true one; in some draws a frame does,
    and the rods may part with each other's names there.
    """
    poses = a_visit()
    movie = render_movie(poses, FRAMES, (256, 256), NOISE, np.random.default_rng(7))
    detector = calibrate(movie, DetectionSettings(rod_length_px=30, rod_width_px=15))
    detections = detector.detect(movie)
    return poses, movie, detector, detections, follow(movie, detector, detections)[1]


def test_two_rods_that_touch_for_long_make_two_tracks(visit):
    poses, _, _, _, tracks = visit
    scores = score_tracks(tracks, poses)
    assert tracks["particle"].nunique() == 5
    assert scores.switches == 0
    assert scores.hota.hota > 0.97


def test_touching_rods_are_placed_by_their_own_pixels(visit):
    poses, _, _, _, tracks = visit
    together = poses[poses["particle"].isin([0, 1]) & poses["frame"].between(ARRIVES, LEAVES - 1)]
    around = tracks[np.hypot(tracks["x"] - 121, tracks["y"] - 131) < 30]
    matches = match_rods(around[around["frame"].between(ARRIVES, LEAVES - 1)], together)
    errors = np.stack([matches.along, matches.across], axis=1)
    stated = matches.found[["localization_error_along", "localization_error_across"]].to_numpy()
    assert len(matches.true) > 0.95 * len(together)
    assert rms(errors) < 1.5 * rms(stated)


def test_a_third_rod_is_not_believed_where_two_explain_the_pixels(visit):
    poses, movie, detector, _, tracks = visit
    frame = ARRIVES + 5
    true = poses[(poses["frame"] == frame) & poses["particle"].isin([0, 1])]
    known = tracks[tracks["frame"] == frame]
    known = known[np.hypot(known["x"] - 121, known["y"] - 131) < 30]
    third = known.iloc[[0]].assign(particle=tracks["particle"].max() + 1, x=121.0, y=140.0, angle_deg=10.0)
    rods = pd.concat([known, third], ignore_index=True)
    views = ClearViews.of(pd.concat([tracks, third], ignore_index=True))
    left = settled(
        detector.field.normalise(movie[frame]), detector, TrackedRods.of(rods, detector, views), views, frame
    )
    assert len(left) == 2
    places = pd.DataFrame((left.parameters[:, :2] + 0.5) * detector.field.bin_px - 0.5, columns=["x", "y"])
    places = places.assign(frame=frame, angle_deg=0.0)
    assert len(match_rods(places, true.assign(angle_deg=0.0), 4.0).true) == 2


def test_rods_that_do_not_touch_are_left_as_they_are(visit):
    _, movie, detector, _, tracks = visit
    rods = tracks[tracks["frame"] == 3].reset_index(drop=True)
    views = ClearViews.of(tracks)
    known = TrackedRods.of(rods, detector, views)
    left = settled(detector.field.normalise(movie[3]), detector, known, views, 3)
    assert len(left) == len(rods)
    np.testing.assert_array_equal(left.parameters, known.parameters)
