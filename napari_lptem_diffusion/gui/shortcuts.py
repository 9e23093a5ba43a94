"""All keyboard shortcuts: a list for the user, and precedence over napari's own within our docks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

ActionsOf = Callable[[], Iterable[QAction]]


class ShortcutKeeper(QObject):
    """Triggers actions by their keys while a dock has the focus, where napari uses the same keys for something else.

    Two actions with one key would both be refused by Qt as ambiguous. A field that is being typed in keeps its keys.
    """

    def __init__(self, dock: QWidget, actions: Iterable[QAction]) -> None:
        super().__init__(dock)
        self._actions = list(actions)
        for action in self._actions:
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)  # we trigger it, not Qt
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the keys of our actions; other keys go on."""
        if event.type() not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            return False
        pressed = QKeySequence(event.keyCombination())
        action = next((each for each in self._actions if pressed in each.shortcuts()), None)
        if action is None or not action.isEnabled():
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            action.trigger()
        return True


class ShortcutsDialog(QDialog):
    """The keys, by what they are for.

    Parameters
    ----------
    parent : QWidget
    groups : mapping of str to iterable of QAction
        By title; actions without a key are left out.
    """

    def __init__(self, parent: QWidget, groups: Mapping[str, Iterable[QAction]]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        for title, actions in groups.items():
            keyed = [action for action in actions if not action.shortcut().isEmpty()]
            if keyed:
                heading = QLabel(title)
                heading.setStyleSheet("font-weight: bold; padding-top: 8px;")
                grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            for action in keyed:
                row = grid.rowCount()
                keys = " or ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts())
                grid.addWidget(QLabel(keys), row, 0)
                what = QLabel(action.text().rstrip(" …"))
                what.setToolTip(action.toolTip())
                grid.addWidget(what, row, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(buttons)
