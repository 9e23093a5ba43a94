"""Table, filter and plots share one selection and one time, and follow the result."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QItemSelectionModel, QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QGuiApplication, QIcon
from qtpy.QtWidgets import QApplication, QStyleOptionViewItem

from napari_lptem_diffusion.diffusion.estimate import Motion
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.results import Results
from tests.analysis_factory import (
    GAP_PARTICLE,
    SHORT_PARTICLE,
    SWITCH_FRAME,
    SWITCHING_PARTICLE,
    empty_analysis,
    make_analysis,
)


@pytest.fixture
def views(qtbot):
    """The views of a made-up result on a screen, with what they share."""
    selection, result = Selection(), Result()
    results = Results(selection, result)
    qtbot.addWidget(results)
    results.resize(1300, 320)
    result.show(None, make_analysis())
    results.set_theme("#f0f1f2", "#262930", "#4560c4")
    results.show()
    qtbot.waitExposed(results)
    return SimpleNamespace(
        selection=selection,
        result=result,
        results=results,
        table=results.table,
        filter=results.filter_line,
        time=results.time_plot,
        steps=results.displacement_plot,
        msd=results.msd_plot,
        scatter=results.scatter,
    )


def in_front(views, plot):
    views.results.tabs.setCurrentWidget(plot)
    QApplication.processEvents()


def column(table, name):
    return next(number for number, one in enumerate(table.rods.columns) if one.name == name)


def selected_rods(table):
    return sorted(int(table.rods.particles[index.row()]) for index in table.selectionModel().selectedRows())


def take_keys(views, qtbot):
    """Give the table the focus; keys that are shortcuts work in an active window only."""
    with qtbot.waitActive(views.results):
        views.results.activateWindow()
    views.table.setFocus()


def click_cell(qtbot, table, row, modifier=Qt.KeyboardModifier.NoModifier):
    place = table.visualRect(table.rods.index(row, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def click_plot(qtbot, plot, box, x, y, modifier=Qt.KeyboardModifier.NoModifier):
    scene = box.mapViewToScene(QPointF(x, y))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, modifier, plot.mapFromScene(scene))


def many_rods(count=3000):
    """An analysis of many rods, each of a few frames."""
    analysis = make_analysis()
    row = analysis.motion.particles.iloc[:1]
    mixing = np.random.default_rng(0).permutation(count) / count
    particles = pd.concat([row] * count, ignore_index=True).assign(particle=np.arange(count), mixing_ratio=mixing)
    motion = Motion(analysis.motion.frames, particles, analysis.motion.msd, analysis.motion.model_hash)
    return replace(analysis, motion=motion)


def test_the_longest_track_of_a_new_result_is_selected(views):
    assert views.selection.particle == 0
    assert "Rod 0 · 60 frames" in views.results.words
    views.selection.select(SHORT_PARTICLE)
    assert "too short" in views.results.words
    views.selection.select(None)
    assert "No rod is selected" in views.results.words


def test_rows_and_rods_are_one_selection(views, qtbot):
    click_cell(qtbot, views.table, 2)
    assert views.selection.particles == (2,)
    click_cell(qtbot, views.table, 4, Qt.KeyboardModifier.ControlModifier)
    assert views.selection.particles == (2, 4)
    click_cell(qtbot, views.table, 1, Qt.KeyboardModifier.ShiftModifier)
    assert set(views.selection.particles) == set(selected_rods(views.table))
    assert len(views.selection.particles) > 2
    views.selection.select_many([3, 1])
    assert selected_rods(views.table) == [1, 3]
    assert views.table.rods.particles[views.table.currentIndex().row()] == 1
    views.selection.select(None)
    assert selected_rods(views.table) == []


def test_sorting_keeps_the_selection_and_puts_unknown_values_last(views):
    views.selection.select_many([1, 2])
    expected = make_analysis().motion.particles.set_index("particle")["mixing_ratio"]
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        views.table.sortByColumn(column(views.table, "mixing_ratio"), order)
        shown = views.table.rods.particles
        assert shown[-1] == SHORT_PARTICLE
        up = order == Qt.SortOrder.AscendingOrder
        assert list(shown[:-1]) == list(expected.dropna().sort_values(ascending=up).index)
        assert selected_rods(views.table) == [1, 2]
        assert views.selection.particles == (1, 2)


def test_a_filter_says_which_rods_are_shown(views, qtbot):
    qtbot.keyClicks(views.filter.edit, "mixing_ratio > 0.3")
    qtbot.waitUntil(lambda: views.selection.shown == frozenset({0, 1, 3}))
    assert list(views.table.rods.particles) == [0, 1, 3]
    assert views.filter.count.text() == "3 of 5"
    views.filter.show_text("mixing_ratio > 0.3 and colour")
    assert "colour" in views.filter.error.text()
    assert "The last filter stays" in views.filter.error.text()
    assert views.filter.error.isVisible()
    assert views.selection.shown == frozenset({0, 1, 3})  # as before, until it can be read
    for action in views.filter.menu().actions():
        if action.text() in ("Switching", "Show all"):
            action.trigger()
            assert views.filter.error.isHidden()
            assert views.selection.shown == (frozenset({SWITCHING_PARTICLE}) if action.text() == "Switching" else None)
    assert views.table.rods.rowCount() == 5


def test_a_filter_that_a_new_result_does_not_know_hides_none_of_its_rods(views):
    views.filter.show_text("length_nm > 0 and particle < 2")
    assert views.selection.shown == frozenset({0, 1})
    views.result.show(None, make_analysis(None, None))
    assert views.selection.shown is None
    assert views.table.rods.rowCount() == 5
    assert views.filter.count.text() == "5 of 5"
    assert "length_nm" in views.filter.error.text()


def test_a_filtered_out_rod_stays_selected(views):
    views.selection.select(2)
    views.filter.show_text("mixing_ratio > 0.3")
    assert views.selection.particle == 2
    assert selected_rods(views.table) == []
    views.filter.show_text("")
    assert selected_rods(views.table) == [2]


def test_rows_are_copied_as_they_are_shown(views):
    views.table.sortByColumn(column(views.table, "mixing_ratio"), Qt.SortOrder.AscendingOrder)
    views.table.choose_column("snr", True)
    views.table.choose_column("frames", False)
    views.selection.select_many([0, 2])
    views.table.copy_action.trigger()
    heading, *rows = QGuiApplication.clipboard().text().splitlines()
    assert heading.split("\t")[:2] == ["Rod", "Mixing ratio"]
    assert "SNR" in heading
    assert [row.split("\t")[0] for row in rows] == ["2", "0"]


def test_columns_that_were_chosen_stay_chosen(views):
    action = next(action for action in views.table.column_menu().actions() if action.text() == "SNR")
    assert not action.isChecked()
    action.trigger()
    views.result.show(None, make_analysis(pixel_size_nm=None))
    assert not views.table.isColumnHidden(column(views.table, "snr"))
    assert views.table.isColumnHidden(column(views.table, "width_px"))


def test_enter_and_double_click_centre_the_canvas(views, qtbot):
    take_keys(views, qtbot)
    with qtbot.waitSignal(views.selection.centre_wanted, timeout=1000):
        qtbot.keyClick(views.table, Qt.Key.Key_Return)
    place = views.table.visualRect(views.table.rods.index(1, 1)).center()
    with qtbot.waitSignal(views.selection.centre_wanted, timeout=1000):
        qtbot.mouseClick(views.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(views.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert views.selection.particle == 1


def test_cells_say_what_is_uncertain(views):
    views.table.rods.set_table(
        pd.DataFrame(
            {
                "particle": [0, 1, 2],
                "mixing_ratio": [0.05, 0.95, 0.5],
                "alpha_fbm": 0.5,
                "alpha_fbm_low": 0.4,
                "alpha_fbm_high": 0.6,
                "immobile": [False, False, True],
            }
        ),
        tuple(one for one in views.table.rods.columns if one.name in ("particle", "mixing_ratio", "alpha_fbm")),
    )
    cells = [[views.table.rods.index(row, place) for place in (1, 2)] for row in range(3)]
    faint = [[cell.data(Qt.ItemDataRole.ForegroundRole) is not None for cell in row] for row in cells]
    assert faint == [[False, True], [False, False], [False, False]]
    assert "0.40 to 0.60" in cells[1][1].data(Qt.ItemDataRole.ToolTipRole)
    assert "less than 10%" in cells[0][1].data(Qt.ItemDataRole.ToolTipRole)
    assert cells[2][0].data() == "immobile"
    views.table.selectAll()
    option = QStyleOptionViewItem()
    option.decorationSize = QSize(8, 8)
    views.table.itemDelegate().initStyleOption(option, cells[0][1])
    assert option.palette.highlightedText().color().alphaF() < 0.6
    number = views.table.rods.index(1, 0)
    views.table.itemDelegate().initStyleOption(option, number)
    swatch = option.icon.pixmap(option.decorationSize, QIcon.Mode.Selected).toImage()
    assert swatch.pixelColor(2, 2).rgb() == number.data(Qt.ItemDataRole.DecorationRole).rgb()


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
    QApplication.sendEvent(views.time, _leave())
    assert "frame 5<" in views.time.said or "frame 5 (0.0625 s)<" in views.time.said


def test_the_line_over_a_plot_says_what_there_is_room_for(views, qtbot):
    views.selection.show_frame(5)
    for width, has_intervals in ((500, False), (2400, True), (500, False)):
        views.results.resize(width, 320)
        qtbot.waitUntil(lambda wide=has_intervals: ("–" in views.time.said) == wide)
        assert "frame 5" in views.time.said


def test_keys_go_from_change_to_change(views, qtbot):
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(change_points=["", "30;41", "", "", ""])
    views.result.show(None, replace(analysis, motion=replace(analysis.motion, particles=particles)))
    views.selection.select(1)
    take_keys(views, qtbot)
    frames = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        qtbot.keyClick(views.table, key, Qt.KeyboardModifier.AltModifier)
        frames.append(views.selection.frame)
    assert frames == [30, 41, 41, 30]
    assert {action.shortcut().toString() for action in views.results.actions_} >= {"Ctrl+F", "Alt+Right", "Return"}


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


def test_a_correction_keeps_what_is_still_there_selected(views):
    views.selection.select_many([0, 2])
    views.filter.show_text("mixing_ratio < 0.95")
    views.time.panels[0].setXRange(20, 40, padding=0)
    analysis = views.result.analysis
    motion = analysis.motion
    left = Motion(
        *(table[table["particle"] != 2] for table in (motion.frames, motion.particles, motion.msd)), motion.model_hash
    )
    views.result.set_history(
        replace(
            views.result.history, present=replace(analysis, tracks=analysis.tracks.query("particle != 2"), motion=left)
        )
    )
    assert views.time.panels[0].viewRange()[0] == pytest.approx([20, 40])  # what one looks at stays in view
    assert views.selection.particles == (0,)
    assert views.filter.count.text() == "3 of 4"
    assert 2 not in views.table.rods.particles


def test_a_rod_that_a_correction_made_may_be_selected_before_the_views_know_of_it(views):
    in_front(views, views.msd)
    views.selection.select_many([1, 77])
    assert "Rod 1" in views.results.words
    views.selection.select(77)
    assert "No rod" in views.results.words


def test_results_come_and_go(views):
    views.selection.select(3)
    views.filter.show_text("judged")
    views.result.forget()
    assert views.selection.particle is None
    assert views.selection.shown is None
    assert views.table.rods.rowCount() == 0
    for front in (views.time, views.steps, views.msd, views.scatter):
        in_front(views, front)
    views.result.show(None, empty_analysis())
    assert views.selection.particle is None
    views.result.show(None, make_analysis(seed=1))
    assert views.selection.particle == 0
    assert views.filter.count.text() == "4 of 5"


def test_thousands_of_rods_are_sorted_and_selected(views):
    analysis = many_rods()
    views.result.show(None, analysis)
    in_front(views, views.scatter)
    views.table.sortByColumn(column(views.table, "mixing_ratio"), Qt.SortOrder.DescendingOrder)
    mixing = analysis.motion.particles.sort_values("mixing_ratio", ascending=False)["particle"]
    assert list(views.table.rods.particles) == list(mixing)
    flags = QItemSelectionModel.SelectionFlag
    views.table.selectAll()
    assert len(views.selection.particles) == 3000
    views.table.selectionModel().select(views.table.rods.index(7, 0), flags.ClearAndSelect | flags.Rows)
    assert views.selection.particles == (int(mixing.iloc[7]),)


def _leave():
    from qtpy.QtCore import QEvent

    return QEvent(QEvent.Type.Leave)


def _drag(plot, place, modifier):
    """Move the pointer with the left button down, which qtbot cannot."""
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent

    left, where = Qt.MouseButton.LeftButton, QPointF(place)
    moved = QMouseEvent(QEvent.Type.MouseMove, where, QPointF(plot.viewport().mapToGlobal(place)), left, left, modifier)
    QApplication.sendEvent(plot.viewport(), moved)
