"""The first column of a table, which stays where it is while the others scroll sideways."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractItemView, QFrame, QTableView


class FrozenColumn(QTableView):
    """A view of the first column of *table* that lies over it; Qt has no such thing itself.

    Model, selection and delegate are those of *table*, whose own first column stays below it.
    """

    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self._table = table
        self.setModel(table.model())
        self.setSelectionModel(table.selectionModel())
        self.setItemDelegate(table.itemDelegate())
        self.setFocusProxy(table)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(table.selectionBehavior())
        self.setSelectionMode(table.selectionMode())
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(table.verticalScrollMode())
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(table.verticalHeader().defaultSectionSize())
        head, own = table.horizontalHeader(), self.horizontalHeader()
        own.setStyleSheet(head.styleSheet())
        own.setSectionsClickable(True)
        own.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        own.customContextMenuRequested.connect(head.customContextMenuRequested)
        own.sectionClicked.connect(self._sort)
        own.sectionResized.connect(lambda _, __, width: self._widen(width))
        head.sectionResized.connect(lambda *_: self._place())
        head.sortIndicatorChanged.connect(self._show_order)
        table.verticalScrollBar().valueChanged.connect(self.verticalScrollBar().setValue)
        self.verticalScrollBar().valueChanged.connect(table.verticalScrollBar().setValue)
        self.doubleClicked.connect(table.doubleClicked)
        self.model().modelReset.connect(self._place)
        table.viewport().installEventFilter(self)
        self._show_order(head.sortIndicatorSection(), head.sortIndicatorOrder())
        self._place()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the size of the table."""
        if event is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return bool(super().eventFilter(watched, event))

    def _place(self) -> None:
        """Lie over the first column, which the user may have hidden."""
        table = self._table
        for column in range(1, self.model().columnCount()):
            self.setColumnHidden(column, True)
        frame, head = table.frameWidth(), table.horizontalHeader()
        self.setVisible(not table.isColumnHidden(0) and self.model().columnCount() > 0)
        self.horizontalHeader().setFixedHeight(head.height())
        self.setColumnWidth(0, table.columnWidth(0))
        self.setGeometry(frame, frame, table.columnWidth(0), table.viewport().height() + head.height())

    def _widen(self, width: int) -> None:
        if width != self._table.columnWidth(0):
            self._table.setColumnWidth(0, width)

    def _sort(self, column: int) -> None:
        """Sort by the column, the other way round if it is already."""
        head = self._table.horizontalHeader()
        is_up = head.sortIndicatorSection() == column and head.sortIndicatorOrder() == Qt.SortOrder.AscendingOrder
        self._table.sortByColumn(column, Qt.SortOrder.DescendingOrder if is_up else Qt.SortOrder.AscendingOrder)

    def _show_order(self, column: int, order: Qt.SortOrder) -> None:
        """Show the arrow only where the table is sorted by this column."""
        self.horizontalHeader().setSortIndicatorShown(column == 0)
        self.horizontalHeader().setSortIndicator(column, order)
