"""Settings kept in TOML files: saved, loaded, the latest ones offered again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QSettings, Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.folder import staged_file
from napari_lptem_diffusion.gui.saving import ask_where_to_save
from napari_lptem_diffusion.settings import Settings

_MOST_RECENT = 6
_RECENT = "recent_settings"
_KIND = "Settings (*.toml)"
_PROPOSED = "rods.toml"


class PresetsMenu(QMenu):
    """Save, load, the latest files, and the defaults.

    The pixel size and the frame interval that the user entered are part of a file of settings; the defaults leave
    them as they are, since they belong to the movie.
    """

    failed = Signal(object)
    """Emitted with the `InputError` of a file that cannot be read or written."""
    taken = Signal(str)
    """Emitted with a sentence that says which settings the fields show now, or where they were saved."""

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        set_settings: Callable[[Settings], None],
        parent: QWidget | None = None,
        memory: QSettings | None = None,
    ) -> None:
        """Take how to read and to fill the fields, and where the latest files are remembered: the user's own place."""
        super().__init__(parent)
        self._get_settings = get_settings
        self._set_settings = set_settings
        self._memory = memory or QSettings("napari-lptem-diffusion", "napari-lptem-diffusion")
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self._fill)
        self._fill()

    @property
    def recent(self) -> tuple[Path, ...]:
        """The files of settings that were used last and still exist, the latest first."""
        kept = self._memory.value(_RECENT, [])
        names = [kept] if isinstance(kept, str) else list(kept or [])  # a list of one comes back as text
        return tuple(path for name in names if (path := Path(name)).is_file())[:_MOST_RECENT]

    def load(self, path: str | Path) -> None:
        """Show the settings of a file in the fields; `failed` says why not."""
        try:
            settings = Settings.from_toml(path)
        except InputError as error:
            self.failed.emit(error)
            return
        self._set_settings(settings)
        self._remember(Path(path))
        self.taken.emit(f"Settings of {Path(path).name}.")

    def save(self, path: str | Path) -> None:
        """Write the settings as the fields show them, in place of what is there; `failed` says why not."""
        path = Path(path)
        try:
            with staged_file(path) as new:
                new.write_text(self._get_settings().to_toml(), encoding="utf-8", newline="\n")
        except InputError as error:
            self.failed.emit(error)
            return
        self._remember(path)
        self.taken.emit(f"Settings saved as {path.name}.")

    def reset(self) -> None:
        """Show the defaults, which measure in the movie what they can."""
        self._set_settings(Settings(movie=self._get_settings().movie))
        self.taken.emit("Settings as delivered.")

    def _fill(self) -> None:
        self.clear()
        for text, tooltip, done in (
            ("Save settings …", "Keep the settings as they stand in a file, for other movies.", self._ask_and_save),
            ("Load settings …", "Take the settings of a file, or of an earlier export.", self._ask_and_load),
        ):
            self.addAction(text, done).setToolTip(tooltip)
        if recent := self.recent:
            self.addSeparator()
        for path in recent:
            action = self.addAction(f"{path.name}   ({path.parent.name})".replace("&", "&&"), partial(self.load, path))
            action.setToolTip(str(path))
        self.addSeparator()
        defaults = self.addAction("Defaults", self.reset)
        defaults.setToolTip("All settings as delivered; pixel size and frame interval stay.")

    def _ask_and_save(self) -> None:
        path = ask_where_to_save(self, "Save settings", self._home() / _PROPOSED, _KIND, ".toml")
        if path is not None:
            self.save(path)

    def _ask_and_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load settings", str(self._home()), _KIND)
        if path:
            self.load(path)

    def _home(self) -> Path:
        return self.recent[0].parent if self.recent else Path.home()

    def _remember(self, path: Path) -> None:
        path = path.resolve()
        others = [other for other in self.recent if other != path]
        self._memory.setValue(_RECENT, [str(other) for other in (path, *others)][:_MOST_RECENT])
