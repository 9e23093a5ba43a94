"""DM3 and DM4 files: as DigitalMicrograph writes them, as a writer here does, and damaged."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.movie.calibration import NOT_IN_FILE, Calibration
from tests.movie.damage import damaged, read_or_refused

KINDS = {"int16": (1, 2), "float32": (2, 6), "uint8": (6, 10), "int32": (7, 3), "int8": (9, 9), "uint16": (10, 4),
         "uint32": (11, 5), "float64": (12, 7)}  # fmt: skip
"""DM's codes of the kind of image and of the encoded type."""


class Structure(bytes):
    """A structure of two 32-bit integers."""


def tag(value: Any, version: int, order: str) -> bytes:
    """Write a value: a number, a text, an array or a structure."""
    size = ">i" if version == 3 else ">q"
    if isinstance(value, Structure):
        info, content = [15, 0, 2, 0, 3, 0, 3], bytes(8)
    elif isinstance(value, str):
        info, content = [20, 4, len(value)], value.encode("utf-16-le" if order == "<" else "utf-16-be")
    elif isinstance(value, np.ndarray):
        info, content = (
            [20, KINDS[value.dtype.name][1], value.size],
            value.astype(value.dtype.newbyteorder(order)).tobytes(),
        )
    elif isinstance(value, float):
        info, content = [6], struct.pack(order + "f", value)
    else:
        info, content = [5], struct.pack(order + "I", value)
    return b"%%%%" + b"".join(struct.pack(size, number) for number in [len(info), *info]) + content


def group(tags: dict[str, Any], version: int, order: str) -> bytes:
    """Write a group; names that are numbers stand for nameless tags."""
    content = bytes([1, 0]) + struct.pack(">i" if version == 3 else ">q", len(tags))
    for name, value in tags.items():
        label = b"" if name.isdigit() else name.encode("latin-1")
        is_group = isinstance(value, dict)
        inner = group(value, version, order) if is_group else tag(value, version, order)
        content += struct.pack(">BH", 20 if is_group else 21, len(label)) + label
        content += (b"" if version == 3 else struct.pack(">q", len(inner))) + inner
    return content


def image(data: np.ndarray, scales: tuple[float, ...] = (), units: tuple[str, ...] = (), **tags: Any) -> dict[str, Any]:
    """Return the tags of an image of shape (.., y, x); *scales* and *units* are of x, y and what follows."""
    calibrations = {str(axis): {"Scale": scale, "Units": units[axis]} for axis, scale in enumerate(scales)}
    lengths = {str(axis): length for axis, length in enumerate(reversed(data.shape))}
    return {
        "ImageData": {
            "Calibrations": {"Dimension": calibrations},
            "Data": data.ravel(),
            "DataType": KINDS[data.dtype.name][0],
            "Dimensions": lengths,
        },
        "ImageTags": tags,
    }


def write(path: Path, *images: dict[str, Any], version: int = 4, order: str = "<") -> Path:
    """Write a file: a thumbnail, and the images."""
    thumbnail = image(np.zeros((4, 4), np.uint32))
    thumbnail["ImageData"]["DataType"] = 23
    listed = dict(enumerate((thumbnail, *images)))
    tags = {
        "ApplicationBounds": Structure(),
        "ImageList": {str(number): content for number, content in listed.items()},
        "Thumbnails": {"0": {"ImageIndex": 0}},
    }
    root = group(tags, version, order)
    head = struct.pack(">iii" if version == 3 else ">iqi", version, len(root), int(order == "<"))
    path.write_bytes(head + root + bytes(8))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", KINDS)
def test_every_version_order_and_type_gives_the_pixels_written(tmp_path, frames, version, order, dtype):
    written = (frames % 120).astype(dtype)
    path = write(tmp_path / f"m.dm{version}", image(written), version=version, order=order)
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == (frames.shape, np.dtype(dtype))
    assert np.array_equal(movie[:], written)
    assert movie.source_files == (path,)
    assert movie.notes == ()
    assert movie.calibration == Calibration()


def test_pixel_size_and_frame_interval_come_from_the_axes(tmp_path, frames):
    written = image(frames, (0.3, 0.3, 12.3), ("nm", "nm", "ms"))
    found = open_movie(write(tmp_path / "m.dm4", written)).calibration
    source = "DigitalMicrograph tags of m.dm4"
    assert found == Calibration(0.3, 0.0123, source, source)
    micron = open_movie(write(tmp_path / "m.dm3", image(frames, (0.5, 0.5), ("µm", "µm")), version=3)).calibration
    assert micron == Calibration(500.0, None, "DigitalMicrograph tags of m.dm3", NOT_IN_FILE)


def test_an_exposure_is_told_of_and_no_frame_interval(tmp_path, frames):
    movie = open_movie(write(tmp_path / "m.dm4", image(frames, DataBar={"Exposure Time (s)": 0.5})))
    assert movie.calibration == Calibration()
    assert movie.notes == ("m.dm4 states an exposure of 0.5 s but no frame interval, which may be longer: enter it.",)


def test_a_diffraction_patterns_scale_is_left_out(tmp_path, frames):
    movie = open_movie(write(tmp_path / "m.dm4", image(frames, (0.5, 0.5, 1.0), ("1/nm", "1/nm", ""))))
    assert movie.calibration == Calibration()
    assert movie.notes == ("m.dm4 states its pixel size in '1/nm', which is no length; it is left out.",)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ((), "holds one frame; a movie needs at least 2"),
        ((image(np.zeros((5, 6), np.int16)),), "holds one frame; a movie needs at least 2"),
        ((image(np.zeros((1, 5, 6), np.int16)),), "holds one frame; a movie needs at least 2"),
        ((image(np.zeros((3, 5, 6), np.int16)),) * 2, "holds 2 image stacks, expected one movie"),
        ((image(np.zeros((2, 2, 5, 6), np.int16)),), r"data of 4 dimensions \(4D-STEM\), expected a movie"),
        ((image(np.zeros((9, 5, 6), np.int16), (1, 1, 0.5), ("nm", "nm", "eV")),), "holds a spectrum image, expected"),
        (
            (image(np.zeros((5, 6), np.int16), **{"In-situ": {"Recorded": {"# Frames": 10}}}),),
            "header of a Gatan in-situ recording, whose .raw file of frames is not read; save the recording as",
        ),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path, images, says):
    with pytest.raises(InputError, match=rf"^m\.dm4 .*{says}"):
        open_movie(write(tmp_path / "m.dm4", *images))


@pytest.mark.parametrize(("code", "kind"), [(3, "complex"), (23, "colour"), (99, r"unknown \(type 99\)")])
def test_values_that_are_no_grey_values_are_refused(tmp_path, frames, code, kind):
    written = image(frames)
    written["ImageData"]["DataType"] = code
    with pytest.raises(InputError, match=f"whose values are {kind}, expected integer or floating-point grey values"):
        open_movie(write(tmp_path / "m.dm4", written))


def test_an_image_beside_a_raw_file_is_an_in_situ_header(tmp_path):
    path = write(tmp_path / "m.dm4", image(np.zeros((5, 6), np.int16)))
    path.with_suffix(".raw").touch()
    with pytest.raises(InputError, match="header of a Gatan in-situ recording"):
        open_movie(path)


def test_a_file_that_is_cut_in_its_frames_is_refused_and_one_cut_behind_them_is_whole(tmp_path, frames):
    path = write(tmp_path / "m.dm4", image(frames))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert np.array_equal(open_movie(path)[:], frames)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=r"^m\.dm4 is cut off: it ends before the tags that say how large its frames are"
    ):
        open_movie(path)


def test_more_frames_than_there_are_data_is_damage(tmp_path, frames):
    written = image(frames)
    written["ImageData"]["Dimensions"]["2"] = len(frames) + 1
    with pytest.raises(InputError, match=r"^m\.dm4 is damaged: 9 frames of 16 x 12 px are not in its image data"):
        open_movie(write(tmp_path / "m.dm4", written))


def test_a_tree_that_has_no_end_is_refused(tmp_path):
    for version in (3, 4):
        size = ">i" if version == 3 else ">q"
        inner = b"\x01\x00" + struct.pack(size, 1) + b"\x14\x00\x00" + (b"" if version == 3 else bytes(8))
        head = struct.pack(">iii" if version == 3 else ">iqi", version, 0, 1)
        path = tmp_path / f"m.dm{version}"
        path.write_bytes(head + inner * 5000)
        with pytest.raises(InputError, match=r"is damaged: its tags make no sense near byte \d+\."):
            open_movie(path)


@pytest.mark.parametrize("version", [3, 4])
def test_no_damage_breaks_the_opening(tmp_path, version):
    path = tmp_path / f"m.dm{version}"
    frames = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
    whole = write(path, image(frames, (1.0, 1.0, 1.0), ("nm", "nm", "s")), version=version).read_bytes()
    assert read_or_refused(path, whole)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(whole))
    def check(content: bytes) -> None:
        read_or_refused(path, content)

    check()


@pytest.mark.parametrize("name", ["stack_test-1.dm3", "stack_test-1.dm4"])
def test_real_stacks(vendor_file, name):
    path = vendor_file(name)
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == ((2, 2, 2), np.dtype(np.int16))
    assert movie[:].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert movie.calibration == Calibration()
    assert movie.notes == ()
    assert movie.source_files == (path,)


def test_a_real_single_image_is_refused(vendor_file):
    with pytest.raises(InputError, match=r"^image_test-1\.dm4 holds one frame; a movie needs at least 2\.$"):
        open_movie(vendor_file("image_test-1.dm4"))
