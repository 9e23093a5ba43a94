"""The figure of the paper: conditions compared with intervals that hold the truth, and nobody left out in silence."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.compare import compare, labels_of, names_of, save_comparison, weighted_median
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export import read_export as module
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.export.comparison_figures import comparison_figure
from napari_lptem_diffusion.export.read_export import ReadExports, exports_in, read_export
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.session import save_session
from tests.analysis_factory import make_analysis

pytestmark = pytest.mark.filterwarnings("ignore::napari_lptem_diffusion.errors.InputWarning")
SIGMA = 1.645


def write_export(folder, mixing, sigma, rng, units=True, **columns):
    """A folder with the summary of made-up particles, whose estimates scatter about *mixing* by *sigma*."""
    folder.mkdir(parents=True)
    mixing, sigma = np.broadcast_arrays(np.asarray(mixing, float), sigma)
    table = pd.DataFrame({"particle": np.arange(len(mixing)), "frames": 300})
    seen = mixing + sigma * rng.standard_normal(len(mixing))
    for name, value, high in (("mixing_ratio", seen, 1), ("alpha_fbm", 2 * seen, 2), ("alpha_ctrw", seen, 1)):
        width = SIGMA * sigma * (2 if name == "alpha_fbm" else 1)
        table[name], table[f"{name}_low"] = np.clip(value, 0, high), np.clip(value - width, 0, high)
        table[f"{name}_high"] = np.clip(value + width, 0, high)
    for name, physical, px in (
        ("k_fbm", "um2_per_s_alpha", "px2_per_frame_alpha"),
        ("k_ctrw", "um2_per_s", "px2_per_frame"),
    ):
        for end, factor in (("", 1.0), ("_low", 0.8), ("_high", 1.3)):
            table[f"{name}{end}_{physical if units else px}"] = factor * np.exp(seen)
    table = table.assign(immobile=False, model_mismatch=0.1, **columns)
    table.to_csv(folder / "summary.csv", index=False)
    record = {"model_sha256": "a", "input_files": [{"sha256": folder.name}]}
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


def row(comparison, condition, quantity="mixing_ratio"):
    table = comparison.table
    return table[(table["condition"] == condition) & (table["quantity"] == quantity)].iloc[0]


def test_real_exports_are_compared_from_the_command_line(tmp_path, capsys):
    for number in range(4):
        save_analysis(make_analysis(seed=number, name=f"m{number}.tif"), tmp_path / f"m{number}")
    said = [f"--condition=m{number}={5 if number < 2 else 20}" for number in range(4)]
    assert (
        main(["compare", str(tmp_path), "-o", str(tmp_path / "out"), *said, "--condition-name", "Dose rate (e/Å²/s)"])
        == 0
    )
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert set(table["quantity"]) == {"mixing_ratio", "alpha_fbm", "alpha_ctrw", "k_fbm", "k_ctrw"}
    assert table["condition"].unique().tolist() == [5, 20]
    assert (table["low"] <= table["median"]).all()
    assert (table["median"] <= table["high"]).all()
    counts = pd.read_csv(tmp_path / "out" / "conditions.csv")
    assert (
        counts[["n_movies", "n_particles", "n_not_judged", "n_no_mixture"]].to_numpy().tolist() == [[2, 10, 2, 2]] * 2
    )
    assert (counts["n_particles"] == counts.filter(regex="n_(c|im|not|no_)").sum(axis=1)).all()
    particles = pd.read_csv(tmp_path / "out" / "compared_particles.csv")
    assert len(particles) == 20
    assert b"Dose rate" in (tmp_path / "out" / "comparison.svg").read_bytes()
    assert (tmp_path / "out" / "comparison.pdf").read_bytes().startswith(b"%PDF")
    assert "2 not judged" in capsys.readouterr().out
    notes = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))["notes"]
    assert any(note.startswith("5 has 2 movies") for note in notes)


def test_the_median_is_that_of_the_particles_and_the_files_are_the_same_twice(tmp_path):
    rng = np.random.default_rng(0)
    folders = [write_export(tmp_path / f"m{n}", rng.uniform(0.2, 0.8, 15), 0.05, rng) for n in range(4)]
    labels = dict.fromkeys(folders, "water")
    first, again = compare(labels), compare(labels)
    estimates = pd.concat([pd.read_csv(folder / "summary.csv") for folder in folders])["mixing_ratio"]
    assert row(first, "water")["median"] == pytest.approx(estimates.median())
    for number, comparison in enumerate((first, again)):
        save_comparison(comparison, tmp_path / f"out{number}")
    for name in ("comparison.csv", "conditions.csv", "compared_particles.csv", "comparison.svg"):
        assert (tmp_path / "out0" / name).read_bytes() == (tmp_path / "out1" / name).read_bytes()


def test_an_interval_does_not_depend_on_the_other_conditions(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (write_export(tmp_path / name, rng.uniform(0.2, 0.8, 15), 0.05, rng) for name in ("a", "b"))
    both, alone = compare({a: "1", b: "2"}), compare({b: "2"})
    pd.testing.assert_series_equal(row(both, "2"), row(alone, "2"), check_names=False)


@pytest.mark.parametrize(("movies", "least"), [(4, 0.82), (1, 0.82)])
def test_intervals_hold_the_truth(tmp_path, movies, least):
    """Central 90 %: on particles that scatter by 0.1 about 0.5, seen with an error of 0.02 to 0.2."""
    rng = np.random.default_rng(1)
    held, trials = 0, 60
    labels = {}
    for trial in range(trials):
        for movie in range(movies):
            centre = 0.5 + (rng.normal(0, 0.05) if movies > 1 else 0)
            mixing = rng.normal(centre, 0.1, 12)
            folder = write_export(tmp_path / f"{trial}-{movie}", mixing, rng.uniform(0.02, 0.2, 12), rng)
            labels[folder] = f"trial {trial}"
    comparison = compare(labels, replicates=100)
    for trial in range(trials):
        found = row(comparison, f"trial {trial}")
        held += found["low"] <= 0.5 <= found["high"]
    assert held / trials >= least


def test_less_certain_particles_give_a_wider_interval(tmp_path):
    widths = []
    for sigma in (0.02, 0.2):
        rng = np.random.default_rng(2)
        folder = write_export(tmp_path / f"{sigma}", np.full(20, 0.5), 0.0, rng)
        table = pd.read_csv(folder / "summary.csv")
        table["mixing_ratio_low"], table["mixing_ratio_high"] = 0.5 - SIGMA * sigma, 0.5 + SIGMA * sigma
        table.to_csv(folder / "summary.csv", index=False)
        found = row(compare({folder: "x"}), "x")
        widths.append(found["high"] - found["low"])
    assert widths[1] > 5 * widths[0] > 0


def test_many_particles_of_which_nothing_is_known_say_nothing(tmp_path):
    rng = np.random.default_rng(2)
    folder = write_export(tmp_path / "m", np.full(200, 0.5), 0.0, rng)
    table = pd.read_csv(folder / "summary.csv").assign(mixing_ratio_low=0.05, mixing_ratio_high=0.95)
    table.to_csv(folder / "summary.csv", index=False)
    found = row(compare({folder: "x"}), "x")
    assert np.isnan(found[["median", "low", "high"]].to_numpy(float)).all()
    assert (found["n_particles"], found["n_unknown"]) == (0, 200)


def test_an_exponent_counts_with_the_share_of_its_part(tmp_path):
    rng = np.random.default_rng(3)
    folder = write_export(tmp_path / "m", [0.95] * 5 + [0.05] * 8, 0.0, rng)
    table = pd.read_csv(folder / "summary.csv")
    for name, values in (("alpha_fbm", (0.6, 1.0)), ("alpha_ctrw", (0.5, 0.8))):
        for end in ("", "_low", "_high"):
            table[f"{name}{end}"] = [values[0]] * 5 + [values[1]] * 8
    table.to_csv(folder / "summary.csv", index=False)
    comparison = compare({folder: "x"})
    assert row(comparison, "x", "alpha_fbm")["median"] == pytest.approx(0.6, abs=0.05)
    assert row(comparison, "x", "alpha_ctrw")["median"] == pytest.approx(0.8, abs=0.05)


def test_who_is_left_out_is_counted(tmp_path):
    rng = np.random.default_rng(4)
    folder = write_export(tmp_path / "m", np.full(10, 0.5), 0.1, rng)
    table = pd.read_csv(folder / "summary.csv")
    table.loc[[0, 1], "immobile"] = True
    table.loc[[1, 2], ["mixing_ratio", "mixing_ratio_low", "mixing_ratio_high"]] = np.nan
    table.loc[[3, 4, 5], "model_mismatch"] = 0.9
    table.to_csv(folder / "summary.csv", index=False)
    counts = compare({folder: "x"}).conditions.iloc[0]
    assert counts[["n_compared", "n_immobile", "n_not_judged", "n_no_mixture"]].tolist() == [4, 2, 1, 3]
    assert compare({folder: "x"}, largest_mismatch=1.0).conditions["n_compared"].tolist() == [7]


def test_a_condition_without_any_particle_to_compare_has_empty_cells(tmp_path):
    rng = np.random.default_rng(5)
    some = write_export(tmp_path / "some", np.full(5, 0.5), 0.1, rng)
    none = write_export(tmp_path / "none", np.full(5, 0.5), 0.1, rng)
    table = pd.read_csv(none / "summary.csv").assign(immobile=True)
    table.to_csv(none / "summary.csv", index=False)
    comparison = compare({some: "a", none: "b"})
    assert np.isnan(row(comparison, "b")["median"])
    assert row(comparison, "b")["n_particles"] == 0
    save_comparison(comparison, tmp_path / "out")
    assert (tmp_path / "out" / "comparison.png").exists()


def test_what_speaks_against_a_comparison_is_said(tmp_path):
    rng = np.random.default_rng(6)
    a = write_export(tmp_path / "a", np.full(5, 0.5), 0.1, rng)
    b = write_export(tmp_path / "b", np.full(5, 0.5), 0.1, rng, units=False)
    record = {"model_sha256": "b", "input_files": [{"sha256": "a"}]}
    (b / "provenance.json").write_text(json.dumps(record))
    with pytest.warns(InputWarning):
        comparison = compare({a: "x", b: "y"})
    said = " ".join(comparison.notes)
    for words in ("same movie", "different networks", "K is left out", "x has one movie"):
        assert words in said
    assert set(comparison.table["quantity"]) == {"mixing_ratio", "alpha_fbm", "alpha_ctrw"}


def test_a_session_is_compared_as_its_export_is(tmp_path):
    analysis = make_analysis()
    folder = save_analysis(analysis, tmp_path / "export")
    session = save_session(analysis, tmp_path / "mine.lptem")
    tables = [compare({path: "x"}, replicates=20).table for path in (folder, session)]
    for column in ("median", "low", "high"):
        np.testing.assert_allclose(tables[0][column], tables[1][column], rtol=1e-7)  # CSVs keep nine digits
    assert tables[0]["unit"].tolist() == tables[1]["unit"].tolist()


def test_an_export_is_read_once_until_it_is_written_anew(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    folders = {write_export(tmp_path / name, [0.5] * 5, 0.05, rng): name for name in "ab"}
    opened = []
    monkeypatch.setattr(module, "read_export", lambda path: opened.append(path.name) or read_export(path))
    read = ReadExports()
    first, again = (compare(folders, replicates=20, read=read) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert opened == ["a", "b"]
    table = pd.read_csv(tmp_path / "b" / "summary.csv")
    table[:3].to_csv(tmp_path / "b" / "summary.csv", index=False)
    assert compare(folders, replicates=20, read=read).conditions["n_particles"].tolist() == [5, 3]
    assert opened == ["a", "b", "b"]


@pytest.mark.parametrize("stage", ["read exports", "compare"])
def test_comparing_stops_in_every_stage(stage, tmp_path):
    folder = write_export(tmp_path / "a", [0.5] * 5, 0.05, np.random.default_rng(0))
    told = []
    with pytest.raises(Stopped):
        compare({folder: "a"}, progress=lambda *said: told.append(said[2]), should_stop=lambda: told[-1] == stage)
    assert told[-1] == stage


def test_comparing_stops_in_the_middle_of_a_median(tmp_path):
    folder = write_export(tmp_path / "a", [0.5] * 5, 0.05, np.random.default_rng(0))
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(Stopped):
        compare({folder: "a"}, replicates=1_000_000, quantities=["alpha_fbm"], should_stop=should_stop)


def test_only_the_wanted_quantities_are_computed_with_the_same_numbers(tmp_path):
    folder = save_analysis(make_analysis(), tmp_path / "export")
    full, one = compare({folder: "x"}, replicates=50), compare({folder: "x"}, replicates=50, quantities=["alpha_fbm"])
    assert one.table["quantity"].tolist() == ["alpha_fbm"]
    pd.testing.assert_series_equal(row(full, "x", "alpha_fbm"), row(one, "x", "alpha_fbm"), check_names=False)
    pd.testing.assert_frame_equal(full.particles, one.particles)


@pytest.mark.parametrize(
    ("labels", "aslant"),
    [
        (["5", "10", "20"], False),
        (["aunr_tracks.csv", "lptem_rods_sample"], False),
        ([f"movie {n}" for n in range(9)], True),
    ],
)
def test_conditions_are_written_so_that_they_do_not_touch(labels, aslant, tmp_path):
    rng = np.random.default_rng(0)
    exports = {write_export(tmp_path / label, np.full(3, 0.5), 0.05, rng): label for label in labels}
    found = compare(exports, replicates=5)
    figure = comparison_figure(found.particles, found.table, found.conditions, "Condition")
    figure.canvas.draw()
    ticks = figure.axes[0].get_xticklabels()
    for tick, label in zip(ticks, labels, strict=True):
        assert "".join(tick.get_text().split()).startswith("".join(label.split()))
    assert all((tick.get_rotation() > 0) == aslant for tick in ticks)
    if not aslant:
        boxes = [tick.get_window_extent() for tick in ticks]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_an_export_has_the_name_of_its_movie(tmp_path):
    paths = [tmp_path / "rods_diffusion", tmp_path / "late.lptem", tmp_path / "twice", tmp_path / "more" / "twice"]
    assert list(names_of(paths).values()) == ["rods", "late", paths[2].as_posix(), paths[3].as_posix()]


def test_exports_are_found_where_they_are(tmp_path):
    for name in ("m10", "m9"):
        save_analysis(make_analysis(), tmp_path / "results" / name)
    a, b = tmp_path / "results" / "m9", tmp_path / "results" / "m10"
    assert exports_in(tmp_path / "results") == (a, b)
    assert exports_in(a) == exports_in(a / "session.lptem") == (a,)
    (tmp_path / "mine.lptem").write_bytes((a / "session.lptem").read_bytes())
    assert exports_in(tmp_path / "mine.lptem") == (tmp_path / "mine.lptem",)
    for nothing in (tmp_path, a / "summary.csv", tmp_path / "missing"):
        with pytest.raises(InputError, match=r"no summary\.csv"):
            exports_in(nothing)


def test_labels(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    assert labels_of([a, b], {}) == {a: "a", b: "b"}
    assert labels_of([a, b], {"a": "1", str(b): "2"}) == {a: "1", b: "2"}
    for said, words in (({"a": "1"}, "has no condition"), ({"a": "1", "b": "2", "c": "3"}, "'c'")):
        with pytest.raises(InputError, match=words):
            labels_of([a, b], said)
    with pytest.raises(InputError, match="twice"):
        labels_of([a, a], {})


def test_a_folder_without_an_export_is_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["compare", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 2
    assert "no summary.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty" / "summary.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'particle'"):
        compare({tmp_path / "empty": "x"})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(1, 4)), min_size=1, max_size=12))
def test_a_weighted_median_is_a_median(pairs):
    values, weights = (np.array(column, float) for column in zip(*pairs, strict=True))
    assert weighted_median(values, np.ones(len(values))) == pytest.approx(np.median(values))
    found = weighted_median(values, weights)
    assert max(weights[values < found].sum(), weights[values > found].sum()) <= (weights.sum() + weights.max()) / 2
