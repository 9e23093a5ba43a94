"""Keys in the dock, and the list of them."""

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.sessions import Sessions
from napari_lptem_diffusion.gui.shortcuts import ShortcutKeeper, ShortcutsDialog
from tests.analysis_factory import make_analysis

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


@pytest.fixture
def sessions(window, autosave_home):
    sessions = Sessions(Result(window), Selection(), autosave_home, window)
    yield sessions
    sessions.leave()


def press(widget, key, modifier):
    """Send what Qt sends for a key: first the question whether it is a shortcut here, then the key."""
    for kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
        QApplication.sendEvent(widget, QKeyEvent(kind, key, modifier))


def test_keys_in_the_dock_are_ours_but_not_while_typing(window, sessions, qtbot):
    done = []
    sessions.save_action.triggered.disconnect()
    sessions.save_action.triggered.connect(lambda: done.append("saved"))
    child, field = QWidget(), QLineEdit("text")
    layout = QVBoxLayout(window)
    layout.addWidget(child)
    layout.addWidget(field)
    ShortcutKeeper(window, sessions.actions_)
    control = Qt.KeyboardModifier.ControlModifier
    press(child, Qt.Key.Key_S, control)
    assert done == [], "there is no result to save"
    sessions._result.show(None, make_analysis())
    press(child, Qt.Key.Key_S, control)
    assert done == ["saved"]
    press(field, Qt.Key.Key_Z, control)
    press(child, Qt.Key.Key_S, Qt.KeyboardModifier.NoModifier)
    assert done == ["saved"]


def test_every_shortcut_is_listed(window, sessions):
    dialog = ShortcutsDialog(window, {"Session": sessions.actions_})
    words = {label.text() for label in dialog.findChildren(QLabel)}
    assert {"Session", "Ctrl+S", "Save session", "Open session"} <= words
