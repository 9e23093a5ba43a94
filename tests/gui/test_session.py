import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_lptem_diffusion.corrections import History
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui import autosave as autosave_module
from napari_lptem_diffusion.gui.autosave import Autosave, newest_orphan
from napari_lptem_diffusion.gui.opening import _is_of
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.sessions import Sessions
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
    sessions = Sessions(Result(window), Selection(), autosave_home, window)
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

    again = Sessions(Result(window), Selection(), autosave_home, window)
    again.work_wanted.connect(lambda work, _, on_done: on_done(work(lambda *_: None, lambda: False)))
    opened = []
    again.opened.connect(opened.append)
    again.opened.connect(lambda analysis: again._result.show(None, analysis))
    qtbot.waitUntil(lambda: not again.recovery.isHidden())
    orphan = again.recovery.offers[0].path
    again.recovery.reopen_button.click()
    assert same_tables(opened[0], corrected.present)
    assert len(opened[0].corrections) == 1
    assert again.has_unsaved_corrections(None)
    assert again.recovery.isHidden()
    assert orphan.exists(), "it is not deleted before it is kept anew"
    keep_now(again.autosave, qtbot)
    assert not orphan.exists()
    assert opened[0].movie.path == corrected.present.movie.path, "its name is proposed for what is exported"
    np.testing.assert_array_equal(opened[0].movie[3], corrected.present.movie[3])
    assert (opened[0].save(autosave_home.parent / "out") / "summary.csv").is_file()
    again.autosave.forget()
    again.leave()


def answer_with(monkeypatch, answer):
    """Answer every question whether something may be replaced; return the questions."""
    asked = []
    for module in ("sessions", "saving"):
        monkeypatch.setattr(
            f"napari_lptem_diffusion.gui.{module}.ask", lambda _, question, yes: asked.append(question) or answer
        )
    return asked


def offer_what_was_left(sessions, analysis, window, home, qtbot):
    before = Autosave(window, home)
    before.keep(analysis)
    keep_now(before, qtbot)
    crash(before)
    sessions.recovery.offer_newest(home)
    assert not sessions.recovery.isHidden()


def make_unsaved(sessions, corrected):
    sessions.opened.connect(lambda opened: sessions._result.show(None, opened))
    sessions._result.show(None, corrected.past[0])
    sessions._result.set_history(corrected)


def test_corrections_that_go_with_their_movie_are_offered_again(sessions, analysis, corrected, autosave_home, qtbot):
    make_unsaved(sessions, corrected)
    sessions._result.forget(None)
    assert "rods" in sessions.recovery._text.text()
    sessions._result.show(None, analysis)  # another result is kept beside it, not in its place
    keep_now(sessions.autosave, qtbot)
    kept = sessions.recovery.offers[0]
    qtbot.waitUntil(lambda: kept._worker is None, timeout=TIMEOUT_MS)
    assert len(list(autosave_home.rglob("*.lptem"))) == 2
    sessions.recovery.reopen_button.click()
    assert same_tables(sessions._result.analysis, corrected.present)
    assert sessions.has_unsaved_corrections(None)
    assert sessions.recovery.isHidden()
    keep_now(sessions.autosave, qtbot)
    (only,) = autosave_home.rglob("*.lptem")
    assert len(open_session(only).corrections) == 1


def test_corrections_that_go_with_their_movie_outlive_the_window(sessions, corrected, autosave_home):
    make_unsaved(sessions, corrected)
    sessions._result.forget(None)
    sessions.leave()  # at once: what is being written in another thread is not written twice
    orphan = newest_orphan(autosave_home)
    assert same_tables(open_session(orphan.path), corrected.present)
    orphan.forget()


def test_a_session_that_cannot_be_opened_is_still_offered(
    sessions, analysis, window, autosave_home, monkeypatch, qtbot
):
    offer_what_was_left(sessions, analysis, window, autosave_home, qtbot)
    sessions.work_wanted.disconnect()  # the work fails: nothing is returned
    sessions.recovery.reopen_button.click()
    assert not sessions.recovery.isHidden()


def test_another_scale_is_a_change_and_the_same_is_not(sessions, corrected, tmp_path):
    make_unsaved(sessions, corrected)
    sessions.save_to(tmp_path / "mine.lptem")
    movie, settings = corrected.present.movie, corrected.present.settings.movie
    sessions._result.calibrate(movie.calibrated(2.0, 0.0125), settings)
    assert not sessions.has_unsaved_corrections(None)
    sessions._result.calibrate(movie.calibrated(3.0, 0.0125), settings)
    assert sessions.has_unsaved_corrections(None)


@pytest.mark.parametrize(
    ("typed", "there", "answer", "written"),
    [
        ("run_2.5nm", None, None, "run_2.5nm.lptem"),
        ("run_2.5nm", "run_2.lptem", None, "run_2.5nm.lptem"),
        ("mine.lptem", "mine.lptem", None, "mine.lptem"),  # Qt's own dialog has asked
        ("mine", "mine.lptem", False, None),
        ("mine", "mine.lptem", True, "mine.lptem"),
    ],
)
def test_only_the_file_that_was_named_is_replaced(
    sessions, analysis, tmp_path, monkeypatch, typed, there, answer, written
):
    sessions._result.show(None, analysis)
    if there:
        (tmp_path / there).write_text("before")
    asked = answer_with(monkeypatch, answer)
    monkeypatch.setattr(
        "napari_lptem_diffusion.gui.saving.QFileDialog.getSaveFileName", lambda *_: (str(tmp_path / typed), "")
    )
    sessions.save_as_action.trigger()
    assert len(asked) == (answer is not None)
    assert sessions.path == (None if written is None else tmp_path / written)
    if there and there != written:
        assert (tmp_path / there).read_text() == "before"


def test_discarding_deletes_what_was_left_once_it_is_confirmed(window, analysis, autosave_home, monkeypatch, qtbot):
    autosave = Autosave(window, autosave_home)
    autosave.keep(analysis)
    keep_now(autosave, qtbot)
    crash(autosave)
    sessions = Sessions(Result(window), Selection(), autosave_home, window)
    qtbot.waitUntil(lambda: not sessions.recovery.isHidden())
    assert "rods" in sessions.recovery._text.text()
    asked = answer_with(monkeypatch, False)
    sessions.recovery.discard_button.click()
    assert "rods" in asked[0]
    assert "Delete" in asked[0]
    assert not sessions.recovery.isHidden()
    answer_with(monkeypatch, True)
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
    orphan.forget()


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
    assert not sessions.has_unsaved_corrections(None), "an analysis without corrections can be run again"
    sessions._result.set_history(corrected)
    assert sessions.has_unsaved_corrections(None)
    keep_now(sessions.autosave, qtbot)
    sessions.save_to(tmp_path / "mine.lptem")
    assert not sessions.has_unsaved_corrections(None)
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


def test_a_window_that_closes_right_after_reopening_leaves_the_result_once(sessions, corrected, autosave_home):
    make_unsaved(sessions, corrected)
    sessions._result.forget(None)
    sessions.recovery.reopen_button.click()
    QThreadPool.globalInstance().waitForDone()
    sessions.leave()
    assert len(list(autosave_home.rglob("*.lptem"))) >= 1
    orphan = newest_orphan(autosave_home)
    assert same_tables(open_session(orphan.path), corrected.present)
    orphan.forget()


def test_a_new_result_is_kept_at_once_and_an_empty_one_does_not_take_its_place(sessions, analysis, autosave_home):
    sessions._result.show(None, analysis)
    assert sessions.autosave._timer.interval() == 0
    empty = replace(analysis, tracks=analysis.tracks[:0], detections=analysis.detections[:0])
    sessions._result.show(None, empty)
    assert sessions.autosave.unsaved is analysis
    assert not sessions.save_action.isEnabled()


def test_a_session_finds_the_layer_of_its_movie_however_its_path_is_written(analysis):
    path = analysis.movie.path
    layer = Image(open_movie(path.parent / ".." / path.parent.name / path.name))
    assert _is_of(layer, analysis.movie)
