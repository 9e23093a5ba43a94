"""Rods that the edge of the frame cuts."""

from __future__ import annotations

import pandas as pd

WHOLE = 0.95
"""Share of a rod inside the frame from which on it counts as whole."""


def frames_at_edge(tracks: pd.DataFrame) -> pd.Series:
    """Return in how many frames the edge of the frame cuts each particle, by ``particle``.

    Parameters
    ----------
    tracks : DataFrame
        ``particle`` and ``visible``, the share of the rod inside the frame. Tracks of other tools, and rods that were
        placed by hand, may have none: that counts as whole.
    """
    if "visible" not in tracks:
        return pd.Series(0, index=pd.Index(tracks["particle"].unique(), name="particle"), dtype="int64")
    return (tracks["visible"] < WHOLE).groupby(tracks["particle"]).sum().astype("int64")
