"""What is said of one rod: what is known, where its motion changes, and where the frames disagree with the whole."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.diffusion.estimate import find_change_points
from napari_lptem_diffusion.gui.views.changes import change_probability, levels
from napari_lptem_diffusion.gui.views.headline import rod_parts
from tests.analysis_factory import SHORT_PARTICLE, SWITCH_FRAME, SWITCHING_PARTICLE, make_analysis


def said_of(particle: int, **whole: object) -> tuple[str, str]:
    motion = make_analysis().motion
    row = motion.particles.set_index("particle", drop=False).loc[particle].copy()
    for name, value in whole.items():
        row[name] = value
    parts, explained = rod_parts(particle, row, motion.frames[motion.frames["particle"] == particle])
    return " · ".join(parts), explained


def test_the_interval_stands_beside_the_value() -> None:
    said, explained = said_of(0)
    assert re.search(r"mixing ratio 0\.\d\d \(0\.\d\d–\d\.\d\d\)", said)
    assert "?" not in said
    assert explained == ""


def test_what_is_not_known_is_said_to_be_so() -> None:
    said, explained = said_of(0, mixing_ratio=0.9, mixing_ratio_low=0.0, mixing_ratio_high=1.0)
    assert "0.90 ? (0.00–1.00) · not known" in said
    assert "wider than 0.7" in explained
    assert "too short" in said_of(SHORT_PARTICLE)[0]


def test_a_stuck_rod_is_not_said_to_be_at_rest() -> None:
    whole = make_analysis().motion.particles.iloc[0].copy()
    whole["mixing_ratio"], whole["immobile"] = np.nan, True
    nothing = make_analysis().motion.frames[:0]
    assert "does not move" in rod_parts(0, whole, nothing)[0][2]
    said = rod_parts(0, whole, nothing, is_stuck=True)[0][2]
    assert "does not move" not in said
    assert "was taken off all rods" in said


@pytest.mark.parametrize(
    ("whole", "disagrees"), [((0.36, 0.0, 0.77), True), ((0.6, 0.5, 0.7), True), ((0.9, 0.8, 1.0), False)]
)
def test_frames_that_disagree_with_the_whole_are_named(whole: tuple[float, float, float], disagrees: bool) -> None:
    said, explained = said_of(
        0, **dict(zip(("mixing_ratio", "mixing_ratio_low", "mixing_ratio_high"), whole, strict=True))
    )
    assert ("single frames say 0.93" in said) == disagrees
    assert ("disagree" in explained) == disagrees


def test_a_rod_that_changes_is_told_by_its_levels_and_how_likely_the_change_is() -> None:
    said, explained = said_of(SWITCHING_PARTICLE)
    assert re.search(rf"mixing ratio 0\.8\d → 0\.\d\d · change at frame {SWITCH_FRAME} \(\d+%\) · whole track", said)
    assert "average" in explained


def test_levels_are_medians_between_changes_and_unknown_ones_are_question_marks() -> None:
    frames = pd.concat(
        [
            pd.DataFrame({"particle": rod, "frame": np.arange(30), "mixing_ratio": np.repeat(values, 10)})
            for rod, values in ((0, [0.9, 0.1, 0.5]), (1, [0.2, 0.2, 0.7]), (2, [0.3, 0.3, 0.3]))
        ]
    )
    unsure = (frames["particle"] == 1) & (frames["frame"] < 20)
    frames["mixing_ratio_low"] = np.where(unsure, 0.0, frames["mixing_ratio"] - 0.1)
    frames["mixing_ratio_high"] = np.where(unsure, 0.9, frames["mixing_ratio"] + 0.1)
    particles = pd.DataFrame({"particle": [2, 0, 1], "change_points": ["", "10;20", "20"]}, index=[7, 8, 9])
    assert levels(frames, particles).to_dict() == {7: "", 8: "0.90 → 0.10 → 0.50", 9: "? → 0.70"}
    many = particles.assign(change_points=["3;9;15", "", ""])
    assert levels(frames, many).tolist() == ["3", "", ""]


@pytest.mark.parametrize("seed", range(8))
def test_a_change_that_was_called_is_more_likely_than_not(seed: int) -> None:
    """By the rule that calls it, whatever is unseen around it."""
    rng = np.random.default_rng(seed)
    frames = np.arange(300)
    probability = np.clip(rng.normal(0, 0.05, 300), 0, 1)
    for place in (40, 90, 160, 230):
        probability += rng.uniform(0.2, 0.6) * np.exp(-(((frames - place) / rng.uniform(1, 3)) ** 2))
    motion = pd.DataFrame({"frame": frames, "change_probability": np.minimum(probability, 1)})
    changes = find_change_points(motion["change_probability"].to_numpy()[:-1])
    assert changes
    holes = motion[(motion["frame"] % 7 != 3) | motion["frame"].isin(changes)]
    for change in changes:
        assert 0.5 <= change_probability(motion, change) <= 1
        assert change_probability(holes, change) == pytest.approx(change_probability(motion, change), abs=0.25)


def test_a_certain_change_is_told_as_certain() -> None:
    motion = pd.DataFrame(
        {"frame": np.arange(40), "change_probability": np.where(abs(np.arange(40) - 20) <= 1, 0.98, 0)}
    )
    assert change_probability(motion, 20) == pytest.approx(0.98)
