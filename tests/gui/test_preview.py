"""The preview of what settings find in the frame in view."""

import pandas as pd
import pytest

from napari_lptem_diffusion.analysis import analyze
from napari_lptem_diffusion.movie import open_movie
from tests.analysis_factory import make_analysis
from tests.gui.driving import RUN_TIMEOUT_MS, layer_names, open_movie_in

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


def is_previewed(widget):
    return widget.canvas.previewed is not None


def test_the_preview_follows_the_slider_and_the_settings(widget, tiff, qtbot):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    assert (widget.canvas.previewed.frame, len(widget.canvas.previewed.rods)) == (0, 4)
    assert layer_names(widget) == {"rods"}
    assert "px" in widget.steps.find_form.rows["rod_length_px"].value_widget.native.text()
    widget._viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: widget.canvas.previewed.frame == 20, timeout=RUN_TIMEOUT_MS)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 50
    assert signal.args[0].rods.empty
    widget.steps.preview_box.setChecked(False)
    assert not is_previewed(widget)


def test_the_preview_gives_way_to_run_and_result_and_comes_back(widget, tiff, qtbot):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.run_panel.run_button.click()
        assert not is_previewed(widget)
        widget.run_panel.cancel_button.click()
    assert widget.steps.preview_box.isChecked()
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    widget.show_analysis(widget.movie_panel.image, make_analysis())
    assert not is_previewed(widget)
    widget.selection.show_frame(3)
    assert not widget.live_preview.preview._timer.isActive()
    widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 6
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 5
    assert not is_previewed(widget)


def test_a_run_takes_over_what_the_preview_measured(widget, tiff, qtbot, monkeypatch):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    monkeypatch.setattr("napari_lptem_diffusion.analysis.calibrate", None)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.run_panel.run_button.click()
    monkeypatch.undo()
    of_window, anew = widget.result.analysis, analyze(open_movie(tiff), widget.settings)
    assert of_window.measured == anew.measured
    pd.testing.assert_frame_equal(of_window.tracks, anew.tracks, check_exact=True)
    pd.testing.assert_frame_equal(of_window.motion.frames, anew.motion.frames, check_exact=True)
    other = widget.settings.detection.model_copy(update={"threshold_sigma": 6.0})
    assert widget.live_preview.preview.calibrated(widget.movie_panel.movie, other) is None


def test_a_preview_that_is_stopped_while_it_measures_says_so_no_more(widget, tiff, qtbot):
    states = widget.steps.find_section
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: "measuring" in states.state, timeout=RUN_TIMEOUT_MS)
    widget.steps.preview_box.setChecked(False)
    qtbot.waitUntil(lambda: widget.live_preview.preview._worker is None, timeout=RUN_TIMEOUT_MS)
    assert states.state == ""


def test_another_threshold_is_previewed_without_measuring_again(widget, tiff, qtbot):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: is_previewed(widget), timeout=RUN_TIMEOUT_MS)
    said = []
    widget.live_preview.preview.busy.connect(said.append)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 49
    assert signal.args[0].rods.empty
    assert not any("measuring" in text for text in said)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 5
    assert len(signal.args[0].rods) == 4
