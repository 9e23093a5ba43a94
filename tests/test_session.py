"""An analysis that was saved opens again as it was, finds its movie, and refuses another."""

import errno
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_lptem_diffusion import session
from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.corrections import History, correct
from napari_lptem_diffusion.diffusion.estimate import estimate_diffusion
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import session_file
from napari_lptem_diffusion.export.session_file import fingerprint
from napari_lptem_diffusion.judge import judge_tracks
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Anchor, MarkDirt, MarkStuck, Rod, SplitTrack
from napari_lptem_diffusion.session import NOT_HERE, autosave, open_session, save_session
from napari_lptem_diffusion.settings import MovieSettings
from tests.analysis_factory import empty_analysis, make_analysis
from tests.export.conftest import files_in


def anchor(analysis, particle):
    row = analysis.tracks[analysis.tracks["particle"] == particle].iloc[0]
    return Anchor(frame=int(row["frame"]), x=float(row["x"]), y=float(row["y"]))


@pytest.fixture(scope="module")
def corrected() -> Analysis:
    """The made-up rods, really judged and corrected."""
    analysis = make_analysis()
    analysis = replace(analysis, motion=estimate_diffusion(analysis.tracks))
    for correction in (
        SplitTrack(track=anchor(analysis, 0), first_frame=20),
        AddRod(rod=Rod(frame=21, x=60.1, y=118.7, angle_deg=30, length=21, width=8), track=anchor(analysis, 3)),
        MarkStuck(track=anchor(analysis, 2)),
        MarkDirt(track=anchor(analysis, 4)),
    ):
        analysis = correct(analysis, correction)
    return analysis


@pytest.fixture
def beside_movie(corrected, tmp_path) -> Analysis:
    """The same, of a movie in a file, with a user's own pixel size."""
    np.save(tmp_path / "rods.npy", np.asarray(corrected.movie))
    movie = open_movie(tmp_path / "rods.npy").calibrated(2.0, 0.0125)
    return History(corrected).calibrated(movie, MovieSettings(pixel_size_nm=2.0, frame_interval_s=0.0125)).present


def assert_same(one: Analysis, other: Analysis) -> None:
    for name in ("detections", "tracks", "marked"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True, obj=name)
    for name in ("frames", "particles", "msd"):
        pd.testing.assert_frame_equal(getattr(one.motion, name), getattr(other.motion, name), check_exact=True)
    for name in ("settings", "measured", "corrections", "times"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.motion.model_hash == other.motion.model_hash
    assert one.movie.calibration == other.movie.calibration
    assert one.movie.name == other.movie.name
    assert one.movie.shape == other.movie.shape
    assert (one.uncorrected is None) == (other.uncorrected is None)
    if one.uncorrected is not None and other.uncorrected is not None:
        assert_same(one.uncorrected, other.uncorrected)


@pytest.mark.parametrize("made", [make_analysis, empty_analysis])
def test_every_table_comes_back_as_it_was(made, tmp_path):
    analysis = made()
    file = save_session(analysis, tmp_path / "mine.lptem")
    assert_same(open_session(file, movie=analysis.movie), analysis)
    assert_same(open_session(file, without_movie=True), analysis)


def test_corrections_and_what_was_before_them_come_back_too(beside_movie, tmp_path):
    assert_same(open_session(save_session(beside_movie, tmp_path / "mine.lptem")), beside_movie)


def test_an_export_is_a_session_and_exports_the_same_bytes_again(beside_movie, tmp_path):
    beside_movie.save(tmp_path / "out")
    reopened = open_session(tmp_path / "out")
    reopened.save(tmp_path / "again")
    csvs = [
        {name: content for name, content in files_in(tmp_path / folder).items() if name.endswith((".csv", ".toml"))}
        for folder in ("out", "again")
    ]
    assert csvs[0] == csvs[1]
    assert len(csvs[0]) > 8
    before, after = (json.loads((tmp_path / folder / "provenance.json").read_text()) for folder in ("out", "again"))
    assert before["input_files"] == after["input_files"]
    assert before["corrections"] == after["corrections"] != []


def test_correcting_goes_on_where_it_was_left(beside_movie, tmp_path):
    nxt = SplitTrack(track=anchor(beside_movie, 1), first_frame=30)
    reopened = open_session(save_session(beside_movie, tmp_path / "mine.lptem"))
    assert_same(correct(reopened, nxt), correct(beside_movie, nxt))
    undone = History(reopened).undo().present
    assert undone.corrections == beside_movie.corrections[:-1]
    assert 4 in set(undone.tracks["particle"]), "it was marked as dirt"


def test_the_movie_is_found_when_all_was_moved_and_when_it_lies_beside(beside_movie, tmp_path):
    beside_movie.save(tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    for name in ("rods.npy", "out"):
        shutil.move(tmp_path / name, tmp_path / "elsewhere" / name)
    assert open_session(tmp_path / "elsewhere" / "out").movie.path is not None
    shutil.move(tmp_path / "elsewhere" / "rods.npy", tmp_path / "elsewhere" / "out" / "rods.npy")
    assert open_session(tmp_path / "elsewhere" / "out").movie.path is not None


def test_a_movie_that_is_missing_is_named_and_can_be_given(beside_movie, tmp_path):
    file = save_session(beside_movie, tmp_path / "mine.lptem")
    renamed = (tmp_path / "rods.npy").rename(tmp_path / "film.npy")
    with pytest.raises(InputError, match=r"movie rods of the session mine.lptem is not found \(rods.npy\)"):
        open_session(file)
    given = open_session(file, movie=renamed)
    assert given.movie.name == "film"
    assert given.movie.calibration.pixel_size_nm == 2.0
    with pytest.raises(InputError, match="no_such"):
        open_session(file, movie=tmp_path / "no_such.npy")


def test_another_movie_is_refused(beside_movie, tmp_path):
    file = save_session(beside_movie, tmp_path / "mine.lptem")
    pixels = np.asarray(beside_movie.movie)
    with pytest.raises(InputError, match="it has 59 frames of 160 x 208 px; 60 frames of 160 x 208 px were expected"):
        open_session(file, movie=Movie.from_array(pixels[1:], "shorter"))
    with pytest.raises(InputError, match=r"other is not the movie of the session mine\.lptem: its frames have other"):
        open_session(file, movie=Movie.from_array(pixels[::-1], "other"))
    np.save(tmp_path / "rods.npy", pixels + 1)
    with pytest.raises(InputError, match="other pixels"):
        open_session(file)


def test_a_big_movie_is_recognised_without_reading_it_again_until_it_changes(beside_movie, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(session_file, "_computed_fingerprint", lambda movie: read.append(movie.name) or "f")
    for _ in range(3):
        assert fingerprint(open_movie(tmp_path / "rods.npy")) == "f"
    assert len(read) == 1
    np.save(tmp_path / "rods.npy", np.asarray(beside_movie.movie) + 1)
    fingerprint(open_movie(tmp_path / "rods.npy"))
    assert len(read) == 2
    (tmp_path / "frames").mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / "frames" / f"{number}.tif", np.zeros((8, 9), np.uint8))
    fingerprint(open_movie(tmp_path / "frames"))
    tifffile.imwrite(tmp_path / "frames" / "1.tif", np.ones((8, 9), np.uint8))
    fingerprint(open_movie(tmp_path / "frames"))
    fingerprint(Movie.from_array(np.zeros((2, 8, 8)), "of an array"))
    fingerprint(Movie.from_array(np.zeros((2, 8, 8)), "of an array"))
    assert read[2:] == ["frames", "frames", "of an array", "of an array"]


def test_results_are_there_without_the_movie(corrected, tmp_path):
    file = save_session(corrected, tmp_path / "mine.lptem")
    with pytest.raises(InputError, match="it was not a file"):
        open_session(file)
    opened = open_session(file, without_movie=True)
    assert opened.movie.notes == (NOT_HERE,)
    assert opened.movie.dtype == corrected.movie.dtype
    assert not opened.movie[3].any()
    np.testing.assert_array_equal(opened.labels(30), corrected.labels(30))
    opened.save(tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == len(corrected.motion.particles)


def test_tracks_of_another_tool_need_no_movie(corrected, tmp_path):
    corrected.tracks[["particle", "frame", "x", "y"]].to_csv(tmp_path / "tracks.csv", index=False)
    analysis = judge_tracks(tmp_path / "tracks.csv")
    analysis = correct(analysis, SplitTrack(track=anchor(analysis, 1), first_frame=30))
    assert_same(open_session(save_session(analysis, tmp_path / "mine.lptem")), analysis)


def test_autosaving_replaces_what_was_saved_of_the_movie_and_no_other(corrected, tmp_path):
    folder = tmp_path / "made" / "for it"
    first = autosave(corrected.uncorrected, folder)
    assert autosave(corrected, folder) == first
    assert_same(open_session(first, movie=corrected.movie), corrected)
    other = autosave(make_analysis(name="other.tif"), folder)
    odd = autosave(make_analysis(name="a/b: c?"), folder)
    assert {path.name for path in folder.iterdir()} == {first.name, other.name, odd.name}
    assert len({first, other, odd}) == 3


def test_an_autosave_that_fails_leaves_the_one_before(corrected, tmp_path, monkeypatch):
    file = autosave(corrected, tmp_path)
    before = files_in(tmp_path)

    def full(analysis, path, home, view):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(session, "write_session", full)
    with pytest.raises(InputError, match="no space left"):
        autosave(corrected, tmp_path)
    assert files_in(tmp_path) == before
    assert_same(open_session(file, movie=corrected.movie), corrected)


def test_a_session_is_not_overwritten_unless_asked(corrected, tmp_path):
    file = save_session(corrected, tmp_path / "mine.lptem")
    with pytest.raises(InputError, match="exists already"):
        save_session(corrected, file)
    assert save_session(corrected, file, overwrite=True) == file


def test_results_are_saved_although_the_movie_can_no_longer_be_read(beside_movie, tmp_path):
    """As when the disk with the movie was unplugged."""
    away = (tmp_path / "rods.npy").rename(tmp_path / "away.npy")
    movie = open_movie(away).calibrated(2.0, 0.0125)
    away.rename(tmp_path / "rods.npy")
    unplugged = History(beside_movie).calibrated(movie, beside_movie.settings.movie).present
    file = autosave(unplugged, tmp_path / "saved")
    assert_same(open_session(file, movie=beside_movie.movie), beside_movie)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "flipped", "other zip", "lost table"])
def test_a_file_that_is_no_whole_session_is_refused_in_one_sentence(damage, corrected, tmp_path):
    file = save_session(corrected, tmp_path / "mine.lptem")
    whole = file.read_bytes()
    file.unlink()
    if damage == "other zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("mimetype", "application/zip")
    elif damage == "lost table":
        rewrite(whole, file, lambda record: record["tables"].pop("present/tracks"))
    elif damage != "missing":
        flipped = bytearray(whole)
        flipped[whole.index(corrected.tracks["x"].to_numpy().tobytes())] ^= 255
        contents = {"empty": b"", "text": b"hello", "cut": whole[:-2000], "flipped": bytes(flipped)}
        file.write_bytes(contents[damage])
    with pytest.raises(InputError, match="mine") as refusal:
        open_session(file, without_movie=True)
    assert "\n" not in str(refusal.value)


def rewrite(whole, file, change):
    """Write the session of bytes *whole* with another ``session.json``."""
    file.with_suffix(".zip").write_bytes(whole)
    with zipfile.ZipFile(file.with_suffix(".zip")) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "session.json":
                record = json.loads(content)
                change(record)
                content = json.dumps(record).encode()
            new.writestr(name, content)


def test_a_session_of_a_newer_version_says_so(corrected, tmp_path):
    whole = save_session(corrected, tmp_path / "mine.lptem").read_bytes()
    rewrite(whole, tmp_path / "new.lptem", lambda record: record.update(version=2, software="9.0"))
    with pytest.raises(
        InputError, match=r"new.lptem is a session of version 2, written by 9.0; version 1 was expected"
    ):
        open_session(tmp_path / "new.lptem")


def test_a_folder_without_a_session_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"session\.lptem cannot be read"):
        open_session(tmp_path)
