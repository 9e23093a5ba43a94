"""napari's way into `open_movie` and to sessions: drag-and-drop, File > Open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_lptem_diffusion.export.session_file import SESSION_FILE, SESSION_SUFFIX
from napari_lptem_diffusion.movie import looks_like_movie, open_movie

if TYPE_CHECKING:
    from napari_lptem_diffusion.gui.layers import LayerData

Paths = str | list[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData] | list[tuple[None]]] | None:
    """Return the reader of *path*, or None at once where it is surely no movie of ours.

    Parameters
    ----------
    path : str or list of str
        A movie, a folder of frames, a session, or the folder of an export. Several paths opened as one stack are left
        to other readers.
    """
    if isinstance(path, list) and len(path) != 1:
        return None
    single = Path(_single(path))
    if single.suffix.lower() == SESSION_SUFFIX or (single / SESSION_FILE).is_file():
        return read_session
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


def read_session(path: Paths) -> list[LayerData] | list[tuple[None]]:
    """Open the session at *path* in the widget, which is docked if it is not; napari itself gets no layer.

    Without a window: return the movie as a layer.

    Raises
    ------
    InputError
        If there is no window, and the file is no session or its movie is not found.
    """
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        from napari_lptem_diffusion.gui.layers import movie_layer
        from napari_lptem_diffusion.session import open_session

        return [movie_layer(open_session(_single(path)).movie)]
    from napari_lptem_diffusion.gui.app import widget_of

    widget_of(viewer).open(_single(path))
    return [(None,)]


def _single(path: Paths) -> str:
    return path[0] if isinstance(path, list) else path
