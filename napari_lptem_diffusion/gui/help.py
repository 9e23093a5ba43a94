"""The documentation within the window: computers at microscopes are often without a network."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QPalette, QTextCharFormat, QTextCursor, QTextDocument
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout, QWidget

import napari_lptem_diffusion

PAGES = {
    "First steps": "tutorial.md",
    "How to read the result": "reading.md",
    "Correcting": "corrections.md",
    "Sessions": "sessions.md",
    "Tracks of other tools": "track_files.md",
    "Comparing conditions": "compare.md",
    "Questions that come up": "faq.md",
}
_SIZE_IN_CHARACTERS = (110, 45)


class HelpWindow(QWidget):
    """A page of the documentation, with links to the others."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("LPTEM diffusion: help")
        self.page = QTextBrowser()
        self.page.setOpenExternalLinks(True)
        self.page.document().setDocumentMargin(16)
        self.page.sourceChanged.connect(self._colour_links)
        bar = QHBoxLayout()
        for text, tooltip, on_click, available in (
            ("Back", "The page before.", self.page.backward, self.page.backwardAvailable),
            ("Forward", "The page after.", self.page.forward, self.page.forwardAvailable),
        ):
            button = QPushButton(text)
            button.setToolTip(tooltip)
            button.setEnabled(False)
            button.clicked.connect(on_click)
            available.connect(button.setEnabled)
            bar.addWidget(button)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addLayout(bar)
        layout.addWidget(self.page)
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * _SIZE_IN_CHARACTERS[0], metrics.lineSpacing() * _SIZE_IN_CHARACTERS[1])

    def show_page(self, name: str) -> None:
        """Show a file of `docs_folder` and come to the front."""
        self.page.setSource(QUrl.fromLocalFile(str(docs_folder() / name)))
        self.show()
        self.raise_()
        self.activateWindow()

    def _colour_links(self) -> None:
        """Underline links in the colour of the text: Qt's own is as dark as on paper."""
        self.page.ensurePolished()
        as_text = QTextCharFormat()
        as_text.setFontUnderline(True)
        as_text.setForeground(self.page.palette().color(QPalette.ColorRole.Text))
        for start, length in _links(self.page.document()):
            cursor = QTextCursor(self.page.document())
            cursor.setPosition(start)
            cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(as_text)


def _links(document: QTextDocument) -> list[tuple[int, int]]:
    """Return where links are, and how long."""
    found = []
    block = document.begin()
    while block.isValid():
        pieces = block.begin()
        while not pieces.atEnd():
            piece = pieces.fragment()
            if piece.charFormat().isAnchor():
                found.append((piece.position(), piece.length()))
            pieces += 1
        block = block.next()
    return found


def docs_folder() -> Path:
    """Return the folder of the documentation: in the package where it is installed, beside it in a source tree."""
    package = Path(napari_lptem_diffusion.__file__).parent
    installed = package / "docs"
    return installed if installed.is_dir() else package.parent / "docs"
