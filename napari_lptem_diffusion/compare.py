"""Conditions side by side: how the motion of the particles of many movies depends on dose rate, buffer or coating."""

from __future__ import annotations

import json
import math
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.known import COMPARED, LARGEST_MISMATCH, LEFT_OUT, RANGES, is_known, status_of
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export.comparison_figures import comparison_figure, save_publication_figure
from napari_lptem_diffusion.export.folder import EXPORT_SUFFIX, staged
from napari_lptem_diffusion.export.provenance import software_versions
from napari_lptem_diffusion.export.read_export import ExportedRods, read_export
from napari_lptem_diffusion.export.session_file import SESSION_SUFFIX
from napari_lptem_diffusion.export.tables import write_csv
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

Floats = NDArray[np.float64]
_K = ("k_fbm", "k_ctrw")
QUANTITIES = (*RANGES, *_K)
REPLICATES = 2000
_TO_SIGMA = 1.6448536269514722
"""Standard deviations from the middle of a normal distribution to the end of its central 90 %."""
_REPLICATES_BETWEEN_LOOKS = 50
_FEW_MOVIES = 4


@dataclass(frozen=True)
class Comparison:
    """What several exports say of several conditions.

    Attributes
    ----------
    condition_name : str
        What the labels are, such as "Dose rate (e/Å²/s)".
    particles : DataFrame
        Every particle: ``condition``, ``movie``, ``particle``, ``frames``, ``status`` ("compared", "immobile",
        "not_judged" or "no_mixture") and the quantities with ``_low`` and ``_high``.
    conditions : DataFrame
        One row per condition: ``condition``, ``n_movies``, ``n_particles`` and how many of these are ``n_compared``,
        ``n_immobile``, ``n_not_judged`` and ``n_no_mixture``.
    table : DataFrame
        One row per condition and quantity: ``condition``, ``quantity``, ``unit``, ``n_movies``, ``n_particles``,
        ``n_unknown`` (compared particles about whose quantity nothing is known, which do not count), ``median``,
        ``low``, ``high`` (central 90 % interval of the median).
    notes : tuple of str
        What limits the comparison.
    """

    condition_name: str
    particles: pd.DataFrame
    conditions: pd.DataFrame
    table: pd.DataFrame
    notes: tuple[str, ...]


def compare(
    labels: Mapping[Path, str],
    condition_name: str = "Condition",
    largest_mismatch: float = LARGEST_MISMATCH,
    replicates: int = REPLICATES,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    quantities: Sequence[str] = QUANTITIES,
    read: Callable[[Path], ExportedRods] = read_export,
) -> Comparison:
    """Compare the particles of several exports.

    The median of each condition is that of the estimates of its particles, all movies together. Its interval comes
    from a hierarchical bootstrap: movies are drawn anew, then the particles of each, then the value of each particle
    from its own interval. Of n movies n - 1 are drawn, which keeps the variance between few movies unbiased
    (J. N. K. Rao and C. F. J. Wu, J. Am. Stat. Assoc. 83, 231, 1988). The spread of the drawn medians is laid around
    the median of the estimates. An exponent counts with the share of the motion that its part carries. A particle
    whose interval is as wide as the prior does not count: the median of many such is the prior's, not the particles'.

    Parameters
    ----------
    labels : mapping of Path to str
        The condition of each folder that an analysis was exported to, or session. If all are numbers, so is the axis.
    condition_name : str
    largest_mismatch : float
        Particles with a higher ``model_mismatch`` are not compared; 0 to 1.
    replicates : int
    progress, should_stop : callable, optional
    quantities : sequence of str
        Those of `QUANTITIES` that get a median; the numbers of one do not depend on which others there are.
    read : callable
        Such as a `ReadExports`, for who compares the same exports again and again.

    Warns
    -----
    InputWarning
        If a condition has few movies, a movie is there twice, networks differ, or K cannot be compared.

    Raises
    ------
    InputError
        If a folder holds no export or there is none.
    Stopped
        If *should_stop* answered True.
    """
    if not labels:
        raise InputError("No folder was given; folders of exported analyses were expected.")
    exports: dict[Path, ExportedRods] = {}
    for path in labels:
        report(progress, should_stop, len(exports), len(labels), "read exports")
        exports[path] = read(path)
    units, notes = _shared_units(list(exports.values()))
    notes = [*_cautions(exports), *notes]
    particles = _all_particles(exports, labels, list(units), largest_mismatch)
    conditions = pd.DataFrame([_counts(particles, label) for label in _order(labels.values())])
    compared = particles[particles["status"] == COMPARED]
    rows: list[dict[str, Any]] = []
    wanted = {name: unit for name, unit in units.items() if name in quantities}
    for name, unit in wanted.items():
        for label in conditions["condition"]:
            report(progress, should_stop, len(rows), len(wanted) * len(conditions), "compare")
            own = compared[compared["condition"] == label]
            seed = zlib.crc32(f"{label}|{name}".encode())
            found = interval_of_median(own, name, seed, replicates, should_stop)
            rows.append({"condition": label, "quantity": name, "unit": unit, **found})
    few = conditions[conditions["n_movies"] < _FEW_MOVIES]
    notes += [_said_of(*row) for row in few[["condition", "n_movies"]].itertuples(index=False, name=None)]
    for note in notes:
        warnings.warn(note, InputWarning, stacklevel=2)
    return Comparison(condition_name, particles, conditions, pd.DataFrame(rows), tuple(notes))


def labels_of(folders: Sequence[Path], said: Mapping[str, str]) -> dict[Path, str]:
    """Return the condition of each folder.

    Parameters
    ----------
    folders : sequence of Path
    said : mapping of str to str
        Label by the folder's name, or by its path as it was given; if empty, each folder is its own condition.

    Raises
    ------
    InputError
        If a folder is named twice or has no label, or a label is for no folder.
    """
    if twice := [folder for number, folder in enumerate(folders) if folder.resolve() in _resolved(folders[:number])]:
        raise InputError(f"{twice[0]} was given twice.")
    keys = {folder: [key for key in (str(folder), folder.resolve().name) if key in said] for folder in folders}
    used = {key for found in keys.values() for key in found}
    if unused := [key for key in said if key not in used]:
        raise InputError(f"A condition was given for {unused[0]!r}, which is none of the folders.")
    if said and (bare := [folder for folder, found in keys.items() if not found]):
        raise InputError(f"{bare[0]} has no condition; one was expected for each folder, or for none.")
    names = names_of(folders)
    return {folder: said[found[0]] if found else names[folder] for folder, found in keys.items()}


def _resolved(folders: Sequence[Path]) -> set[Path]:
    return {folder.resolve() for folder in folders}


def save_comparison(comparison: Comparison, folder: str | Path, overwrite: bool = False) -> Path:
    """Write the tables and the figure of *comparison* into *folder*, all or nothing; see docs/compare.md.

    Raises
    ------
    InputError
        If *folder* is not empty and *overwrite* is False, or cannot be written to.
    """
    folder = Path(folder)
    with staged(folder, overwrite) as new:
        write_csv(comparison.table, new / "comparison.csv")
        write_csv(comparison.conditions, new / "conditions.csv")
        write_csv(comparison.particles, new / "compared_particles.csv")
        figure = comparison_figure(
            comparison.particles, comparison.table, comparison.conditions, comparison.condition_name
        )
        for kind in ("svg", "pdf", "png"):
            save_publication_figure(figure, new / f"comparison.{kind}")
        record = {"software": software_versions(), "condition": comparison.condition_name, "notes": comparison.notes}
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (new / "comparison.json").write_text(text, encoding="utf-8", newline="\n")
    return folder


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the median of *values*, each counting with its weight; for equal weights `numpy.median`."""
    order = np.argsort(values)
    up_to = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(weights.sum() / 2, up_to, values[order]))


def names_of(exports: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each export: that of its movie as its folder or file has it, or its path where two have it."""
    own = [
        path.stem if path.suffix == SESSION_SUFFIX else path.resolve().name.removesuffix(EXPORT_SUFFIX)
        for path in exports
    ]
    return {path: name if own.count(name) == 1 else path.as_posix() for path, name in zip(exports, own, strict=True)}


def _all_particles(
    read: Mapping[Path, ExportedRods], labels: Mapping[Path, str], quantities: Sequence[str], largest_mismatch: float
) -> pd.DataFrame:
    """The table ``Comparison.particles``."""
    columns = ["condition", "movie", "particle", "frames", "status"]
    columns += [f"{name}{end}" for name in quantities for end in ("", "_low", "_high")]
    movies = names_of(list(read))
    tables = [
        rods.particles.assign(
            movie=movies[path], condition=labels[path], status=status_of(rods.particles, largest_mismatch)
        )[columns]
        for path, rods in read.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _counts(particles: pd.DataFrame, label: str) -> dict[str, Any]:
    own = particles[particles["condition"] == label]
    counts = own["status"].value_counts()
    said = {"condition": label, "n_movies": own["movie"].nunique(), "n_particles": len(own)}
    return said | {f"n_{name}": int(counts.get(name, 0)) for name in (COMPARED, *LEFT_OUT)}


def interval_of_median(
    own: pd.DataFrame, name: str, seed: int, replicates: int, should_stop: ShouldStop | None = None
) -> dict[str, Any]:
    """Return the median of a quantity over the particles of one condition, with its interval; see `compare`.

    Parameters
    ----------
    own : DataFrame
        The particles: ``movie``, ``mixing_ratio`` and *name* with ``_low`` and ``_high``.
    name : str
        One of `QUANTITIES`.
    seed, replicates : int
    should_stop : callable, optional

    Returns
    -------
    dict
        ``n_movies``, ``n_particles``, ``n_unknown``, ``median``, ``low``, ``high``; NaN where no particle counts.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    weights = {"alpha_fbm": own["mixing_ratio"], "alpha_ctrw": 1 - own["mixing_ratio"]}
    weight = weights.get(name, pd.Series(1.0, index=own.index))
    bounds = RANGES.get(name, (0.0, math.inf))
    known = is_known(name, own[f"{name}_low"], own[f"{name}_high"]) & own[name].notna() & (weight > 0)
    said = {"n_movies": own.loc[known, "movie"].nunique(), "n_particles": int(known.sum())}
    said["n_unknown"] = int((~known).sum())
    own, counts_as = own[known], weight[known].to_numpy(float)
    if own.empty:
        return said | dict.fromkeys(("median", "low", "high"), math.nan)
    value, low, high = (own[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    median = weighted_median(value, counts_as)
    members = [np.flatnonzero(own["movie"] == movie) for movie in sorted(own["movie"].unique())]
    sigma = np.stack([np.maximum(value - low, 0), np.maximum(high - value, 0)]) / _TO_SIGMA
    drawn = _drawn_medians(
        value, sigma, counts_as, members, bounds, np.random.default_rng(seed), replicates, should_stop
    )
    ends = np.clip(median + np.quantile(drawn, (0.05, 0.95)) - np.median(drawn), *bounds)
    return said | {"median": median, "low": float(ends[0]), "high": float(ends[1])}


def _drawn_medians(
    value: Floats,
    sigma: Floats,
    weight: Floats,
    members: Sequence[NDArray[np.int64]],
    bounds: tuple[float, float],
    rng: np.random.Generator,
    replicates: int,
    should_stop: ShouldStop | None,
) -> Floats:
    """Medians of movies, their particles and these particles' values drawn anew.

    *sigma* is (2, particles): below and above each value; a value is drawn from the two halves of a normal
    distribution that has the particle's interval.
    """
    drawn = np.empty(replicates)
    movies = max(len(members) - 1, 1)
    for replicate in range(replicates):
        if replicate % _REPLICATES_BETWEEN_LOOKS == 0:
            report(None, should_stop, replicate, replicates, "compare")
        chosen = rng.integers(0, len(members), movies)
        picked = np.concatenate([members[movie][rng.integers(0, len(members[movie]), len(members[movie]))]
                                 for movie in chosen])  # fmt: skip
        deviate = rng.standard_normal(len(picked))
        values = value[picked] + deviate * np.where(deviate < 0, sigma[0, picked], sigma[1, picked])
        drawn[replicate] = weighted_median(np.clip(values, *bounds), weight[picked])
    return drawn


def _order(labels: Any) -> list[str]:
    """Each label once: ascending if all are numbers, else as given."""
    once = list(dict.fromkeys(labels))
    numbers = [_number(label) for label in once]
    if None in numbers:
        return once
    return [label for _, label in sorted(zip(numbers, once, strict=True))]


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _said_of(label: str, movies: int) -> str:
    if movies == 1:
        return f"{label} has one movie: its intervals hold for that movie only, for nothing says how movies differ."
    return f"{label} has {movies} movies: with fewer than {_FEW_MOVIES} the intervals are too narrow if movies differ."


def _cautions(read: Mapping[Path, ExportedRods]) -> list[str]:
    """What the provenance of the exports speaks against comparing them."""
    seen: dict[str, Path] = {}
    notes = []
    for path, rods in read.items():
        if rods.model_hash is None:
            notes.append(f"{path.name} has no readable provenance.json: what it was made of is not known.")
        if rods.source is None:
            continue
        if rods.source in seen:
            notes.append(f"{seen[rods.source].name} and {path.name} are of the same movie, which then counts twice.")
        seen[rods.source] = path
    if len({rods.model_hash for rods in read.values()} - {None}) > 1:
        notes.append("The exports were judged by different networks; analyse all movies with the same version.")
    return notes


def _shared_units(read: Sequence[ExportedRods]) -> tuple[dict[str, str], list[str]]:
    """Return the quantities that all exports have in one unit, and what is said of the others."""
    found = {name: {rods.units.get(name, "") for rods in read} for name in _K}
    units = dict.fromkeys(RANGES, "") | {name: min(said) for name, said in found.items() if len(said) == 1}
    if len(units) < len(QUANTITIES):
        return units, ["K is left out: some movies have pixel size and frame interval, others have not."]
    return units, []
