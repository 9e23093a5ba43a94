"""MRC stacks: as a detector's software writes them, as a writer here does, and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.movie.calibration import NOT_IN_FILE, Calibration
from tests.movie.damage import damaged, read_or_refused

UNKNOWN = "a pixel size of exactly 1 angstrom, which programs write where they know none"
MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}


def write(
    path: Path,
    frames: np.ndarray,
    pixel_angstrom: tuple[float, float] = (0, 0),
    order: str = "<",
    extended: int = 0,
    **fields: float,
) -> Path:
    """Write a stack by the standard; *fields* are put at the places named in FIELDS in the end."""
    count, height, width = frames.shape
    header = bytearray(1024)

    def put(place: int, kind: str, *values: float) -> None:
        struct.pack_into(order + kind * len(values), header, place, *values)

    put(0, "i", width, height, count, MODES[frames.dtype.name], 0, 0, 0, width, height, count)
    put(40, "f", width * pixel_angstrom[0], height * pixel_angstrom[1], count, 90, 90, 90)
    put(64, "i", 1, 2, 3)
    put(92, "i", extended)
    header[208:216] = b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    places = {
        "mode": (12, "i"),
        "dmax": (80, "f"),
        "ispg": (88, "i"),
        "imod_stamp": (152, "i"),
        "imod_flags": (156, "i"),
    }
    for name, value in fields.items():
        put(*places[name], value)
    path.write_bytes(bytes(header) + bytes(extended) + frames.astype(frames.dtype.newbyteorder(order)).tobytes())
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", MODES)
@pytest.mark.parametrize("name", ["m.mrc", "m.MRCS"])
def test_every_type_and_order_gives_the_pixels_written(tmp_path, frames, dtype, order, name):
    written = (frames % 120).astype(dtype)
    path = write(tmp_path / name, written, order=order, extended=640)
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == (frames.shape, np.dtype("f4" if dtype == "float16" else dtype))
    assert np.array_equal(movie[:], written)
    assert movie.source_files == (path,)
    assert movie.notes == ()
    assert movie.calibration == Calibration()


@pytest.mark.parametrize("says", [{"imod_stamp": 1146047817, "imod_flags": 0}, {"dmax": 250}])
def test_bytes_that_the_header_calls_unsigned_are(tmp_path, frames, says):
    values = (frames % 256).astype(np.uint8)
    movie = open_movie(write(tmp_path / "m.mrc", values.view(np.int8), **says))
    assert np.array_equal(movie[:], values)
    assert movie.notes == (
        "The 8-bit values of m.mrc are read as unsigned, as its header says (the MRC standard's are signed).",
    )
    signed = open_movie(write(tmp_path / "s.mrc", values.view(np.int8), imod_stamp=1146047817, imod_flags=1))
    assert np.array_equal(signed[:], values.view(np.int8))


def test_a_wrong_machine_stamp_is_seen_through(tmp_path, frames):
    path = write(tmp_path / "m.mrc", frames, order=">")
    content = bytearray(path.read_bytes())
    content[212:216] = b"\x44\x44\0\0"
    path.write_bytes(content)
    assert np.array_equal(open_movie(path)[:], frames)


def test_the_pixel_size_is_the_cells(tmp_path, frames):
    found = open_movie(write(tmp_path / "m.mrc", frames, (2.5, 2.5))).calibration
    assert found == Calibration(0.25, None, "MRC header of m.mrc", NOT_IN_FILE)


@pytest.mark.parametrize(
    ("pixel_angstrom", "notes"),
    [
        ((0, 0), ()),
        ((1, 1), (f"m.mrc states {UNKNOWN}; it is left out.",)),
        ((-10, -10), ("m.mrc states a pixel size of -1 nm, which is no electron microscope's; it is left out.",)),
        ((2, 4), ("m.mrc states pixels that are not square (0.2 nm in x, 0.4 nm in y); it is left out.",)),
    ],
)  # fmt: skip
def test_a_pixel_size_that_cannot_be_believed_is_left_out(tmp_path, frames, pixel_angstrom, notes):
    movie = open_movie(write(tmp_path / "m.mrc", frames, pixel_angstrom))
    assert (movie.calibration, movie.notes) == (Calibration(), notes)


def test_a_direct_electron_movie_takes_its_frame_time_from_the_text_beside_it(tmp_path, frames):
    path = write(tmp_path / "20250101_00001_movie.mrc", frames)
    text = "Frame Time (nanoseconds) = 2500000\nAutosave Movie Sum Count = 4\nScan - Enable = Disable\n"
    (tmp_path / "20250101_00001_info.txt").write_text(text)
    found = open_movie(path).calibration
    assert found.frame_interval_s == pytest.approx(0.01)
    assert found.frame_interval_source == f"frame time in the DE-Server's text file beside {path.name}"
    scan = "Scan - Enable = Enable\nScan - Size X = 4\nScan - Size Y = 2\n"
    (tmp_path / "20250101_00001_info.txt").write_text(scan)
    with pytest.raises(InputError, match=r"^20250101_00001_movie\.mrc holds a 4D-STEM scan, expected a movie"):
        open_movie(path)


def test_a_file_that_is_cut_off_gives_its_whole_frames(tmp_path, frames):
    path = write(tmp_path / "m.mrc", frames)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(InputWarning, match="only its first 7 frames are whole"):
        movie = open_movie(path)
    assert np.array_equal(movie[:], frames[:7])
    path.write_bytes(path.read_bytes()[:1100])
    with pytest.raises(InputError, match=r"^m\.mrc holds no whole frame"):
        open_movie(path)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mode": 4}, "holds complex images, expected integer or floating-point grey values"),
        ({"mode": 101}, "holds 4-bit images, expected"),
        ({"mode": 77}, "is no MRC file: its first 1024 bytes are not the header of one"),
        ({"ispg": 401}, "holds a stack of volumes, expected a movie"),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path, frames, fields, says):
    with pytest.raises(InputError, match=rf"^m\.mrc {says}"):
        open_movie(write(tmp_path / "m.mrc", frames, **fields))
    with pytest.raises(InputError, match=r"^one\.mrc holds one frame; a movie needs at least 2"):
        open_movie(write(tmp_path / "one.mrc", frames[:1]))


def test_no_damage_breaks_the_opening(tmp_path):
    path = tmp_path / "m.mrc"
    whole = write(path, np.arange(60, dtype=np.uint16).reshape(5, 3, 4), (2, 2)).read_bytes()
    assert read_or_refused(path, whole)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(whole, head=220))
    def check(content: bytes) -> None:
        read_or_refused(path, content)

    check()


def test_a_real_single_image_and_a_real_scan_are_refused(vendor_file):
    with pytest.raises(InputError, match=r"^HAADFscan\.mrc holds one frame; a movie needs at least 2\.$"):
        open_movie(vendor_file("HAADFscan.mrc"))
    vendor_file("20241021_00405_info.txt")
    with pytest.raises(InputError, match=r"^20241021_00405_movie\.mrc holds a 4D-STEM scan, expected a movie of shape"):
        open_movie(vendor_file("20241021_00405_movie.mrc"))


def test_real_frames_without_the_text_that_calls_them_a_scan(vendor_file, tmp_path):
    path = tmp_path / "movie.mrc"
    path.write_bytes(vendor_file("20241021_00405_movie.mrc").read_bytes())
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == ((32, 4, 8), np.dtype(np.uint16))
    raw = np.frombuffer(path.read_bytes()[1024:], "<u2").reshape(32, 4, 8)
    assert np.array_equal(movie[:], raw)
    assert movie.calibration == Calibration()
