"""What Fiji's TrackMate is given is what was found: spots, links, gaps, units, outlines and motion."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.trackmate import save_trackmate
from napari_lptem_diffusion.particles.track_files.read import open_tracks
from tests.analysis_factory import GAP_PARTICLE, SHORT_PARTICLE, empty_analysis, make_analysis


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = save_trackmate(make_analysis(), tmp_path_factory.mktemp("trackmate") / "rods.xml")
    return ET.parse(path).getroot()


def expected(analysis):
    return analysis.tracks.sort_values(["particle", "frame"], ignore_index=True)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pixel_size_nm=st.one_of(st.none(), st.floats(0.01, 500)),
    frame_interval_s=st.one_of(st.none(), st.floats(1e-4, 100)),
    suffix=st.sampled_from([".xml", ".csv"]),
)
def test_tracks_come_back_as_they_were(tmp_path, pixel_size_nm, frame_interval_s, suffix):
    analysis = make_analysis(pixel_size_nm, frame_interval_s)
    path = save_trackmate(analysis, tmp_path / f"rods{suffix}", overwrite=True)
    found = open_tracks(path, pixel_size_nm=pixel_size_nm)
    names = ["particle", "frame", "x", "y", "localization_error", "angle_deg"]
    pd.testing.assert_frame_equal(
        found.table[names], expected(analysis)[names], check_dtype=False, rtol=1e-6, atol=1e-6
    )
    for name in ("pixel_size_nm", "frame_interval_s"):
        value = getattr(analysis.movie.calibration, name)
        assert getattr(found.calibration, name) == (None if value is None else pytest.approx(value, rel=1e-6))


def test_every_number_is_declared_and_every_declaration_is_one_of_trackmates(root):
    dimensions = {"NONE", "QUALITY", "COST", "POSITION", "LENGTH", "TIME", "ANGLE"}
    declared = {}
    for kind in ("SpotFeatures", "EdgeFeatures", "TrackFeatures"):
        features = root.findall(f"Model/FeatureDeclarations/{kind}/Feature")
        assert {feature.get("dimension") for feature in features} <= dimensions
        assert all(feature.get("isint") in ("true", "false") and feature.get("shortname") for feature in features)
        declared[kind] = {feature.get("feature") for feature in features}
    used = {kind: set() for kind in declared}
    for kind, where in (("SpotFeatures", ".//Spot"), ("EdgeFeatures", ".//Edge"), ("TrackFeatures", ".//Track")):
        for element in root.iterfind(where):
            used[kind] |= set(element.attrib) - {"ID", "name", "ROI_N_POINTS"}
    assert used == declared


def test_motion_is_on_spots_and_tracks_and_missing_where_it_is_not_known(root):
    analysis = make_analysis()
    frames = analysis.motion.frames.set_index(["particle", "frame"])
    spots = {spot.get("ID"): spot for spot in root.iterfind(".//Spot")}
    for track in root.iterfind(".//Track"):
        particle = int(track.get("TRACK_ID"))
        for edge in track:
            spot = spots[edge.get("SPOT_TARGET_ID")]
            if particle == SHORT_PARTICLE:
                assert spot.get("MIXING_RATIO") == "NaN"
            else:
                value = frames.loc[(particle, int(spot.get("FRAME"))), "mixing_ratio"]
                assert float(spot.get("MIXING_RATIO")) == pytest.approx(value, rel=1e-6)
        assert (track.get("TRACK_MIXING_RATIO") == "NaN") == (particle == SHORT_PARTICLE)
        assert track.get("NUMBER_GAPS") == str(int(particle == GAP_PARTICLE))


def test_all_rods_are_there_also_those_in_no_track(root):
    spots = root.findall(".//Spot")
    assert len(spots) == len(make_analysis().detections) == int(root.find("Model/AllSpots").get("nspots"))
    assert len({spot.get("ID") for spot in spots}) == len(spots)
    for frame in root.iterfind(".//SpotsInFrame"):
        assert {spot.get("FRAME") for spot in frame} == {frame.get("frame")}


def test_outlines_have_the_area_of_the_radius_and_no_leading_space(root):
    """TrackMate splits the text at white space without trimming it."""
    for spot in root.findall(".//Spot")[:20]:
        assert spot.text == spot.text.strip()
        xy = np.array(spot.text.split(), float).reshape(int(spot.get("ROI_N_POINTS")), 2)
        x, y = xy.T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert area == pytest.approx(np.pi * float(spot.get("RADIUS")) ** 2, rel=0.01)
        axis = np.linalg.svd(xy - xy.mean(axis=0))[2][0]
        turn = np.arctan2(axis[1], axis[0]) - float(spot.get("ROD_ANGLE"))
        assert abs(np.sin(turn)) < 0.01


def test_the_image_is_described_and_no_folder_is_told(root):
    image = root.find("Settings/ImageData").attrib
    assert (image["filename"], image["folder"]) == ("rods.tif", "")
    assert (image["width"], image["height"], image["nframes"]) == ("208", "160", "60")
    assert (float(image["pixelwidth"]), float(image["timeinterval"])) == (2.0, 0.0125)


def test_names_of_movies_are_escaped_and_nothing_found_is_a_file_too(tmp_path):
    analysis = make_analysis(name='a & "b" <c>.tif')
    root = ET.parse(save_trackmate(analysis, tmp_path / "odd.xml")).getroot()
    assert root.find("Settings/ImageData").get("filename") == 'a & "b" <c>.tif'
    root = ET.parse(save_trackmate(empty_analysis(), tmp_path / "empty.xml")).getroot()
    assert root.findall(".//Spot") == root.findall(".//Track") == []


def test_a_particle_seen_once_is_a_spot_without_a_track(tmp_path):
    analysis = make_analysis()
    once = analysis.tracks[(analysis.tracks["particle"] != 4) | (analysis.tracks["frame"] == 40)]
    root = ET.parse(save_trackmate(replace(analysis, tracks=once), tmp_path / "once.xml")).getroot()
    assert {track.get("TRACK_ID") for track in root.iterfind(".//Track")} == {"0", "1", "2", "3"}


def test_the_table_of_spots_has_four_lines_of_header(tmp_path):
    path = save_trackmate(make_analysis(), tmp_path / "spots.csv")
    table = pd.read_csv(path, skiprows=[1, 2, 3])
    assert len(table) == len(make_analysis().detections)
    assert {"TRACK_ID", "POSITION_X", "FRAME", "MIXING_RATIO"} <= set(table)
    assert table["TRACK_ID"].isna().sum() == 3


def test_refusals(tmp_path):
    with pytest.raises(InputError, match=r"\.xml or \.csv"):
        save_trackmate(make_analysis(), tmp_path / "rods.json")
    (tmp_path / "rods.xml").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        save_trackmate(make_analysis(), tmp_path / "rods.xml")
    assert (tmp_path / "rods.xml").read_text() == "mine"
