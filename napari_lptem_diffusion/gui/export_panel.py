"""Where the result is to go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import check_output_folder, save_analysis, save_overlay_movie, save_report
from napari_lptem_diffusion.gui.messages import ask
from napari_lptem_diffusion.gui.result import Result

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis


class ExportPanel(QWidget):
    """Buttons that ask for a place and then want work to be done."""

    work_wanted = Signal(object, str)
    """Emitted with the `Work`, which returns the path that it wrote, and its description."""
    failed = Signal(object)

    def __init__(self, result: Result) -> None:
        super().__init__()
        self._result = result
        result.changed.connect(self._on_result)
        self._buttons: list[QPushButton] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for title, tooltip, on_click in (
            (
                "Export tables",
                "One CSV per particle, a summary, settings and provenance, in a new folder.",
                self._tables,
            ),
            ("Movie", "The movie with rods, tracks and colours drawn in.", self._movie),
            ("Report", "One page to read and to send: pictures, plots, table, settings.", self._report),
        ):
            button = QPushButton(title)
            button.setToolTip(tooltip)
            button.clicked.connect(on_click)
            layout.addWidget(button)
            self._buttons.append(button)

    @property
    def analysis(self) -> Analysis:
        """What is exported; the panel is shown only while there is a result."""
        assert self._result.analysis is not None
        return self._result.analysis

    def export_tables(self, parent_folder: Path) -> None:
        """Want the tables in a folder inside *parent_folder* that is named after the movie."""
        folder = parent_folder / f"{self.analysis.movie.name}_diffusion"
        try:
            replace = folder.exists() and any(folder.iterdir())
            if replace and not ask(self, f"Replace the earlier export in {folder}? Other files there stay.", "Replace"):
                return
            check_output_folder(folder, overwrite=replace)
        except (InputError, OSError) as error:
            self.failed.emit(error)
            return
        self.work_wanted.emit(partial(save_analysis, self.analysis, folder, replace), "Exporting tables")

    def _on_result(self, analysis: Analysis | None) -> None:
        """Without rods there is nothing to draw, only tables."""
        for button in self._buttons[1:]:
            button.setEnabled(analysis is not None and not analysis.motion.particles.empty)

    def _tables(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export into this folder", str(self._home()))
        if folder:
            self.export_tables(Path(folder))

    def _movie(self) -> None:
        self._save_file("Save the overlay movie", "overlay.mp4", "Movies (*.mp4 *.gif)", save_overlay_movie)

    def _report(self) -> None:
        self._save_file("Save the report", "report.html", "Pages (*.html)", save_report)

    def _save_file(self, title: str, ending: str, kinds: str, save: Any) -> None:
        proposed = self._home() / f"{self.analysis.movie.name}_{ending}"
        path, _ = QFileDialog.getSaveFileName(self, title, str(proposed), kinds)  # asks before it replaces
        if path:
            work = partial(save, self.analysis, Path(path), overwrite=True)
            self.work_wanted.emit(work, title.replace("Save", "Saving"))

    def _home(self) -> Path:
        movie = self.analysis.movie
        return Path.home() if movie.path is None else movie.path.parent
