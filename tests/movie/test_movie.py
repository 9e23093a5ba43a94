"""The movie as an array: indexing, memory, threads, calibration."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import Calibration, Movie, open_movie

ARRAY = np.random.default_rng(1).integers(0, 255, (5, 4, 6)).astype(np.uint8)
MOVIE = Movie.from_array(ARRAY, "array")


class CountingArray:
    """An array that is not numpy's and remembers which frames were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self.read: list[object] = []
        self._array = array

    def __getitem__(self, key: object) -> np.ndarray:
        self.read.append(key)
        return self._array[key]


@settings(deadline=None)
@given(basic_indices(ARRAY.shape, allow_newaxis=False))
def test_indexing_is_numpys(key):
    expected = ARRAY[key]
    got = MOVIE[key]
    assert np.shape(got) == expected.shape
    assert np.array_equal(got, expected)


@settings(deadline=None)
@given(st.integers(-20, 20))
def test_an_integer_out_of_range_raises_as_numpy_does(index):
    if -len(ARRAY) <= index < len(ARRAY):
        assert np.array_equal(MOVIE[index], ARRAY[index])
    else:
        with pytest.raises(IndexError):
            MOVIE[index]


@pytest.mark.parametrize("key", ["a", 1.5, [0, 1], np.array([0, 1]), True, None, (0, 0, 0, 0), (..., ...)])
def test_other_keys_are_refused(key):
    with pytest.raises(IndexError):
        MOVIE[key]


def test_it_describes_itself_as_an_array_does():
    assert (len(MOVIE), MOVIE.shape, MOVIE.ndim, MOVIE.size) == (5, (5, 4, 6), 3, 120)
    assert MOVIE.dtype == np.uint8
    assert np.array_equal(np.asarray(MOVIE), ARRAY)
    assert all(np.array_equal(frame, truth) for frame, truth in zip(MOVIE, ARRAY, strict=True))
    assert repr(MOVIE) == "<Movie 'array': 5 frames of 4 x 6 px, uint8>"


def test_only_the_frames_asked_for_are_read_and_once():
    array = CountingArray(ARRAY)
    movie = Movie.from_array(array, "lazy")
    assert array.read == []
    movie[2]
    movie.calibrated(1.0)[2]
    movie[-1]
    assert array.read == [(2,), (4,)]


def test_frames_cannot_be_overwritten():
    with pytest.raises(ValueError, match="read-only"):
        MOVIE[0][0, 0] = 1


def test_napari_shows_a_movie_as_it_is():
    layers = pytest.importorskip("napari.layers")
    array = CountingArray(ARRAY)
    layer = layers.Image(Movie.from_array(array, "movie"), contrast_limits=(0, 255), multiscale=False)
    assert layer.ndim == 3
    assert not layer.rgb
    assert len(array.read) < len(ARRAY)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2), st.integers(0, 2))
def test_axes_of_length_one_are_dropped(before, between):
    shape = (1,) * before + (5,) + (1,) * between + (4, 6)
    movie = Movie.from_array(ARRAY.reshape(shape), "squeezed")
    assert np.array_equal(movie[:], ARRAY)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 6)), "holds one frame; a movie needs at least 2"),
        (np.zeros((1, 4, 6)), "holds one frame"),
        (np.zeros((0, 4, 6)), "holds no whole frame"),
        (np.zeros(6), r"shape \(6,\), expected three axes"),
        (np.zeros((2, 3, 4, 6)), r"shape \(2, 3, 4, 6\), expected three axes"),
        (np.zeros((2, 0, 6)), "0 x 6 pixels"),
        (np.zeros((2, 4, 6), bool), "type bool"),
        (np.zeros((2, 4, 6), complex), "type complex128"),
        (np.zeros((2, 4, 6), object), "type object"),
    ],
)
def test_what_is_no_movie_is_refused(array, says):
    with pytest.raises(InputError, match=says):
        Movie.from_array(array, "layer")


def test_pixels_that_are_not_finite_become_the_median_and_are_told_of_once():
    array = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    array[0, 0, 0], array[0, 0, 1] = np.nan, np.inf
    movie = Movie.from_array(array, "holes")
    assert movie.notes == ()
    with pytest.warns(InputWarning, match="not finite") as warned:
        first, again = movie[0:2][0], movie[:1][0]
    assert len(warned) == 1
    assert np.array_equal(first, again)
    assert first[0, 0] == first[0, 1] == np.median(np.arange(2, 9))
    assert np.array_equal(first.ravel()[2:], np.arange(2, 9))
    assert np.array_equal(movie[1], array[1])
    assert len(movie.notes) == 1


def test_a_frame_without_any_finite_pixel_is_missing():
    array = np.ones((3, 2, 2))
    array[1] = np.nan
    movie = Movie.from_array(array, "gap")
    with pytest.warns(InputWarning):
        assert np.isnan(movie[1]).all()
    assert np.isfinite(movie[2]).all()


def test_half_precision_and_foreign_byte_order_become_native():
    assert Movie.from_array(ARRAY.astype(np.float16), "half").dtype == np.float32
    swapped = Movie.from_array(ARRAY.astype(">u2"), "swapped")
    assert swapped.dtype == np.dtype(np.uint16)
    assert swapped[1].dtype.isnative
    assert np.array_equal(swapped[:], ARRAY)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_many_threads_read_the_same_movie(tmp_path, compression):
    import tifffile

    array = np.random.default_rng(2).integers(0, 255, (40, 64, 64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", array, compression=compression)
    movie = open_movie(tmp_path / "m.tif")
    order = np.random.default_rng(3).integers(0, 40, 400)
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda index: int(movie[index].sum()), order))
    assert sums == [int(array[index].sum()) for index in order]


def test_a_movie_file_can_be_moved_while_it_is_open_as_a_movie(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    movie = open_movie(tmp_path / "a.npy")
    movie[0]
    (tmp_path / "a.npy").rename(tmp_path / "b.npy")
    with pytest.raises(InputError, match=r"a\.npy can no longer be read"):
        movie[1]


def test_the_users_calibration_wins_and_says_so():
    movie = Movie.from_array(ARRAY, "layer", pixel_size_nm=0.5, source="scale of the layer")
    assert movie.calibration == Calibration(0.5, None, "scale of the layer", "not in the array")
    mine = movie.calibrated(frame_interval_s=0.01)
    assert mine.calibration == Calibration(0.5, 0.01, "scale of the layer", "entered by the user")
    mine = mine.calibrated(2)
    assert mine.calibration.pixel_size_nm == 2.0
    assert mine.calibration.pixel_size_source == "entered by the user in place of 0.5 nm (scale of the layer)"
    assert mine.calibration.frame_interval_s == 0.01
    assert mine.calibrated().calibration == mine.calibration
    assert movie.calibration.frame_interval_s is None
    assert np.array_equal(mine[3], ARRAY[3])


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, 1e6])
def test_an_impossible_calibration_is_refused(value):
    with pytest.raises(InputError, match="pixel size must be above 0 and at most 10000 nm"):
        MOVIE.calibrated(pixel_size_nm=value)
    with pytest.raises(InputError, match="frame interval must be above 0"):
        MOVIE.calibrated(frame_interval_s=value if value != 1e6 else 1e7)
