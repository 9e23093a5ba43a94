"""Work that is done side by side comes back in order, and ends when its caller is stopped."""

import threading
import time

import pytest

from napari_lptem_diffusion.particles.finding.frame_pool import side_by_side
from napari_lptem_diffusion.progress import Stopped


def test_results_come_in_order_and_the_caller_is_asked_before_each_of_them():
    asked_from = []

    def work(item):
        time.sleep(0.002 * (5 - item))
        return item**2

    def pause():
        asked_from.append(threading.current_thread())

    assert side_by_side(work, range(5), pause) == [0, 1, 4, 9, 16]
    assert asked_from == 5 * [threading.current_thread()]


def test_who_stops_waits_only_for_what_is_under_way(monkeypatch):
    monkeypatch.setenv("PYTHON_CPU_COUNT", "1")
    done = []

    def pause():
        raise Stopped

    with pytest.raises(Stopped):
        side_by_side(lambda item: (time.sleep(0.01), done.append(item)), range(50), pause)
    assert len(done) < 10
