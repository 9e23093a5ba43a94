from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_lptem_diffusion
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.calibration import movie_of_layer, physical_scale
from napari_lptem_diffusion.gui.reader import get_reader
from napari_lptem_diffusion.gui.sample import sample_movie
from napari_lptem_diffusion.movie import Movie

FRAMES = np.random.default_rng(0).integers(0, 255, (5, 12, 16), np.uint8)


@pytest.fixture
def tiff(tmp_path):
    path = tmp_path / "rods.tif"
    metadata = {"axes": "TYX", "finterval": 0.02, "unit": "nm"}
    tifffile.imwrite(path, FRAMES, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "frames"
    place.mkdir()
    for number, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(place / f"frame{number}.png")
    return place


def test_a_tiff_becomes_a_lazy_image_in_nanometres(tiff):
    (data, options, kind), *others = get_reader(str(tiff))(str(tiff))
    assert not others
    assert kind == "image"
    assert isinstance(data, Movie)
    assert np.array_equal(data[2], FRAMES[2])
    assert options["scale"] == (1, 2, 2)
    assert options["units"][1:] == ("nm", "nm")
    low, high = options["contrast_limits"]
    assert 0 <= low < high <= 255


def test_a_folder_of_frames_is_read_without_made_up_units(folder):
    ((data, options, _),) = get_reader(str(folder))(str(folder))
    assert np.array_equal(data[4], FRAMES[4])
    assert options["scale"] == (1, 1, 1)


def test_what_is_no_movie_is_left_to_other_readers(tmp_path, tiff):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no frames here")
    assert get_reader(str(tmp_path / "notes")) is None
    assert get_reader(str(tmp_path / "table.csv")) is None
    assert get_reader([str(tiff), str(tiff)]) is None
    assert get_reader([str(tiff)]) is not None


def test_a_text_file_called_tif_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "fake.tif"
    path.write_text("not a movie")
    with pytest.raises(InputError, match=r"fake\.tif"):
        get_reader(str(path))(str(path))


def test_the_manifest_is_valid_and_everything_in_it_can_be_imported():
    manifest = npe2.PluginManifest.from_file(Path(napari_lptem_diffusion.__file__).parent / "napari.yaml")
    manifest.validate_imports()
    assert manifest.contributions.readers[0].accepts_directories
    assert manifest.contributions.widgets[0].display_name == "LPTEM diffusion"


def test_the_sample_opens():
    ((data, options, _),) = sample_movie()
    assert len(data) >= 50
    assert options["units"][1:] == ("nm", "nm")


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.5, 2, 2), ("s", "nm", "nm"), (2.0, 0.5)),
        ((20, 0.002, 0.002), ("ms", "um", "um"), (2.0, 0.02)),
        ((1, 1, 1), ("pixel", "pixel", "pixel"), (None, None)),
        ((1, 2, 2), ("pixel", "nm", "nm"), (2.0, None)),
        ((1, 2, 3), ("s", "nm", "nm"), (None, 1.0)),
    ],
)
def test_only_physical_units_of_a_layer_are_a_calibration(scale, units, expected):
    assert physical_scale(scale, units) == pytest.approx(expected)


def test_a_movie_from_any_reader_can_be_analysed():
    from napari.layers import Image

    layer = Image(FRAMES, name="from elsewhere", scale=(0.1, 3, 3), units=("s", "nm", "nm"))
    movie = movie_of_layer(layer)
    assert np.array_equal(movie[1], FRAMES[1])
    assert (movie.calibration.pixel_size_nm, movie.calibration.frame_interval_s) == (3.0, pytest.approx(0.1))
    assert "from elsewhere" in movie.calibration.pixel_size_source
