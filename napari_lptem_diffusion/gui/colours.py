"""Colours of particles and of quantities, as the views of the result share them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Light, told apart by colour-blind readers, and none of them an end of the scales of export.palette.
PARTICLE_RGB = (
    np.array(
        [
            (0, 229, 196),
            (255, 214, 64),
            (255, 128, 171),
            (178, 242, 95),
            (126, 211, 255),
            (224, 170, 255),
            (245, 240, 190),
            (150, 160, 255),
        ]
    )
    / 255
)


def particle_rgb(particles: ArrayLike) -> NDArray[np.float64]:
    """Return (..., 3) sRGB in 0..1, the colour by which a particle is known on canvas, table and plot."""
    return np.asarray(PARTICLE_RGB[np.asarray(particles, dtype=int) % len(PARTICLE_RGB)])
