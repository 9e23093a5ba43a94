"""One row per rod, with all that the table, its filter and the plot of all rods show; pure functions, no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_lptem_diffusion.diffusion.changes import change_frames, levels
from napari_lptem_diffusion.diffusion.known import RANGES, is_known
from napari_lptem_diffusion.export.units import k_unit, with_units
from napari_lptem_diffusion.particles.correcting.tables import STUCK
from napari_lptem_diffusion.particles.edge import frames_at_edge

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

UNLIKELY_LINK = 0.5
"""A link below this confidence has an alternative that is as likely."""
NO_MIXTURE = 0.5
"""Above this model mismatch the mixing ratio is not to be believed."""

_OF_TRACKS = {
    "length": "median",
    "width": "median",
    "snr": "median",
    "localization_error": "median",
    "link_confidence": "min",
    "merge_suspected": "max",
}
_K = ("k_fbm", "k_fbm_low", "k_fbm_high", "k_ctrw", "k_ctrw_low", "k_ctrw_high")


def rod_table(analysis: Analysis) -> pd.DataFrame:
    """Return one row per particle: its motion, medians of its pose, and what is to be known before it is believed.

    Returns
    -------
    DataFrame
        ``motion.particles`` in the units of the calibration, lengths named with their unit as in the exported
        tables, K without (`k_unit` names theirs). Beside it: medians over the track of ``length_px``, ``width_px``,
        ``snr``, ``localization_error_px`` (and ``_nm``) where the rods have them, ``link_confidence`` (of the least
        certain link), ``merge_suspected`` (bool, in any frame), ``stuck`` (bool, marked so by the user),
        ``frames_at_edge`` (int, frames in which the edge of the frame cuts the rod), ``judged`` (bool, has a mixing
        ratio), ``mixing_ratio_known`` and the like (bool, `is_known`), ``changes`` (int, number of change points),
        ``levels`` (str, mixing ratios between them) and ``flags`` (str).
    """
    particles = analysis.motion.particles
    of_tracks = {name: how for name, how in _OF_TRACKS.items() if name in analysis.tracks}
    # `agg` of no columns at all has no rows: tracks of other tools may have none of them.
    tracks = analysis.tracks.groupby("particle").agg(of_tracks) if of_tracks else pd.DataFrame()
    table = particles.merge(tracks, left_on="particle", right_index=True, how="left", validate="1:1")
    stuck = analysis.marked.loc[analysis.marked["mark"] == STUCK, "particle"]
    table = table.assign(
        merge_suspected=table["merge_suspected"].eq(True) if "merge_suspected" in table else False,
        stuck=table["particle"].isin(stuck),
        frames_at_edge=table["particle"].map(frames_at_edge(analysis.tracks)).fillna(0),
        judged=table["mixing_ratio"].notna(),
        changes=[len(change_frames(text)) for text in table["change_points"]],
        levels=levels(analysis.motion.frames, table),
        **{f"{name}_known": is_known(name, table[f"{name}_low"], table[f"{name}_high"]) for name in RANGES},
    )
    table = table.astype(
        dict.fromkeys(("merge_suspected", "stuck", "judged"), bool)
        | dict.fromkeys(("changes", "frames_at_edge"), np.int64)
    )
    calibration = analysis.movie.calibration
    table = with_units(table.assign(flags=flags(table)), calibration)
    return table.rename(columns={f"{name}_{k_unit(name, calibration)}": name for name in _K})


def flags(table: pd.DataFrame) -> pd.Series:
    """Return in words what keeps each row of a `rod_table` from being believed as it stands; "" if nothing."""
    confidence = table.get("link_confidence", pd.Series(1.0, index=table.index))
    said = {
        "immobile": table["immobile"],
        "too short": ~table["judged"] & ~table["immobile"],
        "not known": table["judged"] & ~table["mixing_ratio_known"],
        "no mixture": table["model_mismatch"] > NO_MIXTURE,
        "stuck": table["stuck"],
        "at the edge": table["frames_at_edge"] > 0,
        "merge suspected": table["merge_suspected"],
        "unsure link": confidence < UNLIKELY_LINK,
    }
    rows = np.column_stack(list(said.values()))
    texts = [", ".join(word for word, holds in zip(said, row, strict=True) if holds) for row in rows]
    return pd.Series(texts, index=table.index, dtype="str")
