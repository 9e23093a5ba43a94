"""What of a result is seen on the canvas, each at one click."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QShowEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_lptem_diffusion.gui.action_buttons import action_box
from napari_lptem_diffusion.gui.look import AVERAGED_TO_EACH_SIDE, PARTICLE, QUANTITIES, Look
from napari_lptem_diffusion.gui.messages import counted

_SHORT_TITLES = {"mixing_ratio": "Mixing ratio", "alpha_fbm": "α FBM", "alpha_ctrw": "α CTRW", PARTICLE: "Rod"}
# Field of Look, text, tooltip, key.
_TOGGLES = (
    ("outlines", "Outlines", "Outline each rod in the colour of its value.", ""),
    ("masks", "Masks", "Fill the pixels of each rod; as a layer of labels, which napari can save.", ""),
    ("axes", "Axes", "Draw the long axis of each rod.", ""),
    ("numbers", "Numbers", "Write number and value beside each rod, as far as there is room.", "N"),
    ("changes", "Changes", "Mark by diamonds where the motion of a rod has changed, as long as its tail is seen.", ""),
    ("loose", "Loose rods", "Show, dotted, rods in no track; Ctrl and a click joins one to the selected track.", ""),
    ("legend", "Legend", "Show the colour scale on the canvas.", ""),
    ("only_selected", "Only selected", "Draw no other rods than the selected ones.", ""),
    ("only_filtered", "Only filtered", "Draw no rods that the filter above the table leaves out.", ""),
    ("others_pale", "Others pale", "Draw rods and tracks beside the selected ones paler.", ""),
    ("movie", "Movie", "Show the movie behind the rods.", "H"),
    (
        "averaged",
        "Averaged",
        f"Show the mean of {2 * AVERAGED_TO_EACH_SIDE + 1} frames around the one in view, so that faint rods stand out "
        "of the noise. For the eye only: the analysis takes the frames as they are.",
        "",
    ),
)
_COLUMNS = 3
_TAILS_FRAMES = (0, 5, 10, 20, 40, 60, 100, 200, 500, 1000, 5000)


class LookPanel(QWidget):
    """Buttons for the fields of a `Look`, which stay as they are when another result is shown.

    Attributes
    ----------
    quantity_buttons : QButtonGroup
        In the order of `look.QUANTITIES`.
    toggles : dict of str to QAction
        By field of `Look`.
    actions_ : list of QAction
        Those that have a key.
    """

    changed = Signal(object)
    """Emitted with the `Look`."""

    def __init__(self) -> None:
        super().__init__()
        self.look = Look()
        self.quantity_buttons = QButtonGroup(self)
        self.toggles: dict[str, QAction] = {}
        self.actions_: list[QAction] = []
        self.tail_slider = QSlider(Qt.Orientation.Horizontal)
        self._tail_text = QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for part in (self._quantities(), self._tail(), self._switches()):
            layout.addLayout(part)

    def showEvent(self, event: QShowEvent) -> None:
        """Have the keys work wherever the focus is in the window; a field that is typed in keeps its keys."""
        super().showEvent(event)
        self.window().addActions(self.actions_)

    def _quantities(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(QLabel("Colour by"))
        for quantity, title in QUANTITIES.items():
            button = QPushButton(_SHORT_TITLES[quantity])
            button.setCheckable(True)
            button.setChecked(quantity == self.look.quantity)
            what = "the number of the rod" if quantity == PARTICLE else f"{title} in each frame"
            button.setToolTip(f"Colour rods and tracks by {what}.")
            button.clicked.connect(partial(self._change, "quantity", quantity))
            self.quantity_buttons.addButton(button)
            row.addWidget(button, stretch=1)
        return row

    def _tail(self) -> QHBoxLayout:
        self.tail_slider.setRange(0, len(_TAILS_FRAMES) - 1)
        self.tail_slider.setValue(_TAILS_FRAMES.index(self.look.tail_frames))
        self.tail_slider.setPageStep(1)
        self.tail_slider.setToolTip("Over how many frames a track is seen behind its rod.")
        self.tail_slider.valueChanged.connect(self._on_tail)
        self._tail_text.setMinimumWidth(self._tail_text.fontMetrics().horizontalAdvance("5000 frames"))
        self._tail_text.setText(counted(self.look.tail_frames, "frame"))
        row = QHBoxLayout()
        row.addWidget(QLabel("Tail"))
        row.addWidget(self.tail_slider, stretch=1)
        row.addWidget(self._tail_text)
        return row

    def _switches(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        for index, (name, text, tooltip, key) in enumerate(_TOGGLES):
            action = QAction(text, self)
            action.setCheckable(True)
            action.setChecked(getattr(self.look, name))
            action.setToolTip(f"{tooltip} ({key})" if key else tooltip)
            action.toggled.connect(partial(self._change, name))
            if key:
                action.setShortcut(key)
                self.actions_.append(action)
            self.toggles[name] = action
            grid.addWidget(action_box(action), index // _COLUMNS, index % _COLUMNS)
        return grid

    def _on_tail(self, step: int) -> None:
        self._tail_text.setText(counted(_TAILS_FRAMES[step], "frame"))
        self._change("tail_frames", _TAILS_FRAMES[step])

    def _change(self, name: str, value: Any, _checked: bool = True) -> None:
        self.look = replace(self.look, **{name: value})
        self.changed.emit(self.look)
