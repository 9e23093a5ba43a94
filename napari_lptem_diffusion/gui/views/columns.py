"""The quantities of a `rod_table`: how the table, its filter and the plot of all rods name and write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_lptem_diffusion.diffusion.known import RANGES, WHY_NOT_KNOWN
from napari_lptem_diffusion.export.units import k_unit

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Calibration

UNKNOWN = "–"
NONE = "none"
"""A K of which nothing can be seen."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREY = f"Grey: central 90 % interval. ?: {WHY_NOT_KNOWN}."
_UNITS = {
    "px2_per_frame_alpha": "px²/frame^α",
    "px2_per_frame": "px²/frame",
    "um2_per_s_alpha": "µm²/s^α",
    "um2_per_s": "µm²/s",
}


@dataclass(frozen=True)
class Column:
    """A quantity of every rod.

    Attributes
    ----------
    name : str
        Its column in a `rod_table`, and its name in a filter.
    title : str
        What it is called in the window, without its unit.
    help : str
        What it is, in a sentence.
    unit : str
        As it is written in the window; "" if it has none.
    format : str
        Of a number; "" for text.
    limits : tuple of float, optional
        Between which it lies by definition.
    logarithmic : bool
        Spans decades.
    at_first : bool
        Shown until the user chooses otherwise.
    """

    name: str
    title: str
    help: str
    unit: str = ""
    format: str = ".2f"
    limits: tuple[float, float] | None = None
    logarithmic: bool = False
    at_first: bool = True

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def is_number(self) -> bool:
        """Whether it is a number rather than text."""
        return bool(self.format)

    def text(self, value: float | str) -> str:
        """Return *value* as it is written in the window; numbers over decades all as powers of ten."""
        if pd.isna(value) or not self.logarithmic:
            return UNKNOWN if pd.isna(value) else format(value, self.format)
        if value == 0:
            return NONE
        digits, power = format(value, self.format).split("e")
        return f"{digits}·10{str(int(power)).translate(_SUPERSCRIPT)}"


def columns_for(table: pd.DataFrame, calibration: Calibration) -> tuple[Column, ...]:
    """Return the columns that *table*, a `rod_table`, has."""
    length = "px" if calibration.pixel_size_nm is None else "nm"
    k_fbm, k_ctrw = (_UNITS[k_unit(name, calibration)] for name in ("k_fbm", "k_ctrw"))
    columns = (
        Column("particle", "Rod", "Number of the rod, and the colour of its outline.", format="d"),
        Column(
            "mixing_ratio",
            "Mixing ratio",
            f"Mixing ratio of the whole track: 1 = pure FBM, 0 = pure CTRW. {_GREY}",
            limits=RANGES["mixing_ratio"],
        ),
        Column(
            "changes",
            "Changes",
            "How often the motion changes; with one or two changes, the mixing ratios before and after them, between "
            "which that of the whole track is an average.",
            format="d",
        ),
        Column("flags", "Flags", "What to know before the row is believed.", format=""),
        Column("frames", "Frames", "In how many frames the rod was seen.", format="d"),
        Column(
            "alpha_fbm",
            "α FBM",
            f"Anomalous exponent of the FBM part; 1 = Brownian. {_GREY}",
            limits=RANGES["alpha_fbm"],
        ),
        Column(
            "alpha_ctrw",
            "α CTRW",
            f"Waiting-time exponent of the CTRW part; the smaller, the longer the rests. {_GREY}",
            limits=RANGES["alpha_ctrw"],
        ),
        Column(
            "model_mismatch",
            "Mismatch",
            "How unlike any mixture of FBM and CTRW the track is; above 0.5 do not believe the mixing ratio.",
            limits=(0, 1),
        ),
        Column(f"length_{length}", "Length", "Median length of the rod over its track.", length, ".1f"),
        Column(
            "k_fbm",
            "K FBM",
            "Generalised diffusion coefficient of the FBM part: MSD(t) = 4 K t^α. Compare it only at like α; "
            f"{NONE}: no such part is seen.",
            k_fbm,
            ".2e",
            logarithmic=True,
        ),
        Column(
            "k_ctrw",
            "K CTRW",
            "Apparent diffusion coefficient of the CTRW part over this track. Compare it only at like frames; "
            f"{NONE}: no such part is seen.",
            k_ctrw,
            ".2e",
            logarithmic=True,
        ),
        Column(f"width_{length}", "Width", "Median width of the rod over its track.", length, ".1f", at_first=False),
        Column("first_frame", "First", "First frame in which the rod was seen.", format="d", at_first=False),
        Column("last_frame", "Last", "Last frame in which the rod was seen.", format="d", at_first=False),
        Column("snr", "SNR", "Median signal to noise of the rod.", format=".1f", at_first=False),
        Column(
            f"localization_error_{length}",
            "Loc. error",
            "Median localization error: one standard deviation of the position per axis.",
            length,
            at_first=False,
        ),
        Column(
            "link_confidence",
            "Link",
            "Confidence of the least certain link of the track.",
            limits=(0, 1),
            at_first=False,
        ),
        Column(
            "frames_at_edge",
            "At the edge",
            "In how many frames the edge of the frame cuts the rod: its centre is less certain there.",
            format="d",
            at_first=False,
        ),
    )
    return tuple(column for column in columns if column.name in table)


def written(table: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Return *columns* of *table*, with their intervals, as tab-separated lines under headings, for a spreadsheet."""
    chosen = {}
    for column in columns:
        chosen[column.heading] = table[column.name]
        for end in ("low", "high"):
            if f"{column.name}_{end}" in table:
                chosen[f"{column.heading} {end} 90 %"] = table[f"{column.name}_{end}"]
    return str(pd.DataFrame(chosen).to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n"))


def interval(table: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ends of the central 90 % interval of a column, (rows,) each; None if it has none."""
    if f"{name}_low" not in table:
        return None
    return table[f"{name}_low"].to_numpy(float), table[f"{name}_high"].to_numpy(float)
