"""What is judged of tables of tracks: the bundled network against truth it was not trained on, and any odd table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion import InputError, Stopped, estimate_diffusion
from napari_lptem_diffusion.diffusion.estimate import find_change_points
from napari_lptem_diffusion.settings import DiffusionSettings

SHARP = DiffusionSettings(exposure_fraction=0)
REAL_TRACKS = Path(__file__).parents[3] / "shared" / "data" / "aunr_tracks.csv"


def brownian(frames: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((frames - 1, 2))


def antipersistent(frames: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """FBM displacements by Cholesky, no code shared with the training."""
    lag = np.abs(np.subtract.outer(np.arange(frames - 1), np.arange(frames - 1))).astype(float)
    covariance = ((lag + 1) ** alpha - 2 * lag**alpha + np.abs(lag - 1) ** alpha) / 2
    return np.linalg.cholesky(covariance) @ rng.standard_normal((frames - 1, 2))


def jumping(frames: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """CTRW displacements event by event, at least three jumps in view."""
    while True:
        steps, time = np.zeros((frames - 1, 2)), rng.pareto(alpha) + 1
        while time < frames - 1:
            steps[int(time)] += rng.standard_normal(2)
            time += rng.pareto(alpha) + 1
        if np.count_nonzero(steps[:, 0]) >= 3:
            return steps / np.sqrt((steps**2).sum(1).mean() / 2)


def tracks_table(all_steps: list[np.ndarray], sigma: float, rng: np.random.Generator) -> pd.DataFrame:
    tables = []
    for particle, steps in enumerate(all_steps):
        positions = np.vstack([[0, 0], steps.cumsum(0)]) + sigma * rng.standard_normal((len(steps) + 1, 2))
        columns = {"particle": particle, "frame": np.arange(len(positions)), "x": positions[:, 0], "y": positions[:, 1]}
        tables.append(pd.DataFrame(columns).assign(localization_error=sigma))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_pure_fbm_is_recognised_and_its_exponent_found_but_not_better_than_possible(rng):
    alpha = rng.uniform(0.1, 1, 60)
    table = tracks_table([antipersistent(300, a, rng) for a in alpha], 0.3, rng)
    found = estimate_diffusion(table, SHARP).particles
    error = np.abs(found["alpha_fbm"] - alpha).mean()
    # The Bayes limit here is .036 (benchmarks/diffusion.py); an error below it would be a leak.
    assert 0.025 < error < 0.075
    assert (found["mixing_ratio"] > 0.8).mean() > 0.9
    covered = (found["alpha_fbm_low"] <= alpha) & (alpha <= found["alpha_fbm_high"])
    assert covered.mean() > 0.8


def test_pure_ctrw_is_recognised_through_localization_error(rng):
    table = tracks_table([jumping(300, a, rng) for a in rng.uniform(0.3, 1, 40)], 0.1, rng)
    found = estimate_diffusion(table, SHARP).particles
    assert (found["mixing_ratio"] < 0.2).mean() > 0.9


def test_noise_on_brownian_motion_is_not_taken_for_subdiffusion_when_told(rng):
    table = tracks_table([brownian(300, rng) for _ in range(40)], 0.5, rng)
    found = estimate_diffusion(table, SHARP).particles
    assert np.median(found["alpha_fbm"]) == pytest.approx(1, abs=0.1)


def test_the_mixing_ratio_of_superposed_motion_is_found_with_intervals_that_hold(rng):
    ratio = rng.uniform(0.05, 0.95, 60)
    steps = []
    for m in ratio:
        fbm = antipersistent(300, rng.uniform(0.2, 1), rng)
        steps.append(np.sqrt(m) * fbm + np.sqrt(1 - m) * jumping(300, rng.uniform(0.3, 1), rng))
    found = estimate_diffusion(tracks_table(steps, 0.1, rng), SHARP).particles
    assert np.abs(found["mixing_ratio"] - ratio).mean() < 0.08
    covered = (found["mixing_ratio_low"] <= ratio) & (ratio <= found["mixing_ratio_high"])
    assert covered.mean() > 0.8
    # MSD(1 frame) is 4 K: both parts together make up the mean squared step of 2.
    assert np.median(4 * (found["k_fbm"] + found["k_ctrw"])) == pytest.approx(2, rel=0.15)


def test_a_switch_is_seen_where_it_happens(rng):
    steps = [np.vstack([antipersistent(150, 0.5, rng), jumping(152, 0.6, rng)]) for _ in range(30)]
    motion = estimate_diffusion(tracks_table(steps, 0.05, rng), SHARP)
    by_frame = motion.frames.pivot(index="particle", columns="frame", values="mixing_ratio")
    assert by_frame.iloc[:, 20:130].to_numpy().mean() > 0.8
    assert by_frame.iloc[:, 170:280].to_numpy().mean() < 0.2
    first = [float(points.split(";")[0]) for points in motion.particles["change_points"] if points]
    assert len(first) > 20
    assert abs(np.median(first) - 149) <= 5


def test_an_interval_holds_its_median_and_stays_in_range(rng):
    motion = estimate_diffusion(tracks_table([brownian(40, rng) for _ in range(20)], 0.2, rng))
    for table in (motion.frames, motion.particles):
        for name, top in (("mixing_ratio", 1), ("alpha_fbm", 2), ("alpha_ctrw", 1)):
            assert table[f"{name}_low"].ge(0).all()
            assert table[f"{name}_high"].le(top).all()
            assert (table[f"{name}_low"] <= table[name]).all()
            assert (table[name] <= table[f"{name}_high"]).all()


def test_a_short_track_gets_its_msd_and_no_exponents(rng):
    motion = estimate_diffusion(tracks_table([brownian(15, rng), brownian(16, rng)], 0.1, rng))
    assert motion.particles["alpha_fbm"].isna().tolist() == [True, False]
    assert motion.msd[motion.msd["particle"] == 0]["msd"].notna().all()
    assert len(motion.frames) == 31


def test_a_track_that_never_moves_is_called_immobile(rng):
    still = tracks_table([np.zeros((49, 2)), np.zeros((49, 2)), brownian(50, rng)], 0.3, rng)
    constant = still["particle"] == 0
    still.loc[constant, ["x", "y"]] = 5.0
    found = estimate_diffusion(still).particles
    assert found["immobile"].tolist() == [True, True, False]
    assert np.isnan(found["mixing_ratio"][0])


def test_a_track_without_consecutive_frames_is_not_judged(rng):
    table = tracks_table([brownian(120, rng)], 0.1, rng)
    motion = estimate_diffusion(table[table["frame"] % 3 == 0])
    assert motion.particles["mixing_ratio"].isna().all()
    assert not motion.particles["immobile"].any()


def test_a_particle_seen_once_is_not_called_immobile(rng):
    table = tracks_table([brownian(2, rng)], 0.1, rng)
    assert not estimate_diffusion(table[table["frame"] == 0]).particles["immobile"].any()


def test_noise_alone_is_called_immobile_and_has_neither_mixture_nor_exponents(rng):
    motion = estimate_diffusion(tracks_table([np.zeros((99, 2))] * 30, 0.3, rng))
    still = motion.particles["immobile"]
    assert still.mean() > 0.9
    said = [name for name in motion.particles if name.startswith(("mixing", "alpha", "k_", "model_mismatch"))]
    assert motion.particles.loc[still, said].isna().all(axis=None)
    assert motion.particles.loc[still, "change_points"].eq("").all()
    frames = motion.frames[motion.frames["particle"].isin(motion.particles.loc[still, "particle"])]
    assert len(frames) == 100 * still.sum()
    assert frames["mixing_ratio"].isna().all()


def test_motion_blur_is_seen_through(rng):
    alpha = rng.uniform(0.3, 1, 30)
    fine = [antipersistent(8 * 100 + 1, a, rng) * 8 ** (-a / 2) for a in alpha]
    steps = [np.diff(path.cumsum(0).reshape(100, 8, 2).mean(1), axis=0) for path in fine]
    found = estimate_diffusion(tracks_table(steps, 0.1, rng), DiffusionSettings(exposure_fraction=1)).particles
    assert np.abs(found["alpha_fbm"] - alpha).mean() < 0.15
    assert ((found["alpha_fbm_low"] <= alpha) & (alpha <= found["alpha_fbm_high"])).mean() > 0.8
    assert found["k_fbm"].median() == pytest.approx(0.5, rel=0.15)


def test_long_tracks_and_many_tracks_are_judged(rng):
    long = estimate_diffusion(tracks_table([brownian(20_000, rng)], 0.1, rng), SHARP)
    assert np.abs(long.frames["alpha_fbm"] - 1).mean() < 0.1
    many = estimate_diffusion(tracks_table([brownian(16, rng) for _ in range(2000)], 0.1, rng))
    assert many.particles["alpha_fbm"].notna().all()


def test_gaps_are_neither_steps_nor_rows(rng):
    table = tracks_table([brownian(300, rng)], 0.1, rng)
    lost = table[(table["frame"] % 7 != 3) & ((table["frame"] < 100) | (table["frame"] > 120))]
    motion = estimate_diffusion(lost, SHARP)
    assert motion.frames["frame"].tolist() == lost["frame"].tolist()
    whole = estimate_diffusion(table, SHARP)
    assert motion.particles["alpha_fbm"][0] == pytest.approx(whole.particles["alpha_fbm"][0], abs=0.2)
    assert motion.msd["msd"][0] == pytest.approx(whole.msd["msd"][0], rel=0.2)


def test_the_order_of_rows_and_other_columns_do_not_matter(rng):
    table = tracks_table([brownian(60, rng), brownian(33, rng)], 0.1, rng)
    shuffled = table.sample(frac=1, random_state=1).assign(note="x")
    one, other = estimate_diffusion(table), estimate_diffusion(shuffled)
    pd.testing.assert_frame_equal(one.frames, other.frames)
    pd.testing.assert_frame_equal(one.particles, other.particles)


def test_ids_of_other_tools_are_kept_and_lost_positions_are_gaps(rng):
    table = tracks_table([brownian(60, rng), brownian(60, rng)], 0.1, rng).drop(columns="localization_error")
    table["particle"] = table["particle"].map({0: 900_000_001, 1: 12})
    table["frame"] += 1000
    table.loc[5, "x"] = np.nan
    found = estimate_diffusion(table)
    assert found.particles["particle"].tolist() == [12, 900_000_001]
    assert found.particles["frames"].tolist() == [60, 59]
    assert found.particles["first_frame"].tolist() == [1000, 1000]


def test_telling_the_localization_error_changes_the_answer(rng):
    table = tracks_table([brownian(200, rng) for _ in range(20)], 1.0, rng).drop(columns="localization_error")
    told = estimate_diffusion(table, DiffusionSettings(exposure_fraction=0, localization_error_px=1.0)).particles
    untold = estimate_diffusion(table, SHARP).particles
    assert np.abs(told["alpha_fbm"] - 1).mean() < np.abs(untold["alpha_fbm"] - 1).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="y"), "no column 'y'"),
        (lambda t: t.assign(frame=t["frame"] + 0.5), "Column 'frame' .* whole numbers"),
        (lambda t: t.assign(frame=-1), "Column 'frame' .* '-1'"),
        (lambda t: t.assign(particle="rod"), "Column 'particle' .* 'rod'"),
        (lambda t: t.assign(x="left"), "Column 'x' .* 'left'"),
        (lambda t: pd.concat([t, t]), "twice in frame 0"),
        (lambda t: t.assign(localization_error=-1.0), "'localization_error' .* negative"),
        (lambda t: t.assign(localization_error=np.inf), "'localization_error' .* infinite"),
        (lambda t: t.assign(localization_error="?"), "'localization_error' .* '[?]'"),
        (lambda t: t.assign(frame=t["frame"] * 10**12), "counted"),
        (lambda t: t.assign(particle=2**53 + 1), "Column 'particle'"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_one_sentence(rng, change, message):
    table = tracks_table([brownian(20, rng)], 0.1, rng)
    with pytest.raises(InputError, match=message) as caught:
        estimate_diffusion(change(table))
    assert "\n" not in str(caught.value)


def test_no_tracks_give_empty_tables_with_every_column(rng):
    table = tracks_table([brownian(20, rng)], 0.1, rng)
    full, empty = estimate_diffusion(table), estimate_diffusion(table.iloc[:0])
    for one, other in ((full.frames, empty.frames), (full.particles, empty.particles), (full.msd, empty.msd)):
        assert other.empty
        assert one.dtypes.to_dict() == other.dtypes.to_dict()


def test_work_is_reported_and_stops_when_asked(rng):
    table = tracks_table([brownian(20, rng)], 0.1, rng)
    seen = []
    estimate_diffusion(table, progress=lambda *values: seen.append(values))
    assert seen[-1] == (1, 1, "motion")
    with pytest.raises(Stopped):
        estimate_diffusion(table, should_stop=lambda: True)


def test_change_points_are_called_once_each():
    probability = np.zeros(200)
    probability[[49, 50, 51]] = 0.9
    probability[115:126] = 0.3  # one change somewhere in here
    probability[170] = 0.4  # hardly one
    first, second = find_change_points(probability)
    assert first in (49, 50, 51)
    assert 115 <= second <= 125
    assert find_change_points(np.zeros(0)) == []


@pytest.mark.skipif(not REAL_TRACKS.exists(), reason="the real tracks (shared/data/aunr_tracks.csv) are not here")
def test_real_tracks_of_nanorods_show_mixtures_that_change_in_time():
    table = pd.read_csv(REAL_TRACKS)
    motion = estimate_diffusion(table[table["particle"] < 60])
    spread = motion.particles["mixing_ratio"].quantile([0.05, 0.95])
    assert spread.iloc[1] - spread.iloc[0] > 0.3
    within = motion.frames.groupby("particle")["mixing_ratio"].agg(lambda m: m.max() - m.min())
    assert within.median() > 0.05
