"""Simulated scenes of known truth."""

import numpy as np
import pandas as pd

from napari_lptem_diffusion.particles import Imaging, render_movie

EASY = Imaging(
    illumination_drop=0.1,
    electrons_per_px=60,
    contrast=0.6,
    focus_blur_px=1.0,
    grey_per_electron=2.2,
    grey_offset=5.0,
    flicker=0.01,
)
HARD = Imaging()
"""The noise of the real movie."""


def scattered_rods(rng, frames, shape, spacing=64.0, length=30.0, width=15.0, step_px=1.0):
    """Rods on a jittered grid that diffuse a little and never touch."""
    rows = []
    centres = [(x, y) for x in np.arange(32, shape[1], spacing) for y in np.arange(32, shape[0], spacing)]
    for particle, centre in enumerate(centres):
        x, y = np.array(centre) + rng.uniform(-6, 6, 2)
        angle = rng.uniform(0, 180)
        for frame in range(frames):
            rows.append((particle, frame, x, y, angle % 180, length, width))
            x, y = np.clip([x, y] + step_px * rng.standard_normal(2), np.array(centre) - 12, np.array(centre) + 12)
            angle += 5 * rng.standard_normal()
    return pd.DataFrame(rows, columns=["particle", "frame", "x", "y", "angle_deg", "length", "width"])


def scene(imaging, frames=8, shape=(256, 256), seed=0, **rods):
    """A movie and the poses in it."""
    rng = np.random.default_rng(seed)
    poses = scattered_rods(rng, frames, shape, **rods)
    return render_movie(poses, frames, shape, imaging, rng), poses


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))
