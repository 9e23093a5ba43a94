"""Figures for a paper: the sizes that journals print, text that stays text, fonts inside, the same bytes each time."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import sleep

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rcParams

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.export.publication import cut_out, rod_figure, rods_figure, save_figures
from napari_lptem_diffusion.export.rc import drawing_with
from napari_lptem_diffusion.judge import judge_tracks
from napari_lptem_diffusion.progress import Stopped
from tests.analysis_factory import SHORT_PARTICLE, SWITCHING_PARTICLE, empty_analysis

MM_PER_PT = 25.4 / 72


@pytest.fixture(scope="module")
def saved(analysis, tmp_path_factory):
    return save_figures(analysis, tmp_path_factory.mktemp("figures") / "out", [SWITCHING_PARTICLE])


def width_mm(svg):
    return float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) * MM_PER_PT


def test_they_are_as_wide_as_a_column_and_a_page(saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        "all_rods.pdf", "all_rods.svg", "rod_0001.pdf", "rod_0001.svg",
    ]  # fmt: skip
    assert width_mm((saved / "rod_0001.svg").read_text(encoding="utf-8")) == pytest.approx(85, abs=0.01)
    assert width_mm((saved / "all_rods.svg").read_text(encoding="utf-8")) == pytest.approx(180, abs=0.01)


def test_text_can_be_edited_and_its_font_is_in_the_pdf(saved):
    assert ">Time (s)</text>" in (saved / "rod_0001.svg").read_text(encoding="utf-8")
    assert "4 of 5 rods judged" in (saved / "all_rods.svg").read_text(encoding="utf-8")
    pdf = (saved / "all_rods.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Subtype /Type3" not in pdf, "journals refuse Type 3"


def test_the_same_analysis_gives_the_same_bytes(analysis, saved, tmp_path):
    again = save_figures(analysis, tmp_path / "again", [SWITCHING_PARTICLE])
    for path in saved.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_change_of_motion_is_marked_at_its_frame(analysis):
    *_, mixing, fbm, ctrw = rod_figure(analysis, SWITCHING_PARTICLE).axes
    for axes in (mixing, fbm, ctrw):
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in dashed] == [pytest.approx(30 * 0.0125)]


def test_points_and_bars_are_the_estimates(analysis):
    ranked = rods_figure(analysis).axes[0]
    judged = analysis.motion.particles.dropna(subset=["mixing_ratio"]).sort_values("mixing_ratio")
    points = ranked.collections[1].get_offsets()
    np.testing.assert_allclose(points[:, 0], judged["mixing_ratio"])
    bars = np.array([segment[:, 0] for segment in ranked.collections[0].get_segments()])
    np.testing.assert_allclose(bars, judged[["mixing_ratio_low", "mixing_ratio_high"]])
    assert [label.get_text() for label in ranked.get_yticklabels()] == [str(n) for n in judged["particle"]]


def test_what_is_not_known_is_a_ring(analysis):
    particles = analysis.motion.particles.assign(mixing_ratio_low=[0.0, 0.3, 0.0, 0.3, np.nan], mixing_ratio_high=0.6)
    particles.loc[0, "mixing_ratio_high"] = 1.0
    ranked = rods_figure(replace(analysis, motion=replace(analysis.motion, particles=particles))).axes[0]
    rods = [int(label.get_text()) for label in ranked.get_yticklabels()]
    faces = ranked.collections[1].get_facecolors()[:, :3]
    assert [rod for rod, face in zip(rods, faces, strict=True) if (face == 1).all()] == [0]
    assert "4 of 5 rods judged, 3 known" in ranked.get_title(loc="left")


def test_what_cannot_be_judged_is_drawn_without_a_curve(analysis):
    figure = rod_figure(analysis, SHORT_PARTICLE)
    assert "not judged" in figure.axes[2].texts[0].get_text()
    rods_figure(empty_analysis()).canvas.draw()


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200)), min_size=1, max_size=6), st.integers(30, 90))
def test_what_is_cut_out_lies_in_the_picture_and_holds_the_track(xy, length):
    rods = pd.DataFrame(xy, columns=["x", "y"]).assign(length=float(length))
    (left, top), (width, height) = cut_out(rods, (201, 301))
    assert 0 <= left < left + width <= 301
    assert 0 <= top < top + height <= 201
    assert rods["x"].between(left - 0.5, left + width - 0.5).all()
    assert rods["y"].between(top - 0.5, top + height - 0.5).all()


def test_tracks_without_a_movie_are_drawn_too(tmp_path):
    steps = np.random.default_rng(0).normal(0, 1, (40, 2)).cumsum(0) + 50
    rows = "".join(f"0,{frame},{x},{y}\n" for frame, (x, y) in enumerate(steps))
    (tmp_path / "tracks.csv").write_text("particle,frame,x,y\n" + rows)
    rod_figure(judge_tracks(tmp_path / "tracks.csv"), 0).canvas.draw()


def test_a_rod_that_is_not_there_is_refused_and_nothing_written(analysis, tmp_path):
    with pytest.raises(InputError, match="no particle 77"):
        save_figures(analysis, tmp_path / "out", [77])
    with pytest.raises(Stopped):
        save_figures(analysis, tmp_path / "out", should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_an_export_holds_them_and_a_later_one_without_them_takes_them_away(analysis, tmp_path):
    motion = analysis.motion
    tables = {name: getattr(motion, name) for name in ("frames", "particles", "msd")}
    one = replace(motion, **{name: table[table["particle"] == 0] for name, table in tables.items()})
    few = replace(analysis, motion=one, tracks=analysis.tracks[analysis.tracks["particle"] == 0])
    save_analysis(few, tmp_path / "out", figures=True)
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {
        "all_rods.pdf", "all_rods.svg", "rod_0000.pdf", "rod_0000.svg",
    }  # fmt: skip
    save_analysis(few, tmp_path / "out", overwrite=True)
    assert list((tmp_path / "out" / "figures").glob("*")) == []


def test_threads_that_draw_do_not_take_each_others_settings():
    before = rcParams["font.size"]

    def drawn(size):
        with drawing_with({"font.size": size}):
            sleep(0.005)
            return rcParams["font.size"]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(drawn, range(5, 25))) == list(range(5, 25))
    assert rcParams["font.size"] == before
