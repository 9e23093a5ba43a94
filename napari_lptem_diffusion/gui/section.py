"""A panel of the dock that folds into its title."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_lptem_diffusion.gui.messages import SECONDARY


class Section(QWidget):
    """A title that folds *body*, with the state of the step on its right."""

    def __init__(self, title: str, tooltip: str, body: QWidget, unfolded: bool = True) -> None:
        super().__init__()
        self._body = body
        self._button = QToolButton()
        self._button.setText(title)
        self._button.setToolTip(tooltip)
        self._button.setCheckable(True)
        self._button.setAutoRaise(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setStyleSheet("QToolButton { font-weight: bold; border: none; background: transparent; }")
        self._button.toggled.connect(self.unfold)
        self._state = QLabel()
        self._state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._state.setObjectName(SECONDARY)

        header = QHBoxLayout()
        header.setContentsMargins(0, 0, 0, 0)
        header.addWidget(self._button)
        header.addWidget(self._state, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(header)
        layout.addWidget(body)
        body.setContentsMargins(10, 0, 0, 8)
        self._button.setChecked(unfolded)
        self.unfold(unfolded)

    @property
    def is_unfolded(self) -> bool:
        """Whether the body is shown."""
        return bool(self._button.isChecked())

    @property
    def state(self) -> str:
        """How far the step is."""
        return str(self._state.text())

    def fold(self, folded: bool = True) -> None:
        """Hide the body, or show it, as a click on the title does."""
        self._button.setChecked(not folded)

    def unfold(self, unfolded: bool) -> None:
        """Show or hide the body."""
        self._body.setVisible(unfolded)
        self._button.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)

    def set_state(self, text: str, explained: str = "") -> None:
        """Say in a few words how far the step is; they are *explained* in the tooltip."""
        self._state.setText(text)
        self._state.setToolTip(explained or text)


def scrolled(sections: QWidget) -> QScrollArea:
    """Return *sections* in an area that scrolls up and down."""
    area = QScrollArea()
    area.setWidget(sections)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
