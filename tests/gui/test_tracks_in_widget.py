"""Tracks of another tool in the window: their scale, wherever it was said, and what may be changed of it."""

import shutil

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.gui.import_tracks import TrackImport
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.particles.track_files.columns import ColumnMap
from napari_lptem_diffusion.session import open_session
from napari_lptem_diffusion.settings import Settings
from tests.analysis_factory import make_analysis

RUN_TIMEOUT_MS = 120_000
# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def judge(widget, tmp_path, qtbot, monkeypatch):
    """Return a function that imports made-up tracks with what was entered in the dialog."""
    path = tmp_path / "tracks.csv"
    make_analysis().tracks[["particle", "frame", "x", "y"]].to_csv(path, index=False)

    def judge(length_unit, **movie):
        answer = TrackImport(
            path,
            Settings.checked({"movie": movie}, "test"),
            ColumnMap("x", "y", "particle", "frame", length_unit=length_unit),
        )
        monkeypatch.setattr("napari_lptem_diffusion.gui.opening.ask_for_tracks", lambda *_: answer)
        with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
            widget.opening.import_tracks(path)
        return widget.result

    return judge


def recipe(widget):
    widget.export_panel.copy_action.trigger()
    return QApplication.clipboard().text()


def there_and_back(widget):
    """Look at another movie, then again at that of the result."""
    of_result = widget.result.image
    widget.show_movie(Movie.from_array(np.zeros((60, 64, 64), np.uint8), name="second"))
    assert widget.movie_panel.form.rows["pixel_size_nm"].isEnabled()
    assert widget.settings.movie.pixel_size_nm is None
    widget.movie_panel.choose(of_result)


def test_what_was_entered_with_tracks_stays_with_them(widget, judge):
    result = judge("px", pixel_size_nm=2.5, frame_interval_s=0.05)
    judged, script = result.analysis, recipe(widget)
    assert widget.settings.movie.pixel_size_nm == 2.5
    assert "pixel_size_nm=2.5" in script
    assert "frame_interval_s=0.05" in script
    there_and_back(widget)
    assert result.analysis is judged
    assert recipe(widget) == script


def test_a_localization_error_that_was_typed_stays_with_its_movie(widget, judge):
    judge("px", pixel_size_nm=2.5)
    row, of_tracks = widget.steps.motion_form.rows["localization_error_px"], widget.movie_panel.image
    row.value_widget.value = 2.0
    assert widget.settings.diffusion.localization_error_px == 2.0
    there_and_back(widget)
    assert widget.settings.diffusion.localization_error_px == 2.0
    other = next(image for image in widget.movie_panel.movies if image is not of_tracks)
    widget.movie_panel.choose(other)
    assert widget.settings.diffusion.localization_error_px is None
    assert row.automatic.value


def test_tracks_that_came_in_nm_keep_the_pixel_size_that_divided_them(widget, judge):
    result = judge("nm", pixel_size_nm=2.5, frame_interval_s=0.05)
    row = widget.movie_panel.form.rows["pixel_size_nm"]
    assert not widget.run_panel.run_button.isEnabled(), "there are no pictures to find rods in"
    assert not row.isEnabled()
    assert "import their file again" in row.note
    widget.movie_panel.form.take_from_movie()
    widget.set_settings(Settings())
    assert row.value_widget.value == 2.5
    assert result.analysis.movie.calibration.pixel_size_nm == 2.5
    there_and_back(widget)
    assert not row.isEnabled()
    assert result.analysis.movie.calibration.pixel_size_nm == 2.5
    judge("px", pixel_size_nm=4.0)
    assert row.isEnabled()
    row.value_widget.value = 5.0
    assert result.analysis.movie.calibration.pixel_size_nm == 5


def test_an_error_that_was_not_known_is_given_under_motion_and_judged_again(widget, judge, qtbot):
    before = judge("px").analysis
    steps, row = widget.steps, widget.steps.motion_form.rows["localization_error_px"]
    assert steps.motion_section.is_unfolded
    assert "The localization error is not known" in steps.judge_again.note.text()
    assert "give it under Motion" in widget.run_panel.text
    assert row.value_widget.native.specialValueText() == "not known"
    assert not steps.judge_again.button.isHidden()
    assert not steps.judge_again.button.isEnabled(), "nothing was typed yet"
    assert widget.movie_panel._notes.isHidden(), "how the file was read asks for nothing"
    assert "Columns: particle from 'particle'" in widget.movie_panel._facts.toolTip()
    assert steps.find_section.state == "", "nothing was found by this program"
    assert widget.selection.frame == len(before.movie) - 1, "where tracks have tails"

    row.value_widget.value = 0.3
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        steps.judge_again.button.click()
    after = widget.result.analysis
    assert after.settings.diffusion.localization_error_px == 0.3
    assert after.tracks is before.tracks
    assert not after.motion.particles.equals(before.motion.particles)
    assert steps.judge_again.isHidden()
    steps.motion_form.rows["exposure_fraction"].value_widget.value = 0.5
    assert "judged with other values" in steps.judge_again.note.text()
    assert steps.judge_again.button.isEnabled()


def test_tracks_in_px_take_the_scale_of_the_movie_they_are_drawn_over(widget, judge):
    movie = make_analysis().movie
    widget.show_movie(movie)
    result = judge("px")
    assert result.image.name == "rods.tif"
    assert widget.run_panel.run_button.isEnabled()
    assert result.analysis.movie.calibration.pixel_size_nm == movie.calibration.pixel_size_nm == 2


def test_nothing_is_asked_about_tracks_while_something_runs(widget, tmp_path, monkeypatch, qtbot):
    asked, told = [], []
    monkeypatch.setattr("napari_lptem_diffusion.gui.opening.ask_for_tracks", lambda *_: asked.append(1))
    monkeypatch.setattr("napari_lptem_diffusion.gui.widget.tell", told.append)
    widget.start(lambda _, should_stop: should_stop(), "Working", lambda _: "done")
    widget.opening.import_tracks(tmp_path / "tracks.csv")
    assert asked == []
    assert "still running" in told[0]
    qtbot.waitUntil(lambda: not widget.run_panel.is_running)


def test_tracks_over_a_movie_are_over_it_again_after_a_crash(widget, judge, tmp_path, autosave_home, qtbot):
    made = make_analysis()
    tifffile.imwrite(tmp_path / "rods.tif", np.asarray(made.movie), photometric="minisblack")
    widget.show_movie(open_movie(tmp_path / "rods.tif"))
    judged = judge("px", pixel_size_nm=4.0).analysis
    widget.sessions.autosave.keep_now()
    qtbot.waitUntil(lambda: widget.sessions.autosave._worker is None)
    kept = next(autosave_home.rglob("*.lptem"))
    reopened = open_session(shutil.copy(kept, tmp_path / "left.lptem"))
    assert reopened.movie.name == "tracks.csv"
    assert np.array_equal(reopened.drawn_over[3], made.movie[3])
    assert reopened.tracks.equals(judged.tracks)

    widget._viewer.layers.remove("rods")
    qtbot.waitUntil(lambda: widget.result.analysis is None)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.open(tmp_path / "left.lptem")
    assert widget.result.image.name == "rods"
    assert widget.result.image.data[3].any()
    assert widget.result.analysis.movie.calibration.pixel_size_nm == 4.0
    assert widget.canvas.scene is not None

    (tmp_path / "rods.tif").unlink()
    with pytest.warns(InputWarning, match="movie rods, over which the tracks were drawn, is not found"):
        assert open_session(tmp_path / "left.lptem").drawn_over is None
