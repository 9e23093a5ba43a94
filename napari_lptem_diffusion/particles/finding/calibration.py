"""What a movie says about itself: background, noise and the size of its rods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from napari_lptem_diffusion.particles.finding.aperture import without_dark
from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.detector import Detector, coarsen
from napari_lptem_diffusion.particles.finding.dirt import Still, find_still, with_dirt, with_large_dirt
from napari_lptem_diffusion.particles.finding.faint_sizes import learn_faint_sizes
from napari_lptem_diffusion.particles.finding.field import build_field, measure_noise
from napari_lptem_diffusion.particles.finding.filter_bank import FilterBank, build_filter_bank
from napari_lptem_diffusion.particles.finding.frame_pool import side_by_side
from napari_lptem_diffusion.particles.finding.noise import Noise
from napari_lptem_diffusion.particles.finding.pose_fit import Fit, joined_fits, rods_image
from napari_lptem_diffusion.particles.finding.preparing import prepare_fit
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, Prior, X, Y
from napari_lptem_diffusion.particles.finding.samples import Frames, Samples, sample_movie, shows_something
from napari_lptem_diffusion.particles.finding.scan import scan_movie
from napari_lptem_diffusion.particles.finding.sizes import learn_population
from napari_lptem_diffusion.particles.finding.transforms import transforms_on
from napari_lptem_diffusion.particles.finding.usual_contrast import ANY_CONTRAST, UsualContrast
from napari_lptem_diffusion.progress import Progress, ShouldStop, report
from napari_lptem_diffusion.settings import DetectionSettings

Array = NDArray[np.float32]
_FIT_PIXELS_PER_WIDTH = 6.0
_COARSE_FROM_PIXELS_PER_WIDTH = 5.0
_WINDOW_LENGTHS = 5
_LEARNING_FRAMES = (6, 14)
_TEXTURE_FRAMES = 3
_CONTRAST_FRAMES = 6
_LEARNING_RODS = 20
_MOST_RODS = 200
_LEAST_VISIBLE = 0.95
_FEWEST_MOVERS = 20
_STILL = 0.7
"""Share of its amplitude that what stays shows of a rod that is still."""
_LEAST_BLUR = 0.5
_UNLEARNT_SPREADS = (0.4, 0.3, 0.8)
_GIVEN_SPREAD = 0.05
_FAINT_SNR = 8.0
_STAGES = 5
_CLEAR = 8.0
"""Signal to noise of the strongest object below which single frames may show nothing but noise."""
_AVERAGED, _AVERAGES = 4, 8
"""Frames in a row that are averaged, and how many such means are made: in so few, rods hardly move."""
_CROWDED = (0.03, 0.7)
"""Least share of the picture that rods may fill and not matter for the noise, and the most that leaves enough."""
_SHADE, _AROUND = 0.03, 2
"""A rod hides where it takes more than this share of its amplitude, and so many px more of the grid of the fit."""


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
    InputError
        If there is no such device as the settings name.
    Stopped
        If *should_stop* answered True.
    """
    stage = 0

    def pause() -> None:
        report(progress, should_stop, stage, _STAGES, "measuring the movie")

    transforms_on(_torch_device(settings))  # may refuse, and does so at once
    prepare_fit(lambda: report(progress, should_stop, 0, _STAGES, "preparing the fit (once after the installation)"))
    samples = sample_movie(movie, pause)
    stage += 1
    pause()
    noise = measure_noise(samples, pause)
    lit = without_dark(samples, noise.variance)
    if lit is not samples:  # the dark tells the zero of intensity, and nothing of how neighbours go together
        samples, noise = lit, replace(measure_noise(lit, pause), variance=noise.variance)
    stage += 1
    given = {None: None, "dark": -1, "bright": 1}[settings.rods_are]
    shape, sign = _rough_size(movie, samples, noise, given, pause)
    prior = _given(Prior(shape or _unknown_shape(samples), *_UNLEARNT_SPREADS), settings)
    still: Still | None = None
    for turn, frames in enumerate(_LEARNING_FRAMES):
        stage += 1
        detector = _detector(samples, noise, settings, prior, sign, pause)
        still = find_still(detector, samples, pause) if turn else None
        prior, snr = _learn_population(detector, samples, frames, still, pause)
        if turn and snr < _FAINT_SNR:
            prior = learn_faint_sizes(detector, movie, pause) or prior
        prior = _given(prior, settings)
        noise = noise if turn else _noise_beside_rods(detector, samples, noise, pause)
    stage += 1
    detector = _without_dirt(_detector(samples, noise, settings, prior, sign, pause), samples, still, snr, pause)
    detector = detector.with_error_scales(pause)
    return detector if snr < _FAINT_SNR else replace(detector, contrast=_usual_contrast(detector, samples, pause))


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


def _rough_size(
    movie: Frames, samples: Samples, noise: Noise, given: int | None, pause: Callable[[], None]
) -> tuple[RodShape | None, int]:
    """Size and sign of what stands out of frames; where nothing does clearly, of what moves in means of some in a row.

    In such means static film and dirt stand out, too.
    """
    scan = scan_movie(samples, noise, given, pause)
    if scan.strongest < _CLEAR and (means := _means(movie, samples)):
        averaged = replace(samples, pairs=[(mean, mean) for mean in means])
        slow = scan_movie(averaged, replace(noise, variance=noise.variance.scaled(1 / _AVERAGED)), given, pause)
        scan = slow if slow.moves else scan
    return scan.shape, scan.sign


def _means(movie: Frames, samples: Samples) -> list[NDArray[np.float32]]:
    """Means of some frames in a row, spread over a movie."""
    starts = np.unique(np.linspace(0, max(len(movie) - _AVERAGED, 0), _AVERAGES).astype(int))
    in_a_row = [[np.asarray(movie[k]) for k in range(start, min(start + _AVERAGED, len(movie)))] for start in starts]
    return [
        np.asarray(samples.bad.repair(np.mean(frames, axis=0, dtype=float)), dtype=np.float32)
        for frames in in_a_row
        if len(frames) == _AVERAGED and all(shows_something(frame) for frame in frames)
    ]


def _torch_device(settings: DetectionSettings) -> str | None:
    """On the processor scipy is as fast and needs no torch."""
    return None if settings.device == "cpu" else settings.device


def _given(prior: Prior, settings: DetectionSettings) -> Prior:
    """Let what the user says of the rods stand."""
    if settings.rod_length_px is not None:
        prior = replace(prior, shape=replace(prior.shape, length=settings.rod_length_px), length_spread=_GIVEN_SPREAD)
    if settings.rod_width_px is not None:
        prior = replace(prior, shape=replace(prior.shape, width=settings.rod_width_px), width_spread=_GIVEN_SPREAD)
    return prior


def _unknown_shape(samples: Samples) -> RodShape:
    """Size to look for where nothing stood out."""
    width = max(4.0, min(samples.mean.shape) / 64)
    return RodShape(2 * width, width, 0.15 * width)


def _detector(
    samples: Samples, noise: Noise, settings: DetectionSettings, prior: Prior, sign: int, pause: Callable[[], None]
) -> Detector:
    """Build the detector for rods of the given size (px of the movie)."""
    bin_px = 1
    while np.hypot(prior.shape.width, 2 * prior.shape.blur) / (2 * bin_px) >= _FIT_PIXELS_PER_WIDTH:
        bin_px *= 2
    field = build_field(samples, noise, bin_px, _WINDOW_LENGTHS * prior.shape.length, sign)
    fine = prior.scaled(1 / bin_px)
    fine = replace(fine, shape=replace(fine.shape, blur=max(fine.shape.blur, _LEAST_BLUR)))
    coarsening = 2 if fine.shape.width >= _COARSE_FROM_PIXELS_PER_WIDTH else 1
    correlation = field.noise.correlation.coarsened() if coarsening == 2 else field.noise.correlation
    bank = build_filter_bank(fine.shape.scaled(1 / coarsening), correlation)
    bank = replace(bank, torch_device=_torch_device(settings))
    detector = Detector(settings, field, bank, coarsening, fine)
    detector = replace(detector, field=with_large_dirt(detector, samples))
    return replace(detector, bank=replace(bank, texture=_texture(detector, samples, pause)))


def _without_dirt(
    detector: Detector, samples: Samples, still: Still | None, usual_snr: float, pause: Callable[[], None]
) -> Detector:
    """Take what stays and is no rod for background."""
    if still is None:
        return detector
    if still.grey.shape != detector.field.background.shape:  # the rods turned out so that another grid is better
        still = find_still(detector, samples, pause) or still
    detector = replace(detector, field=with_dirt(detector, still, usual_snr))
    return replace(detector, bank=replace(detector.bank, texture=_texture(detector, samples, pause)))


def _noise_beside_rods(detector: Detector, samples: Samples, noise: Noise, pause: Callable[[], None]) -> Noise:
    """Measure the noise again without the rods, where they fill so much of the picture that they count as noise."""
    crowded = _CROWDED[0] < _where_rods_are(detector, pause, samples.pairs[0][0]).mean() < _CROWDED[1]
    return measure_noise(samples, pause, partial(_where_rods_are, detector, pause)) if crowded else noise


def _where_rods_are(detector: Detector, pause: Callable[[], None], frame: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a frame as recorded has something that may be a rod, its surroundings included."""
    pause()
    start = detector.start(detector.field.normalise(frame))
    if not len(start):
        return np.zeros(frame.shape, dtype=np.bool_)
    start[:, AMPLITUDE] = 1
    shown = rods_image(detector.field.background.shape, start, detector.prior.shape.reach) > _SHADE
    around = ndimage.binary_dilation(shown, iterations=_AROUND)
    mask = np.repeat(np.repeat(around, detector.field.bin_px, axis=0), detector.field.bin_px, axis=1)
    return np.pad(mask, [(0, n - m) for n, m in zip(frame.shape, mask.shape, strict=True)])


def _texture(detector: Detector, samples: Samples, pause: Callable[[], None]) -> float:
    """How much more than noise comes through the filter where there are no rods."""
    few_angles = replace(detector.bank, kernels=detector.bank.kernels[::3], spectra={})
    spread = partial(_response_spread, detector, few_angles)
    spreads = side_by_side(spread, _some(samples, _TEXTURE_FRAMES), pause)
    return max(1.0, float(np.median(spreads)))


def _response_spread(detector: Detector, bank: FilterBank, frame: NDArray[np.generic]) -> float:
    """Standard deviation of the responses of a filter *bank* to what rods leave of a frame; robust."""
    image, fit = _single_rods(detector, frame)
    rest = image - rods_image(image.shape, fit.parameters, detector.prior.shape.reach) if fit else image
    response = bank.responses(coarsen(rest, detector.coarsening))[:, ::2, ::2]
    return 1.4826 * float(np.median(np.abs(response)))


def _some(samples: Samples, count: int) -> list[NDArray[np.generic]]:
    """So many frames, spread over the movie."""
    chosen = np.unique(np.linspace(0, len(samples.pairs) - 1, count).astype(int))
    return [samples.pairs[k][0] for k in chosen]


def _single_rods(detector: Detector, frame: NDArray[np.generic]) -> tuple[Array, Fit | None]:
    """A frame, normalised, and what stands out, as rods; the strongest only, without a thought of rods that touch."""
    image = detector.field.normalise(frame)
    start = detector.start(image)[:_MOST_RODS]
    return image, detector.refit(image, start, detector.prior.of_rods(len(start))) if len(start) else None


def _learn_population(
    detector: Detector, samples: Samples, frames: int, still: Still | None, pause: Callable[[], None]
) -> tuple[Prior, float]:
    """Size of the rods that are alone and wholly in view, its variation (px of the movie), and how they stand out.

    Where enough of them move, those that do count alone.
    """
    views = side_by_side(partial(_single_rods, detector), _some(samples, frames), pause)
    seen = [(image, fit.take(_clear(detector, fit))) for image, fit in views if fit is not None]
    if still is not None:
        moving = [(image, fit.take(_movers(detector, fit, still))) for image, fit in seen]
        if sum(len(fit.snr) for _, fit in moving) >= _FEWEST_MOVERS:
            seen = moving
    images, rods, snr = [], [], []
    for image, fit in seen:
        if len(fit.snr):
            images.append(image)
            snr.append(fit.snr / detector.bank.texture)
            rods.append(_spread_over(fit.parameters[np.argsort(-fit.snr, kind="stable")]))
    bin_px = detector.field.bin_px
    if not images:
        return detector.prior.scaled(bin_px), 0.0
    prior = learn_population(images, rods, detector.prior, detector.field.noise.correlation, pause)
    return prior.scaled(bin_px), float(np.median(np.concatenate(snr)))


def _usual_contrast(detector: Detector, samples: Samples, pause: Callable[[], None]) -> UsualContrast:
    """Contrast of the rods that are wholly in view, where electrons are counted that rods take away.

    Rods that touch are told apart by their shapes first: where all of them touch, what looks like one is mostly two.
    """
    if detector.field.sign > 0 or detector.field.noise.variance.slope <= 0:
        return ANY_CONTRAST
    views = side_by_side(partial(_rods_told_apart, detector), _some(samples, _CONTRAST_FRAMES), pause)
    fits = [fit for fit in views if fit is not None]
    if not fits:
        return ANY_CONTRAST
    fit = joined_fits(fits)
    return UsualContrast.of(detector.contrasts(fit.parameters[fit.visible > _LEAST_VISIBLE]))


def _rods_told_apart(detector: Detector, frame: NDArray[np.generic]) -> Fit | None:
    return detector.fit(detector.field.normalise(frame))


def _clear(detector: Detector, fit: Fit) -> NDArray[np.intp]:
    """Which rods surely are alone and wholly in view."""
    sure = fit.snr >= detector.settings.threshold_sigma * detector.bank.texture
    alone = _apart(fit.parameters, detector.prior.shape.length)
    return np.flatnonzero((fit.visible > _LEAST_VISIBLE) & sure & alone)


def _movers(detector: Detector, fit: Fit, still: Still) -> NDArray[np.intp]:
    """Which rods are where something moves or what stays is much fainter."""
    rest = still.shown_by(detector.field)
    last = np.array(rest.shape)[:, None] - 1
    rows, columns = np.clip(np.rint(fit.parameters[:, [Y, X]].T).astype(int), 0, last)
    stays = rest[rows, columns] > _STILL * fit.parameters[:, AMPLITUDE]
    return np.flatnonzero(still.moves[rows, columns] | ~stays)


def _apart(rods: NDArray[np.float64], distance: float) -> NDArray[np.bool_]:
    """Which rods have no other within *distance*."""
    tree = KDTree(rods[:, [X, Y]])
    return np.array([len(near) == 1 for near in tree.query_ball_point(rods[:, [X, Y]], distance)])


def _spread_over(rods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take a few rods evenly from the brightest to the faintest, so that those out of focus are counted too."""
    rows = np.unique(np.linspace(0, len(rods) - 1, _LEARNING_RODS).round().astype(int))
    return np.take(rods, rows, axis=0)
