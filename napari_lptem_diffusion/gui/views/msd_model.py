"""What the mean squared displacement of a rod would be, were its motion just as the network judged it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_lptem_diffusion.diffusion.processes import fbm_structure_function

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MsdParts:
    """What adds up to a time-averaged MSD, each (lags,) in px^2.

    Attributes
    ----------
    fbm : array
        ``4 K_fbm t^alpha_fbm``, averaged over the exposure.
    ctrw : array
        ``4 K_ctrw t``, averaged over the exposure: the time-averaged MSD of a CTRW is linear whatever its exponent.
    noise : array
        ``4 sigma^2`` at every lag.
    """

    fbm: Floats
    ctrw: Floats
    noise: Floats

    @property
    def total(self) -> Floats:
        """All three together."""
        return self.fbm + self.ctrw + self.noise


def msd_parts(
    lags: Floats,
    k_fbm: float,
    alpha_fbm: float,
    k_ctrw: float,
    localization_error_px: float,
    exposure_fraction: float,
) -> MsdParts:
    """Return the MSD that the numbers of a row of ``motion.particles`` predict.

    Motion blur takes away from the MSD what happens during the exposure (`fbm_structure_function`); jumps at random
    times lose as much as Brownian motion does. K is without blur, hence the blur is put in here.

    Parameters
    ----------
    lags : array
        ``(lags,)`` frames, at least 1.
    k_fbm : float
        px^2 / frame^alpha.
    alpha_fbm : float
    k_ctrw : float
        px^2 / frame.
    localization_error_px : float
        One standard deviation per axis, root mean square over the track; NaN counts as 0.
    exposure_fraction : float
        Exposed share of the frame interval.
    """
    alpha = torch.tensor([alpha_fbm, 1.0], dtype=torch.float64)
    exposure = torch.full((2,), exposure_fraction, dtype=torch.float64)
    fbm, brownian = fbm_structure_function(torch.from_numpy(lags.astype(np.float64)), alpha, exposure).numpy()
    noise = np.full(len(lags), 4 * np.nan_to_num(localization_error_px) ** 2)
    return MsdParts(4 * k_fbm * fbm, 4 * k_ctrw * brownian, noise)


def relative_error(lags: NDArray[np.int64], pairs: NDArray[np.int64]) -> Floats:
    """Return the relative standard error of a time-averaged MSD in two dimensions, as for Brownian motion.

    Pairs overlap, so that they are not independent (Qian, Sheetz and Elson, Biophys. J. 60, 910, 1991, eq. 9, without
    localization error).

    Parameters
    ----------
    lags, pairs : array
        ``(lags,)`` as in ``motion.msd``.
    """
    n, k = lags.astype(float), np.maximum(pairs, 1).astype(float)
    many = (4 * n**2 * k + 2 * k + n - n**3) / (6 * n * k**2)
    few = 1 + (k**3 - 4 * n * k**2 + 4 * n - k) / (6 * n**2 * k)
    return np.asarray(np.sqrt(np.where(n <= k, many, few)))
