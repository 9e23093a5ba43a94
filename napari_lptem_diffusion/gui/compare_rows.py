"""The exports that are compared, one row each, with a condition that can be typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_lptem_diffusion.compare import names_of
from napari_lptem_diffusion.diffusion.known import COMPARED, LEFT_OUT

_MOVIE, _RODS, _CONDITION = range(3)
_PATH_ROLE = Qt.ItemDataRole.UserRole


class CompareRows(QTableWidget):
    """Movie, how many of its rods are compared, condition; what is typed into one of several selected rows is all's."""

    conditions_changed = Signal()

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["Movie", "Rods", "Condition"])
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names differ at their ends
        self.setAcceptDrops(False)  # what is dropped here is for the window
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 10)
        header = self.horizontalHeader()
        header.setSectionResizeMode(_MOVIE, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_RODS, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_CONDITION, QHeaderView.ResizeMode.Stretch)
        self.setToolTip(
            "One row per movie. Type its condition, a number or a word; movies of one condition count together. "
            "Select several rows to name them all at once."
        )
        self.cellChanged.connect(self._on_cell)

    @property
    def labels(self) -> dict[Path, str]:
        """The condition of each export; its movie where nothing was typed."""
        return {
            self._path(row): self.item(row, _CONDITION).text().strip() or self.item(row, _MOVIE).text()
            for row in range(self.rowCount())
        }

    def add(self, exports: Iterable[Path]) -> None:
        """Add the exports that are not there yet, each a condition of its own."""
        there = {path.resolve() for path in self.labels}
        new = [path for path in dict.fromkeys(exports) if path.resolve() not in there]
        first_new = self.rowCount()
        blocked = self.blockSignals(True)
        for path in new:
            row = self.rowCount()
            self.insertRow(row)
            for column in (_MOVIE, _RODS):
                item = QTableWidgetItem()
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                self.setItem(row, column, item)
            self.item(row, _MOVIE).setData(_PATH_ROLE, str(path))
            self.item(row, _MOVIE).setToolTip(str(path))
            self.setItem(row, _CONDITION, QTableWidgetItem())
        for row, name in enumerate(names_of(list(self._paths())).values()):
            self.item(row, _MOVIE).setText(name)
            if row >= first_new:
                self.item(row, _CONDITION).setText(name)
        self.blockSignals(blocked)
        if new:
            self.conditions_changed.emit()

    def remove_selected(self) -> None:
        """Take the selected rows out."""
        rows = self._selected()
        for row in reversed(rows):
            self.removeRow(row)
        if rows:
            self.conditions_changed.emit()

    def fill_down(self) -> None:
        """Give all selected rows the condition of the first; all below the current one if only that is selected."""
        rows = self._selected()
        if len(rows) == 1:
            rows = list(range(rows[0], self.rowCount()))
        if rows:
            self._set_conditions(rows[1:], self.item(rows[0], _CONDITION).text())

    def show_counts(self, particles: pd.DataFrame) -> None:
        """Say of each movie how many of its rods are compared, and why not the others.

        Parameters
        ----------
        particles : DataFrame
            As in `compare.Comparison`.
        """
        blocked = self.blockSignals(True)
        for row, name in enumerate(names_of(list(self._paths())).values()):
            statuses = particles.loc[particles["movie"] == name, "status"].value_counts()
            item = self.item(row, _RODS)
            item.setText(f"{statuses.get('compared', 0)} of {statuses.sum()}")
            item.setToolTip(counts_in_words({str(name): int(count) for name, count in statuses.items()}))
        self.blockSignals(blocked)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes the selected rows out."""
        if event.key() == Qt.Key.Key_Delete:
            self.remove_selected()
        else:
            super().keyPressEvent(event)

    def _on_cell(self, row: int, column: int) -> None:
        if column != _CONDITION:
            return
        selected = self._selected()
        self._set_conditions(selected if row in selected else [row], self.item(row, _CONDITION).text())

    def _set_conditions(self, rows: Iterable[int], text: str) -> None:
        blocked = self.blockSignals(True)
        for row in rows:
            self.item(row, _CONDITION).setText(text)
        self.blockSignals(blocked)
        self.conditions_changed.emit()

    def _selected(self) -> list[int]:
        return sorted({index.row() for index in self.selectionModel().selectedIndexes()})

    def _paths(self) -> Iterable[Path]:
        return (self._path(row) for row in range(self.rowCount()))

    def _path(self, row: int) -> Path:
        return Path(self.item(row, _MOVIE).data(_PATH_ROLE))


def counts_in_words(statuses: Mapping[str, int]) -> str:
    """Return what became of the particles of a movie or condition, such as "12 compared, 3 immobile"."""
    return ", ".join(
        f"{statuses[name]} {name.replace('_', ' ')}" for name in (COMPARED, *LEFT_OUT) if statuses.get(name, 0)
    )
