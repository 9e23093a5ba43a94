"""How the user is told: refusals as dialogs, the rest as napari's notifications."""

from __future__ import annotations

from html import escape
from pathlib import Path

from napari.utils.notifications import notification_manager, show_warning
from qtpy.QtCore import Qt, QUrl
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_lptem_diffusion.errors import InputError, InputWarning

RGB = tuple[int, int, int]

TITLE = "LPTEM diffusion"
SECONDARY, WARNING = "secondary", "warning"
"""Object names of labels that the dock colours by napari's theme."""


def tell_error(parent: QWidget, advice: str, error: Exception) -> None:
    """Show the sentence of an `InputError` and what to do next in a dialog; hand anything else to napari as a bug."""
    if isinstance(error, InputError):
        box = QMessageBox(QMessageBox.Icon.Warning, TITLE, str(error), QMessageBox.StandardButton.Ok, parent)
        box.setInformativeText(advice)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()  # not exec(): whatever runs goes on behind the dialog
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def tell_warning(warning: Warning | str, category: type[Warning]) -> None:
    """Show an `InputWarning` as a notification; other warnings are for the log."""
    if issubclass(category, InputWarning):
        show_warning(str(warning))


def tell(sentence: str) -> None:
    """Show a notification."""
    show_warning(sentence)


def written(path: Path) -> str:
    """Return where something was written, as rich text with links that open it and its folder."""
    opened = f"<a href='{_url(path)}'>{escape(path.name)}</a>"
    return f"Written: {opened}" + ("." if path.is_dir() else f" · <a href='{_url(path.parent)}'>show the folder</a>")


def _url(path: Path) -> str:
    return escape(str(QUrl.fromLocalFile(str(path)).toString(QUrl.ComponentFormattingOption.FullyEncoded)), quote=True)


def counted(number: int, noun: str) -> str:
    """Return "1 rod", "2 rods"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ask(parent: QWidget, question: str, yes: str) -> bool:
    """Return whether the user chose the button *yes* rather than Cancel."""
    box = QMessageBox(QMessageBox.Icon.Question, TITLE, question, QMessageBox.StandardButton.Cancel, parent)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.exec()
    return box.clickedButton() is accept


def label_colours(text: RGB, background: RGB, warning: RGB) -> str:
    """Return the style sheet of secondary and warning labels for a theme, whose colours are 0 to 255."""
    return f"#{SECONDARY} {{ color: {_mixed(text, background)} }} #{WARNING} {{ color: {_mixed(warning, text)} }}"


def _mixed(rgb: RGB, other: RGB, share: float = 0.7) -> str:
    """Return *share* of one colour with the rest of the *other*, for a style sheet."""
    return "rgb({}, {}, {})".format(*(round(share * a + (1 - share) * b) for a, b in zip(rgb, other, strict=True)))
