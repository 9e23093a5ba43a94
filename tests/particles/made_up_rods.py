"""The made-up rods as tables to correct, and places in them."""

import pandas as pd

from napari_lptem_diffusion.particles.correcting.correction import Anchor, Rod
from napari_lptem_diffusion.particles.correcting.tables import Rods, nothing_marked
from tests.analysis_factory import make_analysis

MADE_UP = make_analysis()
RODS = Rods(MADE_UP.detections, MADE_UP.tracks, nothing_marked(), 5)
LINKED = ["link_confidence", "merge_suspected"]
STRAY = Anchor(frame=5, x=20.0, y=140.0)


def anchor(particle, frame=None, tracks=MADE_UP.tracks):
    """A place of *particle*: in *frame*, else in its first one."""
    rows = tracks[tracks["particle"] == particle]
    row = rows.iloc[0] if frame is None else rows[rows["frame"] == frame].iloc[0]
    return Anchor(frame=int(row["frame"]), x=float(row["x"]), y=float(row["y"]))


def drawn(frame, x=60.0, y=118.0):
    return Rod(frame=frame, x=x, y=y, angle_deg=30, length=21, width=8)


def track(rods, particle):
    return rods.tracks[rods.tracks["particle"] == particle].reset_index(drop=True)


def others_are_untouched(rods, *touched):
    before, after = (table[~table["particle"].isin(touched)] for table in (RODS.tracks, rods.tracks))
    columns = before.columns.difference(LINKED, sort=False)
    pd.testing.assert_frame_equal(before[columns].reset_index(drop=True), after[columns].reset_index(drop=True))
