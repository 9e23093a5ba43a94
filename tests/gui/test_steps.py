"""The titles of the steps and the sentence after a run say of how many rods something is known, as Compare counts."""

from dataclasses import replace

import numpy as np

from napari_lptem_diffusion.compare import compare
from napari_lptem_diffusion.diffusion.known import TOO_WIDE
from napari_lptem_diffusion.gui.steps import in_words
from napari_lptem_diffusion.session import save_session
from tests.analysis_factory import make_analysis


def with_particles(analysis, **columns):
    particles = analysis.motion.particles.assign(**columns)
    return replace(analysis, motion=replace(analysis.motion, particles=particles))


def test_the_window_and_a_comparison_count_the_same(shown, tmp_path):
    # The last one is too short to be judged.
    low, high = np.array([0.1, 0.0, 0.2, 0.1, np.nan]), np.array([0.3, 0.9, 0.4, 0.5, np.nan])
    analysis = with_particles(
        make_analysis(), mixing_ratio_low=low, mixing_ratio_high=high, model_mismatch=[0.1, 0.1, 0.1, 0.9, 0.0]
    )
    said = f"2 known, 1 not known ({TOO_WIDE}), 1 not judged, 1 no mixture"
    assert in_words(analysis) == f"5 rods in 60 frames; mixing ratio: {said}."
    shown.show_analysis(shown.movie_panel.image, analysis)
    assert shown.steps.motion_section.state == "2 of 5 known"
    assert said in shown.steps.motion_section._state.toolTip()

    path = save_session(analysis, tmp_path / "rods.lptem")
    row = compare({path: "5"}, quantities=("mixing_ratio",), replicates=50).table.iloc[0]
    assert (row["n_particles"], row["n_unknown"]) == (2, 1)


def test_where_all_is_known_nothing_more_is_said():
    analysis = make_analysis()
    fine = with_particles(
        analysis, mixing_ratio=0.5, mixing_ratio_low=0.4, mixing_ratio_high=0.6, model_mismatch=0.1,
        alpha_fbm=1.0, alpha_ctrw=0.5, immobile=False,
    )  # fmt: skip
    assert in_words(fine) == "5 rods in 60 frames."
