"""How large, fast and fine the overlay movie is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QLabel, QSpinBox, QWidget

from napari_lptem_diffusion.overlay_style import QUALITIES, RATES_PER_S, WIDTHS_PX, OverlayStyle

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Movie

_STEP_PX = 160
_WORDS = {"low": "Low, small file", "medium": "Medium", "high": "High, large file"}


class MovieDialog(QDialog):
    """Asks for an `OverlayStyle`, and says what comes of it.

    Parameters
    ----------
    parent : QWidget
    movie : Movie
    style : OverlayStyle
        What is proposed.
    """

    def __init__(self, parent: QWidget, movie: Movie, style: OverlayStyle) -> None:
        super().__init__(parent)
        self.setWindowTitle("Overlay movie")
        self._movie = movie
        self.width_box, self.rate_box, self.quality_box = QSpinBox(), QDoubleSpinBox(), QComboBox()
        self._outcome = QLabel()
        self._fill(style)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.button(QDialogButtonBox.StandardButton.Cancel).setIcon(QIcon())
        self.accept_button = self.buttons.addButton("Save as …", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.setVerticalSpacing(8)
        form.addRow("Width", self.width_box)
        form.addRow("Frames per second", self.rate_box)
        form.addRow("Quality", self.quality_box)
        form.addRow(self._outcome)
        form.addRow(self.buttons)
        self._say()

    @property
    def style_wanted(self) -> OverlayStyle:
        """The style as the fields show it."""
        width_px = self.width_box.value()
        return OverlayStyle(
            None if width_px < WIDTHS_PX[0] else width_px,
            self.rate_box.value(),
            str(self.quality_box.currentData()),
        )

    @property
    def outcome(self) -> str:
        """What is said of size and duration."""
        return str(self._outcome.text())

    def _fill(self, style: OverlayStyle) -> None:
        self.width_box.setRange(WIDTHS_PX[0] - 1, WIDTHS_PX[1])  # one less stands for none
        self.width_box.setSingleStep(_STEP_PX)
        self.width_box.setSuffix(" px")
        self.width_box.setSpecialValueText("by the movie")
        self.width_box.setValue(self.width_box.minimum() if style.width_px is None else style.width_px)
        self.width_box.setToolTip("By the movie: small ones are enlarged by a whole number, large ones fit a screen.")
        self.rate_box.setRange(*RATES_PER_S)
        self.rate_box.setDecimals(1)
        self.rate_box.setValue(style.frames_per_second)
        self.rate_box.setToolTip("How many frames of the recording are shown in a second.")
        for quality in QUALITIES:
            self.quality_box.addItem(_WORDS[quality], quality)
        self.quality_box.setCurrentIndex(self.quality_box.findData(style.quality))
        self.quality_box.setToolTip("Of MP4. Most of the size is the noise of the movie, which high quality keeps.")
        for signal in (self.width_box.valueChanged, self.rate_box.valueChanged):
            signal.connect(self._say)

    def _say(self, _value: float = 0) -> None:
        frames, *shape = self._movie.shape
        style = self.style_wanted
        width, height = style.size_px(*shape)
        said = f"{width} × {height} px and a legend below, {frames / style.frames_per_second:.3g} s"
        interval_s = self._movie.calibration.frame_interval_s
        if interval_s is not None:
            said += f",\n{_speed(style.frames_per_second * interval_s)}"
        self._outcome.setText(said)


def _speed(shown_per_recorded: float) -> str:
    """Return in words how fast a recording is shown."""
    if abs(shown_per_recorded - 1) < 0.02:
        return "as fast as it was recorded"
    factor, word = (shown_per_recorded, "faster") if shown_per_recorded > 1 else (1 / shown_per_recorded, "slower")
    return f"{factor:.3g} times {word} than it was recorded"
