"""When a quantity of the motion counts as known: one rule for tables, canvas, plots and comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RANGES = {"mixing_ratio": (0.0, 1.0), "alpha_fbm": (0.0, 2.0), "alpha_ctrw": (0.0, 1.0)}
"""Between which values each quantity lies by definition."""

WIDEST_SHARE = 0.7
"""Of its range: a wider 90 % interval is little more than the network's prior, whose own is 0.9 of it."""

TOO_WIDE = f"90 % interval wider than {WIDEST_SHARE} of its range"
WHY_NOT_KNOWN = f"{TOO_WIDE}: not known"


def is_known(quantity: str, low: ArrayLike, high: ArrayLike) -> NDArray[np.bool_]:
    """Say of which values something is known.

    Parameters
    ----------
    quantity : str
        Such as a key of `RANGES`; others, which have no range, are known wherever they have an interval.
    low, high : array_like
        Ends of the central 90 % interval; NaN where there is no value, which is not known.

    Returns
    -------
    array
        Of the shape of *low*.
    """
    width = np.asarray(high, dtype=float) - np.asarray(low, dtype=float)
    first, last = RANGES.get(quantity, (0.0, np.inf))
    return np.asarray(width <= WIDEST_SHARE * (last - first))
