"""The whole window as a user goes through it: open, run, cancel, correct, export, close."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from qtpy.QtCore import QEvent, Qt, QThreadPool
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton, QScrollArea

from napari_lptem_diffusion.analysis import analyze
from napari_lptem_diffusion.gui.import_tracks import TrackImport
from napari_lptem_diffusion.gui.movie_dialog import MovieDialog
from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.overlay_style import OverlayStyle
from tests.analysis_factory import empty_analysis, make_analysis
from tests.gui.driving import RUN_TIMEOUT_MS, drop, layer_names, open_movie_in

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


def boxes(widget):
    return widget.findChildren(QMessageBox)


def run_to_its_end(widget, qtbot):
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        qtbot.mouseClick(widget.run_panel.run_button, Qt.MouseButton.LeftButton)


def test_from_a_drop_to_exported_tables(widget, tiff, tmp_path, qtbot):
    drop(widget, tiff)
    qtbot.waitUntil(lambda: widget.movie_panel.movie is not None, timeout=RUN_TIMEOUT_MS)
    run_to_its_end(widget, qtbot)
    assert layer_names(widget) == {"rods", "tracks"}
    assert {str(unit) for layer in widget._viewer.layers for unit in layer.units[1:]} == {"nanometer"}
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.export_panel.export_tables(tmp_path)
    folder = tmp_path / "rods_diffusion"
    summary = pd.read_csv(folder / "summary.csv")
    assert len(summary) == len(widget.result.analysis.motion.particles) == 4
    assert len(list((folder / "particles").glob("*.csv"))) == len(summary)
    assert folder.as_uri() in widget.run_panel.text

    scripted = analyze(open_movie(tiff), widget.settings).save(tmp_path / "scripted")
    tables = sorted(path.relative_to(folder) for path in folder.rglob("*.csv"))
    assert tables == sorted(path.relative_to(scripted) for path in scripted.rglob("*.csv"))
    assert all((folder / table).read_bytes() == (scripted / table).read_bytes() for table in tables)


def test_corrected_undone_saved_and_opened_again(shown, viewer, tmp_path, qtbot):
    def trigger(name):
        with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
            shown.correct_panel.action(name).trigger()

    shown.selection.select(2)
    trigger("delete")
    assert 2 not in set(shown.result.analysis.tracks["particle"])
    assert shown.steps.follow_section.state == "4 rods followed"
    trigger("undo")
    assert 2 in set(shown.result.analysis.tracks["particle"])
    trigger("redo")
    assert shown.sessions.has_unsaved_corrections(shown.movie_panel.image)
    shown.selection.select_many((1, 3))
    shown.selection.show_frame(25)
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        shown.sessions.save_to(tmp_path / "mine.lptem")
    assert not shown.sessions.has_unsaved_corrections(shown.movie_panel.image)
    corrected = shown.result.analysis
    viewer.layers.clear()
    qtbot.waitUntil(lambda: shown.result.analysis is None)
    shown.sessions._ask_for_movie = lambda missing, path, on_opened: shown.sessions._open(
        path, on_opened, movie=corrected.movie
    )
    drop(shown, tmp_path / "mine.lptem")
    qtbot.waitUntil(lambda: shown.result.analysis is not None, timeout=RUN_TIMEOUT_MS)
    assert shown.result.analysis.motion.frames.equals(corrected.motion.frames)
    assert (shown.selection.frame, shown.selection.particles) == (25, (1, 3))
    assert [each.do for each in shown.result.analysis.corrections] == ["delete track"]
    qtbot.waitUntil(lambda: not shown.run_panel.is_running)
    trigger("undo")
    assert 2 in set(shown.result.analysis.tracks["particle"])


def test_tracks_of_another_tool_are_judged_and_shown(widget, tmp_path, qtbot, monkeypatch):
    path = tmp_path / "tracks.csv"
    make_analysis().tracks[["particle", "frame", "x", "y"]].to_csv(path, index=False)
    monkeypatch.setattr(
        "napari_lptem_diffusion.gui.opening.ask_for_tracks",
        lambda parent, path, settings: TrackImport(path, settings, None),
    )
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        drop(widget, path)
    assert len(widget.result.analysis.motion.particles) == 5
    assert "tracks.csv" in widget.run_panel.text
    widget.export_panel.copy_action.trigger()
    assert "judge_tracks" in QApplication.clipboard().text()


def test_what_is_ours_is_opened_where_it_is_dropped_on_the_canvas(widget, viewer, tiff, tmp_path, qtbot, monkeypatch):
    viewer.window._qt_window.show()
    canvas, left_to_napari = viewer.window._qt_viewer, []
    monkeypatch.setattr(type(canvas), "dropEvent", lambda _, event: left_to_napari.append(event.mimeData().urls()))
    (tmp_path / "rods.toml").write_text("[detection]\nthreshold_sigma = 6.5\n")
    drop(canvas, tiff, tmp_path / "rods.toml")
    qtbot.waitUntil(lambda: widget.movie_panel.movie is not None, timeout=RUN_TIMEOUT_MS)
    assert isinstance(viewer.layers["rods"].data, Movie)
    assert widget.settings.detection.threshold_sigma == 6.5
    assert left_to_napari == []
    (tmp_path / "empty").mkdir()
    with qtbot.waitSignal(widget.opening.movies.failed, timeout=RUN_TIMEOUT_MS) as refused:
        drop(canvas, tmp_path / "empty")
    assert "holds no JPEG, PNG or TIFF image" in str(refused.args[0])
    assert left_to_napari == []
    (tmp_path / "notes.docx").write_text("")
    drop(canvas, tmp_path / "notes.docx")
    drop(canvas, tiff, modifier=Qt.KeyboardModifier.AltModifier)
    assert len(left_to_napari) == 2


def test_a_step_goes_back_to_the_movie(widget, tiff, qtbot):
    open_movie_in(widget, tiff, qtbot)
    form = widget.movie_panel.form
    form.rows["pixel_size_nm"].value_widget.value = 7.0
    assert widget.steps.movie_section.state.startswith("7 nm/px")
    buttons = [b for b in widget.steps.movie_section.findChildren(QPushButton) if b.text() == "From the movie"]
    buttons[0].click()
    assert widget.settings.movie.pixel_size_nm is None
    assert widget.steps.movie_section.state.startswith("2 nm/px")
    assert not buttons[0].isVisibleTo(widget)


def test_cancel_in_the_middle_leaves_everything_as_it_was(widget, tiff, qtbot):
    open_movie_in(widget, tiff, qtbot)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        qtbot.mouseClick(widget.run_panel.run_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: " of " in widget.run_panel.text, timeout=RUN_TIMEOUT_MS)
        assert not widget.run_panel.run_button.isEnabled()
        qtbot.mouseClick(widget.run_panel.cancel_button, Qt.MouseButton.LeftButton)
    assert "Stopped" in widget.run_panel.text
    assert layer_names(widget) == {"rods"}
    assert widget.run_panel.run_button.isEnabled()
    assert not widget.run_panel.cancel_button.isEnabled()


def test_a_file_that_is_no_movie_is_refused_in_a_dialog(widget, tmp_path, qtbot):
    path = tmp_path / "fake.tif"
    path.write_text("not a movie")
    drop(widget, path)
    qtbot.waitUntil(lambda: bool(boxes(widget)))
    (box,) = boxes(widget)
    assert "fake.tif" in box.text()
    assert "\n" not in box.text()
    box.close()
    assert layer_names(widget) == set()


def test_an_engine_error_is_a_dialog_and_the_widget_goes_on(widget, tmp_path, qtbot):
    path = tmp_path / "frames"
    path.mkdir()
    for number in range(16):  # more than are read to set the contrast
        Image.fromarray(np.full((64, 64), 100 + number, np.uint8)).save(path / f"a{number}.png")
    open_movie_in(widget, path, qtbot)
    (path / "a1.png").write_bytes((path / "a1.png").read_bytes()[:60])
    run_to_its_end(widget, qtbot)
    (box,) = widget.findChildren(QMessageBox)
    assert "a1.png" in box.text()
    box.close()
    assert widget.run_panel.run_button.isEnabled()


def test_an_export_in_the_way_is_replaced_only_if_the_user_says_so(shown, tmp_path, qtbot, monkeypatch):
    folder = tmp_path / "rods.tif_diffusion"
    folder.mkdir()
    (folder / "summary.csv").write_text("mine")
    answers = iter([False, True])
    monkeypatch.setattr("napari_lptem_diffusion.gui.export_panel.ask", lambda *_: next(answers))
    shown.export_panel.export_tables(tmp_path)
    assert not shown.run_panel.is_running
    assert shown.run_panel.text == "Nothing was written: rods.tif_diffusion is there already."
    assert (folder / "summary.csv").read_text() == "mine"
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        shown.export_panel.export_tables(tmp_path)
    assert len(pd.read_csv(folder / "summary.csv")) == 5


def test_without_a_movie_there_is_nothing_to_run(widget):
    assert not widget.run_panel.run_button.isEnabled()
    widget._viewer.add_image(np.zeros((8, 8)), name="a single image")
    assert widget.movie_panel.movie is None
    assert not widget.run_panel.run_button.isEnabled()


def test_closing_the_widget_while_it_runs_ends_cleanly(viewer, frames, qtbot):
    widget = LptemDiffusionWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="LPTEM diffusion")
    widget.show_movie(Movie.from_array(frames, name="rods"))
    widget.run_panel.run_button.click()
    qtbot.waitUntil(lambda: " of " in widget.run_panel.text, timeout=RUN_TIMEOUT_MS)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    widget.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert QThreadPool.globalInstance().waitForDone(RUN_TIMEOUT_MS)
    QApplication.processEvents()
    viewer.dims.set_current_step(0, 5)
    viewer.add_image(np.zeros((4, 8, 8)))
    viewer.theme = "light"
    assert not any("lptem" in getattr(each, "__module__", "") for each in viewer.mouse_drag_callbacks)


def test_without_rods_there_is_advice_and_only_tables_to_export(shown, viewer):
    assert "lower threshold" in shown.show_analysis(viewer.layers["rods.tif"], empty_analysis())
    assert not shown.results_dock.is_shown
    panel = shown.export_panel
    assert panel.tables_action.isEnabled()
    assert not panel.report_action.isEnabled()
    assert not panel.movie_action.isEnabled()
    shown.show_analysis(viewer.layers["rods.tif"], make_analysis())
    assert shown.results_dock.is_shown
    assert panel.report_action.isEnabled()


def test_the_steps_that_are_done_make_room_for_the_result(shown):
    assert not shown.steps.find_section.is_unfolded
    assert shown.steps.movie_section.state == "2 nm/px, 0.0125 s/frame"
    assert shown.export_section.isVisibleTo(shown)


def test_views_that_were_closed_come_back(shown, viewer):
    viewer.window.dock_widgets["LPTEM results"].parent().destroyOnClose()
    assert not shown.results_dock.is_shown
    shown.selection.select(2)
    shown.top_bar.results_button.click()
    assert shown.results_dock.is_shown
    assert shown.results.isVisibleTo(shown.results_dock._dock)
    viewer.window.dock_widgets["LPTEM results"].parent().close()
    shown.top_bar.results_button.click()
    assert shown.results_dock.is_shown


def test_the_overlay_movie_is_as_its_dialog_says(shown, tmp_path, qtbot, monkeypatch):
    path = tmp_path / "overlay.gif"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
    shown.export_panel.movie_action.trigger()
    (dialog,) = shown.findChildren(MovieDialog)
    assert dialog.style_wanted == OverlayStyle()
    dialog.width_box.setValue(480)
    dialog.rate_box.setValue(20)
    assert dialog.outcome.startswith("480 × ")
    assert "3 s,\n4 times slower than" in dialog.outcome  # 60 frames, of 0.0125 s each
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        dialog.accept_button.click()
    with Image.open(path) as gif:
        assert (gif.width, gif.info["duration"]) == (480, 50)
    assert "MB." in shown.run_panel.text


def test_what_goes_out_is_seen_without_scrolling(shown):
    shown.resize(380, 620)
    assert not shown.findChild(QScrollArea).isAncestorOf(shown.export_panel)
    for button in shown.export_panel.findChildren(QPushButton):
        assert button.width() >= button.fontMetrics().horizontalAdvance(button.text())
