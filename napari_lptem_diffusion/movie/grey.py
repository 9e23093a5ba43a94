"""Colour frames become grey ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.movie.frames import Frame, Remark

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue: ITU-R BT.601."""


def colour_note(name: str) -> Remark:
    """Return the sentence that tells the user of a colour movie."""
    return Remark(
        f"The frames of {name} are colour images and are read as grey: one channel where all are equal, "
        "else their luminance (ITU-R BT.601)."
    )


def to_grey(colours: NDArray[Any]) -> Frame:
    """Return the (y, x) grey frame of a (y, x, 3 or 4) one, of the same type; an alpha channel is left out.

    One channel where all three are equal, else the luminance of ITU-R BT.601, rounded for integer types.
    """
    red, green, blue = (colours[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    luminance = sum(
        weight * channel.astype(np.float64) for weight, channel in zip(_LUMINANCE, (red, green, blue), strict=True)
    )
    if colours.dtype.kind in "ui":
        luminance = np.rint(luminance)
    return np.asarray(luminance, dtype=colours.dtype)
