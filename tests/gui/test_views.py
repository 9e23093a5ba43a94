"""The views of the result together: what they say, and how they follow results and corrections."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import Qt

from napari_lptem_diffusion.diffusion.estimate import Motion
from tests.analysis_factory import SHORT_PARTICLE, empty_analysis, make_analysis
from tests.gui.driving import in_front, take_keys


def test_the_longest_track_of_a_new_result_is_selected(views):
    assert views.selection.particle == 0
    assert views.results.words.startswith("Rod 0 · mixing ratio 0.9")
    assert "60 frames" in views.results.words
    views.selection.select(SHORT_PARTICLE)
    assert "too short" in views.results.words
    views.selection.select(None)
    assert "No rod is selected" in views.results.words


def test_words_give_way_from_the_end_and_keep_the_interval(views):
    views.selection.select(0)
    line = views.results._particle
    full = views.results.words
    widths = {
        text: line.fontMetrics().horizontalAdvance(text) for text in (full, full.rpartition(" · ")[0] + " · …", "Rod")
    }
    said = {}
    for text, width in widths.items():
        line.resize(width + 2 * line.fontMetrics().averageCharWidth(), line.height())
        said[text] = line.text()
    assert said[full] == full
    assert said[full.rpartition(" · ")[0] + " · …"] == full.rpartition(" · ")[0] + " · …"
    assert said["Rod"].endswith("…")
    assert all(part in line.toolTip() for part in full.split(" · "))


def test_keys_go_from_change_to_change(views, qtbot):
    analysis = make_analysis()
    particles = analysis.motion.particles.assign(change_points=["", "30;41", "", "", ""])
    views.result.show(None, replace(analysis, motion=replace(analysis.motion, particles=particles)))
    views.selection.select(1)
    take_keys(views, qtbot)
    frames = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        qtbot.keyClick(views.table, key, Qt.KeyboardModifier.AltModifier)
        frames.append(views.selection.frame)
    assert frames == [30, 41, 41, 30]
    assert {action.shortcut().toString() for action in views.results.actions_} >= {"Ctrl+F", "Alt+Right", "Return"}


def test_a_correction_keeps_what_is_still_there_selected(views):
    views.selection.select_many([0, 2])
    views.filter.show_text("mixing_ratio < 0.95")
    views.time.panels[0].setXRange(20, 40, padding=0)
    analysis = views.result.analysis
    motion = analysis.motion
    left = Motion(
        *(table[table["particle"] != 2] for table in (motion.frames, motion.particles, motion.msd)), motion.model_hash
    )
    views.result.set_history(
        replace(
            views.result.history, present=replace(analysis, tracks=analysis.tracks.query("particle != 2"), motion=left)
        )
    )
    assert views.time.panels[0].viewRange()[0] == pytest.approx([20, 40])  # what one looks at stays in view
    assert views.selection.particles == (0,)
    assert views.filter.count.text() == "3 of 4"
    assert 2 not in views.table.rods.particles


def test_a_rod_that_a_correction_made_may_be_selected_before_the_views_know_of_it(views):
    in_front(views, views.msd)
    views.selection.select_many([1, 77])
    assert "Rod 1" in views.results.words
    views.selection.select(77)
    assert "No rod" in views.results.words


def test_results_come_and_go(views):
    views.selection.select(3)
    views.filter.show_text("judged")
    views.result.forget(None)
    assert views.selection.particle is None
    assert views.selection.shown is None
    assert views.table.rods.rowCount() == 0
    for front in (views.time, views.steps, views.msd, views.scatter):
        in_front(views, front)
    views.result.show(None, empty_analysis())
    assert views.selection.particle is None
    views.result.show(None, make_analysis(seed=1))
    assert views.selection.particle == 0
    assert views.filter.count.text() == "4 of 5"
