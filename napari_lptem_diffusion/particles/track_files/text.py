"""Tables in text of any dialect: separators, decimal commas, lines before the header, header or none."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from napari_lptem_diffusion.errors import InputError

_SEPARATORS = ("\t", ";", ",", "|", " ")
_PEEKED_CHARACTERS = 1 << 16
_LONGEST_HEADER = 4
"""Lines: TrackMate repeats its header in words, in short and in units."""


@dataclass(frozen=True)
class TextTable:
    """A table in text of which only the header and the first rows have been looked at.

    Attributes
    ----------
    header : tuple of str
        Names of the columns, each once; "column 1", "column 2", ... where the file has none. A unit that stands in a
        line of its own is put behind the name: "POSITION_X (micron)".
    sample : array
        ``(rows, columns)`` of the first rows, NaN where there is no number.
    """

    header: tuple[str, ...]
    sample: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    _body: str
    _separator: str
    _name: str

    def load(self, columns: Iterable[str], rows: int | None = None) -> pd.DataFrame:
        """Return *columns* of all rows, or of so many from the start, as text; "" where a cell is empty.

        Raises
        ------
        InputError
            If a row has more cells than the first one.
        """
        if rows is None:
            self._refuse_long_rows()
        try:
            table = pd.read_csv(
                StringIO(self._body),
                sep=r"\s+" if self._separator == " " else self._separator,
                header=None,
                names=list(self.header),
                usecols=list(dict.fromkeys(columns)),
                dtype=str,
                comment="#",
                keep_default_na=False,
                skipinitialspace=True,
                nrows=rows,
            )
        except pd.errors.ParserError as error:
            said = str(error).split("C error: ")[-1].strip()
            raise InputError(
                f"{self._name} is no even table: {said}, counted from its first row of numbers."
            ) from error
        return table.fillna("")

    def _refuse_long_rows(self) -> None:
        """A decimal comma between commas would go unseen otherwise."""
        if '"' in self._body or self._separator == " ":
            return
        for line in self._body.splitlines():
            cells = line.count(self._separator) + 1
            if cells > len(self.header) and not line.lstrip().startswith("#"):
                raise InputError(
                    f"{self._name} is no even table: the row '{line[:60]}' has {cells} cells, {len(self.header)} were "
                    "expected."
                )


def peek(path: Path) -> TextTable:
    """Look at the header and the first rows of a table.

    Raises
    ------
    InputError
        If the file cannot be read, or its start holds no two columns of numbers.
    """
    text = _decoded(path)
    lines = text[:_PEEKED_CHARACTERS].splitlines(keepends=True)
    if len(text) > _PEEKED_CHARACTERS and len(lines) > 1:
        lines.pop()
    separator = max(_SEPARATORS, key=lambda separator: _numbers_per_line(lines, separator))
    rows = [_cells(line, separator) for line in lines]
    first = next((place for place, row in enumerate(rows) if count_numbers(row) >= 2), None)
    if first is None:
        raise InputError(f"{path.name} holds no table of numbers; a particle, a frame, x and y were expected.")
    body = [row for row in rows[first:] if row]
    width = Counter(map(len, body)).most_common(1)[0][0]
    header = _header([row for row in rows[:first] if row][-_LONGEST_HEADER:], body[0], width)
    sample = np.array([[_number(cell) for cell in row] for row in body if len(row) == width])
    return TextTable(header, sample, text[sum(map(len, lines[:first])) :], separator, path.name)


def to_numbers(cells: pd.Series) -> pd.Series:
    """Return text as float64: a comma before decimals counts as a point, what is no number as NaN."""
    numbers = pd.to_numeric(cells.astype(str).str.replace(",", ".", regex=False), errors="coerce")
    return numbers.astype("float64")


def count_numbers(row: Sequence[str]) -> int:
    """Return how many cells of *row* are numbers."""
    return int(np.isfinite([_number(cell) for cell in row]).sum())


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", ".", 1))
    except ValueError:
        return np.nan


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The tracks {path.name} cannot be read: {error.strerror}.") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _cells(line: str, separator: str) -> list[str]:
    """The stripped cells of a line; none of an empty line or a comment."""
    line = line.strip("\r\n")
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    if separator == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def _numbers_per_line(lines: Sequence[str], separator: str) -> float:
    counts = [count_numbers(row) for line in lines[-100:] if (row := _cells(line, separator))]
    return float(np.mean(counts)) if counts else 0.0


def _header(above: Sequence[list[str]], first_row: Sequence[str], width: int) -> tuple[str, ...]:
    """Names of the columns from the lines above the first row; a header may leave out one name."""
    fitting = [row for row in above if len(row) in (width, width - 1) and count_numbers(row) < 2]
    if not fitting:
        return tuple(f"column {place + 1}" for place in range(width))
    names, *further = fitting
    if len(names) < width:  # of the numbers of the rows, as R writes it, or of nothing behind a last separator
        names = [*names, ""] if first_row[-1] == "" else ["", *names]
    for line in further:
        for place, cell in enumerate(line):
            if re.fullmatch(r"\([^()]+\)", cell):
                names[place] += f" {cell}"
    taken: Counter[str] = Counter()
    for place, name in enumerate(names):
        name = name or f"column {place + 1}"
        names[place] = f"{name}.{taken[name]}" if taken[name] else name
        taken[name] += 1
    return tuple(names)
