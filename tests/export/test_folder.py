"""Nothing half-written stays, and nothing of the user's is touched."""

import errno
import json
import sys
from pathlib import Path

import pytest

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import check_output_folder, save, save_analysis
from napari_lptem_diffusion.export.folder import staged
from napari_lptem_diffusion.progress import Stopped
from tests.analysis_factory import empty_analysis
from tests.export.conftest import few_frames, files_in


@pytest.fixture
def earlier(analysis, tmp_path):
    """An earlier export to which the user has added files."""
    folder = save_analysis(analysis, tmp_path / "out")
    (folder / "notes.txt").write_text("mine")
    (folder / "particles" / "chosen.csv").write_text("mine too")
    return folder


def test_a_folder_with_files_is_refused_and_untouched(analysis, earlier):
    before = files_in(earlier)
    for refuse in (lambda: check_output_folder(earlier), lambda: save_analysis(analysis, earlier)):
        with pytest.raises(InputError, match="is not empty"):
            refuse()
    assert files_in(earlier) == before


def test_overwriting_replaces_ours_removes_stale_particles_and_keeps_the_users(earlier):
    save_analysis(empty_analysis(), earlier, overwrite=True)
    after = files_in(earlier)
    assert after["notes.txt"] == b"mine"
    assert after["particles/chosen.csv"] == b"mine too"
    assert not [name for name in after if "particle_" in name]
    assert sorted(json.loads(after["provenance.json"])["files"] + ["notes.txt", "particles/chosen.csv"]) == sorted(
        after
    )


@pytest.mark.parametrize(
    "listed", [["notes.txt"], ["../victim.csv"], ["particles/../notes.txt"], [3, None], "notes.txt", 5]
)
def test_a_tampered_list_removes_nothing_of_the_users(earlier, listed):
    victim = earlier.parent / "victim.csv"
    victim.write_text("not yours")
    (earlier / "provenance.json").write_text(json.dumps({"files": listed}))
    save_analysis(empty_analysis(), earlier, overwrite=True)
    assert victim.read_text() == "not yours"
    assert (earlier / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("damaged", ["", "[]", '{"files"', "\x00\xff"])
def test_a_damaged_provenance_is_replaced(earlier, damaged):
    (earlier / "provenance.json").write_bytes(damaged.encode("latin-1"))
    save_analysis(empty_analysis(), earlier, overwrite=True)
    assert json.loads((earlier / "provenance.json").read_text(encoding="utf-8"))["files"]


def test_a_full_disk_leaves_the_earlier_export(analysis, earlier, monkeypatch):
    def full(table, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files_in(earlier)
    monkeypatch.setattr(save, "write_csv", full)
    with pytest.raises(InputError, match="no space left"):
        save_analysis(analysis, earlier, overwrite=True)
    assert files_in(earlier) == before


def test_any_other_failure_leaves_the_earlier_export_and_is_not_hidden(analysis, earlier, monkeypatch):
    before = files_in(earlier)
    monkeypatch.setattr(save, "picture", lambda analysis: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_analysis(analysis, earlier, overwrite=True)
    assert files_in(earlier) == before


def test_stopping_during_the_overlay_leaves_the_earlier_export(analysis, earlier):
    before, stages = files_in(earlier), []
    with pytest.raises(Stopped):
        save_analysis(
            few_frames(analysis),
            earlier,
            overwrite=True,
            progress=lambda done, total, stage: stages.append(stage),
            should_stop=lambda: stages.count("draw overlay") > 2,
            overlay_movie=True,
        )
    assert stages[-1] == "draw overlay"
    assert files_in(earlier) == before
    assert [path.name for path in earlier.parent.iterdir()] == ["out"]


def test_an_export_without_report_and_overlay_removes_those_of_an_earlier_one(tmp_path):
    pytest.importorskip("av")
    few = few_frames(empty_analysis())
    folder = save_analysis(few, tmp_path / "out", report_page=True, overlay_movie=True)
    (folder / "overlay_of_mine.mp4").write_bytes(b"mine")
    before = files_in(folder)
    assert {"report.html", "overlay.mp4"} <= set(json.loads(before["provenance.json"])["files"])
    after = files_in(save_analysis(few, folder, overwrite=True))
    assert set(before) - set(after) == {"report.html", "overlay.mp4"}


def test_a_move_that_fails_half_way_is_undone(earlier):
    (earlier / "summary.csv").unlink()
    (earlier / "summary.csv").mkdir()
    before = files_in(earlier)
    with pytest.raises(InputError, match="cannot be written"):
        save_analysis(empty_analysis(), earlier, overwrite=True)
    assert files_in(earlier) == before


def test_new_nested_and_empty_folders_are_fine(analysis, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a" / "b" / "c"):
        check_output_folder(folder)
        assert save_analysis(analysis, str(folder)) == folder
        assert (folder / "summary.csv").exists()


def test_checking_creates_nothing(tmp_path):
    check_output_folder(tmp_path / "a" / "b")
    check_output_folder(tmp_path, overwrite=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/out"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_where_a_folder_should_be_is_refused(tmp_path, place, overwrite):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file"):
        check_output_folder(tmp_path / place, overwrite)
    assert files_in(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder in which nobody may write: /proc")
def test_a_place_in_which_nothing_can_be_written_is_refused():
    with pytest.raises(InputError, match="/proc/out"):
        check_output_folder("/proc/out")


def test_an_export_can_be_made_into_the_current_folder(analysis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_analysis(analysis, ".")
    assert Path("summary.csv").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_block_sees_an_empty_folder_on_the_same_disk(tmp_path):
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out") as new:
        assert list(new.iterdir()) == []
        assert new.is_relative_to(tmp_path)
        (new / "one.csv").write_text("1")
    assert files_in(tmp_path) == {"out/one.csv": b"1"}
