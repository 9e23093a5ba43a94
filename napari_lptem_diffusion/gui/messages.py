"""How the user is told: refusals as dialogs, the rest as napari's notifications."""

from __future__ import annotations

from napari.utils.notifications import notification_manager, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_lptem_diffusion.errors import InputError, InputWarning

TITLE = "LPTEM diffusion"
SECONDARY, WARNING = "secondary", "warning"
"""Object names of labels that the dock colours by napari's theme."""


def tell_error(parent: QWidget, error: Exception) -> None:
    """Show the sentence of an `InputError` in a dialog; hand anything else to napari as a bug."""
    if isinstance(error, InputError):
        box = QMessageBox(QMessageBox.Icon.Warning, TITLE, str(error), QMessageBox.StandardButton.Ok, parent)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()  # not exec(): whatever runs goes on behind the dialog
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def tell_warning(warning: Warning | str, category: type[Warning]) -> None:
    """Show an `InputWarning` as a notification; other warnings are for the log."""
    if issubclass(category, InputWarning):
        show_warning(str(warning))


def counted(number: int, noun: str) -> str:
    """Return "1 rod", "2 rods"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ask(parent: QWidget, question: str, yes: str) -> bool:
    """Return whether the user chose the button *yes* rather than Cancel."""
    box = QMessageBox(QMessageBox.Icon.Question, TITLE, question, QMessageBox.StandardButton.Cancel, parent)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.exec()
    return box.clickedButton() is accept
