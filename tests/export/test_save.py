import getpass
import hashlib
import json
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import DetectionSettings, Settings
from tests.analysis_factory import (
    GAP_FRAMES,
    GAP_PARTICLE,
    SHORT_PARTICLE,
    SWITCH_FRAME,
    SWITCHING_PARTICLE,
    empty_analysis,
    make_analysis,
)
from tests.export.conftest import files_in


def csvs_in(folder):
    return {name: content for name, content in files_in(folder).items() if name.endswith(".csv")}


def test_an_export_has_one_csv_per_particle_and_the_rest(exported):
    particles = {f"particles/particle_{particle:04d}.csv" for particle in range(5)}
    others = {"summary.csv", "msd.csv", "detections.csv", "provenance.json", "settings.toml", "picture.png"}
    others |= {"session.lptem"}
    assert set(files_in(exported)) == particles | others
    assert [path.name for path in exported.parent.iterdir()] == ["out"], "something was left beside the export"


def test_the_same_movie_and_settings_give_the_same_bytes(exported, tmp_path):
    again = save_analysis(make_analysis(), tmp_path / "again")
    assert csvs_in(again) == csvs_in(exported)


def test_csvs_are_utf8_with_unix_line_ends(exported):
    for name, content in csvs_in(exported).items():
        assert b"\r" not in content, name
        assert content.endswith(b"\n"), name
        content.decode("utf-8")


def test_particle_csvs_give_back_tracks_and_motion(analysis, exported):
    read = pd.concat([pd.read_csv(path) for path in sorted((exported / "particles").iterdir())], ignore_index=True)
    for table in (analysis.tracks, analysis.motion.frames):
        for name in table.columns:
            column = name if name in read else f"{name}_px"
            np.testing.assert_allclose(read[column], table[name], rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(read["x_nm"], 2 * analysis.tracks["x"], rtol=1e-8)
    np.testing.assert_allclose(read["time_s"], 0.0125 * analysis.tracks["frame"], rtol=1e-8)


def test_a_gap_stays_a_gap_and_a_short_track_has_empty_cells(exported):
    gap = pd.read_csv(exported / "particles" / f"particle_{GAP_PARTICLE:04d}.csv")
    assert not set(GAP_FRAMES) & set(gap["frame"])
    short = pd.read_csv(exported / "particles" / f"particle_{SHORT_PARTICLE:04d}.csv", keep_default_na=False)
    assert (short[["mixing_ratio", "alpha_fbm_low", "change_probability"]] == "").all(axis=None)


def test_detections_hold_every_rod_once_and_those_in_no_track_without_particle(analysis, exported):
    read = pd.read_csv(exported / "detections.csv")
    assert len(read) == len(analysis.detections)
    assert read["particle"].notna().sum() == len(analysis.tracks)
    assert read["frame"].is_monotonic_increasing
    loose = read[read["particle"].isna()]
    assert sorted(loose["x_px"]) == [20.0, 100.0, 190.0]


def test_summary_has_one_row_per_particle_in_physical_units(analysis, exported):
    read = pd.read_csv(exported / "summary.csv")
    particles = analysis.motion.particles
    assert read["particle"].tolist() == particles["particle"].tolist()
    expected = particles["k_fbm"] * 0.002**2 / 0.0125 ** particles["alpha_fbm"]
    np.testing.assert_allclose(read["k_fbm_um2_per_s_alpha"], expected, rtol=1e-8)
    np.testing.assert_allclose(read["k_ctrw_um2_per_s"], particles["k_ctrw"] * 0.002**2 / 0.0125, rtol=1e-8)
    assert read.loc[1, "change_points"] == 30


def test_a_movie_without_calibration_gets_no_physical_column(tmp_path):
    folder = save_analysis(make_analysis(pixel_size_nm=None, frame_interval_s=None), tmp_path / "out")
    for path in folder.rglob("*.csv"):
        physical = [
            name for name in pd.read_csv(path).columns if name.endswith(("_nm", "_s", "_um2")) or "_um2_" in name
        ]
        assert not physical, path.name


def test_a_movie_without_rods_gives_tables_with_headers_only(tmp_path):
    folder = save_analysis(empty_analysis(), tmp_path / "out")
    assert list((folder / "particles").iterdir()) == []
    for name in ("summary.csv", "msd.csv", "detections.csv"):
        table = pd.read_csv(folder / name)
        assert len(table) == 0
        assert len(table.columns) > 3


def test_settings_lead_back_to_the_analysis(analysis, tmp_path):
    settings = Settings(detection=DetectionSettings(threshold_sigma=7.5))
    folder = save_analysis(replace(analysis, settings=settings), tmp_path / "out")
    assert Settings.from_toml(folder / "settings.toml") == settings


def test_provenance_names_the_input_by_size_and_hash_and_no_place_or_person(analysis, tmp_path):
    source = tmp_path / "recordings" / "rods.tif"
    source.parent.mkdir()
    tifffile.imwrite(source, np.stack([analysis.movie[i] for i in range(len(analysis.movie))]))
    analysis = replace(analysis, movie=open_movie(source, pixel_size_nm=2.0, frame_interval_s=0.0125))
    text = (save_analysis(analysis, tmp_path / "out") / "provenance.json").read_text(encoding="utf-8")
    record = json.loads(text)
    content = source.read_bytes()
    expected = {"name": "rods.tif", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert record["input_files"] == [expected]
    assert record["calibration"]["pixel_size_nm"] == 2.0
    assert record["calibration"]["pixel_size_source"]
    assert record["model_sha256"] == analysis.motion.model_hash
    assert record["settings"] == analysis.settings.model_dump()
    assert record["measured"] == dict(analysis.measured)
    assert record["software"]["numpy"] == np.__version__
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    for secret in (getpass.getuser(), socket.gethostname()):
        assert f'"{secret}"' not in text


def test_provenance_lists_what_was_written(exported):
    listed = json.loads((exported / "provenance.json").read_text(encoding="utf-8"))["files"]
    assert sorted(listed) == sorted(files_in(exported))


def test_a_movie_file_that_is_gone_is_named(analysis, tmp_path):
    source = tmp_path / "rods.tif"
    tifffile.imwrite(source, np.stack([analysis.movie[i] for i in range(len(analysis.movie))]))
    analysis = replace(analysis, movie=open_movie(source))
    analysis.movie[:]
    source.unlink()
    with pytest.raises(InputError, match=r"rods\.tif"):
        save_analysis(analysis, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_stopping_leaves_nothing(analysis, tmp_path):
    stages = []

    def progress(done, total, message):
        assert 0 <= done <= total
        stages.append(message)

    with pytest.raises(Stopped):
        save_analysis(analysis, tmp_path / "a" / "out", progress=progress, should_stop=lambda: len(stages) > 2)
    assert stages[-1] == "write tables"
    assert list(tmp_path.iterdir()) == []


def test_a_rod_that_changes_has_its_mixing_ratios_between_changes_in_the_summary(analysis, exported):
    summary = pd.read_csv(exported / "summary.csv", index_col="particle")["mixing_ratio_between_changes"]
    assert summary.drop(SWITCHING_PARTICLE).isna().all()
    rows = analysis.motion.frames.set_index("particle").loc[SWITCHING_PARTICLE]
    before = rows["frame"] < SWITCH_FRAME
    expected = [rows.loc[side, "mixing_ratio"].median() for side in (before, ~before)]
    np.testing.assert_allclose([float(level) for level in summary[SWITCHING_PARTICLE].split(";")], expected, rtol=5e-3)
