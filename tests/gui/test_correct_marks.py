"""Particles marked as stuck or as dirt, and the list of what was corrected."""

import numpy as np
import pytest

from napari_lptem_diffusion.gui.corrections_said import Said, of_drift
from tests.gui.correct_desk import desk_on_screen


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    desk = desk_on_screen(make_napari_viewer, qtbot)
    yield desk
    desk.canvas.disconnect()


def test_marks_and_other_corrections_are_taken_back(desk):
    desk.click_rod(0)
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]
    assert desk.panel.action("stuck").text() == "Not stuck"
    desk.panel.action("split").trigger()
    desk.selection.select(0)
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked.empty
    assert [correction.do for correction in desk.analysis.corrections] == ["split track"]
    desk.panel.action("undo").trigger()
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]

    desk.click_rod(2)
    desk.panel.action("dirt").trigger()
    desk.click_rod(1)
    desk.panel.action("split").trigger()
    desk.go_to(10)
    oldest = desk.panel.made.list.item(1)
    desk.panel.made.list.setCurrentItem(oldest)
    desk.panel.made.list.itemClicked.emit(oldest)
    assert desk.selection.frame == 45
    desk.panel.made.take_back_button.click()
    assert desk.particles() == {0, 1, 2, 3, 4, 5, 6}
    assert desk.analysis.marked["mark"].tolist() == ["stuck"]


def test_the_list_names_rods_by_the_numbers_that_they_had(desk):
    desk.click_rod(1)
    desk.panel.action("split").trigger()
    desk.selection.select_many((1, 5))
    desk.panel.action("join").trigger()
    desk.click_rod(2)
    desk.panel.action("delete_rod").trigger()
    said = ["Deleted rod 2 in frame 45", "Joined rod 1 and rod 5 · frame 45", "Split rod 1 at frame 45 → 5"]

    def listed():
        return [desk.panel.made.list.item(row).text().split(". ", 1)[1] for row in range(desk.panel.made.list.count())]

    assert listed() == said
    desk.panel.action("undo").trigger()
    assert listed() == said[1:]
    desk.panel.action("redo").trigger()
    assert listed() == said
    assert Said().of(desk.analysis) == tuple(said[::-1])  # as when a session is opened


def test_of_a_rod_marked_as_stuck_it_is_said_how_much_it_moves_with_undo_beside_it(desk):
    particle = desk.analysis.tracks["particle"].iloc[0]
    track = desk.analysis.tracks.query("particle == @particle")
    steps = track[["x", "y"]].diff()[track["frame"].diff() == 1]
    times = np.sqrt((steps**2).to_numpy().mean() / 2) / track["localization_error"].median()
    desk.selection.select(particle)
    desk.panel.action("stuck").trigger()
    said, moves = of_drift(desk.analysis, particle)
    assert f"moved {times:.1f} times its localization error" in said
    assert " nm was taken off all rods" in said
    assert moves == (times > 1.5)
    assert moves
    before = desk.analysis.marked
    assert len(before) == 1
    assert "Undo, unless" in said
    outcome = desk.outcomes[-1]
    assert outcome.text == said, "the whole of it, nowhere else in other words"
    outcome.action.trigger()
    assert desk.analysis.marked.empty


def test_several_rods_are_marked_and_set_free_in_one_step(desk):
    desk.selection.select_many((0, 1))
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked["particle"].tolist() == [0, 1]
    assert len(desk.result.history.past) == 1
    desk.selection.select_many((0, 2))
    assert desk.panel.action("stuck").text() == "Stuck"
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked["particle"].tolist() == [0, 1, 2]
    desk.selection.select_many((1, 2))
    assert desk.panel.action("stuck").text() == "Not stuck"
    desk.panel.action("stuck").trigger()
    assert desk.analysis.marked["particle"].tolist() == [0]
    desk.panel.action("undo").trigger()
    assert desk.analysis.marked["particle"].tolist() == [0, 1, 2]

    desk.selection.select_many((3, 4))
    desk.panel.action("dirt").trigger()
    assert desk.particles() == {0, 1, 2}
    desk.panel.action("undo").trigger()
    assert desk.particles() == {0, 1, 2, 3, 4}
