import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.layers import Labels, Tracks

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, SCALES
from napari_lptem_diffusion.gui import layers
from napari_lptem_diffusion.gui.colours import particle_rgb
from napari_lptem_diffusion.gui.look import PARTICLE
from napari_lptem_diffusion.gui.scene import Scene, colours, kept, nearest_rod
from napari_lptem_diffusion.movie import Calibration, Movie
from tests.analysis_factory import SHORT_PARTICLE, SWITCH_FRAME, SWITCHING_PARTICLE, empty_analysis, make_analysis

ANALYSIS = make_analysis()
SCENE = Scene.of(ANALYSIS)


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


def test_masks_are_the_label_images_of_the_analysis():
    data, options, _ = layers.masks_layer(ANALYSIS.movie.shape, ANALYSIS.labels)
    layer = Labels(data, **options)
    assert np.array_equal(layer.data[30], ANALYSIS.labels(30))
    assert set(np.unique(layer.data[45])) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("quantity", SCALES)
def test_colours_of_tracks_stay_with_their_vertices(quantity):
    shuffled = Scene.of(dataclasses.replace(ANALYSIS, tracks=ANALYSIS.tracks.sample(frac=1, random_state=1)))
    data, options, _ = layers.tracks_layer(shuffled.rods, 60)
    layer = Tracks(data, **options)
    frames = ANALYSIS.motion.frames.set_index(["particle", "frame"])
    values = frames.loc[[(int(row[0]), int(row[1])) for row in layer.data]].reset_index()
    np.testing.assert_allclose(layers.tracks_rgba(shuffled.rods, quantity)[:, :3], colours(values, quantity))


@pytest.mark.parametrize("quantity", SCALES)
def test_a_track_without_a_value_is_grey_and_leaves_the_others_coloured(quantity):
    rgb = colours(SCENE.rods, quantity)
    short = (SCENE.rods["particle"] == SHORT_PARTICLE).to_numpy()
    np.testing.assert_allclose(rgb[short], np.tile(NO_VALUE_RGB, (short.sum(), 1)), atol=1e-6)
    assert (np.ptp(rgb[~short], axis=1) > 0.02).mean() > 0.9


def test_a_value_is_greyer_where_its_interval_is_wide():
    rods = SCENE.rods[:2].assign(mixing_ratio=0.95, mixing_ratio_low=[0.1, 0.9], mixing_ratio_high=[1.0, 0.96])
    uncertain, certain = np.ptp(colours(rods, "mixing_ratio"), axis=1)
    assert uncertain < 0.05 < 0.4 < certain


def test_a_colour_means_the_same_in_every_movie():
    frames = ANALYSIS.motion.frames
    narrow = frames.assign(mixing_ratio=frames["mixing_ratio"] * 0.01 + 0.5)
    scene = Scene.of(dataclasses.replace(ANALYSIS, motion=dataclasses.replace(ANALYSIS.motion, frames=narrow)))
    known = (scene.rods["particle"] != SHORT_PARTICLE).to_numpy()
    assert np.ptp(colours(scene.rods, "mixing_ratio")[known], axis=0).max() < 0.05


def test_by_particle_each_rod_has_the_colour_of_its_number():
    np.testing.assert_array_equal(colours(SCENE.rods, PARTICLE), particle_rgb(SCENE.rods["particle"]))


def test_tracks_beside_the_foremost_are_paler():
    full, paled = (layers.tracks_rgba(SCENE.rods, PARTICLE, foremost) for foremost in ((), (2,)))
    is_other = (SCENE.rods["particle"] != 2).to_numpy()
    assert (full[:, 3] == 1).all()
    assert (paled[is_other, 3] < 0.5).all()
    assert np.array_equal(paled[~is_other], full[~is_other])


def test_a_scene_finds_the_rods_of_a_frame_and_of_a_particle():
    for frame in (0, 20, 45, 59, 60):
        expected = ANALYSIS.tracks[ANALYSIS.tracks["frame"] == frame]
        assert set(SCENE.in_frame(frame)["particle"]) == set(expected["particle"])
    assert len(SCENE.of_particle(SHORT_PARTICLE)) == (ANALYSIS.tracks["particle"] == SHORT_PARTICLE).sum()
    assert SCENE.of_particle(99).empty


def test_rods_in_no_track_are_those_that_no_track_holds():
    assert len(SCENE.loose) == len(ANALYSIS.detections) - len(ANALYSIS.tracks) == 3
    assert SCENE.loose_in_frame(5)[["x", "y"]].to_numpy().tolist() == [[20.0, 140.0]]


def test_change_points_lie_where_the_rod_was():
    (change,) = SCENE.changes_between(SWITCH_FRAME, SWITCH_FRAME).itertuples()
    rod = SCENE.of_particle(SWITCHING_PARTICLE).query("frame == @SWITCH_FRAME").iloc[0]
    assert (change.particle, change.x, change.y) == (SWITCHING_PARTICLE, rod["x"], rod["y"])
    assert SCENE.changes_between(SWITCH_FRAME + 1, 59).empty


def test_an_empty_result_makes_an_empty_scene():
    scene = Scene.of(empty_analysis())
    assert scene.in_frame(3).empty
    assert scene.changes_between(0, 59).empty
    assert kept(scene.rods, frozenset({1})).empty


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
    assert nearest_rod(rods, rod["y"] + dy, rod["x"] + dx, 1.0)["particle"] == rod["particle"]
    places = rods[["particle", "x", "y"]]
    assert nearest_rod(places, rod["y"] + dy, rod["x"] + dx, 12.0)["particle"] == rod["particle"]


def test_a_click_beside_all_rods_finds_none():
    rods = ANALYSIS.tracks[ANALYSIS.tracks["frame"] == 45]
    assert nearest_rod(rods, -50, -50, 5.0) is None
    assert nearest_rod(rods[:0], 10, 10, 5.0) is None
