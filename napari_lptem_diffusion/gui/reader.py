"""napari's way into `open_movie`: drag-and-drop, File > Open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_lptem_diffusion.movie import looks_like_movie, open_movie

if TYPE_CHECKING:
    from napari_lptem_diffusion.gui.layers import LayerData

Paths = str | list[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the reader of *path*, or None at once where it is surely no movie of ours.

    Parameters
    ----------
    path : str or list of str
        A file, or a folder of frames. Several paths opened as one stack are left to other readers.
    """
    if isinstance(path, list) and len(path) != 1:
        return None
    return read_movie if looks_like_movie(_single(path)) else None


def read_movie(path: Paths) -> list[LayerData]:
    """Return the movie at *path* as a lazy image layer; only headers and a few frames are read.

    Raises
    ------
    InputError
        If the file or folder is no movie that can be read.
    """
    from napari_lptem_diffusion.gui.layers import movie_layer

    return [movie_layer(open_movie(_single(path)))]


def _single(path: Paths) -> str:
    return path[0] if isinstance(path, list) else path
