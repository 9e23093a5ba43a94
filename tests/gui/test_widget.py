from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from PIL import Image
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QThreadPool, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton

from napari_lptem_diffusion.analysis import analyze
from napari_lptem_diffusion.gui.canvas import PREVIEW
from napari_lptem_diffusion.gui.import_tracks import TrackImport
from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.particles import Imaging, render_movie
from tests.analysis_factory import (
    empty_analysis,
    make_analysis,
)

RUN_TIMEOUT_MS = 120_000
# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture(scope="module")
def frames():
    """A small movie of four wandering rods, so that the true engine takes seconds."""
    rng = np.random.default_rng(5)
    starts = np.array([(24.0, 24.0), (70.0, 26.0), (26.0, 70.0), (70.0, 70.0)])
    tables = []
    for number, start in enumerate(starts):
        xy = np.clip(start + np.cumsum(rng.normal(0, 0.7, (24, 2)), axis=0), 10, 86)
        table = pd.DataFrame({"frame": np.arange(24), "x": xy[:, 0], "y": xy[:, 1], "angle_deg": 40.0 * number})
        tables.append(table.assign(particle=number, length=13.0, width=6.0))
    imaging = Imaging(electrons_per_px=60, contrast=0.5, focus_blur_px=0.8, grey_per_electron=2.5, grey_offset=0)
    return render_movie(pd.concat(tables, ignore_index=True), 24, (96, 96), imaging, rng)


@pytest.fixture
def tiff(frames, tmp_path):
    """The small movie as a calibrated TIFF."""
    path = tmp_path / "rods.tif"
    metadata = {"axes": "TYX", "finterval": 0.02, "unit": "nm"}
    tifffile.imwrite(path, frames, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path


@pytest.fixture
def shown(widget):
    """The widget with a movie and a made-up result."""
    analysis = make_analysis()
    image = widget.show_movie(analysis.movie)
    widget.show_analysis(image, analysis)
    return widget


def drop(widget, *paths, modifier=Qt.KeyboardModifier.NoModifier):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    entered = QDragEnterEvent(QPoint(5, 5), action, mime, button, modifier)
    QApplication.sendEvent(widget, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), action, mime, button, modifier))


def open_movie_in(widget, path, qtbot):
    widget.open(path)
    qtbot.waitUntil(lambda: widget.movie_panel.movie is not None, timeout=RUN_TIMEOUT_MS)


def boxes(widget):
    return widget.findChildren(QMessageBox)


def layer_names(widget):
    return {layer.name for layer in widget._viewer.layers}


def run_to_its_end(widget, qtbot):
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        qtbot.mouseClick(widget.run_panel.run_button, Qt.MouseButton.LeftButton)


def click_on_canvas(viewer, world):
    event = SimpleNamespace(type="mouse_press", position=world, modifiers=(), button=1)
    mouse_press_callbacks(viewer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(viewer, event)


def drawn(panel, kind):
    return [item for item in panel.items if isinstance(item, kind)]


def test_from_a_drop_to_exported_tables(widget, tiff, tmp_path, qtbot):
    drop(widget, tiff)
    qtbot.waitUntil(lambda: widget.movie_panel.movie is not None, timeout=RUN_TIMEOUT_MS)
    run_to_its_end(widget, qtbot)
    assert {"rods", "rod masks", "tracks"} <= layer_names(widget)
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
    assert shown.sessions.has_unsaved_corrections
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        shown.sessions.save_to(tmp_path / "mine.lptem")
    assert not shown.sessions.has_unsaved_corrections
    corrected = shown.result.analysis
    viewer.layers.clear()
    qtbot.waitUntil(lambda: shown.result.analysis is None)
    shown.sessions._ask_for_movie = lambda missing, path, on_opened: shown.sessions._open(
        path, on_opened, movie=corrected.movie
    )
    drop(shown, tmp_path / "mine.lptem")
    qtbot.waitUntil(lambda: shown.result.analysis is not None, timeout=RUN_TIMEOUT_MS)
    assert shown.result.analysis.motion.frames.equals(corrected.motion.frames)
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
    assert (folder / "summary.csv").read_text() == "mine"
    with qtbot.waitSignal(shown.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        shown.export_panel.export_tables(tmp_path)
    assert len(pd.read_csv(folder / "summary.csv")) == 5


def test_the_preview_follows_the_slider_and_the_settings(widget, tiff, qtbot):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: PREVIEW in layer_names(widget), timeout=RUN_TIMEOUT_MS)
    preview = widget._viewer.layers[PREVIEW]
    assert preview.data[0].max() == 4
    assert not preview.data[1].any()
    assert "px" in widget.steps.find_form.rows["rod_length_px"].value_widget.native.text()
    widget._viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: preview.data[20].any(), timeout=RUN_TIMEOUT_MS)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 50
    assert signal.args[0].rods.empty
    widget.steps.preview_box.setChecked(False)
    assert PREVIEW not in layer_names(widget)


def test_a_movie_opened_by_another_reader_can_be_analysed(widget, frames):
    widget._viewer.add_image(frames, name="elsewhere", scale=(1, 3, 3), units=("pixel", "nm", "nm"))
    assert widget.movie_panel.movie.calibration.pixel_size_nm == 3
    assert "elsewhere" in widget.movie_panel.form.rows["pixel_size_nm"].note
    assert widget.run_panel.run_button.isEnabled()


def test_without_a_movie_there_is_nothing_to_run(widget):
    assert not widget.run_panel.run_button.isEnabled()
    widget._viewer.add_image(np.zeros((8, 8)), name="a single image")
    assert widget.movie_panel.movie is None
    assert not widget.run_panel.run_button.isEnabled()


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


def test_a_layer_of_another_reader_keeps_its_own_scale(widget, viewer, frames):
    scale, units = (0.1, 3, 3), ("s", "nm", "nm")
    viewer.add_image(frames, name="elsewhere", scale=scale, units=units)
    assert tuple(viewer.layers[0].scale) == scale
    analysis = make_analysis()
    widget.show_analysis(viewer.layers[0], analysis)
    assert {tuple(layer.scale) for layer in viewer.layers} == {scale}
    assert len({tuple(map(str, layer.units)) for layer in viewer.layers}) == 1


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


OVERLAYS = {"rod masks", "tracks"}


def seen(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def test_one_movie_and_its_result_are_seen_at_a_time(shown, viewer, frames):
    viewer.layers["rod masks"].visible = True
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
    assert seen(viewer) == {"rods.tif"}
    assert shown.export_section.state == "second"
    viewer.layers.selection.active = second
    assert seen(viewer) == {"second", "tracks"}  # masks are hidden at first


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


def test_the_preview_gives_way_to_run_and_result_and_comes_back(widget, tiff, qtbot):
    widget.steps.preview_box.setChecked(True)
    open_movie_in(widget, tiff, qtbot)
    qtbot.waitUntil(lambda: PREVIEW in layer_names(widget), timeout=RUN_TIMEOUT_MS)
    with qtbot.waitSignal(widget.run_panel.finished, timeout=RUN_TIMEOUT_MS):
        widget.run_panel.run_button.click()
        assert PREVIEW not in layer_names(widget)
        widget.run_panel.cancel_button.click()
    assert widget.steps.preview_box.isChecked()
    qtbot.waitUntil(lambda: PREVIEW in layer_names(widget), timeout=RUN_TIMEOUT_MS)
    widget.show_analysis(widget.movie_panel.image, make_analysis())
    assert PREVIEW not in layer_names(widget)
    widget.selection.show_frame(3)
    assert not widget.live_preview.preview._timer.isActive()
    widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 6
    qtbot.waitUntil(lambda: PREVIEW in layer_names(widget), timeout=RUN_TIMEOUT_MS)
    widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 5
    assert PREVIEW not in layer_names(widget)


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
    qtbot.waitUntil(lambda: PREVIEW in layer_names(widget), timeout=RUN_TIMEOUT_MS)
    said = []
    widget.live_preview.preview.busy.connect(said.append)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 49
    assert signal.args[0].rods.empty
    assert not any("measuring" in text for text in said)
    with qtbot.waitSignal(widget.live_preview.preview.found, timeout=RUN_TIMEOUT_MS) as signal:
        widget.steps.find_form.rows["threshold_sigma"].value_widget.value = 5
    assert len(signal.args[0].rods) == 4


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
