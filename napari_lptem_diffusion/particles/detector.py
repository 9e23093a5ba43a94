"""Rods in frames: everything learnt from the movie once, then one frame at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.field import Field, Frames
from napari_lptem_diffusion.particles.filter_bank import FilterBank
from napari_lptem_diffusion.particles.pose_fit import (
    AMPLITUDE,
    ANGLE,
    BLUR,
    LENGTH,
    WIDTH,
    Fit,
    Prior,
    X,
    Y,
    fit_rods,
)
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import DetectionSettings

Array = NDArray[np.float32]
_MOST_PER_TILE = 400

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
    "visible": "float64",
}
"""Columns of the table of detections with their types."""


@dataclass(frozen=True)
class Detector:
    """All that finding rods in a movie needs; made by `calibrate`.

    Attributes
    ----------
    settings : DetectionSettings
    field : Field
        Background and noise, on the grid of the fit.
    bank : FilterBank
        On a grid that is *coarsening* times coarser.
    coarsening : int
        1 or 2.
    prior : Prior
        The size of the rods (px of the grid of the fit) and how much it varies.
    """

    settings: DetectionSettings
    field: Field
    bank: FilterBank
    coarsening: int
    prior: Prior

    @property
    def measured(self) -> dict[str, float]:
        """What the movie said about itself; grey values and px of the movie."""
        shape = self.prior.shape.scaled(self.field.bin_px)
        typical = float(np.median(self.field.background))
        return {
            "rod_length_px": shape.length,
            "rod_width_px": shape.width,
            "rod_edge_blur_px": shape.blur,
            "background_grey": typical,
            "zero_intensity_grey": self.field.noise.variance.zero_level,
            "noise_grey": float(np.sqrt(self.field.noise.variance.variance(np.full(1, typical, dtype=np.float32))[0]))
            * self.field.bin_px,
            "texture": self.bank.texture,
            "detection_bin_px": float(self.field.bin_px * self.coarsening),
        }

    def find(self, image: NDArray[np.generic], frame: int) -> pd.DataFrame:
        """Find the rods of one frame.

        Parameters
        ----------
        image : ndarray
            (y, x), as in the movie that the detector was calibrated on.
        frame : int
            Its number, for the table.

        Returns
        -------
        DataFrame
            Columns as in `COLUMNS`, strongest rod first; px, pixel centres at integers. ``contrast`` is the share
            of the background that the rod takes away, ``visible`` the share of the rod inside the frame.
        """
        fit = self.fit(self.field.normalise(image))
        return empty_detections() if fit is None else self._table(fit, frame)

    def fit(self, normal: Array) -> Fit | None:
        """Find rods in a normalised frame; None where nothing stands out."""
        start = self._start(normal)
        if not len(start):
            return None
        fit = fit_rods(
            normal, start, self.prior, self.field.noise.correlation, self.field.variance_gain(start[:, X], start[:, Y])
        )
        rows = self._believable(fit, start, normal.shape)
        return fit.take(rows) if len(rows) else None

    def detect(
        self, movie: Frames, progress: Progress | None = None, should_stop: ShouldStop | None = None
    ) -> pd.DataFrame:
        """Find the rods of every frame; `find` for each, in order.

        Raises
        ------
        Stopped
            If *should_stop* answered True.
        """
        tables = []
        for frame in range(len(movie)):
            report(progress, should_stop, frame, len(movie), "finding rods")
            tables.append(self.find(np.asarray(movie[frame]), frame))
        report(progress, should_stop, len(movie), len(movie), "finding rods")
        found = [table for table in tables if len(table)]
        return pd.concat(found, ignore_index=True) if found else empty_detections()

    def _start(self, normal: Array) -> NDArray[np.float64]:
        """Candidates as parameters to start the fit from."""
        found = self.bank.candidates(coarsen(normal, self.coarsening), self.settings.threshold_sigma, _MOST_PER_TILE)
        start = np.tile(self.prior.centre(), (len(found.x), 1))
        start[:, X] = (found.x + 0.5) * self.coarsening - 0.5
        start[:, Y] = (found.y + 0.5) * self.coarsening - 0.5
        start[:, ANGLE] = found.angle
        start[:, AMPLITUDE] = found.snr * self.bank.texture / (self.bank.unit_response * self.coarsening)
        return start

    def _believable(self, fit: Fit, start: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Rods that stand out, stayed where the filter saw them, lie in the frame and are not a rod twice."""
        p, size = fit.parameters, self.prior.shape
        moved = np.hypot(p[:, X] - start[:, X], p[:, Y] - start[:, Y])
        good = (fit.snr / self.bank.texture >= self.settings.threshold_sigma) & (moved < size.length)
        good &= (p[:, X] > -1) & (p[:, X] < shape[1]) & (p[:, Y] > -1) & (p[:, Y] < shape[0])
        kept: list[int] = []
        for index in np.argsort(-fit.snr, kind="stable"):
            near = np.hypot(*(p[kept][:, [X, Y]] - p[index, [X, Y]]).T)
            if good[index] and not (near < 0.6 * size.width).any():
                kept.append(int(index))
        return np.array(kept, dtype=np.intp)

    def _table(self, fit: Fit, frame: int) -> pd.DataFrame:
        p, covariance, bin_px = fit.parameters, fit.covariance, self.field.bin_px
        x, y = p[:, X], p[:, Y]
        axis = np.stack([np.cos(p[:, ANGLE]), np.sin(p[:, ANGLE])], axis=1)
        side = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
        plane = covariance[:, :2, :2]
        along, across = (np.sqrt(np.einsum("ni,nij,nj->n", v, plane, v)) * bin_px for v in (axis, side))
        here = np.clip(np.rint([y, x]).astype(int), 0, np.array(self.field.background.shape)[:, None] - 1)
        background = self.field.background[here[0], here[1]]
        grey = p[:, AMPLITUDE] * np.sqrt(self.field.noise.variance.variance(background))
        columns = {
            "frame": np.full(len(p), frame),
            "x": (x + 0.5) * bin_px - 0.5,
            "y": (y + 0.5) * bin_px - 0.5,
            "angle_deg": np.degrees(p[:, ANGLE]) % 180 % 180,
            "length": np.exp(np.maximum(p[:, LENGTH], p[:, WIDTH])) * bin_px,
            "width": np.exp(p[:, WIDTH]) * bin_px,
            "blur": np.exp(p[:, BLUR]) * bin_px,
            "snr": fit.snr / self.bank.texture,
            "contrast": grey / np.maximum(background - self.field.noise.variance.zero_level, 1e-6),
            "localization_error": np.sqrt((along**2 + across**2) / 2),
            "localization_error_along": along,
            "localization_error_across": across,
            "angle_error_deg": np.minimum(np.degrees(np.sqrt(covariance[:, ANGLE, ANGLE])), 52.0),
            "visible": fit.visible,
        }
        return pd.DataFrame(columns).astype(COLUMNS)


def empty_detections() -> pd.DataFrame:
    """Return a table of no detections, with the columns and types of one that has some."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in COLUMNS.items()})


def coarsen(image: Array, factor: int) -> Array:
    """Bin a normalised image by 1 or 2 so that its noise keeps the variance of white noise."""
    if factor == 1:
        return image
    rows, columns = (n - n % 2 for n in image.shape)
    pairs = image[0:rows:2, :columns] + image[1:rows:2, :columns]
    result: Array = (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.5)
    return result
