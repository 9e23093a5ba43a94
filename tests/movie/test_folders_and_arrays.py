"""Folders of frames and NumPy files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import looks_like_movie, open_movie
from napari_lptem_diffusion.movie.folder import natural_key

DATA = Path(__file__).parents[2] / "../shared/data"


def write_frames(folder: Path, frames: np.ndarray, name: str = "frame{}.png") -> Path:
    """Write one image per frame, numbered from 0 without leading zeros."""
    folder.mkdir(exist_ok=True)
    for index, frame in enumerate(frames):
        path = folder / name.format(index)
        if path.suffix.startswith(".tif"):
            tifffile.imwrite(path, frame)
        else:
            Image.fromarray(frame).save(path)
    return folder


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), unique=True, min_size=2), st.sampled_from(["f{}.png", "{}", "a1_{}_b.tif"]))
def test_numbers_in_names_are_sorted_as_numbers(numbers, pattern):
    names = [pattern.format(number) for number in numbers]
    assert sorted(names, key=natural_key) == [pattern.format(number) for number in sorted(numbers)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), unique=True), st.randoms())
def test_any_names_have_one_order(names, random):
    shuffled = random.sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@pytest.mark.parametrize("name", ["frame{}.png", "frame{}.TIF", "{}.tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_folder_gives_its_frames_in_natural_order(tmp_path, name, dtype):
    frames = np.random.default_rng(0).integers(0, 256, (12, 6, 9)).astype(dtype)
    folder = write_frames(tmp_path / "run 1", frames, name)
    (folder / "notes.txt").write_text("beam 300 kV")
    (folder / "._frame0.png").write_bytes(b"what macOS leaves on other disks")
    movie = open_movie(folder)
    assert movie.name == "run 1"
    assert movie.dtype == dtype
    assert np.array_equal(movie[:], frames)
    assert [path.name for path in movie.source_files] == [name.format(index) for index in range(12)]
    assert movie.calibration.pixel_size_source == "not in the file"
    assert movie.notes == ()


def test_jpeg_colour_and_transparency_become_grey(tmp_path):
    grey = np.full((3, 16, 16), 120, np.uint8)
    colours = np.repeat(grey[..., None], 3, axis=-1)
    alpha = np.concatenate([colours, np.zeros((3, 16, 16, 1), np.uint8)], axis=-1)
    for folder, images, name in (("jpeg", colours, "{}.jpg"), ("alpha", alpha, "{}.png")):
        movie = open_movie(write_frames(tmp_path / folder, images, name))
        assert np.array_equal(movie[:], grey)
        assert movie.notes == (
            f"The frames of {folder} are colour images and are read as grey: one channel where all are equal, else "
            "their luminance (ITU-R BT.601).",
        )


def test_tiff_frames_bring_the_calibration_of_the_first(tmp_path):
    for index in range(3):
        tifffile.imwrite(
            tmp_path / f"{index}.tif",
            np.zeros((4, 5), np.uint16),
            imagej=True,
            resolution=(4, 4),
            metadata={"unit": "nm"},
        )
    calibration = open_movie(tmp_path).calibration
    assert (calibration.pixel_size_nm, calibration.pixel_size_source) == (0.25, "ImageJ tags of 0.tif")


@pytest.mark.parametrize("name", ["{}.png", "{}.tif"])
def test_the_first_frame_of_another_size_or_type_is_named(tmp_path, name):
    folder = write_frames(tmp_path / "size", np.zeros((4, 6, 9), np.uint8), name)
    write_frames(folder, np.zeros((1, 6, 8), np.uint8), "2" + Path(name).suffix)
    with pytest.raises(InputError, match=r"^2\.\w+ in the folder size is an image of 6 x 8 px .* expected .*6 x 9"):
        open_movie(folder)
    folder = write_frames(tmp_path / "type", np.zeros((4, 6, 9), np.uint8), name)
    write_frames(folder, np.zeros((1, 6, 9), np.uint16), "3" + Path(name).suffix)
    with pytest.raises(InputError, match=r"^3\.\w+ in the folder type is .* of type uint16, expected .* uint8"):
        open_movie(folder)


@pytest.mark.parametrize("name", ["{}.jpg", "{}.png", "{}.tif"])
def test_a_frame_that_is_cut_off_is_named_when_it_is_read(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64)).astype(np.uint8)
    folder = write_frames(tmp_path / "movie", noise, name)
    path = folder / name.format(2)
    path.write_bytes(path.read_bytes()[:2000])
    movie = open_movie(folder)
    with pytest.raises(InputError, match=rf"{path.name} is damaged and cannot be read"):
        movie[2]
    assert movie[3].shape == (64, 64)


@pytest.mark.parametrize("name", ["{}.jpg", "{}.tif"])
def test_a_frame_that_is_gone_is_named(tmp_path, name):
    folder = write_frames(tmp_path / "movie", np.zeros((3, 8, 8), np.uint8), name)
    movie = open_movie(folder)
    (folder / name.format(1)).unlink()
    with pytest.raises(InputError, match=rf"^{name.format(1)} cannot be read: No such file"):
        movie[1]


def test_the_working_folder_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(write_frames(tmp_path / "run 2", np.zeros((3, 8, 8), np.uint8)))
    assert open_movie(".").name == "run 2"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_frame_that_is_no_image_is_named_at_once(tmp_path, suffix):
    folder = write_frames(tmp_path / "movie", np.zeros((3, 5, 5), np.uint8), "{}" + suffix)
    for content in (b"", b"not an image at all"):
        (folder / f"1{suffix}").write_bytes(content)
        with pytest.raises(InputError, match=rf"^1\{suffix} "):
            open_movie(folder)


def test_folders_that_are_no_movies_are_refused(tmp_path):
    def refusal(folder: Path) -> str:
        with pytest.raises(InputError) as error:
            open_movie(folder)
        return str(error.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty holds no JPEG, PNG or TIFF image" in refusal(empty)
    assert not looks_like_movie(empty)
    (empty / "notes.txt").write_text("x")
    assert "empty holds no JPEG, PNG or TIFF image" in refusal(empty)
    one = write_frames(tmp_path / "one", np.zeros((1, 4, 4), np.uint8))
    assert refusal(one) == "The folder one holds one frame; a movie needs at least 2."
    assert not looks_like_movie(one)
    mixed = write_frames(tmp_path / "mixed", np.zeros((3, 4, 4), np.uint8))
    assert looks_like_movie(mixed)
    write_frames(mixed, np.zeros((1, 4, 4), np.uint8), "x{}.tif")
    assert "holds 3 PNG and 1 TIFF images, expected frames of one kind" in refusal(mixed)
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    for index in range(2):
        tifffile.imwrite(stacks / f"{index}.tif", np.zeros((7, 4, 6), np.uint8))
    assert refusal(stacks).startswith("0.tif in the folder stacks holds 7 images, expected one per file")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "f8"])
def test_numpy_files(tmp_path, frames, order, dtype):
    array = np.asarray(frames, dtype=dtype, order=order)
    np.save(tmp_path / "m.npy", array)
    movie = open_movie(tmp_path / "m.npy", frame_interval_s=0.1)
    assert movie.shape == frames.shape
    assert np.array_equal(movie[:], array)
    assert movie.calibration.frame_interval_source == "entered by the user"
    assert movie.source_files == (tmp_path / "m.npy",)


def test_a_numpy_file_that_is_cut_off_gives_its_whole_frames(tmp_path, frames):
    path = tmp_path / "m.npy"
    np.save(path, frames)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(InputWarning, match="only its first 7 frames are whole"):
        movie = open_movie(path)
    assert np.array_equal(movie[:], frames[:7])
    assert len(movie.notes) == 1


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((5, 6)), "holds one frame"),
        (np.zeros((2, 3, 4, 5)), "expected three axes"),
        (np.array([{"a": 1}] * 3), "type object"),
        (np.zeros((3, 4, 5), complex), "type complex128"),
        (np.zeros((3, 4, 5), [("a", "u1")]), "expected integer or floating-point"),
    ],
)
def test_numpy_files_that_are_no_movies_are_refused(tmp_path, array, says):
    np.save(tmp_path / "m.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=says) as error:
        open_movie(tmp_path / "m.npy")
    assert "m.npy" in str(error.value)


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_no_bytes_called_npy_break_the_opening(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.npy"
    path.write_bytes(b"\x93NUMPY" * (len(content) % 2) + content)
    with pytest.raises(InputError, match=r"any\.npy"):
        open_movie(path)


def test_files_that_are_no_movies_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("I am a text file.")
    (tmp_path / "movie.czi").write_bytes(b"x")
    (tmp_path / "frame.png").write_bytes(b"x")
    expected = {
        "missing.tif": "does not exist, expected a movie file or a folder of frames",
        "empty.tif": "empty.tif is empty (0 bytes)",
        "text.tif": "text.tif holds no TIFF image that can be read; a TIFF stack was expected",
        "movie.czi": "is of a format that is not read; what is read: TIFF stacks (.tif .tiff .btf), NumPy arrays",
        "frame.png": "frame.png is a single image; a movie of such images is opened by its folder",
    }
    for name, says in expected.items():
        with pytest.raises(InputError) as error:
            open_movie(tmp_path / name)
        assert says in str(error.value)
        assert "\n" not in str(error.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "m.npy"
    np.save(path, np.zeros((3, 4, 5)))

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(InputError, match=r"m\.npy cannot be read: Permission denied\."):
        open_movie(path)


@pytest.mark.parametrize(
    ("folder", "frames", "notes"), [("lptem_gold_nanorods", 61, 1), ("samem_example/frames", 20, 0)]
)
def test_real_movies(folder, frames, notes):
    if not (DATA / folder).exists():
        pytest.skip(f"the real movie {folder} is not beside the repository")
    movie = open_movie(DATA / folder)
    assert movie.shape == (frames, 1024, 1024)
    assert movie.dtype == np.uint8
    assert len(movie.notes) == notes
    assert movie.calibration.pixel_size_nm is None
    assert movie[0].std() > 1
    assert not np.array_equal(movie[0], movie[-1])
