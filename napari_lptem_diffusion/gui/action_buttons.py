"""Buttons of actions, which napari's style draws as it draws other buttons."""

from __future__ import annotations

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QAbstractButton, QCheckBox, QPushButton


def action_button(action: QAction) -> QPushButton:
    """Return a push button that triggers *action* and follows its text, tooltip and whether it is enabled."""
    button = QPushButton()
    button.clicked.connect(action.trigger)
    _follow(button, action)
    return button


def action_box(action: QAction) -> QCheckBox:
    """Return a check box that follows the checkable *action* and sets it."""
    box = QCheckBox()
    _follow(box, action)
    action.toggled.connect(box.setChecked)
    box.setChecked(action.isChecked())
    box.toggled.connect(action.setChecked)
    return box


def _follow(button: QAbstractButton, action: QAction) -> None:
    def show() -> None:
        button.setText(action.text())
        button.setToolTip(action.toolTip())
        button.setEnabled(action.isEnabled())

    action.changed.connect(show)
    show()
