"""Where the result is to go: sessions, tables, pictures, other programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QGuiApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import check_output_folder, save_analysis, save_overlay_movie, save_report
from napari_lptem_diffusion.export.folder import EXPORT_SUFFIX, size_text
from napari_lptem_diffusion.export.publication import save_figures
from napari_lptem_diffusion.export.recipe import python_recipe
from napari_lptem_diffusion.export.trackmate import save_trackmate
from napari_lptem_diffusion.gui.messages import ask, written
from napari_lptem_diffusion.gui.movie_dialog import MovieDialog
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.overlay_style import OverlayStyle

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.gui.selection import Selection
    from napari_lptem_diffusion.gui.sessions import Sessions
    from napari_lptem_diffusion.particles.track_files.columns import ColumnMap

_SPACING_PX = 5


class ExportPanel(QWidget):
    """Buttons that ask for a place and then want work to be done; the last place is proposed again."""

    work_wanted = Signal(object, str, object)
    """Emitted with `Work`, its description, and what to do with what it returns (`OnDone`)."""
    told = Signal(str)
    """Emitted with a sentence that says what was done at once."""
    failed = Signal(object)

    def __init__(self, result: Result, selection: Selection, sessions: Sessions) -> None:
        super().__init__()
        self._result = result
        self._selection = selection
        self._sessions = sessions
        self._folder: Path | None = None
        self._columns: WeakKeyDictionary[Image, tuple[object, ColumnMap | None]] = WeakKeyDictionary()
        self._movie_style = OverlayStyle()
        self.tables_action = self._action(
            "Tables …",
            "One CSV per particle, a summary, settings and provenance, in a new folder that opens as a session.",
            self._tables,
        )
        self.report_action = self._action(
            "Report …", "One page to read and to send: pictures, plots, table, settings.", self._report
        )
        self.movie_action = self._action(
            "Movie …", "The movie with rods, tracks and colours drawn in, as MP4 or GIF.", self._movie
        )
        self.trackmate_actions = [
            self._action(f"TrackMate {kind} …", tooltip, partial(self._trackmate, ending))
            for kind, ending, tooltip in (
                ("XML", "xml", "Opens in TrackMate (Fiji) with tracks, outlines and all quantities."),
                ("CSV", "csv", "A table of spots as TrackMate writes it."),
            )
        ]
        self.copy_action = self._action(
            "Copy as Python", "Put a script that does this analysis again on the clipboard.", self._copy_as_python
        )
        self.figures_actions = [
            self._action(
                "Selected rods …",
                "All rods together, and one figure for each rod that is selected, as SVG and PDF.",
                lambda: self._figures(self._selection.particles),
            ),
            self._action(
                "Longest tracks …",
                "All rods together, and one figure for each of the longest tracks, as SVG and PDF.",
                lambda: self._figures(None),
            ),
        ]
        self._drawn: list[QAction | QWidget] = [
            self.report_action,
            self.movie_action,
            *self.trackmate_actions,
            *self.figures_actions,
        ]
        self._lay_out()
        result.changed.connect(self._offer)
        result.corrected.connect(self._offer)

    @property
    def analysis(self) -> Analysis:
        """What is exported; the panel is shown only while there is a result."""
        assert self._result.analysis is not None
        return self._result.analysis

    def note_columns(self, columns: ColumnMap | None) -> None:
        """Take note of what the columns of the file of tracks were taken for, whose motion is the result."""
        assert self._result.image is not None
        # `measured`: the same object in all that is made of one analysis by corrections.
        self._columns[self._result.image] = self.analysis.measured, columns

    def export_tables(self, parent_folder: Path) -> None:
        """Want the tables in a folder inside *parent_folder* that is named after the movie."""
        analysis = self.analysis
        place = self._free_folder(parent_folder / f"{analysis.movie.name}{EXPORT_SUFFIX}")
        if place is None:
            return
        folder, replace = place

        def on_done(path: Path) -> str:
            self._sessions.note_saved(analysis)  # a session is among the tables
            return written(path)

        self.work_wanted.emit(partial(save_analysis, analysis, folder, replace), "Exporting tables", on_done)

    def export_figures(self, parent_folder: Path, particles: tuple[int, ...] | None) -> None:
        """Want figures of all rods and of *particles*, None: the longest tracks, in a folder inside *parent_folder*."""
        which = "longest" if particles is None else "selected"
        place = self._free_folder(parent_folder / f"{self.analysis.movie.name}_figures_{which}")
        if place is not None:
            folder, replace = place
            work = partial(save_figures, self.analysis, folder, particles, overwrite=replace)
            self.work_wanted.emit(work, "Drawing figures", written)

    def _free_folder(self, folder: Path) -> tuple[Path, bool] | None:
        """Return *folder* and whether to replace what is in it; None: the user does not want to, or it cannot be."""
        self._folder = folder.parent
        try:
            replace = folder.exists() and any(folder.iterdir())
            if replace and not ask(self, f"Replace the earlier export in {folder}? Other files there stay.", "Replace"):
                self.told.emit(f"Nothing was written: {folder.name} is there already.")
                return None
            check_output_folder(folder, overwrite=replace)
        except (InputError, OSError) as error:
            self.failed.emit(error)
            return None
        return folder, replace

    def _offer(self, analysis: Analysis | None) -> None:
        """Without rods there is nothing to draw, only tables."""
        for action in self._drawn:
            action.setEnabled(analysis is not None and not analysis.motion.particles.empty)

    def _tables(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export into this folder", str(self._home()))
        if folder:
            self.export_tables(Path(folder))

    def _figures(self, particles: tuple[int, ...] | None) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Put the figures into this folder", str(self._home()))
        if folder:
            self.export_figures(Path(folder), particles)

    def export_movie(self, path: Path, style: OverlayStyle) -> None:
        """Want the overlay movie at *path*, in place of what is there."""
        self._movie_style = style
        work = partial(save_overlay_movie, self.analysis, path, overwrite=True, style=style)
        self.work_wanted.emit(work, "Drawing the overlay movie", _written_with_size)

    def _movie(self) -> None:
        dialog = MovieDialog(self, self.analysis.movie, self._movie_style)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._save_movie(dialog.style_wanted))
        dialog.open()

    def _save_movie(self, style: OverlayStyle) -> None:
        path = self._ask_file("Save the overlay movie", "overlay.mp4", "Movies (*.mp4 *.gif)")
        if path is not None:
            self.export_movie(path, style)

    def _report(self) -> None:
        self._save_file("Save the report", "report.html", "Pages (*.html)", save_report)

    def _trackmate(self, ending: str) -> None:
        def save(analysis: Analysis, path: Path, progress: object, should_stop: object, overwrite: bool) -> Path:
            return save_trackmate(analysis, path, overwrite=overwrite)

        self._save_file("Save for TrackMate", f"trackmate.{ending}", f"TrackMate (*.{ending})", save)

    def _copy_as_python(self) -> None:
        image = self._result.image
        measured, columns = (None, None) if image is None else self._columns.get(image, (None, None))
        of_these = columns if measured is self.analysis.measured else None
        QGuiApplication.clipboard().setText(python_recipe(self.analysis, of_these))
        self.told.emit("The script is on the clipboard.")

    def _save_file(self, title: str, ending: str, kinds: str, save: Any) -> None:
        path = self._ask_file(title, ending, kinds)
        if path is not None:
            work = partial(save, self.analysis, path, overwrite=True)
            self.work_wanted.emit(work, title.replace("Save", "Saving"), _written_with_size)

    def _ask_file(self, title: str, ending: str, kinds: str) -> Path | None:
        proposed = self._home() / f"{self.analysis.movie.name}_{ending}"
        path, _ = QFileDialog.getSaveFileName(self, title, str(proposed), kinds)  # asks before it replaces
        if not path:
            return None
        self._folder = Path(path).parent
        return Path(path)

    def _home(self) -> Path:
        movie = self.analysis.movie
        return self._folder or (Path.home() if movie.path is None else movie.path.parent)

    def _action(self, text: str, tooltip: str, on_triggered: Callable[[], None]) -> QAction:
        action = QAction(text, self)
        action.setToolTip(tooltip)
        action.triggered.connect(lambda: on_triggered())
        return action

    def _lay_out(self) -> None:
        figures = _menu_button("Figures", "Figures for a paper, as SVG and PDF.", self.figures_actions)
        more = _menu_button("More", "TrackMate (Fiji), and a script.", [*self.trackmate_actions, self.copy_action])
        self._drawn.append(figures)
        rows = (
            (
                button_of(self._sessions.save_action, "Save session"),
                button_of(self._sessions.save_as_action),
                button_of(self._sessions.open_action, "Open …"),
            ),
            (
                button_of(self.tables_action),
                button_of(self.report_action),
                button_of(self.movie_action),
                figures,
                more,
            ),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_SPACING_PX)
        for buttons in rows:
            row = QHBoxLayout()
            row.setSpacing(_SPACING_PX)
            for button in buttons:
                row.addWidget(button, stretch=1)
            layout.addLayout(row)


def _written_with_size(path: Path) -> str:
    return f"{written(path)} {size_text(path)}."


def _menu_button(text: str, tooltip: str, actions: list[QAction]) -> QPushButton:
    button = QPushButton(text)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setToolTip(tooltip)
    menu = QMenu(button)
    menu.addActions(actions)
    menu.setToolTipsVisible(True)
    button.setMenu(menu)
    return button


def button_of(action: QAction, text: str = "") -> QPushButton:
    """Return a button that triggers *action*, and is enabled and explained as it is."""
    button = QPushButton(text or action.text())
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def follow() -> None:
        keys = action.shortcut().toString()
        button.setToolTip(f"{action.toolTip()} ({keys})" if keys else action.toolTip())
        button.setEnabled(action.isEnabled())

    action.changed.connect(follow)
    button.clicked.connect(lambda: action.trigger())
    follow()
    return button
