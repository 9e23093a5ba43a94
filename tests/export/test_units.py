import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_lptem_diffusion.export.units import k_unit, time_axis, with_units
from napari_lptem_diffusion.movie import Calibration

PIXEL_SIZES_NM = st.floats(0.01, 1e3)
INTERVALS_S = st.floats(1e-4, 1e2)
ALPHAS = st.floats(0.05, 1.95)


@given(
    pixel_size_nm=PIXEL_SIZES_NM,
    frame_interval_s=INTERVALS_S,
    alpha=ALPHAS,
    k=st.floats(1e-6, 1e3),
    lag=st.integers(1, 500),
)
def test_converted_k_lag_and_msd_obey_the_same_law(pixel_size_nm, frame_interval_s, alpha, k, lag):
    calibration = Calibration(pixel_size_nm, frame_interval_s)
    particles = with_units(pd.DataFrame({"alpha_fbm": [alpha], "k_fbm": [k]}), calibration)
    curve = with_units(pd.DataFrame({"lag": [lag], "msd": [4 * k * lag**alpha]}), calibration)
    predicted_um2 = 4 * particles["k_fbm_um2_per_s_alpha"] * curve["lag_s"] ** alpha
    np.testing.assert_allclose(predicted_um2, curve["msd_um2"], rtol=1e-9)


@given(
    pixel_size_nm=PIXEL_SIZES_NM,
    frame_interval_s=INTERVALS_S,
    alpha=st.floats(0.05, 1),
    k=st.floats(1e-6, 1e3),
    lag=st.integers(1, 500),
)
def test_k_of_the_ctrw_part_obeys_the_linear_law_of_its_time_average(pixel_size_nm, frame_interval_s, alpha, k, lag):
    calibration = Calibration(pixel_size_nm, frame_interval_s)
    particles = with_units(pd.DataFrame({"alpha_ctrw": [alpha], "k_ctrw": [k]}), calibration)
    curve = with_units(pd.DataFrame({"lag": [lag], "msd": [4 * k * lag]}), calibration)
    np.testing.assert_allclose(4 * particles["k_ctrw_um2_per_s"] * curve["lag_s"], curve["msd_um2"], rtol=1e-9)


@given(k=st.floats(1e-6, 1e3), alpha=ALPHAS, pixel_size_nm=PIXEL_SIZES_NM, interval_s=INTERVALS_S)
def test_physical_k_leads_back_to_pixels_and_frames(k, alpha, pixel_size_nm, interval_s):
    table = pd.DataFrame({"alpha_fbm": [alpha], "alpha_ctrw": [alpha], "k_fbm": [k], "k_ctrw": [k]})
    row = with_units(table, Calibration(pixel_size_nm, interval_s)).iloc[0]
    in_px2 = (pixel_size_nm / 1000) ** -2
    assert row["k_fbm_um2_per_s_alpha"] * in_px2 * interval_s**alpha == pytest.approx(k)
    assert row["k_ctrw_um2_per_s"] * in_px2 * interval_s == pytest.approx(k)


def test_k_fbm_converts_with_the_exponent_of_its_own_particle_and_k_ctrw_with_none():
    table = pd.DataFrame({"alpha_fbm": [1.0, 2.0], "alpha_ctrw": [0.5, 1.0], "k_fbm": [1.0, 1.0], "k_ctrw": [1.0, 1.0]})
    converted = with_units(table, Calibration(1000.0, 0.25))
    assert converted["k_fbm_um2_per_s_alpha"].tolist() == [4.0, 16.0]
    assert converted["k_ctrw_um2_per_s"].tolist() == [4.0, 4.0]


@given(low=st.floats(0.1, 1), high=st.floats(1, 10), alpha=ALPHAS, pixel_size_nm=PIXEL_SIZES_NM, interval_s=INTERVALS_S)
def test_ends_of_the_k_interval_keep_their_order_around_k(low, high, alpha, pixel_size_nm, interval_s):
    ks = {f"k_{part}{end}": [k] for part in ("fbm", "ctrw") for end, k in (("", 1.0), ("_low", low), ("_high", high))}
    row = with_units(pd.DataFrame({"alpha_fbm": [alpha]} | ks), Calibration(pixel_size_nm, interval_s)).iloc[0]
    for part, unit in (("fbm", "um2_per_s_alpha"), ("ctrw", "um2_per_s")):
        k, k_low, k_high = (row[f"k_{part}{end}_{unit}"] for end in ("", "_low", "_high"))
        assert k_low <= k <= k_high
        assert k_high / k_low == pytest.approx(high / low)


@given(x=st.floats(-1e5, 1e5), frame=st.integers(0, 10**6), pixel_size_nm=PIXEL_SIZES_NM, interval_s=INTERVALS_S)
def test_pixels_and_frames_stay_and_physical_values_lead_back_to_them(x, frame, pixel_size_nm, interval_s):
    row = with_units(pd.DataFrame({"frame": [frame], "x": [x]}), Calibration(pixel_size_nm, interval_s)).iloc[0]
    assert (row["frame"], row["x_px"]) == (frame, x)
    assert row["x_nm"] / pixel_size_nm == pytest.approx(x)
    assert row["time_s"] / interval_s == pytest.approx(frame)


EVERYTHING = ["frame", "x", "length", "lag", "msd", "alpha_fbm", "k_fbm", "k_ctrw", "rotational_diffusion"]


@pytest.mark.parametrize(
    ("pixel_size_nm", "frame_interval_s", "expected"),
    [
        (
            None,
            None,
            "frame x_px length_px lag_frames msd_px2 alpha_fbm k_fbm_px2_per_frame_alpha k_ctrw_px2_per_frame "
            "rot_rad2_per_frame",
        ),
        (
            2.0,
            None,
            "frame x_px x_nm length_px length_nm lag_frames msd_um2 alpha_fbm k_fbm_px2_per_frame_alpha "
            "k_ctrw_px2_per_frame rot_rad2_per_frame",
        ),
        (
            None,
            0.1,
            "frame time_s x_px length_px lag_frames lag_s msd_px2 alpha_fbm k_fbm_px2_per_frame_alpha "
            "k_ctrw_px2_per_frame rot_rad2_per_s",
        ),
        (
            2.0,
            0.1,
            "frame time_s x_px x_nm length_px length_nm lag_frames lag_s msd_um2 alpha_fbm k_fbm_um2_per_s_alpha "
            "k_ctrw_um2_per_s rot_rad2_per_s",
        ),
    ],
    ids=["uncalibrated", "pixel size only", "interval only", "calibrated"],
)
def test_only_what_the_calibration_covers_becomes_physical(pixel_size_nm, frame_interval_s, expected):
    calibration = Calibration(pixel_size_nm, frame_interval_s)
    names = with_units(pd.DataFrame({name: [1.0] for name in EVERYTHING}), calibration).columns
    assert list(names) == expected.replace("rot_", "rotational_diffusion_").split()
    assert {f"{name}_{k_unit(name, calibration)}" for name in ("k_fbm", "k_ctrw")} <= set(names)


def test_unknown_exponent_gives_unknown_k():
    table = pd.DataFrame({"alpha_fbm": [np.nan], "k_fbm": [np.nan]})
    assert with_units(table, Calibration(2.0, 0.1))["k_fbm_um2_per_s_alpha"].isna().all()


def test_time_axis_is_in_seconds_only_when_the_interval_is_known():
    frames = pd.Series([0, 4])
    assert time_axis(frames, Calibration(2.0, 0.5))[0].tolist() == [0.0, 2.0]
    assert time_axis(frames, Calibration(2.0, None))[1] == "Frame"
