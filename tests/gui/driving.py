"""What a user does in the window."""

from types import SimpleNamespace

from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

RUN_TIMEOUT_MS = 120_000


def drop(widget, *paths, modifier=Qt.KeyboardModifier.NoModifier):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    entered = QDragEnterEvent(QPoint(5, 5), action, mime, button, modifier)
    QApplication.sendEvent(widget, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), action, mime, button, modifier))


def open_movie_in(widget, path, qtbot):
    widget.open(path)
    qtbot.waitUntil(lambda: widget.movie_panel.movie is not None, timeout=RUN_TIMEOUT_MS)


def layer_names(widget):
    return {layer.name for layer in widget._viewer.layers}


def click_on_canvas(viewer, world):
    event = SimpleNamespace(type="mouse_press", position=world, modifiers=(), button=1)
    mouse_press_callbacks(viewer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(viewer, event)


def in_front(views, plot):
    """Show *plot* among the tabs."""
    views.results.tabs.setCurrentWidget(plot)
    QApplication.processEvents()


def take_keys(views, qtbot):
    """Give the table the focus; keys that are shortcuts work in an active window only."""
    with qtbot.waitActive(views.results):
        views.results.activateWindow()
    views.table.setFocus()
