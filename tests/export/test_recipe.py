"""The script of a run does it again: the same CSVs, byte by byte."""

from dataclasses import replace

import numpy as np
import pytest

import napari_lptem_diffusion as lptem
from napari_lptem_diffusion.corrections import replay
from napari_lptem_diffusion.export.recipe import python_recipe
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Anchor, MarkStuck, Rod, SplitTrack
from napari_lptem_diffusion.particles.track_files.columns import ColumnMap
from napari_lptem_diffusion.session import save_session
from napari_lptem_diffusion.settings import (
    DetectionSettings,
    DiffusionSettings,
    LinkingSettings,
    MovieSettings,
    Settings,
)
from tests.analysis_factory import make_analysis
from tests.rendered_movie import write_movie


def csvs(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")}


def run(script, folder, monkeypatch):
    """Run *script* in *folder* and return the CSVs of the one folder that it makes."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    exec(compile(script, "recipe.py", "exec"), {"__name__": "__main__"})
    (made,) = folder.iterdir()
    return csvs(made)


def rod_at(analysis, particle):
    row = analysis.tracks[analysis.tracks["particle"] == particle].iloc[5]
    return Anchor(frame=int(row["frame"]), x=float(row["x"]), y=float(row["y"]))


def test_the_script_of_a_corrected_movie_writes_the_same_tables(tmp_path, monkeypatch):
    path = write_movie(tmp_path / "it's a movie.tif", frames=24)
    settings = Settings(
        movie=MovieSettings(pixel_size_nm=1.7),
        detection=DetectionSettings(threshold_sigma=6.5, rod_length_px=24.0, rod_width_px=11.0),
        linking=LinkingSettings(minimum_frames=5),
    )
    found = lptem.analyze(path, settings)
    drawn = Rod(frame=4, x=1 / 3, y=2 / 3, angle_deg=12.3, length=20, width=9, fit={"snr": 7.1})
    corrections = (
        SplitTrack(track=rod_at(found, 0), first_frame=12),
        AddRod(rod=drawn, track=None),
        MarkStuck(track=rod_at(found, 1)),
    )
    analysis = replay(found, corrections)
    script = python_recipe(analysis)
    assert "memory_frames" not in script, "it has its default"
    assert run(script, tmp_path / "again", monkeypatch) == csvs(analysis.save(tmp_path / "first"))


def test_the_script_of_tracks_reads_the_same_columns(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = [(blob, n, *xy) for blob in (3, 9) for n, xy in enumerate(rng.normal(0, 30, (40, 2)).cumsum(0) + 4000)]
    path = tmp_path / "blobs.csv"
    np.savetxt(path, rows, delimiter=",", header="blob,n,cx,cy", comments="", fmt="%.12g")
    columns = ColumnMap(x="cy", y="cx", particle="blob", frame="n", length_unit="nm")
    settings = Settings(
        movie=MovieSettings(pixel_size_nm=20.0, frame_interval_s=0.01),
        diffusion=DiffusionSettings(localization_error_px=0.2),
    )
    analysis = lptem.judge_tracks(path, settings, columns)
    script = python_recipe(analysis, columns)
    assert run(script, tmp_path / "again", monkeypatch) == csvs(analysis.save(tmp_path / "first"))


def test_the_script_of_tracks_takes_the_scale_in_use_wherever_it_was_said(tmp_path):
    (tmp_path / "mine.csv").write_text("particle,frame,x,y\n" + "".join(f"0,{n},{n % 5},{n % 7}\n" for n in range(30)))
    analysis = lptem.judge_tracks(tmp_path / "mine.csv")
    analysis = replace(analysis, movie=analysis.movie.calibrated(7.5, 0.02))
    assert "movie=MovieSettings(pixel_size_nm=7.5, frame_interval_s=0.02)" in python_recipe(analysis)


@pytest.mark.parametrize("pixel_size_nm", [None, 2.0])
def test_a_movie_without_a_file_is_asked_for(pixel_size_nm):
    script = python_recipe(make_analysis(pixel_size_nm, None, name='rods "new"'))
    compile(script, "recipe.py", "exec")
    assert "put in its path" in script
    assert ("pixel_size_nm=2.0" in script) == (pixel_size_nm is not None)
    assert "frame_interval_s" not in script


def test_tracks_of_a_reopened_session_are_judged_not_looked_for(tmp_path):
    rows = "".join(f"0,{frame},{30 + frame % 5},{40 + frame % 7}\n" for frame in range(30))
    (tmp_path / "mine.csv").write_text("particle,frame,x,y\n" + rows)
    session = save_session(lptem.judge_tracks(tmp_path / "mine.csv"), tmp_path / "mine.lptem")
    script = python_recipe(lptem.open_session(session))
    compile(script, "recipe.py", "exec")
    assert "lptem.judge_tracks('mine.csv', settings)" in script
    assert "put in its path" in script
