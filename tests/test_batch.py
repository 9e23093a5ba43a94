"""Many movies: the same bytes with any number of workers, taken up again after a stop, one bad movie harms no other."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from napari_lptem_diffusion import batch
from napari_lptem_diffusion.batch import Outputs, analyze_movies
from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.progress import Stopped, report
from napari_lptem_diffusion.settings import DetectionSettings, LinkingSettings, Settings
from tests.analysis_factory import make_analysis
from tests.rendered_movie import write_movie

ONLY_TABLES = Outputs(report_page=False, overlay_movie=False)
SETTINGS = Settings(
    detection=DetectionSettings(rod_length_px=24.0, rod_width_px=11.0), linking=LinkingSettings(minimum_frames=5)
)


@pytest.fixture(scope="module")
def movies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("movies")
    return [write_movie(folder / f"{name}.tif", frames=frames) for name, frames in (("a", 40), ("b", 32))]


@pytest.fixture(scope="module")
def sequential(movies, tmp_path_factory):
    output = tmp_path_factory.mktemp("sequential") / "out"
    outcomes = analyze_movies(movies, output, SETTINGS, ONLY_TABLES)
    assert [outcome.status for outcome in outcomes] == ["done", "done"], outcomes
    return output


@pytest.fixture
def quick(sequential, monkeypatch):
    """Movies are not really analysed: their earlier export is copied. The list has the movies that were asked for."""
    asked = []

    def copied(job, progress=None, should_stop=None, corrections=()):
        report(progress, should_stop, 0, 1, "copy")
        asked.append(job.movie)
        if job.movie.stem == "bug":
            raise RuntimeError("a bug")
        shutil.copytree(sequential / job.movie.stem, job.folder)
        return make_analysis()

    monkeypatch.setattr(batch, "analyze_and_save", copied)
    return asked


def csvs(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")}


def summary(output):
    return pd.read_csv(output / "batch.csv").set_index("movie")


def test_workers_write_the_same_bytes_and_one_bad_movie_harms_no_other(movies, sequential, tmp_path):
    (tmp_path / "bad.tif").write_text("this is no movie")
    told = []
    outcomes = analyze_movies(
        [movies[0], tmp_path / "bad.tif", movies[1]],
        tmp_path / "out",
        SETTINGS,
        ONLY_TABLES,
        workers=2,
        on_outcome=told.append,
    )
    assert [outcome.status for outcome in outcomes] == ["done", "refused", "done"], outcomes
    assert set(told) == set(outcomes)
    assert "bad.tif" in outcomes[1].message
    (tmp_path / "out" / "batch.csv").unlink()
    expected = csvs(sequential)
    del expected["batch.csv"]
    assert csvs(tmp_path / "out") == expected
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["a", "b"], "nothing is left behind"


def test_what_is_done_with_the_same_settings_is_not_done_again(movies, sequential, tmp_path, quick):
    output = shutil.copytree(sequential, tmp_path / "out")
    shutil.rmtree(output / "b")
    outcomes = analyze_movies(movies, output, SETTINGS, ONLY_TABLES)
    assert [outcome.status for outcome in outcomes] == ["done before", "done"]
    assert quick == [movies[1]]
    assert summary(output)["particles"].tolist() == summary(sequential)["particles"].tolist() == [3, 3]


@pytest.mark.parametrize("what", ["settings", "outputs", "movie", "file", "network", "corrected"])
def test_what_was_done_otherwise_is_not_taken_for_done(what, movies, sequential, tmp_path):
    output = shutil.copytree(sequential, tmp_path / "out")
    paths = [shutil.copy(movie, tmp_path / movie.name) for movie in movies]
    settings, outputs = SETTINGS, ONLY_TABLES
    record = json.loads((output / "a" / "provenance.json").read_text())
    if what == "settings":
        settings = Settings()
    elif what == "outputs":
        outputs = Outputs(report_page=True, overlay_movie=False)
    elif what == "movie":
        write_movie(paths[0], frames=11)
    elif what == "file":
        (output / "a" / "msd.csv").unlink()
    elif what == "network":
        record["model_sha256"] = "another"
    else:
        record["corrections"] = [{"do": "delete track"}]
    (output / "a" / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="a is not empty"):  # it would be analysed again, if that were allowed
        analyze_movies(paths, output, settings, outputs)


def test_stopping_keeps_what_was_done(movies, tmp_path, quick):
    def after_the_first():
        return (tmp_path / "out" / "a").exists()

    with pytest.raises(Stopped):
        analyze_movies(movies, tmp_path / "out", SETTINGS, ONLY_TABLES, should_stop=after_the_first)
    assert summary(tmp_path / "out")["status"].to_dict() == {"a.tif": "done"}
    assert not (tmp_path / "out" / "b").exists()


def test_workers_of_any_executor_are_told_to_stop(movies, tmp_path):
    asked = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        threading.Timer(0.3, asked.set).start()
        with pytest.raises(Stopped):
            analyze_movies(movies, tmp_path / "out", SETTINGS, executor=executor, should_stop=asked.is_set)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_error_of_the_program_is_told_and_the_rest_goes_on(movies, tmp_path, quick):
    bug = shutil.copy(movies[0], tmp_path / "bug.tif")
    first, second = analyze_movies([bug, movies[1]], tmp_path / "out", SETTINGS, ONLY_TABLES)
    assert (first.status, second.status) == ("failed", "done")
    assert "RuntimeError: a bug" in first.message
    assert "in copied" in first.details
    table = summary(tmp_path / "out")
    assert table["status"].tolist() == ["failed", "done"]
    assert table["particles"].isna().tolist() == [True, False]


def test_the_command_line_takes_a_run_up_again(movies, sequential, tmp_path, capsys, quick):
    output = shutil.copytree(sequential, tmp_path / "out")
    (tmp_path / "settings.toml").write_text(SETTINGS.to_toml())
    arguments = ["analyze", *map(str, movies), "-o", str(output), "--settings", str(tmp_path / "settings.toml")]
    assert main([*arguments, "--no-video"]) == 2
    assert "is not empty" in capsys.readouterr().err, "there is no report yet"
    for name in ("a", "b"):
        record = json.loads((output / name / "provenance.json").read_text())
        record["files"].append("report.html")
        (output / name / "provenance.json").write_text(json.dumps(record))
        (output / name / "report.html").write_text("...")
    shutil.rmtree(output / "b")
    assert main([*arguments, "--no-video"]) == 0
    assert quick == [movies[1]]
    assert "a.tif: 3 particles, analysed before with the same settings" in capsys.readouterr().out


def test_what_makes_no_sense_is_refused_before_any_work(movies, tmp_path):
    with pytest.raises(InputError, match="No movie"):
        analyze_movies([], tmp_path / "out")
    with pytest.raises(InputError, match="twice"):
        analyze_movies([movies[0], movies[0]], tmp_path / "out")
    assert not (tmp_path / "out").exists()
