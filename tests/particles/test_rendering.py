import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.particles import Imaging, render_movie
from napari_lptem_diffusion.particles.rendering import capsule_coverage, transmission

QUIET = Imaging(
    electrons_per_px=1e6, contrast=0.5, flicker=0, row_noise=0, grey_per_electron=0.01, grey_offset=0, bits=16
)


def pose(**changes):
    return {"particle": 0, "frame": 0, "x": 20.0, "y": 20.0, "angle_deg": 0.0, "length": 16.0, "width": 8.0} | changes


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(18, 22),
    y=st.floats(18, 22),
    angle=st.floats(0, 180),
    length=st.floats(8, 30),
    share=st.floats(0.5, 1),
)
def test_coverage_has_the_area_and_centre_of_a_capsule(x, y, angle, length, share):
    width = length * share
    coverage = capsule_coverage((41, 41), x, y, angle, length, width)
    rows, columns = np.indices(coverage.shape)
    area = np.pi * width**2 / 4 + (length - width) * width
    assert coverage.sum() == pytest.approx(area, rel=0.01)
    assert (coverage * columns).sum() / coverage.sum() == pytest.approx(x, abs=0.06)
    assert (coverage * rows).sum() / coverage.sum() == pytest.approx(y, abs=0.06)


def test_angle_runs_from_x_towards_y_downwards():
    coverage = capsule_coverage((41, 41), 20, 20, 45, 20, 6)
    assert coverage[26, 26] > 0.9
    assert coverage[14, 26] < 0.1


def test_moments_of_one_exposure_are_averaged():
    moments = pd.DataFrame([pose(x=15.0), pose(x=25.0)])
    apart = [transmission(pd.DataFrame([moment]), (41, 41), QUIET) for moment in moments.to_dict("records")]
    assert np.allclose(transmission(moments, (41, 41), QUIET), np.mean(apart, axis=0))


def test_noise_is_that_of_counted_electrons():
    imaging = Imaging(flicker=0, row_noise=0, illumination_drop=0, detector_blur_px=0, bits=16, grey_offset=1000)
    movie = render_movie(pd.DataFrame([pose(x=-1e3)]), 20, (64, 64), imaging, np.random.default_rng(0))
    electrons = (movie.astype(float) - imaging.grey_offset) / imaging.grey_per_electron
    expected = imaging.illumination((64, 64))
    assert electrons.mean() == pytest.approx(imaging.electrons_per_px, rel=0.01)
    assert ((electrons - expected) ** 2 / expected).mean() == pytest.approx(1, rel=0.02)


def test_movie_is_a_pure_function_of_the_generator():
    poses = pd.DataFrame([pose(), pose(frame=1, x=38.0)])
    one, two = (render_movie(poses, 3, (41, 41), Imaging(), np.random.default_rng(5)) for _ in range(2))
    assert one.shape == (3, 41, 41)
    assert one.dtype == np.uint8
    assert np.array_equal(one, two)
