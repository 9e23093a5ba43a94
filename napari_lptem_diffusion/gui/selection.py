"""The one selection and the one time that canvas, table and plots share."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QObject, Signal


class Selection(QObject):
    """The selected particles, those that pass the filter, and the frame in view; views set and follow them."""

    particle_changed = Signal(object)
    """Emitted with the main particle (int), or None."""
    particles_changed = Signal(object)
    """Emitted with all selected particles (tuple of int, the main one last), after ``particle_changed``."""
    frame_changed = Signal(int)
    shown_changed = Signal(object)
    """Emitted with the particles that pass the filter (frozenset of int), or None for all."""
    centre_wanted = Signal()
    """Emitted when the main particle is to be brought into view."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._particles: tuple[int, ...] = ()
        self._frame = 0
        self._shown: frozenset[int] | None = None

    @property
    def particle(self) -> int | None:
        """The main selected particle, or None."""
        return self._particles[-1] if self._particles else None

    @property
    def particles(self) -> tuple[int, ...]:
        """All selected particles, the main one last."""
        return self._particles

    @property
    def frame(self) -> int:
        """The frame in view."""
        return self._frame

    @property
    def shown(self) -> frozenset[int] | None:
        """The particles that pass the filter; None: all."""
        return self._shown

    def select(self, particle: int | None) -> None:
        """Select *particle* alone, or nothing; views are told if that is a change."""
        self.select_many(() if particle is None else (particle,))

    def toggle(self, particle: int) -> None:
        """Add *particle* as the main one, or take it out of the selection if it is in it."""
        others = tuple(other for other in self._particles if other != particle)
        self.select_many(others if particle in self._particles else (*others, particle))

    def select_many(self, particles: Iterable[int]) -> None:
        """Select these particles, of which the last is the main one; views are told if that is a change."""
        particles = tuple(dict.fromkeys(particles))
        if particles == self._particles:
            return
        earlier = self.particle
        self._particles = particles
        if self.particle != earlier:
            self.particle_changed.emit(self.particle)
        self.particles_changed.emit(particles)

    def show_frame(self, frame: int) -> None:
        """Show *frame*; views are told if that is a change."""
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit(frame)

    def show_only(self, shown: frozenset[int] | None) -> None:
        """Show only these particles, None: all; views are told if that is a change."""
        if shown != self._shown:
            self._shown = shown
            self.shown_changed.emit(shown)

    def centre(self) -> None:
        """Ask the canvas to bring the main particle into view."""
        if self._particles:
            self.centre_wanted.emit()
