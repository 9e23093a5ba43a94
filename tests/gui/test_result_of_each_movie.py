"""Every movie in the window keeps its own result, whatever is done with the others."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.session import save_session
from tests.analysis_factory import make_analysis
from tests.gui.driving import RUN_TIMEOUT_MS, drop

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def noise():
    pixels = np.random.default_rng(1).poisson(100, (10, 64, 64)).astype(np.uint8)
    return Movie.from_array(pixels, "noise")


def run(widget, qtbot):
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.run_panel.run_button.click()


def delete_track(widget, particle, qtbot):
    widget.selection.select(particle)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.correct_panel.action("delete").trigger()


def test_a_run_that_finds_nothing_takes_no_result_away(shown, noise, qtbot, monkeypatch):
    asked = []
    monkeypatch.setattr("napari_lptem_diffusion.gui.sessions.ask", lambda *words: asked.append(words) or True)
    first = shown.result.image
    delete_track(shown, 2, qtbot)
    before = shown.result.history
    empty = shown.show_movie(noise)
    run(shown, qtbot)
    assert "No rods stand out" in shown.run_panel.text
    assert shown.result.image is empty
    assert not shown.results_dock.is_shown
    assert not shown.sessions.save_action.isEnabled()
    assert asked == [], "nothing of the other movie goes"

    shown.movie_panel.choose(first)
    assert shown.result.history is before
    assert shown.results_dock.is_shown
    assert shown.top_bar.results_button.isEnabled()
    assert shown.sessions.save_action.isEnabled()
    assert shown.correct_panel.action("undo").isEnabled()
    assert shown.results._whose.isHidden()
    assert shown.canvas.scene is not None
    assert {layer.name for layer in shown._viewer.layers if layer.visible} == {first.name, "tracks"}

    shown.movie_panel.choose(empty)
    shown.show_analysis(empty, replace(make_analysis(seed=1), movie=noise))
    run(shown, qtbot)
    assert "stays" in shown.run_panel.text
    assert not shown.result.analysis.tracks.empty


def test_each_result_is_saved_in_a_place_of_its_own(shown, viewer, noise, tmp_path, qtbot):
    first = shown.result.image
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        shown.sessions.save_to(tmp_path / "first.lptem")
    second = shown.show_movie(noise)
    shown.show_analysis(second, make_analysis(seed=1))
    assert shown.sessions.path is None
    delete_track(shown, 1, qtbot)
    shown.movie_panel.choose(first)
    assert shown.sessions.path == tmp_path / "first.lptem"
    assert shown.sessions.has_unsaved_corrections(second)
    viewer.layers.remove(second)
    qtbot.waitUntil(lambda: not shown.sessions.recovery.isHidden())
    assert shown.result.image is first, "another result was taken away"


def test_a_session_is_opened_beside_corrections_that_are_not_saved(widget, tmp_path, qtbot):
    made = make_analysis()
    path = tmp_path / "rods.tif"
    tifffile.imwrite(path, np.stack([made.movie[i] for i in range(len(made.movie))]), photometric="minisblack")
    analysis = replace(made, movie=open_movie(path, 2.0, 0.0125))
    save_session(analysis, tmp_path / "saved.lptem")
    image = widget.show_movie(analysis.movie)
    widget.show_analysis(image, analysis)

    def opened_over():
        with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
            drop(widget, tmp_path / "saved.lptem")
        return widget.result.image

    assert opened_over() is image
    delete_track(widget, 2, qtbot)
    beside = opened_over()
    assert beside is not image
    assert widget.result.analysis.corrections == ()
    widget.movie_panel.choose(image)
    assert len(widget.result.analysis.corrections) == 1
