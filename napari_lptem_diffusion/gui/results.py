"""The result in the dock: what is coloured, the selected particle against time, and all particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from napari_lptem_diffusion.export.palette import MIXING_RATIO, SCALES
from napari_lptem_diffusion.gui.legend import Legend
from napari_lptem_diffusion.gui.messages import counted
from napari_lptem_diffusion.gui.plot import MotionPlot
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.table import ParticleTable

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis


class Results(QWidget):
    """Views of one analysis that share a `Selection`."""

    quantity_changed = Signal(str)
    """Emitted with the key of `export.palette.SCALES` to colour by."""

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._analysis: Analysis | None = None
        self._selection = selection
        self.quantity = MIXING_RATIO.column
        self._legend = Legend(self.quantity)
        self._particle = QLabel()
        self._particle.setWordWrap(True)
        self.plot = MotionPlot(selection)
        self.table = ParticleTable(selection)
        self._lay_out()
        selection.particle_changed.connect(self._show_particle)

    def show_analysis(self, analysis: Analysis) -> None:
        """Show another result; the longest track is selected."""
        self._analysis = analysis
        self.plot.set_frame_count(len(analysis.movie))
        particles = analysis.motion.particles
        self.table.set_particles(particles)
        longest = None if particles.empty else int(particles["particle"].iloc[particles["frames"].argmax()])
        self._selection.select(longest)
        self._show_particle(longest)

    @property
    def words(self) -> str:
        """What is said of the selected particle."""
        return str(self._particle.text())

    def set_theme(self, foreground: str, background: str, highlight: str) -> None:
        """Take the colours of napari's theme, as hex."""
        self.plot.set_theme(foreground, background, highlight)
        self._show_particle(self._selection.particle)

    def _show_particle(self, particle: int | None) -> None:
        if self._analysis is None:
            return
        if particle is None:
            self.plot.clear_motion()
            self._particle.setText("No rod is selected: click on one, or on a row of the table.")
            return
        motion = self._analysis.motion
        whole = motion.particles[motion.particles["particle"] == particle].iloc[0]
        self.plot.show_motion(motion.frames[motion.frames["particle"] == particle], change_frames(whole))
        self._particle.setText(particle_text(particle, whole))

    def _show_quantity(self, quantity: str) -> None:
        self.quantity = quantity
        self._legend.show_quantity(quantity)
        self.quantity_changed.emit(quantity)

    def _lay_out(self) -> None:
        choice = QHBoxLayout()
        choice.setSpacing(2)
        self.quantity_buttons = QButtonGroup(self)
        for scale in SCALES.values():
            button = QPushButton(scale.title)
            button.setCheckable(True)
            button.setChecked(scale.column == self.quantity)
            button.setToolTip(f"Colour tracks, axes and numbers by the {_in_sentence(scale.title)} at each frame.")
            button.clicked.connect(lambda _, quantity=scale.column: self._show_quantity(quantity))
            self.quantity_buttons.addButton(button)
            choice.addWidget(button)
        lists = QSplitter(Qt.Orientation.Vertical)
        lists.addWidget(self.plot)
        lists.addWidget(self.table)
        lists.setSizes([260, 140])
        lists.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(choice)
        layout.addWidget(self._legend)
        layout.addWidget(self._particle)
        layout.addWidget(lists, stretch=1)


def change_frames(whole: pd.Series) -> list[int]:
    """Return the frames of a row's ``change_points``."""
    text = whole["change_points"]
    return [int(frame) for frame in text.split(";")] if isinstance(text, str) and text else []


def particle_text(particle: int, whole: pd.Series) -> str:
    """Return a row of ``motion.particles`` in a sentence."""
    seen = f"Rod {particle} · {counted(whole['frames'], 'frame')}"
    if pd.isna(whole["mixing_ratio"]):
        why = "does not move beyond its localization error" if whole["immobile"] else "too short"
        return f"{seen} · {why}: no mixing ratio, no exponents"
    low, high = whole["mixing_ratio_low"], whole["mixing_ratio_high"]
    changes = len(change_frames(whole))
    changes_text = f" · {counted(changes, 'change')}" if changes else ""
    return f"{seen} · mixing ratio {whole['mixing_ratio']:.2f} ({low:.2f} to {high:.2f}){changes_text}"


def _in_sentence(title: str) -> str:
    """Return *title* as it is written within a sentence; abbreviations stay as they are."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
