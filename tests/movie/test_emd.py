"""Velox EMD files: as Velox writes them, as a writer here does, and damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.movie.calibration import NOT_IN_FILE, Calibration
from tests.movie.damage import damaged, read_or_refused


def said(time_us: float | None = None, pixel: float = 2e-10, unit: str = "m", **more: Any) -> dict[str, Any]:
    """Return the metadata of one frame of a camera; numbers are texts in them."""
    metadata = {
        "BinaryResult": {
            "Detector": "BM-Ceta",
            "PixelSize": {"width": str(pixel), "height": str(pixel)},
            "PixelUnitX": unit,
            "PixelUnitY": unit,
        },
        **more,
    }
    if time_us is not None:
        metadata["CustomProperties"] = {"Detectors[BM-Ceta].TimeStamp": {"type": "int64", "value": str(time_us)}}
    return metadata


def write(path: Path, frames: np.ndarray, metadata: list[dict[str, Any]], key: str = "a1", **storage: Any) -> Path:
    """Add a series of shape (frames, y, x) with the metadata of each frame to a file."""
    table = np.zeros((6000, len(metadata)), np.uint8)
    for frame, content in enumerate(metadata):
        text = json.dumps(content).encode()
        table[: len(text), frame] = list(text)
    with h5py.File(path, "a") as file:
        group = file.require_group(f"Data/Image/{key}")
        group.create_dataset("Data", data=np.moveaxis(frames, 0, -1), **storage)
        group.create_dataset("Metadata", data=table, chunks=(6000, 1))
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", ">u2"])
@pytest.mark.parametrize(
    "storage", [{}, {"chunks": (12, 16, 1)}, {"chunks": (5, 7, 3), "compression": "gzip"}], ids=str
)
def test_every_type_and_storage_gives_the_pixels_written(tmp_path, frames, dtype, storage):
    written = (frames % 120).astype(dtype)
    path = write(tmp_path / "m.emd", written, [said()] * len(frames), **storage)
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == (frames.shape, np.dtype(dtype).newbyteorder("="))
    assert np.array_equal(movie[:], written)
    assert movie.source_files == (path,)
    assert movie.notes == ()
    assert movie.calibration == Calibration(0.2, None, "Velox metadata of m.emd", NOT_IN_FILE)


def test_the_frame_interval_is_that_of_the_cameras_time_stamps(tmp_path):
    frames = np.zeros((50, 4, 5), np.int16)
    times_us = 1575540226238991 + 25000 * np.arange(50)
    even = open_movie(write(tmp_path / "even.emd", frames, [said(time) for time in times_us]))
    assert even.calibration.frame_interval_s == pytest.approx(0.025, rel=1e-9)
    assert even.calibration.frame_interval_source == "time stamps of the camera in even.emd"
    assert even.notes == ()
    times_us[30:] += 400000
    uneven = open_movie(write(tmp_path / "uneven.emd", frames, [said(time) for time in times_us]))
    assert uneven.calibration.frame_interval_s == pytest.approx(0.025, rel=1e-9)
    assert [note.startswith("The frame times of uneven.emd are uneven") for note in uneven.notes] == [True]


def test_the_frame_interval_of_a_scan_is_its_frame_time(tmp_path, frames):
    metadata = [said(Scan={"FrameTime": "0.6"})] * len(frames)
    found = open_movie(write(tmp_path / "m.emd", frames, metadata)).calibration
    assert found.frame_interval_s == 0.6
    assert found.frame_interval_source == "frame time of the scan in the Velox metadata of m.emd"


@pytest.mark.parametrize(
    "content", [said(pixel=1e7, unit="1/m"), {}, {"BinaryResult": 3}, {"Scan": {"FrameTime": "-"}}]
)
def test_metadata_that_say_nothing_of_the_scale_leave_it_open(tmp_path, frames, content):
    movie = open_movie(write(tmp_path / "m.emd", frames, [content] * len(frames)))
    assert movie.calibration == Calibration()
    assert np.array_equal(movie[:], frames)


def test_single_images_beside_a_series_are_passed_over(tmp_path, frames):
    path = write(tmp_path / "m.emd", frames, [said()] * len(frames), key="b")
    write(path, frames[:1], [said()], key="a")
    write(path, frames.astype(complex), [said()] * len(frames), key="c")
    assert np.array_equal(open_movie(path)[:], frames)


def test_what_is_no_movie_is_refused(tmp_path, frames):
    def refusal(path: Path) -> str:
        with pytest.raises(InputError) as error:
            open_movie(path)
        return str(error.value)

    single = write(tmp_path / "single.emd", frames[:1], [said()])
    assert refusal(single) == "single.emd holds one frame; a movie needs at least 2."
    two = write(tmp_path / "two.emd", frames, [said()] * len(frames))
    write(two, frames, [{"BinaryResult": {"Detector": "HAADF"}}] * len(frames), key="b")
    assert refusal(two).startswith("two.emd holds 2 image series (BM-Ceta and HAADF), expected one movie")
    with h5py.File(tmp_path / "other.emd", "w") as file:
        file["data/data"] = frames
    assert refusal(tmp_path / "other.emd").startswith("other.emd is no EMD file of Velox: it has no group Data/Image")
    (tmp_path / "text.emd").write_text("no HDF5")
    assert refusal(tmp_path / "text.emd").startswith("text.emd is cut off, damaged or no HDF5 file")


def test_a_file_that_is_cut_off_is_refused(tmp_path, frames):
    path = write(tmp_path / "m.emd", frames, [said()] * len(frames))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"^m\.emd is cut off, damaged or no HDF5 file \(.*truncated"):
        open_movie(path)


def test_a_frame_that_was_never_written_or_cannot_be_held_is_refused(tmp_path):
    for name, shape in (("empty.emd", (4, 5, 6)), ("vast.emd", (2**20, 2**20, 6))):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("Data/Image/a/Data", shape, "u2", chunks=(4, 5, 1))
        with pytest.raises(InputError, match=rf"{name} is damaged: it states 6 frames of \d+ x \d+ px that it cannot"):
            open_movie(tmp_path / name)


def test_a_file_that_is_gone_or_changed_is_named(tmp_path, frames):
    path = write(tmp_path / "m.emd", frames, [said()] * len(frames))
    gone, changed = open_movie(path), open_movie(path)
    path.unlink()
    with pytest.raises(InputError, match=r"^m\.emd can no longer be read: No such file"):
        gone[0]
    write(path, frames[:, :5], [said()] * len(frames))
    with pytest.raises(InputError, match=r"^m\.emd has changed: frame 1 is no longer as it was"):
        changed[1]


def test_no_damage_breaks_the_opening(tmp_path):
    path = tmp_path / "m.emd"
    frames = np.arange(60, dtype=np.uint16).reshape(5, 3, 4)
    whole = write(path, frames, [said(1000 * frame) for frame in range(5)], chunks=(3, 4, 1)).read_bytes()
    assert read_or_refused(path, whole)

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(whole, head=6000))
    def check(content: bytes) -> None:
        read_or_refused(path, content)

    check()


def test_a_real_series(vendor_file):
    path = vendor_file("fei_example_tem_stack.emd")
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == ((2, 3, 3), np.dtype(np.int16))
    assert movie[0].tolist() == [[0, 2, 4], [6, 8, 10], [12, 14, 16]]
    assert movie[1].tolist() == [[1, 3, 5], [7, 9, 11], [13, 15, 17]]
    assert movie.calibration.pixel_size_nm == pytest.approx(8.1728831922978511e-3, rel=1e-12)
    assert movie.calibration.frame_interval_s == pytest.approx(1575540227.038967 - 1575540226.238991, abs=2e-6)
    assert movie.calibration.pixel_size_source == "Velox metadata of fei_example_tem_stack.emd"
    assert movie.calibration.frame_interval_source == "time stamps of the camera in fei_example_tem_stack.emd"
    assert movie.notes == ()
