"""Corrections of the result: buttons and keys, and the list of what was corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QKeySequence, QShowEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from napari_lptem_diffusion.gui import correcting
from napari_lptem_diffusion.gui.action_buttons import action_button
from napari_lptem_diffusion.gui.corrections_list import CorrectionsList
from napari_lptem_diffusion.gui.corrections_said import of_drift
from napari_lptem_diffusion.gui.messages import counted
from napari_lptem_diffusion.gui.movie_detector import MovieDetector
from napari_lptem_diffusion.gui.run_panel import Warned
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    Correction,
    DeleteRod,
    DeleteTrack,
    JoinTracks,
    MarkDirt,
    MarkStuck,
    ReplaceRod,
    SplitTrack,
)

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.corrections import History
    from napari_lptem_diffusion.gui.canvas import Canvas
    from napari_lptem_diffusion.gui.draft import Draft, Place
    from napari_lptem_diffusion.gui.result import Result
    from napari_lptem_diffusion.gui.scene import Scene
    from napari_lptem_diffusion.gui.selection import Selection
    from napari_lptem_diffusion.progress import Progress, ShouldStop

    Step = Callable[[History, Progress, ShouldStop], History]

# Name, text, keys, tooltip.
_ACTIONS = (
    ("undo", "Undo", ("Ctrl+Z",), "Take the last correction back."),
    ("redo", "Redo", ("Ctrl+Shift+Z",), "Make the correction again that was undone last."),
    ("join", "Join two", ("J",), "Make one track of the two selected ones."),
    ("split", "Split here", ("S",), "Cut the selected track: from the frame in view on it is another rod."),
    ("delete", "Delete track", ("Del",), "Take the selected tracks out; their rods stay, in no track."),
    ("stuck", "Stuck", (), "The selected rods do not move: they then measure the drift of the stage, for all rods."),
    ("add", "Add rod", ("A",), "Draw a rod that was missed: drag from tip to tip."),
    ("edit", "Edit rod", ("E",), "Move, turn or resize the selected rod in the frame in view."),
    ("delete_rod", "Delete rod", ("Shift+Del",), "Remove the selected rod in the frame in view, and only there."),
    ("dirt", "Dirt", (), "The selected particles are no rods but dirt: they are taken out and listed."),
    ("accept", "Accept", ("Return", "Enter"), "Take the rod as it is drawn."),
    ("give_up", "Give up", ("Esc",), "Leave the rod as it was."),
)
_ROWS = (
    ("undo", "redo"),
    ("join", "split", "delete"),
    ("add", "edit", "delete_rod"),
    ("stuck", "dirt"),
)
_WHILE_DRAWING = ("accept", "give_up")


class CorrectPanel(QWidget):
    """Corrects the analysis of a `Result`, in another thread.

    Parameters
    ----------
    selection : Selection
        What is corrected.
    canvas : Canvas
        Where rods are drawn and edited.
    result : Result

    Attributes
    ----------
    actions_ : list of QAction
        All, with their keys; those that cannot be done now are disabled and say why in their tooltip.
    fit_box : QCheckBox
        Whether a rod that is drawn is fitted to the movie.
    made : CorrectionsList
    """

    work_wanted = Signal(object, str, object)
    """Emitted with the work, its description and what to do with the outcome, as `RunPanel.start` takes them."""

    told = Signal(str)
    """Emitted with why a key does nothing now."""

    def __init__(self, selection: Selection, canvas: Canvas, result: Result) -> None:
        super().__init__()
        self._selection, self._canvas, self._result = selection, canvas, result
        self._is_busy = False
        self._detector = MovieDetector(self, result)
        self._track_of_drawn: int | None = None
        self._edited: int | None = None
        self._actions = {name: self._action(name, text, keys) for name, text, keys, _ in _ACTIONS}
        self.actions_ = list(self._actions.values())
        self._refusals = {name: self._refusal(keys) for name, _, keys, _ in _ACTIONS if name not in _WHILE_DRAWING}
        self.fit_box = QCheckBox("Fit what I draw to the movie")
        self.made = CorrectionsList(selection)
        self._lay_out()
        self._connect()
        self._refresh()

    def action(self, name: str) -> QAction:
        """Return an action by its name, such as "split"."""
        return self._actions[name]

    def set_busy(self, is_busy: bool) -> None:
        """Say whether something runs, so that no correction can be made now."""
        self._is_busy = is_busy
        if not is_busy:
            self._canvas.tool.keep(None)
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Have the keys work wherever the focus is in the window; a field that is typed in keeps its keys."""
        super().showEvent(event)
        self.window().addActions([*self.actions_, *self._refusals.values()])

    def _action(self, name: str, text: str, keys: tuple[str, ...]) -> QAction:
        action = QAction(text, self)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(getattr(self, f"_{name}"))
        return action

    def _refusal(self, keys: tuple[str, ...]) -> QAction:
        """What the same keys do while the action cannot be done: say why, as its text does."""
        refusal = QAction(self)
        refusal.setShortcuts([QKeySequence(key) for key in keys])
        refusal.triggered.connect(lambda: self.told.emit(refusal.text()))
        return refusal

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        rows = [self._row(names) for names in _ROWS]
        self._marks, self._while_drawing = rows[-1], self._row(_WHILE_DRAWING)  # in the same place, by turns
        for row in (*rows, self._while_drawing):
            layout.addWidget(row)
        self.fit_box.setChecked(True)
        self.fit_box.setToolTip(
            "The pose of a rod that you draw or edit is fitted to the frame, with its error. Where that is not "
            "possible, or without this, the pose is yours and its error the typical one of the track."
        )
        layout.addWidget(self.fit_box)
        layout.addWidget(self.made)

    def _row(self, names: Sequence[str]) -> QWidget:
        """Buttons side by side."""
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for name in names:
            layout.addWidget(action_button(self._actions[name]))
        return row

    def _connect(self) -> None:
        self._result.changed.connect(self._on_result)
        self._result.corrected.connect(self._on_result)
        self._selection.particles_changed.connect(self._refresh)
        self._selection.frame_changed.connect(self._refresh)
        self._canvas.movie_changed.connect(self._refresh)
        self._canvas.tool.changed.connect(self._refresh)
        self._canvas.tool.accepted.connect(self._on_drawn)
        self._canvas.keys_changed.connect(self._on_keys)
        self._canvas.loose_clicked.connect(self._on_loose)
        self.made.take_back_wanted.connect(self._take_back)

    def _on_result(self) -> None:
        self.made.show_corrections(self._result.analysis)
        self._refresh()

    def _on_keys(self, are_ours: bool) -> None:
        """Leave the keys to a layer that the user draws on."""
        context = Qt.ShortcutContext.WindowShortcut if are_ours else Qt.ShortcutContext.WidgetShortcut
        for action in (*self.actions_, *self._refusals.values()):
            action.setShortcutContext(context)

    def _refresh(self) -> None:
        """Enable what can be done now; the others say in their tooltip why they cannot."""
        history, scene, tool = self._result.history, self._canvas.scene, self._canvas.tool
        in_view = history is not None and self._result.image is self._canvas.image
        if history is None or not in_view:
            hindered = dict.fromkeys(self._actions, "There is no result in view.")
        elif self._is_busy:
            hindered = dict.fromkeys(self._actions, "Something else runs: wait for it, or cancel it.")
        elif tool.is_active:
            others = (name for name in self._actions if name not in _WHILE_DRAWING)
            hindered = dict.fromkeys(others, "First accept the rod that is being drawn, or give it up.")
        else:
            selected, frame = self._selection.particles, self._selection.frame
            hindered = correcting.hindrances(history.present, scene, selected, frame)
            hindered |= dict.fromkeys(_WHILE_DRAWING, "No rod is being drawn or edited.")
            hindered |= {} if history.can_undo else {"undo": "Nothing was corrected yet."}
            hindered |= {} if history.can_redo else {"redo": "Nothing was undone last."}
        if tool.is_drawing:
            hindered["accept"] = "Drag from tip to tip first."
        for name, _, _, tooltip in _ACTIONS:
            action = self._actions[name]
            action.setEnabled(name not in hindered)
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            words = f"{tooltip} ({keys})" if keys else tooltip
            action.setToolTip(f"{words}\n{hindered[name]}" if name in hindered else words)
        for name, refusal in self._refusals.items():
            refusal.setEnabled(in_view and name in hindered)
            refusal.setText(f"{self._actions[name].text()}: {hindered.get(name, '')}")
        stuck = set() if scene is None else set(self._selection.particles) & set(scene.marks)
        all_are = bool(stuck) and len(stuck) == len(self._selection.particles)
        self._actions["stuck"].setText("Not stuck" if all_are else "Stuck")
        self._marks.setVisible(not tool.is_active)
        self._while_drawing.setVisible(tool.is_active)
        self.made.setEnabled(not self._is_busy)

    @property
    def _main(self) -> int:
        particle = self._selection.particle
        assert particle is not None  # else the action is disabled
        return particle

    @property
    def _analysis(self) -> Analysis:
        analysis = self._result.analysis
        assert analysis is not None  # else the action is disabled
        return analysis

    @property
    def _scene(self) -> Scene:
        scene = self._canvas.scene
        assert scene is not None  # else the action is disabled
        return scene

    def _here(self, particle: int) -> Anchor:
        return correcting.anchor_of(self._scene, particle, self._selection.frame)

    def _undo(self) -> None:
        history = self._result.history
        if history is not None:
            place = correcting.place_of(history.present.corrections[-1])
            self._do(lambda now, progress, should_stop: now.undo(progress, should_stop), "Undoing a correction", place)

    def _redo(self) -> None:
        history = self._result.history
        if history is not None:
            corrections = history.future[-1].corrections
            place = correcting.place_of(corrections[-1]) if corrections else None
            self._do(lambda now, progress, should_stop: now.redo(), "Correcting again", place)

    def _delete(self) -> None:
        tracks = [DeleteTrack(track=self._here(particle)) for particle in self._selection.particles]
        self._correct(tracks, f"Deleting {counted(len(tracks), 'track')}", None)

    def _split(self) -> None:
        frame = self._selection.frame
        split = SplitTrack(track=self._here(self._main), first_frame=frame)
        self._correct([split], "Splitting a track", correcting.anchor_from(self._scene, self._main, frame))

    def _join(self) -> None:
        first, second = self._selection.particles
        join = JoinTracks(track=self._here(first), other=self._here(second))
        self._correct([join], "Joining two tracks", join.other)

    def _on_loose(self, place: Place) -> None:
        """Join the rod at *place*, which is in no track, to the selected track."""
        if len(self._selection.particles) == 1 and not self._is_busy:
            rod = Anchor(frame=self._selection.frame, x=place[0], y=place[1])
            join = JoinTracks(track=self._here(self._main), other=rod)
            self._correct([join], f"Joining a rod to track {self._main}", rod)

    def _delete_rod(self) -> None:
        self._correct([DeleteRod(rod=self._here(self._main))], "Deleting a rod", None)

    def _stuck(self) -> None:
        """Mark those of the selected rods that are not marked; if all are, take the marks back."""
        marks = {particle: correcting.mark_of(self._analysis, particle) for particle in self._selection.particles}
        made = {mark for mark in marks.values() if mark is not None}
        new = [MarkStuck(track=self._here(particle)) for particle, mark in marks.items() if mark is None]
        if new:
            self._correct(new, "Measuring the drift of the stage", self._here(self._main))
        else:
            self._do(lambda now, *how: now.without(made, *how), "Taking marks back", None)

    def _dirt(self) -> None:
        marks = [MarkDirt(track=self._here(particle)) for particle in self._selection.particles]
        self._correct(marks, "Taking dirt out", None)

    def _take_back(self, index: int) -> None:
        self._do(lambda now, *how: now.without({index}, *how), "Taking a correction back", None)

    def _add(self) -> None:
        """Let the user draw a rod: of the selected track where that is not seen in this frame, else of a new one."""
        main = self._selection.particle if self._canvas.scene is not None else None
        continues = main is not None and not correcting.is_seen(self._scene, main, self._selection.frame)
        self._edited, self._track_of_drawn = None, main if continues else None
        whose = f"rod {main}" if continues else "the new rod"
        self._canvas.tool.draw(correcting.typical_width_px(self._analysis, self._track_of_drawn), whose)

    def _edit(self) -> None:
        self._edited = self._main
        self._canvas.tool.edit(correcting.draft_of(self._scene, self._main, self._selection.frame))

    def _accept(self) -> None:
        self._canvas.tool.accept()

    def _give_up(self) -> None:
        self._canvas.tool.give_up()

    def _on_drawn(self, draft: Draft) -> None:
        """Correct by the rod that was drawn or edited."""
        rod = correcting.rod_of(draft, self._selection.frame)
        self._canvas.tool.keep((rod.frame, draft))
        place = Anchor(frame=rod.frame, x=rod.x, y=rod.y)
        if self._edited is not None:
            self._fit_and_correct(ReplaceRod(old=self._here(self._edited), rod=rod), "Changing a rod", place)
        else:
            track = None if self._track_of_drawn is None else self._here(self._track_of_drawn)
            self._fit_and_correct(AddRod(rod=rod, track=track), "Adding a rod", place)

    def _fit_and_correct(self, correction: AddRod | ReplaceRod, description: str, place: Anchor) -> None:
        if not (self.fit_box.isChecked() and correcting.can_fit(self._analysis)):
            self._correct([correction], description, place)
            return

        def step(history: History, progress: Progress, should_stop: ShouldStop) -> History:
            detector = self._detector.of(history.present, progress, should_stop)
            fitted = correcting.with_fit(history.present, correction, detector)
            return history.correct(fitted, progress, should_stop)

        self._do(step, description, place)

    def _correct(self, corrections: Sequence[Correction], description: str, place: Anchor | None) -> None:
        self._do(lambda now, *how: now.correct_together(corrections, *how), description, place)

    def _do(self, step: Step, description: str, place: Anchor | None) -> None:
        """Have *step* done in another thread; then select the rod at *place*, if there is one."""
        history = self._result.history
        if history is not None:
            self.work_wanted.emit(partial(step, history), description, partial(self._on_done, history, place))

    def _on_done(self, before: History, place: Anchor | None, after: History) -> str | Warned:
        """Show what came of a correction; return it in a sentence."""
        self._canvas.tool.keep(None)
        now = self._result.history
        if now is None or now.present.tracks is not before.present.tracks:
            return "Not corrected: another result is shown by now."
        if now is not before:  # another calibration, on which no correction depends
            after = after.calibrated(now.present.movie, now.present.settings.movie)
        particle = self._selection.particle if place is None else correcting.particle_near(after.present, place)
        kept = after.present.tracks["particle"].to_numpy()
        if particle not in kept:
            particle = None
        self._selection.select_many(each for each in self._selection.particles if each in kept and each == particle)
        self._result.set_history(after)
        self._selection.select(particle)
        done = len(after.present.corrections)
        is_new = done > len(before.present.corrections)
        if is_new and particle is not None and isinstance(after.present.corrections[-1], MarkStuck):
            said, moves = of_drift(after.present, particle)
            return Warned(said, self._actions["undo"]) if moves else said
        corrections = counted(done, "correction") if done else "No corrections"
        return f"{corrections}; {counted(len(after.present.motion.particles), 'rod')}."
