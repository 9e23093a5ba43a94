"""How far the selected rod goes from frame to frame, over what its localization error alone would show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGraphicsPathItem

from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.frame_bins import FrameBins
from napari_lptem_diffusion.gui.views.theme import Theme, with_alpha
from napari_lptem_diffusion.gui.views.time_panels import TimePanels

Floats = NDArray[np.float64]
_RARE = 0.01
_NOISE_ALPHA = 110


@dataclass(frozen=True)
class Displacements:
    """The one-frame displacements of a track.

    Attributes
    ----------
    frame : (n,) int array
        From this frame to the next; none across a gap.
    length_px : (n,) array
    noise_px : float
        Root mean square that the localization error alone would give: 2 sigma, from two positions of two axes each;
        NaN where it is unknown.
    """

    frame: NDArray[np.int64]
    length_px: Floats
    noise_px: float

    @property
    def beyond_noise(self) -> NDArray[np.bool_]:
        """Which are longer than 99 % of those that the localization error alone would give (Rayleigh)."""
        least_px = self.noise_px * np.sqrt(-np.log(_RARE))
        return self.length_px > (0.0 if np.isnan(least_px) else least_px)


def displacements(track: pd.DataFrame) -> Displacements:
    """Return the one-frame displacements of a track.

    Parameters
    ----------
    track : DataFrame
        ``frame``, ``x``, ``y`` and, where known, ``localization_error`` (px) of one particle, sorted by frame.
    """
    frame = track["frame"].to_numpy()
    joined = np.flatnonzero(np.diff(frame) == 1)
    xy = track[["x", "y"]].to_numpy(float)
    length_px = np.hypot(*(xy[joined + 1] - xy[joined]).T)
    return Displacements(frame[joined], length_px, 2 * rms_error_px(track))


def rms_error_px(track: pd.DataFrame) -> float:
    """Return the root mean square localization error of a track in px per axis; NaN where unknown."""
    if "localization_error" not in track or track["localization_error"].isna().all():
        return float("nan")
    return float(np.sqrt((track["localization_error"] ** 2).mean()))


class DisplacementPlot(TimePanels):
    """One-frame displacements as sticks; those that the localization error may explain are paler."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        self._unit, self._px = "px", 1.0
        self._displacements = Displacements(np.empty(0, dtype=np.int64), np.empty(0), float("nan"))
        self.jumps, self.noise = QGraphicsPathItem(), QGraphicsPathItem()
        self.floor = pg.InfiniteLine(0, angle=0)
        self._panel = self.add_panel(None)
        for item in (self.noise, self.jumps, self.floor):
            self._panel.addItem(item, ignoreBounds=True)
        self.setToolTip(
            "How far the rod goes from one frame to the next. Dotted line: root mean square that the localization "
            "error alone would show, 2 sigma. Bold: longer than 99 % of what it would show; pale: it may be no more "
            "than that. Dashed: change points.\n"
            "Click: go to that frame. Wheel and drag: zoom and move in time; double click: the whole movie."
        )
        self.set_theme(self.theme)

    def set_scale(self, pixel_size_nm: float | None) -> None:
        """Show lengths in nm, or in px if the pixel size is unknown."""
        self._unit, self._px = ("px", 1.0) if pixel_size_nm is None else ("nm", pixel_size_nm)
        self._panel.setLabel("left", f"step<br>({self._unit})", color=self.theme.foreground)

    def show_track(self, track: pd.DataFrame, change_frames: Iterable[int]) -> None:
        """Draw the displacements of a rod, and the frames from which its motion is another."""
        self._displacements = displacements(track)
        floor = self._displacements.noise_px * self._px
        self.floor.setVisible(bool(np.isfinite(floor)))
        self.floor.setValue(np.nan_to_num(floor))
        highest = max(self._displacements.length_px.max(initial=0) * self._px, np.nan_to_num(floor), 1e-9)
        self._panel.setYRange(0, 1.08 * highest, padding=0)
        self.show_changes(change_frames)
        self.draw()
        self.say()

    def read_out(self, frame: int, place: str, short: bool = False) -> str:
        """Return the displacement that leaves *frame*."""
        moves = self._displacements
        index = np.searchsorted(moves.frame, frame)
        said = f"<b>{place}</b>"
        if index < len(moves.frame) and moves.frame[index] == frame:
            said += (
                f" &nbsp; step{'' if short else ' to the next'} {moves.length_px[index] * self._px:.3g} {self._unit}"
            )
        if np.isfinite(moves.noise_px):
            alone = "noise" if short else "localization error alone"
            said += f" &nbsp; {alone} {moves.noise_px * self._px:.3g} {self._unit} rms; bold: beyond it"
        return said

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of napari's theme."""
        super().set_theme(theme)
        self.floor.setPen(pg.mkPen(theme.foreground, style=Qt.PenStyle.DotLine, width=1.5))
        self._panel.setLabel("left", f"step<br>({self._unit})", color=theme.foreground)
        self.jumps.setPen(pg.mkPen(theme.foreground, width=2))
        self.noise.setPen(pg.mkPen(with_alpha(theme.foreground, _NOISE_ALPHA), width=1))
        self.show_changes(list(self.changes))

    def draw(self) -> None:
        """Draw the frames in view."""
        moves = self._displacements
        bins = FrameBins.of(moves.frame, *self.frames_in_view)
        length = moves.length_px * self._px
        for item, chosen in ((self.jumps, moves.beyond_noise), (self.noise, ~moves.beyond_noise)):
            item.setPath(bins.sticks(np.where(chosen, length, np.nan)))
