"""How large, fast and fine an overlay movie is."""

from __future__ import annotations

from dataclasses import dataclass

from napari_lptem_diffusion.errors import InputError

WIDTHS_PX = (480, 3840)
RATES_PER_S = (1.0, 120.0)
QUALITIES = {"low": 34, "medium": 28, "high": 21}
"""The constant rate factor of H.264; 6 more halve the file, roughly."""

_LEGIBLE_HEIGHTS_PX = (768, 1200)
_LARGEST_WIDTH_PX = 1920
_LARGEST_HEIGHT_PX = 4096


@dataclass(frozen=True)
class OverlayStyle:
    """What a user may choose of an overlay movie.

    Attributes
    ----------
    width_px : int, optional
        Width of the picture, from 480 to 3840; None: such that small movies are enlarged by a whole number to a legible
        size and large ones fit a screen.
    frames_per_second : float
        How many frames of the recording are shown in a second, from 1 to 120.
    quality : str
        Key of `QUALITIES`; of MP4 only.

    Raises
    ------
    InputError
        If one is out of its range.
    """

    width_px: int | None = None
    frames_per_second: float = 15.0
    quality: str = "medium"

    def __post_init__(self) -> None:
        _check("width", self.width_px, WIDTHS_PX, "px")
        _check("frame rate", self.frames_per_second, RATES_PER_S, "frames per second")
        if self.quality not in QUALITIES:
            raise InputError(f"The quality of the overlay movie is {self.quality!r}; {_listed()} was expected.")

    def zoom(self, height_px: int, width_px: int) -> float:
        """Return the screen pixels per pixel of a movie of this size."""
        if self.width_px is not None:
            return min(self.width_px / width_px, max(_LARGEST_HEIGHT_PX / height_px, 1e-9))
        smallest, largest = _LEGIBLE_HEIGHTS_PX
        whole = -(-smallest // height_px)
        fits = height_px * whole <= largest
        zoom = whole if fits else max(smallest / height_px, min(1.0, largest / height_px))
        return min(zoom, max(_LARGEST_WIDTH_PX / width_px, 1e-9))

    def size_px(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Return width and height of the enlarged movie, both even, as H.264 needs them."""
        zoom = self.zoom(height_px, width_px)
        return _even(width_px * zoom), _even(height_px * zoom)


def _check(what: str, value: float | None, limits: tuple[float, float], unit: str) -> None:
    low, high = limits
    if value is not None and not low <= value <= high:
        raise InputError(f"The {what} of the overlay movie is {value:g} {unit}; {low:g} to {high:g} was expected.")


def _listed() -> str:
    return " or ".join(", ".join(QUALITIES).rsplit(", ", 1))


def _even(size: float) -> int:
    return max(2, 2 * round(size / 2))
