"""TIFF stacks of every layout give the pixels that were written, also when the file is cut off."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import open_movie

LAYOUTS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX"}},
    "imagej z stack": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "deflated": {"compression": "zlib", "predictor": True},
    "tiled": {"tile": (16, 16)},
    "singleton axes": {"metadata": {"axes": "TZCYX"}, "ome": True},
}


def write_pages(path: Path, frames: np.ndarray, **page: object) -> Path:
    """Write one page after the other, each followed by its pixels, without any metadata."""
    with tifffile.TiffWriter(path) as tif:
        for frame in frames:
            tif.write(frame, contiguous=False, metadata=None, **page)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_pixels_written(tmp_path, frames, layout):
    written = frames[:, None, None] if layout == "singleton axes" else frames
    tifffile.imwrite(tmp_path / "m.tif", written, **LAYOUTS[layout])
    movie = open_movie(tmp_path / "m.tif")
    assert movie.shape == frames.shape
    assert movie.dtype == frames.dtype
    assert np.array_equal(movie[:], frames)
    assert movie.source_files == (tmp_path / "m.tif",)
    assert movie.notes == ()
    assert (movie.name, movie.path) == ("m", tmp_path / "m.tif")


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8", "f2"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_type_of_grey_value(tmp_path, frames, dtype, compression):
    values = (frames % 200).astype(dtype)
    tifffile.imwrite(tmp_path / "m.tif", values, compression=compression)
    movie = open_movie(tmp_path / "m.tif")
    assert movie.dtype == ("f4" if dtype == "f2" else dtype)
    assert np.array_equal(movie[:], values)


@pytest.mark.parametrize("page", [{}, {"rowsperstrip": 5}, {"compression": "zlib", "rowsperstrip": 5}], ids=str)
def test_one_page_per_frame(tmp_path, frames, page):
    movie = open_movie(write_pages(tmp_path / "m.tif", frames, **page))
    assert np.array_equal(movie[:], frames)


def test_pages_whose_strips_differ(tmp_path, frames):
    with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
        for rows, frame in zip((12, 5, 3, 12, 1, 12, 12, 12), frames, strict=True):
            tif.write(frame, contiguous=False, metadata=None, rowsperstrip=rows)
    assert np.array_equal(open_movie(tmp_path / "m.tif")[:], frames)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colour_becomes_grey_with_a_note(tmp_path, planar, channels):
    colours = np.random.default_rng(0).integers(0, 255, (4, 10, 12, channels)).astype(np.uint8)
    colours[1] = colours[1, ..., :1]
    written = colours if planar == "contig" else np.moveaxis(colours, -1, 1)
    write_pages(tmp_path / "m.tif", written, photometric="rgb", planarconfig=planar)
    movie = open_movie(tmp_path / "m.tif")
    luminance = colours[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert movie.shape == (4, 10, 12)
    assert movie.dtype == np.uint8
    assert np.abs(movie[:] - luminance).max() <= 0.5 + 1e-9
    assert np.array_equal(movie[1], colours[1, ..., 0])
    assert len(movie.notes) == 1
    assert "ITU-R BT.601" in movie.notes[0]


def test_a_colour_table_and_inverted_display_are_told_of(tmp_path, frames):
    grey = (frames % 256).astype(np.uint8)
    write_pages(tmp_path / "p.tif", grey, photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    write_pages(tmp_path / "w.tif", grey, photometric="miniswhite")
    for name, note in (("p.tif", "colour table"), ("w.tif", "white is zero")):
        movie = open_movie(tmp_path / name)
        assert note in movie.notes[0]
        assert np.array_equal(movie[:], grey)


@pytest.mark.parametrize("layout", ["plain", "imagej", "ome", "deflated"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.001, 0.999))
@example(share=0.7773177590638247)  # within the tags of a page
def test_a_file_cut_off_anywhere_gives_its_whole_frames_or_one_sentence(tmp_path, frames, layout, share):
    path = tmp_path / "whole.tif"
    if not path.exists():
        tifffile.imwrite(path, frames, **LAYOUTS[layout])
    whole = path.read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: int(len(whole) * share)])
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            movie = open_movie(cut)
    except InputError as error:
        assert share < 0.4, error  # noqa: PT017 - with more there are at least two whole frames
        return
    assert np.array_equal(movie[:], frames[: len(movie)])
    if len(movie) < len(frames):
        assert [warning.category for warning in told] == [InputWarning]
        assert movie.notes == (str(told[0].message),)
        assert f"its first {len(movie)} frames" in movie.notes[0]


def test_an_imagej_stack_beyond_4_gb_has_one_page(tmp_path, frames):
    """ImageJ writes one page and all frames behind it; the number of frames is in its description only."""
    description = f"ImageJ=1.54f\nimages={len(frames)}\nframes={len(frames)}\nunit=nm\nfinterval=0.5\n"
    with tifffile.TiffWriter(tmp_path / "m.tif", byteorder=">") as tif:
        tif.write(frames[0], description=description, metadata=None, resolution=(4, 4), resolutionunit=1)
    with (tmp_path / "m.tif").open("ab") as file:
        frames[1:].astype(">u2").tofile(file)
    movie = open_movie(tmp_path / "m.tif")
    assert np.array_equal(movie[:], frames)
    assert (movie.calibration.pixel_size_nm, movie.calibration.frame_interval_s) == (0.25, 0.5)


def refused(tmp_path: Path, array: np.ndarray, **options: object) -> str:
    tifffile.imwrite(tmp_path / "bad.tif", array, **options)
    with pytest.raises(InputError) as error:
        open_movie(tmp_path / "bad.tif")
    return str(error.value)


def test_stacks_that_are_no_movies_are_refused(tmp_path, frames):
    four = np.stack([frames, frames])
    assert refused(tmp_path, frames[0]) == "bad.tif holds one frame; a movie needs at least 2."
    assert "2 time points x 8 slices" in refused(tmp_path, four, imagej=True, metadata={"axes": "TZYX"})
    assert "8 channels" in refused(tmp_path, frames, imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    assert "2 time points x 8 channels" in refused(tmp_path, four, ome=True, metadata={"axes": "TCYX"})
    assert "2 planes of axis 0 x 8 planes of axis 1" in refused(tmp_path, four)
    assert "type complex64" in refused(tmp_path, frames.astype(np.complex64))
    assert "type bool" in refused(tmp_path, frames > 9)


def test_ome_files_that_are_a_part_or_more_than_a_movie_are_refused(tmp_path, frames):
    with tifffile.TiffWriter(tmp_path / "two.tif", ome=True) as tif:
        tif.write(frames, metadata={"axes": "TYX"})
        tif.write(frames, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match=r"^two\.tif holds 2 OME images, expected one movie\.$"):
        open_movie(tmp_path / "two.tif")
    data = "".join(f'<TiffData FirstT="{part}"><UUID FileName="{part}.tif">u</UUID></TiffData>' for part in range(3))
    sizes = 'SizeX="16" SizeY="12" SizeZ="1" SizeC="1" SizeT="24" Type="uint16" DimensionOrder="XYZCT"'
    xml = f'<?xml version="1.0"?><OME><Image ID="Image:0"><Pixels ID="Pixels:0" {sizes}>{data}</Pixels></Image></OME>'
    tifffile.imwrite(tmp_path / "0.tif", frames, description=xml, metadata=None)
    with pytest.raises(InputError, match=r"^0\.tif is one of 3 OME-TIFF files"):
        open_movie(tmp_path / "0.tif")


def test_a_stack_whose_frames_differ_in_size_is_refused_by_the_first_odd_one(tmp_path, frames):
    with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
        for index, frame in enumerate(frames):
            tif.write(frame[:, : 16 - (index == 3)], contiguous=False, metadata=None)
    with pytest.raises(InputError, match=r"Frame 3 of m\.tif has the shape \(12, 15\).* expected \(12, 16\)"):
        open_movie(tmp_path / "m.tif")


def test_a_damaged_frame_is_named_when_it_is_read_and_the_others_are_not_lost(tmp_path, frames):
    path = write_pages(tmp_path / "m.tif", frames, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[3].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    movie = open_movie(path)
    with pytest.raises(InputError, match=r"^Frame 3 of m\.tif is damaged"):
        movie[3]
    assert np.array_equal(movie[4], frames[4])


def test_lzw_is_read_or_refused_with_what_to_do(tmp_path, frames):
    pages = [Image.fromarray((frame % 256).astype(np.uint8)) for frame in frames]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    try:
        movie = open_movie(tmp_path / "m.tif")
    except InputError as error:  # either outcome is right
        assert "LZW" in str(error)  # noqa: PT017
        assert "imagecodecs" in str(error)  # noqa: PT017
    else:
        assert np.array_equal(movie[:], frames % 256)
