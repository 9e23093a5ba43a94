"""Corrections of tracks with the mouse and the keys of a user."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_lptem_diffusion.corrections import replay
from napari_lptem_diffusion.gui.look import Look
from napari_lptem_diffusion.particles.correcting.correction import read_corrections
from tests.analysis_factory import SHORT_PARTICLE, make_analysis
from tests.gui.correct_desk import desk_on_screen


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    desk = desk_on_screen(make_napari_viewer, qtbot)
    yield desk
    desk.canvas.disconnect()


def test_clicks_select_and_what_cannot_be_done_says_why(desk):
    desk.click_rod(2)
    assert desk.selection.particles == (2,)
    desk.click_rod(0, Qt.KeyboardModifier.ControlModifier)
    assert desk.selection.particles == (2, 0)
    desk.click_rod(2, Qt.KeyboardModifier.ShiftModifier)
    assert desk.selection.particles == (0,)
    center = np.array(desk.viewer.scene.camera.center)
    desk.drag((100, 80), (120, 90))
    assert desk.selection.particles == (0,)
    assert not np.allclose(desk.viewer.scene.camera.center, center)
    desk.click(205, 5)
    assert desk.selection.particles == ()
    rod = desk.rod(2)
    desk.click_rod(2)
    desk.qtbot.mouseDClick(desk.native, Qt.MouseButton.LeftButton, pos=desk.point(rod["x"], rod["y"]))
    assert desk.selection.particles == (2,)
    assert np.allclose(desk.viewer.scene.camera.center[-2:], (2 * rod["y"], 2 * rod["x"]))  # 2 nm per px
    desk.selection.select(None)

    assert "Select a rod" in desk.panel.action("split").toolTip()
    desk.panel.set_busy(True)
    assert not desk.panel.action("add").isEnabled()
    desk.panel.set_busy(False)
    assert desk.panel.action("add").isEnabled()
    desk.result.forget(desk.result.image)
    assert "no result" in desk.panel.action("add").toolTip()


def test_a_wrong_link_is_cut_with_one_click_and_one_key_and_joined_again(desk):
    before = desk.analysis.tracks
    desk.click_rod(1)
    desk.press(Qt.Key.Key_S)
    assert desk.particles() == {0, 1, 2, 3, 4, 5}
    assert desk.selection.particle == 5
    assert desk.rod(5, 45)["x"] == before.query("particle == 1 and frame == 45")["x"].item()
    assert desk.selection.frame == 45
    assert desk.panel.made.list.item(0).text().startswith("1. Split rod 1 at frame 45 → 5")

    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.analysis.tracks.equals(before)
    assert desk.selection.particle == 1
    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert desk.particles() == {0, 1, 2, 3, 4, 5}

    desk.selection.select_many((1, 5))
    desk.press(Qt.Key.Key_J)
    assert desk.particles() == {0, 1, 2, 3, 4}
    assert desk.selection.particles == (1,)
    assert np.array_equal(desk.analysis.tracks[["particle", "frame", "x"]], before[["particle", "frame", "x"]])

    desk.click_rod(1)
    desk.viewer.add_points(ndim=3)
    desk.native.setFocus()
    desk.press(Qt.Key.Key_S)
    assert desk.particles() == {0, 1, 2, 3, 4}
    desk.viewer.layers.selection.active = desk.image
    desk.press(Qt.Key.Key_S)
    assert desk.particles() == {0, 1, 2, 3, 4, 6}  # 5 is never given again


def test_tracks_and_rods_are_deleted_by_key_and_a_loose_rod_is_joined(desk):
    layer = desk.viewer.layers["tracks"]
    desk.click_rod(2)
    desk.press(Qt.Key.Key_Delete, Qt.KeyboardModifier.ShiftModifier)
    assert 45 not in desk.analysis.tracks.query("particle == 2")["frame"].to_numpy()
    assert len(desk.analysis.detections) == len(make_analysis().detections) - 1
    assert desk.selection.particle == 2

    desk.go_to(5)
    desk.canvas.set_look(Look(loose=True))
    desk.selection.select(SHORT_PARTICLE)
    desk.click(20, 140, Qt.KeyboardModifier.ControlModifier)
    assert desk.rod(SHORT_PARTICLE, 5)["x"] == 20
    assert desk.selection.particle == SHORT_PARTICLE

    desk.selection.select_many((2, 0))
    desk.press(Qt.Key.Key_Delete)
    assert desk.particles() == {1, 3, 4}
    assert desk.selection.particles == ()
    assert desk.viewer.layers["tracks"] is layer
    assert len(layer.data) == len(desk.analysis.tracks)

    desk.selection.select_many((1, 3, 4))
    desk.press(Qt.Key.Key_Delete)
    assert desk.particles() == set()
    assert "no rods" in desk.panel.action("delete").toolTip()
    undo = Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier
    desk.press(*undo)
    assert desk.particles() == {1, 3, 4}
    desk.press(*undo)
    assert desk.particles() == {0, 1, 2, 3, 4}


def test_a_key_that_can_do_nothing_says_why(desk):
    told = []
    desk.panel.told.connect(told.append)
    desk.press(Qt.Key.Key_J)
    desk.selection.select_many((0, 1))
    desk.press(Qt.Key.Key_J)
    assert [sentence.split(":")[0] for sentence in told] == ["Join two", "Join two"]
    assert "in frames 0 to 59" in told[1]
    desk.press(Qt.Key.Key_Return)
    desk.press(Qt.Key.Key_Escape)
    assert len(told) == 2
    assert not desk.analysis.corrections


def test_the_command_line_makes_the_same_tables_of_the_corrections(desk, tmp_path):
    desk.click_rod(1)
    for name in ("split", "delete_rod", "undo"):
        desk.panel.action(name).trigger()
    desk.selection.select(SHORT_PARTICLE)
    desk.panel.action("dirt").trigger()
    desk.press(Qt.Key.Key_A)
    desk.drag((95, 95), (115, 95))
    desk.analysis.save(tmp_path / "window")
    again = replay(make_analysis(), read_corrections(tmp_path / "window" / "corrections.json"))
    again.save(tmp_path / "line")
    tables = sorted(path.relative_to(tmp_path / "line") for path in (tmp_path / "line").rglob("*.csv"))
    assert len(tables) > 5
    for table in tables:
        assert (tmp_path / "window" / table).read_bytes() == (tmp_path / "line" / table).read_bytes(), table
