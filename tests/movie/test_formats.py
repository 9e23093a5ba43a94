"""Every format is offered wherever users meet formats, and is a movie to every part of the program."""

from __future__ import annotations

from pathlib import Path

import npe2
import numpy as np
import pytest

import napari_lptem_diffusion
from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.export.session_file import fingerprint
from napari_lptem_diffusion.gui.reader import get_reader
from napari_lptem_diffusion.movie import MOVIE_SUFFIXES, Movie, looks_like_movie, open_movie
from tests.movie import test_digital_micrograph, test_emd, test_mrc, test_ser

PACKAGE = Path(napari_lptem_diffusion.__file__).parent


@pytest.fixture(params=[".dm3", ".dm4", ".mrc", ".emd", ".ser"])
def movie_file(request, tmp_path, frames):
    """Return the frames as a file of each format of a microscope."""
    path = tmp_path / f"rods{request.param}"
    if request.param in (".dm3", ".dm4"):
        image = test_digital_micrograph.image(frames)
        return test_digital_micrograph.write(path, image, version=int(request.param[-1]))
    if request.param == ".emd":
        return test_emd.write(path, frames, [{}] * len(frames))
    return {".mrc": test_mrc, ".ser": test_ser}[request.param].write(path, frames)


@pytest.mark.parametrize("suffix", [*MOVIE_SUFFIXES, ".emi"])
def test_every_ending_is_in_the_manifest_and_in_the_documentation(suffix):
    manifest = npe2.PluginManifest.from_file(PACKAGE / "napari.yaml")
    assert f"*{suffix}" in manifest.contributions.readers[0].filename_patterns
    assert f"`{suffix}`" in (PACKAGE.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    assert looks_like_movie(f"rods{suffix.upper()}")


def test_napari_gets_a_lazy_layer(movie_file, frames):
    ((layer, options, kind),) = get_reader(str(movie_file))(str(movie_file))
    assert kind == "image"
    assert isinstance(layer, Movie)
    assert np.array_equal(layer[:], frames)
    assert options["name"] == "rods"


def test_a_session_knows_the_movie_again_in_every_format(movie_file, frames):
    assert fingerprint(open_movie(movie_file)) == fingerprint(Movie.from_array(frames, "array"))


def test_the_command_line_names_the_formats_and_refuses_what_is_none(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    assert "a TIFF, DM3, DM4, MRC, EMD, SER or NumPy file" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "m.dm4").write_bytes(b"no tags")
    assert main(["analyze", str(tmp_path / "m.dm4"), "-o", str(tmp_path / "out")]) == 2
    assert "m.dm4 is no DigitalMicrograph file of version 3 or 4, as its ending says." in capsys.readouterr().err
