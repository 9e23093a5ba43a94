"""What does not belong to one step: settings files, comparing, help."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_lptem_diffusion.gui.help import PAGES, HelpWindow
from napari_lptem_diffusion.gui.presets import PresetsMenu


class TopBar(QWidget):
    """One line of buttons at the top of the dock.

    Parameters
    ----------
    presets : PresetsMenu
    compare : callable
        Opens the window that compares movies.
    show_results : callable
        Brings table and plots back.
    show_shortcuts : callable
    """

    def __init__(
        self,
        presets: PresetsMenu,
        compare: Callable[[], object],
        show_results: Callable[[], object],
        show_shortcuts: Callable[[], object],
    ) -> None:
        super().__init__()
        self._help: HelpWindow | None = None
        settings_button = QPushButton("Settings")
        settings_button.setToolTip("Keep settings in a file, take them from one, or go back to the defaults.")
        settings_button.setMenu(presets)
        self.compare_button = QPushButton("Compare …")
        self.compare_button.setToolTip("Results of several movies against dose rate or another condition.")
        self.compare_button.clicked.connect(lambda: compare())
        self.results_button = QPushButton("Results")
        self.results_button.setToolTip("Bring back the table and the plots, where they were closed or hidden.")
        self.results_button.clicked.connect(lambda: show_results())
        self.results_button.setEnabled(False)
        help_button = QPushButton("Help")
        help_button.setToolTip("First steps, how to read the result, keyboard shortcuts.")
        self.help_menu = QMenu(help_button)
        for title, name in PAGES.items():
            self.help_menu.addAction(title).triggered.connect(lambda _=False, name=name: self.show_help(name))
        self.help_menu.addSeparator()
        self.help_menu.addAction("Keyboard shortcuts").triggered.connect(lambda _=False: show_shortcuts())
        help_button.setMenu(self.help_menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (settings_button, self.results_button, self.compare_button, help_button):
            layout.addWidget(button)

    def show_help(self, name: str) -> None:
        """Show a page of the documentation."""
        if self._help is None:
            self._help = HelpWindow(self)
        self._help.show_page(name)
