"""A small movie of three rods for tests that need a real one from file to CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from napari_lptem_diffusion.particles import Imaging, render_movie

CLEAR = Imaging(electrons_per_px=40, contrast=0.5, grey_per_electron=3, grey_offset=0, row_noise=0.5)


def rod_poses(frames: int, size_px: int, seed: int = 0) -> pd.DataFrame:
    """Three rods far from each other that diffuse and turn."""
    rng = np.random.default_rng(seed)
    tables = []
    for particle, (x, y) in enumerate([(0.25, 0.25), (0.72, 0.3), (0.45, 0.75)]):
        path = np.array([x, y]) * size_px + rng.normal(0, 1.2, (frames, 2)).cumsum(0) * 0.6
        angle = (40 * particle + rng.normal(0, 4, frames).cumsum()) % 180
        columns = {"particle": particle, "frame": np.arange(frames), "x": path[:, 0], "y": path[:, 1]}
        tables.append(pd.DataFrame(columns).assign(angle_deg=angle, length=24.0, width=11.0))
    return pd.concat(tables, ignore_index=True)


def write_movie(path: Path, frames: int = 40, size_px: int = 144) -> Path:
    """Write the movie as an ImageJ TIFF with 2 nm per px and 0.0125 s per frame."""
    movie = render_movie(rod_poses(frames, size_px), frames, (size_px, size_px), CLEAR, np.random.default_rng(1))
    metadata = {"axes": "TYX", "finterval": 0.0125, "unit": "nm"}
    tifffile.imwrite(path, movie, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path
