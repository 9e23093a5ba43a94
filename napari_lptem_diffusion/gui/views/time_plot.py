"""Mixing ratio and exponents of the selected rod against time, with their intervals and change points."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtGui import QPainterPath
from qtpy.QtWidgets import QGraphicsPathItem

from napari_lptem_diffusion.diffusion.changes import change_probability
from napari_lptem_diffusion.diffusion.estimate import CHANGE_REACH
from napari_lptem_diffusion.diffusion.known import is_known
from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.columns import UNKNOWN
from napari_lptem_diffusion.gui.views.frame_bins import FrameBins
from napari_lptem_diffusion.gui.views.theme import Theme, with_alpha
from napari_lptem_diffusion.gui.views.time_panels import TimePanels

_BAND_ALPHAS = {"_low": 45, "_q25": 85}
_MORE_ON_LIGHT = 1.7
_ENDS = (("_low", "_high"), ("_q25", "_q75"))
_PLATE_ALPHA = 190
_LEAST_LINES_BETWEEN_TICKS = 0.9
_TITLES = {"mixing_ratio": "mixing ratio", "alpha_fbm": "α FBM", "alpha_ctrw": "α CTRW"}


class TimePlot(TimePanels):
    """A panel for the mixing ratio and one for each exponent, so that bands never lie on one another."""

    key = "bands: 90 %, inner 50 %"

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        self._motion = pd.DataFrame()
        self.bands = {(name, ends): QGraphicsPathItem() for name in SCALES for ends in _ENDS}
        self.curves = {name: QGraphicsPathItem() for name in SCALES}
        self._panel_of = {name: self.add_panel((scale.low, scale.high)) for name, scale in SCALES.items()}
        for name, panel in self._panel_of.items():
            panel.vb.sigResized.connect(partial(self._write_ticks, name))
        for (name, _), band in self.bands.items():
            self._panel_of[name].addItem(band, ignoreBounds=True)
        for name, curve in self.curves.items():
            self._panel_of[name].addItem(curve, ignoreBounds=True)
        self.setToolTip(
            "Outer bands: central 90 % intervals, inner ones 50 %. Dashed lines: change points, with the probability "
            f"that the motion changes within {CHANGE_REACH} frames of there; below one half none is called.\n"
            "Click: go to that frame. Wheel and drag: zoom and move in time; double click: the whole movie."
        )
        self.set_theme(self.theme)

    def show_motion(self, motion: pd.DataFrame, change_frames: Iterable[int]) -> None:
        """Draw a rod's rows of ``motion.frames`` and the frames from which its motion is another."""
        self._motion = motion.set_index("frame", drop=False)
        self.draw()
        self.show_changes(change_frames)
        self.say()

    def draw(self) -> None:
        """Draw the frames in view."""
        if self._motion.empty:
            for item in (*self.bands.values(), *self.curves.values()):
                item.setPath(QPainterPath())
            return
        motion = {name: self._motion[name].to_numpy() for name in self._motion}
        bins = FrameBins.of(motion["frame"], *self.frames_in_view)
        for (name, (low, high)), band in self.bands.items():
            band.setPath(bins.band(motion[name + low], motion[name + high]))
        for name, curve in self.curves.items():
            curve.setPath(bins.curve(motion[name]))

    def read_out(self, frame: int, place: str, short: bool = False) -> str:
        """Return the values of the rod at *frame*, with their 90 % intervals if there is room."""
        if frame not in self._motion.index:
            return place + ("" if self._motion.empty else ": the rod is not seen")
        said = [f"<b>{place}</b>"]
        for name, title in _TITLES.items():
            value, low, high = (float(self._motion[name + end][frame]) for end in ("", "_low", "_high"))
            sure = "" if is_known(name, low, high) else " ?"
            text = UNKNOWN if np.isnan(value) else f"{value:.2f}{sure}{'' if short else f' ({low:.2f}–{high:.2f})'}"
            said.append(f"<span style='color:{self._colour(name)}'>{title}</span> {text}")
        return " &nbsp; ".join(said)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of napari's theme."""
        super().set_theme(theme)
        for (name, ends), band in self.bands.items():
            band.setPen(pg.mkPen(None))
            alpha = _BAND_ALPHAS[ends[0]] * (_MORE_ON_LIGHT if theme.is_light else 1)
            band.setBrush(pg.mkBrush(with_alpha(self._colour(name), round(alpha))))
        for name, curve in self.curves.items():
            curve.setPen(pg.mkPen(self._colour(name), width=2))
        for name, panel in self._panel_of.items():
            panel.setLabel("left", _TITLES[name].replace("mixing ", "mixing<br>"), color=self._colour(name))
        self.show_changes(list(self.changes))

    def _write_ticks(self, name: str, box: pg.ViewBox) -> None:
        """Write the ends of the scale, and its middle where there is room between them."""
        scale = SCALES[name]
        middle = (scale.low + scale.high) / 2
        ticks = [(value, "½" if value == 0.5 else f"{value:g}") for value in (scale.low, middle, scale.high)]
        apart_px = box.height() / box.viewRect().height() * (middle - scale.low)
        has_room = apart_px > _LEAST_LINES_BETWEEN_TICKS * self.fontMetrics().height()
        self._panel_of[name].getAxis("left").setTicks([ticks if has_room else ticks[::2]])

    def _colour(self, name: str) -> str:
        return {"alpha_fbm": self.theme.fbm, "alpha_ctrw": self.theme.ctrw}.get(name, self.theme.foreground)

    def show_changes(self, frames: Iterable[int]) -> None:
        """Draw change points, with their probability in the upper panel."""
        super().show_changes(frames)
        for frame, lines in self.changes.items():
            if frame in self._motion.index:
                self._write_probability(lines[0], change_probability(self._motion, frame))

    def _write_probability(self, line: pg.InfiniteLine, probability: float) -> None:
        """Write the probability of a change beside its line, which keeps the text alive."""
        beside, behind = [(0, 0.5), (0, 0.5)], with_alpha(self.theme.background, _PLATE_ALPHA)
        line.label = pg.InfLineLabel(line, f"{probability:.0%}", position=0.5, anchors=beside, fill=behind)
        line.label.setColor(self.theme.foreground)
