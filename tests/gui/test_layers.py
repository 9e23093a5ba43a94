import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.layers import Labels, Points, Tracks, Vectors

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, SCALES
from napari_lptem_diffusion.gui import layers
from napari_lptem_diffusion.movie import Calibration, Movie
from tests.analysis_factory import SHORT_PARTICLE, empty_analysis, make_analysis

ANALYSIS = make_analysis()
QUANTITIES = list(SCALES)


def layer_of(kind, analysis=ANALYSIS, quantity="mixing_ratio"):
    data, options, _ = next(layer for layer in layers.result_layers(analysis, quantity) if layer[2] == kind)
    return {"labels": Labels, "vectors": Vectors, "tracks": Tracks, "points": Points}[kind](data, **options)


def motion_of(analysis, particle, frame, quantity):
    frames = analysis.motion.frames
    return frames[(frames["particle"] == particle) & (frames["frame"] == frame)][quantity].item()


@given(hnp.basic_indices((5, 4, 3), allow_newaxis=False, allow_ellipsis=False))
def test_lazy_labels_index_like_an_array(index):
    array = np.arange(60, dtype=np.int32).reshape(5, 4, 3)
    assert np.array_equal(layers.LazyLabels((5, 4, 3), lambda frame: array[frame])[index], array[index])


def test_only_frames_in_view_are_computed():
    computed = []
    labels = layers.LazyLabels((1000, 4, 3), lambda frame: computed.append(frame) or np.zeros((4, 3), np.int32))
    layer = Labels(labels)
    assert len(set(computed)) <= 3
    assert layer.data is labels


def test_outlines_are_the_label_images_of_the_analysis():
    layer = layer_of("labels")
    assert np.array_equal(layer.data[30], ANALYSIS.labels(30))
    assert set(np.unique(layer.data[45])) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_track_features_stay_with_their_vertices(quantity):
    shuffled = dataclasses.replace(ANALYSIS, tracks=ANALYSIS.tracks.sample(frac=1, random_state=1))
    layer = layer_of("tracks", shuffled, quantity)
    shown = layer.features[layers.colour_feature(quantity)]
    truth = [motion_of(ANALYSIS, int(row[0]), int(row[1]), quantity) for row in layer.data]
    np.testing.assert_allclose(shown, np.asarray(truth) / SCALES[quantity].high)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_track_without_a_value_is_grey_and_leaves_the_others_coloured(quantity):
    layer = layer_of("tracks", quantity=quantity)
    short = layer.data[:, 0] == SHORT_PARTICLE
    np.testing.assert_allclose(layer.track_colors[short], [[*NO_VALUE_RGB, 1.0]] * short.sum(), atol=1e-6)
    values = [motion_of(ANALYSIS, int(row[0]), int(row[1]), quantity) for row in layer.data[~short]]
    np.testing.assert_allclose(layer.track_colors[~short, :3], SCALES[quantity].rgb(values), atol=0.02)


def test_a_colour_means_the_same_in_every_movie():
    frames = ANALYSIS.motion.frames
    narrow = frames.assign(mixing_ratio=frames["mixing_ratio"] * 0.01 + 0.5)
    motion = dataclasses.replace(ANALYSIS.motion, frames=narrow)
    layer = layer_of("tracks", dataclasses.replace(ANALYSIS, motion=motion))
    known = layer.data[:, 0] != SHORT_PARTICLE
    assert np.ptp(layer.track_colors[known], axis=0).max() < 0.05


def test_axes_run_from_tip_to_tip():
    vectors = layer_of("vectors").data
    rods = layers.rods_with_motion(ANALYSIS)
    middle = vectors[:, 0] + vectors[:, 1] / 2
    np.testing.assert_allclose(middle, rods[["frame", "y", "x"]], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors[:, 1], axis=1), rods["length"], rtol=1e-5)
    angle_deg = np.rad2deg(np.arctan2(vectors[:, 1, 1], vectors[:, 1, 2])) % 180
    difference = np.abs(angle_deg - rods["angle_deg"])
    assert np.minimum(difference, 180 - difference).max() < 1e-3


def test_axes_are_paler_where_the_interval_is_wide():
    rods = layers.rods_with_motion(ANALYSIS)[:2].assign(mixing_ratio_low=[0.0, 0.9], mixing_ratio_high=[1.0, 0.95])
    uncertain, certain = layers.rod_colours(rods, "mixing_ratio")[:, 3]
    assert 0.2 < uncertain < certain <= 1


def test_numbers_name_the_particle_and_its_value():
    rods = layers.rods_with_motion(ANALYSIS)
    texts = layers.rod_texts(rods, "mixing_ratio")
    assert texts[0] == f"0: {motion_of(ANALYSIS, 0, 0, 'mixing_ratio'):.2f}"
    assert set(texts[rods["particle"] == SHORT_PARTICLE]) == {f"{SHORT_PARTICLE}: –"}
    assert list(layer_of("points").text.values) == list(texts)


def test_only_the_selected_particle_has_a_ring():
    particles = np.array([0, 1, 1, 2])
    assert layers.ring_colours(particles, 1)[:, 3].tolist() == [0, 1, 1, 0]
    assert layers.ring_colours(particles, None)[:, 3].tolist() == [0, 0, 0, 0]


def test_no_tracks_give_no_layers():
    assert layers.result_layers(empty_analysis(), "mixing_ratio") == []


def test_space_is_physical_only_with_a_pixel_size():
    assert layers.space(Calibration(pixel_size_nm=2.0))["scale"] == (1, 2, 2)
    assert layers.space(Calibration(pixel_size_nm=2.0))["units"][1:] == ("nm", "nm")
    assert layers.space(Calibration(frame_interval_s=0.1))["scale"] == (1, 1, 1)
    assert set(layers.space(Calibration())["units"]) == {"pixel"}


def test_contrast_ignores_outliers_and_missing_pixels():
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 10, (12, 64, 64)).astype(np.float32)
    frames[:, 0, 0] = 1e6
    frames[3] = np.nan
    low, high = layers.contrast_limits(Movie.from_array(frames, "noise"))
    assert 60 < low < 90
    assert 110 < high < 140


@pytest.mark.filterwarnings("ignore:blank has pixels")
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_blank_movie_has_contrast_limits(value):
    low, high = layers.contrast_limits(Movie.from_array(np.full((3, 8, 8), value, np.float32), "blank"))
    assert low < high


@given(st.floats(-8, 8), st.floats(-8, 8))
def test_the_rod_under_a_click_is_found(dx, dy):
    rods = ANALYSIS.tracks[ANALYSIS.tracks["frame"] == 45].reset_index(drop=True)
    rod = rods.iloc[2]
    assert layers.nearest_particle(rods, rod["y"] + dy, rod["x"] + dx) == rod["particle"]


def test_a_click_beside_all_rods_finds_none():
    rods = ANALYSIS.tracks[ANALYSIS.tracks["frame"] == 45]
    assert layers.nearest_particle(rods, -50, -50) is None
    assert layers.nearest_particle(rods[:0], 10, 10) is None
