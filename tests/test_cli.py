"""The command line as a user types it: results, refusals in one sentence, Ctrl-C, and the same numbers as Python."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_lptem_diffusion as lptem
from napari_lptem_diffusion.batch import output_folders
from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.settings import Settings
from tests.rendered_movie import write_movie


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    return write_movie(tmp_path_factory.mktemp("movie") / "rods.tif")


@pytest.fixture(scope="module")
def analysed(movie, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "result"
    video = ["--video-width", "480", "--video-fps", "24", "--video-quality", "low"]
    assert main(["analyze", str(movie), "-o", str(out), *video]) == 0
    return out


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused and return its one line on standard error."""
    assert main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    return errors[0]


def test_analyze_writes_everything_and_says_what_it_found(movie, tmp_path, capsys):
    out = tmp_path / "result"
    assert main(["analyze", str(movie), "-o", str(out), "--no-video"]) == 0
    said = capsys.readouterr().out
    assert "40 frames of 144 x 144 px" in said
    assert "2 nm" in said
    assert "frames/s" in said
    assert re.search(r"report\.html \(.* MB\)", said)
    particles = pd.read_csv(out / "summary.csv")
    assert len(particles) == 3
    assert len(list((out / "particles").glob("particle_*.csv"))) == 3
    assert {"provenance.json", "settings.toml", "picture.png", "report.html", "msd.csv"} <= {
        p.name for p in out.iterdir()
    }


def test_the_overlay_movie_is_written_with_every_frame_as_it_was_asked_for(analysed):
    av = pytest.importorskip("av", reason="the video extra is not installed")
    with av.open(str(analysed / "overlay.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.average_rate) == (480, 24)
        assert sum(1 for _ in video.decode(video=0)) == 40


def test_python_and_the_command_line_write_the_same_bytes(movie, analysed, tmp_path):
    lptem.analyze(movie).save(tmp_path / "python")
    assert all_bytes(tmp_path / "python") == all_bytes(analysed)


def test_the_written_settings_reproduce_the_run(movie, analysed, tmp_path):
    settings = str(analysed / "settings.toml")
    assert main(["analyze", str(movie), "-o", str(tmp_path / "again"), "--settings", settings, "--no-video"]) == 0
    assert all_bytes(tmp_path / "again") == all_bytes(analysed)


def test_an_option_wins_over_the_file_and_is_recorded(movie, tmp_path):
    (tmp_path / "mine.toml").write_text("[linking]\nminimum_frames = 30\nmemory_frames = 3\n")
    arguments = ["analyze", str(movie), "-o", str(tmp_path / "out"), "--settings", str(tmp_path / "mine.toml")]
    assert main([*arguments, "--minimum-frames", "12", "--pixel-size-nm", "3.5", "--no-video"]) == 0
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["settings"]["linking"]["minimum_frames"] == 12
    assert record["settings"]["linking"]["memory_frames"] == 3
    assert "3.5" in json.dumps(record["calibration"])


def test_several_movies_each_get_a_folder(movie, tmp_path):
    other = write_movie(tmp_path / "other.tif", frames=20)
    assert main(["analyze", str(movie), str(other), "-o", str(tmp_path / "out"), "--no-video"]) == 0
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["batch.csv", "other", "rods"]


def test_results_are_not_overwritten_unless_asked(movie, analysed, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    assert "out" in refusal(["analyze", str(movie), "-o", str(out)], capsys)
    assert [entry.name for entry in out.iterdir()] == ["mine.txt"]
    shutil.copytree(analysed, out, dirs_exist_ok=True)
    assert main(["analyze", str(movie), "-o", str(out), "--overwrite", "--no-video"]) == 0
    assert (out / "mine.txt").read_text() == "precious"
    assert (out / "summary.csv").exists()
    assert not (out / "overlay.mp4").exists(), "it would show the results of the run before"


def test_a_movie_that_cannot_be_used_does_not_keep_the_others_from_it(movie, tmp_path, capsys):
    arguments = ["analyze", str(tmp_path / "missing.tif"), str(movie), "-o", str(tmp_path / "out"), "--no-video"]
    assert main(arguments) == 2
    assert "1 of 2 movies" in capsys.readouterr().err
    assert (tmp_path / "out" / "rods" / "summary.csv").exists()


def test_movies_of_one_name_get_different_folders():
    movies = [Path("a/rods.tif"), Path("b/rods.tif"), Path("c/Rods.tif"), Path("rods_2.tif")]
    folders = output_folders(movies, Path("out"))
    assert len({str(folder).casefold() for folder in folders.values()}) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_to_a_movie_is_analysed(movie, tmp_path):
    (tmp_path / "link.tif").symlink_to(movie)
    assert main(["analyze", str(tmp_path / "link.tif"), "-o", str(tmp_path / "out"), "--no-video"]) == 0


def _bad_inputs(folder: Path) -> dict[str, Path]:
    """Write one file or folder of every kind that cannot be used."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (32, 32), dtype=np.uint8)
    paths = {name: folder / name for name in ("empty_folder", "unequal", "zero.tif", "text.tif", "one.tif", "list.npy")}
    paths["missing.tif"] = folder / "missing.tif"
    paths["empty_folder"].mkdir()
    paths["unequal"].mkdir()
    tifffile.imwrite(paths["unequal"] / "1.tif", frame)
    tifffile.imwrite(paths["unequal"] / "2.tif", frame[:20])
    paths["zero.tif"].write_bytes(b"")
    paths["text.tif"].write_text("this is no movie")
    tifffile.imwrite(paths["one.tif"], frame)
    np.save(paths["list.npy"], np.arange(5))
    return paths


@pytest.mark.parametrize(
    "name", ["empty_folder", "unequal", "zero.tif", "text.tif", "one.tif", "list.npy", "missing.tif"]
)
def test_input_that_cannot_be_used_is_refused_in_one_sentence_that_names_it(name, tmp_path, capsys):
    path = _bad_inputs(tmp_path)[name]
    line = refusal(["analyze", str(path), "-o", str(tmp_path / "out")], capsys)
    assert path.stem in line
    assert not (tmp_path / "out").exists()


def test_a_movie_without_rods_gives_empty_tables(tmp_path, capsys):
    noise = np.random.default_rng(3).poisson(50, (20, 96, 96)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "noise.tif", noise, photometric="minisblack")
    assert main(["analyze", str(tmp_path / "noise.tif"), "-o", str(tmp_path / "out"), "--no-video"]) == 0
    assert "0 tracks" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "out" / "summary.csv").empty
    assert list((tmp_path / "out" / "particles").glob("*.csv")) == []


def test_a_truncated_movie_gives_the_frames_that_are_whole_with_a_warning(movie, tmp_path, capsys):
    cut = tmp_path / "cut.tif"
    cut.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * 0.7)])
    assert main(["analyze", str(cut), "-o", str(tmp_path / "out"), "--no-video"]) == 0
    assert "Warning: " in capsys.readouterr().err
    assert 20 <= pd.read_csv(tmp_path / "out" / "detections.csv")["frame"].max() < 39


@pytest.mark.parametrize(
    ("option", "value", "found"), [("--threshold-sigma", "-3", "-3"), ("--pixel-size-nm", "two", "two")]
)
def test_settings_out_of_bounds_are_refused(movie, tmp_path, capsys, option, value, found):
    line = refusal(["analyze", str(movie), "-o", str(tmp_path / "out"), f"{option}={value}"], capsys)
    assert option.strip("-").replace("-", "_") in line
    assert found in line


def test_an_output_that_cannot_be_written_is_refused_before_the_work(movie, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "file" in refusal(["analyze", str(movie), "-o", str(tmp_path / "file")], capsys)
    assert "file" in refusal(["analyze", str(movie), "-o", str(tmp_path / "file" / "below")], capsys)


def test_every_setting_is_an_option(capsys):
    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    said = capsys.readouterr().out
    names = [name for stage in Settings.model_fields.values() for name in stage.annotation.model_fields]
    assert len(names) == len(set(names))
    for name in names:
        assert f"--{name.replace('_', '-')}" in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process of a group")
def test_ctrl_c_stops_cleanly_and_leaves_nothing(movie, tmp_path):
    frames = tifffile.imread(movie)
    tifffile.imwrite(tmp_path / "long.tif", np.concatenate([frames] * 30), photometric="minisblack")
    command = [sys.executable, "-m", "napari_lptem_diffusion.cli", "analyze", "long.tif", "-o", "out"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert "..." in process.stderr.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Stopped" in errors
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.tif"]


def test_training_from_the_command_line(tmp_path):
    (tmp_path / "c.toml").write_text(
        "steps = 4\npositions_per_step = 600\nshortest = 24\nlongest = 24\nvalidate_every = 2\n"
        "calibration_tracks = 40\n"
        "[architecture]\nproducts = 4\nwidth = 8\nbefore = [1]\ncoarse_width = 8\ncoarse = [1]\nafter = [1]\n"
    )
    assert main(["train", "--config", str(tmp_path / "c.toml"), "-o", str(tmp_path / "run")]) == 0
    assert {"weights.safetensors", "log.csv", "losses.png", "report.json"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }


def test_a_training_configuration_with_an_unknown_name_is_refused(tmp_path, capsys):
    (tmp_path / "c.toml").write_text("stepps = 4\n")
    line = refusal(["train", "--config", str(tmp_path / "c.toml"), "-o", str(tmp_path / "run")], capsys)
    assert "stepps" in line
