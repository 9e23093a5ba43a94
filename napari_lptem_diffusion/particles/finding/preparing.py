"""The first fit after the installation, which takes ten seconds as its loops are compiled then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.pose_fit import fit_rods, rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, Prior, X, Y
from napari_lptem_diffusion.particles.finding.rod_loops import capsule_value

_SIDE = 32
_SECONDS_BETWEEN_LOOKS = 0.5


def prepare_fit(still_at_it: Callable[[], None]) -> None:
    """Have the loops of the fit compiled, or read from where they are kept; as `compiled_meanwhile`."""
    compiled_meanwhile(_fit_a_rod, still_at_it)


def compiled_meanwhile(first_use: Callable[[], object], still_at_it: Callable[[], None]) -> None:
    """Let the *first_use* of compiled loops go on, on a thread of its own.

    Parameters
    ----------
    first_use : callable
    still_at_it : callable
        Called twice a second meanwhile; may raise to stop waiting.
    """
    pool = ThreadPoolExecutor(1)
    used = pool.submit(first_use)
    pool.shutdown(wait=False)
    while wait([used], _SECONDS_BETWEEN_LOOKS).not_done:
        still_at_it()
    used.result()


def _fit_a_rod() -> None:
    prior = Prior(RodShape(10, 5, 1), 0.1, 0.1, 0.1)
    rod = prior.centre()[None]
    rod[:, [X, Y]], rod[:, AMPLITUDE] = _SIDE / 2, 10
    image = rods_image((_SIDE, _SIDE), rod, prior.shape.reach)
    fit_rods(image, rod, prior.of_rods(1), NoiseCorrelation(np.ones((1, 1))), np.zeros(1), prior.shape)
    capsule_value(image, image, prior.shape)
