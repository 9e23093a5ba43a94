"""Tracks in MATLAB files: a matrix, a cell array of one matrix per track, or a struct of named columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.track_files.columns import suggest_columns


def read_mat_table(path: Path) -> pd.DataFrame:
    """Return the table of tracks in a MATLAB file (up to version 7), as numbers.

    Understood are a numeric matrix with one row per particle and frame; a cell array with one matrix per track, whose
    columns are time or frame, x, y (as msdanalyzer has them); and a struct, or one vector per variable, with names
    of columns.

    Raises
    ------
    InputError
        If the file cannot be read, is of version 7.3, or holds no table.
    """
    try:
        variables = loadmat(path, squeeze_me=True, chars_as_strings=True)
    except NotImplementedError as error:
        raise InputError(f"{path.name} is a MATLAB file of version 7.3; save it with save(..., '-v7').") from error
    except OSError as error:
        raise InputError(f"The tracks {path.name} cannot be read: {error.strerror or error}.") from error
    except (MatReadError, ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"{path.name} is no whole MATLAB file: {error}.") from error
    held = {name: value for name, value in variables.items() if not name.startswith("__")}
    tables = [table for value in held.values() if (table := _table(value)) is not None]
    tables += [table] if (table := _named_columns(held)) is not None else []
    if not tables:
        found = ", ".join(f"{name} {np.shape(value)}" for name, value in held.items()) or "nothing"
        raise InputError(
            f"{path.name} holds no table of tracks (found: {found}); a matrix with one row per particle and frame, "
            "a cell array of tracks or columns named x, y, frame and particle were expected."
        )
    return max(tables, key=len)


def _table(value: Any) -> pd.DataFrame | None:
    value = np.asarray(value)
    if value.dtype.names:
        return _named_columns({name: value[name] for name in value.dtype.names})
    if value.dtype.kind in "iuf" and value.ndim == 2 and value.shape[1] >= 3:
        return pd.DataFrame(np.asarray(value, float), columns=[f"column {n + 1}" for n in range(value.shape[1])])
    if value.dtype == object and value.ndim == 1:
        return _cell_array([np.atleast_2d(cell) for cell in value])
    return None


def _cell_array(cells: list[NDArray[Any]]) -> pd.DataFrame | None:
    """One matrix per track: time or frame, x, y."""
    if not cells or any(cell.dtype.kind not in "iuf" or cell.ndim != 2 or cell.shape[1] < 3 for cell in cells):
        return None
    rows = np.concatenate([np.asarray(cell[:, :3], float) for cell in cells])
    table = pd.DataFrame(rows, columns=["time", "x", "y"])
    table.insert(0, "particle", np.repeat(np.arange(len(cells)), [len(cell) for cell in cells]))
    return table


def _named_columns(values: dict[str, Any]) -> pd.DataFrame | None:
    """Vectors of one length, if their names tell x and y."""
    vectors = {}
    for name, value in values.items():
        vector = np.atleast_1d(np.asarray(value[()] if getattr(value, "ndim", 1) == 0 else value))
        if vector.dtype.kind in "iuf" and vector.ndim == 1:
            vectors[name] = vector.astype(float)
    lengths = [len(vector) for vector in vectors.values()]
    table = {name: vector for name, vector in vectors.items() if len(vector) == max(lengths)}
    header = list(table)
    if len(header) < 3 or suggest_columns(header, np.stack(list(table.values()), axis=1)[:100]) is None:
        return None
    return pd.DataFrame(table)
