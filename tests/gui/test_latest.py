import threading
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.gui.figure_view import Canvas, FigureView, as_image, drawn
from napari_lptem_diffusion.gui.latest import Latest
from napari_lptem_diffusion.progress import report


@pytest.fixture
def latest(qapp):
    parent = QObject()
    latest = Latest(parent, debounce_ms=10)
    latest.answers = []
    latest.done.connect(latest.answers.append)
    yield latest
    latest.abandon()


def test_only_the_latest_wish_is_done(latest, qtbot):
    begun = []
    for number in range(5):
        latest.want(lambda *_, number=number: begun.append(number) or number)
    qtbot.waitUntil(lambda: latest.answers == [4], timeout=5000)
    assert begun == [4]


def test_the_answer_to_an_earlier_wish_is_dropped_and_two_never_work_at_once(latest, qtbot):
    go_on, busy = threading.Event(), []
    at_work = []

    def slow(*_):
        at_work.append("slow")
        go_on.wait(5)
        at_work.append("slow is done")
        return "slow"

    latest.busy.connect(busy.append)
    latest.want(slow)
    qtbot.waitUntil(lambda: at_work == ["slow"], timeout=5000)
    latest.want(lambda *_: at_work.append("quick") or "quick")
    qtbot.wait(50)
    go_on.set()
    qtbot.waitUntil(lambda: latest.answers == ["quick"], timeout=5000)
    assert at_work == ["slow", "slow is done", "quick"]
    qtbot.waitUntil(lambda: busy[-1] is False, timeout=5000)


def test_what_fails_is_told_unless_nobody_wants_it_any_more(latest, qtbot):
    def broken(*_):
        raise ValueError("broken")

    with qtbot.waitSignal(latest.failed, timeout=5000) as failed:
        latest.want(broken)
    assert str(failed.args[0]) == "broken"
    with qtbot.assertNotEmitted(latest.failed, wait=100):
        latest.want(broken)
        latest.stop()


def test_work_ends_with_the_window_that_wanted_it(qapp, qtbot):
    ended = threading.Event()

    def endless(progress, should_stop):
        try:
            while True:
                report(progress, should_stop, 0, 1, "waiting")
                time.sleep(0.005)
        finally:
            ended.set()

    parent = QObject()
    latest = Latest(parent, debounce_ms=0)
    latest.want(endless)
    qtbot.wait(100)
    assert not ended.is_set()
    parent.deleteLater()
    QApplication.sendPostedEvents(parent, QEvent.Type.DeferredDelete)
    qtbot.waitUntil(ended.is_set, timeout=2000)


@pytest.mark.parametrize("canvas", [Canvas(300, 200), Canvas(300, 200, 1.5), Canvas(1200, 500, 2.0)])
def test_a_figure_fills_its_canvas_sharply(canvas):
    figure = Figure(figsize=(4, 3))
    figure.add_subplot().plot([0, 1])
    rgba = drawn(figure, canvas)
    expected = np.array([canvas.height, canvas.width]) * canvas.dots_per_px
    np.testing.assert_allclose(rgba.shape[:2], expected, atol=1.5)
    assert (figure.get_size_inches() >= np.array([4, 3]) - 1e-9).all(), "no more crowded than it was made"


def test_a_picture_or_a_sentence_is_shown(qtbot):
    view = FigureView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.say("Nothing yet.")
    before = view.grab().toImage()
    red = np.zeros((200, 300, 4), np.uint8)
    red[..., [0, 3]] = 255
    view.show_image(as_image(red))
    assert before != view.grab().toImage()
    assert view.grab().toImage().pixelColor(150, 100).name() == "#ff0000"
