"""docs/csv.md and docs/tables.md name every column that exists, and no other."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from napari_lptem_diffusion.diffusion.estimate import estimate_diffusion
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Anchor, MarkStuck, Rod
from napari_lptem_diffusion.particles.correcting.tables import Rods, apply_correction
from napari_lptem_diffusion.particles.finding.detections import COLUMNS as DETECTED
from tests.analysis_factory import make_analysis

FILES = ("particles/particle_0000.csv", "summary.csv", "msd.csv", "detections.csv", "marked.csv", "drift.csv")
DOCS = Path(__file__).parents[2] / "docs"


def documented(page):
    """Columns in the first cell of each table row, by the heading above the table."""
    columns, heading = {}, None
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
            columns[heading] = []
        elif heading and line.startswith("| `"):
            columns[heading] += re.findall(r"`(\w+)`", line.split("|")[1])
    return columns


def corrected(analysis):
    """Give *analysis* the columns and tables that only corrections make."""
    row = analysis.tracks.iloc[3]
    at = Anchor(frame=row["frame"], x=row["x"], y=row["y"])
    rods = Rods(analysis.detections, analysis.tracks, analysis.marked, 5)
    for correction in (AddRod(rod=Rod(frame=0, x=9, y=9, angle_deg=0, length=20, width=9)), MarkStuck(track=at)):
        rods = apply_correction(correction, rods)
    return replace(analysis, detections=rods.detections, tracks=rods.tracks, marked=rods.marked)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Columns of each file, over all that a movie may or may not know of its calibration."""
    columns = {}
    for pixel_size_nm in (None, 2.0):
        for interval_s in (None, 0.0125):
            folder = tmp_path_factory.mktemp("docs") / "out"
            save_analysis(corrected(make_analysis(pixel_size_nm, interval_s)), folder)
            for name in FILES:
                columns.setdefault(name, set()).update(pd.read_csv(folder / name).columns)
    return columns


@pytest.mark.parametrize("name", FILES)
def test_every_exported_column_is_documented_once_and_no_other_is(written, name):
    listed = documented("csv.md")[name]
    assert len(listed) == len(set(listed))
    assert set(listed) == written[name]


def test_tables_in_memory_are_documented(analysis):
    pages = documented("tables.md")
    assert set(pages["detections"]) == set(analysis.detections)
    assert {"particle", *pages["detections"]} == set(analysis.tracks)
    new = corrected(analysis)
    assert set(pages["After corrections"]) == set(new.tracks) - set(analysis.tracks)
    assert set(pages["marked"]) == set(new.marked) == set(analysis.marked)
    for name in ("frames", "particles", "msd"):
        assert set(pages[f"motion.{name}"]) == set(getattr(analysis.motion, name)), name


def test_the_made_up_analysis_has_the_columns_of_a_real_one(analysis):
    assert set(analysis.detections) == set(DETECTED)
    motion = estimate_diffusion(analysis.tracks)
    for name in ("frames", "particles", "msd"):
        assert set(getattr(motion, name)) == set(getattr(analysis.motion, name)), name
