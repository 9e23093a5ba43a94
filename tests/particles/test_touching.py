"""Rods that touch, priors of single rods, and looking near a place."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.particles import calibrate, render_movie
from napari_lptem_diffusion.particles.known_truth.scoring import match_rods
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import EASY, rms, scattered_rods

FRAMES, SHAPE = 4, (384, 384)
MEDIUM = replace(EASY, electrons_per_px=30, contrast=0.4, focus_blur_px=2.0, grey_per_electron=5.0, grey_offset=-40.0)
PAIRS = {
    "end to end": (24.0, 0.0, 0.0),
    "side by side": (0.0, 9.0, 4.0),
    "at an angle": (14.0, 6.0, 55.0),
    "crossing": (2.0, 1.0, 80.0),
}
"""Shift along and across the first rod (px) and turn (degrees) of the second one; rods are 30 by 15 px."""


def beside(rods, along, across, turn):
    """The rods shifted along and across themselves and turned."""
    c, s = np.cos(np.radians(rods["angle_deg"])), np.sin(np.radians(rods["angle_deg"]))
    x, y = rods["x"] + along * c - across * s, rods["y"] + along * s + across * c
    return rods.assign(x=x, y=y, angle_deg=(rods["angle_deg"] + turn) % 180)


@pytest.fixture(scope="module")
def meeting():
    """Isolated rods, and on some of their places a second one; the movie, the poses, the detector and what it found."""
    rng = np.random.default_rng(11)
    single = scattered_rods(rng, FRAMES, SHAPE, spacing=84)
    single["kind"] = "alone"
    doubled = []
    for number, kind in enumerate(PAIRS):
        place = single["particle"] == 5 + 3 * number
        single.loc[place, "kind"] = kind
        doubled.append(beside(single[place], *PAIRS[kind]).assign(particle=100 + number))
    poses = pd.concat([single, *doubled], ignore_index=True)
    movie = render_movie(poses, FRAMES, SHAPE, MEDIUM, rng)
    detector = calibrate(movie, DetectionSettings())
    return movie, poses, detector, detector.detect(movie)


@pytest.mark.parametrize("kind", PAIRS)
def test_rods_that_touch_or_cross_are_both_found(meeting, kind):
    _, poses, _, found = meeting
    pair = poses[poses["kind"] == kind]
    matches = match_rods(found, pair)
    assert len(matches.true) == 2 * FRAMES
    assert rms(np.concatenate([matches.along, matches.across])) < 1.0


def test_a_rod_alone_is_not_taken_for_two(meeting):
    _, poses, _, found = meeting
    alone = poses[poses["kind"] == "alone"]
    near = [
        np.hypot(found["x"] - rod.x, found["y"] - rod.y)[found["frame"] == rod.frame].lt(20).sum()
        for rod in alone.itertuples()
    ]
    assert set(near) == {1}


def test_the_table_does_not_depend_on_the_number_of_threads(meeting):
    movie, _, detector, found = meeting
    pd.testing.assert_frame_equal(detector.detect(movie, workers=1), found, check_exact=True)
    pd.testing.assert_frame_equal(detector.detect(movie, workers=3), found, check_exact=True)


def test_a_refit_keeps_rows_and_holds_a_size_that_is_known(meeting):
    movie, _, detector, found = meeting
    rods = found[found["frame"] == 1]
    known = rods.assign(length=30.0, width=15.0, blur=2.0, length_error=0.03, width_error=0.015, blur_error=0.002)
    normal = detector.field.normalise(movie[1])
    again = detector.table(detector.refit(normal, detector.parameters(rods), detector.size_priors(known)), 1)
    for name in ("length", "width", "blur"):
        np.testing.assert_allclose(again[name], known[name], rtol=0.02)
        assert (again[f"{name}_error"].to_numpy() <= 1.01 * known[f"{name}_error"].to_numpy()).all()
    assert (np.hypot(again["x"] - rods["x"].to_numpy(), again["y"] - rods["y"].to_numpy()) < 1).all()


def test_parameters_of_a_table_give_the_table_back(meeting):
    movie, _, detector, _ = meeting
    fit = detector.fit(detector.field.normalise(movie[0]))
    again = detector.parameters(detector.table(fit, 0))
    rods = fit.parameters.copy()
    rods[:, 2] %= np.pi
    rods[:, 4] = 0
    np.testing.assert_allclose(again, rods, atol=1e-6)


def test_a_look_near_a_place_finds_the_rod_there_and_none_that_is_known(meeting):
    movie, poses, detector, found = meeting
    rods = found[found["frame"] == 2].reset_index(drop=True)
    lost = match_rods(rods, poses[(poses["kind"] == "alone") & (poses["frame"] == 2)]).found.iloc[:1]
    known = rods[(rods["x"] != lost["x"].iloc[0])]
    normal = detector.field.normalise(movie[2])
    near = lost[["x", "y"]].to_numpy() + 5
    start = detector.look(normal, detector.parameters(known), near, 15.0, 4.0)
    fit = detector.refit(normal, start, detector.prior.of_rods(len(start)))
    seen = detector.table(fit, 2)
    assert len(seen) == 1
    assert np.hypot(seen["x"] - lost["x"].to_numpy(), seen["y"] - lost["y"].to_numpy()).iloc[0] < 0.5
    assert len(detector.look(normal, detector.parameters(rods), near, 15.0, 5.0)) == 0


def test_a_rod_of_which_nothing_is_in_view_has_a_huge_error(meeting):
    movie, _, detector, found = meeting
    away = found[found["frame"] == 0].iloc[:1].assign(x=900.0, y=-700.0)
    normal = detector.field.normalise(movie[0])
    table = detector.table(detector.refit(normal, detector.parameters(away), detector.size_priors(away)), 0)
    assert table["localization_error"].iloc[0] > 100
    assert table["visible"].iloc[0] == 0
