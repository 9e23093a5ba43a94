"""The line over the table in which a condition is typed: only rods that meet it are shown."""

from __future__ import annotations

import pandas as pd
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.messages import SECONDARY
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.columns import Column
from napari_lptem_diffusion.gui.views.expression import matching_rows

PRESETS = {
    "Judged only": "judged",
    "Long tracks": "frames >= 100",
    "Mixtures only": "model_mismatch <= 0.5",
    "Known": "mixing_ratio_known",
    "To be believed": "mixing_ratio_known and model_mismatch <= 0.5 and not merge_suspected",
    "Away from the edge": "frames_at_edge == 0",
    "Immobile": "immobile",
    "Switching": "changes > 0",
}
_PAUSE_MS = 300
_LONGEST_REASON = 100  # letters; with what follows from it, three lines of a narrow window
_WRONG = "#e0564f"  # to be read on dark and light ground


class FilterLine(QWidget):
    """Sets which rods `Selection` shows; a text that cannot be read is explained below and changes nothing."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection
        self._table = pd.DataFrame({"particle": pd.Series(dtype="int64")})
        self._columns: tuple[Column, ...] = ()
        self.edit = QLineEdit()
        self.edit.setClearButtonEnabled(True)
        self.edit.setPlaceholderText("Filter: frames >= 50")
        self.edit.setToolTip(
            "Show only rods that meet a condition on the columns of the table, such as frames >= 50 and "
            "mixing_ratio < 0.3; headings will do as names. Compare with <, <=, >, >=, ==, !=; join "
            "with 'and', 'or', 'not'; log10() and abs() are known. What is known: mixing_ratio_known and the like."
        )
        self.count = QLabel()
        self.count.setObjectName(SECONDARY)
        self.count.setToolTip("Rods that are shown, of all.")
        self.error = _Sentence()
        self.error.setStyleSheet(f"color: {_WRONG};")
        self.error.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self.apply)
        self.edit.textChanged.connect(lambda _: self._timer.start())
        self.edit.returnPressed.connect(self.apply)
        self._lay_out()

    def set_table(self, table: pd.DataFrame, columns: tuple[Column, ...]) -> None:
        """Filter another `rod_table` by what is typed; where it has no such columns, all rods are shown."""
        self._table, self._columns = table, columns
        if not self.apply():  # what is shown until now are numbers of other rods
            self.count.setText(f"{len(table)} of {len(table)}")
            self._selection.show_only(None)
            self.error.say(self.error.toolTip(), "All rods are shown.")

    def show_text(self, text: str) -> None:
        """Filter by *text*, as if it had been typed."""
        self.edit.setText(text)
        self.apply()

    def apply(self) -> bool:
        """Filter by what is typed, or say what is wrong with it; return whether it could be read."""
        self._timer.stop()
        text = self.edit.text()
        try:
            met = matching_rows(text, self._table, {column.name: column.title for column in self._columns})
        except InputError as error:
            self.error.say(str(error), "The last filter stays." if self._selection.shown is not None else "")
            self.error.show()
            return False
        self.error.hide()
        passing = frozenset(self._table["particle"].to_numpy()[met].tolist())
        self.count.setText(f"{len(passing)} of {len(self._table)}")
        self._selection.show_only(passing if text.strip() else None)
        return True

    def menu(self) -> QMenu:
        """Return the menu of ready-made conditions and of the columns that one may name."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for title, text in PRESETS.items():
            action = menu.addAction(title)
            action.setToolTip(text)
            action.triggered.connect(lambda _, text=text: self.show_text(text))
        names = menu.addMenu("Insert a column")
        names.setToolTipsVisible(True)
        for column in self._columns:
            action = names.addAction(f"{column.heading}:  {column.name}")
            action.setToolTip(column.help)
            action.triggered.connect(lambda _, name=column.name: self._insert(name))
        menu.addSeparator()
        clear = menu.addAction("Show all")
        clear.triggered.connect(lambda _: self.show_text(""))
        return menu

    def _insert(self, name: str) -> None:
        """Put the name of a column where the cursor is, and go on typing there."""
        self.edit.insert(name + " ")
        self.edit.setFocus()

    def _show_menu(self) -> None:
        self.menu().popup(self.presets.mapToGlobal(self.presets.rect().bottomLeft()))

    def _lay_out(self) -> None:
        self.presets = QToolButton()
        self.presets.setArrowType(Qt.ArrowType.DownArrow)
        self.presets.setAccessibleName("Ready-made filters")
        self.presets.setToolTip("Ready-made conditions, and the columns that a condition may name.")
        self.presets.clicked.connect(self._show_menu)
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.edit, stretch=1)
        line.addWidget(self.presets)
        line.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.error)


class _Sentence(QLabel):
    """A label of three lines at most, whose text never widens what it is in; the whole of it is in its tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMaximumHeight(3 * self.fontMetrics().lineSpacing() + 4)

    def say(self, reason: str, consequence: str) -> None:
        """Show *reason*, cut where it is too long, and what follows from it."""
        cut = reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
        self.setText(f"{cut} {consequence}".strip())
        self.setToolTip(reason)

    def minimumSizeHint(self) -> QSize:
        """No width of its own."""
        return QSize(0, self.fontMetrics().lineSpacing())
