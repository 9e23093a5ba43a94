"""Corrections of tables: each does what it says and touches nothing else."""

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
    ReplaceRod,
    Rod,
    SplitTrack,
)
from napari_lptem_diffusion.particles.correcting.fit import fitted_rod
from napari_lptem_diffusion.particles.correcting.tables import apply_correction
from napari_lptem_diffusion.particles.finding.calibration import calibrate
from napari_lptem_diffusion.particles.known_truth.rendering import render_movie
from napari_lptem_diffusion.settings import DetectionSettings
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE
from tests.particles.made_up_rods import LINKED, RODS, STRAY, anchor, drawn, others_are_untouched, track
from tests.rendered_movie import CLEAR, rod_poses


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
