"""TIA series: as TIA writes them, as a writer here does, and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import looks_like_movie, open_movie
from napari_lptem_diffusion.movie.calibration import NOT_IN_FILE, Calibration
from tests.movie.damage import damaged, read_or_refused

CODES = {"u1": 1, "u2": 2, "u4": 3, "i1": 4, "i2": 5, "i4": 6, "f4": 7, "f8": 8, "c8": 9}
START_S = 1456165114


def write(
    path: Path,
    frames: list[np.ndarray] | np.ndarray,
    step_m: tuple[float, float] = (0, 0),
    axis: tuple[float, str] = (1.0, ""),
    times_s: np.ndarray | None = None,
    version: int = 0x0220,
    total: int | None = None,
    kind: int = 0x4122,
    axes: int = 1,
) -> Path:
    """Write a series by TIA's description, the lowest row first; *total* frames were asked for when it was begun."""
    word = "q" if version >= 0x0220 else "i"
    total = len(frames) if total is None else total
    times = np.full(len(frames), START_S) if times_s is None else START_S + times_s
    unit = axis[1].encode("latin-1")
    dimension = struct.pack("<iddi", total, 0.0, axis[0], 0) + struct.pack("<i6si", 6, b"Number", len(unit)) + unit
    table = struct.calcsize(f"<hhhiiii{word}i") + len(dimension) * axes
    place = table + 2 * total * struct.calcsize(f"<{word}")
    offsets, tag_offsets, content = [], [], b""
    for frame, time in zip(frames, times, strict=True):
        offsets.append(place + len(content))
        code = CODES[frame.dtype.str[1:]]
        content += struct.pack("<ddiddihii", 0.0, step_m[0], 0, 0.0, step_m[1], 0, code, *frame.shape[::-1])
        content += frame[::-1].astype(frame.dtype.newbyteorder("<")).tobytes()
        tag_offsets.append(place + len(content))
        content += struct.pack("<iI", 0x4152, int(time))
    unwritten = [0] * (total - len(frames))
    head = struct.pack(f"<hhhiiii{word}i", 0x4949, 0x0197, version, kind, 0x4152, total, len(frames), table, axes)
    places = struct.pack(f"<{2 * total}{word}", *offsets, *unwritten, *tag_offsets, *unwritten)
    path.write_bytes(head + dimension * axes + places + content)
    return path


@pytest.mark.parametrize("version", [0x0210, 0x0220])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"])
def test_every_version_and_type_gives_the_pixels_written(tmp_path, frames, version, dtype):
    written = (frames % 120).astype(dtype)
    path = write(tmp_path / "m.ser", written, version=version)
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == (frames.shape, np.dtype(dtype))
    assert np.array_equal(movie[:], written)
    assert movie.source_files == (path,)
    assert movie.calibration == Calibration()


def test_the_pixel_size_is_in_the_frames_and_the_interval_on_their_axis(tmp_path, frames):
    found = open_movie(write(tmp_path / "m.ser", frames, (2.5e-10, 2.5e-10), (0.5, "s"))).calibration
    assert found.pixel_size_nm == pytest.approx(0.25)
    assert found.frame_interval_s == 0.5
    assert found.pixel_size_source == found.frame_interval_source == "TIA header of m.ser"


def test_long_series_take_the_interval_from_their_time_stamps(tmp_path, frames):
    times_s = np.array([0, 20, 40, 61, 80, 100, 120, 140])
    movie = open_movie(write(tmp_path / "m.ser", frames, times_s=times_s))
    assert movie.calibration.frame_interval_s == 20
    assert movie.calibration.frame_interval_source == "mean of the time stamps of m.ser, which count whole seconds"
    assert movie.notes == ()
    times_s[-1] = 240
    uneven = open_movie(write(tmp_path / "u.ser", frames, times_s=times_s))
    assert uneven.notes == (f"The frame times of u.ser are uneven; their mean interval, {240 / 7:g} s, is used.",)


def test_time_stamps_that_are_too_coarse_are_told_of_and_not_used(tmp_path, frames):
    movie = open_movie(write(tmp_path / "m.ser", frames, times_s=np.arange(8) // 2))
    assert movie.calibration == Calibration(None, None, NOT_IN_FILE, NOT_IN_FILE)
    assert movie.notes == ("The time stamps of m.ser count whole seconds, too coarse for a frame interval: enter it.",)


def test_a_series_that_was_stopped_gives_the_frames_that_were_taken(tmp_path, frames):
    assert np.array_equal(open_movie(write(tmp_path / "m.ser", frames, total=20))[:], frames)


def test_a_file_that_is_cut_off_gives_its_whole_frames(tmp_path, frames):
    path = write(tmp_path / "m.ser", frames)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(InputWarning, match="only its first 7 frames are whole"):
        movie = open_movie(path)
    assert np.array_equal(movie[:], frames[:7])
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"^m\.ser holds no whole frame"):
        open_movie(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"^m\.ser is cut off in its head, before the first frame\.$"):
        open_movie(path)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"kind": 0x4120}, "m.ser holds spectra, expected a movie of grey images"),
        ({"axes": 2}, r"m.ser holds images over 2 axes \(a map\), expected a movie"),
        ({"axis": (1e-9, "m")}, "m.ser holds images along a line on the sample, expected a movie"),
        ({"frames": np.zeros((1, 4, 5), np.uint8)}, "m.ser holds one frame; a movie needs at least 2"),
        (
            {"frames": np.zeros((3, 4, 5), np.complex64)},
            "Frame 0 of m.ser has 4 x 5 px of type 9, expected an image of",
        ),
        (
            {"frames": [np.zeros((4, 5), np.uint8), np.zeros((4, 6), np.uint8)]},
            "Frame 1 of m.ser has 4 x 6 px of type uint8, expected 4 x 5 px of type uint8 as in the first",
        ),
        (
            {"frames": [np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.int16)]},
            "Frame 1 of m.ser has 4 x 5 px of type int16, expected 4 x 5 px of type uint8 as in the first",
        ),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path, frames, written, says):
    with pytest.raises(InputError, match=f"^{says}"):
        open_movie(write(tmp_path / "m.ser", **({"frames": frames} | written)))


def test_an_emi_file_points_to_its_series(tmp_path):
    path = tmp_path / "run 1.emi"
    path.write_bytes(b"x")
    assert looks_like_movie(path)
    with pytest.raises(InputError) as error:
        open_movie(path)
    assert str(error.value) == "run 1.emi holds no frames; open the series that lies beside it (run 1_1.ser)."


def test_no_damage_breaks_the_opening(tmp_path):
    path = tmp_path / "m.ser"
    whole = write(path, np.arange(60, dtype=np.uint16).reshape(5, 3, 4), (1e-9, 1e-9)).read_bytes()
    assert read_or_refused(path, whole)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(whole))
    def check(content: bytes) -> None:
        read_or_refused(path, content)

    check()


def test_a_real_series(vendor_file):
    path = vendor_file("128x128x5-diffraction_preview_1.ser")
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == ((5, 128, 128), np.dtype(np.int32))
    assert movie[0, -1, :4].tolist() == [1180, 118, 120, 175]
    assert movie[4, 0, -4:].tolist() == [268, 280, 69, 409]
    assert movie.calibration == Calibration()
    assert movie.notes[0].startswith(f"{path.name} states a distance of 4.24641e+07 between pixels, which counts 1/m")
    assert len(movie.notes) == 2
