"""The sample movie from pixels to mixing ratios, against its truth: what a user sees first must be right."""

import numpy as np
import pandas as pd
import pytest
from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE, SAMPLE_TRUTH

import napari_lptem_diffusion as lptem

GATE_PX = 8


@pytest.fixture(scope="module")
def analysis() -> lptem.Analysis:
    return lptem.analyze(SAMPLE_MOVIE)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.read_csv(SAMPLE_TRUTH)


@pytest.fixture(scope="module")
def matched(analysis, truth) -> pd.DataFrame:
    """Every tracked rod with the nearest true one of its frame, as ``true_...``, and their distance."""
    both = analysis.tracks.merge(truth.add_prefix("true_"), left_on="frame", right_on="true_frame")
    both["distance"] = np.hypot(both["x"] - both["true_x"], both["y"] - both["true_y"])
    return both.loc[both.groupby(["particle", "frame"])["distance"].idxmin()]


def test_the_rods_are_found_and_little_else(analysis, truth):
    both = analysis.detections.reset_index().merge(truth, on="frame", suffixes=("", "_true"))
    distance = np.hypot(both["x"] - both["x_true"], both["y"] - both["y_true"])
    hits = both[distance < GATE_PX].drop_duplicates(["frame", "particle"]).drop_duplicates("index")
    f1 = 2 * len(hits) / (len(analysis.detections) + len(truth))
    assert f1 > 0.95


def test_each_rod_is_one_track_of_one_rod(matched, truth):
    seen = matched[matched["distance"] < GATE_PX].groupby("true_particle")
    assert set(seen.groups) == set(truth["particle"])
    assert seen["particle"].nunique().eq(1).all()
    assert seen.size().gt(0.9 * truth["frame"].nunique()).all()
    assert matched.groupby("particle")["true_particle"].nunique().eq(1).all()


def test_positions_are_nearly_as_exact_as_they_say(matched):
    squared = ((matched[["x", "y"]].to_numpy() - matched[["true_x", "true_y"]].to_numpy()) ** 2).mean(1)
    by_rod = matched.assign(true=squared, stated=matched["localization_error"] ** 2).groupby("particle")
    assert by_rod["stated"].mean().pow(0.5).max() < 1
    # A rod that moves during the exposure is smeared, which its stated error does not know of.
    ratio = (by_rod["true"].mean() / by_rod["stated"].mean()).pow(0.5)
    assert 0.9 < ratio.median() < 1.3


def test_angles_and_sizes_are_right(matched):
    turned = (matched["angle_deg"] - matched["true_angle_deg"] + 90) % 180 - 90
    assert turned.abs().median() < 8
    by_rod = matched.groupby("particle")[["length", "width", "true_length", "true_width"]].median()
    assert (by_rod["length"] / by_rod["true_length"] - 1).abs().max() < 0.15
    assert (by_rod["width"] / by_rod["true_width"] - 1).abs().max() < 0.2


def test_the_mixing_ratio_of_each_rod_is_near_its_truth(analysis, matched):
    true = matched.groupby("particle")["true_mixing_ratio"].mean()
    found = analysis.motion.particles.set_index("particle")
    assert (found["mixing_ratio"] - true).abs().mean() < 0.15
    inside = (found["mixing_ratio_low"] <= true) & (true <= found["mixing_ratio_high"])
    assert inside.sum() >= len(true) - 2


def test_a_rod_that_switches_is_seen_to_switch(analysis, matched):
    true = matched.groupby("particle")["true_mixing_ratio"].agg(lambda m: m.iloc[0] - m.iloc[-1])
    frames = analysis.motion.frames
    half = frames["frame"] < frames["frame"].max() / 2
    means = frames.groupby(["particle", half])["mixing_ratio"].mean().unstack()
    change = means[True] - means[False]
    for particle, expected in true[true.abs() > 0.5].items():
        assert np.sign(change[particle]) == np.sign(expected)
        assert abs(change[particle]) > 0.25 * abs(expected)


def test_exponents_are_near_their_truth_where_their_part_is_there(analysis, matched):
    found = analysis.motion.particles.set_index("particle")
    for name, share in (("alpha_fbm", 1.0), ("alpha_ctrw", 0.0)):
        pure = matched.groupby("particle")["true_mixing_ratio"].agg(lambda m, share=share: (m == share).all())
        true = matched.groupby("particle")[f"true_{name}"].mean()[pure[pure].index]
        assert len(true)
        assert (found.loc[true.index, name] - true).abs().max() < 0.25
        assert (found.loc[true.index, f"{name}_low"] <= true).all()
        assert (found.loc[true.index, f"{name}_high"] >= true).all()


def test_labels_show_each_rod_in_its_place(analysis):
    frame = 100
    labels = analysis.labels(frame)
    rods = analysis.tracks[analysis.tracks["frame"] == frame]
    assert labels.shape == analysis.movie.shape[1:]
    for rod in rods.itertuples():
        assert labels[round(rod.y), round(rod.x)] == rod.particle + 1
    assert set(np.unique(labels)) == {0, *(rods["particle"] + 1)}
