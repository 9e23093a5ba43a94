"""What a movie says about itself: background, noise and the size of its rods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.capsule import RodShape
from napari_lptem_diffusion.particles.detector import Detector, coarsen
from napari_lptem_diffusion.particles.field import Frames, Pairs, build_field, measure_noise, sample_pairs
from napari_lptem_diffusion.particles.filter_bank import build_filter_bank
from napari_lptem_diffusion.particles.noise import Noise
from napari_lptem_diffusion.particles.pose_fit import rods_image
from napari_lptem_diffusion.particles.priors import Prior
from napari_lptem_diffusion.particles.sizes import learn_population, scan_sizes
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import DetectionSettings

_FIT_PIXELS_PER_WIDTH = 6.0
_COARSE_FROM_PIXELS_PER_WIDTH = 5.0
_WINDOW_LENGTHS = 5
_LEARNING_FRAMES = 16
_LEARNING_RODS = 20
_LEAST_VISIBLE = 0.95
_LEAST_BLUR = 0.5
_UNLEARNT_SPREADS = (0.4, 0.3, 0.8)
_GIVEN_SPREAD = 0.05


def calibrate(
    movie: Frames,
    settings: DetectionSettings,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Detector:
    """Learn background, noise and rod size from a movie.

    Parameters
    ----------
    movie : sequence of (y, x) frames
        A `Movie` or an array (frames, y, x).
    settings : DetectionSettings
        A given rod length or width is used as it is.
    progress, should_stop : callable, optional

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    sign = -1 if settings.rods_are == "dark" else 1
    report(progress, should_stop, 0, 4, "measuring the movie")
    pairs = sample_pairs(movie)
    report(progress, should_stop, 1, 4, "measuring the movie")
    noise = measure_noise(pairs)
    shape = scan_sizes(pairs, noise, sign) or _unknown_shape(pairs)
    prior = _given(Prior(shape, *_UNLEARNT_SPREADS), settings)
    for stage in (2, 3):
        report(progress, should_stop, stage, 4, "measuring the movie")
        prior = _given(_learn_population(_detector(pairs, noise, settings, prior, sign), pairs), settings)
    detector = _detector(pairs, noise, settings, prior, sign)
    report(progress, should_stop, 4, 4, "measuring the movie")
    return detector


def detect(
    movie: Frames,
    settings: DetectionSettings | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Find the rods of a movie: `calibrate`, then `Detector.detect`.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    settings : DetectionSettings, optional
    progress, should_stop : callable, optional

    Returns
    -------
    DataFrame
        One row per rod and frame, columns as in `detector.COLUMNS`.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    detector = calibrate(movie, settings or DetectionSettings(), progress, should_stop)
    return detector.detect(movie, progress, should_stop)


def _given(prior: Prior, settings: DetectionSettings) -> Prior:
    """Let what the user says of the rods stand."""
    if settings.rod_length_px is not None:
        prior = replace(prior, shape=replace(prior.shape, length=settings.rod_length_px), length_spread=_GIVEN_SPREAD)
    if settings.rod_width_px is not None:
        prior = replace(prior, shape=replace(prior.shape, width=settings.rod_width_px), width_spread=_GIVEN_SPREAD)
    return prior


def _unknown_shape(pairs: Pairs) -> RodShape:
    """Size to look for where nothing stood out."""
    width = max(4.0, min(pairs[0][0].shape) / 64)
    return RodShape(2 * width, width, 0.15 * width)


def _detector(pairs: Pairs, noise: Noise, settings: DetectionSettings, prior: Prior, sign: int) -> Detector:
    """Build the detector for rods of the given size (px of the movie)."""
    bin_px = 1
    while prior.shape.width / (2 * bin_px) >= _FIT_PIXELS_PER_WIDTH:
        bin_px *= 2
    field = build_field(pairs, noise, bin_px, _WINDOW_LENGTHS * prior.shape.length, sign)
    fine = prior.scaled(1 / bin_px)
    fine = replace(fine, shape=replace(fine.shape, blur=max(fine.shape.blur, _LEAST_BLUR)))
    coarsening = 2 if fine.shape.width >= _COARSE_FROM_PIXELS_PER_WIDTH else 1
    correlation = field.noise.correlation.coarsened() if coarsening == 2 else field.noise.correlation
    bank = build_filter_bank(fine.shape.scaled(1 / coarsening), correlation)
    detector = Detector(settings, field, bank, coarsening, fine)
    return replace(detector, bank=replace(bank, texture=_texture(detector, pairs)))


def _texture(detector: Detector, pairs: Pairs) -> float:
    """How much more than noise comes through the filter where there are no rods."""
    spreads = []
    for first, _ in pairs[:_LEARNING_FRAMES:4]:
        image = detector.field.normalise(first)
        fit = detector.fit(image)
        rest = image if fit is None else image - rods_image(image.shape, fit.parameters, detector.prior.shape.reach)
        response = detector.bank.responses(coarsen(rest, detector.coarsening))[::3, ::2, ::2]
        spreads.append(1.4826 * float(np.median(np.abs(response))))
    return max(1.0, float(np.median(spreads)))


def _learn_population(detector: Detector, pairs: Pairs) -> Prior:
    """Size of the rods that are wholly in view and its variation; px of the movie."""
    images = [detector.field.normalise(pair[0]) for pair in pairs[:_LEARNING_FRAMES]]
    fits = [detector.fit(image) for image in images]
    found = [
        (image, fit.parameters[fit.visible > _LEAST_VISIBLE])
        for image, fit in zip(images, fits, strict=True)
        if fit is not None
    ]
    found = [(image, _spread_over(parameters)) for image, parameters in found if len(parameters)]
    bin_px = detector.field.bin_px
    if not found:
        return detector.prior.scaled(bin_px)
    images, rods = [image for image, _ in found], [parameters for _, parameters in found]
    return learn_population(images, rods, detector.prior, detector.field.noise.correlation).scaled(bin_px)


def _spread_over(rods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take a few rods evenly from the brightest to the faintest, so that those out of focus are counted too."""
    rows = np.unique(np.linspace(0, len(rods) - 1, _LEARNING_RODS).round().astype(int))
    return np.take(rods, rows, axis=0)
