"""Corrections of tables: each does what it says, touches nothing else, and survives its file."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    DeleteRod,
    DeleteTrack,
    JoinTracks,
    MarkDirt,
    MarkStuck,
    ReplaceRod,
    Rod,
    SplitTrack,
    corrections_to_json,
    read_corrections,
)
from napari_lptem_diffusion.particles.correcting.drift import measure_drift, without_drift
from napari_lptem_diffusion.particles.correcting.fit import fitted_rod
from napari_lptem_diffusion.particles.correcting.tables import Rods, apply_correction, nothing_marked
from napari_lptem_diffusion.particles.finding.calibration import calibrate
from napari_lptem_diffusion.particles.known_truth.rendering import render_movie
from napari_lptem_diffusion.settings import DetectionSettings
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE, make_analysis
from tests.rendered_movie import CLEAR, rod_poses

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


ANCHORS = st.builds(
    Anchor, frame=st.integers(0, 10**6), x=st.floats(-1e5, 1e5), y=st.floats(-1e5, 1e5, allow_subnormal=False)
)
DRAWN = st.builds(
    Rod,
    frame=st.integers(0, 10**6),
    x=st.floats(-1e5, 1e5),
    y=st.floats(-1e5, 1e5),
    angle_deg=st.floats(0, 179.999),
    length=st.floats(0.1, 1e4),
    width=st.floats(0.1, 1e4),
    fit=st.none() | st.dictionaries(st.sampled_from(["snr", "blur"]), st.floats(0, 1e3)),
)
CORRECTIONS = st.one_of(
    st.builds(DeleteTrack, track=ANCHORS),
    st.builds(SplitTrack, track=ANCHORS, first_frame=st.integers(0, 10**6)),
    st.builds(JoinTracks, track=ANCHORS, other=ANCHORS),
    st.builds(DeleteRod, rod=ANCHORS),
    st.builds(AddRod, rod=DRAWN, track=st.none() | ANCHORS),
    st.builds(ReplaceRod, old=ANCHORS, rod=DRAWN),
    st.builds(MarkStuck, track=ANCHORS),
    st.builds(MarkDirt, track=ANCHORS),
)


@settings(deadline=None)
@given(corrections=st.lists(CORRECTIONS, max_size=4))
def test_a_file_gives_back_every_digit(corrections, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "corrections.json"
    path.write_text(corrections_to_json(corrections), encoding="utf-8")
    assert read_corrections(path) == tuple(corrections)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[]", "'version' and 'corrections'"),
        ('{"version": 2, "corrections": []}', "version 2; version 1 was expected"),
        ('{"version": 1, "corrections": 3}', "list of corrections"),
        ('{"version": 1, "corrections": [{"do": "melt"}]}', "correction 1.*melt.*delete track"),
        ('{"version": 1, "corrections": [{"do": "mark dirt", "track": {"frame": -1, "x": 0, "y": 0}}]}', "track.frame"),
        ('{"version": 1, "corrections": [{"do": "mark dirt", "track": {"frame": 0, "x": NaN, "y": 0}}]}', "track.x"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence_that_names_it(text, said, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(InputError, match=said) as refusal:
        read_corrections(tmp_path / "mine.json")
    assert "mine.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        read_corrections(tmp_path / "none.json")


def test_a_deleted_track_leaves_its_rods_among_the_detections():
    after = apply_correction(DeleteTrack(track=anchor(2)), RODS)
    assert track(after, 2).empty
    others_are_untouched(after, 2)
    pd.testing.assert_frame_equal(after.detections, RODS.detections)


@settings(deadline=None, max_examples=40)
@given(particle=st.integers(0, 4), data=st.data())
def test_splitting_then_joining_gives_back_the_track(particle, data):
    frames = track(RODS, particle)["frame"].to_numpy()
    first_frame = data.draw(st.integers(int(frames[0]) + 1, int(frames[-1])))
    at = anchor(particle, int(data.draw(st.sampled_from(list(frames)))))
    split = apply_correction(SplitTrack(track=at, first_frame=first_frame), RODS)
    assert (track(split, particle)["frame"] < first_frame).all()
    assert (track(split, 5)["frame"] >= first_frame).all()
    assert len(split.tracks) == len(RODS.tracks)
    assert split.next_particle == 6
    others_are_untouched(split, particle, 5)
    parts = [anchor(particle, tracks=split.tracks), anchor(5, tracks=split.tracks)]
    one, other = data.draw(st.permutations(parts))
    joined = apply_correction(JoinTracks(track=one, other=other), split)
    before, after = (rods.tracks.drop(columns=LINKED, errors="ignore") for rods in (RODS, joined))
    pd.testing.assert_frame_equal(after, before)
    assert joined.next_particle == 6, "a number that was used is not given again"


@pytest.mark.parametrize("first_frame", [0, 60, 1000])
def test_a_split_that_leaves_a_part_empty_is_refused(first_frame):
    with pytest.raises(InputError, match="Particle 0 is seen in frames 0 to 59"):
        apply_correction(SplitTrack(track=anchor(0), first_frame=first_frame), RODS)


def test_rods_seen_together_are_not_joined():
    with pytest.raises(InputError, match=r"Particle 0 and particle 2 are both seen in 58 frames \(2 to 59\)"):
        apply_correction(JoinTracks(track=anchor(0), other=anchor(2)), RODS)
    with pytest.raises(InputError, match="joined with itself"):
        apply_correction(JoinTracks(track=anchor(0), other=anchor(0, 7)), RODS)


def test_of_two_rods_in_the_frame_of_the_handover_the_clearer_stays():
    tracks = RODS.tracks
    ends = tracks[(tracks["particle"] == 0) & (tracks["frame"] <= 30)]
    starts = tracks[(tracks["particle"] == 2) & (tracks["frame"] >= 30)]
    rods = replace(RODS, tracks=pd.concat([ends, starts], ignore_index=True))
    clearer = max((ends.iloc[-1], starts.iloc[0]), key=lambda row: row["snr"])
    joined = apply_correction(JoinTracks(track=anchor(2, 40), other=anchor(0)), rods)
    assert set(joined.tracks["particle"]) == {0}
    assert list(joined.tracks["frame"]) == list(range(60))
    assert joined.tracks.loc[30, "x"] == clearer["x"]


def test_a_rod_in_no_track_can_be_joined_to_one():
    joined = apply_correction(JoinTracks(track=anchor(4), other=STRAY), RODS)
    assert list(track(joined, 4)["frame"]) == [5, *range(40, 50)]
    others_are_untouched(joined, 4)
    with pytest.raises(InputError, match="Particle 0 and the rod in no track are both seen in 1 frames"):
        apply_correction(JoinTracks(track=anchor(0), other=STRAY), RODS)


@pytest.mark.parametrize("at", [anchor(1, 12), STRAY])
def test_a_deleted_rod_is_gone_from_both_tables(at):
    after = apply_correction(DeleteRod(rod=at), RODS)
    assert len(after.detections) == len(RODS.detections) - 1
    for table in (after.detections, after.tracks):
        assert not ((table["frame"] == at.frame) & (table["x"] == at.x)).any()
    others_are_untouched(after, 1)


def test_an_added_rod_fills_the_gap_of_its_track_with_the_tracks_typical_error():
    rod = drawn(GAP_FRAMES[1])
    after = apply_correction(AddRod(rod=rod, track=anchor(GAP_PARTICLE)), RODS)
    row = track(after, GAP_PARTICLE).set_index("frame").loc[rod.frame]
    assert (row["x"], row["y"], row["angle_deg"], row["length"], row["width"]) == (60, 118, 30, 21, 8)
    assert row["localization_error"] == track(RODS, GAP_PARTICLE)["localization_error"].median()
    assert np.isnan(row["snr"])
    assert after.tracks["found_by"].value_counts().to_dict() == {"detector": len(RODS.tracks), "hand": 1}
    assert after.detections["frame"].is_monotonic_increasing
    assert len(after.detections) == len(RODS.detections) + 1
    others_are_untouched(after, GAP_PARTICLE)


def test_an_added_rod_keeps_what_the_detector_fitted():
    rod = drawn(GAP_FRAMES[1]).model_copy(update={"fit": {"localization_error": 0.7, "snr": 6.0, "no_column": 1.0}})
    row = track(apply_correction(AddRod(rod=rod, track=anchor(GAP_PARTICLE)), RODS), GAP_PARTICLE).iloc[20]
    assert (row["localization_error"], row["snr"], row["found_by"]) == (0.7, 6.0, "hand, fitted")


def test_a_track_has_one_rod_per_frame():
    with pytest.raises(InputError, match="Particle 0 has a rod in frame 7 already"):
        apply_correction(AddRod(rod=drawn(7), track=anchor(0)), RODS)


def test_a_rod_added_to_no_track_starts_a_new_one():
    after = apply_correction(AddRod(rod=drawn(7)), RODS)
    assert list(track(after, 5)["frame"]) == [7]
    again = apply_correction(AddRod(rod=drawn(8), track=Anchor(frame=7, x=60, y=118)), after)
    assert list(track(again, 5)["frame"]) == [7, 8]
    others_are_untouched(again, 5)


def test_a_moved_rod_stays_in_its_track():
    after = apply_correction(ReplaceRod(old=anchor(1, 12), rod=drawn(12, x=101.5)), RODS)
    row = track(after, 1).set_index("frame").loc[12]
    assert row["x"] == 101.5
    assert row["localization_error"] == track(RODS, 1)["localization_error"].median()
    assert len(after.tracks) == len(RODS.tracks)
    assert len(after.detections) == len(RODS.detections)
    others_are_untouched(after, 1)
    with pytest.raises(InputError, match="frame 12 was to be moved to frame 13"):
        apply_correction(ReplaceRod(old=anchor(1, 12), rod=drawn(13)), RODS)


def test_a_rod_is_not_added_twice():
    once = apply_correction(AddRod(rod=drawn(7)), RODS)
    with pytest.raises(InputError, match=r"rod at x = 60.0, y = 118.0 px in frame 7 already"):
        apply_correction(AddRod(rod=drawn(7)), once)


def test_links_that_the_user_makes_are_certain():
    linked = replace(RODS, tracks=RODS.tracks.assign(link_confidence=0.6, merge_suspected=False))
    after = apply_correction(AddRod(rod=drawn(GAP_FRAMES[1]), track=anchor(GAP_PARTICLE)), linked)
    after = apply_correction(SplitTrack(track=anchor(0), first_frame=30), after)
    certain = after.tracks[after.tracks["link_confidence"] == 1]
    starts = after.tracks[~after.tracks["particle"].duplicated()]
    assert len(certain) == len(starts) + 1
    assert after.tracks["merge_suspected"].dtype == bool


def test_a_track_of_one_moved_rod_stays():
    one = apply_correction(AddRod(rod=drawn(7)), RODS)
    moved = apply_correction(ReplaceRod(old=Anchor(frame=7, x=60, y=118), rod=drawn(7, x=63)), one)
    assert list(track(moved, 5)["x"]) == [63]


def test_a_rod_within_half_its_length_is_meant_and_none_farther_away():
    at = anchor(3, 10)
    after = apply_correction(DeleteTrack(track=at.model_copy(update={"x": at.x + 8})), RODS)
    assert track(after, 3).empty
    with pytest.raises(InputError, match=r"track was expected at x = .* in frame 10, within .* px; the nearest is"):
        apply_correction(DeleteTrack(track=at.model_copy(update={"x": at.x + 15})), RODS)
    with pytest.raises(InputError, match="in frame 1000; there is none in that frame"):
        apply_correction(DeleteRod(rod=Anchor(frame=1000, x=1, y=1)), RODS)


def test_dirt_leaves_the_tracks_and_is_listed():
    after = apply_correction(MarkDirt(track=anchor(2)), RODS)
    assert track(after, 2).empty
    row = after.marked.iloc[0]
    assert (row["particle"], row["mark"], row["frames"], row["first_frame"], row["last_frame"]) == (
        2,
        "dirt",
        58,
        2,
        59,
    )
    assert row["x"] == pytest.approx(track(RODS, 2)["x"].mean())
    others_are_untouched(after, 2)


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


def test_a_drawn_rod_is_fitted_with_an_error_that_holds():
    """A rod that was drawn 2 px away, beside the others of its frame."""
    poses = rod_poses(12, 144)
    movie = render_movie(poses, 12, (144, 144), CLEAR, np.random.default_rng(1))
    detector = calibrate(movie, DetectionSettings())
    found = detector.find(movie[6], 6)
    truth = poses[(poses["frame"] == 6) & (poses["particle"] == 1)].iloc[0]
    others = found[np.hypot(found["x"] - truth["x"], found["y"] - truth["y"]) > 10]
    assert len(others) == len(found) - 1
    start = Rod(
        frame=6, x=truth["x"] + 1.5, y=truth["y"] - 1.5, angle_deg=(truth["angle_deg"] + 10) % 180, length=20, width=10
    )
    fitted = fitted_rod(detector, movie[6], start, others)
    assert fitted is not None
    assert fitted.fit is not None
    off = np.hypot(fitted.x - truth["x"], fitted.y - truth["y"])
    assert off < 4 * fitted.fit["localization_error"] < 2
    json.dumps(fitted.model_dump(), allow_nan=False)
    in_the_dark = start.model_copy(update={"x": 20.0, "y": 120.0})
    empty = fitted_rod(detector, movie[6], in_the_dark, found)
    assert empty is None or empty.fit["snr"] < 5
