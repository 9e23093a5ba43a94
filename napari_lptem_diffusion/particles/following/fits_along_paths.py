"""Faint rods fitted frame by frame where their paths say that they are; each keeps the name of its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detections import COLUMNS, LARGEST_ANGLE_ERROR_DEG
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.error_scale import ErrorScale
from napari_lptem_diffusion.particles.finding.field import Frames
from napari_lptem_diffusion.particles.finding.frame_pool import over_frames
from napari_lptem_diffusion.particles.finding.pose_fit import Fit
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, LENGTH, RodPriors
from napari_lptem_diffusion.particles.following.rigid_shape import SIZES, rigid_shapes
from napari_lptem_diffusion.progress import Progress, ShouldStop

Matrix = NDArray[np.float64]
_CONTRAST_SPREAD = 0.2
"""Standard deviation of the logarithm of a rod's contrast from frame to frame; its path knows the mean better."""
_AWAY_LENGTHS = 0.25
"""How far from its path a frame may put a rod: three times the error of a position at a signal to noise of 4.5."""
_TURNS = 24
"""Directions over which a distribution in the plane is integrated."""
_ERRORS = ["localization_error_along", "localization_error_across", "angle_error_deg"]


def fitted_along(
    movie: Frames,
    detector: Detector,
    paths: pd.DataFrame,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Fit the rods of every frame, those that touch together, from where their *paths* have them.

    What the path knows beside the place is the size, and the contrast to a fifth. A position comes from the pixels of
    its own frame, and is drawn to no other frame. Where it would leave its path by more than a quarter of a length, the
    noise of that frame is higher than the rod, which then is not seen there.

    Parameters
    ----------
    movie : sequence of (y, x) frames
    detector : Detector
    paths : DataFrame
        From `faint_tracks.faint_tracks`.
    progress, should_stop : callable, optional
    workers : int, optional
        Threads; as many as there are cores unless given. The result does not depend on it.

    Returns
    -------
    DataFrame
        The rows of *paths* in which a rod is seen, with fitted poses, contrasts, signal to noise (of the frame's own
        pixels) and errors; sizes are NaN.

    Raises
    ------
    Stopped
        If *should_stop* answered True.
    """
    if paths.empty:
        return paths
    detector = detector.of_known_sizes()
    shaped = paths.drop(columns=[*SIZES, *(f"{name}_error" for name in SIZES)])
    shaped = shaped.join(rigid_shapes(paths, detector), on="particle")
    start, free = detector.parameters(shaped), detector.size_priors(shaped)
    free.centre[:, AMPLITUDE] = start[:, AMPLITUDE]
    free.precision[:, AMPLITUDE] = (_CONTRAST_SPREAD * start[:, AMPLITUDE]) ** -2.0
    rows_of = {int(str(frame)): np.asarray(rows) for frame, rows in paths.groupby("frame").indices.items()}

    def work(images: Sequence[NDArray[np.generic]], first: int) -> list[tuple[NDArray[np.intp], pd.DataFrame]]:
        normals = np.stack([detector.field.normalise(image) for image in images])
        rows = {k: rows_of[first + k] for k in range(len(images)) if first + k in rows_of}
        fits = detector.refit_all(
            normals, {k: start[some] for k, some in rows.items()}, {k: free.take(some) for k, some in rows.items()}
        )
        return [
            (rows[k], detector.table(_own_signal(fit, free.take(rows[k])), first + k))
            for k, fit in sorted(fits.items())
        ]

    found = list(
        over_frames(work, movie, detector.frames_together, "fitting faint rods", progress, should_stop, workers)
    )
    table = pd.concat([one for _, one in found]).set_axis(np.concatenate([rows for rows, _ in found])).sort_index()
    unknown = [*SIZES, *(f"{name}_error" for name in SIZES)]
    fitted = paths.assign(**{name: table[name] for name in COLUMNS}).assign(**dict.fromkeys(unknown, np.nan))
    away_px = np.hypot(*(fitted[["x", "y"]] - paths[["x", "y"]]).to_numpy(float).T)
    most_px = _AWAY_LENGTHS * float(np.exp(detector.prior.centre()[LENGTH])) * detector.field.bin_px
    seen = fitted[away_px <= most_px].reset_index(drop=True)
    return _with_errors(seen, detector.error_scale, most_px)


def _with_errors(seen: pd.DataFrame, scale: ErrorScale, most_px: float) -> pd.DataFrame:
    """State the errors for the usual signal to noise of each rod, of positions that are at most so far off.

    A rod that by chance has less contrast in a frame is not known worse there: its contrast is that of its path.
    """
    snr = seen["snr"].to_numpy(float)
    usual = seen.groupby("particle")["snr"].transform("median").to_numpy(float)
    along, across, angle = snr / usual * scale.factors(usual) / scale.factors(snr) * seen[_ERRORS].to_numpy(float).T
    along, across = rms_within(along, across, most_px)
    errors = dict(zip(_ERRORS, (along, across, np.minimum(angle, LARGEST_ANGLE_ERROR_DEG)), strict=True))
    return seen.assign(localization_error=np.sqrt((along**2 + across**2) / 2), **errors)


def rms_within(along: Matrix, across: Matrix, radius: float) -> tuple[Matrix, Matrix]:
    """Root mean squares, along each axis, of a normal distribution in the plane that is cut at a *radius*.

    Parameters
    ----------
    along, across : ndarray
        (n,) standard deviations without the cut.
    radius : float
        In the same unit.
    """
    turn = np.arange(_TURNS) * np.pi / _TURNS
    c, s = np.cos(turn)[:, None] ** 2, np.sin(turn)[:, None] ** 2
    slope = (c / along**2 + s / across**2) / 2  # exp(-slope r^2) in this direction, integrated over r in closed form
    end = slope * radius**2
    share = -np.expm1(-end) / slope
    spread = (1 - (1 + end) * np.exp(-end)) / slope**2 / share.sum(axis=0)
    return np.sqrt((c * spread).sum(axis=0)), np.sqrt((s * spread).sum(axis=0))


def _own_signal(fit: Fit, priors: RodPriors) -> Fit:
    """*fit* with the signal to noise that the pixels alone give, without what is known of the contrast."""
    amplitude = np.maximum(fit.parameters[:, AMPLITUDE], 1e-9)
    of_pixels = (fit.snr / amplitude) ** 2 - priors.precision[:, AMPLITUDE]
    return replace(fit, snr=amplitude * np.sqrt(np.maximum(of_pixels, 1e-9)))
