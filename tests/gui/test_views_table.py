"""The table of rods and its filter share one selection with everything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QItemSelectionModel, QPoint, QSize, Qt
from qtpy.QtGui import QGuiApplication, QIcon
from qtpy.QtWidgets import QApplication, QStyleOptionViewItem

from napari_lptem_diffusion.diffusion.estimate import Motion
from napari_lptem_diffusion.gui.views.table_model import FAINT, INTERVAL
from tests.analysis_factory import SHORT_PARTICLE, SWITCHING_PARTICLE, make_analysis
from tests.gui.driving import in_front, take_keys


def column(table, name):
    return next(number for number, one in enumerate(table.rods.columns) if one.name == name)


def selected_rods(table):
    return sorted(int(table.rods.particles[index.row()]) for index in table.selectionModel().selectedRows())


def click_cell(qtbot, table, row, modifier=Qt.KeyboardModifier.NoModifier):
    place = table.visualRect(table.rods.index(row, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def many_rods(count=3000):
    """An analysis of many rods, each of a few frames."""
    analysis = make_analysis()
    row = analysis.motion.particles.iloc[:1]
    mixing = np.random.default_rng(0).permutation(count) / count
    particles = pd.concat([row] * count, ignore_index=True).assign(particle=np.arange(count), mixing_ratio=mixing)
    motion = Motion(analysis.motion.frames, particles, analysis.motion.msd, analysis.motion.model_hash)
    return replace(analysis, motion=motion)


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


def test_values_of_which_nothing_is_known_come_after_the_known_ones(views):
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(
        mixing_ratio=[0.9, 0.2, 0.1, 0.5, np.nan],
        mixing_ratio_low=[0.0, 0.1, 0.0, 0.4, np.nan],
        mixing_ratio_high=[1.0, 0.3, 0.9, 0.6, np.nan],
    )
    views.result.show(None, replace(analysis, motion=replace(analysis.motion, particles=particles)))
    place, rods = column(views.table, "mixing_ratio"), views.table.rods
    for order, expected in (
        (Qt.SortOrder.AscendingOrder, [1, 3, 2, 0, 4]),
        (Qt.SortOrder.DescendingOrder, [3, 1, 0, 2, 4]),
    ):
        views.table.sortByColumn(place, order)
        assert list(rods.particles) == expected
    cells = {int(rod): rods.index(row, place) for row, rod in enumerate(rods.particles)}
    assert [cells[rod].data() for rod in range(5)] == ["0.90 ?", "0.20", "0.10 ?", "0.50", "–"]
    assert [cells[rod].data(INTERVAL) for rod in range(5)] == ["0.00–1.00", "0.10–0.30", "0.00–0.90", "0.40–0.60", ""]
    assert [cells[rod].data(FAINT) for rod in range(4)] == [
        True,
        False,
        True,
        False,
    ]
    assert "not known" in cells[0].data(Qt.ItemDataRole.ToolTipRole)


def test_an_interval_is_painted_where_it_fits(views):
    place = column(views.table, "mixing_ratio")
    wide = views.table.columnWidth(place)
    picture = {}
    for width in (wide, wide - 30):
        views.table.setColumnWidth(place, width)
        area = views.table.visualRect(views.table.rods.index(0, place))
        picture[width] = views.table.viewport().grab(area).toImage()
    grey = [sum(image.pixelColor(x, y).value() > 100 for x in range(image.width()) for y in range(image.height()))
            for image in picture.values()]  # fmt: skip
    assert grey[0] > 1.3 * grey[1] > 0


def test_changes_say_between_which_mixing_ratios(views):
    cell = views.table.rods.index(views.table.rods.row_of(SWITCHING_PARTICLE), column(views.table, "changes"))
    assert cell.data() == "0.88 → 0.09"
    assert views.table.rods.index(0, column(views.table, "changes")).data() == "0"


def test_what_matters_comes_first_and_the_rod_stays_in_view(views, qtbot):
    names = [one.name for one in views.table.rods.columns]
    assert names[:4] == ["particle", "mixing_ratio", "changes", "flags"]
    frozen = views.table.frozen
    views.table.choose_column("snr", True)
    QApplication.processEvents()
    views.table.horizontalScrollBar().setValue(views.table.horizontalScrollBar().maximum())
    assert views.table.horizontalScrollBar().value() > 0
    assert frozen.isVisible()
    assert frozen.geometry().left() <= 1
    assert frozen.width() == views.table.columnWidth(0)
    cell = frozen.visualRect(views.table.rods.index(2, 0))
    assert cell.top() == views.table.visualRect(views.table.rods.index(2, 0)).top()
    qtbot.mouseClick(frozen.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    assert views.selection.particles == (int(views.table.rods.particles[2]),)
    assert views.table.horizontalScrollBar().value() > 0
    header = frozen.horizontalHeader()
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(10, header.height() // 2))
    assert list(views.table.rods.particles) == [4, 3, 2, 1, 0]


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
    assert heading.split("\t")[:4] == ["Rod", "Mixing ratio", "Mixing ratio low 90 %", "Mixing ratio high 90 %"]
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
    faint = [[cell.data(FAINT) for cell in row] for row in cells]
    assert faint == [[False, True], [False, False], [False, False]]
    assert "0.40 to 0.60" in cells[1][1].data(Qt.ItemDataRole.ToolTipRole)
    assert "less than 10%" in cells[0][1].data(Qt.ItemDataRole.ToolTipRole)
    assert cells[2][0].data() == "immobile"
    views.table.selectAll()
    option = QStyleOptionViewItem()
    option.decorationSize = QSize(8, 8)
    views.table.itemDelegate().initStyleOption(option, cells[0][1])
    assert option.palette.text().color().alphaF() == pytest.approx(0.7, abs=0.01)
    assert option.palette.highlightedText().color().alphaF() == 1, "what was just selected is read well"
    number = views.table.rods.index(1, 0)
    views.table.itemDelegate().initStyleOption(option, number)
    swatch = option.icon.pixmap(option.decorationSize, QIcon.Mode.Selected).toImage()
    assert swatch.pixelColor(2, 2).rgb() == number.data(Qt.ItemDataRole.DecorationRole).rgb()


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
