"""What is not saved is kept on disk meanwhile, so that a crash loses at most a minute.

Each window has a folder of its own with a lock; a folder whose window is gone without tidying up is an orphan, and
its result is offered again.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QLockFile, QObject, QStandardPaths, QTimer, Signal

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.session_file import SESSION_SUFFIX
from napari_lptem_diffusion.gui.run_panel import duration_text
from napari_lptem_diffusion.gui.worker import Worker
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.session import autosave

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.progress import Progress, ShouldStop

LONGEST_LOSS_S = 60.0
_SOONEST_S = 5.0
_WORTH_KEEPING_S = 60.0
_LOCK = "lock"


def autosave_home() -> Path:
    """Return the folder of this user and computer in which windows keep what is not saved."""
    place = QStandardPaths.StandardLocation.GenericDataLocation
    return Path(QStandardPaths.writableLocation(place)) / "napari-lptem-diffusion" / "autosave"


class Autosave(QObject):
    """Keeps the latest unsaved analysis in a file, written in another thread.

    Parameters
    ----------
    parent : QObject
    home : Path
        Made when there is something to keep.
    """

    failed = Signal(object)
    """Emitted with the `InputError` when the file cannot be written, once."""

    def __init__(self, parent: QObject, home: Path) -> None:
        super().__init__(parent)
        self._folder = home / uuid.uuid4().hex
        self._lock: QLockFile | None = None
        self.unsaved: Analysis | None = None
        self._kept: Analysis | None = None
        self._turn = threading.Lock()
        self._written: Analysis | None = None
        self._kept_at_s = -LONGEST_LOSS_S
        self._worker: Worker | None = None
        self._has_failed = False
        self._adopted: Orphan | Autosave | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.keep_now)

    @property
    def text(self) -> str:
        """What is kept, in a sentence, once its movie was removed."""
        return "" if self.unsaved is None else f"Not saved when its movie was removed: {self.unsaved.movie.name}."

    @property
    def would_be_missed(self) -> bool:
        """Whether work would be lost with what is kept: corrections, or a long analysis."""
        return self.unsaved is not None and _is_worth_keeping(self.unsaved)

    def keep(self, analysis: Analysis, at_once: bool = False) -> None:
        """Write *analysis* soon, within a minute of what was written last, or as soon as Qt is idle."""
        self.unsaved = analysis
        if at_once:
            self._timer.start(0)
        elif not self._timer.isActive():
            wait_s = max(_SOONEST_S, self._kept_at_s + LONGEST_LOSS_S - time.monotonic())
            self._timer.start(round(1000 * wait_s))

    def adopt(self, left: Orphan | Autosave) -> None:
        """Take over what was kept elsewhere: it is deleted there once it is written here, or saved."""
        self._adopted = left

    def keep_now(self) -> None:
        """Write what is to be kept, in another thread; when one write ends later, a newer analysis follows then."""
        self._timer.stop()
        if self._worker is not None or self.unsaved is None or self.unsaved is self._kept:
            return
        worker = Worker(partial(self._write, self.unsaved, self._locked_folder()))
        worker.returned.connect(self._on_kept)
        worker.errored.connect(self._on_failed)
        worker.finished.connect(self._on_finished)
        self._worker, self._kept, self._kept_at_s = worker, self.unsaved, time.monotonic()
        worker.start()

    def forget(self) -> None:
        """Keep nothing any more: it is saved, or not wanted; works when Qt's half of the object is gone."""
        self.unsaved = self._kept = None
        if self._worker is None:
            self._clear()

    def leave(self) -> None:
        """Let go when the window closes: a result that would be missed stays, and is offered next time.

        Works when Qt's half of the object is gone.
        """
        if self._worker is not None:
            self._worker.quit()
        with self._turn:  # once what is being written is whole
            if self.would_be_missed:
                self._write_last()
            else:
                self._clear()
        if self._adopted is not None:
            self._adopted.leave()
        if self._lock is not None:
            self._lock.unlock()

    def _write_last(self) -> None:
        if self.unsaved is not None and self.unsaved is not self._written:
            try:
                autosave(self.unsaved, self._locked_folder())
            except InputError as error:
                warnings.warn(str(error), stacklevel=2)
                return
        self._discard_adopted()

    def _write(self, analysis: Analysis, folder: Path, progress: Progress, should_stop: ShouldStop) -> None:
        """Write *analysis* in another thread, then delete what was kept of other movies before."""
        with self._turn:
            if should_stop():  # the window was closed before it was this one's turn
                raise Stopped
            path = autosave(analysis, folder)
            for other in folder.glob(f"*{SESSION_SUFFIX}"):
                if other != path:
                    other.unlink()
            self._written = analysis

    def _locked_folder(self) -> Path:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._folder)
        return self._folder

    def _clear(self) -> None:
        self._discard_adopted()
        self._written = None
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _on_kept(self, _: None) -> None:
        self._has_failed = False
        self._discard_adopted()

    def _discard_adopted(self) -> None:
        if self._adopted is not None:
            self._adopted.forget()
            self._adopted = None

    def _on_failed(self, error: Exception) -> None:
        self._kept = None
        if not self._has_failed:
            self._has_failed = True
            self.failed.emit(error)

    def _on_finished(self) -> None:
        self._worker = None
        if self.unsaved is None:
            self._clear()
        elif self.unsaved is not self._kept:
            self.keep(self.unsaved)


@dataclass(frozen=True)
class Orphan:
    """A result that a window left behind.

    Attributes
    ----------
    path : Path
        The session.
    lock : QLockFile
        Held, so that no other window offers it too.
    """

    path: Path
    lock: QLockFile

    @property
    def text(self) -> str:
        """What was left, and when, in a sentence."""
        age_s = max(0.0, time.time() - self.path.stat().st_mtime)
        return f"Not saved last time: {self.path.stem.rpartition('-')[0]}, {duration_text(age_s)} ago."

    def leave(self) -> None:
        """Let other windows offer it."""
        self.lock.unlock()

    def forget(self) -> None:
        """Delete it."""
        self.lock.unlock()
        shutil.rmtree(self.path.parent, ignore_errors=True)


def newest_orphan(home: Path) -> Orphan | None:
    """Return the latest result that a window left behind, or None; empty folders are tidied away."""
    orphans = sorted(_orphans(home), key=lambda orphan: orphan.path.stat().st_mtime)
    for older in orphans[:-1]:
        older.lock.unlock()
    return orphans[-1] if orphans else None


def _orphans(home: Path) -> Iterator[Orphan]:
    for folder in sorted(home.iterdir()) if home.is_dir() else ():
        lock = _locked(folder) if folder.is_dir() else None
        if lock is None:
            continue
        sessions = sorted(folder.glob(f"*{SESSION_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        if sessions:
            yield Orphan(sessions[-1], lock)
        else:
            lock.unlock()
            shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path) -> QLockFile | None:
    """Return the lock of *folder*, held by this process, or None if a living one holds it."""
    lock = QLockFile(str(folder / _LOCK))
    lock.setStaleLockTime(0)  # however old: only a process that is gone leaves it
    return lock if lock.tryLock(0) else None


def _is_worth_keeping(analysis: Analysis) -> bool:
    """Whether work would be lost: corrections, or a long analysis."""
    took_s: Any = sum(lap.seconds for lap in analysis.times)
    return bool(analysis.corrections) or took_s > _WORTH_KEEPING_S
