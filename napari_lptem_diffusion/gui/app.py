"""napari with the dock widget, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.settings import Settings

if TYPE_CHECKING:
    import napari

    from napari_lptem_diffusion.analysis import Analysis
    from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

TITLE = "LPTEM diffusion"
_PLUGIN = "napari-lptem-diffusion"


def view(path: str | Path | None = None, settings: Settings | None = None) -> None:
    """Open napari with the widget docked and a movie shown; return when the user has closed it.

    Parameters
    ----------
    path : path, optional
        The movie; without one the user drops one.
    settings : Settings, optional
        What the fields show at first.

    Raises
    ------
    InputError
        If the movie cannot be read; no window has opened then.
    """
    import napari

    movie = None if path is None else open_movie(path)
    _, widget = docked(settings)
    if movie is not None:
        widget.show_movie(movie)
    napari.run()


def show(analysis: Analysis) -> None:
    """Open napari on a finished analysis; return when the user has closed it."""
    import napari

    _, widget = docked(analysis.settings)
    image = widget.show_movie(analysis.movie)
    widget.run_panel.say(widget.show_analysis(image, analysis))
    napari.run()


def widget_of(viewer: napari.Viewer) -> LptemDiffusionWidget:
    """Return the widget that is docked in *viewer*; it is docked if there is none."""
    from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

    docked = (widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, LptemDiffusionWidget))
    found = next(docked, None)
    return found or viewer.window.add_plugin_dock_widget(_PLUGIN, TITLE)[1]


def docked(settings: Settings | None = None) -> tuple[napari.Viewer, LptemDiffusionWidget]:
    """Return a new viewer and the widget docked in it."""
    import napari

    from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

    viewer = napari.Viewer(title=TITLE)
    widget = LptemDiffusionWidget(viewer, settings)
    viewer.window.add_dock_widget(widget, name=TITLE, area="right")
    return viewer, widget
