"""Another exposure or localization error for the tracks that are there: only their motion is judged anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_lptem_diffusion.corrections import History
from napari_lptem_diffusion.diffusion.known import known_in_words
from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.gui.messages import SECONDARY, WARNING
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.judge import NO_ERROR, judge_again
from napari_lptem_diffusion.settings import DiffusionSettings

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_OTHER = "The result in view was judged with other values."


class JudgeAgain(QWidget):
    """Says under the fields of Motion what the result in view was judged without or with, and offers to judge again."""

    work_wanted = Signal(object, str, object)
    """Emitted with `Work`, its description, and what to do with what it returns (`OnDone`)."""

    def __init__(self, form: SettingsForm[DiffusionSettings]) -> None:
        super().__init__()
        self._form = form
        self._result: Result | None = None
        self._analysis: Analysis | None = None
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QPushButton("Judge again")
        self.button.setToolTip(
            "Judge the motion of the same tracks with these values. Rods are not looked for again, and what you "
            "corrected stays."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.note)
        layout.addWidget(self.button)
        self.button.clicked.connect(self._judge)
        form.changed.connect(self._show)
        form.typed_changed.connect(lambda _: self._show())
        self._show()

    @property
    def lacks_error(self) -> bool:
        """Whether nothing says how well the positions in view are known."""
        now = self._analysis
        return now is not None and "localization_error" not in now.tracks and _error_px(now) is None

    def follow(self, result: Result) -> None:
        """Judge what *result* holds."""
        self._result = result

    def show_result(self, analysis: Analysis | None) -> None:
        """Offer to judge *analysis* again, the result in view; None: there is none."""
        self._analysis = analysis
        self._show()

    def _show(self) -> None:
        now = self._analysis
        is_other = now is not None and now.settings.diffusion != self._form.settings and not now.tracks.empty
        self.note.setText(NO_ERROR if self.lacks_error else _OTHER if is_other else "")
        self.note.setObjectName(WARNING if self.lacks_error else SECONDARY)
        self.note.style().polish(self.note)
        self.button.setEnabled(is_other)
        self.button.setVisible(is_other or self.lacks_error)
        self.setVisible(bool(self.note.text()))

    def _judge(self) -> None:
        result, settings = self._result, self._form.settings
        before = None if result is None else result.analysis
        if result is None or before is None or before is not self._analysis:
            return

        def on_done(judged: Analysis) -> str:
            if result.analysis is not before:
                return "Not judged: another result is shown by now."
            result.set_history(History(judged))
            known = known_in_words(judged.motion.particles)
            return f"Judged again; rods and tracks are the same. Mixing ratio: {known}."

        self.work_wanted.emit(partial(judge_again, before, settings), "Judging again", on_done)


def _error_px(analysis: Analysis) -> float | None:
    return analysis.settings.diffusion.localization_error_px
