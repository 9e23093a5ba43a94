"""What the views are told when the selection changes."""

from __future__ import annotations

from typing import Any

import pytest

from napari_lptem_diffusion.gui.selection import Selection


@pytest.fixture
def selection(qapp: Any) -> Selection:
    return Selection()


@pytest.fixture
def said(selection: Selection) -> list[tuple[str, Any]]:
    """What the selection has said, in order."""
    said: list[tuple[str, Any]] = []
    selection.particle_changed.connect(lambda particle: said.append(("particle", particle)))
    selection.particles_changed.connect(lambda particles: said.append(("particles", particles)))
    selection.frame_changed.connect(lambda frame: said.append(("frame", frame)))
    selection.shown_changed.connect(lambda shown: said.append(("shown", shown)))
    selection.centre_wanted.connect(lambda: said.append(("centre", selection.particle)))
    return said


def test_selecting_tells_the_main_particle_and_all(selection: Selection, said: list[tuple[str, Any]]) -> None:
    selection.select(3)
    selection.select(3)
    assert said == [("particle", 3), ("particles", (3,))]


def test_toggling_adds_a_main_particle_and_takes_it_away_again(
    selection: Selection, said: list[tuple[str, Any]]
) -> None:
    selection.select(3)
    selection.toggle(5)
    assert (selection.particle, selection.particles) == (5, (3, 5))
    selection.toggle(3)
    assert selection.particles == (5,)
    selection.toggle(5)
    assert selection.particle is None
    assert [value for name, value in said if name == "particle"] == [3, 5, None]


def test_another_selection_with_the_same_main_particle_is_told_once(
    selection: Selection, said: list[tuple[str, Any]]
) -> None:
    selection.select(5)
    said.clear()
    selection.select_many([3, 3, 5])
    assert said == [("particles", (3, 5))]


def test_frame_filter_and_centre(selection: Selection, said: list[tuple[str, Any]]) -> None:
    selection.centre()
    selection.show_frame(4)
    selection.show_only(frozenset({1, 2}))
    selection.show_only(frozenset({1, 2}))
    selection.select(2)
    selection.centre()
    assert said == [
        ("frame", 4),
        ("shown", frozenset({1, 2})),
        ("particle", 2),
        ("particles", (2,)),
        ("centre", 2),
    ]
