"""The colour scale of the quantity in view; napari's tracks have none of their own."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_lptem_diffusion.export.palette import NO_VALUE_RGB, SCALES

_STOPS = 33
_BAR_HEIGHT_PX = 12
_UNKNOWN_WIDTH_PX = 12


class Legend(QWidget):
    """A horizontal colour bar with its limits, what its ends mean, and the colour of "unknown"."""

    def __init__(self, quantity: str) -> None:
        super().__init__()
        self._scale = SCALES[quantity]
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "The limits are fixed: a colour means the same in every movie. Rod axes are paler where it is less certain."
        )

    def show_quantity(self, quantity: str) -> None:
        """Show the scale of *quantity*."""
        self._scale = SCALES[quantity]
        self.update()

    def sizeHint(self) -> QSize:
        """Height for the bar and one line of text."""
        return QSize(200, _BAR_HEIGHT_PX + self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw bar, limits and words."""
        metrics = self.fontMetrics()
        unknown_width = _UNKNOWN_WIDTH_PX + 6 + metrics.horizontalAdvance("unknown")
        bar = QRectF(0, 0, self.width() - unknown_width - 14, _BAR_HEIGHT_PX)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for index, rgb in enumerate(self._scale.table(_STOPS)):
            gradient.setColorAt(index / (_STOPS - 1), QColor.fromRgbF(*map(float, rgb)))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)
        swatch = QRectF(self.width() - unknown_width, 0, _UNKNOWN_WIDTH_PX, _BAR_HEIGHT_PX)
        painter.setBrush(QColor.fromRgbF(*NO_VALUE_RGB))
        painter.drawRoundedRect(swatch, 2, 2)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(
            QRectF(swatch.right() + 6, 0, unknown_width, _BAR_HEIGHT_PX + 1),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft,
            "unknown",
        )
        words = QRectF(0, _BAR_HEIGHT_PX + 2, bar.width(), metrics.height())
        for alignment, text in (
            (Qt.AlignmentFlag.AlignLeft, f"{self._scale.low:g}  {self._scale.low_word}"),
            (Qt.AlignmentFlag.AlignHCenter, f"{(self._scale.low + self._scale.high) / 2:g}"),
            (Qt.AlignmentFlag.AlignRight, f"{self._scale.high_word}  {self._scale.high:g}"),
        ):
            painter.drawText(words, alignment, text)
        painter.end()
