"""The one selection and the one time that canvas, table and plot share."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal


class Selection(QObject):
    """The selected particle and the frame in view; views set it and follow its signals."""

    particle_changed = Signal(object)
    """Emitted with the particle (int), or None."""
    frame_changed = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._particle: int | None = None
        self._frame = 0

    @property
    def particle(self) -> int | None:
        """The selected particle, or None."""
        return self._particle

    @property
    def frame(self) -> int:
        """The frame in view."""
        return self._frame

    def select(self, particle: int | None) -> None:
        """Select *particle*; views are told if that is a change."""
        if particle != self._particle:
            self._particle = particle
            self.particle_changed.emit(particle)

    def show_frame(self, frame: int) -> None:
        """Show *frame*; views are told if that is a change."""
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit(frame)
