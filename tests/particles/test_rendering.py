from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.particles import Imaging, render_movie
from napari_lptem_diffusion.particles.known_truth.rendering import capsule_coverage, transmission

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


def film(frames=6, shape=(96, 96), seed=0, **changes):
    """Render an empty scene with a bright, even beam; grey values are about 1e4."""
    imaging = replace(QUIET, illumination_drop=0, bits=32, **changes)
    return render_movie(pd.DataFrame([pose(x=-1e3)]), frames, shape, imaging, np.random.default_rng(seed)), imaging


def test_texture_is_static_and_as_strong_as_it_says():
    movie, imaging = film(texture=0.05, texture_px=3.0)
    share = movie / (imaging.grey_per_electron * imaging.illumination((96, 96)))
    assert share[0].std() == pytest.approx(0.05, rel=0.25)
    assert np.corrcoef(share[0].ravel(), share[5].ravel())[0, 1] > 0.99
    assert np.corrcoef(share[0, :, :-1].ravel(), share[0, :, 1:].ravel())[0, 1] > 0.9


def test_film_drifts_by_whole_and_parts_of_pixels():
    movie, imaging = film(texture=0.05, drift_px=(2.0, -1.5))
    share = movie / imaging.illumination((96, 96))
    moved = share[2, :93, 4:]  # two frames later: 4 px to the right, 3 px up
    assert np.corrcoef(share[0, 3:, :-4].ravel(), moved.ravel())[0, 1] > 0.99


def test_dirt_is_dark_and_not_larger_than_said():
    movie, _ = film(dirt_blobs=3, dirt_px=24.0)
    plain, _ = film()
    dark = movie[0] < 0.9 * plain.mean()
    assert 50 < dark.sum() < 3 * np.pi * 14**2


def test_stuck_pixels_never_change():
    imaging = replace(Imaging(), hot_share=0.02)
    movie = render_movie(pd.DataFrame([pose(x=-1e3)]), 8, (96, 96), imaging, np.random.default_rng(0))
    assert (np.ptp(movie, axis=0) == 0).mean() == pytest.approx(0.02, abs=0.01)


def test_corners_are_darker_with_vignetting():
    even, dark = (replace(Imaging(), vignetting=share).illumination((64, 64)) for share in (0.0, 0.6))
    assert dark[0, 0] / dark[32, 32] == pytest.approx(0.4 * even[0, 0] / even[32, 32], rel=0.01)
    assert dark.mean() == pytest.approx(even.mean())


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16), (32, np.float32)])
def test_depth_of_the_pixels(bits, dtype):
    imaging = replace(Imaging(), bits=bits, grey_per_electron=600.0)
    movie = render_movie(pd.DataFrame([pose()]), 1, (41, 41), imaging, np.random.default_rng(0))
    assert movie.dtype == dtype
    assert movie.max() == 2**bits - 1 if bits < 16 else movie.max() > 2**12


def test_jpeg_changes_little_and_leaves_the_noise_as_it_was():
    plain, coded = (
        render_movie(pd.DataFrame([pose()]), 2, (64, 64), imaging, np.random.default_rng(0)).astype(float)
        for imaging in (Imaging(), Imaging(jpeg_quality=90))
    )
    assert 0 < np.abs(coded - plain).mean() < 5


def test_nothing_arrives_outside_a_round_aperture():
    light = replace(Imaging(), aperture=0.5).illumination((80, 80))
    assert light[40, 40] == pytest.approx(Imaging().illumination((80, 80))[40, 40])
    assert light[:8].max() < 0.01 * light.max()


def test_dirt_is_as_dark_as_it_says():
    movie, imaging = film(dirt_blobs=3, dirt_px=60.0, dirt_contrast=0.6)
    share = movie[0] / (imaging.grey_per_electron * imaging.illumination((96, 96)))
    assert share.min() < 0.45
