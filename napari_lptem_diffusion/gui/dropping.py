"""What is dropped on the window, and where it may be dropped."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_lptem_diffusion.export.session_file import SESSION_FILE, SESSION_SUFFIX
from napari_lptem_diffusion.gui.import_tracks import TRACK_SUFFIXES
from napari_lptem_diffusion.movie import looks_like_movie
from napari_lptem_diffusion.movie.folder import FRAME_SUFFIXES, images_in

_ENTERS = (QEvent.Type.DragEnter, QEvent.Type.DragMove)
_OTHERS_KEYS = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier


class Kind(Enum):
    """What a file or folder is to this program."""

    MOVIE = "movie"
    TRACKS = "tracks"
    SESSION = "session"
    SETTINGS = "settings"


def kind_of(path: Path) -> Kind | None:
    """Return what *path* is by its ending, or by what a folder holds; None: nothing of ours. No file is read."""
    if path.is_dir():
        if (path / SESSION_FILE).is_file():
            return Kind.SESSION
    elif path.suffix.lower() in TRACK_SUFFIXES:
        return Kind.TRACKS
    elif path.suffix.lower() == SESSION_SUFFIX:
        return Kind.SESSION
    elif path.suffix.lower() == ".toml":
        return Kind.SETTINGS
    return Kind.MOVIE if looks_like_movie(path) else None


class DropTarget(QObject):
    """Takes what is dropped on the dock, and what is ours on napari's canvas, where napari asks for a reader.

    On the canvas Shift and Alt leave a drop to napari, to which they mean "as a stack" and "let me choose".
    """

    dropped = Signal(list)
    """Emitted with the paths, once the program they were dragged from has been answered: dialogs may be shown."""

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._paths: list[Path] = []
        self._answered = QTimer(self)
        self._answered.setSingleShot(True)
        self._answered.timeout.connect(self._on_answered)
        dock.setAcceptDrops(True)
        dock.installEventFilter(self)

    def watch(self, window: QMainWindow) -> None:
        """Take what is dropped on the canvas of *window*, too."""
        for widget in window.centralWidget().findChildren(QWidget):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take an event that drops files for us."""
        if watched is self._dock and event.type() in _ENTERS and event.mimeData().hasUrls():
            event.acceptProposedAction()
            return True
        if event.type() != QEvent.Type.Drop:
            return False
        paths = local_paths(event)
        if not paths or (watched is not self._dock and not _is_ours(event, paths)):
            return False
        event.acceptProposedAction()
        self._paths += paths
        self._answered.start()
        return True

    def _on_answered(self) -> None:
        paths, self._paths = self._paths, []
        self.dropped.emit(paths)


def local_paths(event: QDropEvent) -> list[Path]:
    """Return the files and folders that are dropped."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def is_too_little(path: Path) -> bool:
    """Whether *path* is an empty folder, or a single frame, by itself or in a folder; opening it says so."""
    if path.is_dir():
        return next(path.iterdir(), None) is None or next(images_in(path), None) is not None
    return path.suffix.lower() in FRAME_SUFFIXES


def _is_ours(event: QDropEvent, paths: list[Path]) -> bool:
    known = all(kind_of(path) is not None or is_too_little(path) for path in paths)
    return known and not event.modifiers() & _OTHERS_KEYS
