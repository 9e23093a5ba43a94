"""Where hardly an electron arrives: outside an aperture, behind a thick support."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_lptem_diffusion.particles.finding.noise import VarianceModel
from napari_lptem_diffusion.particles.finding.samples import Samples

_DARK, _CLIPPED, _LIT = 0.1, 0.5, 0.5
"""Share of the usual light below which a place is dark, or dark and clipped where it never changes, and share of the
light nearby at which its edge ends."""
_SMOOTH = 5
_MARGIN = 5
_NEARBY = 32


def without_dark(samples: Samples, variance: VarianceModel) -> Samples:
    """Count as blind what is dark as far as the border of the frame, with the edge around it.

    Of a rod in the dark nothing is seen, and the edge is steeper than any background. What is dark in the middle of
    the light may be a rod that is stuck. The same samples come back where nothing is dark, or where the movie does not
    tell the grey value of no electrons.

    Parameters
    ----------
    samples : Samples
    variance : VarianceModel
        Of single pixels; its ``zero_level`` is the grey value without light.
    """
    finite = np.isfinite(samples.mean)
    if variance.slope <= 0 or not finite.any():
        return samples
    light = np.where(finite, samples.mean, np.median(samples.mean[finite])) - np.float32(variance.zero_level)
    light = ndimage.uniform_filter(light, _SMOOTH, mode="nearest")
    usual = np.quantile(light, 0.75)
    dark = (light < _DARK * usual) | (samples.blind & (light < _CLIPPED * usual))
    if not dark.any():
        return samples
    dark = ndimage.binary_opening(np.pad(dark, _SMOOTH, mode="edge"), np.ones((_SMOOTH, _SMOOTH)))
    dark = dark[_SMOOTH:-_SMOOTH, _SMOOTH:-_SMOOTH]
    border = dark.copy()
    border[1:-1, 1:-1] = False
    dark = ndimage.binary_propagation(border, mask=dark)
    if not dark.any():
        return samples
    edge = light < _LIT * ndimage.maximum_filter(light, 2 * _NEARBY + 1)
    near = ndimage.distance_transform_edt(~dark) < _NEARBY
    dark = ndimage.binary_propagation(dark, mask=dark | (edge & near))
    return replace(samples, blind=samples.blind | ndimage.binary_dilation(dark, iterations=_MARGIN))
