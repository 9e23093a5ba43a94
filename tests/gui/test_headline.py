"""What is said of one rod: what is known, where its motion changes, and where the frames disagree with the whole."""

from __future__ import annotations

import re

import numpy as np
import pytest

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
    assert rod_parts(0, whole, nothing)[0][1] == "immobile", "which gives way last"
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


def test_changes_between_levels_of_which_nothing_is_known_are_only_counted() -> None:
    motion = make_analysis().motion
    nothing = motion.frames.assign(mixing_ratio_low=0.0, mixing_ratio_high=1.0)
    row = motion.particles.set_index("particle", drop=False).loc[SWITCHING_PARTICLE]
    parts, _ = rod_parts(SWITCHING_PARTICLE, row, nothing[nothing["particle"] == SWITCHING_PARTICLE])
    assert parts[1].startswith(f"change at frame {SWITCH_FRAME}")
    assert not any("→" in part for part in parts)
