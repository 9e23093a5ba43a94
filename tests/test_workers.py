"""Work on several processes goes on where one of them is killed."""

import os
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.workers import on_processes


def written(job: tuple[str, Path], should_stop) -> str:
    """Die at once, wait to be stopped, write for ever and clean up after that, or say that it is done."""
    name, folder = job
    if name == "never looks":
        begun = folder / "begun"
        try:
            while True:
                begun.write_text("half")
                time.sleep(0.02)
        finally:
            begun.unlink()
    if name == "dies":
        os._exit(9)
    while name == "slow" and not should_stop():
        time.sleep(0.02)
    if should_stop():
        raise Stopped
    return f"{name} done"


def test_only_a_job_that_dies_alone_has_failed(tmp_path):
    names = ["a", "dies", "b", "c", "d", "e"]
    told = []
    jobs = [(name, tmp_path) for name in names]
    results = dict(on_processes(written, jobs, 2, tmp_path, lambda *said: told.append(said)))
    assert set(results) == set(jobs)
    assert isinstance(results.pop(jobs[1]), BrokenExecutor)
    assert results == {job: f"{job[0]} done" for job in results}
    counts = [done for done, _, _ in told]
    assert counts == sorted(counts)
    assert told[-1][:2] == (6, 6)
    assert list(tmp_path.iterdir()) == []


def test_work_is_stopped_on_all_processes(tmp_path):
    with pytest.raises(Stopped):
        list(on_processes(written, [("slow", tmp_path)] * 2, 2, tmp_path, should_stop=lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_work_that_does_not_look_is_stopped_too_and_cleans_up(tmp_path):
    begun, asked_at = tmp_path / "begun", []

    def asked():
        if begun.exists():
            asked_at.append(time.monotonic())
        return bool(asked_at)

    with pytest.raises(Stopped):
        list(on_processes(written, [("never looks", tmp_path)] * 3, 1, tmp_path, should_stop=asked))
    assert time.monotonic() - asked_at[0] < 20, "it would go on for ever"
    assert list(tmp_path.iterdir()) == []
