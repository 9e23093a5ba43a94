"""A figure of matplotlib as a picture in the window; it is drawn in another thread, where it may take its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

_MOST_DOTS_PER_INCH = 120
_LEAST_SIZE_PX = (240, 180)


@dataclass(frozen=True)
class Canvas:
    """The room for a figure: its size as Qt counts it, and how many dots of the screen that is each."""

    width: int
    height: int
    dots_per_px: float = 1.0


def drawn(figure: Figure, canvas: Canvas) -> NDArray[np.uint8]:
    """Return *figure* as a (y, x, 4) RGBA image that fills *canvas*.

    The figure keeps at least the size that it was made with, so that in little room it becomes smaller, not crowded.
    """
    made_for = figure.get_size_inches()
    per_inch = min(canvas.width / made_for[0], canvas.height / made_for[1], _MOST_DOTS_PER_INCH)
    figure.set_size_inches(canvas.width / per_inch, canvas.height / per_inch)
    figure.set_dpi(per_inch * canvas.dots_per_px)
    agg = FigureCanvasAgg(figure)
    agg.draw()
    return np.array(agg.buffer_rgba())


def as_image(rgba: NDArray[np.uint8]) -> QImage:
    """Return a (y, x, 4) RGBA image as Qt's."""
    height, width = rgba.shape[:2]
    return QImage(rgba.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()


class FigureView(QWidget):
    """Shows a picture, or a sentence in its place; asks for another when its size has changed."""

    resized = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.image: QImage | None = None
        self._sentence = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(*_LEAST_SIZE_PX)

    @property
    def canvas(self) -> Canvas:
        """The room that there is."""
        return Canvas(max(self.width(), 1), max(self.height(), 1), float(self.devicePixelRatioF()))

    def show_image(self, image: QImage) -> None:
        """Show *image*, fitted into the view."""
        self.image, self._sentence = image, ""
        self.update()

    def say(self, sentence: str) -> None:
        """Show *sentence* in place of a picture."""
        self.image, self._sentence = None, sentence
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a panel or two."""
        return QSize(560, 400)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for a picture of the new size."""
        super().resizeEvent(event)
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture, or the sentence."""
        painter = QPainter(self)
        whole = QRectF(self.rect())
        if self.image is None:
            painter.setPen(self.palette().color(self.foregroundRole()))
            painter.drawText(whole, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self._sentence)
        else:
            painter.fillRect(whole, QColor("white"))
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
            painter.drawImage(QRectF(left, top, size.width(), size.height()), self.image)
        painter.end()
