"""How a cell of the table of rods is painted: value, swatch, and small beside it the interval."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetrics, QIcon, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_lptem_diffusion.gui.views.table_model import FAINT, INTERVAL

_FAINT_ALPHA = 0.7
"""Of text that steps back; any paler cannot be read well. In a selected row, whose ground is coloured, none does."""
_INTERVAL_SIZE = 0.85
_GAP_PX = 6


class Cell(QStyledItemDelegate):
    """A cell with its interval, where there is room for it.

    Where its row is selected, no text is faint, and a swatch keeps its colour.
    """

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex | QPersistentModelIndex) -> None:
        """Give the cell its colours."""
        super().initStyleOption(option, index)
        if option is None:
            return
        if index.data(FAINT):
            option.palette.setColor(QPalette.ColorRole.Text, _faint(option.palette))
        colour = index.data(Qt.ItemDataRole.DecorationRole)
        if colour is not None:
            swatch = QPixmap(option.decorationSize)
            swatch.fill(colour)
            icon = QIcon(swatch)
            icon.addPixmap(swatch, QIcon.Mode.Selected)  # or the style would tint it
            option.icon = icon

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Ask for room for value and interval."""
        size = super().sizeHint(option, index)
        text = index.data(INTERVAL)
        return size + QSize(_interval_width(option.font, text), 0) if text else size

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Paint the value, and its interval at the right where both fit."""
        text = index.data(INTERVAL)
        wide = _interval_width(option.font, text) if text else 0
        if painter is None or not wide or super().sizeHint(option, index).width() + wide > option.rect.width():
            super().paint(painter, option, index)
            return
        whole, ground = QRect(option.rect), QStyleOptionViewItem(option)
        self.initStyleOption(ground, index)
        if ground.widget is not None:  # the ground of a selected row goes on below the interval
            panel = QStyle.PrimitiveElement.PE_PanelItemViewItem
            ground.widget.style().drawPrimitive(panel, ground, painter, ground.widget)
        option.rect = whole.adjusted(0, 0, -wide, 0)
        super().paint(painter, option, index)
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        colour = option.palette.color(QPalette.ColorRole.HighlightedText) if is_selected else _faint(option.palette)
        painter.save()
        painter.setFont(_small(option.font))
        painter.setPen(colour)
        painter.drawText(
            whole.adjusted(0, 0, -_GAP_PX // 2, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text
        )
        painter.restore()


def _faint(palette: QPalette) -> QColor:
    colour = palette.color(QPalette.ColorRole.Text)
    colour.setAlphaF(_FAINT_ALPHA)
    return colour


def _interval_width(font: QFont, text: str) -> int:
    return int(QFontMetrics(_small(font)).horizontalAdvance(text)) + _GAP_PX


def _small(font: QFont) -> QFont:
    small = QFont(font)
    if font.pointSizeF() > 0:
        small.setPointSizeF(_INTERVAL_SIZE * font.pointSizeF())
    else:
        small.setPixelSize(round(_INTERVAL_SIZE * font.pixelSize()))
    return small
