"""When a quantity of the motion counts as known: one rule for tables, canvas, plots, exports and comparisons."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RANGES = {"mixing_ratio": (0.0, 1.0), "alpha_fbm": (0.0, 2.0), "alpha_ctrw": (0.0, 1.0)}
"""Between which values each quantity lies by definition."""

WIDEST_SHARE = 0.7
"""Of its range: a wider 90 % interval is little more than the network's prior, whose own is 0.9 of it."""

TOO_WIDE = f"90 % interval wider than {WIDEST_SHARE} of its range"
WHY_NOT_KNOWN = f"{TOO_WIDE}: not known"

COMPARED, LEFT_OUT = "compared", ("immobile", "not_judged", "no_mixture")
"""Whether a particle is compared with others, or why it is not."""
LARGEST_MISMATCH = 0.5
"""Particles with a higher ``model_mismatch`` are not compared unless the user says so."""


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


def status_of(summary: pd.DataFrame, largest_mismatch: float = LARGEST_MISMATCH) -> NDArray[np.str_]:
    """Return why each particle of a summary, such as ``motion.particles``, is compared or not.

    Parameters
    ----------
    summary : DataFrame
        The quantities, ``immobile`` and ``model_mismatch``.
    largest_mismatch : float

    Returns
    -------
    array of str
        `COMPARED` or one of `LEFT_OUT`.
    """
    judged = summary[list(RANGES)].notna().all(axis=1)
    return np.select(
        [summary["immobile"].astype(bool), ~judged, summary["model_mismatch"] > largest_mismatch],
        [np.str_(name) for name in LEFT_OUT],
        COMPARED,
    )


def knows_mixing_ratio(particles: pd.DataFrame) -> NDArray[np.bool_]:
    """Say of which particles of a summary the mixing ratio is known, as where conditions are compared."""
    is_narrow = is_known("mixing_ratio", particles["mixing_ratio_low"], particles["mixing_ratio_high"])
    return np.asarray(is_narrow & (status_of(particles) == COMPARED))


def known_in_words(particles: pd.DataFrame) -> str:
    """Return of how many particles the mixing ratio is known, and why not of the others."""
    status, known = status_of(particles), knows_mixing_ratio(particles)
    counts = {
        "known": known.sum(),
        f"not known ({TOO_WIDE})": ((status == COMPARED) & ~known).sum(),
        **{name.replace("_", " "): (status == name).sum() for name in LEFT_OUT},
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
