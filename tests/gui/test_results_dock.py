"""How much of the window the table and plots take."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_lptem_diffusion.gui.results_dock import _give_room

BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea


@pytest.mark.parametrize(("height", "reaches_below"), [(1000, True), (600, False)])
def test_they_reach_below_the_panel_on_the_right_where_enough_of_that_stays(height, reaches_below, qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    right, below = QDockWidget(), QDockWidget()
    right.setWidget(QWidget())
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, right)
    window.addDockWidget(BOTTOM, below)
    window.resize(1366, height)
    window.show()
    _give_room(below, window)
    assert (window.corner(Qt.Corner.BottomRightCorner) == BOTTOM) == reaches_below
    right.widget().setMinimumHeight(800)
    _give_room(below, window)
    assert window.corner(Qt.Corner.BottomRightCorner) == Qt.DockWidgetArea.RightDockWidgetArea


@pytest.mark.parametrize(("height", "are_tabs"), [(1000, False), (768, True), (420, False)])
def test_they_reach_below_the_panels_on_the_left_which_become_tabs_in_a_small_window(height, are_tabs, qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    controls, layers, below = QDockWidget(), QDockWidget(), QDockWidget()
    for dock, least in ((controls, 300), (layers, 180)):
        dock.setWidget(QWidget())
        dock.widget().setMinimumHeight(least)
        window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.addDockWidget(BOTTOM, below)
    window.resize(1366, height)
    window.show()
    _give_room(below, window)
    assert (window.tabifiedDockWidgets(controls) == [layers]) == are_tabs
    assert (window.corner(Qt.Corner.BottomLeftCorner) == BOTTOM) == (height > 600)
