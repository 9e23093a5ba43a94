import pytest
from qtpy.QtCore import QSettings

from napari_lptem_diffusion.gui.presets import PresetsMenu
from napari_lptem_diffusion.settings import DetectionSettings, MovieSettings, Settings


class Fields:
    """Stands for the fields of the dock."""

    def __init__(self):
        self.settings = Settings()

    def show(self, settings):
        self.settings = settings


@pytest.fixture
def fields():
    return Fields()


@pytest.fixture
def memory(tmp_path):
    return QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def menu(fields, memory, qtbot):
    menu = PresetsMenu(lambda: fields.settings, fields.show, memory=memory)
    qtbot.addWidget(menu)
    return menu


def texts(menu):
    menu.aboutToShow.emit()
    return [action.text() for action in menu.actions() if action.text()]


def test_saved_settings_come_back(menu, fields, tmp_path):
    mine = Settings(detection=DetectionSettings(threshold_sigma=7.25), movie=MovieSettings(pixel_size_nm=1.5))
    fields.settings = mine
    menu.save(tmp_path / "mine.toml")
    fields.settings = Settings()
    menu.load(tmp_path / "mine.toml")
    assert fields.settings == mine


def test_the_latest_files_are_offered_also_by_the_next_window(menu, fields, memory, tmp_path, qtbot):
    for number in range(8):
        menu.save(tmp_path / f"{number}.toml")
    menu.load(tmp_path / "3.toml")
    (tmp_path / "6.toml").unlink()
    other = PresetsMenu(lambda: fields.settings, fields.show, memory=memory)
    qtbot.addWidget(other)
    assert [path.name for path in other.recent] == ["3.toml", "7.toml", "5.toml", "4.toml", "2.toml"]
    fields.settings = Settings(detection=DetectionSettings(threshold_sigma=9))
    action = next(action for action in other.actions() if action.text().startswith("7.toml"))
    action.trigger()
    assert fields.settings == Settings()


def test_the_defaults_leave_the_scale_of_the_movie(menu, fields):
    fields.settings = Settings(movie=MovieSettings(pixel_size_nm=1.5), detection=DetectionSettings(threshold_sigma=9))
    next(action for action in menu.actions() if action.text() == "Defaults").trigger()
    assert fields.settings == Settings(movie=MovieSettings(pixel_size_nm=1.5))


def test_a_file_that_is_no_settings_is_refused_and_the_fields_stay(menu, fields, tmp_path, qtbot):
    (tmp_path / "other.toml").write_text("[detection]\nthreshold = 4\n")
    with qtbot.waitSignal(menu.failed) as failed:
        menu.load(tmp_path / "other.toml")
    assert "threshold_sigma" in str(failed.args[0])
    assert fields.settings == Settings()
    assert menu.recent == ()
    with qtbot.waitSignal(menu.failed):
        menu.save(tmp_path / "missing" / "mine.toml")
    assert texts(menu) == ["Save settings …", "Load settings …", "Defaults"]
