import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QMessageBox, QVBoxLayout, QWidget

from napari_lptem_diffusion.corrections import History
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui import autosave as autosave_module
from napari_lptem_diffusion.gui.autosave import Autosave, newest_orphan
from napari_lptem_diffusion.gui.dropping import Kind, kind_of
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.sessions import Sessions
from napari_lptem_diffusion.gui.shortcuts import ShortcutKeeper, ShortcutsDialog
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.particles.correcting.correction import Anchor, DeleteTrack
from napari_lptem_diffusion.session import open_session, save_session
from tests.analysis_factory import make_analysis

TIMEOUT_MS = 20_000
# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def analysis(tmp_path):
    """The made-up analysis, whose movie is a file."""
    made = make_analysis()
    path = tmp_path / "data" / "rods.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.stack([made.movie[i] for i in range(len(made.movie))]), photometric="minisblack")
    return replace(made, movie=open_movie(path, 2.0, 0.0125))


@pytest.fixture
def corrected(analysis):
    rod = analysis.tracks[analysis.tracks["particle"] == 2].iloc[0]
    anchor = Anchor(frame=int(rod["frame"]), x=float(rod["x"]), y=float(rod["y"]))
    return History(analysis).correct(DeleteTrack(track=anchor))


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


@pytest.fixture
def sessions(window, autosave_home):
    """Sessions whose work is done at once, in the test's own thread."""
    sessions = Sessions(Result(window), autosave_home, window)
    sessions.work_wanted.connect(lambda work, _, on_done: on_done(work(lambda *_: None, lambda: False)))
    yield sessions
    sessions.leave()


def keep_now(autosave, qtbot):
    autosave.keep_now()
    qtbot.waitUntil(lambda: autosave._worker is None, timeout=TIMEOUT_MS)


def same_tables(one, other):
    return one.tracks.equals(other.tracks) and one.motion.frames.equals(other.motion.frames)


def crash(autosave):
    """Leave what a window leaves that is killed: its folder, and a lock that no living process holds."""
    autosave._lock.unlock()
    autosave._lock = None
    autosave._timer.stop()


def test_after_a_crash_the_result_is_offered_and_comes_back_whole(window, sessions, corrected, autosave_home, qtbot):
    sessions._result.show(None, corrected.past[0])
    sessions._result.set_history(corrected)
    keep_now(sessions.autosave, qtbot)
    assert newest_orphan(autosave_home) is None, "a living window keeps its own"
    crash(sessions.autosave)

    again = Sessions(Result(window), autosave_home, window)
    again.work_wanted.connect(lambda work, _, on_done: on_done(work(lambda *_: None, lambda: False)))
    opened = []
    again.opened.connect(opened.append)
    again.opened.connect(lambda analysis: again._result.show(None, analysis))
    qtbot.waitUntil(lambda: not again.recovery.isHidden())
    again.recovery.reopen_button.click()
    assert same_tables(opened[0], corrected.present)
    assert len(opened[0].corrections) == 1
    assert again.has_unsaved_corrections
    orphan = again.recovery.orphan.path
    assert orphan.exists(), "it is not deleted before it is kept anew"
    keep_now(again.autosave, qtbot)
    assert not orphan.exists()
    again.autosave.forget()
    again.leave()


def test_discarding_deletes_what_was_left(window, analysis, autosave_home, qtbot):
    autosave = Autosave(window, autosave_home)
    autosave.keep(analysis)
    keep_now(autosave, qtbot)
    crash(autosave)
    sessions = Sessions(Result(window), autosave_home, window)
    qtbot.waitUntil(lambda: not sessions.recovery.isHidden())
    assert "rods" in sessions.recovery._text.text()
    sessions.recovery.discard_button.click()
    assert sessions.recovery.isHidden()
    assert list(autosave_home.iterdir()) == []
    sessions.leave()


def test_only_work_that_would_be_missed_outlives_a_window_that_is_closed(window, analysis, corrected, autosave_home):
    for kept, expected in ((analysis, False), (corrected.present, True)):
        autosave = Autosave(window, autosave_home)
        autosave.keep(kept)
        autosave.leave()
        orphan = newest_orphan(autosave_home)
        assert (orphan is not None) == expected
    assert same_tables(open_session(orphan.path), corrected.present)
    orphan.discard()


def test_writing_waits_for_what_was_written_before_but_never_over_a_minute(window, analysis, autosave_home, qtbot):
    autosave = Autosave(window, autosave_home)
    autosave.keep(analysis)
    assert autosave._timer.interval() <= 5_000
    keep_now(autosave, qtbot)
    autosave.keep(replace(analysis))
    assert 5_000 < autosave._timer.interval() <= 60_000
    autosave.forget()
    assert not autosave_home.exists() or list(autosave_home.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_told_once(window, analysis, tmp_path, qtbot, monkeypatch):
    def refuse(*_):
        raise InputError("the disk is full")

    monkeypatch.setattr(autosave_module, "autosave", refuse)
    autosave = Autosave(window, tmp_path / "full")
    told = []
    autosave.failed.connect(told.append)
    for _ in range(2):
        autosave.keep(replace(analysis))
        keep_now(autosave, qtbot)
    assert [str(error) for error in told] == ["the disk is full"]
    autosave.forget()


def test_saving_makes_the_autosave_needless(sessions, corrected, tmp_path, qtbot, autosave_home):
    sessions._result.show(None, corrected.past[0])
    assert not sessions.has_unsaved_corrections, "an analysis without corrections can be run again"
    sessions._result.set_history(corrected)
    assert sessions.has_unsaved_corrections
    keep_now(sessions.autosave, qtbot)
    sessions.save_to(tmp_path / "mine.lptem")
    assert not sessions.has_unsaved_corrections
    assert list(autosave_home.iterdir()) == []
    assert same_tables(open_session(tmp_path / "mine.lptem"), corrected.present)
    assert sessions.path == tmp_path / "mine.lptem"


def test_the_session_of_an_export_is_not_saved_over(sessions, analysis, tmp_path):
    folder = analysis.save(tmp_path / "export")
    sessions.opened.connect(lambda opened: sessions._result.show(None, opened))
    sessions.open(folder)
    assert sessions.path is None
    own = save_session(analysis, tmp_path / "own.lptem")
    sessions.open(own)
    assert sessions.path == own


@pytest.mark.parametrize(("answer", "seen"), [("Open without it", 0), ("Find the movie …", 1), ("Cancel", None)])
def test_a_session_asks_for_a_movie_that_was_moved(sessions, analysis, tmp_path, monkeypatch, answer, seen):
    path = save_session(analysis, tmp_path / "mine.lptem")
    moved = tmp_path / "elsewhere" / "renamed.tif"
    moved.parent.mkdir()
    shutil.move(analysis.movie.path, moved)
    asked = []

    def choose(box):
        asked.append(box.text())
        next(button for button in box.buttons() if button.text().replace("&", "") == answer).click()

    monkeypatch.setattr(QMessageBox, "exec", choose)
    monkeypatch.setattr("napari_lptem_diffusion.gui.sessions.QFileDialog.getOpenFileName", lambda *_: (str(moved), ""))
    opened = []
    sessions.opened.connect(opened.append)
    sessions.open(path)
    sessions.ask_for_missing_movie()
    assert "rods.tif" in asked[0]
    assert [bool(shown.movie[0].any()) for shown in opened] == ([] if seen is None else [bool(seen)])


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


def press(widget, key, modifier):
    """Send what Qt sends for a key: first the question whether it is a shortcut here, then the key."""
    for kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
        QApplication.sendEvent(widget, QKeyEvent(kind, key, modifier))


def test_keys_in_the_dock_are_ours_but_not_while_typing(window, sessions, qtbot):
    done = []
    sessions.save_action.triggered.disconnect()
    sessions.save_action.triggered.connect(lambda: done.append("saved"))
    child, field = QWidget(), QLineEdit("text")
    layout = QVBoxLayout(window)
    layout.addWidget(child)
    layout.addWidget(field)
    ShortcutKeeper(window, sessions.actions_)
    control = Qt.KeyboardModifier.ControlModifier
    press(child, Qt.Key.Key_S, control)
    assert done == [], "there is no result to save"
    sessions._result.show(None, make_analysis())
    press(child, Qt.Key.Key_S, control)
    assert done == ["saved"]
    press(field, Qt.Key.Key_Z, control)
    press(child, Qt.Key.Key_S, Qt.KeyboardModifier.NoModifier)
    assert done == ["saved"]


def test_every_shortcut_is_listed(window, sessions):
    dialog = ShortcutsDialog(window, {"Session": sessions.actions_})
    words = {label.text() for label in dialog.findChildren(QLabel)}
    assert {"Session", "Ctrl+S", "Save session", "Open session"} <= words
