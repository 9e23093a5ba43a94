"""Lengths and times as microscopes and image programs write them."""

from __future__ import annotations

_NM_PER = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometers": 1e3, "micrometre": 1e3,
    "a": 0.1, "å": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1, "pm": 1e-3,
    "mm": 1e6, "cm": 1e7, "m": 1e9, "inch": 2.54e7, "inches": 2.54e7, "in": 2.54e7,
}  # fmt: skip
_S_PER = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "usec": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
    "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip


def nm_per(unit: str) -> float | None:
    """Return the length of *unit* in nm, or None if it is no length ("pixel", "", "reference frame")."""
    return _NM_PER.get(_plain(unit))


def seconds_per(unit: str) -> float | None:
    """Return the length of *unit* in seconds, or None if it is no time."""
    return _S_PER.get(_plain(unit))


def _plain(unit: str) -> str:
    """One spelling: the micro sign may be Greek mu, angstrom U+212B, and ImageJ escapes both as backslash-u codes."""
    unit = unit.strip().lower().replace("\\u00b5", "u").replace("\\u00c5", "å").replace("\\u212b", "å")
    return unit.replace("\u00b5", "u").replace("\u03bc", "u").replace("\u212b", "å").rstrip(".")
