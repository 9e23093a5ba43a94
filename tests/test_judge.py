"""Tracks of another tool are judged as those of a movie are, and give the same files."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.corrections import History, correct
from napari_lptem_diffusion.diffusion.estimate import estimate_diffusion
from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.export.units import with_units
from napari_lptem_diffusion.judge import judge_again, judge_tracks
from napari_lptem_diffusion.movie import Calibration
from napari_lptem_diffusion.particles.correcting.correction import Anchor, SplitTrack
from napari_lptem_diffusion.session import open_session, save_session
from napari_lptem_diffusion.settings import Settings


@pytest.fixture(scope="module")
def walk() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    tables = []
    for particle in range(3):
        xy = 100 + 60 * particle + rng.normal(0, 1.5, (40 - 15 * particle, 2)).cumsum(axis=0)
        columns = {"particle": particle, "frame": np.arange(len(xy)), "x": xy[:, 0], "y": xy[:, 1]}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def judged(walk, tmp_path_factory):
    """The command line's export of the walk in nm."""
    home = tmp_path_factory.mktemp("judge")
    walk.assign(x=walk["x"] * 2, y=walk["y"] * 2).to_csv(home / "mine.csv", index=False)
    arguments = ["judge", str(home / "mine.csv"), "-o", str(home / "out"), "--column", "length_unit=nm", "--trackmate"]
    assert main([*arguments, "--pixel-size-nm", "2", "--frame-interval-s", "0.1"]) == 0
    return home


def test_the_numbers_are_those_of_estimate_diffusion(walk, judged):
    expected = with_units(estimate_diffusion(walk).particles, Calibration(2.0, 0.1))
    found = pd.read_csv(
        judged / "out" / "summary.csv",
        dtype={"change_points": str},
        keep_default_na=False,
        na_values={name: [""] for name in expected if name != "change_points"},
    )
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False, rtol=1e-5)


def test_the_files_are_those_of_a_movie_and_say_where_the_tracks_are_from(judged):
    names = {path.name for path in (judged / "out").iterdir()}
    assert {"summary.csv", "msd.csv", "particles", "report.html", "provenance.json", "trackmate.xml"} <= names
    record = json.loads((judged / "out" / "provenance.json").read_text())
    assert [file["name"] for file in record["input_files"]] == ["mine.csv"]
    assert any("there is no movie" in note for note in record["movie"]["notes"])
    assert "there is no movie" in (judged / "out" / "report.html").read_text()


def test_the_files_come_back_as_tracks(walk, judged, tmp_path):
    for name in ("detections.csv", "trackmate.xml", "trackmate.csv"):
        shutil.copy(judged / "out" / name, tmp_path)
        analysis = judge_tracks(tmp_path / name)
        np.testing.assert_allclose(
            analysis.motion.particles["mixing_ratio"], estimate_diffusion(walk).particles["mixing_ratio"], atol=2e-3
        )


def test_settings_count(judged):
    settings = Settings.checked({"diffusion": {"localization_error_px": 40.0}}, "test")
    analysis = judge_tracks(judged / "mine.csv", settings)
    assert analysis.motion.particles["immobile"].all()
    assert not any("error is not known" in note for note in analysis.movie.notes)
    assert any("error is not known" in note for note in judge_tracks(judged / "mine.csv").movie.notes)


def test_judging_again_is_judging_with_other_settings_and_keeps_what_was_corrected(judged):
    first = judge_tracks(judged / "mine.csv")
    rod = first.tracks[first.tracks["particle"] == 1].iloc[0]
    split = SplitTrack(track=Anchor(frame=int(rod["frame"]), x=rod["x"], y=rod["y"]), first_frame=12)
    settings = Settings.checked({"diffusion": {"localization_error_px": 0.4}}, "test")
    at_once = correct(judge_tracks(judged / "mine.csv", settings), split)
    again = judge_again(correct(first, split), settings.diffusion)
    assert again.settings == at_once.settings
    assert again.corrections == (split,)
    assert again.movie.notes == at_once.movie.notes, "the error is known by now"
    pd.testing.assert_frame_equal(again.tracks, at_once.tracks)
    for table in ("frames", "particles", "msd"):
        pd.testing.assert_frame_equal(getattr(again.motion, table), getattr(at_once.motion, table))
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(again.motion.particles, correct(first, split).motion.particles)
    assert History(again).undo().present.corrections == ()


@pytest.mark.parametrize(
    ("unit", "pixel_size_nm", "stands_for"), [("nm", None, 0.5), ("um", 500.0, 500.0), ("px", 2.0, None)]
)
def test_it_is_known_for_good_what_a_px_stands_for(walk, tmp_path, unit, pixel_size_nm, stands_for):
    walk.to_csv(tmp_path / "mine.csv", index=False)
    settings = Settings.checked({"movie": {"pixel_size_nm": pixel_size_nm}}, "test")
    analysis = judge_tracks(tmp_path / "mine.csv", settings, {"length_unit": unit})
    assert analysis.px_stands_for_nm == stands_for
    opened = open_session(save_session(analysis, tmp_path / "mine.lptem"))
    assert opened.px_stands_for_nm == stands_for


def test_positions_beyond_the_picture_are_said(walk, tmp_path):
    walk.assign(x=walk["x"] * 100).to_csv(tmp_path / "far.csv", index=False)
    with pytest.warns(InputWarning, match="outside of the pictures"):
        analysis = judge_tracks(tmp_path / "far.csv")
    assert max(analysis.movie.shape[1:]) <= 2048


def test_a_column_that_cannot_be_is_refused_with_exit_code_2(judged, capsys):
    for column, words in (("z=height", "cannot hold 'z'"), ("x", "has no '='"), ("x=cx", "no column 'cx'")):
        arguments = ["judge", str(judged / "mine.csv"), "-o", str(judged / "other"), "--column", column]
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    assert not (judged / "other").exists()
