"""The image of a rod, its derivatives, distances between rods, and what the fit says of its own errors."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.error_scale import measure_error_scales, pulls
from napari_lptem_diffusion.particles.finding.groups import axis_distance, touching_groups
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, fit_rods, rods_image
from napari_lptem_diffusion.particles.finding.priors import LENGTH, SIZE, WIDTH, Prior
from napari_lptem_diffusion.particles.finding.rod_loops import capsule_value, compiled
from napari_lptem_diffusion.particles.finding.windows import Windows
from napari_lptem_diffusion.particles.known_truth.rendering import capsule_coverage

WHITE = NoiseCorrelation(np.ones((1, 1)))
PRIOR = Prior(RodShape(15.0, 7.5, 1.5), 0.05, 0.05, 0.2)


@pytest.mark.parametrize(("blur", "allowed"), [(1.0, 0.006), (2.0, 0.01), (5.0, 0.026)])
@pytest.mark.parametrize("length", [15.0, 30.0])
def test_the_image_is_that_of_a_blurred_capsule(length, blur, allowed):
    side, fine = 75, 4
    sharp = capsule_coverage(
        (side * fine,) * 2, side * fine / 2 - 0.5, side * fine / 2 - 0.5, 0, length * fine, 15 * fine
    )
    blurred = ndimage.gaussian_filter(sharp, blur * fine).reshape(side, fine, side, fine).mean(axis=(1, 3))
    across, along = np.indices((side, side), dtype=np.float32) - side // 2
    shape = RodShape(length, 15, float(np.hypot(blur, 12**-0.5)))
    assert np.abs(capsule_value(along, across, shape) - blurred).max() < allowed


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(0, 3.2),
    length=st.floats(8, 24),
    elongation=st.floats(1.0, 4),
    blur=st.floats(0.5, 4),
    apart=st.floats(0, 8),
)
def test_derivatives_are_those_of_the_image(angle, length, elongation, blur, apart):
    size = np.log([length, length / (elongation + 0.05), blur])
    rods = np.array([[*(30.2, 29.7), angle, 5.0, 0.3, *size, *(30.2 + apart, 31.0), angle + 1, 3.0, 0.0, *size]])
    windows = Windows(np.zeros((60, 60), dtype=np.float32), rods, 24, np.array([0.05]))
    _, jacobian = windows.linearise(windows.data, rods)
    for column in range(rods.shape[1]):
        step = np.zeros_like(rods)
        step[0, column] = 4e-3
        ahead, behind = (windows.linearise(windows.data, rods + sign * step)[0] for sign in (1, -1))
        numeric = (behind - ahead) / 8e-3
        scale = max(np.abs(numeric).max(), 1.0)
        assert np.abs(numeric - jacobian[:, column]).max() < 0.02 * scale


rods = st.tuples(st.floats(0, 40), st.floats(0, 40), st.floats(0, 3.2), st.floats(2, 3.6), st.floats(0.7, 1.9)).map(
    lambda rod: np.array([[rod[0], rod[1], rod[2], 1, 0, rod[3], rod[4], 0.5]])
)


@settings(max_examples=50, deadline=None)
@given(rods, rods)
def test_the_distance_of_two_axes_is_that_of_their_nearest_points(one, other):
    def points(rod):
        half = max(np.exp(rod[0, LENGTH]) - np.exp(rod[0, WIDTH]), 0) / 2 * np.linspace(-1, 1, 801)
        return rod[0, :2] + half[:, None] * np.array([np.cos(rod[0, 2]), np.sin(rod[0, 2])])

    nearest = np.hypot(*(points(one)[:, None] - points(other)[None]).transpose(2, 0, 1)).min()
    assert axis_distance(one, other)[0] == pytest.approx(nearest, abs=0.05)


@given(st.lists(rods, max_size=12).map(lambda some: np.concatenate([np.empty((0, 8)), *some])))
@settings(max_examples=40, deadline=None)
def test_every_rod_is_in_one_group_and_groups_stay_small(some):
    groups = touching_groups(some, most=3)
    assert sorted(row for group in groups for row in group) == list(range(len(some)))
    assert all(1 <= len(group) <= 3 for group in groups)


def simulated(snr, seed):
    """Fits of many rods at about the given signal to noise, started near the truth, and the truth."""
    rng = np.random.default_rng(seed)
    places = np.arange(24, 430, 40.0)
    truth = np.tile(PRIOR.centre(), (len(places) ** 2, 1))
    truth[:, :2] = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2) + rng.uniform(-2, 2, (len(truth), 2))
    truth[:, 2] = rng.uniform(0, np.pi, len(truth))
    truth[:, SIZE] += rng.standard_normal((len(truth), 3)) * [0.05, 0.05, 0.2]
    truth[:, 3] = snr / np.sqrt((rods_image((64, 64), np.array([[32, 32, 0, 1, 0, *truth[0, SIZE]]]), 20) ** 2).sum())
    image = rods_image((450, 450), truth, 20) + rng.standard_normal((450, 450)).astype(np.float32)
    start = truth + rng.standard_normal(truth.shape) * [0.4, 0.4, 0.1, 0.1, 0, 0, 0, 0]
    return fit_rods(image, start, PRIOR.of_rods(len(truth)), WHITE, np.zeros(len(truth)), PRIOR.shape), truth


def test_bright_rods_are_as_far_off_as_stated():
    fit, truth = simulated(40, 1)
    assert np.sqrt((pulls(fit, truth) ** 2).mean(axis=1)) == pytest.approx(1, abs=0.15)


def test_what_the_curvature_leaves_out_for_faint_rods_is_learnt():
    def find(image):
        places = (np.arange(7) + 0.5) * image.shape[0] / 7
        start = np.tile(PRIOR.centre(), (49, 1))
        start[:, :2] = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
        start[:, 3] = 1
        fits = []
        for angle in (0.0, 0.8, 1.6, 2.4):
            start[:, 2] = angle
            fits.append(fit_rods(image, start, PRIOR.of_rods(49), WHITE, np.zeros(49), PRIOR.shape))
        best = np.argmax([fit.snr for fit in fits], axis=0)
        chosen = ("parameters", "covariance", "snr", "visible")
        return Fit(*(np.stack([getattr(fit, name) for fit in fits])[best, np.arange(49)] for name in chosen))

    def refit(image, start, priors):
        return fit_rods(image, start, priors, WHITE, np.zeros(len(start)), PRIOR.shape)

    scale, known = measure_error_scales(find, refit, PRIOR, WHITE, 5.0, lambda: None)
    assert (np.array(astuple(known)) < astuple(scale)).all()
    fit, truth = simulated(8, 2)
    curvature = np.sqrt((pulls(fit, truth) ** 2).mean(axis=1))
    corrected = np.sqrt((np.clip(pulls(fit, truth) / scale.factors(fit.snr), -4, 4) ** 2).mean(axis=1))
    assert curvature[0] > 1.1
    assert corrected == pytest.approx(1, abs=0.2)


def test_loops_are_compiled_where_there_is_no_folder_to_keep_them(monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])

    def twice(x):
        return 2 * x

    assert compiled(twice)(21) == 42
