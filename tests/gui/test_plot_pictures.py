"""The plots look as they did when somebody last looked at them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.gui.plot_pictures import BASELINES, NAMES, difference, draw

MOST_DIFFERENT = 0.004
"""Share of pixels: lines may be drawn a little otherwise elsewhere."""


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_looks_as_it_did(name, qapp, tmp_path):
    drawn = draw(name)
    Image.fromarray(drawn).save(tmp_path / f"{name}.png")
    baseline = np.asarray(Image.open(BASELINES / f"{name}.png").convert("RGB"))
    assert difference(drawn, baseline) < MOST_DIFFERENT, f"see {tmp_path}, and how to draw anew in plot_pictures.py"


@pytest.mark.parametrize("name", NAMES)
def test_other_rods_look_different(name, qapp):
    baseline = np.asarray(Image.open(BASELINES / f"{name}.png").convert("RGB"))
    assert difference(draw(name, rods=(2,)), baseline) > MOST_DIFFERENT
