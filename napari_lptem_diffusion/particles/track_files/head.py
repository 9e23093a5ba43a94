"""The start of a file of tracks, for a person who says which column is what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from napari_lptem_diffusion.particles.track_files.columns import ColumnMap, suggest_columns
from napari_lptem_diffusion.particles.track_files.matlab import read_mat_table
from napari_lptem_diffusion.particles.track_files.text import peek

_SHOWN_ROWS = 50
_SAMPLED_ROWS = 1000


@dataclass(frozen=True)
class TrackFileHead:
    """The first rows of a file of tracks.

    Attributes
    ----------
    rows : DataFrame
        As text, the columns named as in the file; without columns for TrackMate's XML, which names what it holds.
    suggested : ColumnMap or None
        What the columns seem to hold; None where x and y could not be told.
    """

    rows: pd.DataFrame
    suggested: ColumnMap | None


def read_head(path: str | Path) -> TrackFileHead:
    """Look at the start of a file of tracks.

    Raises
    ------
    InputError
        If the file cannot be read or holds no table of numbers.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return TrackFileHead(pd.DataFrame(), None)
    if suffix == ".mat":
        table = read_mat_table(path)
        table.columns = table.columns.astype(str)
        rows = table.head(_SHOWN_ROWS).map("{:.6g}".format)
        return TrackFileHead(rows, suggest_columns(list(table.columns), table.head(_SAMPLED_ROWS).to_numpy(float)))
    text = peek(path)
    return TrackFileHead(text.load(text.header, rows=_SHOWN_ROWS), suggest_columns(text.header, text.sample))
