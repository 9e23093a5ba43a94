"""The first use after the installation says why it takes long, and can be stopped meanwhile."""

import threading

import pytest

from napari_lptem_diffusion.particles.finding import preparing
from napari_lptem_diffusion.progress import Stopped

STOP_AFTER_S, ENOUGH_S = 0.01, 20


def test_who_waits_is_told_and_gets_the_error_of_the_work(monkeypatch):
    told = threading.Event()

    def work():
        assert told.wait(ENOUGH_S)
        raise ZeroDivisionError

    monkeypatch.setattr(preparing, "_fit_a_rod", work)
    monkeypatch.setattr(preparing, "_SECONDS_BETWEEN_LOOKS", STOP_AFTER_S)
    with pytest.raises(ZeroDivisionError):
        preparing.prepare_fit(told.set)


def test_stopping_does_not_wait_for_the_work(monkeypatch):
    let_go = threading.Event()

    def stop():
        raise Stopped

    monkeypatch.setattr(preparing, "_fit_a_rod", lambda: let_go.wait(ENOUGH_S))
    monkeypatch.setattr(preparing, "_SECONDS_BETWEEN_LOOKS", STOP_AFTER_S)
    with pytest.raises(Stopped):
        preparing.prepare_fit(stop)
    assert not let_go.is_set()
    let_go.set()
