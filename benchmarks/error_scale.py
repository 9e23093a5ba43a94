"""What the curvature of a fit leaves out of the errors of faint rods, for rods of many kinds.

Run ``python benchmarks/error_scale.py``; it prints the excess (see `error_scale.ErrorScale`) that simulated rods have,
found and fitted as a detector does, for each kind, and the mean and the spread over the kinds: what calibration takes
as usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np

from napari_lptem_diffusion.particles.finding import error_scale
from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.finding.field import Field
from napari_lptem_diffusion.particles.finding.filter_bank import build_filter_bank
from napari_lptem_diffusion.particles.finding.noise import Noise, NoiseCorrelation, VarianceModel
from napari_lptem_diffusion.particles.finding.pixels import repair_of
from napari_lptem_diffusion.particles.finding.priors import Prior
from napari_lptem_diffusion.settings import DetectionSettings

IMAGES = 24
KINDS = [  # length and blur in widths, width in px of the fit, spread of the population
    (2, 0.15, 8, 0.1),
    (2, 0.35, 8, 0.1),
    (3, 0.15, 8, 0.1),
    (3, 0.35, 8, 0.1),
    (1.2, 0.15, 8, 0.1),
    (5, 0.2, 7, 0.1),
    (2, 0.15, 8, 0.05),
    (2, 0.15, 8, 0.2),
    (3, 0.15, 8, 0.05),
    (2, 0.15, 5, 0.1),
]
WHITE = NoiseCorrelation(np.ones((1, 1)))


def main() -> None:
    print("| length, blur / width | width, px | spread | size fitted: along, across, angle | size known |")
    print("|---|---|---|---|---|")
    with mock.patch.multiple(error_scale, _IMAGES=IMAGES, _USUAL_SPREAD=(error_scale.ErrorScale(1e6, 1e6, 1e6),) * 2):
        found = np.array(list(of_every_kind()))
    for name, values in (("mean", found.mean(axis=0)), ("spread", found.std(axis=0, ddof=1))):
        print(f"| {name} | | | {' | '.join(', '.join(f'{one:.0f}' for one in look) for look in values)} |")


def of_every_kind() -> Iterator[list[tuple[float, float, float]]]:
    """Excess along, across and of the angle, of sizes that are fitted and that are known, for each of `KINDS`."""
    for length, blur, width, spread in KINDS:
        scales = detector(Prior(RodShape(length * width, width, blur * width), spread, spread, 0.4)).with_error_scales(
            lambda: None
        )
        looks = [
            (scale.along, scale.across, scale.angle)
            for scale in (scales.error_scale, scales.error_scale_of_known_sizes)
        ]
        cells = [", ".join(f"{one:.0f}" for one in look) for look in looks]
        print(f"| {length}, {blur} | {width} | {spread} | {' | '.join(cells)} |", flush=True)
        yield looks


def detector(prior: Prior) -> Detector:
    """Return a detector of rods of this population on an even background with white noise."""
    coarsening = 2 if prior.shape.width > 5 else 1
    noise = Noise(VarianceModel(1.0, 0.0, 1e-3), WHITE)
    blind = np.zeros((512, 512), dtype=bool)
    field = Field(1, np.full((512, 512), 100, dtype=np.float32), noise, -1, blind, repair_of(blind))
    bank = build_filter_bank(prior.shape.scaled(1 / coarsening), WHITE)
    return Detector(DetectionSettings(), field, bank, coarsening, prior)


if __name__ == "__main__":
    main()
