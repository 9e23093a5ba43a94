"""A form for one stage's settings, generated from its settings model by magicgui.

The settings, not the widgets, hold the values: a number that is shown rounded is kept as it was until the user
changes it.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox
from pydantic import ValidationError
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_lptem_diffusion.gui.fields import FieldSpec, field_specs
from napari_lptem_diffusion.gui.messages import SECONDARY
from napari_lptem_diffusion.settings import StageSettings

Stage = TypeVar("Stage", bound=StageSettings)

FROM_MOVIE = "from movie"
_DECIMALS = {"s": 5, "nm": 3}
_MOST_DECIMALS = 7
_MEASURED_DIGITS = 4
_TITLE, _WIDEST_TITLE = "title", "Localization error"


class SettingsForm(QWidget, Generic[Stage]):
    """One row per field of a settings model: title, value with its unit, and what the movie says.

    Advanced fields are folded away under a line "More".
    """

    changed = Signal()
    """The user changed a value; `settings` has it."""
    typed_changed = Signal(object)
    """Emitted with `typed` whenever other settings are shown."""

    def __init__(self, settings: Stage) -> None:
        super().__init__()
        self._settings = settings
        self.rows = {spec.name: FieldRow(spec) for spec in field_specs(type(settings))}
        for name, row in self.rows.items():
            row.edited.connect(lambda value, name=name: self._on_edited(name, value))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(_grid([row for row in self.rows.values() if not row.spec.advanced]))
        advanced = [row for row in self.rows.values() if row.spec.advanced]
        self.more_button = _more_button(_grid(advanced), layout) if advanced else None
        self.set_settings(settings)

    @property
    def settings(self) -> Stage:
        """The settings as they stand."""
        return self._settings

    def set_settings(self, settings: Stage) -> None:
        """Show *settings*; `changed` is not emitted."""
        self._settings = settings
        for name, row in self.rows.items():
            row.set_note("")
            row.show_value(getattr(settings, name))
        self.typed_changed.emit(self.typed)

    @property
    def typed(self) -> list[str]:
        """The names of the fields that could be left to the movie and hold the user's value."""
        return [
            name for name, row in self.rows.items() if row.spec.optional and getattr(self._settings, name) is not None
        ]

    def take_from_movie(self) -> None:
        """Leave to the movie all that can be; `changed` is emitted if that changes anything."""
        if self.typed:
            self.set_settings(self._settings.model_copy(update=dict.fromkeys(self.typed)))
            self.changed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Give the titles of all forms one width, in the font that the window has by now."""
        super().showEvent(event)
        for label in self.findChildren(QLabel, _TITLE):
            metrics = label.fontMetrics()
            label.setMinimumWidth(metrics.horizontalAdvance(_WIDEST_TITLE) + 2 * metrics.averageCharWidth())

    def _on_edited(self, name: str, value: Any) -> None:
        values = {**self._settings.model_dump(), name: value}
        row = self.rows[name]
        try:
            self._settings = type(self._settings).model_validate(values)
        except ValidationError as error:  # each value is within its bounds: they do not fit together
            row.show_value(getattr(self._settings, name))
            row.set_note(f"Not taken: {error.errors()[0]['msg'].removeprefix('Value error, ')}.")
            return
        row.set_note("")
        self.typed_changed.emit(self.typed)
        self.changed.emit()


class FieldRow(QWidget):
    """The value of one field. An optional one is taken from the movie until the user types a value."""

    edited = Signal(object)
    """The user's new value; None: from the movie."""

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__()
        self.spec = spec
        self.value_widget: ComboBox | FloatSpinBox = _value_widget(spec)
        self._least_decimals = 0 if spec.choices else self.value_widget.native.decimals()
        self.value_widget.changed.connect(self._on_value)
        self.automatic = CheckBox(text="auto", tooltip=f"Take the {spec.title.lower()} from the movie.")
        self.automatic.changed.connect(self._on_automatic)
        self._measured: float | str | None = None
        self._otherwise = FROM_MOVIE
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.setObjectName(SECONDARY)
        self._note.hide()
        self._lay_out()

    def show_value(self, value: Any) -> None:
        """Show *value* without `edited`."""
        self._set_automatic(value is None)
        if value is None:
            self.show_measured(self._measured, self._otherwise)
        else:
            self._show_all_decimals(value)
            self._show(value)

    def show_measured(self, value: float | str | None, otherwise: str = FROM_MOVIE) -> None:
        """Show what the movie says, or the word *otherwise*, where the user has entered nothing."""
        self._measured, self._otherwise = value, otherwise
        if self.spec.choices and self.spec.optional:
            self.value_widget.native.setItemText(0, otherwise if value is None else f"{value}, {FROM_MOVIE}")
            self._show(None if self.automatic.value else self.value_widget.value)
            return
        if not self.automatic.value:
            return
        self.value_widget.native.setSpecialValueText("" if value is not None else otherwise)
        if value is None:
            self._show(self.value_widget.min)
        else:
            rounded = float(f"{value:.{_MEASURED_DIGITS}g}")
            self._show_all_decimals(rounded)
            self._show(rounded)

    @property
    def note(self) -> str:
        """The text under the value."""
        return str(self._note.text())

    def set_note(self, text: str) -> None:
        """Show *text* under the value; empty: nothing."""
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _show(self, value: Any) -> None:
        with self.value_widget.changed.blocked():
            # A value finer than the decimals is shown as the smallest there is.
            self.value_widget.value = value if self.spec.choices else max(value, self.value_widget.min)

    def _show_all_decimals(self, value: Any) -> None:
        """Have room for all decimals of *value*, within reason."""
        if not self.spec.choices:
            box = self.value_widget.native
            needed = len(f"{value:.{_MOST_DECIMALS}f}".rstrip("0").partition(".")[2])
            with self.value_widget.changed.blocked():  # what is shown until now is rounded
                box.setDecimals(max(self._least_decimals, needed))

    def _on_value(self, value: Any) -> None:
        self._set_automatic(value is None)
        self.edited.emit(None if value is None else self.spec.kind(value))

    def _on_automatic(self, automatic: bool) -> None:
        if automatic:
            self.show_value(None)
            self.edited.emit(None)
        elif self._measured is not None:
            self._on_value(self.value_widget.value)
        else:  # there is no number yet: the user has to type one
            self._set_automatic(True)
            self.value_widget.native.setFocus()
            self.value_widget.native.selectAll()

    def _set_automatic(self, automatic: bool) -> None:
        with self.automatic.changed.blocked():
            self.automatic.value = automatic
        box = self.value_widget.native
        for part in (box, *box.findChildren(QLineEdit)):  # a style sheet keeps the line from following the box
            font = part.font()
            font.setItalic(automatic)
            part.setFont(font)
        if not automatic and self.spec.optional and not self.spec.choices:
            box.setSpecialValueText("")

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.value_widget.native, stretch=1)
        if self.spec.optional and not self.spec.choices:  # a choice has an entry for it
            line.addWidget(self.automatic.native)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addLayout(line)
        layout.addWidget(self._note)


def _grid(rows: list[FieldRow]) -> QWidget:
    """Return *rows* one below the other, their titles in a column."""
    grid = QWidget()
    layout = QFormLayout(grid)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(5)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for row in rows:
        label = QLabel(row.spec.title)
        label.setToolTip(row.spec.help)
        label.setObjectName(_TITLE)
        layout.addRow(label, row)
    return grid


def _more_button(advanced: QWidget, layout: QVBoxLayout) -> QToolButton:
    """Add to *layout* a line that unfolds *advanced*, and return it."""
    button = QToolButton()
    button.setText("More")
    button.setToolTip("Settings that rarely need to be changed.")
    button.setCheckable(True)
    button.setAutoRaise(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setStyleSheet("QToolButton { border: none; background: transparent; }")
    button.setArrowType(Qt.ArrowType.RightArrow)

    def unfold(unfolded: bool) -> None:
        advanced.setVisible(unfolded)
        button.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)

    button.toggled.connect(unfold)
    layout.addWidget(button)
    layout.addWidget(advanced)
    advanced.hide()
    return button


def _value_widget(spec: FieldSpec) -> ComboBox | FloatSpinBox:
    if spec.choices:
        first = [(FROM_MOVIE, None)] if spec.optional else []
        widget = ComboBox(choices=[*first, *((choice, choice) for choice in spec.choices)])
    else:
        decimals = _DECIMALS.get(spec.unit, 2) if spec.kind is float else 0
        widget = FloatSpinBox(max=spec.maximum, value=spec.maximum)
        _polish_spin_box(widget.native, spec.unit, decimals)
        widget.min = spec.minimum + 10.0**-decimals * spec.above  # after the decimals, which round it
    native = widget.native
    native.setToolTip(spec.help)
    native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    native.installEventFilter(_WheelGuard(native))
    native.setMinimumWidth(0)
    native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return widget


def _polish_spin_box(box: QDoubleSpinBox, unit: str, decimals: int) -> None:
    box.setDecimals(decimals)
    box.setSuffix(f" {unit}" if unit else "")
    box.setKeyboardTracking(False)
    box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)


class _WheelGuard(QObject):
    """Keeps the wheel that scrolls the panel from changing values that it passes over."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))
