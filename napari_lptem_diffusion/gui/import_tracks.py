"""The dialog that asks what the columns of another tool's tracks hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.gui.latest import Latest
from napari_lptem_diffusion.gui.messages import SECONDARY, WARNING, counted
from napari_lptem_diffusion.judge import NO_ERROR
from napari_lptem_diffusion.movie import Calibration
from napari_lptem_diffusion.movie.calibration import BY_USER
from napari_lptem_diffusion.movie.units import nm_per, seconds_per
from napari_lptem_diffusion.particles.track_files.columns import ROLES, ColumnMap
from napari_lptem_diffusion.particles.track_files.head import TrackFileHead, read_head
from napari_lptem_diffusion.particles.track_files.read import TrackFile, open_tracks
from napari_lptem_diffusion.settings import Settings

TRACK_SUFFIXES = (".csv", ".tsv", ".txt", ".xml", ".mat")
_WIDTH_IN_CHARACTERS, _PREVIEW_LINES = 125, 7
_NONE = "none"
_TITLES = {
    "particle": ("Particle", "Which track a row belongs to. None: all rows are one particle."),
    "frame": ("Frame", "Number of the frame. None: frames are counted from the time."),
    "time": ("Time", "Counts the frames where there is no column of them, else only gives the frame interval."),
    "x": ("x", "Position to the right."),
    "y": ("y", "Position downwards."),
    "localization_error": ("Localization error", "One standard deviation of the position, in the unit of x and y."),
    "angle": ("Angle", "Of the long axis, from +x towards +y (down)."),
}
_LENGTHS = (("", "px"), ("nm", "nm"), ("um", "µm"), ("mm", "mm"))
_TIMES = (("", "not known"), ("s", "s"), ("ms", "ms"), ("us", "µs"), ("min", "min"))
_ANGLES = (("deg", "degrees"), ("rad", "radians"))


@dataclass(frozen=True)
class TrackImport:
    """What `judge_tracks` takes: a file, settings of which ``movie`` and ``diffusion`` count, and its columns."""

    path: Path
    settings: Settings
    columns: ColumnMap | None


def ask_for_tracks(parent: QWidget, path: str | Path, settings: Settings | None = None) -> TrackImport | None:
    """Ask what the columns of a file of tracks hold; None if the user cancelled.

    Parameters
    ----------
    parent : QWidget
    path : path
        A file with one of `TRACK_SUFFIXES`; a refusal is shown in the dialog.
    settings : Settings, optional
        What the fields show at first; the pixel size and frame interval of a movie are not those of the tracks.
    """
    dialog = ImportTracksDialog(parent, path, settings or Settings())
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    answer = dialog.answer if accepted else None
    dialog.deleteLater()
    return answer


class ImportTracksDialog(QDialog):
    """First rows, a choice for each thing that a column may hold, units and scale, and what this makes of the file."""

    def __init__(self, parent: QWidget | None, path: str | Path, settings: Settings) -> None:
        super().__init__(parent)
        self._path = Path(path)
        self._settings = settings
        self._head: TrackFileHead | None = None
        self.columns = {role: _combo(tooltip) for role, (_, tooltip) in _TITLES.items()}
        self.length_unit = _combo("Unit of x, y and of the localization error.", _LENGTHS)
        self.time_unit = _combo("Unit of the column of times.", _TIMES)
        self.angle_unit = _combo("Unit of the column of angles.", _ANGLES)
        self.movie_form = SettingsForm(settings.movie)
        self.motion_form = SettingsForm(settings.diffusion)
        self.rows = QTableWidget()
        self.verdict = QLabel("Reading …")
        self.notes = QLabel()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton("Judge motion", QDialogButtonBox.ButtonRole.AcceptRole)
        self._looking, self._counting = Latest(self, debounce_ms=0), Latest(self)
        self._lay_out()
        self._connect()
        self.accept_button.setEnabled(False)
        self._looking.want(lambda *_: read_head(self._path))

    @property
    def answer(self) -> TrackImport:
        """What the user said."""
        update = {"movie": self.movie_form.settings, "diffusion": self.motion_form.settings}
        return TrackImport(self._path, self._settings.model_copy(update=update), self._column_map())

    def done(self, result: int) -> None:
        """Close, and leave no work behind."""
        self._looking.abandon()
        self._counting.abandon()
        super().done(result)

    def _connect(self) -> None:
        for combo in (*self.columns.values(), self.length_unit, self.time_unit, self.angle_unit):
            combo.currentIndexChanged.connect(self._on_changed)
        self.movie_form.changed.connect(self._on_changed)
        self._looking.done.connect(self._on_head)
        self._counting.done.connect(self._on_counted)
        for work in (self._looking, self._counting):
            work.failed.connect(self._on_refused)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    def _on_head(self, head: TrackFileHead) -> None:
        self._head = head
        header = [str(name) for name in head.rows.columns]
        self._mapping.setVisible(bool(header))
        self.rows.setVisible(bool(header))
        for role, combo in self.columns.items():
            _refill(combo, [(None, _NONE), *((name, name) for name in header)])
            _choose(combo, None if head.suggested is None else getattr(head.suggested, role))
        if head.suggested is not None:
            _choose_unit(self.length_unit, head.suggested.length_unit, nm_per)
            _choose_unit(self.time_unit, head.suggested.time_unit, seconds_per)
            _choose(self.angle_unit, head.suggested.angle_unit)
        _fill_table(self.rows, head.rows)
        self.adjustSize()
        self._on_changed()

    def _on_changed(self) -> None:
        """Read the file as it is understood now, or say what is missing."""
        if self._head is None:
            return
        columns = self._column_map()
        self.time_unit.setEnabled(columns is not None and columns.time is not None)
        self.angle_unit.setEnabled(columns is not None and columns.angle is not None)
        self._show_roles({} if columns is None else columns.named)
        self.accept_button.setEnabled(False)
        if columns is None and len(self._head.rows.columns):
            self._counting.stop()
            self._say("Choose the columns of x and y.", refused=True)
            return
        calibration = self.movie_form.settings.model_dump()
        self._say("Reading …")
        self._counting.want(lambda *_: open_tracks(self._path, columns, **calibration))

    def _on_counted(self, found: TrackFile) -> None:
        calibration = found.calibration
        for name in ("pixel_size_nm", "frame_interval_s"):
            self.movie_form.rows[name].show_measured(getattr(calibration, name), otherwise="not known")
        known = "localization_error" in found.table
        self.motion_form.rows["localization_error_px"].show_measured(
            found.table["localization_error"].median() if known else None, otherwise="not known"
        )
        missing = []
        if found.columns is not None and self.length_unit.currentData() == "":
            missing.append("Positions are taken to be in px: the file names no unit. Choose it above if it is another.")
        if not known and self.motion_form.settings.localization_error_px is None:
            missing.append(NO_ERROR)
        self._say(tracks_in_words(found.table), notes=(*missing, *_calibration_notes(calibration), *found.notes))
        self.accept_button.setEnabled(True)
        self.accept_button.setDefault(True)

    def _on_refused(self, error: Exception) -> None:
        self._say(str(error), refused=True)

    def _say(self, text: str, refused: bool = False, notes: Sequence[str] = ()) -> None:
        self.verdict.setText(text)
        self.verdict.setObjectName(WARNING if refused else "")
        self.verdict.style().polish(self.verdict)
        self.notes.setText("\n".join(notes))
        self.notes.setVisible(bool(notes))

    def _column_map(self) -> ColumnMap | None:
        """The columns as they are chosen; None where the file needs none, or x and y are not two columns."""
        chosen = {role: combo.currentData() for role, combo in self.columns.items()}
        if not (chosen["x"] and chosen["y"]) or chosen["x"] == chosen["y"]:
            return None
        units = {name: getattr(self, name).currentData() for name in ("length_unit", "time_unit", "angle_unit")}
        return ColumnMap(**chosen, **units)

    def _show_roles(self, named: Mapping[str, str]) -> None:
        """Write above each column what it is taken for."""
        roles = {name: _TITLES[role][0] for role, name in named.items()}
        bold = self.font()
        bold.setBold(True)
        for place in range(self.rows.columnCount()):
            item = self.rows.horizontalHeaderItem(place)
            name = item.data(Qt.ItemDataRole.UserRole)
            role = roles.get(name, "–")
            item.setText(f"{name}\n{'✓' if role.lower() == name.lower() else role}")
            item.setToolTip(f"{name}: taken for {roles[name].lower()}" if name in roles else f"{name}: not used")
            item.setFont(bold if name in roles else self.font())
        self.rows.resizeColumnsToContents()

    def _lay_out(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Cancel).setIcon(QIcon())
        self.setWindowTitle(f"Tracks of {self._path.name}")
        width = self.fontMetrics().averageCharWidth() * _WIDTH_IN_CHARACTERS
        self.setMinimumWidth(width)
        self.rows.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.rows.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.rows.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rows.verticalHeader().hide()
        self.rows.setToolTip("The first rows of the file, and what each column is taken for.")
        line = self.fontMetrics().height() + 8
        self.rows.verticalHeader().setDefaultSectionSize(line)
        self.rows.setFixedHeight(line * _PREVIEW_LINES + line)
        self.rows.hide()
        for label in (self.verdict, self.notes):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notes.setObjectName(SECONDARY)
        self.notes.hide()
        self._mapping = _group("What the columns hold", {_TITLES[role][0]: self.columns[role] for role in ROLES})
        units = {"Positions in": self.length_unit, "Times in": self.time_unit, "Angles in": self.angle_unit}
        units_box = QWidget()
        units_box.setLayout(_form(units))
        units_box.layout().setContentsMargins(0, 0, 0, 0)
        scale = QGroupBox("Units and scale")
        beside = QVBoxLayout(scale)
        for part in (units_box, self.movie_form, self.motion_form):
            beside.addWidget(part)
        beside.addStretch(1)
        choices = QHBoxLayout()
        choices.addWidget(self._mapping, stretch=4)
        choices.addWidget(scale, stretch=5)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self.rows)
        layout.addLayout(choices)
        layout.addWidget(self.verdict)
        layout.addWidget(self.notes)
        layout.addWidget(self.buttons)


def tracks_in_words(table: pd.DataFrame) -> str:
    """Return a table of tracks in a sentence: how many, how long, with how many gaps, over which extent.

    Parameters
    ----------
    table : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` (px), sorted by particle and frame.
    """
    lengths = table.groupby("particle").size()
    shortest, longest = int(lengths.min()), int(lengths.max())
    frames = counted(longest, "frame") if shortest == longest else f"{shortest} to {longest} frames"
    gaps = int((table.groupby("particle")["frame"].diff() > 1).sum())
    extent = " × ".join(f"{table[axis].max() - table[axis].min():.4g}" for axis in ("x", "y"))
    return f"{counted(len(lengths), 'track')} of {frames}, {counted(gaps, 'gap')}, over {extent} px."


def _calibration_notes(calibration: Calibration) -> list[str]:
    """What a file itself says of its scale."""
    said = (
        ("Pixel size", calibration.pixel_size_nm, "nm", calibration.pixel_size_source),
        ("Frame interval", calibration.frame_interval_s, "s", calibration.frame_interval_source),
    )
    return [
        f"{what}: {value:g} {unit} ({source})."
        for what, value, unit, source in said
        if value is not None and source != BY_USER
    ]


def _combo(tooltip: str, entries: Sequence[tuple[object, str]] = ()) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tooltip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    _refill(combo, entries)
    return combo


def _refill(combo: QComboBox, entries: Sequence[tuple[object, str]]) -> None:
    blocked = combo.blockSignals(True)
    combo.clear()
    for value, text in entries:
        combo.addItem(text, value)
    combo.blockSignals(blocked)


def _choose(combo: QComboBox, value: object) -> None:
    """Choose the entry of *value* without telling anybody; the first if there is none."""
    blocked = combo.blockSignals(True)
    combo.setCurrentIndex(max(combo.findData(value), 0) if value is not None else 0)
    combo.blockSignals(blocked)


def _choose_unit(combo: QComboBox, unit: str, size_of: Callable[[str], float | None]) -> None:
    """Choose the entry that means the same as *unit*, however it is spelt; one more where there is none."""
    same = (combo.itemData(place) for place in range(combo.count()) if size_of(combo.itemData(place)) == size_of(unit))
    found = next(same, None)
    if found is None:
        combo.addItem(unit, unit)
    _choose(combo, unit if found is None else found)


def _fill_table(table: QTableWidget, rows: pd.DataFrame) -> None:
    table.setRowCount(len(rows))
    table.setColumnCount(len(rows.columns))
    for place, name in enumerate(rows.columns):
        item = QTableWidgetItem()
        item.setData(Qt.ItemDataRole.UserRole, str(name))
        table.setHorizontalHeaderItem(place, item)
        for row, cell in enumerate(rows[name]):
            table.setItem(row, place, QTableWidgetItem(str(cell)))


def _form(rows: Mapping[str, QWidget]) -> QFormLayout:
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for title, field in rows.items():
        label = QLabel(title)
        label.setToolTip(field.toolTip())
        form.addRow(label, field)
    return form


def _group(title: str, rows: Mapping[str, QWidget]) -> QGroupBox:
    box = QGroupBox(title)
    box.setLayout(_form(rows))
    return box
