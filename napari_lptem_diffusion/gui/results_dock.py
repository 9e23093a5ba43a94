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
_PANEL_EM, _TABS_EM = 30, 2
"""Below the panel on the right only where so much of that stays."""


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
    """Lay the dock out as wide and high as it can be.

    It reaches below napari's panels on the left, and below ours on the right, where these have enough height left. In a
    small window, those on the left become tabs so that they have.
    """
    least, most = _HEIGHTS_PX
    height = min(max(round(_HEIGHT_SHARE * window.height()), least), most)
    above = round(_PANELS_SHARE * window.height())
    left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
    of_corners = {Qt.Corner.BottomLeftCorner: left, Qt.Corner.BottomRightCorner: right}
    on_left = _panels(window, left)
    least_on_left = sum(map(_least_height, on_left))
    least_as_tabs = max(map(_least_height, on_left), default=0) + _TABS_EM * dock.fontMetrics().height()
    if above - least_on_left < least <= above - least_as_tabs:
        for other in on_left[1:]:
            window.tabifyDockWidget(on_left[0], other)
        least_on_left = least_as_tabs
    if above - least_on_left >= least:
        of_corners[Qt.Corner.BottomLeftCorner] = Qt.DockWidgetArea.BottomDockWidgetArea
        height = min(height, above - least_on_left)
    least_on_right = sum(map(_least_height, _panels(window, right)))
    if above - height >= max(least_on_right, _PANEL_EM * dock.fontMetrics().height()):
        of_corners[Qt.Corner.BottomRightCorner] = Qt.DockWidgetArea.BottomDockWidgetArea
    for corner, area in of_corners.items():
        window.setCorner(corner, area)
    window.resizeDocks([dock], [height], Qt.Orientation.Vertical)


def _panels(window: QMainWindow, area: Qt.DockWidgetArea) -> list[QDockWidget]:
    """Return the panels that are seen on one side."""
    docks = [dock for dock in window.findChildren(QDockWidget) if dock.isVisible() and not dock.isFloating()]
    return [dock for dock in docks if window.dockWidgetArea(dock) == area]


def _least_height(panel: QDockWidget) -> int:
    return int(panel.minimumSizeHint().height())
