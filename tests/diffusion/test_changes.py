"""Where the motion changes, how likely that is, and between which mixing ratios."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.diffusion.changes import change_frames, change_probability, levels
from napari_lptem_diffusion.diffusion.estimate import find_change_points


def test_change_points_are_read() -> None:
    assert change_frames("30;41") == [30, 41]
    assert change_frames("") == []


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
    nothing = frames.assign(mixing_ratio_low=0.0, mixing_ratio_high=1.0)
    assert levels(nothing, particles).tolist() == ["", "2", "1"]
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
