"""The table of particles in the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_lptem_diffusion.diffusion.changes import ARROW, levels
from napari_lptem_diffusion.diffusion.known import LARGEST_MISMATCH, TOO_WIDE, is_known
from napari_lptem_diffusion.export.tables import summary_table
from napari_lptem_diffusion.export.units import k_unit

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_LISTED_PARTICLES = 200
_LEAST_SHARE = 0.1
"""Share of the motion below which the exponent of a part is greyed."""
_PLAIN = (1e-2, 1e4)
"""Largest values of a column that are written without a power of ten."""
_LEAST_SHOWN = 1e-3
_K_TITLES = {"k_fbm": "K FBM", "k_ctrw": "K CTRW"}
_K_UNIT_WORDS = {
    "um2_per_s_alpha": "µm²/s<sup>α</sup>",
    "px2_per_frame_alpha": "px²/frame<sup>α</sup>",
    "um2_per_s": "µm²/s",
    "px2_per_frame": "px²/frame",
}
Row = dict[Hashable, Any]


def particles_table(analysis: Analysis) -> str:
    """Return the table of particles, the longest tracks first, as HTML with what one has to know to read it."""
    particles = summary_table(analysis)
    if particles.empty:
        return "<p>No rod was followed in this movie.</p>"
    units = {name: k_unit(name, analysis.movie.calibration) for name in _K_TITLES}
    listed = particles.sort_values(["frames", "particle"], ascending=[False, True]).head(_LISTED_PARTICLES)
    powers = {name: _common_power(listed[f"{name}_{unit}"]) for name, unit in units.items()}
    head = ["Particle", "Frames", "Mixing ratio", "α FBM", "α CTRW"]
    head += [f"{title},{_times_ten_to(powers[name])} {_K_UNIT_WORDS[units[name]]}" for name, title in _K_TITLES.items()]
    head += ["Changes at frame", "Model mismatch"]
    between = levels(analysis.motion.frames, listed)
    rows = []
    for row in listed.assign(levels=between.where(between.str.contains(ARROW), "")).to_dict("records"):
        cells = [str(row["particle"]), str(row["frames"])]
        cells += ["immobile" if row["immobile"] else _mixing_ratio(row)]
        cells += [_exponent(row, name) for name in ("alpha_fbm", "alpha_ctrw")]
        cells += [_k(row, name, unit, powers[name]) for name, unit in units.items()]
        cells += [escape(row["change_points"].replace(";", ", ")), _remarks(row)]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    header = "".join(f"<th>{name}</th>" for name in head)
    more = len(particles) - len(listed)
    cut = f" The {more} shorter ones are in summary.csv." if more else ""
    return (
        f'<div class="wide"><table><tr>{header}</tr>\n' + "\n".join(rows) + "</table></div>\n"
        '<p class="soft">Longest tracks first, each over its whole length. With an arrow: medians over the frames '
        "before and after a change, of which the whole is only an average. Grey with a question mark: not known "
        f"({TOO_WIDE}). An exponent is grey, too, where its part carries less than a tenth of the motion, and means "
        "little there. K CTRW is the apparent diffusivity of the "
        "jumps over this track: below α CTRW = 1 it depends on the length of the track. Model mismatch, 0 to 1: how "
        f"unlike any mixture of FBM and CTRW the track is; distrust the row where it is high.{cut}</p>"
    )


def _common_power(values: pd.Series) -> int:
    """Return the power of ten that is written once, above the column."""
    largest = float(values.max())
    least, most = _PLAIN
    return math.floor(math.log10(largest)) if largest > 0 and not least <= largest < most else 0


def _times_ten_to(power: int) -> str:
    return f" 10<sup>{power}</sup>".replace("-", "−") if power else ""


def _mixing_ratio(row: Row) -> str:
    """The cell of the mixing ratio: of a rod that changes those before and after, then that of the whole."""
    if not row["levels"]:
        return _bounded(row, "mixing_ratio")
    value, low, high = (f"{row[f'mixing_ratio{end}']:.2f}" for end in ("", "_low", "_high"))
    return f'{row["levels"]}<br><span class="interval">whole track {value} ({low} to {high})</span>'


def _exponent(row: Row, name: str) -> str:
    """The cell of an exponent, greyed where its part is small, too; a dash where nothing moves."""
    if row["immobile"]:
        return "–"
    share = row["mixing_ratio"] if name == "alpha_fbm" else 1 - row["mixing_ratio"]
    return _bounded(row, name, faint=share < _LEAST_SHARE)


def _bounded(row: Row, name: str, faint: bool = False) -> str:
    """The cell of a quantity that has a range, greyed and with a question mark where it is not known."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    unknown = math.isfinite(row[name]) and not is_known(name, low, high)
    cell = _interval(row, name, "", lambda value: f"{value:.2f}", " ?" if unknown else "")
    return f'<span class="faint">{cell}</span>' if faint or unknown else cell


def _k(row: Row, name: str, unit: str, power: int) -> str:
    """The cell of a generalised diffusion coefficient, in units of ten to the *power*."""
    if row["immobile"]:
        return "–"
    return _interval(row, name, f"_{unit}", lambda value: _two_digits(value / 10.0**power))


def _two_digits(value: float) -> str:
    """Two significant digits; a bound where that takes many zeros."""
    if value < _LEAST_SHOWN:
        return f"&lt; {_LEAST_SHOWN:g}" if value > 0 else "0"
    return np.format_float_positional(value, precision=2, unique=False, fractional=False, trim="k").rstrip(".")


def _interval(row: Row, name: str, unit: str, text: Callable[[float], str], mark: str = "") -> str:
    value, low, high = (row[f"{name}{end}{unit}"] for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return '<span class="interval">not judged</span>'
    return f'{text(value)}{mark}<br><span class="interval">{text(low)} to {text(high)}</span>'


def _remarks(row: Row) -> str:
    mismatch = row["model_mismatch"]
    remarks = [f"{mismatch:.2f}"] if math.isfinite(mismatch) else []
    if mismatch > LARGEST_MISMATCH:
        remarks.append('<span class="flag">fits no mixture well</span>')
    if row["immobile"]:
        remarks.append('<span class="flag">immobile: moves no more than its localization error</span>')
    return "<br>".join(remarks)
