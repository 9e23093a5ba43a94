"""One row per rod, with units and what to know before it is believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.gui.views.columns import columns_for, written
from napari_lptem_diffusion.gui.views.rod_table import rod_table
from tests.analysis_factory import SHORT_PARTICLE, empty_analysis, make_analysis


def test_lengths_and_k_are_in_the_units_of_the_calibration() -> None:
    analysis = make_analysis(pixel_size_nm=2.0, frame_interval_s=0.01)
    table = rod_table(analysis)
    raw = analysis.motion.particles
    assert np.allclose(table["length_nm"], 2 * analysis.tracks.groupby("particle")["length"].median())
    assert np.allclose(table["k_ctrw"], raw["k_ctrw"] * 4e-6 / 0.01, equal_nan=True)
    headings = [column.heading for column in columns_for(table, analysis.movie.calibration)]
    assert {"Length (nm)", "K FBM (µm²/s^α)", "K CTRW (µm²/s)"} <= set(headings)


def test_without_a_calibration_nothing_is_called_nanometres() -> None:
    analysis = make_analysis(pixel_size_nm=None, frame_interval_s=None)
    table = rod_table(analysis)
    pd.testing.assert_series_equal(table["k_fbm"], analysis.motion.particles["k_fbm"])
    headings = " ".join(column.heading for column in columns_for(table, analysis.movie.calibration))
    assert "px²/frame^α" in headings
    assert "nm" not in headings


def test_flags_say_what_to_know_of_a_rod() -> None:
    analysis = make_analysis()
    tracks = analysis.tracks.assign(link_confidence=1.0, merge_suspected=False)
    tracks.loc[tracks["particle"] == 0, "link_confidence"] = np.r_[1.0, 0.2, np.ones(58)]
    tracks.loc[tracks["particle"].eq(1) & tracks["frame"].eq(7), "merge_suspected"] = True
    tracks.loc[tracks["particle"].eq(0) & tracks["frame"].isin([7, 9]), "visible"] = 0.6
    particles = analysis.motion.particles.assign(immobile=[False, False, True, False, False])
    marked = pd.DataFrame({"particle": [1, 2], "mark": ["stuck", "dirt"]})
    motion = replace(analysis.motion, particles=particles)
    table = rod_table(replace(analysis, tracks=tracks, motion=motion, marked=marked)).set_index("particle")
    assert table["flags"].to_dict() == {
        0: "at the edge, unsure link",
        1: "stuck, merge suspected",
        2: "immobile",
        3: "no mixture",
        SHORT_PARTICLE: "too short",
    }
    assert table["frames_at_edge"].tolist() == [2, 0, 0, 0, 0]
    assert table["changes"].tolist() == [0, 1, 0, 0, 0]


def test_tracks_of_another_tool_have_no_sizes() -> None:
    analysis = make_analysis()
    bare = replace(analysis, tracks=analysis.tracks[["particle", "frame", "x", "y"]])
    table = rod_table(bare)
    names = [column.name for column in columns_for(table, bare.movie.calibration)]
    assert "mixing_ratio" in names
    assert not {"length_nm", "snr", "link_confidence"} & set(names)
    assert table["flags"].tolist() == ["", "", "", "no mixture", "too short"]


def test_a_result_without_rods_has_all_columns() -> None:
    full, empty = make_analysis(), empty_analysis()
    assert list(rod_table(empty).columns) == list(rod_table(full).columns)
    assert rod_table(empty).empty


def test_copied_rows_come_back_from_a_spreadsheet(tmp_path) -> None:
    analysis = make_analysis()
    table = rod_table(analysis)
    columns = columns_for(table, analysis.movie.calibration)
    path = tmp_path / "pasted.tsv"
    path.write_text(written(table, columns), encoding="utf-8")
    back = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])
    assert [name for name in back if "90 %" not in name] == [column.heading for column in columns]
    for column in columns:
        if column.is_number:
            expected = pytest.approx(table[column.name].to_numpy(), rel=1e-5, nan_ok=True)
            assert back[column.heading].to_numpy() == expected
    for end in ("low", "high"):
        expected = pytest.approx(table[f"mixing_ratio_{end}"].to_numpy(), rel=1e-5, nan_ok=True)
        assert back[f"Mixing ratio {end} 90 %"].to_numpy() == expected


def test_numbers_over_decades_are_all_written_as_powers_of_ten() -> None:
    analysis = make_analysis()
    columns = {column.name: column for column in columns_for(rod_table(analysis), analysis.movie.calibration)}
    written_k = [columns["k_ctrw"].text(value) for value in (1.79e-4, 5.08e-5, 12.0, 0.0, float("nan"))]
    assert written_k == ["1.79·10⁻⁴", "5.08·10⁻⁵", "1.20·10¹", "none", "–"]


def test_a_rod_of_which_nothing_is_known_is_called_so() -> None:
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(mixing_ratio_low=0.0, mixing_ratio_high=[0.71, 0.7, 0.5, 0.3, np.nan])
    table = rod_table(replace(analysis, motion=replace(analysis.motion, particles=particles)))
    assert table["mixing_ratio_known"].tolist() == [False, True, True, True, False]
    assert table["flags"].str.contains("not known").tolist() == [True, False, False, False, False]
