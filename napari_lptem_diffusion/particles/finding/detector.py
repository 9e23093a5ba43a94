"""Rods in frames: everything learnt from the movie once, then one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detections import (
    amplitudes_of,
    detections_table,
    empty_detections,
    parameters_of,
    size_priors_of,
)
from napari_lptem_diffusion.particles.finding.error_scale import NO_EXCESS, ErrorScale, measure_error_scales
from napari_lptem_diffusion.particles.finding.field import Field, Frames
from napari_lptem_diffusion.particles.finding.filter_bank import Candidates, FilterBank
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.hypotheses import Odds, odd_rods, reconsider
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, fit_rods, joined_fits, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, Prior, RodPriors, X, Y, joined_priors
from napari_lptem_diffusion.particles.finding.usual_contrast import ANY_CONTRAST, UsualContrast
from napari_lptem_diffusion.particles.finding.windows import draw_rods
from napari_lptem_diffusion.progress import Progress, ShouldStop
from napari_lptem_diffusion.settings import DetectionSettings

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_LEAST_GAIN = 16.0
_DARK = 2.0
"""Standard deviations above the usual contrast from which a rod may be two."""
_FRAMES_TOGETHER, _PIXELS_TOGETHER = 8, 4_000_000
_SAME_PLACE, _SAME_DIRECTION, _ROUND = 0.5, 0.5, 1.2


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
    contrast : UsualContrast
        Of single rods.
    error_scale, error_scale_of_known_sizes : ErrorScale
        By how much the errors of faint rods exceed what the curvature of the fit states, where their sizes are fitted
        too and where they are known.
    """

    settings: DetectionSettings
    field: Field
    bank: FilterBank
    coarsening: int
    prior: Prior
    contrast: UsualContrast = ANY_CONTRAST
    error_scale: ErrorScale = NO_EXCESS
    error_scale_of_known_sizes: ErrorScale = NO_EXCESS

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
            "rods_are_dark": float(self.field.sign < 0),
        }

    @property
    def frames_together(self) -> int:
        """How many frames are worked on side by side: few rods at a time waste time, many frames memory."""
        return int(np.clip(_PIXELS_TOGETHER // self.field.background.size, 1, _FRAMES_TOGETHER))

    def with_error_scales(self, pause: Callable[[], None]) -> Detector:
        """Return the detector with its error scales measured on simulated rods; *pause* is called often."""
        threshold = self.settings.threshold_sigma * self.bank.texture
        noise = self.field.noise.correlation
        fitted, known = measure_error_scales(self.fit, self.refit, self.prior, noise, threshold, pause)
        return replace(self, error_scale=fitted, error_scale_of_known_sizes=known)

    def of_known_sizes(self) -> Detector:
        """Return the detector for rods whose sizes are known: it states smaller errors."""
        return replace(self, error_scale=self.error_scale_of_known_sizes)

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
            Columns as in `detections.COLUMNS`, strongest rod first; px, pixel centres at integers. ``contrast`` is the
            share of the background that the rod takes away, ``visible`` the share of the rod inside the frame.
        """
        return self._find_all([image], frame)[0]

    def _find_all(self, images: Sequence[NDArray[np.generic]], first: int) -> list[pd.DataFrame]:
        """One table of the frames from *first* on, side by side, which takes less time."""
        fits = self.fit_all(np.stack([self.field.normalise(image) for image in images]))
        found = {frame: fit for frame, fit in enumerate(fits, start=first) if fit is not None}
        if not found:
            return [empty_detections()]
        frames = np.repeat(list(found), [len(fit.snr) for fit in found.values()])
        return [self.table(joined_fits(list(found.values())), frames)]

    def fit(self, normal: Array) -> Fit | None:
        """Find rods in a normalised frame; None where nothing stands out."""
        return self.fit_all(normal[None])[0]

    def fit_all(self, normals: Array) -> list[Fit | None]:
        """`fit` for each of the normalised frames (frames, y, x); what is found in one depends on no other."""
        starts = [self.start(normal) for normal in normals]
        fits = self._refit_of_population(normals, dict(enumerate(starts)))
        if fits:
            fits |= self._refit_of_population(normals, self._reconsidered(normals, fits))
        return [self._believable(fits[frame]) if frame in fits else None for frame in range(len(normals))]

    def _reconsidered(self, normals: Array, fits: dict[int, Fit]) -> dict[int, Matrix]:
        """By frame, for those in which another number of rods explains more, parameters to start from."""
        frames = np.repeat(list(fits), [len(fit.parameters) for fit in fits.values()])
        fit = joined_fits(list(fits.values()))
        rest = normals.copy()
        draw_rods(rest, fit.parameters, self.prior.shape.reach, frames, -1)
        usual = self.amplitudes(np.full(len(frames), self.contrast.typical), fit.parameters)
        darkest = usual * (1 + _DARK * self.contrast.spread)
        odd = odd_rods(fit, frames, coarsen(rest, 2), 2, self.prior, darkest)
        gain = self.field.variance_gain(fit.parameters[:, X], fit.parameters[:, Y])
        level = self.field.noise.correlation.at_rod_scale(self.prior.shape.reach)
        odds = Odds(level, _LEAST_GAIN * self.bank.texture**2, self.contrast.spread)
        return reconsider(rest, fit, frames, odd, self.prior, usual, gain, odds)

    def refit(self, normal: Array, start: Matrix, priors: RodPriors) -> Fit:
        """Fit given rods to a normalised frame, all together, whatever their signal.

        Parameters
        ----------
        normal : ndarray
            (y, x), from ``field.normalise``.
        start : ndarray
            (rods, 8) parameters on the grid of the fit; `parameters` makes them of a table.
        priors : RodPriors
            Of the same rods; `size_priors` makes them of a table, ``prior.of_rods`` of the population.
        """
        gain = self.field.variance_gain(start[:, X], start[:, Y])
        return fit_rods(normal, start, priors, self.field.noise.correlation, gain, self.prior.shape)

    def refit_all(self, normals: Array, starts: dict[int, Matrix], priors: dict[int, RodPriors]) -> dict[int, Fit]:
        """`refit` in each of the normalised frames (frames, y, x) that *starts* names; those without rods are left out.

        A rod's fit does not depend on the other frames.
        """
        frames = [frame for frame, start in starts.items() if len(start)]
        if not frames:
            return {}
        counts = [len(starts[frame]) for frame in frames]
        start = np.concatenate([starts[frame] for frame in frames])
        known = joined_priors([priors[frame] for frame in frames])
        gain = self.field.variance_gain(start[:, X], start[:, Y])
        noise, shape = self.field.noise.correlation, self.prior.shape
        fit = fit_rods(normals, start, known, noise, gain, shape, np.repeat(frames, counts))
        rows = np.split(np.arange(len(start)), np.cumsum(counts)[:-1])
        return {frame: fit.take(of_frame) for frame, of_frame in zip(frames, rows, strict=True)}

    def _refit_of_population(self, normals: Array, starts: dict[int, Matrix]) -> dict[int, Fit]:
        return self.refit_all(
            normals, starts, {frame: self.prior.of_rods(len(start)) for frame, start in starts.items()}
        )

    def table(self, fit: Fit, frame: int | NDArray[np.int64]) -> pd.DataFrame:
        """Return fitted rods of one *frame*, or each of its own, in px of the movie; see `detections.COLUMNS`."""
        return detections_table(fit, frame, self.field, self.bank.texture, self.error_scale)

    def parameters(self, rods: pd.DataFrame) -> Matrix:
        """Return the parameters of the fit, (rods, 8), of rods in a table of detections."""
        return parameters_of(rods, self.field)

    def amplitudes(self, contrast: Matrix, parameters: Matrix) -> Matrix:
        """Return the amplitudes, (rods,), of rods of this *contrast* where the *parameters* (rods, 8) say they are."""
        return amplitudes_of(contrast, parameters, self.field)

    def contrasts(self, parameters: Matrix) -> Matrix:
        """Return the contrasts, (rods,), of fitted rods, (rods, 8): shares of the background."""
        contrasts: Matrix = parameters[:, AMPLITUDE] / self.amplitudes(np.ones(len(parameters)), parameters)
        return contrasts

    def size_priors(self, rods: pd.DataFrame) -> RodPriors:
        """Return priors, (rods, 8), of ``length``, ``width``, ``blur`` and their ``_error`` in a table (px)."""
        return size_priors_of(rods, self.field)

    def look(self, normal: Array, known: Matrix, near: Matrix, within_px: float, threshold_sigma: float) -> Matrix:
        """Look for rods near given places, at a threshold of its own, with the rods that are known taken away.

        Parameters
        ----------
        normal : ndarray
            (y, x), from ``field.normalise``.
        known : ndarray
            (rods, 8) parameters of rods that were found in this frame; may be empty.
        near : ndarray
            (places, 2): x and y, px of the movie.
        within_px : float
            Farthest from a place, px of the movie.
        threshold_sigma : float
            Least response of the filter, in standard deviations of the noise.

        Returns
        -------
        ndarray
            (found, 8) parameters to start `refit` from, strongest first.
        """
        scale = self.field.bin_px * self.coarsening
        places = (near + 0.5) / scale - 0.5
        return self._as_start(
            self.bank.look(
                coarsen(self._rest(normal, known), self.coarsening), places, within_px / scale, threshold_sigma
            )
        )

    def detect(
        self,
        movie: Frames,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        workers: int | None = None,
    ) -> pd.DataFrame:
        """Find the rods of every frame; `find` for each, in order.

        Parameters
        ----------
        movie : sequence of (y, x) frames
        progress, should_stop : callable, optional
        workers : int, optional
            Threads; as many as there are cores unless given. The table does not depend on it.

        Raises
        ------
        Stopped
            If *should_stop* answered True.
        """
        tables = over_frames(
            self._find_all, movie, self.frames_together, "finding rods", progress, should_stop, workers
        )
        found = [table for table in tables if len(table)]
        return pd.concat(found, ignore_index=True) if found else empty_detections()

    def _rest(self, normal: Array, rods: Matrix) -> Array:
        """Return a normalised frame without these rods."""
        return normal - rods_image(normal.shape, rods, self.prior.shape.reach) if len(rods) else normal

    def start(self, normal: Array) -> Matrix:
        """Return where the filter sees rods in a normalised frame, (found, 8) parameters to start `refit` from."""
        coarse = coarsen(normal, self.coarsening)
        return self._as_start(self.bank.candidates(coarse, self.settings.threshold_sigma))

    def _as_start(self, found: Candidates) -> Matrix:
        start = np.tile(self.prior.centre(), (len(found.x), 1))
        start[:, X] = (found.x + 0.5) * self.coarsening - 0.5
        start[:, Y] = (found.y + 0.5) * self.coarsening - 0.5
        start[:, ANGLE] = found.angle
        start[:, AMPLITUDE] = found.snr * self.bank.texture / (self.bank.unit_response * self.coarsening)
        return start

    def _believable(self, fit: Fit) -> Fit | None:
        """Rods that stand out, lie in the frame and are not a rod twice; None where there are none."""
        p, shape = fit.parameters, self.field.background.shape
        good = fit.snr / self.bank.texture >= self.settings.threshold_sigma
        good &= (p[:, X] > -1) & (p[:, X] < shape[1]) & (p[:, Y] > -1) & (p[:, Y] < shape[0])
        kept: list[int] = []
        for index in np.argsort(-fit.snr, kind="stable"):
            if good[index] and not self._seen_twice(p[kept], p[index]):
                kept.append(int(index))
        return fit.take(np.array(kept)) if kept else None

    def _seen_twice(self, kept: Matrix, rod: Matrix) -> bool:
        """Whether one of the rods that are kept lies in the same place and direction."""
        size = self.prior.shape
        near = np.hypot(*(kept[:, [X, Y]] - rod[[X, Y]]).T) < _SAME_PLACE * size.width
        aligned = np.abs(np.sin(kept[:, ANGLE] - rod[ANGLE])) < _SAME_DIRECTION
        return bool((near & (aligned | (size.length < _ROUND * size.width))).any())


def coarsen(images: Array, factor: int) -> Array:
    """Bin normalised images, (..., y, x), by 1 or 2 so that their noise keeps the variance of white noise."""
    if factor == 1:
        return images
    rows, columns = (n - n % 2 for n in images.shape[-2:])
    pairs = images[..., 0:rows:2, :columns] + images[..., 1:rows:2, :columns]
    result: Array = (pairs[..., 0::2] + pairs[..., 1::2]) * np.float32(0.5)
    return result
