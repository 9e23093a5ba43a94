"""File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_lptem_diffusion.gui.layers import LayerData


def sample_movie() -> list[LayerData]:
    """Return the simulated sample movie, whose truth is known, as a layer."""
    from napari_lptem_diffusion.gui.reader import read_movie
    from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE

    return read_movie(str(SAMPLE_MOVIE))
