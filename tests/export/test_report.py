import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.diffusion.changes import levels
from napari_lptem_diffusion.diffusion.known import RANGES, is_known, known_in_words
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export import save_report
from napari_lptem_diffusion.export.figures import (
    figure_bytes,
    mixing_histogram,
    msd_plot,
    picture,
    save_training_figure,
    time_plot,
)
from napari_lptem_diffusion.export.report import report_html
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.particles.correcting.correction import Anchor, DeleteTrack, MarkStuck
from napari_lptem_diffusion.progress import Stopped
from tests.analysis_factory import SHORT_PARTICLE, SWITCH_FRAME, SWITCHING_PARTICLE, empty_analysis, make_analysis
from tests.export.conftest import files_in


class Page(HTMLParser):
    """What a reader of the page sees, and whether its tags close."""

    def __init__(self, html):
        super().__init__()
        self.text, self.open, self.sources = "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def with_first_particle(analysis, **columns):
    """The analysis with one particle, whose row has other *columns*: quick to draw."""
    particles = analysis.motion.particles.head(1).assign(**columns)
    msd = analysis.motion.msd[analysis.motion.msd["particle"] == 0]
    return replace(analysis, motion=replace(analysis.motion, particles=particles, msd=msd))


@pytest.fixture(scope="module")
def page(analysis):
    return Page(report_html(analysis))


def test_the_page_is_whole_and_needs_no_other_file(page):
    assert page.open == []
    assert len(page.sources) == 3 + 4, "picture, histogram, MSD and one plot for each judged track"
    for source in page.sources:
        kind, data = re.fullmatch(r"data:image/(png|svg\+xml);base64,(.+)", source).groups()
        content = base64.b64decode(data)
        assert content.startswith(b"\x89PNG") if kind == "png" else ElementTree.fromstring(content).tag.endswith("svg")


def test_the_page_says_where_the_calibration_is_from_and_what_was_found(analysis, page):
    assert "2 nm (entered by the user)" in page.text
    assert f"{len(analysis.detections)} rods in all frames, 5 particles followed" in page.text
    assert "search_range_px31.5" in page.text
    assert analysis.motion.model_hash in page.text


def test_an_unknown_calibration_is_said_to_be_unknown():
    text = Page(report_html(with_first_particle(make_analysis(pixel_size_nm=None, frame_interval_s=None)))).text
    assert text.count("unknown (not in the array)") == 2
    assert "px²/frameα" in text
    assert "µm²" not in text


def test_intervals_mismatch_and_tracks_without_exponents_are_shown(analysis, page):
    for row in analysis.motion.particles[lambda rods: rods["change_points"] == ""].dropna().itertuples():
        interval = f"{row.mixing_ratio:.2f}{row.mixing_ratio_low:.2f} to {row.mixing_ratio_high:.2f}"
        assert f"{row.particle}{row.frames}{interval}" in page.text
    assert page.text.count("fits no mixture well") == 1
    assert page.text.count("not judged") == 6, "five cells of the short track and the count"
    assert f"Mixing ratio{known_in_words(analysis.motion.particles)}; median of those known" in page.text


def test_a_rod_that_changes_is_told_by_what_it_changes_from_and_to(analysis, page):
    (told,) = levels(analysis.motion.frames, analysis.motion.particles[lambda rods: rods["change_points"] != ""])
    row = analysis.motion.particles.set_index("particle").loc[SWITCHING_PARTICLE]
    assert f"{told}whole track {row['mixing_ratio']:.2f} ({row['mixing_ratio_low']:.2f} to" in page.text


def test_immobile_particles_are_flagged(analysis):
    text = Page(report_html(with_first_particle(analysis, immobile=True))).text
    assert text.count("immobile:") == 1
    assert "1 immobile" in text
    assert "060immobile––––" in text, "a mixing ratio or an exponent where nothing moves"


@pytest.mark.parametrize(("mixing_ratio", "faint"), [(0.05, ["0.31"]), (0.5, []), (0.95, ["0.77"]), (np.nan, [])])
def test_the_exponent_of_a_part_that_carries_little_is_grey(analysis, mixing_ratio, faint):
    columns = {"mixing_ratio": mixing_ratio, "alpha_fbm": 0.31, "alpha_ctrw": 0.77}
    columns |= {f"{name}_{end}": 0.5 for name in columns for end in ("low", "high")}
    html = report_html(with_first_particle(analysis, **columns))
    assert re.findall(r'<span class="faint">([\d.]+)<br>', html) == faint


@pytest.mark.parametrize("name", ["mixing_ratio", "alpha_fbm", "alpha_ctrw"])
def test_what_is_not_known_has_a_question_mark(analysis, name):
    low, high = RANGES[name]
    html = report_html(with_first_particle(analysis, **{name: 0.42, f"{name}_low": low, f"{name}_high": high}))
    assert '<span class="faint">0.42 ?<br>' in html


@pytest.mark.parametrize(
    ("k_px2", "unit", "shown"),
    [
        (2e-4, " 10−8", "6.43.2 to 13"),
        (30.0, " 10−3", "9.64.8 to 19"),
        (3e3, "", "0.960.48 to 1.9"),
        (3e6, "", "960480 to 1900"),
    ],
)
def test_k_is_in_the_unit_of_the_tables(analysis, k_px2, unit, shown):
    columns = {"k_ctrw": k_px2, "k_ctrw_low": k_px2 / 2, "k_ctrw_high": k_px2 * 2}
    text = Page(report_html(with_first_particle(analysis, **columns))).text
    assert f"K CTRW,{unit} µm²/s" in text
    assert shown in text
    assert not re.search(r"\de[+-]\d", text)


def test_the_localization_error_that_was_reckoned_with_is_said(analysis):
    median_px = analysis.tracks["localization_error"].median()
    text = Page(report_html(with_first_particle(analysis))).text
    assert f"Localization error{median_px:.2g} px = {2 * median_px:.2g} nm (median)" in text
    of_another_tool = analysis.tracks[["particle", "frame", "x", "y", "angle_deg"]]
    assert (
        "Localization errornot known"
        in Page(report_html(replace(with_first_particle(analysis), tracks=of_another_tool))).text
    )


def test_corrections_by_hand_are_told_at_once(analysis):
    corrections = (
        MarkStuck(track=Anchor(frame=0, x=1, y=1)),
        DeleteTrack(track=Anchor(frame=0, x=1, y=1)),
        DeleteTrack(track=Anchor(frame=3, x=9, y=1)),
    )
    marked = pd.DataFrame({"particle": [0], "mark": ["stuck"], "frame": [0], "x": [1.0], "y": [1.0]})
    corrected = replace(with_first_particle(analysis), corrections=corrections, marked=marked)
    text = Page(report_html(corrected)).text
    assert "Corrected3 corrections by hand (mark stuck, delete track 2 ×)" in text
    assert "drift of the stage was measured on particle 0" in text
    assert "Corrected" not in Page(report_html(with_first_particle(analysis))).text


def test_names_are_escaped():
    movie = Movie.from_array(np.zeros((2, 9, 9)), name="<script>alert(1)</script>.tif")
    html = report_html(replace(empty_analysis(), movie=movie))
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_a_movie_without_rods_has_a_page_that_says_so():
    page = Page(report_html(empty_analysis()))
    assert "No rod was followed" in page.text
    assert page.open == []


def test_saving_refuses_keeps_and_replaces(analysis, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        save_report(analysis, path)
    with pytest.raises(Stopped):
        save_report(analysis, path, should_stop=lambda: True, overwrite=True)
    assert files_in(tmp_path) == {"report.html": b"mine"}
    assert save_report(empty_analysis(), path, overwrite=True) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def lines_of(axes):
    return [np.column_stack(line.get_data()) for line in axes.lines]


def test_time_plot_shows_line_band_and_change_point_in_seconds(analysis):
    figure = time_plot(analysis, SWITCHING_PARTICLE)
    _, mixing, *_ = figure.axes
    line, change = lines_of(mixing)
    rods = analysis.motion.frames[analysis.motion.frames["particle"] == SWITCHING_PARTICLE]
    np.testing.assert_allclose(line, np.column_stack([rods["frame"] * 0.0125, rods["mixing_ratio"]]))
    assert change[0, 0] == SWITCH_FRAME * 0.0125
    band = mixing.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(rods["mixing_ratio_low"].min())
    assert band.max() == pytest.approx(rods["mixing_ratio_high"].max())


def test_time_plot_breaks_at_a_gap_and_says_when_there_is_nothing(analysis):
    mixing = time_plot(analysis, 3).axes[1]
    assert np.isnan(lines_of(mixing)[0][20:23, 1]).all()
    texts = [text.get_text() for text in time_plot(analysis, SHORT_PARTICLE).axes[1].texts]
    assert texts == ["not judged: too short, or immobile"]


def test_msd_plot_has_each_particle_in_physical_units(analysis):
    axes = msd_plot(analysis).axes[0]
    assert len(axes.lines) == 5
    assert axes.get_ylabel() == "MSD (µm²)"
    first = analysis.motion.msd.iloc[0]
    np.testing.assert_allclose(lines_of(axes)[0][0], [0.0125 * first["lag"], first["msd"] * 0.002**2])


def test_at_most_ten_msd_curves_are_labelled_the_longest_in_order_and_apart(analysis):
    motion = analysis.motion
    copies = [motion.particles.assign(particle=motion.particles["particle"] + 5 * i) for i in range(3)]
    curves = [motion.msd.assign(particle=motion.msd["particle"] + 5 * i) for i in range(3)]
    many = replace(motion, particles=pd.concat(copies, ignore_index=True), msd=pd.concat(curves, ignore_index=True))
    texts = msd_plot(replace(analysis, motion=many)).axes[0].texts
    labelled = [int(text.get_text()) for text in texts]
    longest = many.particles.sort_values(["frames", "particle"], ascending=[False, True])["particle"].head(10)
    assert sorted(labelled) == sorted(longest)
    heights = [text.get_position()[1] for text in texts]
    assert np.diff(heights).min() > 0.04
    last = many.msd.groupby("particle")["msd"].last()[labelled]
    assert last.is_monotonic_increasing


def test_histogram_counts_every_judged_frame(analysis):
    rods = analysis.motion.frames.dropna(subset=["mixing_ratio"])
    known = is_known("mixing_ratio", rods["mixing_ratio_low"], rods["mixing_ratio_high"])
    bars = mixing_histogram(analysis).axes[0].containers
    heights = [sum(bar.get_height() for bar in container) for container in bars]
    assert heights == [known.sum(), (~known).sum()], "coloured where known, grey above where not"


def test_figures_of_a_movie_without_rods_are_drawn():
    nothing = empty_analysis()
    for figure in (picture(nothing), mixing_histogram(nothing), msd_plot(nothing)):
        assert figure_bytes(figure, "png").startswith(b"\x89PNG")


def test_losses_of_a_training_are_drawn(tmp_path):
    (tmp_path / "log.csv").write_text("step,seconds,training_loss,validation_loss\n250,1,3.0,3.1\n500,2,2.0,2.4\n")
    save_training_figure(tmp_path / "log.csv", tmp_path / "losses.png")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
