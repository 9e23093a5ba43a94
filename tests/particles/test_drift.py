"""The drift of the stage, measured on rods that are stuck."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    DeleteTrack,
    JoinTracks,
    MarkStuck,
    SplitTrack,
)
from napari_lptem_diffusion.particles.correcting.drift import measure_drift, without_drift
from napari_lptem_diffusion.particles.correcting.tables import Rods, apply_correction, nothing_marked
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE
from tests.particles.made_up_rods import RODS, anchor, drawn


def drifting(seed, stuck, frames, error_px, step_px, stated_px=None, seen=1.0, creep_px=0.0):
    """The drift (frames, 2) px from the first frame, and the rows of particles that show nothing else.

    It shakes by *step_px* a frame, and creeps by *creep_px*, half as fast every 100 frames.
    """
    rng = np.random.default_rng(seed)
    drift = rng.normal(0, step_px, (frames, 2)).cumsum(axis=0)
    drift += np.outer((creep_px * 0.5 ** (np.arange(frames) / 100)).cumsum(), rng.normal(0, 1, 2))
    tables = []
    for particle in range(stuck):
        at = np.flatnonzero(rng.random(frames) < seen)
        xy = rng.uniform(0, 500, 2) + drift[at] + rng.normal(0, error_px, (len(at), 2))
        columns = {"particle": particle, "frame": at, "x": xy[:, 0], "y": xy[:, 1]}
        tables.append(pd.DataFrame(columns).assign(localization_error=stated_px or error_px))
    return drift - drift[0], pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(
    ("stuck", "step_px", "stated_px", "seen", "creep_px"),
    [(1, 0.05, None, 1.0, 0), (1, 0.5, None, 0.8, 0), (3, 0.1, 0.15, 0.7, 0), (1, 0.0, None, 0.9, 0.5)],
)
def test_the_drift_is_found_and_its_error_is_what_it_says(stuck, step_px, stated_px, seen, creep_px):
    squares, ratios = [], []
    for seed in range(12):
        drift, rows = drifting(seed, stuck, 200, 0.3, step_px, stated_px, seen, creep_px)
        found = measure_drift(rows, 0, 199)
        off = found.table[["drift_x", "drift_y"]].to_numpy() - drift
        off -= off.mean(axis=0)
        squares.append(np.mean(off**2 / found.table["drift_error"].to_numpy()[:, None] ** 2))
        ratios.append((found.error_ratio - 0.3 / (stated_px or 0.3)) / found.error_ratio_error)
    assert 0.7 < np.sqrt(np.mean(squares)) < 1.3
    assert np.sqrt(np.mean(np.square(ratios))) < 1.7


def test_a_stage_that_does_not_drift_gets_no_drift():
    """Subtracting the scatter of a stuck particle would add its localization error to every track."""
    sizes = [measure_drift(drifting(seed, 1, 200, 0.3, 0.0)[1], 0, 199).table["drift_x"].std() for seed in range(12)]
    assert np.mean(sizes) < 0.05


def test_frames_without_a_stuck_particle_get_the_drift_with_a_larger_error():
    drift, rows = drifting(4, 1, 200, 0.3, 0.3)
    table = measure_drift(rows[~rows["frame"].between(80, 119)], 0, 199).table
    assert list(table["frame"]) == list(range(200))
    assert table["drift_error"][100] > 2 * table["drift_error"][40]
    assert abs(table["drift_x"][100] - drift[100, 0]) < 4 * table["drift_error"][100]


def with_stuck_particle(step_px=0.4):
    """The made-up rods, all drifting, and particle 5, which is stuck; and the drift."""
    drift, rows = drifting(1, 1, 60, 0.3, step_px)
    tracks = RODS.tracks.copy()
    tracks[["x", "y"]] += drift[tracks["frame"]]
    like = tracks[tracks["particle"] == 0].reset_index(drop=True)
    stuck = like.assign(particle=5, x=rows["x"], y=rows["y"], localization_error=0.3)
    tracks = pd.concat([tracks, stuck], ignore_index=True)
    return drift, Rods(tracks.drop(columns="particle"), tracks, nothing_marked(), 6)


def test_a_stuck_particle_gives_the_drift_beside_positions_that_stay():
    drift, rods = with_stuck_particle()
    after = apply_correction(MarkStuck(track=anchor(5, tracks=rods.tracks)), rods)
    pd.testing.assert_frame_equal(after.tracks[rods.tracks.columns], rods.tracks)
    still = without_drift(after.tracks)
    truth = RODS.tracks[RODS.tracks["particle"] == 0]
    moved = still[still["particle"] == 0]
    off = (moved[["x", "y"]].to_numpy() - truth[["x", "y"]].to_numpy()).std(axis=0)
    assert np.hypot(*off) < 0.5 * np.hypot(*drift.std(axis=0))
    assert (moved["localization_error"].to_numpy() > truth["localization_error"].to_numpy()).all()
    row = after.marked.iloc[0]
    assert (row["particle"], row["mark"]) == (5, "stuck")
    assert abs(row["localization_error_measured"] - 0.3) < 4 * row["localization_error_measured_error"]
    with pytest.raises(InputError, match="stuck already"):
        apply_correction(MarkStuck(track=anchor(5, tracks=rods.tracks)), after)


def test_the_drift_follows_what_becomes_of_the_stuck_particle():
    _, rods = with_stuck_particle()
    at = anchor(5, tracks=rods.tracks)
    marked = apply_correction(MarkStuck(track=at), rods)
    shorter = apply_correction(SplitTrack(track=at, first_frame=40), marked)
    assert list(shorter.marked["last_frame"]) == [39]
    assert not np.array_equal(shorter.tracks["drift_x"], marked.tracks["drift_x"])
    gone = apply_correction(DeleteTrack(track=at), marked)
    assert gone.marked.empty
    assert "drift_x" not in gone.tracks


def test_tracks_of_other_tools_have_no_more_than_places():
    drift, rods = with_stuck_particle()
    tracks = rods.tracks[["particle", "frame", "x", "y"]]
    bare = replace(rods, tracks=tracks, detections=tracks.drop(columns="particle"))
    marked = apply_correction(MarkStuck(track=anchor(5, tracks=tracks)), bare)
    row = marked.marked.iloc[0]
    assert abs(row["localization_error_measured"] - 0.3) < 4 * row["localization_error_measured_error"]
    assert np.corrcoef(marked.tracks.set_index("particle").loc[5, "drift_y"], drift[:, 1])[0, 1] > 0.9
    assert without_drift(marked.tracks)["localization_error"].isna().all()
    split = apply_correction(SplitTrack(track=anchor(0, tracks=tracks), first_frame=20), bare)
    parts = [anchor(particle, tracks=split.tracks) for particle in (0, 6)]
    joined = apply_correction(JoinTracks(track=parts[0], other=parts[1]), split)
    pd.testing.assert_frame_equal(joined.tracks, tracks)
    added = apply_correction(AddRod(rod=drawn(GAP_FRAMES[1]), track=anchor(GAP_PARTICLE, tracks=tracks)), bare)
    assert list(added.tracks.columns) == ["particle", "frame", "x", "y", "found_by"]


def test_a_particle_seen_too_shortly_measures_no_drift():
    short = apply_correction(SplitTrack(track=anchor(4), first_frame=45), RODS)
    with pytest.raises(InputError, match="Particle 4 is seen in 5 frames"):
        apply_correction(MarkStuck(track=anchor(4)), short)
