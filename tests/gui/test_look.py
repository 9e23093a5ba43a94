"""What is seen of a result is chosen by one click each and kept over corrections and new results."""

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtWidgets import QCheckBox

from napari_lptem_diffusion.gui import result_layers
from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.layers import movie_layer
from napari_lptem_diffusion.gui.look import Look
from napari_lptem_diffusion.gui.look_panel import LookPanel
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.judge import judge_tracks
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE, make_analysis


@pytest.fixture
def panel(qtbot):
    panel = LookPanel()
    qtbot.addWidget(panel)
    return panel


def test_every_button_changes_its_part_of_the_look(panel):
    looks = []
    panel.changed.connect(looks.append)
    boxes = {box.text(): box for box in panel.findChildren(QCheckBox)}
    for name, action in panel.toggles.items():
        before = getattr(panel.look, name)
        boxes[action.text()].click()
        assert getattr(looks[-1], name) is not before
        assert action.toolTip()
    for button in panel.quantity_buttons.buttons():
        button.click()
    assert looks[-1].quantity == "particle"
    panel.tail_slider.setValue(panel.tail_slider.maximum())
    assert looks[-1].tail_frames == 5000
    assert all(getattr(looks[-1], name) is not getattr(Look(), name) for name in panel.toggles)


def tracked(viewer):
    return set(viewer.layers["tracks"].data[:, 0])


def opaque(viewer):
    tracks = viewer.layers["tracks"]
    return set(tracks.data[tracks.track_colors[:, 3] == 1, 0])


def test_the_canvas_shows_what_is_wanted_and_keeps_it(viewer, panel):
    analysis = make_analysis()
    image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
    selection = Selection()
    canvas = Canvas(viewer, selection)
    panel.changed.connect(canvas.set_look)
    canvas.show_movie(image, [image])
    canvas.show_result(image, analysis)
    layers = list(viewer.layers)

    selection.show_only(frozenset({0, 1}))
    assert tracked(viewer) == {0, 1}
    panel.toggles["only_filtered"].trigger()
    assert tracked(viewer) == {0, 1, 2, 3, 4}
    selection.select(2)
    panel.toggles["only_selected"].trigger()
    assert tracked(viewer) == {2}
    selection.toggle(3)
    assert tracked(viewer) == {2, 3}
    panel.toggles["only_selected"].trigger()
    panel.toggles["others_pale"].trigger()
    assert opaque(viewer) == {2, 3}
    selection.select(2)
    assert opaque(viewer) == {2}
    panel.toggles["others_pale"].trigger()
    assert opaque(viewer) == tracked(viewer) == {0, 1, 2, 3, 4}
    selection.toggle(3)
    panel.toggles["only_selected"].trigger()
    panel.toggles["movie"].trigger()
    assert not image.visible

    canvas.show_result(image, make_analysis(seed=1))
    assert list(viewer.layers) == layers
    assert tracked(viewer) == {2, 3}
    assert not image.visible
    by_mixing_ratio = viewer.layers["tracks"].track_colors.copy()
    panel.quantity_buttons.buttons()[-1].click()
    assert not np.allclose(viewer.layers["tracks"].track_colors, by_mixing_ratio)
    panel.tail_slider.setValue(0)
    assert not viewer.layers["tracks"].display_tail
    panel.toggles["only_selected"].trigger()
    panel.toggles["only_filtered"].trigger()
    selection.show_only(frozenset())
    panel.tail_slider.setValue(3)
    assert not viewer.layers["tracks"].display_tail
    selection.show_only(None)
    assert viewer.layers["tracks"].display_tail

    selection.select(GAP_PARTICLE)
    selection.show_frame(GAP_FRAMES[0])
    selection.centre()
    assert selection.frame == GAP_FRAMES[0] - 1
    rod = make_analysis(seed=1).tracks.query("particle == @GAP_PARTICLE and frame == @selection.frame").iloc[0]
    assert np.allclose(viewer.scene.camera.center[-2:], (2 * rod["y"], 2 * rod["x"]))
    viewer.scene.camera.zoom = 0.3
    selection.centre()
    near = viewer.scene.camera.zoom
    assert near * 2 * rod["length"] > 60  # px of the canvas
    viewer.scene.camera.zoom = 5 * near
    selection.centre()
    assert viewer.scene.camera.zoom == 5 * near  # who is nearer stays there
    canvas.disconnect()
    assert not any("lptem" in name for name in viewer.canvas.overlays)


def test_the_movie_is_averaged_for_the_eye(viewer):
    analysis = make_analysis()
    image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
    selection, panel = Selection(), LookPanel()
    canvas = Canvas(viewer, selection)
    panel.changed.connect(canvas.set_look)
    canvas.show_movie(image, [image])
    canvas.show_result(image, analysis)
    selection.show_frame(30)
    as_it_is, limits = np.asarray(image._slice.image.view), image.contrast_limits
    panel.toggles["averaged"].trigger()
    around = np.mean([analysis.movie[frame] for frame in range(28, 33)], axis=0)
    assert np.allclose(image.contrast_limits, np.percentile(around, (0.2, 99.8)))
    assert np.allclose(image._slice.image.view, around)
    assert selection.frame == 30
    selection.show_frame(0)
    assert np.allclose(image._slice.image.view, np.mean([analysis.movie[frame] for frame in range(3)], axis=0))
    panel.toggles["averaged"].trigger()
    selection.show_frame(30)
    assert np.array_equal(image._slice.image.view, as_it_is)
    assert image.contrast_limits == limits
    canvas.disconnect()


def test_two_canvases_of_a_viewer_leave_it_one_after_the_other(viewer):
    first, second = Canvas(viewer, Selection()), Canvas(viewer, Selection())
    first.disconnect()
    assert any("lptem" in name for name in viewer.canvas.overlays)
    second.disconnect()
    assert not any("lptem" in name for name in viewer.canvas.overlays)


@pytest.mark.filterwarnings("ignore")
def test_tracks_of_another_tool_are_shown_without_sizes(viewer, tmp_path):
    make_analysis().tracks[["particle", "frame", "x", "y"]].to_csv(tmp_path / "tracks.csv", index=False)
    analysis = judge_tracks(tmp_path / "tracks.csv")
    image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
    canvas = Canvas(viewer, Selection())
    canvas.show_movie(image, [image])
    canvas.show_result(image, analysis)
    assert {layer.name for layer in viewer.layers} == {"tracks.csv", "tracks"}
    assert viewer.screenshot(canvas_only=True, flash=False).any()
    canvas.disconnect()


def test_very_many_tracks_are_left_to_napari_piece_by_piece(viewer, qtbot, monkeypatch):
    monkeypatch.setattr(result_layers, "_MANY_VERTICES", 10)
    analysis = make_analysis()
    image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
    selection = Selection()
    canvas = Canvas(viewer, selection)
    canvas.show_movie(image, [image])
    canvas.show_result(image, analysis)
    assert list(viewer.layers) == [image]
    selection.select(2)
    canvas.set_look(Look(others_pale=True, tail_frames=7))
    qtbot.waitUntil(lambda: "tracks" in viewer.layers and len(viewer.layers["tracks"].data) == len(analysis.tracks))
    assert opaque(viewer) == {2}
    assert viewer.layers["tracks"].tail_length == 7
    canvas.show_result(image, make_analysis(seed=1))
    canvas.remove_result()
    qtbot.wait(50)
    assert list(viewer.layers) == [image]
