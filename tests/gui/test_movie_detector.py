"""The movie of a session is measured before the first rod is drawn, and once."""

import threading
from dataclasses import replace

import pytest

from napari_lptem_diffusion.gui import movie_detector
from napari_lptem_diffusion.gui.movie_detector import MovieDetector
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.particles import calibrate
from napari_lptem_diffusion.progress import Stopped
from tests.analysis_factory import make_analysis

TIMEOUT_MS = 20_000


def nothing(*_):
    return False


@pytest.fixture(scope="module")
def detector():
    analysis = make_analysis()
    return calibrate(analysis.movie, analysis.settings.detection)


@pytest.fixture
def measuring(qtbot, detector, monkeypatch):
    """A result and its detector; the list of what was measured, which takes until the event is set."""
    measured, go_on = [], threading.Event()

    def measure(movie, settings, progress, should_stop):
        measured.append(movie)
        while not go_on.wait(0.01):
            if should_stop():
                raise Stopped
        return detector

    monkeypatch.setattr(movie_detector, "calibrate", measure)
    monkeypatch.setattr(movie_detector, "_DELAY_MS", 10)
    result = Result()
    yield result, MovieDetector(result, result), measured, go_on
    result.forget(None)


def test_it_is_measured_ahead_once_and_a_fit_waits_for_it(measuring, qtbot):
    result, ours, measured, go_on = measuring
    analysis = make_analysis()
    result.show(None, analysis)
    qtbot.waitUntil(lambda: len(measured) == 1, timeout=TIMEOUT_MS)
    with pytest.raises(Stopped):  # the user cancels while waiting
        ours.of(analysis, nothing, lambda: True)
    threading.Timer(0.2, go_on.set).start()
    found = ours.of(replace(analysis, corrections=()), nothing, nothing)
    assert found.bank.spectra == {}
    assert ours.of(analysis, nothing, nothing) is found
    assert len(measured) == 1
    other = make_analysis(seed=1)
    result.show(None, other)
    ours.of(other, nothing, nothing)
    assert measured[1] is other.movie


def test_another_result_ends_the_measuring_and_a_run_needs_none(measuring, detector, qtbot):
    result, ours, measured, _ = measuring
    result.show(None, make_analysis())
    qtbot.waitUntil(lambda: len(measured) == 1, timeout=TIMEOUT_MS)
    of_run = replace(make_analysis(), detector=detector)
    result.show(None, of_run)
    qtbot.waitUntil(lambda: not ours._turn.locked(), timeout=TIMEOUT_MS)
    assert ours.of(of_run, nothing, nothing) is detector
    bare = make_analysis()
    result.show(None, replace(bare, detections=bare.detections[["frame", "x", "y"]]))
    qtbot.wait(100)
    assert len(measured) == 1
