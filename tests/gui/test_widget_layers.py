"""Layers of movies and results: which are seen, in which scale, and what goes with what."""

import numpy as np
import pytest

from napari_lptem_diffusion.movie import Movie
from tests.analysis_factory import empty_analysis, make_analysis
from tests.gui.driving import click_on_canvas, layer_names

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")
OVERLAYS = {"rod masks", "tracks"}


def seen(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def test_a_movie_opened_by_another_reader_can_be_analysed(widget, frames):
    widget._viewer.add_image(frames, name="elsewhere", scale=(1, 3, 3), units=("pixel", "nm", "nm"))
    assert widget.movie_panel.movie.calibration.pixel_size_nm == 3
    assert "elsewhere" in widget.movie_panel.form.rows["pixel_size_nm"].note
    assert widget.run_panel.run_button.isEnabled()


def test_a_scale_entered_after_the_run_reaches_layers_and_export(shown, viewer):
    shown.movie_panel.form.rows["pixel_size_nm"].value_widget.value = 5.0
    assert all(tuple(layer.scale) == (1, 5, 5) for layer in viewer.layers)
    analysis = shown.result.analysis
    assert analysis.movie.calibration.pixel_size_nm == 5
    assert analysis.settings.movie.pixel_size_nm == 5


def test_without_a_scale_nothing_is_called_nanometres(widget, viewer):
    analysis = make_analysis(pixel_size_nm=None, frame_interval_s=None)
    widget.show_analysis(widget.show_movie(analysis.movie), analysis)
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"pixel"}
    assert "px" in widget.movie_panel.form.rows["pixel_size_nm"].note
    assert not viewer.canvas.overlays.scale_bar.visible


def test_a_second_result_takes_the_place_of_the_first(shown, viewer):
    names = layer_names(shown)
    shown.show_analysis(viewer.layers[0], make_analysis(seed=1))
    assert layer_names(shown) == names
    assert "No rods" in shown.show_analysis(viewer.layers[0], empty_analysis())
    assert layer_names(shown) == {"rods.tif"}
    assert shown.selection.particle is None


def test_a_layer_of_another_reader_keeps_its_own_scale(widget, viewer, frames):
    scale, units = (0.1, 3, 3), ("s", "nm", "nm")
    viewer.add_image(frames, name="elsewhere", scale=scale, units=units)
    assert tuple(viewer.layers[0].scale) == scale
    analysis = make_analysis()
    widget.show_analysis(viewer.layers[0], analysis)
    assert {tuple(layer.scale) for layer in viewer.layers} == {scale}
    assert len({tuple(map(str, layer.units)) for layer in viewer.layers}) == 1


def test_units_agree_whichever_reader_opened_the_movie_in_view(shown, viewer, frames, monkeypatch):
    """Else napari warns over the canvas, of hidden layers as well."""
    told = []
    monkeypatch.setattr("napari._vispy.canvas.show_warning", told.append)
    ours = viewer.layers["rods.tif"]
    physical = viewer.add_image(frames, name="of another reader", scale=(0.1, 3, 3), units=("s", "um", "um"))
    plain = viewer.add_image(frames, name="plain")
    told.clear()  # napari draws a new layer before anybody else hears of it
    for image in (ours, plain, physical, ours, physical):
        viewer.layers.selection.active = image
        assert viewer.layers.extent.units is not None
    assert not told
    assert [str(unit) for unit in physical.units] == ["second", "micrometer", "micrometer"]
    assert shown.movie_panel.movie.calibration.pixel_size_nm == pytest.approx(3000)
    viewer.layers.selection.active = ours
    shown.movie_panel.leave_viewer()
    assert str(plain.units[-1]) == "pixel"


def test_a_typed_scale_stays_with_its_movie(shown, viewer, frames):
    first = viewer.layers["rods.tif"]
    shown.movie_panel.form.rows["pixel_size_nm"].value_widget.value = 5.0
    shown.steps.find_form.rows["rod_length_px"].value_widget.value = 21.0
    second = shown.show_movie(Movie.from_array(frames, name="second"))
    assert shown.settings.movie.pixel_size_nm is None
    assert shown.movie_panel.calibrated().calibration.pixel_size_nm is None
    assert shown.settings.detection.rod_length_px == 21
    viewer.layers.selection.active = first
    assert shown.settings.movie.pixel_size_nm == 5
    assert shown.result.analysis.settings.movie.pixel_size_nm == 5
    viewer.layers.remove(first)
    assert shown.movie_panel.image is second
    assert shown.settings.movie.pixel_size_nm is None


def test_one_movie_and_its_result_are_seen_at_a_time(shown, viewer, frames):
    masks = shown.look_panel.toggles["masks"]
    masks.trigger()
    assert [layer.name for layer in viewer.layers] == ["rods.tif", "rod masks", "tracks"]
    first = viewer.layers["rods.tif"]
    second = shown.show_movie(Movie.from_array(frames, name="second"))
    assert seen(viewer) == {"second"}
    assert np.allclose(viewer.scene.camera.center[-2:], [47.5, 47.5])
    click_on_canvas(viewer, (30, 0, 0))
    viewer.layers.selection.active = first
    assert seen(viewer) == {"rods.tif"} | OVERLAYS
    height, width = first.data.shape[1:]
    assert np.allclose(viewer.scene.camera.center[-2:], [height - 1, width - 1])  # 2 nm per px
    shown.show_analysis(second, make_analysis(seed=1))
    assert seen(viewer) == {"rods.tif"} | OVERLAYS
    assert shown.export_section.state == "rods.tif", "the result of the movie in view stays"
    viewer.layers.selection.active = second
    assert seen(viewer) == {"second"} | OVERLAYS
    masks.trigger()
    assert seen(viewer) == {"second", "tracks"}
    assert shown.export_section.state == "second"
    viewer.layers.selection.active = first
    masks.trigger()
    assert seen(viewer) == {"rods.tif"} | OVERLAYS
    viewer.layers.selection.active = second
    assert seen(viewer) == {"second"} | OVERLAYS


def test_a_result_goes_with_its_movie(shown, viewer, qtbot):
    viewer.layers.move(0, len(viewer.layers))
    viewer.layers.remove("rods.tif")
    qtbot.waitUntil(lambda: not viewer.layers)
    assert not shown.results_dock.is_shown
    assert shown.show_analysis(shown.canvas._image, make_analysis()).startswith("Nothing is shown")


def test_clearing_the_viewer_takes_movie_and_result(shown, viewer, qtbot):
    viewer.layers.move(0, len(viewer.layers))
    viewer.layers.clear()
    assert not viewer.layers
    qtbot.waitUntil(lambda: not shown.results_dock.is_shown)


def test_a_movie_beside_a_picture_fills_the_canvas(widget, viewer, frames):
    viewer.add_image(np.zeros((500, 500)), name="picture")
    widget.show_movie(Movie.from_array(frames, name="second"))
    assert seen(viewer) == {"picture", "second"}
    assert np.allclose(viewer.scene.camera.center[-2:], [47.5, 47.5])


def test_a_new_scale_keeps_the_movie_in_view(shown, viewer):
    zoom = viewer.scene.camera.zoom
    shown.movie_panel.form.rows["pixel_size_nm"].value_widget.value = 20.0
    assert viewer.scene.camera.zoom == pytest.approx(zoom / 10)
    height, width = make_analysis().movie.shape[1:]
    assert np.allclose(viewer.scene.camera.center[-2:], [10 * (height - 1), 10 * (width - 1)])


def test_nothing_is_drawn_once_the_movie_is_taken_away(shown, viewer, qtbot):
    viewer.screenshot(canvas_only=True)
    viewer.layers.remove(shown.result.image)
    viewer.screenshot(canvas_only=True)
    qtbot.waitUntil(lambda: not viewer.layers)
    assert np.ptp(viewer.screenshot(canvas_only=True)[..., :3]) == 0
