"""Tracks of other tools: what each tool writes is read as it was meant, what cannot be meant is refused in words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.particles.track_files.columns import ColumnMap, suggest_columns, unit_of
from napari_lptem_diffusion.particles.track_files.read import open_tracks, read_tracks
from tests.analysis_factory import make_analysis

AUNR = Path(__file__).parents[3] / "shared" / "data" / "aunr_tracks.csv"
NAMES = ["particle", "frame", "x", "y"]


def walk(particles: int = 3, frames: int = 12, first_frame: int = 0, seed: int = 0) -> pd.DataFrame:
    """Random walks far apart from one another, in px."""
    rng = np.random.default_rng(seed)
    tables = []
    for particle in range(particles):
        xy = np.array([60.0 * particle + 20, 300 - 40.0 * particle]) + rng.normal(0, 1, (frames, 2)).cumsum(axis=0)
        columns = {"particle": particle, "frame": np.arange(frames) + first_frame, "x": xy[:, 0], "y": xy[:, 1]}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True).round(4)


def write(tmp_path: Path, text: str, name: str = "tracks.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found[NAMES], expected[NAMES], check_dtype=False, atol=1e-6, rtol=0)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(InputError) as refused:
        open_tracks(path, **options)
    return str(refused.value)


HEADERS = {
    "trackpy": ("y", "x", "mass", "frame", "particle"),
    "words": ("Position X", "Position Y", "Signal", "Frame Number", "Trajectory ID"),
    "unit": ("x [px]", "y [px]", "intensity", "slice", "Track #"),
    "short": ("X_px", "Y_px", "I", "t", "id"),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.sampled_from(sorted(HEADERS)),
    dialect=st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", ","), ("\t", "."), (" ", ","), ("|", ".")]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    order=st.permutations(range(5)),
    shuffle=st.integers(0, 99),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_comes_back_from_any_dialect(tmp_path, header, dialect, encoding, order, shuffle, newline):
    expected = walk(seed=shuffle)
    named = dict(zip(HEADERS[header], ("y", "x", "mass", "frame", "particle"), strict=True))
    if header != "trackpy":
        named |= {HEADERS[header][0]: "x", HEADERS[header][1]: "y"}
    table = expected.assign(mass=7.5).sample(frac=1, random_state=shuffle)
    table = table[[list(named.values())[place] for place in order]]
    names = [list(named)[place] for place in order]
    separator, decimal = dialect
    if separator == " ":
        names = [name.replace(" ", "_") if header != "unit" else name.replace(" ", "") for name in names]
    text = table.to_csv(sep=separator, decimal=decimal, index=False, header=names, lineterminator=newline)
    same(read_tracks(write(tmp_path, text, encoding=encoding)), expected)


@pytest.mark.parametrize("order", [NAMES, ["x", "y", "frame", "particle"], ["frame", "particle", "x", "y"]])
def test_four_columns_without_names_are_told_apart_by_their_numbers(tmp_path, order):
    expected = walk(particles=4, frames=30)
    text = expected[order].to_csv(index=False, header=False)
    same(read_tracks(write(tmp_path, text)), expected)


def test_more_columns_without_names_are_not_guessed(tmp_path):
    text = walk().assign(a=1, b=2).to_csv(index=False, header=False)
    path = write(tmp_path, text)
    assert "column 1, column 2" in refusal(path)
    columns = ColumnMap(particle="column 1", frame="column 2", x="column 3", y="column 4")
    same(read_tracks(path, columns), walk())


def test_trackmate_spots_with_their_lines_of_header(tmp_path):
    tracks = walk(first_frame=3)
    lines = [
        "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME",
        "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame",
        "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame",
        ",,,(quality),(micron),(micron),(micron),(sec),",
    ]
    lines += [
        f"ID{n},{n},{row.particle},9.1,{row.x / 500},{row.y / 500},0.0,{row.frame * 0.0125},{row.frame}"
        for n, row in enumerate(tracks.itertuples())
    ]
    lines.append("ID99,99,ø,3.0,0.5,0.5,0.0,0.0,0")
    path = write(tmp_path, "\n".join(lines))
    found = open_tracks(path, pixel_size_nm=2.0)
    same(found.table, tracks)
    assert found.columns.particle == "TRACK_ID"
    assert found.calibration.frame_interval_s == pytest.approx(0.0125)
    assert any("1 rows in no track" in note for note in found.notes)
    by_hand = ColumnMap(particle="TRACK_ID", frame="FRAME", x="POSITION_X", y="POSITION_Y", length_unit="micron")
    same(read_tracks(path, by_hand, pixel_size_nm=2.0), tracks)


def test_imaris_positions_below_a_preamble_with_an_empty_last_column(tmp_path):
    tracks = walk(first_frame=1)
    lines = ["", "Position", "====================", "Position X,Position Y,Unit,Category,Time,TrackID,ID,"]
    lines += [f"{row.x},{row.y},um,Spot,{row.frame},{1000000000 + row.particle},7," for row in tracks.itertuples()]
    found = open_tracks(write(tmp_path, "\n".join(lines)))
    same(found.table, tracks.assign(particle=tracks["particle"] + 1000000000))
    assert found.columns.frame == "Time"
    assert any("start at 1" in note for note in found.notes)


def test_a_table_of_r_whose_header_leaves_out_the_row_names(tmp_path):
    text = "x y frame particle\n" + walk()[["x", "y", "frame", "particle"]].to_csv(sep=" ", header=False)
    same(read_tracks(write(tmp_path, text, "tracks.txt")), walk())


def test_our_own_detections_come_back(tmp_path):
    analysis = make_analysis()
    save_analysis(analysis, tmp_path / "out")
    found = open_tracks(tmp_path / "out" / "detections.csv")
    expected = analysis.tracks.sort_values(["particle", "frame"], ignore_index=True)
    same(found.table, expected)
    np.testing.assert_allclose(found.table["localization_error"], expected["localization_error"], rtol=1e-6)
    np.testing.assert_allclose(found.table["angle_deg"], expected["angle_deg"], rtol=1e-6)
    assert found.columns.length_unit == "px"
    assert found.calibration.frame_interval_s == pytest.approx(0.0125)


def test_lengths_in_nm_become_px_with_their_errors(tmp_path):
    table = walk().assign(uncertainty_nm=4.0)
    table[["x", "y"]] *= 2.5
    path = write(tmp_path, table.rename(columns={"x": "x_nm", "y": "y_nm"}).to_csv(index=False))
    found = open_tracks(path, pixel_size_nm=2.5)
    same(found.table, walk())
    assert found.table["localization_error"].unique() == pytest.approx([1.6])
    assert found.calibration.pixel_size_nm == 2.5


def test_lengths_in_nm_without_a_pixel_size_keep_their_physical_size(tmp_path):
    table = walk().rename(columns={"x": "x (µm)", "y": "y (µm)"})
    found = open_tracks(write(tmp_path, table.to_csv(index=False)))
    size_nm = found.calibration.pixel_size_nm
    np.testing.assert_allclose(found.table["x"] * size_nm / 1000, walk()["x"])
    assert found.table[["x", "y"]].max().max() <= 1024
    assert f"{size_nm:g} nm" in found.calibration.pixel_size_source


def test_times_in_whole_milliseconds_become_frames(tmp_path):
    tracks = walk(frames=40, first_frame=0)
    tracks = tracks[~tracks["frame"].between(10, 14)]
    table = tracks.assign(time_ms=np.rint(tracks["frame"] * 12.5)).drop(columns="frame")
    found = open_tracks(write(tmp_path, table.to_csv(index=False)))
    same(found.table, tracks.reset_index(drop=True))
    assert found.calibration.frame_interval_s == pytest.approx(0.0125, rel=0.01)


def test_uneven_times_are_refused(tmp_path):
    tracks = walk(frames=20)
    uneven = tracks["frame"] + 0.4 * (tracks["frame"] % 3 == 1)
    table = tracks.assign(time=uneven + 0.01).drop(columns="frame")
    assert "uneven" in refusal(write(tmp_path, table.to_csv(index=False)))


def test_names_of_particles_are_numbered(tmp_path):
    table = walk().assign(particle=lambda t: "Track_" + t["particle"].map({0: "b", 1: "a", 2: "c"}))
    found = open_tracks(write(tmp_path, table.to_csv(index=False)))
    same(found.table, walk())
    assert any("Track_b is 0" in note for note in found.notes)


def test_one_particle_needs_no_column_of_particles(tmp_path):
    tracks = walk(particles=1)
    found = open_tracks(write(tmp_path, tracks.drop(columns="particle").to_csv(index=False)))
    same(found.table, tracks)
    assert any("all rows are one particle" in note for note in found.notes)


def test_rows_without_a_position_are_left_out_and_said(tmp_path):
    table = walk()
    table.loc[4, "x"] = np.nan
    with pytest.warns(InputWarning, match="1 rows of tracks.csv have no position"):
        found = read_tracks(write(tmp_path, table.to_csv(index=False)))
    same(found, walk().drop(index=4).reset_index(drop=True))


def test_a_particle_twice_in_a_frame_is_refused_by_name(tmp_path):
    table = pd.concat([walk(), walk().iloc[[17, 18]]])
    said = refusal(write(tmp_path, table.to_csv(index=False)))
    assert "particle 1 is twice in frame 5" in said
    assert "1 more" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no table of numbers"),
        ("just words\nand more words\n", "no table of numbers"),
        ("a,b,c,d\n1.5,2.5,3.5,4.5\n1.7,2.5,3.5,4.5\n", "a, b, c, d"),
        ("particle,x,y\n0,1.5,2.5\n", "neither frame nor time"),
        ("particle,frame,x,y\n0,0.5,1.5,2.5\n", "whole numbers"),
        ("particle,frame,x,y\n0,-1,1.5,2.5\n", "hold -1"),
        ("particle,frame,x,y\n0,0,1,2\n0,1,1,2,7\n", "no even table"),
        ("particle,frame,x,y\n-1,0,1,2\n", "no row has a particle"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(tmp_path, text, words):
    said = refusal(write(tmp_path, text))
    assert words in said
    assert "tracks.csv" in said or "columns" in said


def test_a_named_column_that_is_not_there_is_refused(tmp_path):
    path = write(tmp_path, walk().to_csv(index=False))
    assert "'cx' for x" in refusal(path, columns=ColumnMap(particle="particle", frame="frame", x="cx", y="y"))


def test_a_missing_file_is_refused(tmp_path):
    for suffix in ("csv", "xml", "mat"):
        assert "cannot be read" in refusal(tmp_path / f"missing.{suffix}")


@pytest.mark.parametrize(
    ("name", "unit"),
    [("x_nm", "nm"), ("x [µm]", "µm"), ("POSITION_X", ""), ("x (px)", "px"), ("t_s", "s"), ("x", ""), ("s", "")],
)
def test_units_in_names(name, unit):
    assert unit_of(name) == unit


def test_pixels_are_taken_where_both_units_are_there():
    header = ["frame", "particle", "x_nm", "y_nm", "x_px", "y_px", "localization_error_nm", "localization_error_px"]
    columns = suggest_columns(header, np.ones((3, len(header))))
    assert (columns.x, columns.y, columns.localization_error) == ("x_px", "y_px", "localization_error_px")


def test_matlab_matrix_cells_and_struct(tmp_path):
    tracks = walk(particles=4, frames=30)
    savemat(tmp_path / "matrix.mat", {"tracks": tracks[["x", "y", "frame", "particle"]].to_numpy(), "note": "hello"})
    same(read_tracks(tmp_path / "matrix.mat"), tracks)
    cells = np.empty(4, dtype=object)
    for particle, track in tracks.groupby("particle"):
        cells[particle] = track[["frame", "x", "y"]].to_numpy()
    savemat(tmp_path / "cells.mat", {"tracks": cells})
    same(read_tracks(tmp_path / "cells.mat"), tracks)
    savemat(tmp_path / "struct.mat", {"result": {name: tracks[name].to_numpy() for name in NAMES}})
    same(read_tracks(tmp_path / "struct.mat"), tracks)
    savemat(tmp_path / "vectors.mat", {name: tracks[name].to_numpy() for name in NAMES})
    same(read_tracks(tmp_path / "vectors.mat"), tracks)


def test_matlab_files_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 8)
    assert "-v7" in refusal(tmp_path / "new.mat")
    savemat(tmp_path / "other.mat", {"image": np.zeros((3, 2)), "name": "x"})
    assert "image (3, 2)" in refusal(tmp_path / "other.mat")
    (tmp_path / "torn.mat").write_bytes(b"\0" * 300)
    refusal(tmp_path / "torn.mat")


def model_xml(
    spots: str, tracks: str, shown: str, data: str = '<ImageData pixelwidth="0.5" timeinterval="0.1"/>'
) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><TrackMate version="7.13.2"><Log>text</Log>'
        '<Model spatialunits="micron" timeunits="sec"><FeatureDeclarations/>'
        f"<AllSpots>{spots}</AllSpots><AllTracks>{tracks}</AllTracks><FilteredTracks>{shown}</FilteredTracks></Model>"
        f"<Settings>{data}</Settings></TrackMate>"
    )


def spot(number: int, frame: int, x: float, y: float) -> str:
    return f'<Spot ID="{number}" FRAME="{frame}" POSITION_X="{x}" POSITION_Y="{y}" QUALITY="3"/>'


def edges(track: int, *pairs: tuple[int, int]) -> str:
    inner = "".join(f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}"/>' for a, b in pairs)
    return f'<Track name="t" TRACK_ID="{track}">{inner}</Track>'


def test_trackmate_model_that_splits_is_cut_and_hidden_tracks_stay_out(tmp_path):
    spots = "".join(
        spot(n, f, n * 1.0, 2.0) for n, f in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (6, 4), (8, 0), (9, 3)]
    )
    tracks = edges(0, (1, 2), (3, 2), (2, 4), (4, 5), (5, 6)) + edges(4, (8, 9))
    path = write(tmp_path, model_xml(spots, tracks, '<TrackID TRACK_ID="0"/>'), "model.xml")
    with pytest.warns(InputWarning) as warned:
        found = open_tracks(path)
    assert {"filters hide" in str(w.message) for w in warned} == {True, False}
    pieces = {particle: list(rows["x"] * 0.5) for particle, rows in found.table.groupby("particle")}
    assert pieces == {0: [1, 2], 5: [3], 6: [4, 5, 6]}
    assert found.calibration.pixel_size_nm == 500
    assert found.calibration.frame_interval_s == pytest.approx(0.1)


def test_trackmate_model_keeps_gaps_and_numbers(tmp_path):
    spots = spot(1, 2, 10, 20) + spot(2, 3, 11, 21) + spot(3, 7, 12, 22)
    path = write(tmp_path, model_xml(spots, edges(3, (2, 3), (1, 2)), '<TrackID TRACK_ID="3.0"/>'), "model.xml")
    found = read_tracks(path)
    assert found.to_dict("list") == {"particle": [3, 3, 3], "frame": [2, 3, 7], "x": [20, 22, 24], "y": [40, 42, 44]}


def test_trackmate_simple_export(tmp_path):
    tracks = walk(first_frame=2)
    text = '<Tracks nTracks="3" spaceUnits="pixel" frameInterval="0.02" timeUnits="sec">'
    for _, rows in tracks.groupby("particle"):
        inner = "".join(f'<detection t="{r.frame}" x="{r.x}" y="{r.y}" z="0"/>' for r in rows.itertuples())
        text += f'<particle nSpots="{len(rows)}">{inner}</particle>'
    found = open_tracks(write(tmp_path, text + "</Tracks>", "simple.xml"), pixel_size_nm=3)
    same(found.table, tracks)
    assert (found.calibration.pixel_size_nm, found.calibration.frame_interval_s) == (3, 0.02)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html></html>", "<html>"),
        ("<TrackMate><Model>", "no whole TrackMate file"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><TrackMate>&b;</TrackMate>', "document type"),
        (model_xml("", "", ""), "no track"),
        (model_xml(spot(1, 0, 1, 1), edges(0, (1, 2)), '<TrackID TRACK_ID="0"/>'), "no whole TrackMate file"),
    ],
)
def test_xml_that_cannot_be_used_is_refused_in_words(tmp_path, text, words):
    assert words in refusal(write(tmp_path, text, "bad.xml"))


def test_real_tracks_of_gold_nanorods():
    if not AUNR.exists():
        pytest.skip("aunr_tracks.csv is not here")
    found = open_tracks(AUNR)
    assert found.table["particle"].nunique() == 230
    assert found.table.groupby("particle").size().unique().tolist() == [300]
    assert found.calibration.pixel_size_nm is None
