"""napari with the dock widget, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis


def view(
    movie: Movie | str | Path | None = None, settings: Settings | None = None, analysis: Analysis | None = None
) -> None:
    """Open napari with the widget docked, and return when the user has closed it.

    Parameters
    ----------
    movie : Movie or path, optional
        Shown at once.
    settings : Settings, optional
        What the fields show at first; the settings of *analysis* if that is given.
    analysis : Analysis, optional
        A result to show over its own movie.

    Raises
    ------
    InputError
        If the movie cannot be read; no window has opened then.
    """
    if isinstance(movie, str | Path):
        movie = open_movie(movie)
    if analysis is not None:
        movie, settings = analysis.movie, analysis.settings

    import napari

    from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

    viewer = napari.Viewer(title="LPTEM diffusion")
    widget = LptemDiffusionWidget(viewer, settings)
    viewer.window.add_dock_widget(widget, name="LPTEM diffusion", area="right")
    if movie is not None:
        widget.show_movie(movie)
    if analysis is not None:
        widget.show_analysis(analysis)
    napari.run()
