import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputWarning
from napari_lptem_diffusion.particles import link, search_range_px
from napari_lptem_diffusion.settings import LinkingSettings


def walkers(count, frames, step_px, apart_px, seed=0):
    """Random walks that start on a line; the true particle in ``truth``."""
    rng = np.random.default_rng(seed)
    tables = []
    for particle in range(count):
        steps = rng.normal(0, step_px, (frames, 2))
        steps[0] = apart_px * particle, 0
        x, y = np.cumsum(steps, axis=0).T
        tables.append(pd.DataFrame({"frame": np.arange(frames), "x": x, "y": y, "truth": particle}))
    return pd.concat(tables, ignore_index=True).assign(length=30.0, width=15.0, snr=10.0)


def one_to_one(tracks):
    return (tracks.groupby("particle")["truth"].nunique() == 1).all() and tracks["particle"].nunique() == tracks[
        "truth"
    ].nunique()


def test_each_rod_becomes_one_track_with_untouched_positions():
    rods = walkers(5, 60, 2.0, 100)
    tracks = link(rods.sample(frac=1, random_state=1))
    assert one_to_one(tracks)
    assert len(tracks) == len(rods)
    assert list(tracks["particle"].unique()) == [0, 1, 2, 3, 4]
    back = tracks.sort_values(["truth", "frame"])[["x", "y"]].to_numpy()
    assert np.array_equal(back, rods[["x", "y"]].to_numpy())


@settings(max_examples=25, deadline=None)
@given(start=st.integers(5, 30), length=st.integers(1, 5), seed=st.integers(0, 1000))
def test_gaps_up_to_the_memory_are_bridged(start, length, seed):
    rods = walkers(3, 50, 2.0, 120, seed)
    lost = (rods["truth"] == 1) & rods["frame"].between(start, start + length - 1)
    tracks = link(rods[~lost])
    assert one_to_one(tracks)
    assert not tracks.duplicated(["particle", "frame"]).any()


def test_a_gap_longer_than_the_memory_ends_the_track():
    rods = walkers(1, 50, 1.0, 100)
    tracks = link(rods[~rods["frame"].between(20, 29)], LinkingSettings(memory_frames=5))
    assert tracks["particle"].nunique() == 2


def test_jumps_are_kept_where_rods_are_sparse():
    rods = walkers(4, 80, 1.0, 250)
    jumps = (rods["truth"] == 2) & (rods["frame"] >= 40)
    rods.loc[jumps, "y"] += 90
    tracks = link(rods)
    assert one_to_one(tracks)


def test_rods_that_pass_each_other_keep_their_names():
    frames = np.arange(60)
    right = pd.DataFrame({"frame": frames, "x": 2.0 * frames, "y": 0.0, "truth": 0})
    left = pd.DataFrame({"frame": frames, "x": 120 - 2.0 * frames, "y": 12.0, "truth": 1})
    tracks = link(pd.concat([right, left]).assign(length=30.0, snr=10.0), LinkingSettings(search_range_px=10))
    assert one_to_one(tracks)


def test_a_rod_seen_twice_while_it_jumps_is_still_one_rod():
    rods = walkers(2, 40, 0.5, 200)
    rods.loc[(rods["truth"] == 0) & (rods["frame"] > 20), "y"] += 40
    ghost = rods[(rods["truth"] == 0) & (rods["frame"] == 20)].assign(snr=5.0)
    ghost["y"] += 40
    tracks = link(pd.concat([rods, ghost]))
    assert one_to_one(tracks)
    assert not tracks.duplicated(["particle", "frame"]).any()
    assert (tracks["snr"] == 10).all()


def test_short_tracks_are_dropped():
    rods = pd.concat([walkers(2, 40, 1.0, 100), pd.DataFrame({"frame": [3, 4], "x": [50.0, 51], "y": [400.0, 400]})])
    tracks = link(rods)
    assert tracks["particle"].nunique() == 2
    assert tracks.groupby("particle").size().min() >= LinkingSettings().minimum_frames


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_link(count):
    tracks = link(walkers(1, 5, 1.0, 10).head(count))
    assert tracks.empty
    assert list(tracks.columns[:2]) == ["particle", "frame"]


def test_search_range_follows_density_unless_given():
    sparse, dense = walkers(4, 5, 1.0, 100), walkers(4, 5, 1.0, 20)
    assert search_range_px(sparse, LinkingSettings()) == pytest.approx(95, rel=0.1)
    assert search_range_px(dense, LinkingSettings()) == pytest.approx(19, rel=0.2)
    assert search_range_px(sparse, LinkingSettings(search_range_px=33)) == 33


def test_a_crowd_is_linked_over_less_and_says_so():
    rng = np.random.default_rng(0)
    crowd = pd.DataFrame({"frame": np.repeat(np.arange(10), 1500), "x": rng.uniform(0, 400, 15000)})
    crowd["y"] = rng.uniform(0, 400, 15000)
    with pytest.warns(InputWarning, match="too dense"):
        tracks = link(crowd, LinkingSettings(search_range_px=40))
    assert not tracks.duplicated(["particle", "frame"]).any()
