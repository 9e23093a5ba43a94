"""Corrections on the canvas with the mouse and the keys of a user."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.corrections import replay
from napari_lptem_diffusion.gui import correcting
from napari_lptem_diffusion.gui.corrections_said import Said, of_drift
from napari_lptem_diffusion.gui.draft import Draft, Grip
from napari_lptem_diffusion.gui.look import Look
from napari_lptem_diffusion.gui.scene import Scene
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Anchor, Rod, read_corrections
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE, SHORT_PARTICLE, make_analysis

poses = st.builds(
    Draft,
    x=st.floats(-50, 50),
    y=st.floats(-50, 50),
    angle_deg=st.floats(0, 179.99),
    length=st.floats(12, 60),
    width=st.floats(2, 12),
)
places = st.tuples(st.floats(-100, 100), st.floats(-100, 100))


class Desk:
    """A viewer on screen with a result, and the panel beside it; work is done at once."""

    def __init__(self, viewer, qtbot):
        from napari.layers import Layer

        from napari_lptem_diffusion.gui.canvas import Canvas
        from napari_lptem_diffusion.gui.correct_panel import CorrectPanel
        from napari_lptem_diffusion.gui.layers import movie_layer
        from napari_lptem_diffusion.gui.result import Result
        from napari_lptem_diffusion.gui.selection import Selection

        self.viewer, self.qtbot = viewer, qtbot
        analysis = make_analysis()
        self.image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
        self.selection, self.result = Selection(), Result()
        self.canvas = Canvas(viewer, self.selection)
        self.canvas.show_movie(self.image, [self.image])
        for signal in (self.result.changed, self.result.corrected):
            signal.connect(self.show)
        self.panel = CorrectPanel(self.selection, self.canvas, self.result)
        self.panel.work_wanted.connect(self.work)
        self.panel.fit_box.setChecked(False)
        viewer.window.add_dock_widget(self.panel, area="right")
        self.result.show(self.image, analysis)
        self.native = viewer.window._qt_viewer.canvas.native
        self.native.setFocus()
        self.go_to(45)

    def show(self, analysis):
        if analysis is None or analysis.tracks.empty:
            self.canvas.remove_result()
        else:
            self.canvas.show_result(self.image, analysis)

    def work(self, work, description, on_done):
        assert description
        assert on_done(work(lambda *progress: None, lambda: False))

    @property
    def analysis(self) -> Analysis:
        return self.result.analysis

    def particles(self):
        return set(self.analysis.tracks["particle"])

    def go_to(self, frame):
        self.selection.show_frame(frame)

    def rod(self, particle, frame=None):
        tracks = self.analysis.tracks
        frame = self.selection.frame if frame is None else frame
        return tracks[(tracks["particle"] == particle) & (tracks["frame"] == frame)].iloc[0]

    def point(self, x, y):
        """Where (x, y) px of the movie lie in the native canvas."""
        world = np.array(self.image.data_to_world((0, y, x))[-2:])
        camera, (height, width) = self.viewer.scene.camera, self.viewer.canvas.size
        down, right = (world - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(width / 2 + right), round(height / 2 + down))

    def click(self, x, y, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.mouseClick(self.native, Qt.MouseButton.LeftButton, modifier, self.point(x, y))

    def click_rod(self, particle, modifier=Qt.KeyboardModifier.NoModifier):
        rod = self.rod(particle)
        self.click(rod["x"], rod["y"], modifier)

    def drag(self, start, end):
        first, last = self.point(*start), self.point(*end)
        self.qtbot.mousePress(self.native, Qt.MouseButton.LeftButton, pos=first)
        for share in (0.3, 0.6, 1.0):
            here = QPoint(*(round(a + share * (b - a)) for a, b in zip(_xy(first), _xy(last), strict=True)))
            self.qtbot.mouseMove(self.native, here)
            self.qtbot.wait(20)  # napari lets a few ms pass between two moves
        self.qtbot.mouseRelease(self.native, Qt.MouseButton.LeftButton, pos=last)

    def press(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.native, key, modifier)


def _xy(point):
    return point.x(), point.y()


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    desk = Desk(make_napari_viewer(show=True), qtbot)
    window = desk.viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window)
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
    desk.result.forget()
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
    assert "no rods" in desk.panel.action("add").toolTip()
    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.particles() == {4}


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


def test_marks_and_other_corrections_are_taken_back(desk):
    desk.click_rod(0)
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]
    assert desk.panel.action("stuck").text() == "Not stuck"
    desk.panel.action("split").trigger()
    desk.selection.select(0)
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked.empty
    assert [correction.do for correction in desk.analysis.corrections] == ["split track"]
    desk.panel.action("undo").trigger()
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]

    desk.click_rod(2)
    desk.panel.action("dirt").trigger()
    desk.click_rod(1)
    desk.panel.action("split").trigger()
    desk.go_to(10)
    oldest = desk.panel.made.list.item(1)
    desk.panel.made.list.setCurrentItem(oldest)
    desk.panel.made.list.itemClicked.emit(oldest)
    assert desk.selection.frame == 45
    desk.panel.made.take_back_button.click()
    assert desk.particles() == {0, 1, 2, 3, 4, 5, 6}
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]


def test_the_list_names_rods_by_the_numbers_that_they_had(desk):
    desk.click_rod(1)
    desk.panel.action("split").trigger()
    desk.selection.select_many((1, 5))
    desk.panel.action("join").trigger()
    desk.click_rod(2)
    desk.panel.action("delete_rod").trigger()
    said = ["Removed rod 2 in frame 45", "Joined rod 1 and rod 5 · frame 45", "Split rod 1 at frame 45 → 5"]

    def listed():
        return [desk.panel.made.list.item(row).text().split(". ", 1)[1] for row in range(desk.panel.made.list.count())]

    assert listed() == said
    desk.panel.action("undo").trigger()
    assert listed() == said[1:]
    desk.panel.action("redo").trigger()
    assert listed() == said
    assert Said().of(desk.analysis) == tuple(said[::-1])  # as when a session is opened


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


def test_of_a_rod_marked_as_stuck_it_is_said_how_much_it_moves(desk, monkeypatch):
    warned = []
    monkeypatch.setattr("napari_lptem_diffusion.gui.correct_panel.tell", warned.append)
    particle = desk.analysis.tracks["particle"].iloc[0]
    track = desk.analysis.tracks.query("particle == @particle")
    steps = track[["x", "y"]].diff()[track["frame"].diff() == 1]
    times = np.sqrt((steps**2).to_numpy().mean() / 2) / track["localization_error"].median()
    desk.selection.select(particle)
    desk.panel.action("stuck").trigger()
    said, moves = of_drift(desk.analysis, particle)
    assert f"moved {times:.1f} times its localization error" in said
    assert " nm was taken off all rods" in said
    assert moves == (times > 1.5)
    assert len(warned) == moves


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


def test_corrections_that_the_engine_would_refuse_are_not_offered():
    analysis = make_analysis()
    scene = Scene.of(analysis)
    why = correcting.hindrances(scene, (0, 1), 0)
    assert "frames 0 to 59" in why["join"]
    assert {"split", "join"} == set(why)
    assert {"edit", "delete_rod", "split"} <= set(correcting.hindrances(scene, (SHORT_PARTICLE,), 10))
    assert "stuck" not in correcting.hindrances(scene, (SHORT_PARTICLE,), 10)
    bare = Scene.of(analysis)
    without_sizes = Scene(bare.rods.drop(columns=["length", "width"]), bare.detections, bare.changes, bare.marks)
    assert {"add", "edit"} <= set(correcting.hindrances(without_sizes, (0,), 45))


def test_a_rod_drawn_roughly_is_fitted_to_the_movie():
    analysis = make_analysis()
    rod = analysis.tracks.query("particle == 2 and frame == 30").iloc[0]
    others = analysis.detections[(analysis.detections[["x", "y"]] != rod[["x", "y"]]).any(axis=1)]
    missed = Analysis(**{**vars(analysis), "detections": others})
    drawn = Rod(frame=30, x=rod["x"] + 2, y=rod["y"] - 2, angle_deg=(rod["angle_deg"] + 12) % 180, length=20, width=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted, detector = correcting.with_fit(missed, AddRod(rod=drawn), None)
    assert detector is not None
    assert np.hypot(fitted.rod.x - rod["x"], fitted.rod.y - rod["y"]) < 1
    assert fitted.rod.fit["localization_error"] > 0
    bare = Analysis(**{**vars(missed), "detections": others[["frame", "x", "y"]]})
    assert correcting.with_fit(bare, AddRod(rod=drawn), None) == (AddRod(rod=drawn), None)


def test_places_of_corrections_are_found_again():
    analysis = make_analysis()
    scene = Scene.of(analysis)
    for particle in (0, GAP_PARTICLE):
        anchor = correcting.anchor_of(scene, particle, GAP_FRAMES[1])
        assert correcting.particle_near(analysis, anchor) == particle
    assert correcting.particle_near(analysis, Anchor(frame=0, x=-500, y=0)) is None


@given(poses, places, places)
def test_a_dragged_body_only_moves(draft, start, end):
    moved = draft.dragged(Grip.BODY, start, end)
    assert (moved.x - draft.x, moved.y - draft.y) == pytest.approx((end[0] - start[0], end[1] - start[1]), abs=1e-6)
    assert (moved.angle_deg, moved.length, moved.width) == (draft.angle_deg, draft.length, draft.width)


@given(poses, places)
def test_a_dragged_tip_goes_where_the_mouse_goes_and_the_other_stays(draft, end):
    stays, _ = draft.tips
    dragged = draft.dragged(Grip.SECOND_TIP, draft.tips[1], end)
    assert 0 <= dragged.angle_deg < 180
    if np.hypot(end[0] - stays[0], end[1] - stays[1]) > draft.width:
        ends = sorted((*dragged.tips,))
        assert np.allclose(ends, sorted([stays, end]), atol=1e-6)
    assert dragged.length >= draft.width


@given(poses, st.floats(0.5, 50))
def test_handles_are_gripped_where_they_are_drawn(draft, reach):
    assert draft.grip_at((draft.x, draft.y), reach) is Grip.BODY
    assert draft.grip_at(draft.tips[0], reach) in {Grip.FIRST_TIP, Grip.SIDE}
    assert draft.grip_at((draft.x + 500, draft.y), reach) is None
    assert draft.dragged(Grip.SIDE, draft.sides[0], draft.sides[0]).width == pytest.approx(draft.width)
