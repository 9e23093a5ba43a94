import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from napari_lptem_diffusion.particles import label_image, rod_outlines


def rods(**columns):
    return pd.DataFrame({name: np.atleast_1d(np.asarray(value, dtype=float)) for name, value in columns.items()})


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(40, 60),
    y=st.floats(40, 60),
    angle=st.floats(0, 179.9),
    length=st.floats(16, 60),
    share=st.floats(0.4, 0.8),
)
def test_mask_agrees_with_the_pose(x, y, angle, length, share):
    width = length * share
    image = label_image(rods(x=x, y=y, angle_deg=angle, length=length, width=width), (101, 101), [7])
    (region,) = regionprops(image)
    assert region.label == 7
    assert region.area == pytest.approx(np.pi * width**2 / 4 + (length - width) * width, rel=0.15)
    assert region.centroid == pytest.approx((y, x), abs=0.5)
    if share < 0.6 and width > 8:
        measured = 90 - np.degrees(region.orientation)
        assert abs((measured - angle + 90) % 180 - 90) < 6


def test_rods_outside_and_across_the_border_are_cut():
    table = rods(x=[-50, 0, 30], y=[10, 10, 10], angle_deg=[0, 0, 90], length=[20] * 3, width=[8] * 3)
    image = label_image(table, (21, 40), [1, 2, 3])
    assert set(np.unique(image)) == {0, 2, 3}
    assert image[10, 0] == 2
    assert image[10, 30] == 3


def test_no_rods_give_an_empty_image_of_the_right_kind():
    empty = rods(x=[], y=[], angle_deg=[], length=[], width=[])
    image = label_image(empty, (5, 6), [])
    assert image.shape == (5, 6)
    assert image.dtype == np.int32
    assert not image.any()


def test_outline_touches_tips_and_sides():
    (outline,) = rod_outlines(rods(x=10, y=20, angle_deg=90, length=30, width=10))
    assert outline.min(axis=0) == pytest.approx([5, 5], abs=0.1)
    assert outline.max(axis=0) == pytest.approx([35, 15], abs=0.1)
