"""Rods that are drawn, moved and turned on the canvas."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_lptem_diffusion.particles.correcting.correction import AddRod, Rod
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE, empty_analysis, make_analysis
from tests.gui.correct_desk import desk_on_screen


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    desk = desk_on_screen(make_napari_viewer, qtbot)
    yield desk
    desk.canvas.disconnect()


def test_a_rod_is_drawn_anew_and_into_the_gap_of_the_selected_track(desk):
    desk.press(Qt.Key.Key_A)
    assert "new" in desk.canvas.tool.hint
    center = desk.viewer.scene.camera.center
    desk.drag((95, 95), (115, 95))
    assert np.allclose(desk.viewer.scene.camera.center, center)
    assert desk.selection.particle == 5
    rod = desk.rod(5)
    assert (rod["x"], rod["y"], rod["length"]) == pytest.approx((105, 95, 20), abs=1)
    assert min(rod["angle_deg"], 180 - rod["angle_deg"]) < 4
    assert rod["width"] == pytest.approx(make_analysis().tracks["width"].median())

    desk.go_to(GAP_FRAMES[0])
    before = desk.rod(GAP_PARTICLE, GAP_FRAMES[0] - 1)
    desk.selection.select(GAP_PARTICLE)
    desk.press(Qt.Key.Key_A)
    assert f"rod {GAP_PARTICLE}" in desk.canvas.tool.hint
    desk.drag((before["x"] - 10, before["y"]), (before["x"] + 10, before["y"]))
    assert desk.particles() == {0, 1, 2, 3, 4, 5}
    assert desk.rod(GAP_PARTICLE)["x"] == pytest.approx(before["x"], abs=1)
    assert desk.selection.particle == GAP_PARTICLE


def test_a_rod_is_moved_and_stretched_by_its_handles_or_left_as_it_was(desk):
    desk.click_rod(2)
    before = desk.rod(2)
    desk.press(Qt.Key.Key_E)
    desk.drag((before["x"], before["y"]), (before["x"] - 12, before["y"] + 6))
    moved = desk.canvas.tool.draft
    _, tip = moved.tips
    desk.drag(tip, (tip[0] + 4 * (tip[0] - moved.x) / moved.length, tip[1] + 4 * (tip[1] - moved.y) / moved.length))
    assert not desk.panel.action("split").isEnabled()
    desk.press(Qt.Key.Key_Return)
    after = desk.rod(2)
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-12, 6), abs=2.5)
    assert after["length"] == pytest.approx(before["length"] + 2, abs=1.5)
    assert abs((after["angle_deg"] - before["angle_deg"] + 90) % 180 - 90) < 5
    assert desk.selection.particle == 2

    desk.click_rod(2)
    for give_up in (lambda: desk.press(Qt.Key.Key_Escape), lambda: desk.go_to(44)):
        desk.press(Qt.Key.Key_E)
        assert desk.canvas.tool.is_active
        give_up()
        assert not desk.canvas.tool.is_active
    assert len(desk.analysis.corrections) == 1


def test_a_rod_that_is_fitted_is_seen_until_the_result_has_it(desk):
    seen = []
    desk.panel.work_wanted.disconnect(desk.work)
    desk.panel.work_wanted.connect(lambda *wanted: (seen.append(desk.canvas.tool.awaited), desk.work(*wanted)))
    desk.press(Qt.Key.Key_A)
    desk.drag((95, 95), (115, 95))
    frame, draft = seen[0]
    assert (frame, draft.x, draft.y) == (45, pytest.approx(105, abs=1), pytest.approx(95, abs=1))
    assert desk.canvas.tool.awaited is None
    desk.canvas.tool.keep(seen[0])
    desk.panel.set_busy(False)  # as after the work was cancelled or has failed
    assert desk.canvas.tool.awaited is None


def test_a_rod_is_drawn_where_nothing_was_found(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    desk = desk_on_screen(make_napari_viewer, qtbot, empty_analysis())
    desk.selection.select(3)  # of a result before
    for frame in (45, 46):
        desk.go_to(frame)
        desk.press(Qt.Key.Key_A)
        assert desk.canvas.tool.is_drawing
        desk.drag((95, 95), (115, 95))
        desk.selection.select(0)
    assert desk.particles() == {0}
    assert desk.rod(0, 46)["width"] == desk.rod(0, 45)["width"] == empty_analysis().measured["rod_width_px"]
    assert len(desk.viewer.layers["tracks"].data) == 2
    assert desk.analysis.motion.particles["mixing_ratio"].isna().all()
    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.particles() == set()
    desk.canvas.disconnect()


def test_the_first_rod_that_is_drawn_opens_the_views(widget):
    nothing = empty_analysis()
    widget.show_analysis(widget.show_movie(nothing.movie), nothing)
    assert not widget.results_dock.is_shown
    assert not widget.export_panel.report_action.isEnabled()
    first = AddRod(rod=Rod(frame=3, x=60, y=60, angle_deg=30, length=21, width=8))
    widget.result.set_history(widget.result.history.correct(first))
    assert widget.results_dock.is_shown
    assert widget.top_bar.results_button.isEnabled()
    assert widget.export_panel.report_action.isEnabled()
    widget.results_dock.hide()
    widget.result.set_history(widget.result.history.undo().redo())
    assert not widget.results_dock.is_shown, "the user has closed it"
