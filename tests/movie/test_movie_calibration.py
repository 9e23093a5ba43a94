"""Pixel size and frame interval come from the file's own words, with their unit, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.movie import Calibration, open_movie
from napari_lptem_diffusion.movie.calibration import NOT_IN_FILE
from napari_lptem_diffusion.movie.units import nm_per

FRAMES = np.zeros((5, 4, 6), np.uint8)
NM_PER = {"nm": 1, "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00B5m": 1e3, "micron": 1e3, "microns": 1e3, "A": 0.1,
          "Å": 0.1, "angstrom": 0.1, "pm": 1e-3, "mm": 1e6, "cm": 1e7, "inch": 2.54e7}  # fmt: skip
OME_NM_PER = {"nm": 1, "µm": 1e3, "Å": 0.1, "pm": 1e-3, "mm": 1e6, None: 1e3}
S_PER = {"s": 1, "ms": 1e-3, "µs": 1e-6, "min": 60, None: 1}
pixel_sizes_nm = st.floats(0.01, 100)
intervals_s = st.floats(1e-4, 100)
in_one_folder = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def imagej(path: Path, *lines: str, resolution: tuple[float, float] = (1, 1), unit: int = 1) -> Path:
    """Write a stack with ImageJ's description."""
    text = "\n".join(["ImageJ=1.54f", "images=5", "frames=5", *lines, ""])
    with tifffile.TiffWriter(path) as tif:
        tif.write(
            FRAMES,
            description=text.encode("ascii"),
            metadata=None,
            resolution=resolution,
            resolutionunit=unit,
        )
    return path


def calibration(path: Path) -> Calibration:
    return open_movie(path).calibration


@in_one_folder
@given(pixel_size_nm=pixel_sizes_nm, interval_s=intervals_s)
def test_imagej_files_of_tifffile_round_trip(tmp_path, pixel_size_nm, interval_s):
    tifffile.imwrite(
        tmp_path / "m.tif",
        FRAMES,
        imagej=True,
        resolution=(1e3 / pixel_size_nm, 1e3 / pixel_size_nm),
        metadata={"axes": "TYX", "unit": "um", "finterval": interval_s},
    )
    found = calibration(tmp_path / "m.tif")
    assert found.pixel_size_nm == pytest.approx(pixel_size_nm, rel=1e-4)
    assert found.frame_interval_s == pytest.approx(interval_s, rel=1e-6)
    assert found.pixel_size_source == found.frame_interval_source == "ImageJ tags of m.tif"


@pytest.mark.parametrize("unit", [unit for unit in NM_PER if unit.isascii()])
def test_every_unit_of_imagej(tmp_path, unit):
    per_unit = NM_PER[unit] / 0.5
    found = calibration(imagej(tmp_path / "m.tif", f"unit={unit}", resolution=(per_unit, per_unit)))
    assert found.pixel_size_nm == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("unit", NM_PER)
def test_every_spelling_of_a_unit_in_any_case(unit):
    assert nm_per(f" {unit.upper()} ") == nm_per(unit) == pytest.approx(NM_PER[unit])


@in_one_folder
@given(
    pixel_size_nm=pixel_sizes_nm,
    interval_s=intervals_s,
    length=st.sampled_from(list(OME_NM_PER)),
    time=st.sampled_from(list(S_PER)),
)
def test_ome_files_round_trip(tmp_path, pixel_size_nm, interval_s, length, time):
    metadata = {
        "axes": "TYX",
        "PhysicalSizeX": pixel_size_nm / OME_NM_PER[length],
        "PhysicalSizeY": pixel_size_nm / OME_NM_PER[length],
        "TimeIncrement": interval_s / S_PER[time],
    }
    if length:
        metadata |= {"PhysicalSizeXUnit": length, "PhysicalSizeYUnit": length}
    if time:
        metadata |= {"TimeIncrementUnit": time}
    tifffile.imwrite(tmp_path / "m.tif", FRAMES, ome=True, metadata=metadata)
    found = calibration(tmp_path / "m.tif")
    assert found.pixel_size_nm == pytest.approx(pixel_size_nm, rel=1e-9)
    assert found.frame_interval_s == pytest.approx(interval_s, rel=1e-9)
    assert found.pixel_size_source == found.frame_interval_source == "OME metadata of m.tif"


def test_ome_plane_times_give_the_interval_and_uneven_ones_a_note(tmp_path):
    for times_ms, notes in (((0, 20, 40, 60, 80), 0), ((0, 20, 40, 60, 150), 1)):
        plane = {"DeltaT": list(times_ms), "DeltaTUnit": ["ms"] * 5}
        tifffile.imwrite(tmp_path / "m.tif", FRAMES, ome=True, metadata={"axes": "TYX", "Plane": plane})
        movie = open_movie(tmp_path / "m.tif")
        assert movie.calibration.frame_interval_s == pytest.approx(np.median(np.diff(times_ms)) / 1e3)
        assert len(movie.notes) == notes


def test_imagej_times(tmp_path):
    assert calibration(imagej(tmp_path / "a.tif", "finterval=25", "tunit=ms")).frame_interval_s == 0.025
    assert calibration(imagej(tmp_path / "b.tif", "finterval=0.5", "fps=30")).frame_interval_s == 0.5
    playback = calibration(imagej(tmp_path / "c.tif", "fps=40"))
    assert playback.frame_interval_s == 0.025
    assert "may be a playback speed" in playback.frame_interval_source
    for lines in ((), ("finterval=0",), ("finterval=nan",), ("finterval=5", "tunit=frames")):
        assert calibration(imagej(tmp_path / "d.tif", *lines)).frame_interval_s is None


@pytest.mark.parametrize("dpi", [72, 96, 300, 600])
@pytest.mark.parametrize("tool", ["plain", "imagej"])
def test_a_printers_resolution_is_no_pixel_size(tmp_path, dpi, tool):
    if tool == "plain":
        tifffile.imwrite(tmp_path / "m.tif", FRAMES, resolution=(dpi, dpi), resolutionunit="INCH")
    else:
        imagej(tmp_path / "m.tif", "unit=inch", resolution=(dpi, dpi), unit=2)
    found = calibration(tmp_path / "m.tif")
    assert (found.pixel_size_nm, found.pixel_size_source) == (None, NOT_IN_FILE)


def test_a_microscopes_resolution_in_plain_tags_is_one(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", FRAMES, resolution=(2e7, 2e7), resolutionunit="CENTIMETER")
    found = calibration(tmp_path / "m.tif")
    assert found == Calibration(0.5, None, "resolution tags of m.tif", NOT_IN_FILE)


@pytest.mark.parametrize("unit", ["pixel", "", "parsec"])
def test_a_resolution_without_a_length_is_no_pixel_size(tmp_path, unit):
    assert calibration(imagej(tmp_path / "m.tif", f"unit={unit}", resolution=(2, 2))).pixel_size_nm is None


def test_pixels_that_are_not_square_are_told_of_and_not_used(tmp_path):
    movie = open_movie(imagej(tmp_path / "m.tif", "unit=nm", resolution=(2, 4)))
    assert movie.calibration.pixel_size_nm is None
    assert movie.notes == ("m.tif states pixels that are not square (0.5 nm in x, 0.25 nm in y); it is left out.",)


def test_the_user_wins_over_the_file_and_both_are_named(tmp_path):
    path = imagej(tmp_path / "m.tif", "unit=nm", "finterval=0.5", resolution=(2, 2))
    found = open_movie(path, pixel_size_nm=2).calibration
    assert found == Calibration(
        2.0, 0.5, "entered by the user in place of 0.5 nm (ImageJ tags of m.tif)", "ImageJ tags of m.tif"
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=200))
def test_no_description_breaks_the_opening(tmp_path, text):
    for head in ("ImageJ=1\nimages=5\n", '<?xml version="1.0"?><OME ', ""):
        with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
            for frame in FRAMES:
                tif.write(frame, description=head + text, metadata=None, contiguous=False)
        movie = open_movie(tmp_path / "m.tif")
        assert len(movie) == 5
