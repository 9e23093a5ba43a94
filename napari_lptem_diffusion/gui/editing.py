"""Drawing a rod on the canvas, and changing one by its handles."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_lptem_diffusion.gui.draft import Draft, Grip, Place


class RodTool(QObject):
    """What the mouse does while a rod is drawn or edited; places are px of the movie.

    Attributes
    ----------
    draft : Draft or None
        The rod that is being drawn or edited.
    awaited : tuple of int and Draft, or None
        The frame and pose of a rod that was accepted and is not in the result yet; set by `keep`.
    """

    changed = Signal()
    """The draft has changed, or the tool was taken up or laid down."""
    accepted = Signal(object)
    """Emitted with the `Draft` that the user accepts, after the tool was laid down."""

    def __init__(self) -> None:
        super().__init__()
        self.draft: Draft | None = None
        self.awaited: tuple[int, Draft] | None = None
        self._width_px: float | None = None
        self._whose = ""
        self._drag: tuple[Grip | None, Place, Draft | None] | None = None

    @property
    def is_drawing(self) -> bool:
        """Whether a rod is to be drawn from tip to tip."""
        return self._width_px is not None

    @property
    def is_active(self) -> bool:
        """Whether a rod is being drawn or edited."""
        return self.is_drawing or self.draft is not None

    @property
    def hint(self) -> str:
        """How to go on."""
        if self.is_drawing:
            return f"Drag from tip to tip of {self._whose} · Esc: give up"
        return "" if self.draft is None else "Drag body, tips or sides · Enter: accept · Esc: give up"

    def draw(self, width_px: float, whose: str = "the rod") -> None:
        """Let the user drag a rod of this width from tip to tip; it is accepted when the button is let go.

        The hint says *whose* rod it is, such as "rod 3".
        """
        self._whose = whose
        self._take_up(None, width_px)

    def edit(self, draft: Draft) -> None:
        """Show handles by which *draft* is changed, until `accept` or `give_up`."""
        self._take_up(draft, None)

    def accept(self) -> None:
        """Take the draft as it is."""
        draft = self.draft
        self.give_up()
        if draft is not None:
            self.accepted.emit(draft)

    def keep(self, awaited: tuple[int, Draft] | None) -> None:
        """Show the rod that was accepted, in its frame, until the result has it; None: no more."""
        if awaited != self.awaited:
            self.awaited = awaited
            self.changed.emit()

    def awaited_in(self, frame: int) -> Draft | None:
        """Return the rod that is awaited in *frame*."""
        return self.awaited[1] if self.awaited is not None and self.awaited[0] == frame else None

    def give_up(self) -> None:
        """Lay the tool down and forget the draft."""
        if self.is_active:
            self._take_up(None, None)

    def grip_at(self, place: Place, reach: float) -> Grip | None:
        """Return what a press at *place* would grip, within *reach* px."""
        return None if self.draft is None else self.draft.grip_at(place, reach)

    def press(self, place: Place, reach: float) -> bool:
        """Begin to drag; return whether there is something to drag at *place*."""
        grip = self.grip_at(place, reach)
        if not self.is_drawing and grip is None:
            return False
        self._drag = grip, place, self.draft
        return True

    def move(self, place: Place) -> None:
        """Drag on to *place*."""
        if self._drag is None:
            return
        grip, start, draft = self._drag
        if self._width_px is not None:
            self.draft = Draft.of_tips(start, place, self._width_px)
        elif draft is not None and grip is not None:
            self.draft = draft.dragged(grip, start, place)
        self.changed.emit()

    def release(self) -> None:
        """End the drag; a rod that was drawn is accepted, unless it is no more than a dot."""
        was_drawn = self._drag is not None and self._width_px is not None
        self._drag = None
        if was_drawn and self._width_px is not None and self.draft is not None:
            if self.draft.length > self._width_px:
                self.accept()
            else:
                self._take_up(None, self._width_px)

    def _take_up(self, draft: Draft | None, width_px: float | None) -> None:
        self.draft, self._width_px, self._drag = draft, width_px, None
        self.changed.emit()
