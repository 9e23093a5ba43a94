"""The views of the result in a dock of their own along the bottom of napari's window."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    import napari

TITLE = "LPTEM results"
_HEIGHT_SHARE = 0.36
_HEIGHTS_PX = (230, 340)
_PANELS_SHARE = 0.9


class ResultsDock:
    """Docks *views* when there is something to see; `show` brings back what the user hid or closed.

    Parameters
    ----------
    viewer : napari.Viewer
    views : QWidget
        Kept when the dock is closed.
    """

    def __init__(self, viewer: napari.Viewer, views: QWidget) -> None:
        self._viewer = viewer
        self._views = views
        self._window: ReferenceType[QMainWindow] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the views are docked and not hidden."""
        dock = self._dock
        return dock is not None and not dock.isHidden()

    def show(self) -> None:
        """Dock the views, or bring them back in front as they were."""
        dock = self._dock
        if dock is None:
            dock = self._viewer.window.add_dock_widget(self._views, name=TITLE, area="bottom")
            self._views.show()
            window = dock.window()
            self._window = ref(window)
            _give_room(dock, window)
        dock.show()
        dock.raise_()

    def hide(self) -> None:
        """Hide the dock, if there is one."""
        if self._dock is not None:
            self._dock.hide()

    def remove(self) -> None:
        """Take the dock out of the window and delete the views; a window that closes does so itself."""
        window = None if self._window is None else self._window()
        if window is None or not isalive(window):
            return
        if self._dock is not None:
            self._viewer.window.remove_dock_widget(self._views)
        self._views.deleteLater()

    @property
    def _dock(self) -> QWidget | None:
        """The dock around the views: napari takes them out of it when the user closes it."""
        return self._views.parentWidget()


def _give_room(dock: QDockWidget, window: QMainWindow) -> None:
    """Lay the dock out as wide and high as it can be beside the panels on the right, which keep their height.

    It reaches below napari's panels on the left only where these have enough height left.
    """
    on_the_left = [
        panel.minimumSizeHint().height()
        for panel in window.findChildren(QDockWidget)
        if window.dockWidgetArea(panel) == Qt.DockWidgetArea.LeftDockWidgetArea and panel.isVisible()
    ]
    least, most = _HEIGHTS_PX
    height = min(max(round(_HEIGHT_SHARE * window.height()), least), most)
    below_left = round(_PANELS_SHARE * window.height()) - sum(on_the_left)
    left = Qt.DockWidgetArea.LeftDockWidgetArea
    if below_left >= least:
        left, height = Qt.DockWidgetArea.BottomDockWidgetArea, min(height, below_left)
    window.setCorner(Qt.Corner.BottomLeftCorner, left)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
    window.resizeDocks([dock], [height], Qt.Orientation.Vertical)
