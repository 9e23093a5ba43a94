"""A window that compares conditions over the exports of many movies, while they are being named."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_lptem_diffusion.compare import QUANTITIES, Comparison, compare, save_comparison
from napari_lptem_diffusion.diffusion.known import COMPARED, TOO_WIDE, WHY_NOT_KNOWN
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.comparison_figures import UNIT_WORDS, comparison_figure
from napari_lptem_diffusion.export.folder import check_output_folder
from napari_lptem_diffusion.export.rc import drawing_with
from napari_lptem_diffusion.export.read_export import ReadExports, exports_in
from napari_lptem_diffusion.gui.compare_rows import CompareRows, counts_in_words
from napari_lptem_diffusion.gui.dropping import DropTarget
from napari_lptem_diffusion.gui.figure_view import Canvas, FigureView, as_image, drawn
from napari_lptem_diffusion.gui.latest import Latest
from napari_lptem_diffusion.gui.messages import SECONDARY, ask, counted, tell_error
from napari_lptem_diffusion.gui.worker import Work

_QUANTITIES = (
    ("Mixing ratio", ("mixing_ratio",)),
    ("FBM exponent", ("alpha_fbm",)),
    ("CTRW exponent", ("alpha_ctrw",)),
    ("K of the FBM part", ("k_fbm",)),
    ("K of the CTRW part", ("k_ctrw",)),
    ("All quantities", QUANTITIES),
)
_TITLES = {names[0]: title for title, names in _QUANTITIES[:-1]}
_HINT = "Drop folders of exported results here, or sessions."
_SIZE_IN_CHARACTERS = (170, 48)
_COPIED = Canvas(1600, 1200, 2.0)
_SHOWN_NOTES = 3
_MEDIAN_LINES = 6


class CompareWindow(QWidget):
    """Exports with their conditions on the left; figure, medians and what limits them on the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.comparison: Comparison | None = None
        self._read = ReadExports()
        self.rows = CompareRows()
        self.condition_name = QLineEdit("Condition")
        self.quantity = QComboBox()
        self.largest_mismatch = QDoubleSpinBox()
        self.figure = FigureView()
        self.medians = QTableWidget()
        self.notes = QLabel()
        self.state = QLabel()
        self.save_button = QPushButton("Save …")
        self.copy_button = QPushButton("Copy figure")
        self._comparing, self._drawing, self._copying, self._saving = (Latest(self, ms) for ms in (400, 50, 0, 0))
        self._drops = DropTarget(self)
        self._lay_out()
        self._connect()
        self._compare()

    def add(self, paths: Iterable[str | Path]) -> None:
        """Add exports, sessions, or folders full of exports; a refusal is a dialog."""
        found: list[Path] = []
        for path in paths:
            try:
                found += exports_in(path)
            except InputError as error:
                tell_error(self, "Choose a folder that an export wrote, a folder full of them, or a session.", error)
        self.rows.add(found)

    def save(self, parent_folder: str | Path) -> None:
        """Write what the command ``compare`` writes into a folder "comparison" inside *parent_folder*."""
        folder = Path(parent_folder) / "comparison"
        try:
            replace = folder.exists() and any(folder.iterdir())
            if replace and not ask(self, f"Replace the comparison in {folder}? Other files there stay.", "Replace"):
                return
            check_output_folder(folder, overwrite=replace)
        except (InputError, OSError) as error:
            tell_error(self, "Choose another folder.", error)
            return
        self._say("Saving …")
        self._saving.want(_saved(self._work(QUANTITIES), folder, replace))

    def copy_figure(self) -> None:
        """Put the figure on the clipboard, large enough for a slide."""
        if self.comparison is not None:
            self._say("Copying …")
            self._copying.want(_figure_drawn(self.comparison, _COPIED))

    def abandon(self) -> None:
        """Stop all work; for when the window is to go."""
        for work in (self._comparing, self._drawing, self._copying, self._saving):
            work.abandon()

    def _work(self, quantities: tuple[str, ...]) -> partial[Comparison]:
        name = self.condition_name.text().strip() or "Condition"
        mismatch = self.largest_mismatch.value()
        return partial(compare, self.rows.labels, name, mismatch, quantities=quantities, read=self._read)

    def _compare(self) -> None:
        """Compare the rows as they stand, soon."""
        if not self.rows.rowCount():
            self._comparing.stop()
            self._show_comparison(None)
            return
        work = self._work(self.quantity.currentData())
        self._say("Comparing …")
        self._comparing.want(lambda progress, should_stop: work(progress=progress, should_stop=should_stop))

    def _show_comparison(self, comparison: Comparison | None) -> None:
        self.comparison = comparison
        self._say("")
        for button in (self.save_button, self.copy_button):
            button.setEnabled(comparison is not None and not comparison.table.empty)
        _fill_medians(self.medians, comparison)
        notes = () if comparison is None else (*_who_counts(comparison), *comparison.notes)
        more = f"\n… and {len(notes) - _SHOWN_NOTES} more" if len(notes) > _SHOWN_NOTES else ""
        self.notes.setText("\n".join(notes[:_SHOWN_NOTES]) + more)
        self.notes.setToolTip("\n".join(notes))
        self.notes.setVisible(bool(notes))
        if comparison is not None:
            self.rows.show_counts(comparison.particles)
        self._draw()

    def _draw(self) -> None:
        if self.comparison is None:
            self._drawing.stop()
            self.figure.say(_HINT)
        elif self.comparison.table.empty:
            self.figure.say("Not all movies have this quantity in one unit.")
        else:
            self._drawing.want(_figure_drawn(self.comparison, self.figure.canvas))

    def _on_refused(self, error: Exception) -> None:
        self._say("")
        tell_error(self, "Take the movie that it is about out of the list, or export it again.", error)

    def _on_copied(self, rgba: NDArray[np.uint8]) -> None:
        clipboard = QApplication.clipboard()
        clipboard.setImage(as_image(rgba))
        self._say("The figure is on the clipboard.")

    def _say(self, text: str) -> None:
        self.state.setText(text)

    def _ask_and_add(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Exported results, or a folder full of them")
        if folder:
            self.add([folder])

    def _ask_and_save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save the comparison into this folder")
        if folder:
            self.save(folder)

    def _connect(self) -> None:
        self.rows.conditions_changed.connect(self._compare)
        self.condition_name.textEdited.connect(self._compare)
        self.quantity.currentIndexChanged.connect(self._compare)
        self.largest_mismatch.valueChanged.connect(self._compare)
        self.figure.resized.connect(self._draw)
        self._comparing.done.connect(self._show_comparison)
        self._drawing.done.connect(lambda rgba: self.figure.show_image(as_image(rgba)))
        self._copying.done.connect(self._on_copied)
        self._saving.done.connect(lambda folder: self._say(f"Written: {folder}"))
        for work in (self._comparing, self._drawing, self._copying, self._saving):
            work.failed.connect(self._on_refused)
        self._drops.dropped.connect(self.add)
        self.save_button.clicked.connect(self._ask_and_save)
        self.copy_button.clicked.connect(self.copy_figure)

    def _lay_out(self) -> None:
        self.setWindowTitle("Compare conditions")
        for title, names in _QUANTITIES:
            self.quantity.addItem(title, names)
        self.quantity.setToolTip("What is drawn and listed; all are saved.")
        self.condition_name.setToolTip("What the conditions are, with unit: the title of the axis.")
        self.largest_mismatch.setRange(0, 1)
        self.largest_mismatch.setSingleStep(0.05)
        self.largest_mismatch.setValue(0.5)
        self.largest_mismatch.setKeyboardTracking(False)
        self.largest_mismatch.setToolTip("Rods that fit no mixture of FBM and CTRW better than this are left out.")
        self.notes.setWordWrap(True)
        self.notes.setObjectName(SECONDARY)
        self.state.setObjectName(SECONDARY)
        self.save_button.setToolTip("Tables, figure (SVG, PDF, PNG) and notes, as the command compare writes them.")
        self.copy_button.setToolTip("For a slide or a message. For print, save: that figure can be scaled.")
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self._left())
        parts.addWidget(self._right())
        parts.setStretchFactor(1, 1)
        parts.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.addWidget(parts)
        metrics = self.fontMetrics()
        width, height = _SIZE_IN_CHARACTERS
        size = QRect(0, 0, width * metrics.averageCharWidth(), height * metrics.height()).size()
        if screen := QGuiApplication.primaryScreen():
            size = size.boundedTo(screen.availableSize() * 0.9)
        self.resize(size)
        parts.setSizes([size.width() // 3, size.width() * 2 // 3])

    def _left(self) -> QWidget:
        fields = QFormLayout()
        fields.addRow("Conditions are", self.condition_name)
        fields.addRow("Largest mismatch", self.largest_mismatch)
        buttons = QHBoxLayout()
        for title, tooltip, done in (
            ("Add …", f"{_HINT} A folder full of exports adds them all.", self._ask_and_add),
            ("Fill down", "Give the selected rows the condition of the first of them.", self.rows.fill_down),
            ("Remove", "Take the selected rows out; the files stay.", self.rows.remove_selected),
        ):
            button = QPushButton(title)
            button.setToolTip(tooltip)
            button.clicked.connect(done)
            buttons.addWidget(button)
        part = QWidget()
        layout = QVBoxLayout(part)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.rows)
        layout.addLayout(fields)
        return part

    def _right(self) -> QWidget:
        self.medians.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.medians.setShowGrid(False)
        self.medians.verticalHeader().hide()
        line = self.fontMetrics().height() + 8
        self.medians.verticalHeader().setDefaultSectionSize(line)
        self.medians.setToolTip("Median of the rods of each condition, and its central 90 % interval.")
        above = QHBoxLayout()
        above.addWidget(self.quantity)
        above.addWidget(self.state, stretch=1)
        for button in (self.copy_button, self.save_button):
            above.addWidget(button)
        views = QSplitter(Qt.Orientation.Vertical)
        views.addWidget(self.figure)
        views.addWidget(self.medians)
        views.setStretchFactor(0, 1)
        views.setChildrenCollapsible(False)
        views.setSizes([3 * line * _MEDIAN_LINES, line * _MEDIAN_LINES])
        part = QWidget()
        layout = QVBoxLayout(part)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(above)
        layout.addWidget(views, stretch=1)
        layout.addWidget(self.notes)
        return part


def _figure_drawn(comparison: Comparison, canvas: Canvas) -> Work:
    """Work that draws the figure of *comparison* for *canvas*."""

    def work(*_: object) -> object:
        with drawing_with():
            return drawn(
                comparison_figure(
                    comparison.particles, comparison.table, comparison.conditions, comparison.condition_name
                ),
                canvas,
            )

    return work


def _saved(compared: partial[Comparison], folder: Path, overwrite: bool) -> Work:
    """Work that compares all quantities and writes them."""
    return lambda progress, should_stop: save_comparison(
        compared(progress=progress, should_stop=should_stop), folder, overwrite
    )


def _who_counts(comparison: Comparison) -> list[str]:
    """Say how many rods are compared and why not the others, where some are left out."""
    statuses = {str(name): int(count) for name, count in comparison.particles["status"].value_counts().items()}
    unknown = comparison.table["n_unknown"].sum() if comparison.table["quantity"].nunique() == 1 else 0
    if set(statuses) <= {COMPARED} and not unknown:
        return []
    not_counted = f"; of these {unknown} not known ({TOO_WIDE}), which do not count" if unknown else ""
    return [f"{counted(len(comparison.particles), 'rod')}: {counts_in_words(statuses)}{not_counted}."]


def _fill_medians(table: QTableWidget, comparison: Comparison | None) -> None:
    titles = ["Quantity", "Condition", "Median", "90 % interval", "Unit", "Rods", "Not known", "Movies"]
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(titles)
    table.setRowCount(0)
    table.horizontalHeaderItem(titles.index("Not known")).setToolTip(f"{WHY_NOT_KNOWN}; they do not count.")
    if comparison is None:
        return
    counts = comparison.conditions.set_index("condition")
    for place, row in enumerate(comparison.table.to_dict("records")):
        table.insertRow(place)
        label = row["condition"]
        known = pd.notna(row["median"])
        cells = (
            _TITLES[row["quantity"]],
            label,
            f"{row['median']:.3g}" if known else "–",
            f"{row['low']:.3g} to {row['high']:.3g}" if known else "–",
            UNIT_WORDS.get(str(row["unit"]), ""),
            str(row["n_particles"]),
            str(row["n_unknown"]),
            str(row["n_movies"]),
        )
        statuses = {str(name).removeprefix("n_"): int(count) for name, count in counts.loc[label].items()}
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            item.setToolTip(f"{label}: {counts_in_words(statuses)}")
            table.setItem(place, column, item)
    table.setColumnHidden(titles.index("Quantity"), comparison.table["quantity"].nunique() == 1)
    table.setColumnHidden(titles.index("Unit"), not comparison.table["unit"].any())
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
