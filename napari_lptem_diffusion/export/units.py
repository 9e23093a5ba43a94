"""The one place that turns px and frames into nm, um and s and names columns with their units.

In a table of the engine a column says what it holds (``x``, ``k_fbm``, ``lag``); in an exported table its name ends
in the unit. What a calibration does not cover stays in px and frames: physical units are never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from napari_lptem_diffusion.movie import Calibration

_NM_PER_UM = 1000.0

_LENGTHS = (
    "x",
    "y",
    "length",
    "width",
    "blur",
    "localization_error",
    "localization_error_along",
    "localization_error_across",
    "localization_error_measured",
    "localization_error_measured_error",
    "drift_x",
    "drift_y",
    "drift_error",
    "length_error",
    "width_error",
    "blur_error",
)
_K = tuple(f"k_{part}{end}" for part in ("fbm", "ctrw") for end in ("", "_low", "_high"))
_RATES = ("rotational_diffusion", "rotational_diffusion_error")


def with_units(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Return *table* in physical units where *calibration* allows, each column named with its unit.

    Parameters
    ----------
    table : DataFrame
        Any table of an `Analysis`: lengths in px, times in frames.
    calibration : Calibration
        ``pixel_size_nm`` and ``frame_interval_s``, either or both None.

    Returns
    -------
    DataFrame
        With the same rows and index. Lengths become ``_px`` and, if the pixel size is known, ``_nm`` beside it;
        ``frame`` gains ``time_s`` and ``lag`` becomes ``lag_frames`` and ``lag_s`` if the interval is known;
        ``msd`` becomes ``msd_um2`` or ``msd_px2``; rates become per s or per frame. K needs both numbers: ``k_fbm``
        becomes um^2/s^alpha or px^2/frame^alpha and ``k_ctrw`` um^2/s or px^2/frame. Other columns are left as
        they are.
    """
    columns: dict[str, pd.Series] = {}
    for name in table.columns:
        columns.update(_converter(name)(name, table, calibration))
    return pd.DataFrame(columns, index=table.index)


def k_um2_per_s_alpha(
    k_px2_per_frame_alpha: pd.Series, alpha: pd.Series, pixel_size_nm: float, frame_interval_s: float
) -> pd.Series:
    """Return a generalised diffusion coefficient in um^2/s^alpha.

    From ``MSD(t) = 2 d K t^alpha``: an area scales with the pixel size squared, and the time by its power alpha.
    The ends of an interval of K are converted with the estimate of alpha as well, since they were
    found in px and frames at that alpha; the interval therefore leaves out that alpha itself is uncertain.
    """
    pixel_size_um = pixel_size_nm / _NM_PER_UM
    return k_px2_per_frame_alpha * pixel_size_um**2 / frame_interval_s**alpha


def k_um2_per_s(k_px2_per_frame: pd.Series, pixel_size_nm: float, frame_interval_s: float) -> pd.Series:
    """Return the apparent diffusion coefficient of the CTRW part in um^2/s.

    The time-averaged MSD of one CTRW trajectory grows as the lag itself, whatever alpha_ctrw (weak ergodicity
    breaking; He, Burov, Metzler and Barkai, Phys. Rev. Lett. 101, 058101, 2008), hence time enters with the power 1.
    """
    pixel_size_um = pixel_size_nm / _NM_PER_UM
    return k_px2_per_frame * pixel_size_um**2 / frame_interval_s


def k_unit(name: str, calibration: Calibration) -> str:
    """Return the unit of *name*, ``k_fbm`` or ``k_ctrw`` with any ending, as it ends the names of columns."""
    power = "_alpha" if name.startswith("k_fbm") else ""
    if calibration.pixel_size_nm is None or calibration.frame_interval_s is None:
        return f"px2_per_frame{power}"
    return f"um2_per_s{power}"


def time_axis(frames: pd.Series, calibration: Calibration) -> tuple[pd.Series, str]:
    """Return *frames* as times for the axis of a plot, with its label: seconds if known, else frames."""
    if calibration.frame_interval_s is None:
        return frames, "Frame"
    return frames * calibration.frame_interval_s, "Time (s)"


def _converter(name: str) -> Callable[[str, pd.DataFrame, Calibration], dict[str, pd.Series]]:
    if name in _LENGTHS:
        return _length
    if name in _K:
        return _k
    if name in _RATES:
        return _rate
    return {"frame": _frame, "lag": _lag, "msd": _area}.get(name, _unchanged)


def _unchanged(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    return {name: table[name]}


def _length(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    columns = {f"{name}_px": table[name]}
    if calibration.pixel_size_nm is not None:
        columns[f"{name}_nm"] = table[name] * calibration.pixel_size_nm
    return columns


def _frame(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    columns = {name: table[name]}
    if calibration.frame_interval_s is not None:
        columns["time_s"] = table[name] * calibration.frame_interval_s
    return columns


def _lag(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    columns = {"lag_frames": table[name]}
    if calibration.frame_interval_s is not None:
        columns["lag_s"] = table[name] * calibration.frame_interval_s
    return columns


def _area(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    if calibration.pixel_size_nm is None:
        return {f"{name}_px2": table[name]}
    return {f"{name}_um2": table[name] * (calibration.pixel_size_nm / _NM_PER_UM) ** 2}


def _rate(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    if calibration.frame_interval_s is None:
        return {f"{name}_rad2_per_frame": table[name]}
    return {f"{name}_rad2_per_s": table[name] / calibration.frame_interval_s}


def _k(name: str, table: pd.DataFrame, calibration: Calibration) -> dict[str, pd.Series]:
    column = f"{name}_{k_unit(name, calibration)}"
    pixel_size_nm, frame_interval_s = calibration.pixel_size_nm, calibration.frame_interval_s
    if pixel_size_nm is None or frame_interval_s is None:
        return {column: table[name]}
    if name.startswith("k_ctrw"):
        return {column: k_um2_per_s(table[name], pixel_size_nm, frame_interval_s)}
    return {column: k_um2_per_s_alpha(table[name], table["alpha_fbm"], pixel_size_nm, frame_interval_s)}
