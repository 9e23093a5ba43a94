from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.particles import Imaging, render_movie
from napari_lptem_diffusion.particles.known_truth.motion_scores import (
    mean_square_displacements,
    msd_ratios,
    pixel_locking,
    score_jumps,
)
from napari_lptem_diffusion.particles.known_truth.scoring import (
    error_ratio,
    mask_overlaps,
    matched_filter_snr,
    outline_gaps,
    passing_electrons,
    position_bound,
    segment_distance,
    without_cut,
)
from napari_lptem_diffusion.particles.known_truth.tracking_scores import hota, score_tracks

ROD = {"angle_deg": 30.0, "length": 31.0, "width": 15.0, "blur_px": 2.0, "contrast": 0.2}


def track(particle, frames, x=0.0, y=0.0):
    return pd.DataFrame({"particle": particle, "frame": np.asarray(frames), "x": x, "y": y})


def tracks(*some):
    return pd.concat(some, ignore_index=True)


def rod(**changes):
    return pd.DataFrame([{"frame": 0, "x": 0.0, "y": 0.0, "angle_deg": 0.0, "length": 30.0, "width": 10.0} | changes])


def numbers(scores):
    return [*astuple(scores.hota), *astuple(scores.strict_hota), *astuple(scores)[2:]]


TWO = tracks(track(0, range(10)), track(1, range(10), x=100.0))


def test_perfect_tracks_score_one():
    scores = score_tracks(TWO, TWO)
    assert (scores.hota.hota, scores.strict_hota.hota, scores.idf1, scores.link_jaccard, scores.tra) == (1,) * 5
    assert scores.switches_per_1000 == 0


def test_a_rod_in_two_pieces():
    """Each half shares 5 of 10 frames with its rod; 8 of 9 links are there and none is wrong."""
    truth = track(0, range(10))
    scores = score_tracks(tracks(track(0, range(5)), track(1, range(5, 10))), truth)
    assert scores.hota.detection == 1
    assert scores.hota.association == pytest.approx(0.5)
    assert scores.hota.hota == pytest.approx(np.sqrt(0.5))
    assert scores.idf1 == pytest.approx(0.5)
    assert scores.switches == 1
    assert scores.link_jaccard == pytest.approx(8 / 9)
    assert scores.tra == pytest.approx(1 - 1.5 / (10 * 10 + 1.5 * 9))


def test_two_rods_that_change_names():
    """Each name shares 5 frames with either rod, and union is 15; of 18 links 16 are right and 2 are wrong."""
    swapped = TWO.assign(particle=np.where(TWO["frame"] < 5, TWO["particle"], 1 - TWO["particle"]))
    scores = score_tracks(swapped, TWO)
    assert scores.hota.association == pytest.approx(1 / 3)
    assert scores.idf1 == pytest.approx(0.5)
    assert scores.switches == 2
    assert scores.link_jaccard == pytest.approx(16 / 20)
    assert scores.tra == pytest.approx(1 - (2 * 1.5 + 2) / (10 * 20 + 1.5 * 18))


def test_missed_and_false_rods():
    """Eight of ten frames found, the gap hides 3 links of 9; two false detections with a link between them."""
    found = tracks(track(7, [0, 1, 2, 3, 6, 7, 8, 9]), track(8, [0, 1], x=50.0))
    scores = score_tracks(found, track(0, range(10)))
    assert scores.hota.detection == pytest.approx(8 / 12)
    assert scores.hota.association == pytest.approx(0.8)
    assert scores.idf1 == pytest.approx(16 / 20)
    assert scores.switches == 0
    assert scores.link_jaccard == pytest.approx(6 / (7 + 9 - 6))
    assert scores.tra == pytest.approx(1 - (2 * 10 + 2 + 3 * 1.5) / (10 * 10 + 1.5 * 9))


def test_hota_over_thresholds_counts_how_far_off_the_positions_are():
    """Four of eight px is a similarity of one half: ten of the nineteen thresholds are reached."""
    scores = score_tracks(track(0, range(10), x=4.0), track(0, range(10)))
    assert scores.hota.hota == 1
    assert scores.strict_hota.hota == pytest.approx(10 / 19)


def test_nothing_found_scores_nothing():
    nothing = TWO[:0]
    scores = score_tracks(nothing, TWO)
    assert (scores.hota.hota, scores.idf1, scores.switches, scores.link_jaccard, scores.tra) == (0,) * 5
    assert score_tracks(TWO, nothing).hota.hota == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_names_and_order_of_rows_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    truth = tracks(*(track(rod, range(8), *rng.uniform(0, 40, 2)) for rod in range(4)))
    truth[["x", "y"]] += rng.normal(0, 2, (len(truth), 2))
    found = truth.sample(frac=0.8, random_state=seed)
    found[["x", "y"]] += rng.normal(0, 2, (len(found), 2))
    scores = score_tracks(found, truth)
    renamed = found.assign(particle=found["particle"].map({0: 9, 1: 5, 2: 7, 3: 6})).sort_values("x")
    assert numbers(score_tracks(renamed, truth)) == pytest.approx(numbers(scores))
    for part in (scores.hota.hota, scores.strict_hota.hota, scores.idf1, scores.link_jaccard, scores.tra):
        assert 0 <= part <= 1
    assert hota(found, truth, 8.0, [0.5]).hota <= scores.hota.hota


def test_msd_of_even_motion_and_of_noise():
    steady = track(0, range(50), x=3.0 * np.arange(50))
    assert mean_square_displacements(steady, [1, 2, 5]) == pytest.approx([9, 36, 225])
    noisy = steady.assign(y=np.random.default_rng(0).normal(0, 1, 50))
    assert msd_ratios(noisy, steady, [1, 5], squared_error=float(noisy["y"].var())) == pytest.approx([1, 1], abs=0.1)
    with_gap = steady[steady["frame"] != 10]
    assert mean_square_displacements(with_gap, [1, 2]) == pytest.approx([9, 36])


def test_jumps_kept_lost_and_false():
    jumps = track(0, range(20), x=np.where(np.arange(20) < 10, 0.0, 50.0))
    dwells = track(1, range(20), x=25.0, y=40.0)
    truth = tracks(jumps, dwells)
    kept = score_jumps(truth, truth)
    assert (kept.false, kept.links, kept.kept, kept.far) == (0, 38, 1, 1)
    renamed = truth.assign(particle=np.where((truth["particle"] == 0) & (truth["frame"] >= 10), 2, truth["particle"]))
    lost = score_jumps(renamed, truth)
    assert (lost.false, lost.kept, lost.far) == (0, 0, 1)
    # The dwelling rod takes the other's name for one frame: there and back are two jumps that no rod made.
    mislinked = truth[(truth["particle"] != 0) | (truth["frame"] < 10)]
    mislinked = mislinked[(mislinked["particle"] != 0) | (mislinked["frame"] != 5)].reset_index(drop=True)
    mislinked.loc[(mislinked["particle"] == 1) & (mislinked["frame"] == 5), "particle"] = 0
    assert score_jumps(mislinked, truth).false == 2


def test_a_jump_is_kept_across_frames_without_the_rod():
    truth = track(0, range(20), x=np.where(np.arange(20) < 10, 0.0, 50.0))
    blind = truth[~truth["frame"].isin([9, 10, 11])]
    assert score_jumps(blind, truth).kept == 1
    assert score_jumps(truth[~truth["frame"].isin(range(10, 16))], truth).kept == 0


def test_rounding_locks_positions_to_pixels():
    true = np.random.default_rng(0).uniform(0, 100, 20_000)
    assert pixel_locking(np.rint(true), true) == pytest.approx(1 / np.pi, abs=0.01)
    assert pixel_locking(true + np.random.default_rng(1).normal(0, 0.3, len(true)), true) < 0.01


def test_error_ratio_is_stated_over_true():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.5, 2, (5000, 2))
    errors = true * rng.standard_normal((5000, 2))
    ratio = error_ratio(0.8 * true, errors)
    assert ratio.rms == pytest.approx(0.8, abs=0.02)
    assert ratio.robust == pytest.approx(0.8, abs=0.03)
    errors[0] = 1e3
    assert error_ratio(0.8 * true, errors).rms < 0.1
    assert error_ratio(0.8 * true, errors).robust == pytest.approx(0.8, abs=0.03)


def test_gaps_between_outlines_by_hand():
    """Axes of 20 px, half widths of 5 px."""
    end_to_end, beside = rod(x=35.0), rod(y=16.0, frame=1)
    across = rod(x=3.0, y=2.0, angle_deg=90.0, frame=2)
    others = [rod(), rod(frame=1), rod(frame=2), rod(frame=3)]
    gaps = outline_gaps(tracks(*others, end_to_end, beside, across))
    assert gaps == pytest.approx([0.5, 0.6, -1, np.inf, 0.5, 0.6, -1])


@settings(max_examples=50, deadline=None)
@given(
    x=st.floats(-40, 40),
    y=st.floats(-40, 40),
    angle=st.floats(0, 180),
    length=st.floats(10, 60),
    width=st.floats(2, 10),
)
def test_distance_of_axes_is_that_of_their_nearest_points(x, y, angle, length, width):
    one, other = rod(), rod(x=x, y=y, angle_deg=angle, length=length, width=width)
    points = []
    for pose in (one.iloc[0], other.iloc[0]):
        arm = np.linspace(-0.5, 0.5, 401)[:, None] * (pose["length"] - pose["width"])
        direction = np.radians(pose["angle_deg"])
        points.append([pose["x"], pose["y"]] + arm * [np.cos(direction), np.sin(direction)])
    nearest = np.min(np.hypot(*(points[0][:, None] - points[1][None]).transpose(2, 0, 1)))
    assert segment_distance(one, other)[0] == pytest.approx(nearest, abs=0.15)
    assert segment_distance(one, other) == pytest.approx(segment_distance(other, one), abs=1e-9)


def test_overlap_of_masks():
    long = rod(length=200.0, width=20.0, angle_deg=90.0, x=0.3)
    assert mask_overlaps(long, long) == pytest.approx(1)
    assert mask_overlaps(long, long.assign(x=10.3)) == pytest.approx(1 / 3, abs=0.03)
    assert mask_overlaps(long, long.assign(x=25.0)) == pytest.approx(0)


def test_detections_of_cut_rods_are_left_out():
    truth, cut = rod(x=20.0), rod(x=-12.0)
    found = tracks(rod(x=21.0), rod(x=-0.5), rod(x=5.0), rod(x=60.0), rod(x=-0.5, frame=1))
    assert list(without_cut(found, truth, cut)["x"]) == [21.0, 5.0, 60.0, -0.5]


def test_snr_is_that_of_a_filter_that_knows_the_pose():
    imaging = Imaging(flicker=0, row_noise=0, illumination_drop=0, detector_blur_px=0, grey_offset=0, bits=32)
    dose = float(imaging.illumination((75, 75))[37, 37])
    template = passing_electrons(ROD, imaging, 1.0) - 1
    half = template.shape[0] // 2
    movie = render_movie(
        pd.DataFrame([ROD | {"particle": 0, "frame": 0, "x": -1e3, "y": 0.0}]),
        400,
        (75, 75),
        imaging,
        np.random.default_rng(0),
    )
    window = movie[:, 37 - half : 38 + half, 37 - half : 38 + half] / imaging.grey_per_electron
    noise = (window * template).sum(axis=(1, 2)).std()
    assert dose * (template**2).sum() / noise == pytest.approx(matched_filter_snr(ROD, imaging, dose), rel=0.1)


def test_bound_is_that_of_a_gaussian_spot_where_the_rod_is_a_point():
    """sqrt(2) times its width over the signal-to-noise ratio; the disc adds 1/4 to the variance, a pixel 1/12."""
    spot = {"angle_deg": 0.0, "length": 2.0, "width": 2.0, "blur_px": 4.0, "contrast": 0.05}
    expected = np.sqrt(2 * (16 + 1 / 4 + 1 / 12)) / matched_filter_snr(spot, Imaging(), 10.0)
    assert position_bound(spot, Imaging(), 10.0) == pytest.approx([expected, expected], rel=0.02)


def test_bound_does_not_depend_on_what_else_is_unknown():
    def mean(**changes):
        return passing_electrons(ROD | changes, Imaging(), 10.0)

    down, right = np.gradient(mean())
    slopes = [right, down]
    steps = {"angle_deg": 0.5, "contrast": 0.01, "length": 0.3, "width": 0.3, "blur_px": 0.1}
    slopes += [
        (mean(**{name: ROD[name] + step}) - mean(**{name: ROD[name] - step})) / (2 * step)
        for name, step in steps.items()
    ]
    jacobian = np.stack([*slopes, mean()]).reshape(8, -1)
    information = (jacobian / mean().ravel()) @ jacobian.T
    assert np.linalg.inv(information)[:2, :2] == pytest.approx(np.linalg.inv(information[:2, :2]), rel=1e-6)


def test_bound_goes_with_the_dose():
    bound = position_bound(ROD, Imaging(), 10.0)
    assert position_bound(ROD, Imaging(), 40.0) == pytest.approx(bound / 2)
