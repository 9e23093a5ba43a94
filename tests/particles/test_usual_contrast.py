"""The contrast of single rods, learnt although some of what looks like one rod is two."""

import numpy as np
import pytest

from napari_lptem_diffusion.particles.finding.usual_contrast import ANY_CONTRAST, UsualContrast


@pytest.mark.parametrize("share_of_pairs", [0.0, 0.3])
def test_rods_that_hide_another_change_little_what_is_usual(share_of_pairs):
    rng = np.random.default_rng(1)
    single = 0.2 * np.exp(rng.normal(0, 0.25, (2, 600)))
    pairs = rng.random(600) < share_of_pairs
    usual = UsualContrast.of(np.where(pairs, single.sum(axis=0), single[0]))
    assert usual.typical == pytest.approx(0.2, rel=0.12)
    assert usual.spread == pytest.approx(0.25, abs=0.15)


def test_alike_rods_are_still_allowed_to_differ():
    assert UsualContrast.of(np.full(50, 0.3)) == UsualContrast(pytest.approx(0.3), 0.2)


def test_few_rods_tell_nothing():
    assert UsualContrast.of(np.full(5, 0.3)) == ANY_CONTRAST
    assert UsualContrast.of(np.full(50, -0.3)) == ANY_CONTRAST
