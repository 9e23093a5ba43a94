"""The table of rods; its selected rows are the selected rods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt
from qtpy.QtGui import QAction, QGuiApplication, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QTableView,
    QWidget,
)

from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.cell import Cell
from napari_lptem_diffusion.gui.views.columns import Column
from napari_lptem_diffusion.gui.views.frozen_column import FrozenColumn
from napari_lptem_diffusion.gui.views.table_model import RodModel

_MEASURED_ROWS = 30


class RodTable(QTableView):
    """Rods as rows: sorted by a click on a heading; several are selected with Ctrl or Shift."""

    def __init__(self, selection: Selection, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selection = selection
        self._is_following = False
        self._chosen: dict[str, bool] = {}
        self.rods = RodModel(self)
        self.setModel(self.rods)
        self.setItemDelegate(Cell(self))
        self._lay_out()
        self.frozen = FrozenColumn(self)
        self.copy_action = QAction("Copy selected rows", self)
        self.copy_action.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        self.copy_action.setToolTip("Copy the selected rows with headings and intervals, to paste into a spreadsheet.")
        self.copy_action.triggered.connect(self.copy)
        self.centre_action = QAction("Centre the movie on the rod", self)
        self.centre_action.setShortcuts([QKeySequence(Qt.Key.Key_Return), QKeySequence(Qt.Key.Key_Enter)])
        self.centre_action.setToolTip(
            "Bring the selected rod into view and near, as a double click on its row does. Napari's house shows the "
            "whole movie again."
        )
        self.centre_action.triggered.connect(lambda _: selection.centre())
        for action in (self.copy_action, self.centre_action):
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            self.addAction(action)
        self.selectionModel().selectionChanged.connect(self._on_rows_selected)
        self.rods.modelReset.connect(self._follow)
        self.doubleClicked.connect(lambda _: selection.centre())
        selection.particles_changed.connect(self._follow)
        selection.shown_changed.connect(self.rods.show_only)

    def set_table(self, table: pd.DataFrame, columns: tuple[Column, ...]) -> None:
        """Show a `rod_table`; columns that the user chose stay chosen, in their widths as long as they are the same."""
        are_others = columns != self.rods.columns
        self.rods.set_table(table, columns)
        if are_others:
            for number, column in enumerate(columns):
                self.setColumnHidden(number, not self._chosen.get(column.name, column.at_first))
                self._fit(number)

    def choose_column(self, name: str, chosen: bool) -> None:
        """Show or hide a column."""
        self._chosen[name] = chosen
        number = next(number for number, column in enumerate(self.rods.columns) if column.name == name)
        self.setColumnHidden(number, not chosen)
        self._fit(number)

    def copy(self) -> None:
        """Put the selected rows, as they are shown, with headings and intervals on the clipboard."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        header = self.horizontalHeader()
        columns = [header.logicalIndex(place) for place in range(header.count())]
        text = self.rods.as_text(rows, [column for column in columns if not self.isColumnHidden(column)])
        QGuiApplication.clipboard().setText(text)

    def column_menu(self) -> QMenu:
        """Return a menu with a tick for every column."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for number, column in enumerate(self.rods.columns):
            action = menu.addAction(column.heading)
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(number))
            action.setToolTip(column.help)
            action.toggled.connect(lambda chosen, name=column.name: self.choose_column(name, chosen))
        return menu

    def scrollTo(
        self, index: QModelIndex, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a cell into view; the first column always is, wherever the others are."""
        bar = self.horizontalScrollBar()
        before = bar.value()
        super().scrollTo(index, hint)
        if index.column() == 0:
            bar.setValue(before)

    def _fit(self, number: int) -> None:
        """Make a column as wide as its heading with the arrow of sorting, and as its cells."""
        metrics = self.fontMetrics()
        heading = metrics.horizontalAdvance(self.rods.columns[number].heading) + 2 * metrics.height()
        self.setColumnWidth(number, max(heading, self.sizeHintForColumn(number)))

    def _on_rows_selected(self) -> None:
        if self._is_following:
            return
        particles = self.rods.particles
        chosen = [int(particles[index.row()]) for index in self.selectionModel().selectedRows()]
        current = self.selectionModel().currentIndex().row()
        main = int(particles[current]) if current >= 0 else None
        with self._following():
            self._selection.select_many(sorted(chosen, key=lambda particle: particle == main))

    def _follow(self) -> None:
        """Select the rows of the selected rods and bring the main one into view."""
        if self._is_following:
            return
        main = None if self._selection.particle is None else self.rods.row_of(self._selection.particle)
        with self._following():
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().select(self._ranges(), flags.ClearAndSelect | flags.Rows)
            if main is not None:
                index = self.rods.index(main, 0)
                self.selectionModel().setCurrentIndex(index, flags.NoUpdate)
                if not self.frozen.visualRect(index).intersects(self.frozen.viewport().rect()):
                    self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def _ranges(self) -> QItemSelection:
        """Return the rows of the selected rods as few ranges."""
        rows = self.rods.rows_of(self._selection.particles)
        last = self.rods.columnCount() - 1
        ranges = QItemSelection()
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if rows.size else ():
            ranges.select(self.rods.index(int(run[0]), 0), self.rods.index(int(run[-1]), last))
        return ranges

    @contextmanager
    def _following(self) -> Iterator[None]:
        """While this runs, rows are selected because rods are, or the other way round."""
        self._is_following = True
        try:
            yield
        finally:
            self._is_following = False

    def _show_menu(self, place: QPoint) -> None:
        self.column_menu().popup(self.horizontalHeader().mapToGlobal(place))

    def _lay_out(self) -> None:
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSectionsMovable(True)
        header.setFirstSectionMovable(False)  # which is frozen
        header.setResizeContentsPrecision(_MEASURED_ROWS)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStyleSheet("QHeaderView::section { font-weight: normal; padding: 2px 0px; }")
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_menu)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
