"""Plots of the selected rods and of all rods share one selection and one time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from tests.analysis_factory import GAP_PARTICLE, SHORT_PARTICLE, SWITCH_FRAME, SWITCHING_PARTICLE, make_analysis
from tests.gui.driving import in_front


def click_plot(qtbot, plot, box, x, y, modifier=Qt.KeyboardModifier.NoModifier):
    scene = box.mapViewToScene(QPointF(x, y))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, modifier, plot.mapFromScene(scene))


@pytest.mark.parametrize("name", ["time", "steps"])
def test_plots_against_time_share_the_frame(views, qtbot, name):
    plot = getattr(views, name)
    in_front(views, plot)
    views.selection.show_frame(17)
    assert {cursor.value() for cursor in plot.cursors} == {17}
    assert "frame 17" in plot.said
    for panel in plot.panels:
        middle = np.mean(panel.viewRange()[1])
        click_plot(qtbot, plot, panel.vb, 40, middle)
        assert views.selection.frame == 40
        views.selection.show_frame(3)
    plot.cursors[0].setValue(25)
    plot.cursors[0].sigDragged.emit(plot.cursors[0])
    assert views.selection.frame == 25


def test_the_time_plot_breaks_at_gaps_and_shows_changes(views):
    views.selection.select(GAP_PARTICLE)
    curve = views.time.curves["mixing_ratio"].path()
    starts = [place for place in range(curve.elementCount()) if curve.elementAt(place).isMoveTo()]
    seen = make_analysis().motion.frames.query(f"particle == {GAP_PARTICLE}")["frame"]
    firsts = seen[seen.diff().ne(1)]
    assert [curve.elementAt(place).x for place in starts] == list(firsts - 0.5)
    assert len(starts) > 1
    assert not views.time.changes
    views.selection.select(SWITCHING_PARTICLE)
    assert list(views.time.changes) == [SWITCH_FRAME]
    views.selection.select(SHORT_PARTICLE)
    assert views.time.curves["mixing_ratio"].path().isEmpty()


def test_a_long_movie_is_drawn_with_few_points_until_one_looks_closer(views):
    frames = np.arange(0, 50_000)
    motion = pd.DataFrame({"frame": frames, "change_probability": 0.0})
    for name in ("mixing_ratio", "alpha_fbm", "alpha_ctrw"):
        for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.6), ("_q25", 0.45), ("_q75", 0.55)):
            motion[name + end] = value
    motion.loc[31_234, ["mixing_ratio", "mixing_ratio_low"]] = [0.1, 0.05]  # one frame among thousands
    views.time.set_movie(len(frames), None)
    views.time.show_motion(motion, [])
    curve, band = views.time.curves["mixing_ratio"].path(), views.time.bands["mixing_ratio", ("_low", "_high")].path()
    assert curve.elementCount() < 2500
    assert curve.boundingRect().top() == pytest.approx(0.1)
    assert band.boundingRect().top() == pytest.approx(0.05)
    views.time.panels[0].setXRange(31_200, 31_300, padding=0)
    close = views.time.curves["mixing_ratio"].path()
    places = [(close.elementAt(n).x, close.elementAt(n).y) for n in range(close.elementCount())]
    assert (31_234, pytest.approx(0.1)) in places
    assert {x for x, y in places if y < 0.3} == {31_234}


def test_the_pointer_reads_values_out(views, qtbot):
    views.selection.select(1)
    views.selection.show_frame(5)
    scene = views.time.panels[0].vb.mapViewToScene(QPointF(33.2, 0.5))
    views.time.scene().sigMouseMoved.emit(scene)
    value = make_analysis().motion.frames.query("particle == 1 and frame == 33")["mixing_ratio"].item()
    assert "frame 33" in views.time.said
    assert f"{value:.2f}" in views.time.said
    QApplication.sendEvent(views.time, QEvent(QEvent.Type.Leave))
    assert "frame 5<" in views.time.said or "frame 5 (0.0625 s)<" in views.time.said


def test_the_cursor_stands_at_the_frame_in_view_of_a_longer_movie(views):
    views.time.set_movie(20, None)
    views.selection.show_frame(45)
    views.time.set_movie(60, None)
    assert [cursor.value() for cursor in views.time.cursors] == [45, 45, 45]


def test_the_line_over_a_plot_says_what_there_is_room_for(views, qtbot):
    views.selection.show_frame(5)
    for width, has_intervals in ((500, False), (2400, True), (500, False)):
        views.results.resize(width, 320)
        qtbot.waitUntil(lambda wide=has_intervals: ("–" in views.time.said) == wide)
        assert "frame 5" in views.time.said


def test_panels_give_way_where_they_could_not_be_read(views):
    em = views.time.fontMetrics().height()
    shown = {}
    for height_em in (20, 9, 7, 20):
        views.time.setParent(None)
        views.time.resize(600, height_em * em)
        views.time.show()
        QApplication.processEvents()
        seen = [panel for panel in views.time.panels if panel.isVisible()]
        assert [panel.getAxis("bottom").isVisible() for panel in seen] == [False] * (len(seen) - 1) + [True]
        assert min(panel.vb.height() for panel in seen) > 0.7 * em
        shown[height_em] = len(seen)
    assert shown == {20: 3, 9: 2, 7: 1}
    views.time.deleteLater()


def test_the_probability_of_a_change_is_that_of_the_frames_around(views):
    views.selection.select(SWITCHING_PARTICLE)
    (lines,) = views.time.changes.values()
    assert lines[0].label.format == "100%"  # 90 % within one frame of there, and more beside


def test_a_line_of_words_gets_shorter_rather_than_cut(views):
    in_front(views, views.msd)
    for width, last in ((700, "line: sum"), (330, "dotted: error"), (90, "rod 0")):
        views.msd.setParent(None)
        views.msd.resize(width, 200)
        views.msd.show()
        QApplication.processEvents()
        assert views.msd.said.removesuffix("</b>").endswith(last)
    views.msd.deleteLater()


def test_displacements_are_those_of_the_track(views):
    in_front(views, views.steps)
    views.selection.select(GAP_PARTICLE)
    track = make_analysis().tracks.query(f"particle == {GAP_PARTICLE}").set_index("frame")
    step_nm = 2 * np.hypot(*(track.loc[10, ["x", "y"]] - track.loc[9, ["x", "y"]]))
    views.selection.show_frame(9)
    assert f"{step_nm:.3g} nm" in views.steps.said
    sticks = sum(item.path().elementCount() for item in (views.steps.jumps, views.steps.noise)) // 2
    assert sticks == (np.diff(track.index) == 1).sum() < len(track) - 1
    assert views.steps.floor.value() == pytest.approx(4 * np.sqrt((track["localization_error"] ** 2).mean()))


def test_the_msd_of_the_main_rod_comes_with_its_prediction(views):
    in_front(views, views.msd)
    views.selection.select_many([0, 2, 1])
    analysis = make_analysis()
    measured = analysis.motion.msd.query("particle == 1")
    x, y = views.msd.points.getData()
    assert 10**x == pytest.approx(measured["lag"] * 0.0125)
    assert 10**y == pytest.approx(measured["msd"] * 4e-6)
    assert len(views.msd.others) == 2
    noise = views.msd.lines["noise"].getData()[1]
    error = analysis.tracks.query("particle == 1")["localization_error"]
    assert 10 ** noise[0] == pytest.approx(4 * (error**2).mean() * 4e-6)
    views.selection.select(SHORT_PARTICLE)
    assert "not judged" in views.msd.said
    assert all(line.getData()[0] is None or not len(line.getData()[0]) for line in views.msd.lines.values())


def test_the_legend_of_the_msd_names_only_the_parts_that_are_drawn(views):
    in_front(views, views.msd)
    views.selection.select(1)
    assert "FBM" in views.msd.said
    assert "CTRW" in views.msd.said
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(k_fbm=0.0)
    views.result.show(None, replace(analysis, motion=replace(analysis.motion, particles=particles)))
    views.selection.select(1)
    assert "FBM" not in views.msd.said
    assert "CTRW" in views.msd.said
    still = replace(analysis.motion, particles=particles.assign(k_ctrw=0.0))
    tracks = analysis.tracks.assign(localization_error=0.0)
    views.result.show(None, replace(analysis, tracks=tracks, motion=still))
    views.selection.select(1)
    assert "CTRW" not in views.msd.said


def test_rods_are_picked_in_the_scatter(views, qtbot):
    in_front(views, views.scatter)
    particles = make_analysis().motion.particles.set_index("particle")
    for particle in (2, 0):
        x, y = particles.loc[particle, ["mixing_ratio", "alpha_fbm"]]
        click_plot(qtbot, views.scatter.plot, views.scatter.box, x, y)
        assert views.selection.particles == (particle,)
    x, y = particles.loc[2, ["mixing_ratio", "alpha_fbm"]]
    click_plot(qtbot, views.scatter.plot, views.scatter.box, x, y, Qt.KeyboardModifier.ControlModifier)
    assert views.selection.particles == (0, 2)
    assert len(views.scatter.rings.getData()[0]) == 2
    views.scatter.box.picked.emit(QRectF(0.3, 0.0, 0.4, 2.0))
    assert set(views.selection.particles) == {1, 3}
    views.filter.show_text("particle != 3")
    views.scatter.choose("mixing_ratio", None)
    views.scatter.box.picked.emit(QRectF(0.3, 5.0, 0.4, 1.0))
    assert views.selection.particles == (1,)
    click_plot(qtbot, views.scatter.plot, views.scatter.box, 0.925, 0.5)
    assert views.selection.particles == (0,)


def test_a_shift_drag_selects_several(views, qtbot):
    in_front(views, views.scatter)
    plot, box = views.scatter.plot, views.scatter.box
    corners = [plot.mapFromScene(box.mapViewToScene(QPointF(*place))) for place in ((0.3, 0.2), (0.7, 1.8))]
    shift, left = Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton
    qtbot.mousePress(plot.viewport(), left, shift, corners[0])
    for share in (0.3, 0.6, 1.0):
        place = corners[0] + share * (corners[1] - corners[0])
        _drag(plot, QPoint(round(place.x()), round(place.y())), shift)
    qtbot.mouseRelease(plot.viewport(), left, shift, corners[1])
    assert set(views.selection.particles) == {1, 3}


def test_values_of_zero_are_left_out_of_a_logarithmic_axis(views):
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(k_ctrw=[0.0, 0.5, 0.5, 0.5, np.nan])
    views.result.show(None, replace(analysis, motion=replace(analysis.motion, particles=particles)))
    in_front(views, views.scatter)
    views.scatter.choose("k_ctrw", "mixing_ratio")
    assert views.scatter.count.text() == "3 rods"
    assert len(views.scatter.points.getData()[0]) == 3


def _drag(plot, place, modifier):
    """Move the pointer with the left button down, which qtbot cannot."""
    left, where = Qt.MouseButton.LeftButton, QPointF(place)
    moved = QMouseEvent(QEvent.Type.MouseMove, where, QPointF(plot.viewport().mapToGlobal(place)), left, left, modifier)
    QApplication.sendEvent(plot.viewport(), moved)
