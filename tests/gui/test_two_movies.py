"""What is said over the canvas belongs to the movie in view, whichever movies are open beside it."""

import numpy as np
import pytest

from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.preview import Found
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.movie import Movie
from tests.analysis_factory import make_analysis


def test_time_and_scale_bar_are_those_of_the_movie_in_view(widget, viewer):
    analysis = make_analysis()
    timed = widget.show_movie(analysis.movie)
    widget.show_analysis(timed, analysis)
    bar = viewer.canvas.overlays.scale_bar
    interval_s = analysis.movie.calibration.frame_interval_s
    widget.selection.show_frame(2)
    assert widget.canvas._time() == f"t = {2 * interval_s:.3f} s · frame 2"
    assert bar.visible

    untold = viewer.add_image(np.zeros((60, 20, 20)), name="of another reader")
    assert widget.movie_panel.image is untold
    assert widget.canvas._time() == f"frame {widget.selection.frame}"
    assert not bar.visible
    widget.show_analysis(timed, make_analysis(seed=1))
    assert "s" not in widget.canvas._time()
    viewer.layers.selection.active = timed
    assert " s · frame" in widget.canvas._time()
    assert bar.visible


def test_only_what_is_from_the_movie_is_in_italics(widget, viewer):
    widget.show_movie(Movie.from_array(np.zeros((3, 20, 20), np.uint8), "first"))
    viewer.window._qt_window.show()
    row = widget.movie_panel.form.rows["pixel_size_nm"]
    line = row.value_widget.native.lineEdit()
    assert line.font().italic()
    row.value_widget.value = 2.5
    assert not line.font().italic()
    row.automatic.value = True
    assert line.font().italic()


def test_a_preview_of_another_movie_is_not_shown(widget, viewer):
    movies = [Movie.from_array(np.zeros((3, 20, 20), np.uint8), name) for name in ("first", "second")]
    for movie in movies:
        widget.show_movie(movie)
    widget.steps.preview_box.setChecked(True)
    rods = make_analysis().detections[:1].assign(x=10.0, y=10.0)
    for movie, is_shown in zip(movies, (False, True), strict=True):
        widget.live_preview._on_found(Found(movie, 0, rods, {}))
        assert (widget.canvas.previewed is not None) == is_shown
    widget.steps.preview_box.setChecked(False)


@pytest.mark.parametrize("start", [0.0, 1.5])
def test_the_slider_shows_the_frame_of_the_movie_whatever_steps_it_has(viewer, start):
    movie = viewer.add_image(np.zeros((10, 8, 8)), scale=(0.5, 1, 1), translate=(start, 0, 0))
    finer = viewer.add_image(np.zeros((100, 8, 8)), scale=(0.1, 1, 1))
    selection = Selection()
    canvas = Canvas(viewer, selection)
    canvas.show_movie(movie, [movie, finer])
    selection.show_frame(4)
    assert viewer.dims.point[0] == pytest.approx(start + 2.0)
    viewer.dims.set_point(0, start + 3.5)
    assert selection.frame == 7
    canvas.disconnect()


def test_a_second_movie_says_whose_the_result_is_and_where_it_ends(widget, viewer, monkeypatch):
    warned = []
    monkeypatch.setattr("napari._vispy.canvas.show_warning", warned.append)
    analysis = make_analysis()
    first = widget.show_movie(analysis.movie)
    widget._show_new(first, analysis)
    assert widget.selection.frame == len(analysis.movie) - 1, "where tracks have tails"
    assert not widget.steps.movie_section.is_unfolded
    assert widget.correct_panel.action("split").isEnabled() or widget.correct_panel.action("delete").isEnabled()
    second = widget.show_movie(Movie.from_array(np.zeros((3, 20, 20), np.uint8), "short"))
    viewer.window._qt_viewer.canvas.on_draw(None)
    assert not any(action.isEnabled() for action in widget.correct_panel.actions_)
    assert widget.steps.movie_section.is_unfolded, "its scale is asked for"
    assert first.name in widget.results._whose.text()
    assert widget.correct_section.state == f"of {first.name}"
    assert widget.canvas._beyond_the_end() == ""
    assert viewer.dims.nsteps[0] == 3, "the slider runs over the movie in view"
    widget.selection.show_frame(5)
    assert widget.selection.frame == 2
    longer = viewer.add_points(np.array([[9.0, 4, 4]]), units=second.units)
    widget.selection.show_frame(5)
    assert widget.canvas._beyond_the_end() == "This movie ends at frame 2."
    viewer.layers.remove(longer)
    assert viewer.scene.camera.zoom * 20 > 0.5 * min(viewer.window._qt_viewer.canvas.size), "it is fitted"

    widget.movie_panel.choose(first)
    viewer.window._qt_viewer.canvas.on_draw(None)
    assert widget.results._whose.isHidden()
    assert viewer.dims.nsteps[0] == len(analysis.movie)
    assert {str(unit) for unit in first.units} == {"pixel", "nanometer"}
    assert warned == []
    assert second.units == first.units
