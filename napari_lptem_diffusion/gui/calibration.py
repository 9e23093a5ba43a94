"""The calibration of a movie and of an image layer, and where each number came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_lptem_diffusion.gui.forms import SettingsForm
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.settings import MovieSettings

if TYPE_CHECKING:
    from napari.layers import Image


def movie_of_layer(layer: Image) -> Movie:
    """Return the movie that an image layer shows, whichever reader opened it.

    Raises
    ------
    InputError
        If the layer is no movie of grey frames.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if isinstance(data, Movie):
        return data
    pixel_size_nm, frame_interval_s = physical_scale(layer.scale, [str(unit) for unit in layer.units])
    return Movie.from_array(data, layer.name, pixel_size_nm, frame_interval_s, f"scale of the layer {layer.name}")


def physical_scale(scale: Sequence[float], units: Sequence[str]) -> tuple[float | None, float | None]:
    """Return pixel size in nm and frame interval in s of a (..., t, y, x) layer; None where a unit is not physical.

    Parameters
    ----------
    scale : sequence of float
    units : sequence of str
        One name per axis, as pint knows them. Pixels that are not square have no pixel size.
    """
    interval_s = _converted(scale[-3], units[-3], "s")
    height_nm, width_nm = (_converted(scale[axis], units[axis], "nm") for axis in (-2, -1))
    return (width_nm if height_nm == width_nm else None), interval_s


def _converted(size: float, unit: str, target: str) -> float | None:
    from pint import get_application_registry

    quantity = get_application_registry().Quantity(float(size), unit)  # type: ignore[no-untyped-call]
    return float(quantity.to(target).magnitude) if quantity.is_compatible_with(target) else None


def show_calibration(form: SettingsForm[MovieSettings], movie: Movie | None) -> None:
    """Show in the form of the movie settings what the file says and, under each field, where the value came from.

    Parameters
    ----------
    form : SettingsForm
    movie : Movie or None
        As opened, without the user's values.
    """
    settings = form.settings
    for name in ("pixel_size_nm", "frame_interval_s"):
        row = form.rows[name]
        row.show_measured(getattr(movie.calibration, name) if movie else None, otherwise="not known")
        row.set_note("")
    if movie is None:
        return
    calibration = movie.calibrated(**settings.model_dump()).calibration
    for name, source, consequence in (
        ("pixel_size_nm", calibration.pixel_size_source, "lengths in px"),
        ("frame_interval_s", calibration.frame_interval_source, "times in frames"),
    ):
        known = getattr(calibration, name) is not None
        form.rows[name].set_note(source if known else f"{source}: {consequence}")
