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


def with_looks(rods, seed=0, **sizes):
    """The same rods with measured size, blur, contrast and angle; *sizes* are the true ones by particle."""
    rng = np.random.default_rng(seed)
    looks = {name: rods["truth"].map(dict(enumerate(values))) for name, values in sizes.items()}
    noisy = {name: values * np.exp(0.1 * rng.standard_normal(len(rods))) for name, values in looks.items()}
    return rods.assign(**noisy, localization_error=0.5)


def meeting(frames=60, gap_px=3.0):
    """Two rods that meet, stay within *gap_px* of each other for twenty frames and part as they came; two others."""
    time = np.arange(frames)
    apart = np.maximum(abs(time - frames / 2) - 10, 0) * 4 + gap_px
    tables = [
        pd.DataFrame({"frame": time, "x": 200 + sign * apart / 2, "y": 100.0, "truth": number})
        for number, sign in enumerate((-1, 1))
    ]
    others = [pd.DataFrame({"frame": time, "x": 60.0 + 350 * k, "y": 400.0, "truth": 2 + k}) for k in (0, 1)]
    rods = pd.concat([*tables, *others], ignore_index=True)
    rods[["x", "y"]] += np.random.default_rng(3).normal(0, 1.5, (len(rods), 2))
    return rods.assign(length=30.0, snr=10.0)


def before_and_after(tracks):
    """Pairs of true names of the two meeting rods' tracks, in the first and in the last ten frames."""
    early, late = (tracks[tracks["frame"].between(*span)] for span in ((0, 9), (50, 59)))
    names = [part.groupby("particle")["truth"].agg(lambda v: v.mode()[0]) for part in (early, late)]
    return names[0], names[1]


def test_rods_that_meet_keep_their_names_where_they_look_different():
    looks = {
        "length": (34, 28, 30, 31),
        "width": (17, 14, 15, 15),
        "blur": (2, 5, 2, 5),
        "contrast": (0.3, 0.2, 0.2, 0.3),
    }
    early, late = before_and_after(link(with_looks(meeting(), **looks)))
    assert len(early) == len(late) == 4
    pd.testing.assert_series_equal(early, late)


def test_links_are_sure_where_rods_are_alone_and_not_where_alike_rods_meet():
    tracks = link(meeting(gap_px=2.0))
    alone = tracks["truth"] >= 2
    assert tracks.loc[alone, "link_confidence"].min() > 0.99
    together = ~alone & tracks["frame"].between(22, 38)
    assert tracks.loc[together, "link_confidence"].min() < 0.8
    assert (tracks.groupby("particle")["link_confidence"].first() == 1).all()


def test_a_rod_that_hides_another_is_flagged():
    rods = meeting(gap_px=2.0)
    hidden = (rods["truth"] == 1) & rods["frame"].between(26, 33)
    tracks = link(rods[~hidden])
    flagged = tracks[tracks["merge_suspected"]]
    assert set(flagged["frame"]) >= set(range(27, 33))
    assert set(flagged["truth"]) == {0}


@pytest.mark.parametrize("linker", ["likelihood", "trackpy"])
def test_noise_is_not_followed_and_rods_in_it_are(linker):
    rng = np.random.default_rng(5)
    noise = pd.DataFrame({"frame": np.repeat(np.arange(100), 40), "x": rng.uniform(0, 1000, 4000)})
    noise = noise.assign(y=rng.uniform(0, 1000, 4000), truth=-1, length=30.0, snr=5.0)
    assert link(noise, LinkingSettings(linker=linker, minimum_frames=4)).empty
    tracks = link(pd.concat([walkers(5, 100, 1.5, 180), noise]), LinkingSettings(linker=linker))
    assert (tracks["truth"] >= 0).mean() > 0.97
    assert set(tracks["truth"]) >= {0, 1, 2, 3, 4}


def test_the_same_rods_in_another_order_make_the_same_tracks():
    rods = with_looks(walkers(4, 40, 3.0, 40), length=(28, 30, 32, 34), width=(15, 15, 15, 15))
    once, again = (link(rods.sample(frac=1, random_state=seed)) for seed in (1, 2))
    assert one_to_one(once) == one_to_one(again)
    place = ["frame", "x", "y"]
    merged = once.merge(again, on=place)
    assert len(merged) == len(once)
    assert (merged.groupby("particle_x")["particle_y"].nunique() == 1).all()
