"""A rod that the user drew, fitted to the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.correcting.correction import Rod
from napari_lptem_diffusion.particles.finding.detector import Detector

_FARTHEST_LENGTHS = 0.5
_LEAST_SNR = 3.0
"""Below it the fit follows the noise; the eye, which sees the frames before and after, does better."""
_POSE = ("x", "y", "angle_deg", "length", "width")


def for_fits(detector: Detector) -> Detector:
    """Return *detector* as `fitted_rod` needs it: without the spectra of its filters, as large as many frames."""
    return replace(detector, bank=replace(detector.bank, spectra={}))


def fitted_rod(detector: Detector, image: NDArray[np.generic], rod: Rod, others: pd.DataFrame) -> Rod | None:
    """Fit a rod that the user drew, together with the other rods of its frame.

    Parameters
    ----------
    detector : Detector
        Calibrated on the movie.
    image : ndarray
        (y, x), the frame.
    rod : Rod
        As drawn: where the fit starts.
    others : DataFrame
        The other detections of this frame, columns as in `detections.COLUMNS`.

    Returns
    -------
    Rod or None
        The fitted pose, with the detector's error and the other columns of a detection in ``fit``. None if the fit
        finds nothing that stands out or leaves the place: the pose by hand is then all that is known.
    """
    drawn = pd.DataFrame([rod.model_dump(exclude={"fit"})])
    known = others.dropna(subset=["blur", "contrast"])
    together = pd.concat([known, drawn], ignore_index=True)
    typical = {"blur": detector.measured["rod_edge_blur_px"], "contrast": _typical_contrast(known)}
    start = detector.parameters(together.fillna(typical))
    fit = detector.refit(detector.field.normalise(image), start, detector.prior.of_rods(len(start)))
    found = detector.table(fit, rod.frame).iloc[-1]
    moved = np.hypot(found["x"] - rod.x, found["y"] - rod.y)
    if not (np.isfinite(found).all() and found["snr"] >= _LEAST_SNR and moved <= _FARTHEST_LENGTHS * rod.length):
        return None
    pose = {name: float(found[name]) for name in _POSE}
    rest = {str(name): float(found[name]) for name in found.index if name not in (*_POSE, "frame")}
    return Rod(frame=rod.frame, **pose, fit=rest)


def _typical_contrast(others: pd.DataFrame) -> float:
    """Median contrast of the other rods; where there are none, the one at which a fit starts well."""
    return float(others["contrast"].median()) if len(others) else 0.1
