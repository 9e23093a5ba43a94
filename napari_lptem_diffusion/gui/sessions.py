"""Saving the result and opening it again, and what a window that crashed left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMessageBox, QPushButton, QSizePolicy, QWidget

from napari_lptem_diffusion.export.session_file import SESSION_FILE, SESSION_SUFFIX, SessionView
from napari_lptem_diffusion.gui.autosave import Autosave, Orphan, newest_orphan
from napari_lptem_diffusion.gui.messages import TITLE, ask, counted, written
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.saving import ask_where_to_save
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.movie import MOVIE_SUFFIXES
from napari_lptem_diffusion.session import MovieNotFoundError, open_session_as_seen, save_session

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.progress import Progress, ShouldStop

OnOpened = Callable[["Analysis"], None]

_KINDS = f"Sessions (*{SESSION_SUFFIX})"


@dataclass
class _Document:
    """The analysis of one movie: what is kept of it against a crash, and where it is saved, if it is."""

    autosave: Autosave
    analysis: Analysis | None = None
    path: Path | None = None
    is_saved: bool = False

    @property
    def has_unsaved_corrections(self) -> bool:
        return self.analysis is not None and bool(self.analysis.corrections) and not self.is_saved


class Sessions(QObject):
    """Saves and opens the analyses of a `Result`; what is not saved is kept against a crash."""

    work_wanted = Signal(object, str, object)
    """Emitted with `Work`, its description, and what to do with what it returns (`OnDone`)."""
    opened = Signal(object)
    """Emitted with the `Analysis` of a session."""
    not_kept = Signal(object)
    """Emitted with the `InputError` when what is not saved cannot be kept on disk."""

    def __init__(self, result: Result, selection: Selection, home: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self._result, self._selection = result, selection
        self._window = parent
        self._missing: tuple[str, Path, OnOpened] | None = None
        self._home = home
        self._documents: dict[Image | None, _Document] = {}
        self.recovery = RecoveryLine()
        self.recovery.reopen_wanted.connect(self._reopen)
        self.save_action = self._action(
            "Save session", "Ctrl+S", "Save tables, settings and corrections in one file, without the movie.",
            self.save,
        )  # fmt: skip
        self.save_as_action = self._action("Save as …", "Ctrl+Shift+S", "Save into another file.", self.save_as)
        self.open_action = self._action(
            "Open session …", "Ctrl+O", "Open a saved session, or the session of an export.", self.ask_open
        )
        self.actions_ = [self.save_action, self.save_as_action, self.open_action]
        result.gone.connect(self._on_gone)
        result.changed.connect(self._on_changed)
        result.corrected.connect(self._on_corrected)
        self._offer_to_save()
        QTimer.singleShot(0, partial(self.recovery.offer_newest, home))

    @property
    def path(self) -> Path | None:
        """Where the result that is shown was saved."""
        return self._document.path

    @property
    def autosave(self) -> Autosave:
        """What keeps the result that is shown."""
        return self._document.autosave

    def has_unsaved_corrections(self, image: Image | None) -> bool:
        """Whether the user's work would be lost with the result of the movie in *image*."""
        return image in self._documents and self._documents[image].has_unsaved_corrections

    def may_replace_result(self, image: Image | None) -> bool:
        """Whether the result of the movie in *image* may go: the user is asked where its corrections are not saved."""
        analysis = self._result.of(image)
        if analysis is None or not self.has_unsaved_corrections(image):
            return True
        question = f"The corrections of {analysis.movie.name} are not saved. Replace its result?"
        return ask(self._window, question, "Replace")

    def save(self) -> None:
        """Save where the session was saved before; ask where if it never was."""
        if self.path is None:
            self.save_as()
        else:
            self.save_to(self.path)

    def save_as(self) -> None:
        """Ask for a file and save there."""
        movie = self._the_analysis.movie
        folder = Path.home() if movie.path is None else movie.path.parent
        proposed = self.path or folder / f"{movie.name}{SESSION_SUFFIX}"
        path = ask_where_to_save(self._window, "Save the session", proposed, _KINDS, SESSION_SUFFIX)
        if path is not None:
            self.save_to(path)

    def save_to(self, path: Path) -> None:
        """Save into *path*, in place of what is there."""
        document, analysis = self._document, self._the_analysis
        view = SessionView(self._selection.frame, self._selection.particles)

        def save(progress: Progress, should_stop: ShouldStop) -> Path:
            return save_session(analysis, path, overwrite=True, view=view)

        def on_saved(path: Path) -> str:
            document.path = path
            self.note_saved(analysis)
            return written(path)

        self.work_wanted.emit(save, "Saving the session", on_saved)

    def note_saved(self, analysis: Analysis) -> None:
        """Take note that *analysis* is on disk, in a session or in an export."""
        for document in self._documents.values():
            if document.analysis is analysis:
                document.is_saved = True
                document.autosave.forget()

    def ask_open(self) -> None:
        """Ask for a session and open it."""
        path, _ = QFileDialog.getOpenFileName(self._window, "Open a session", str(Path.home()), _KINDS)
        if path:
            self.open(Path(path))

    def open(self, path: Path) -> None:
        """Open the session in a file or in the folder of an export; where its movie is missing, the user is asked."""
        self._open(path, on_opened=partial(self._on_opened, path))

    def leave(self) -> None:
        """Let go when the window closes; works when Qt's half of the object is gone."""
        for document in self._documents.values():
            document.autosave.leave()
        self.recovery.leave()

    def _open(self, path: Path, on_opened: OnOpened, **how: Any) -> None:
        def work(progress: Progress, should_stop: ShouldStop) -> tuple[Analysis, SessionView | None] | str:
            try:
                return open_session_as_seen(path, **how)
            except MovieNotFoundError as missing:
                return str(missing)  # an exception that is returned is an error to napari

        def on_done(opened: tuple[Analysis, SessionView | None] | str) -> str:
            if isinstance(opened, str):
                self._missing = opened, path, on_opened
                return opened
            found, view = opened
            on_opened(found)
            if view is not None:
                self._look_as(view, found)
            corrected = f", {counted(len(found.corrections), 'correction')}" if found.corrections else ""
            return f"Session of {found.movie.name}: {counted(len(found.motion.particles), 'rod')}{corrected}."

        self.work_wanted.emit(work, f"Opening {path.name}", on_done)

    def _look_as(self, view: SessionView, analysis: Analysis) -> None:
        """Show the frame and select the particles of *view*, as far as *analysis* has them."""
        there = set(analysis.motion.particles["particle"])
        self._selection.select_many(particle for particle in view.particles if particle in there)
        self._selection.show_frame(min(view.frame, len(analysis.movie) - 1))

    def ask_for_missing_movie(self) -> None:
        """Ask for the movie of the session that was to be opened, if it is missing, once the work has ended."""
        if self._missing is not None:
            missing, path, on_opened = self._missing
            self._missing = None
            self._ask_for_movie(missing, path, on_opened)

    def _ask_for_movie(self, missing: str, path: Path, on_opened: OnOpened) -> None:
        box = QMessageBox(QMessageBox.Icon.Question, TITLE, missing, QMessageBox.StandardButton.Cancel, self._window)
        box.setInformativeText("The results can be looked at without it; the frames are then empty.")
        find = box.addButton("Find the movie …", QMessageBox.ButtonRole.AcceptRole)
        without = box.addButton("Open without it", QMessageBox.ButtonRole.AcceptRole)
        box.exec()
        if box.clickedButton() is without:
            self._open(path, on_opened, without_movie=True)
        elif box.clickedButton() is find:
            kinds = " ".join(f"*{suffix}" for suffix in MOVIE_SUFFIXES)
            movie, _ = QFileDialog.getOpenFileName(
                self._window, "Where is the movie?", str(path.parent), f"Movies ({kinds});;All files (*)"
            )
            if movie:
                self._open(path, on_opened, movie=Path(movie))
        box.deleteLater()

    def _on_opened(self, path: Path, analysis: Analysis) -> None:
        self.opened.emit(analysis)
        is_of_export = path.is_dir() or path.name == SESSION_FILE  # its tables beside it would not be saved along
        self._document.path = None if is_of_export else path
        self.note_saved(analysis)

    def _reopen(self, offer: Orphan | Autosave) -> None:
        if isinstance(offer, Orphan):
            self._open(offer.path, partial(self._on_reopened, offer))
        elif offer.unsaved is not None:
            self._on_reopened(offer, offer.unsaved)

    def _on_reopened(self, offer: Orphan | Autosave, analysis: Analysis) -> None:
        self.opened.emit(analysis)
        self.recovery.withdraw(offer)
        self.autosave.adopt(offer)

    @property
    def _document(self) -> _Document:
        """That of the result that is shown, or of none."""
        image = self._result.image
        if image not in self._documents:
            self._documents[image] = _Document(Autosave(self, self._home))
            self._documents[image].autosave.failed.connect(self.not_kept)
        return self._documents[image]

    @property
    def _the_analysis(self) -> Analysis:
        analysis = self._result.analysis
        assert analysis is not None, "there is nothing to save without a result"
        return analysis

    def _on_gone(self, image: Image | None) -> None:
        """Offer again what went with the layer of its movie, if it would be missed."""
        document = self._documents.pop(image, None)
        if document is not None and document.autosave.would_be_missed:
            self.recovery.offer(document.autosave)
            document.autosave.keep_now()
        elif document is not None:
            document.autosave.forget()

    def _on_changed(self, analysis: Analysis | None) -> None:
        if analysis is not None and analysis is not self._document.analysis:  # else it was chosen again
            self._document.path = None
            self._take(analysis, at_once=True)
        self._offer_to_save()

    def _on_corrected(self, analysis: Analysis) -> None:
        self._take(analysis, at_once=False)
        self._offer_to_save()

    def _take(self, analysis: Analysis, at_once: bool) -> None:
        """Keep *analysis*, unless it is empty: an earlier one that was kept is worth more then."""
        document = self._document
        document.analysis, document.is_saved = analysis, False
        if _is_worth_keeping(analysis):
            document.autosave.keep(analysis, at_once)

    def _offer_to_save(self) -> None:
        analysis = self._result.analysis
        for action in (self.save_action, self.save_as_action):
            action.setEnabled(analysis is not None and _is_worth_keeping(analysis))

    def _action(self, text: str, shortcut: str, tooltip: str, on_triggered: Callable[[], None]) -> QAction:
        action = QAction(text, self._window)
        action.setShortcut(QKeySequence(shortcut))
        action.setToolTip(tooltip)
        action.triggered.connect(lambda: on_triggered())
        return action


def _is_worth_keeping(analysis: Analysis) -> bool:
    return not analysis.tracks.empty or bool(analysis.corrections)


class RecoveryLine(QWidget):
    """One line that offers unsaved results again, one at a time; hidden while there is nothing to offer."""

    reopen_wanted = Signal(object)
    """Emitted with what is offered: an `Orphan`, or the `Autosave` of a result whose movie was removed."""

    def __init__(self) -> None:
        super().__init__()
        self.offers: list[Orphan | Autosave] = []
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reopen_button = QPushButton("Reopen")
        self.reopen_button.setToolTip("Open what was kept when its movie was removed, or the last window closed.")
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Delete what was kept, after a question.")
        self.discard_button.setFlat(True)
        self.reopen_button.clicked.connect(lambda: self.reopen_wanted.emit(self.offers[-1]))
        self.discard_button.clicked.connect(self._discard)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.addWidget(self._text, stretch=1)
        layout.addWidget(self.reopen_button)
        layout.addWidget(self.discard_button)
        self.hide()

    def offer_newest(self, home: Path) -> None:
        """Offer the latest result that is left in *home*, if there is one."""
        orphan = newest_orphan(home)
        if orphan is not None:
            self.offer(orphan)

    def offer(self, offer: Orphan | Autosave) -> None:
        """Offer this first, and what was offered before when it is answered."""
        self.offers.append(offer)
        self._show_last()

    def withdraw(self, offer: Orphan | Autosave) -> None:
        """Offer it no more; it stays where it is."""
        self.offers.remove(offer)
        self._show_last()

    def leave(self) -> None:
        """Let other windows offer what is not answered; works when Qt's half is gone."""
        for offer in self.offers:
            offer.leave()

    def _discard(self) -> None:
        if ask(self, f"{self.offers[-1].text} Delete it for good?", "Delete"):
            self.offers.pop().forget()
            self._show_last()

    def _show_last(self) -> None:
        self._text.setText(self.offers[-1].text if self.offers else "")
        self.setVisible(bool(self.offers))
