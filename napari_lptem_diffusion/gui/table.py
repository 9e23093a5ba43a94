"""The table of particles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_lptem_diffusion.gui.colours import particle_rgb
from napari_lptem_diffusion.gui.selection import Selection

UNKNOWN = "–"
IMMOBILE = "immobile"
LEAST_SHARE = 0.1
"""An exponent of a part that carries a smaller share of the motion is shown faintly."""

_FAINT = QColor(128, 128, 128)
_SORT_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Column:
    """A column of ``motion.particles`` and how it is shown."""

    name: str
    title: str
    tooltip: str
    decimals: int = 2


COLUMNS = (
    Column("particle", "Rod", "The number of the particle, and the colour of its outline.", 0),
    Column("frames", "Frames", "In how many frames the rod was seen.", 0),
    Column("mixing_ratio", "Mixing", "Mixing ratio of the whole track: 1 = pure FBM, 0 = pure CTRW."),
    Column("alpha_fbm", "α FBM", "Anomalous exponent of the FBM part; 1 = Brownian."),
    Column("alpha_ctrw", "α CTRW", "Waiting-time exponent of the CTRW part; the smaller, the longer the rests."),
    Column("model_mismatch", "Mismatch", "How unlike any mixture of FBM and CTRW the track is, 0 to 1."),
)


class ParticleModel(QAbstractTableModel):
    """``motion.particles`` for Qt's views: one row per particle."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, NDArray[Any]] = {column.name: np.empty(0) for column in COLUMNS}

    def set_particles(self, particles: pd.DataFrame) -> None:
        """Show another table, as in ``motion.particles``."""
        self.beginResetModel()
        self._values = {str(name): particles[name].to_numpy() for name in particles}
        self.endResetModel()

    def particle(self, row: int) -> int:
        """Return the particle of *row*."""
        return int(self._values["particle"][row])

    def row(self, particle: int | None) -> int | None:
        """Return the row of *particle*, or None."""
        rows = np.flatnonzero(self._values["particle"] == particle)
        return int(rows[0]) if rows.size else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many particles there are."""
        return 0 if parent is not None and parent.isValid() else len(self._values["particle"])

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many columns are shown."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return title or tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        return {Qt.ItemDataRole.DisplayRole: column.title, Qt.ItemDataRole.ToolTipRole: column.tooltip}.get(role)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tooltip, sort value, alignment or colour of a cell."""
        column = COLUMNS[index.column()]
        value = self._values[column.name][index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            if column.name == "mixing_ratio" and self._values["immobile"][index.row()]:
                return IMMOBILE
            return UNKNOWN if pd.isna(value) else f"{value:.{column.decimals}f}"
        if role == _SORT_ROLE:
            return -1.0 if pd.isna(value) else float(value)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._cell_help(index.row(), column.name)
        if role == Qt.ItemDataRole.ForegroundRole and self._is_of_small_part(index.row(), column.name):
            return _FAINT
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.DecorationRole and column.name == "particle":
            return QColor.fromRgbF(*map(float, particle_rgb(value)))
        return None

    def _is_of_small_part(self, row: int, name: str) -> bool:
        """Whether a cell is the exponent of a part that hardly moves the rod."""
        fbm_share = self._values["mixing_ratio"][row]
        share = {"alpha_fbm": fbm_share, "alpha_ctrw": 1 - fbm_share}.get(name, 1.0)
        return bool(share < LEAST_SHARE)

    def _cell_help(self, row: int, name: str) -> str | None:
        """Return what else is to be said of a cell, or None."""
        if name == "mixing_ratio" and self._values["immobile"][row]:
            return "The rod does not move beyond its localization error."
        interval = self._interval_text(row, name)
        if self._is_of_small_part(row, name):
            return f"{interval}. It means little: this part carries less than {LEAST_SHARE:.0%} of the motion."
        return interval

    def _interval_text(self, row: int, name: str) -> str | None:
        """Return the 90 % interval of a cell in words, or None if it has none."""
        if f"{name}_low" not in self._values:
            return None
        low, high = self._values[f"{name}_low"][row], self._values[f"{name}_high"][row]
        return None if np.isnan(low) else f"{low:.2f} to {high:.2f} (central 90 %)"


class ParticleTable(QTableView):
    """The particles, sortable; the selected row is the selected particle."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection
        self._model = ParticleModel()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(_SORT_ROLE)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(0)
        header.setStyleSheet("QHeaderView::section { font-weight: normal; padding: 2px 0px; }")
        self.selectionModel().selectionChanged.connect(self._on_rows_selected)
        selection.particle_changed.connect(self._show_selected)

    def set_particles(self, particles: pd.DataFrame) -> None:
        """Show ``motion.particles``."""
        self._model.set_particles(particles)
        self._show_selected(self._selection.particle)

    def _on_rows_selected(self) -> None:
        rows = self.selectionModel().selectedRows()
        if rows:
            self._selection.select(self._model.particle(self._sorted.mapToSource(rows[0]).row()))

    def _show_selected(self, particle: int | None) -> None:
        row = self._model.row(particle)
        if row is None:
            self.clearSelection()
            return
        index = self._sorted.mapFromSource(self._model.index(row, 0))
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.scrollTo(index)
