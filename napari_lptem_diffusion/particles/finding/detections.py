"""The table of detections: fitted parameters on the grid of the fit to columns in px of the movie, and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.error_scale import ErrorScale, stated_errors
from napari_lptem_diffusion.particles.finding.field import Field
from napari_lptem_diffusion.particles.finding.pose_fit import Fit
from napari_lptem_diffusion.particles.finding.priors import (
    AMPLITUDE,
    ANGLE,
    BLUR,
    LENGTH,
    SIZE,
    WIDTH,
    RodPriors,
    X,
    Y,
)

Matrix = NDArray[np.float64]
LARGEST_ANGLE_ERROR_DEG = 52.0
"""Standard deviation of an angle of which nothing is known: 180 degrees over the root of 12."""
_LEAST_RELATIVE_ERROR = 1e-3

COLUMNS: dict[str, str] = {
    "frame": "int64",
    "x": "float64",
    "y": "float64",
    "angle_deg": "float64",
    "length": "float64",
    "width": "float64",
    "blur": "float64",
    "snr": "float64",
    "contrast": "float64",
    "localization_error": "float64",
    "localization_error_along": "float64",
    "localization_error_across": "float64",
    "angle_error_deg": "float64",
    "length_error": "float64",
    "width_error": "float64",
    "blur_error": "float64",
    "visible": "float64",
}
"""Columns of the table of detections with their types."""


def detections_table(
    fit: Fit, frame: int | NDArray[np.int64], field: Field, texture: float, scale: ErrorScale
) -> pd.DataFrame:
    """Return fitted rods as a table with the columns of `COLUMNS`, in px of the movie.

    Parameters
    ----------
    fit : Fit
        On the grid of *field*.
    frame : int or ndarray
        Of all of them, or of each, (rods,).
    field : Field
    texture : float
        By how much film and dirt raise the noise at rod scale; the signal to noise is lowered by it.
    scale : ErrorScale
        What the covariance of the fit leaves out.
    """
    p, covariance, bin_px = fit.parameters, fit.covariance, field.bin_px
    along, across, angle = scale.factors(fit.snr) * stated_errors(fit)
    along, across = along * bin_px, across * bin_px
    length, width, blur = np.exp(p[:, SIZE].T) * bin_px
    relative = np.sqrt(np.maximum(np.einsum("nii->in", covariance)[SIZE], 0))  # rounding can make it negative
    length_error, width_error, blur_error = relative * (length, width, blur)
    grey_per_amplitude, absorbable = _grey_scales(p, field)
    columns = {
        "frame": np.full(len(p), frame, dtype=np.int64),
        "x": (p[:, X] + 0.5) * bin_px - 0.5,
        "y": (p[:, Y] + 0.5) * bin_px - 0.5,
        "angle_deg": np.degrees(p[:, ANGLE]) % 180 % 180,
        "length": np.maximum(length, width),
        "width": width,
        "blur": blur,
        "snr": fit.snr / texture,
        "contrast": p[:, AMPLITUDE] * grey_per_amplitude / absorbable,
        "localization_error": np.sqrt((along**2 + across**2) / 2),
        "localization_error_along": along,
        "localization_error_across": across,
        "angle_error_deg": np.minimum(np.degrees(angle), LARGEST_ANGLE_ERROR_DEG),
        "length_error": length_error,
        "width_error": width_error,
        "blur_error": blur_error,
        "visible": fit.visible,
    }
    return pd.DataFrame(columns)


def parameters_of(rods: pd.DataFrame, field: Field) -> Matrix:
    """Return the parameters of the fit, (rods, 8), of rods in a table: `detections_table` backwards.

    Parameters
    ----------
    rods : DataFrame
        ``x``, ``y``, ``angle_deg``, ``length``, ``width``, ``blur``, ``contrast``.
    field : Field
        The background offset, which no column holds, is 0.
    """
    parameters = np.zeros((len(rods), 8))
    for column, name in ((X, "x"), (Y, "y")):
        parameters[:, column] = (rods[name].to_numpy() + 0.5) / field.bin_px - 0.5
    parameters[:, ANGLE] = np.radians(rods["angle_deg"].to_numpy())
    for column, name in ((LENGTH, "length"), (WIDTH, "width"), (BLUR, "blur")):
        parameters[:, column] = np.log(rods[name].to_numpy() / field.bin_px)
    parameters[:, AMPLITUDE] = amplitudes_of(rods["contrast"].to_numpy(), parameters, field)
    return parameters


def amplitudes_of(contrast: Matrix, parameters: Matrix, field: Field) -> Matrix:
    """Return the amplitudes, (rods,), of rods of this *contrast* (share of the background) where *parameters* say."""
    grey_per_amplitude, absorbable = _grey_scales(parameters, field)
    amplitude: Matrix = contrast * absorbable / grey_per_amplitude
    return amplitude


def size_priors_of(rods: pd.DataFrame, field: Field) -> RodPriors:
    """Return priors, (rods, 8), of the size that each row states.

    Parameters
    ----------
    rods : DataFrame
        ``length``, ``width``, ``blur`` with ``length_error``, ``width_error``, ``blur_error``: one standard deviation.
    field : Field
    """
    centre, precision = np.zeros((len(rods), 8)), np.zeros((len(rods), 8))
    for column, name in ((LENGTH, "length"), (WIDTH, "width"), (BLUR, "blur")):
        size = rods[name].to_numpy()
        relative = rods[f"{name}_error"].to_numpy() / size
        centre[:, column] = np.log(size / field.bin_px)
        precision[:, column] = np.maximum(relative, _LEAST_RELATIVE_ERROR) ** -2.0
    return RodPriors(centre, precision)


def empty_detections() -> pd.DataFrame:
    """Return a table of no detections, with the columns and types of one that has some."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in COLUMNS.items()})


def _grey_scales(parameters: Matrix, field: Field) -> tuple[Matrix, Matrix]:
    """Grey values of amplitude 1 and of all that can be absorbed, where each rod is."""
    last = np.array(field.background.shape)[:, None] - 1
    rows, columns = np.clip(np.rint(parameters[:, [Y, X]].T).astype(int), 0, last)
    background = field.background[rows, columns]
    scale = np.sqrt(field.noise.variance.variance(background)).astype(float)
    return scale, np.maximum(background - field.noise.variance.zero_level, 1e-6).astype(float)
