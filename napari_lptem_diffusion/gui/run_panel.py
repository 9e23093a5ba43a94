"""Run, Cancel, and how far the work is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_lptem_diffusion.gui.messages import WARNING
from napari_lptem_diffusion.gui.worker import Work, Worker, announced_worker
from napari_lptem_diffusion.session import NOT_HERE

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Movie


@dataclass(frozen=True)
class Warned:
    """What is said of work that did what was asked, but perhaps not what was meant, and what takes it back."""

    text: str
    action: QAction


OnDone = Callable[[Any], str | Warned]

_SECONDS_BEFORE_ETA = 1.0
_OF_RUN = (
    "Find the rods in all frames, follow them and judge their motion. Replaces what was found in this movie before."
)
_NO_PICTURES = "These frames are empty, for the movie itself is not here: there are no rods to find."


class RunPanel(QWidget):
    """Runs one piece of work at a time, in another thread."""

    _on_done: OnDone

    run_clicked = Signal()
    failed = Signal(object)
    """Emitted with the exception that ended the work."""
    warned = Signal(object, object)
    """Emitted with a warning of the work and its category."""
    started = Signal()
    finished = Signal()
    """The work has ended: done, failed or stopped."""

    def __init__(self) -> None:
        super().__init__()
        self._worker: Worker | None = None
        self._stage = Stage("", 0.0)
        self._outcome: str | Warned = ""
        self._said = ""
        self._action: QAction | None = None
        self._link_colour = "blue"
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip(_OF_RUN)
        self.run_button.setStyleSheet("font-weight: bold;")
        self.run_button.clicked.connect(self.run_clicked)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the work; an earlier result stays.")
        self.cancel_button.clicked.connect(self.cancel)
        self.cancel_button.setEnabled(False)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._text.setOpenExternalLinks(True)
        self.action_button = QPushButton()
        self.action_button.clicked.connect(self._act)
        self.action_button.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, stretch=2)
        buttons.addWidget(self.cancel_button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.setSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(self._bar)
        said = QHBoxLayout()
        said.addWidget(self._text, stretch=1)
        said.addWidget(self.action_button, alignment=Qt.AlignmentFlag.AlignTop)
        layout.addLayout(said)

    @property
    def is_running(self) -> bool:
        """Whether work is under way."""
        return self._worker is not None

    @property
    def text(self) -> str:
        """What is said under the bar."""
        return self._said

    def say(self, what: str | Warned) -> None:
        """Show a text under the bar, which may have links, or a warning with its button, until the next one."""
        if self._action is not None:
            self._action.changed.disconnect(self._show_action)
        self._said = what if isinstance(what, str) else what.text
        self._action = None if isinstance(what, str) else what.action
        if self._action is not None:
            self._action.changed.connect(self._show_action)
        self._show_text()
        self._text.setObjectName("" if self._action is None else WARNING)
        self._text.style().polish(self._text)
        self._show_action()

    def _show_action(self) -> None:
        """Offer what takes the work back, while it can be done."""
        if self._action is not None:
            self.action_button.setText(self._action.text())
            self.action_button.setToolTip(self._action.toolTip())
            self.action_button.setEnabled(self._action.isEnabled())
        self.action_button.setVisible(self._action is not None)

    def _show_text(self) -> None:
        is_rich, text = "<a " in self._said, self._said
        self._text.setText(f"<style>a {{ color: {self._link_colour} }}</style>{text}" if is_rich else text)

    def _act(self) -> None:
        if self._action is not None:
            self._action.trigger()

    def set_link_colour(self, hex_colour: str) -> None:
        """Draw links in this colour: napari's style leaves them as dark as on paper."""
        self._link_colour = hex_colour
        self._show_text()

    def start(self, work: Work, description: str, on_done: OnDone) -> None:
        """Start *work*, unless some is running.

        Parameters
        ----------
        work : callable
        description : str
            Names the work here and where napari asks whether to close.
        on_done : callable
            Takes what *work* returned, in the GUI's thread, and returns what to `say` under the bar.
        """
        if self._worker is not None:
            return
        worker = announced_worker(work, description)
        worker.progressed.connect(self._on_progress)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_failed)
        worker.warned.connect(self._on_warned)
        worker.finished.connect(self._on_finished)
        self._worker, self._on_done = worker, on_done
        self._outcome = "Stopped; nothing was changed."
        self._set_running(True)
        self.started.emit()
        self.say(f"{description} …")
        worker.start()

    def offer(self, movie: Movie | None) -> None:
        """Let *movie* be analysed, if there is one with pictures and nothing runs."""
        is_empty = movie is not None and movie.path is None and (bool(movie.source_files) or NOT_HERE in movie.notes)
        self.run_button.setEnabled(movie is not None and not is_empty and not self.is_running)
        self.run_button.setToolTip(_NO_PICTURES if is_empty else _OF_RUN)

    def cancel(self) -> None:
        """Ask the work to stop; `finished` follows soon. What was done by then all the same counts as done."""
        if self._worker is not None:
            self._worker.stop()
            self.cancel_button.setEnabled(False)
            self.say("Stopping …")

    def abandon(self) -> None:
        """Stop the work and hear no more of it; works when Qt's half of the panel is gone."""
        if self._worker is not None:
            self._worker.quit()

    def _set_running(self, running: bool) -> None:
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self._bar.setRange(0, 0 if running else 1)  # 0 to 0: busy
        self._bar.setValue(0)

    def _on_progress(self, done: int, total: int, message: str) -> None:
        if not self.cancel_button.isEnabled():
            return
        now = time.monotonic()
        self._stage = self._stage.going_on(done, message, now)
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self.say(self._stage.text(done, total, now))

    def _on_returned(self, result: object) -> None:
        self._outcome = self._on_done(result)

    def _on_warned(self, warning: tuple[object, ...]) -> None:
        self.warned.emit(warning[0], warning[1])

    def _on_failed(self, error: Exception) -> None:
        self._outcome = "Not done."
        self.failed.emit(error)

    def _on_finished(self) -> None:
        self._worker = None
        self._set_running(False)
        self.say(self._outcome)
        self.finished.emit()


@dataclass(frozen=True)
class Stage:
    """A stage of the work, when it began, in seconds of any clock, and how far it was last."""

    message: str
    began_s: float
    done: int = 0

    def going_on(self, done: int, message: str, now_s: float) -> Stage:
        """Return the stage at the next report; one that goes back has begun anew, in another round over the movie."""
        if message != self.message or done < self.done:
            return Stage(message, now_s, done)
        return replace(self, done=done)

    def text(self, done: int, total: int, now_s: float) -> str:
        """Return stage, count and, once it can be told, the time that the stage will still take."""
        words = f"{self.message[:1].upper()}{self.message[1:]} · {done} of {total}"
        elapsed_s = now_s - self.began_s
        if done == 0 or done >= total or elapsed_s < _SECONDS_BEFORE_ETA:
            return words
        return f"{words} · {duration_text(elapsed_s / done * (total - done))} left"


def duration_text(seconds: float) -> str:
    """Return a duration in words for a person who waits, such as "40 s" or "3 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
