"""The contrast of single rods, learnt although some of what looks like one rod is two."""

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion.particles import calibrate, render_movie
from napari_lptem_diffusion.particles.finding.usual_contrast import ANY_CONTRAST, UsualContrast
from napari_lptem_diffusion.settings import DetectionSettings
from tests.particles.scenes import HARD, scattered_rods
from tests.particles.test_touching import beside

TOUCHING = [(34.0, 0.0, 0.0), (0.0, 18.0, 4.0), (14.0, 6.0, 55.0), (8.0, 2.0, 80.0)]
"""Shift along and across the first rod (px) and turn (degrees) of the second one; rods are 30 by 15 px."""


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


@pytest.mark.parametrize("seed", [4, 7])
def test_where_every_rod_touches_another_the_contrast_of_one_is_learnt(seed):
    rng = np.random.default_rng(seed)
    one = scattered_rods(rng, 6, (512, 512), spacing=84)
    other = pd.concat([beside(one[one["particle"] % 4 == kind], *how) for kind, how in enumerate(TOUCHING)])
    poses = pd.concat([one, other.assign(particle=other["particle"] + 1000)], ignore_index=True)
    poses = poses.assign(blur_px=np.where(poses["particle"] // 4 % 2, 2.0, 5.0), contrast=0.25)
    movie = render_movie(poses, 6, (512, 512), HARD, rng)
    assert calibrate(movie, DetectionSettings()).contrast.typical == pytest.approx(0.25, rel=0.2)
