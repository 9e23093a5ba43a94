"""The physical scale of a movie, and where each number came from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_lptem_diffusion.errors import InputError

NOT_IN_FILE = "not in the file"
BY_USER = "entered by the user"

LARGEST_PIXEL_NM = 1e4
LONGEST_INTERVAL_S = 1e5


@dataclass(frozen=True)
class Calibration:
    """Pixel size and frame interval; None where nobody has said it, for neither is ever guessed.

    Attributes
    ----------
    pixel_size_nm : float or None
        Edge of a square pixel in nanometres, positive.
    frame_interval_s : float or None
        Time from the start of one frame to the start of the next in seconds, positive.
    pixel_size_source, frame_interval_source : str
        In words for the user, such as "ImageJ tags of movie.tif", "entered by the user", "not in the file".
    """

    pixel_size_nm: float | None = None
    frame_interval_s: float | None = None
    pixel_size_source: str = NOT_IN_FILE
    frame_interval_source: str = NOT_IN_FILE

    def with_user_values(
        self, pixel_size_nm: float | None, frame_interval_s: float | None, source: str = BY_USER
    ) -> Calibration:
        """Return the calibration with the user's values in place of these; None keeps what is there.

        Raises
        ------
        InputError
            If a value is not a positive number, or beyond 10 000 nm or 100 000 s.
        """
        pixel = _entered(
            "pixel size",
            pixel_size_nm,
            LARGEST_PIXEL_NM,
            "nm",
            (self.pixel_size_nm, self.pixel_size_source),
            source,
        )
        interval = _entered(
            "frame interval",
            frame_interval_s,
            LONGEST_INTERVAL_S,
            "s",
            (self.frame_interval_s, self.frame_interval_source),
            source,
        )
        return Calibration(pixel[0], interval[0], pixel[1], interval[1])


def _entered(
    quantity: str,
    value: float | None,
    largest: float,
    unit: str,
    present: tuple[float | None, str],
    source: str,
) -> tuple[float | None, str]:
    """Return the value that counts and its source."""
    if value is None:
        return present
    if not (math.isfinite(value) and 0 < value <= largest):
        raise InputError(f"The {quantity} must be above 0 and at most {largest:g} {unit}, but {value:g} was entered.")
    if present[0] is None or present[1].startswith(source):
        return float(value), source
    return float(value), f"{source} in place of {present[0]:g} {unit} ({present[1]})"
