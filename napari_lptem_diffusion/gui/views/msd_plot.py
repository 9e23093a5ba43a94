"""Mean squared displacement of the selected rods, with what the network's numbers for the main one predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QPainterPath, QResizeEvent
from qtpy.QtWidgets import QGraphicsPathItem

from napari_lptem_diffusion.export.units import with_units
from napari_lptem_diffusion.gui.colours import particle_rgb
from napari_lptem_diffusion.gui.views.axes import DecadesAxis, GivingLabel
from napari_lptem_diffusion.gui.views.displacements import rms_error_px
from napari_lptem_diffusion.gui.views.msd_model import MsdParts, msd_parts, relative_error
from napari_lptem_diffusion.gui.views.theme import Theme, with_alpha

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.movie import Calibration

Floats = NDArray[np.float64]
_UNSURE = 0.3
_UNSURE_ALPHA = 90
_MOST_OTHERS = 30
_CURVE_POINTS = 60
_POINT_PX = 6
_AXIS_WIDTH_EM = 4.2
_MARGINS_PX = 16
_UNITS = {"lag_s": "s", "lag_frames": "frames", "msd_um2": "µm²", "msd_px2": "px²"}


class MsdPlot(pg.GraphicsLayoutWidget):
    """Time-averaged MSD against the lag, both logarithmic."""

    def __init__(self) -> None:
        super().__init__()
        self.theme = Theme()
        self._analysis: Analysis | None = None
        self._particles: tuple[int, ...] = ()
        self._words = ("", "")
        self._title = GivingLabel(justify="left")
        self.addItem(self._title, row=0, col=0)
        axes = {side: DecadesAxis(side, is_logarithmic=True) for side in ("left", "bottom")}
        self.panel = self.addPlot(row=1, col=0, axisItems=axes)
        self.ci.layout.setContentsMargins(2, 0, 8, 3)
        self.panel.setMenuEnabled(False)
        self.panel.hideButtons()
        self.panel.showGrid(x=True, y=True, alpha=0.15)
        self.panel.getAxis("left").setWidth(round(_AXIS_WIDTH_EM * self.fontMetrics().height()))
        self.points = pg.ScatterPlotItem(size=_POINT_PX, pen=None)
        self.bars = QGraphicsPathItem()
        self.others: list[pg.PlotCurveItem] = []
        self.lines = {part: pg.PlotCurveItem(antialias=True) for part in ("fbm", "ctrw", "noise", "total")}
        self.panel.addItem(self.bars, ignoreBounds=True)
        for item in (*self.lines.values(), self.points):
            self.panel.addItem(item)
        self.setToolTip(
            "Points: mean squared displacement of the rod, with one standard error as for Brownian motion; paler "
            f"where that is more than {_UNSURE:.0%}: few independent pairs. Other selected rods are thin lines.\n"
            "Lines: what the network's numbers predict, motion blur included: 4 K t^α of the FBM part, 4 K t of the "
            "CTRW part, 4 sigma² of the localization error (dotted), and their sum. If the sum misses the points, do "
            "not believe the numbers."
        )
        self.set_theme(self.theme)

    @property
    def said(self) -> str:
        """What the line over the plot says."""
        return str(self._title.text)

    def show_rods(self, analysis: Analysis, particles: tuple[int, ...], track: pd.DataFrame) -> None:
        """Draw the MSD of *particles*, the last one with its prediction; *track* are the rows of that one."""
        self.show_nothing()
        self._analysis, self._particles = analysis, particles
        msd = analysis.motion.msd
        shown = msd[msd["particle"].isin(particles[-_MOST_OTHERS - 1 :]) & (msd["msd"] > 0)]
        to_lag, to_msd = _factors(analysis.movie.calibration)
        for particle, curve in shown.groupby("particle"):
            x, y = np.log10(curve["lag"] * to_lag).to_numpy(), np.log10(curve["msd"] * to_msd).to_numpy()
            if particle == particles[-1]:
                self._show_points(x, y, relative_error(curve["lag"].to_numpy(), curve["pairs"].to_numpy()))
                self._show_prediction(curve["lag"].max(), track)
            else:
                self._show_other(int(str(particle)), x, y)
        self._write_labels()
        self._show_all()

    def show_nothing(self) -> None:
        """Show no rod."""
        for curve in self.others:
            self.panel.removeItem(curve)
        self.others = []
        self.points.setData([], [])
        self.bars.setPath(QPainterPath())
        for line in self.lines.values():
            line.setData([], [])
        self._words = ("", "")
        self._title.setText("")

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of napari's theme."""
        self.theme = theme
        self.setBackground(theme.background)
        for side in ("left", "bottom"):
            self.panel.getAxis(side).setPen(theme.foreground)
            self.panel.getAxis(side).setTextPen(theme.foreground)
        self.lines["fbm"].setPen(pg.mkPen(theme.fbm, width=2))
        self.lines["ctrw"].setPen(pg.mkPen(theme.ctrw, width=2))
        self.lines["noise"].setPen(pg.mkPen(theme.foreground, width=1.5, style=Qt.PenStyle.DotLine))
        self.lines["total"].setPen(pg.mkPen(theme.foreground, width=2))
        self.bars.setPen(pg.mkPen(with_alpha(theme.foreground, _UNSURE_ALPHA)))
        self._write_labels()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Say as much as there is room for."""
        super().resizeEvent(event)
        if event is not None:  # which it is while pyqtgraph builds the view
            self._say()

    def _show_all(self) -> None:
        """Fit the axes to all that is drawn; in numbers, not in pixels, so that a hidden plot can be drawn as well."""
        drawn = [item.getData() for item in (self.points, *self.lines.values(), *self.others)]
        drawn = [(x, y) for x, y in drawn if x is not None and len(x)]
        if drawn:
            x, y = (np.concatenate(values) for values in zip(*drawn, strict=True))
            self.panel.setXRange(x.min(), x.max(), padding=0.06)
            self.panel.setYRange(y.min(), y.max(), padding=0.06)

    def _show_points(self, x: Floats, y: Floats, error: Floats) -> None:
        alpha = np.where(error > _UNSURE, _UNSURE_ALPHA, 255)
        brushes = []
        for opacity in alpha:
            colour = self.theme.readable(particle_rgb(self._particles[-1]))
            colour.setAlpha(int(opacity))
            brushes.append(pg.mkBrush(colour))
        self.points.setData(x, y, brush=brushes)
        ends = np.log10(np.clip([1 - error, 1 + error], 0.05, None))
        bars = np.column_stack([y + ends[0], y + ends[1]]).ravel()
        self.bars.setPath(pg.arrayToQPath(np.repeat(x, 2), bars, connect="pairs"))

    def _show_prediction(self, longest_lag: int, track: pd.DataFrame) -> None:
        assert self._analysis is not None
        calibration = self._analysis.movie.calibration
        rows = self._analysis.motion.particles
        row = rows[rows["particle"] == self._particles[-1]].iloc[0]
        lags = np.geomspace(1, max(longest_lag, 2), _CURVE_POINTS)
        parts = predicted(row, rms_error_px(track), self._analysis.settings.diffusion.exposure_fraction, lags)
        if parts is None:
            self._words = ("not judged: no prediction", "not judged")
            return
        to_lag, to_msd = _factors(calibration)
        x = np.log10(lags * to_lag)
        fbm, ctrw = (f"<span style='color:{colour}'>" for colour in (self.theme.fbm, self.theme.ctrw))
        words = {
            "fbm": (f"{fbm}FBM 4 K t<sup>{row['alpha_fbm']:.2f}</sup></span>", f"{fbm}FBM</span>"),
            "ctrw": (f"{ctrw}CTRW 4 K t</span>", f"{ctrw}CTRW</span>"),
            "noise": ("dotted: 4 sigma²", "dotted: error"),
            "total": ("line: sum", ""),
        }
        for name, line in self.lines.items():
            values = getattr(parts, name) * to_msd
            drawn = values > 1e-3 * parts.total * to_msd  # a part that adds nothing would only stretch the axis
            line.setData(x[drawn], np.log10(values[drawn]))
            if not drawn.any():
                del words[name]
        in_full, in_short = ([pair[k] for pair in words.values() if pair[k]] for k in range(2))
        self._words = (" &nbsp; ".join(in_full), " &nbsp; ".join(in_short))

    def _show_other(self, particle: int, x: Floats, y: Floats) -> None:
        pen = pg.mkPen(self.theme.readable(particle_rgb(particle)), width=1.5)
        curve = pg.PlotCurveItem(x, y, pen=pen, antialias=True)
        self.panel.addItem(curve)
        self.others.append(curve)

    def _write_labels(self) -> None:
        lag, msd = ("lag_frames", "msd_px2")
        if self._analysis is not None:
            lag, msd = with_units(pd.DataFrame({"lag": [1.0], "msd": [1.0]}), self._analysis.movie.calibration).columns[
                -2:
            ]
        self.panel.setLabel("bottom", f"lag ({_UNITS[lag]})", color=self.theme.foreground)
        self.panel.setLabel("left", f"MSD ({_UNITS[msd]})", color=self.theme.foreground)
        self._say()

    def _say(self) -> None:
        """Write what the lines are, as far as there is room."""
        if self._particles:
            rod = f"<b>rod {self._particles[-1]}</b>"
            texts = [*(f"{rod} &nbsp; {words}" for words in self._words), rod]
            self._title.show_text(texts, self.theme.foreground, self.width() - _MARGINS_PX)


def predicted(row: pd.Series, localization_error_px: float, exposure_fraction: float, lags: Floats) -> MsdParts | None:
    """Return the MSD that a row of ``motion.particles`` predicts at *lags* in frames, or None if it was not judged."""
    k_fbm, alpha_fbm, k_ctrw = (float(row[name]) for name in ("k_fbm", "alpha_fbm", "k_ctrw"))
    if np.isnan([k_fbm, alpha_fbm, k_ctrw]).any():
        return None
    return msd_parts(lags, k_fbm, alpha_fbm, k_ctrw, localization_error_px, exposure_fraction)


def _factors(calibration: Calibration) -> tuple[float, float]:
    """Return what one frame of lag and one px^2 of MSD are in the units of the plot."""
    one = with_units(pd.DataFrame({"lag": [1.0], "msd": [1.0]}), calibration)
    lag, msd = one.iloc[0, -2:].to_numpy(float)
    return float(lag), float(msd)
