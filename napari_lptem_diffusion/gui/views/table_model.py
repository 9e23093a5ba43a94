"""The rods for Qt's table: sorted and filtered as whole columns, so that thousands take no time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor

from napari_lptem_diffusion.diffusion.known import WHY_NOT_KNOWN
from napari_lptem_diffusion.gui.colours import particle_rgb
from napari_lptem_diffusion.gui.views.columns import Column, written

IMMOBILE = "immobile"
LEAST_SHARE = 0.1
"""An exponent of a part that carries a smaller share of the motion is shown faintly."""
INTERVAL, FAINT = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
"""Roles of the interval that is written small beside a value, and of whether the value steps back."""


class RodModel(QAbstractTableModel):
    """A `rod_table`, one row per rod that passes the filter, in the order of one column.

    Values of which nothing is known come after the known ones, missing ones last.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.columns: tuple[Column, ...] = ()
        self._table = pd.DataFrame({"particle": pd.Series(dtype="int64")})
        self._values: dict[str, NDArray[Any]] = {}
        self._rows: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._shown: frozenset[int] | None = None
        self._sorted_by = ("particle", Qt.SortOrder.AscendingOrder)

    @property
    def particles(self) -> NDArray[np.int64]:
        """The rods shown, from top to bottom."""
        return np.asarray(self._table["particle"].to_numpy()[self._rows])

    def set_table(self, table: pd.DataFrame, columns: tuple[Column, ...]) -> None:
        """Show another `rod_table`."""
        self.beginResetModel()
        self._table, self.columns = table, columns
        self._values = {str(name): table[name].to_numpy() for name in table}
        self._order()
        self.endResetModel()

    def show_only(self, shown: frozenset[int] | None) -> None:
        """Show only these particles; None: all."""
        self.beginResetModel()
        self._shown = shown
        self._order()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, as a click on its head asks for."""
        if 0 <= column < len(self.columns):
            self.beginResetModel()
            self._sorted_by = (self.columns[column].name, order)
            self._order()
            self.endResetModel()

    def row_of(self, particle: int) -> int | None:
        """Return the row of *particle*, or None if it is not shown."""
        found = np.flatnonzero(self.particles == particle)
        return int(found[0]) if found.size else None

    def rows_of(self, particles: tuple[int, ...]) -> NDArray[np.intp]:
        """Return the rows of those *particles* that are shown, from top to bottom."""
        return np.flatnonzero(np.isin(self.particles, np.array(particles, dtype=np.int64)))

    def as_text(self, rows: list[int], columns: list[int]) -> str:
        """Return these rows and columns as tab-separated text with headings."""
        return written(self._table.iloc[self._rows[rows]], [self.columns[column] for column in columns])

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many rods are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many columns there are, shown or not."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return heading or tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.heading
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{column.help}\nIn a filter: {column.name}\nRight click: choose columns."
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tooltip, alignment or colour of a cell."""
        column, row = self.columns[index.column()], self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == INTERVAL:
            return self._interval(row, column) if f"{column.name}_known" in self._values else ""
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._cell_help(row, column)
        if role == FAINT:
            return self._is_faint(row, column.name)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            middle = Qt.AlignmentFlag.AlignVCenter
            return middle | (Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft)
        if role == Qt.ItemDataRole.DecorationRole and column.name == "particle":
            return QColor.fromRgbF(*map(float, particle_rgb(self._values["particle"][row])))
        return None

    def _order(self) -> None:
        """Put the rows that are shown in order; equal ones by particle, unknown ones last."""
        name, order = self._sorted_by
        places = self._table.reset_index(drop=True)
        if self._shown is not None:
            places = places[places["particle"].isin(self._shown)]
        places = places.sort_values("particle")
        if name in places:
            up = order == Qt.SortOrder.AscendingOrder
            unsure = ~places[f"{name}_known"] if f"{name}_known" in places else False
            places = places.assign(unsure=unsure, missing=places[name].isna())
            places = places.sort_values(["missing", "unsure", name], ascending=[True, True, up], kind="stable")
        self._rows = places.index.to_numpy(dtype=np.intp)

    def _text(self, row: int, column: Column) -> str:
        """Return what a cell says."""
        if column.name == "mixing_ratio" and self._values["immobile"][row]:
            return IMMOBILE
        if column.name == "changes" and self._values["levels"][row]:
            return str(self._values["levels"][row])
        text = column.text(self._values[column.name][row])
        return f"{text} ?" if self._is_not_known(row, column.name) else text

    def _interval(self, row: int, column: Column, dash: str = "–") -> str:
        """Return the interval of a cell, or "" where it has none."""
        if f"{column.name}_low" not in self._values or pd.isna(self._values[f"{column.name}_low"][row]):
            return ""
        return dash.join(column.text(self._values[f"{column.name}{end}"][row]) for end in ("_low", "_high"))

    def _is_faint(self, row: int, name: str) -> bool:
        return self._is_not_known(row, name) or self._is_of_small_part(row, name)

    def _is_not_known(self, row: int, name: str) -> bool:
        """Whether a cell has a value of which nothing is known."""
        known = self._values.get(f"{name}_known")
        return known is not None and not known[row] and not pd.isna(self._values[name][row])

    def _is_of_small_part(self, row: int, name: str) -> bool:
        """Whether a cell is the exponent of a part that hardly moves the rod."""
        fbm_share = self._values["mixing_ratio"][row]
        share = {"alpha_fbm": fbm_share, "alpha_ctrw": 1 - fbm_share}.get(name, 1.0)
        return bool(share < LEAST_SHARE)

    def _cell_help(self, row: int, column: Column) -> str | None:
        """Return what else is to be said of a cell, or None."""
        if column.name == "mixing_ratio" and self._values["immobile"][row]:
            return "The rod does not move beyond its localization error."
        if column.name == "changes" and self._values["levels"][row]:
            return "Median mixing ratio before and after each change; ?: not known. Alt+Right shows the next change."
        if column.name == "flags":
            return str(self._values["flags"][row]) or None
        interval = self._interval(row, column, " to ")
        if not interval:
            return None
        said = [f"{interval} (central 90 %)"]
        if self._is_not_known(row, column.name):
            said.append(f"{WHY_NOT_KNOWN.capitalize()}.")
        if self._is_of_small_part(row, column.name):
            said.append(f"It means little: this part carries less than {LEAST_SHARE:.0%} of the motion.")
        if column.name == "mixing_ratio" and "levels" in self._values and self._values["levels"][row]:
            said.append("The motion changes: this is an average of before and after.")
        return "\n".join(said)
