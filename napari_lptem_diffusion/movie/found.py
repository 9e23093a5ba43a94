"""What a file says of pixel size and frame interval, gathered: what can be believed, and notes on what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_lptem_diffusion.movie.calibration import LARGEST_PIXEL_NM, LONGEST_INTERVAL_S, Calibration
from napari_lptem_diffusion.movie.units import nm_per

_UNEQUAL = 1e-3
"""Relative difference from which pixels are not square."""
_UNEVEN = 0.1
"""Spread of the frame intervals, as a share of their median, from which the user is told."""


class Found:
    """Gathers the calibration that one file states.

    Parameters
    ----------
    name : str
        What the file is called in the notes.
    source : str
        Where its numbers come from, in words for the user.
    """

    def __init__(self, name: str, source: str) -> None:
        self.notes: tuple[str, ...] = ()
        self._name = name
        self._source = source
        self._fields: dict[str, Any] = {}

    def pixel(self, x_nm: float, y_nm: float) -> None:
        """Take a pixel of this width and height in nm, if it is square and a microscope's."""
        if not 0 < x_nm <= LARGEST_PIXEL_NM:
            self.leave_out(f"a pixel size of {x_nm:g} nm, which is no electron microscope's")
        elif not abs(y_nm / x_nm - 1) <= _UNEQUAL:
            self.leave_out(f"pixels that are not square ({x_nm:g} nm in x, {y_nm:g} nm in y)")
        else:
            self._fields |= {"pixel_size_nm": x_nm, "pixel_size_source": self._source}

    def pixel_in(self, sizes: Sequence[float], units: Sequence[str]) -> None:
        """Take a pixel whose (x, y) sizes are given in these units; no unit, or pixels, says nothing."""
        lengths = [nm_per(unit) for unit in units]
        if lengths[0] is not None and lengths[1] is not None:
            self.pixel(sizes[0] * lengths[0], sizes[1] * lengths[1])
        elif units[0].strip().lower().rstrip("s") not in ("", "px", "pixel"):
            self.leave_out(f"its pixel size in {units[0].strip()[:20]!r}, which is no length")

    def interval(self, interval_s: float, source: str = "") -> None:
        """Take a frame interval in seconds, if it is a movie's."""
        if not 0 < interval_s <= LONGEST_INTERVAL_S:
            self.leave_out(f"a frame interval of {interval_s:g} s, which is no movie's")
        else:
            self._fields |= {"frame_interval_s": interval_s, "frame_interval_source": source or self._source}

    def intervals(self, steps_s: NDArray[np.floating[Any]], source: str = "") -> None:
        """Take the median of these frame intervals in seconds, and tell of uneven ones."""
        if not steps_s.size or not np.median(steps_s) > 0:
            return
        typical_s = float(np.median(steps_s))
        self.interval(typical_s, source)
        if np.ptp(steps_s) > _UNEVEN * typical_s:
            self.notes += (
                f"The frame times of {self._name} are uneven: intervals from {steps_s.min():g} to "
                f"{steps_s.max():g} s; their median, {typical_s:g} s, is used.",
            )

    def calibration(self) -> Calibration:
        """Return what could be believed."""
        return Calibration(**self._fields)

    def leave_out(self, stated: str) -> None:
        """Note that the file states what cannot be believed."""
        self.notes += (f"{self._name} states {stated}; it is left out.",)
