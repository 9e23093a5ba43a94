"""File > Open Sample."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_lptem_diffusion.gui.layers import LayerData

SAMPLE_PACKAGE = "napari_lptem_diffusion.sample_data"
SAMPLE_FILE = "lptem_rods_sample.tif"


def sample_movie() -> list[LayerData]:
    """Return the simulated sample movie, whose truth is known, as a layer."""
    from napari_lptem_diffusion.gui.reader import read_movie

    with as_file(files(SAMPLE_PACKAGE) / SAMPLE_FILE) as path:
        return read_movie(str(path))
