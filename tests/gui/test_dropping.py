"""What is dropped on the window, and what it is by its name."""

import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_lptem_diffusion.gui.dropping import DropTarget, Kind, is_too_little, kind_of

# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


def test_what_a_file_is_shows_in_its_name_or_its_folder(tmp_path):
    for name in ("a.lptem", "export/session.lptem", "b.toml", "c.CSV", "d.xml", "e.mat", "f.tif", "g.docx"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / "frames").mkdir()
    for number in range(2):
        (tmp_path / "frames" / f"{number}.png").write_bytes(b"")
    kinds = {path.name: kind_of(path) for path in tmp_path.iterdir()}
    assert kinds == {
        "a.lptem": Kind.SESSION,
        "export": Kind.SESSION,
        "b.toml": Kind.SETTINGS,
        "c.CSV": Kind.TRACKS,
        "d.xml": Kind.TRACKS,
        "e.mat": Kind.TRACKS,
        "f.tif": Kind.MOVIE,
        "frames": Kind.MOVIE,
        "g.docx": None,
    }


def test_a_drop_is_answered_before_anything_is_asked(window, tmp_path, qtbot):
    target, opened = DropTarget(window), []
    target.dropped.connect(opened.append)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "tracks.csv"))])
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, mime, left, none))
    QApplication.sendEvent(window, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, left, none))
    assert opened == []
    qtbot.waitUntil(lambda: opened == [[tmp_path / "tracks.csv"]])


def test_what_is_too_little_for_a_movie_is_told_from_what_is_not_ours(tmp_path):
    for name in ("empty", "one", "other.zarr"):
        (tmp_path / name).mkdir()
    for name in ("one/0.jpg", "other.zarr/.zgroup", "single.JPG", "notes.docx"):
        (tmp_path / name).write_bytes(b"")
    assert {path.name for path in tmp_path.iterdir() if is_too_little(path)} == {"empty", "one", "single.JPG"}
