"""The corrections that were made, newest first."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.gui import correcting
from napari_lptem_diffusion.gui.corrections_said import Said
from napari_lptem_diffusion.gui.section import Section
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.particles.correcting.correction import Correction

_LINES = 6


class CorrectionsList(QWidget):
    """A list that folds away; a click shows the frame of a correction, a button takes it back."""

    take_back_wanted = Signal(int)
    """Emitted with the index of a correction."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection
        self._corrections: tuple[Correction, ...] = ()
        self._said = Said()
        self.list = QListWidget()
        self.list.setToolTip("Click: go to the frame of a correction.")
        self.list.setFixedHeight(_LINES * (self.list.fontMetrics().height() + 4))
        self.list.itemClicked.connect(self._show_frame)
        self.list.itemSelectionChanged.connect(self._refresh)
        self.take_back_button = QPushButton("Take this one back")
        self.take_back_button.setToolTip("Take back the chosen correction and make the later ones again.")
        self.take_back_button.clicked.connect(self._take_back)
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.list)
        inner.addWidget(self.take_back_button)
        self.section = Section("Corrections", "What was corrected, newest first.", body, unfolded=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.section)
        self.show_corrections(None)

    def show_corrections(self, analysis: Analysis | None) -> None:
        """Show the corrections of *analysis*."""
        self._corrections = () if analysis is None else analysis.corrections
        said = () if analysis is None else self._said.of(analysis)
        self.list.clear()
        for index in reversed(range(len(self._corrections))):
            place = correcting.place_of(self._corrections[index])
            item = QListWidgetItem(f"{index + 1}. {said[index]}")
            item.setToolTip(f"{said[index]}\nFrame {place.frame}, x = {place.x:.1f} px, y = {place.y:.1f} px")
            self.list.addItem(item)
        self.section.set_state(str(len(self._corrections)) if self._corrections else "none yet")
        self._refresh()

    def _chosen(self) -> int | None:
        row = self.list.currentRow()
        return len(self._corrections) - 1 - row if self.list.selectedItems() and row >= 0 else None

    def _show_frame(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._selection.show_frame(correcting.place_of(self._corrections[chosen]).frame)

    def _take_back(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.take_back_wanted.emit(chosen)

    def _refresh(self) -> None:
        self.take_back_button.setEnabled(self._chosen() is not None)
