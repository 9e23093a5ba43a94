import threading
import time
import warnings

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.gui.run_panel import RunPanel, Stage, Warned, duration_text
from napari_lptem_diffusion.gui.worker import Worker
from napari_lptem_diffusion.progress import report


def endless(progress, should_stop):
    for step in range(10**9):
        report(progress, should_stop, step, 10**9, "stepping")
        time.sleep(0.001)


def test_the_work_runs_in_another_thread_and_returns(qtbot):
    worker = Worker(lambda progress, should_stop: threading.get_ident())
    with qtbot.waitSignal(worker.returned, timeout=5000) as signal:
        worker.start()
    assert signal.args[0] != threading.get_ident()


def test_reports_are_thinned_but_each_stage_and_each_end_comes_through(qtbot):
    def work(progress, should_stop):
        for stage in ("find", "follow"):
            for done in range(1001):
                report(progress, should_stop, done, 1000, stage)

    reports = []
    worker = Worker(work)
    worker.progressed.connect(lambda *report: reports.append(report))
    with qtbot.waitSignal(worker.finished, timeout=5000):
        worker.start()
    assert {stage for _, _, stage in reports} == {"find", "follow"}
    assert (1000, 1000, "find") in reports
    assert (1000, 1000, "follow") in reports
    assert len(reports) < 400


def delete(thing: QObject) -> None:
    """Delete Qt's half of *thing* at once, as it is when a window closes."""
    thing.deleteLater()
    QApplication.sendPostedEvents(thing, QEvent.Type.DeferredDelete)


def test_work_whose_window_is_closed_ends_quietly(qapp):
    reached = []

    def work(progress, should_stop):
        report(progress, should_stop, 0, 2, "measuring")
        delete(worker.signals)
        reached.append("deleted")
        report(progress, should_stop, 1, 2, "finding")
        reached.append("went on")

    worker = Worker(work)
    worker.run()
    assert reached == ["deleted"]


def test_work_that_is_done_after_its_window_closed_ends_quietly(qapp):
    worker = Worker(lambda progress, should_stop: delete(worker.signals))
    worker.run()


@pytest.fixture
def panel(qtbot):
    panel = RunPanel()
    qtbot.addWidget(panel)
    return panel


def test_cancel_ends_the_work_within_a_second(panel, qtbot):
    panel.start(endless, "Stepping", on_done=lambda _: "never")
    qtbot.waitUntil(lambda: " of " in panel.text, timeout=5000)
    assert panel.is_running
    with qtbot.waitSignal(panel.finished, timeout=1000):
        panel.cancel()
    assert not panel.is_running
    assert "Stopped" in panel.text


def test_a_warning_stays_with_the_button_that_takes_the_work_back(panel, qtbot):
    undo, undone = QAction("Undo", panel), []
    undo.triggered.connect(lambda: undone.append(panel.text))
    with qtbot.waitSignal(panel.finished, timeout=5000):
        panel.start(lambda *_: None, "Marking", on_done=lambda _: Warned("It moved. " * 20, undo))
    panel.set_link_colour("#ffffff")
    assert panel.text == "It moved. " * 20
    assert panel.action_button.text() == "Undo"
    undo.setEnabled(False)
    undo.setToolTip("Nothing is to be undone.")
    assert not panel.action_button.isEnabled()
    assert panel.action_button.toolTip() == "Nothing is to be undone."
    undo.setEnabled(True)
    panel.action_button.click()
    assert len(undone) == 1
    panel.say("Undone.")
    assert panel.action_button.isHidden()


def test_only_one_work_runs_at_a_time(panel, qtbot):
    panel.start(endless, "First", on_done=lambda _: "never")
    panel.start(lambda *_: 1 / 0, "Second", on_done=lambda _: "never")
    with qtbot.waitSignal(panel.finished, timeout=5000):
        panel.cancel()


def test_a_failure_reaches_the_gui_and_the_panel_is_ready_again(panel, qtbot):
    def work(progress, should_stop):
        raise InputError("rods.tif is empty (0 bytes), expected a movie.")

    with qtbot.waitSignals([panel.failed, panel.finished], timeout=5000) as signals:
        panel.start(work, "Failing", on_done=lambda _: "never")
    assert "0 bytes" in str(signals.all_signals_and_args[0].args[0])
    assert panel.run_button.isEnabled()


def test_work_that_is_done_before_it_can_stop_counts_as_done(panel, qtbot):
    begun, go_on = threading.Event(), threading.Event()

    def write(progress, should_stop):
        begun.set()
        go_on.wait(5)
        return "rods.lptem"

    panel.start(write, "Saving", on_done=lambda name: f"Written: {name}.")
    qtbot.waitUntil(begun.is_set, timeout=5000)
    with qtbot.waitSignal(panel.finished, timeout=5000):
        panel.cancel()
        go_on.set()
    assert panel.text == "Written: rods.lptem."


def test_two_workers_hear_their_own_warnings_and_later_ones_go_where_they_went(qtbot):
    """The one that begins first ends first, which leaves a process without its hook if each puts back what it found."""
    both_run, first_has_ended = threading.Barrier(2), threading.Event()

    def work(name, wait):
        def warn(progress, should_stop):
            both_run.wait(5)
            wait()
            warnings.warn(name, InputWarning, stacklevel=1)

        return warn

    before = []
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: before.append(str(message))
        heard = {"first": [], "second": []}
        workers = {
            "first": Worker(work("first", lambda: None)),
            "second": Worker(work("second", lambda: first_has_ended.wait(5))),
        }
        for name, worker in workers.items():
            worker.warned.connect(lambda warning, name=name: heard[name].append(str(warning[0])))
        workers["first"].finished.connect(first_has_ended.set)
        with qtbot.waitSignals([worker.finished for worker in workers.values()], timeout=5000):
            for worker in workers.values():
                worker.start()
        assert heard == {"first": ["first"], "second": ["second"]}
        warnings.warn("later", InputWarning, stacklevel=1)
    assert before == ["later"]


def test_a_warning_of_the_work_reaches_the_gui(panel, qtbot):
    with qtbot.waitSignal(panel.warned, timeout=5000) as signal:
        panel.start(lambda *_: warnings.warn("cut off", InputWarning, stacklevel=1), "Warning", lambda _: "done")
    assert str(signal.args[0]) == "cut off"
    assert signal.args[1] is InputWarning
    qtbot.waitUntil(lambda: not panel.is_running, timeout=5000)


def test_the_time_left_is_told_once_it_can_be():
    stage = Stage("find rods", began_s=100.0)
    assert stage.text(0, 200, 100.0) == "Find rods · 0 of 200"
    assert stage.text(50, 200, 110.0) == "Find rods · 50 of 200 · 30 s left"
    assert stage.text(200, 200, 140.0) == "Find rods · 200 of 200"


def test_another_round_of_a_stage_has_a_time_of_its_own():
    stage = Stage("link rods", began_s=100.0).going_on(190, "link rods", 138.0)
    assert stage.text(190, 200, 138.0).endswith("2 s left")
    again = stage.going_on(10, "link rods", 140.0).going_on(100, "link rods", 150.0)
    assert again.text(100, 200, 150.0).endswith("10 s left")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (40, "40 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_put_in_words(seconds, text):
    assert duration_text(seconds) == text
