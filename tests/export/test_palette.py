import numpy as np
import pytest

from napari_lptem_diffusion.export.palette import MIXING_RATIO, NO_VALUE_RGB, PALEST, SCALES, greyed, oklab

# Viénot, Brettel & Mollon (1999): what dichromats see, in linear sRGB.
DICHROMATS = {
    "protanope": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranope": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}
EACH_SCALE = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def as_seen_by(dichromat, rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.array(DICHROMATS[dichromat]).T
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def distance(rgb_a, rgb_b):
    return np.linalg.norm(oklab(rgb_a) - oklab(rgb_b), axis=-1)


def test_oklab_of_white_black_and_red_is_as_published():
    expected = [[1, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585]]
    np.testing.assert_allclose(oklab([[1, 1, 1], [0, 0, 0], [1, 0, 0]]), expected, atol=1e-4)


@EACH_SCALE
def test_equal_steps_look_equal(scale):
    colours = scale.rgb(np.linspace(scale.low, scale.high, 21))
    steps = distance(colours[1:], colours[:-1])
    assert steps.max() < 1.4 * steps.min()


@EACH_SCALE
def test_every_colour_is_lighter_than_the_grey_of_a_bright_field(scale):
    assert oklab(scale.table())[:, 0].min() > oklab([0.43] * 3)[0] + 0.1


@EACH_SCALE
@pytest.mark.parametrize("dichromat", DICHROMATS)
def test_ends_and_middle_stay_apart_for_the_colour_blind(scale, dichromat):
    low, middle, high = as_seen_by(dichromat, scale.table(3))
    assert min(distance(low, middle), distance(middle, high), distance(low, high)) > 0.1


def test_mixing_ratio_diverges_from_its_middle():
    lightness = oklab(MIXING_RATIO.table(101))[:, 0]
    assert lightness.argmax() == 50
    assert (np.diff(lightness[:51]) > 0).all()
    assert (np.diff(lightness[50:]) < 0).all()


@EACH_SCALE
def test_limits_are_fixed_and_values_beyond_take_the_end(scale):
    beyond = scale.rgb([scale.low - 1, scale.low, scale.high, scale.high + 1])
    np.testing.assert_array_equal(beyond, scale.table()[[0, 0, -1, -1]])


def test_no_value_has_its_own_colour():
    np.testing.assert_array_equal(MIXING_RATIO.rgb([np.nan]), [NO_VALUE_RGB])
    assert distance(NO_VALUE_RGB, MIXING_RATIO.table()).min() > 0.05


@EACH_SCALE
def test_opacity_falls_with_the_width_of_the_interval(scale):
    low = np.full(11, scale.low)
    opacity = scale.opacity(low, np.linspace(scale.low, scale.high, 11))
    assert opacity[0] == 1
    assert opacity[-1] == pytest.approx(PALEST)
    assert (np.diff(opacity) <= 0).all()


@EACH_SCALE
def test_colours_turn_to_the_grey_of_no_value_in_even_steps(scale):
    certainty = np.linspace(1, 0, 11)
    for colour in scale.table(5):
        way = greyed(np.tile(colour, (11, 1)), certainty)
        np.testing.assert_allclose(way[[0, -1]], [colour, NO_VALUE_RGB], atol=1e-5)
        steps = distance(way[1:], way[:-1])
        assert steps.max() < 1.2 * steps.min()


def test_an_uncertain_value_does_not_look_like_the_middle_of_the_scale():
    low, high = np.array([0.3, 0.0]), np.array([0.7, 1.0])
    for mixing_ratio in (0.05, 0.95):
        shown = greyed(MIXING_RATIO.rgb([mixing_ratio] * 2), MIXING_RATIO.certainty(low, high))
        assert distance(shown, MIXING_RATIO.rgb(0.5)).min() > 0.1


def test_a_table_handed_out_can_be_changed_without_harm():
    MIXING_RATIO.table()[:] = 0
    assert MIXING_RATIO.table().min() > 0
