"""Rods in frames, rods into tracks, masks of rods, and simulated movies of them."""

from napari_lptem_diffusion.particles.calibration import calibrate, detect
from napari_lptem_diffusion.particles.detector import Detector
from napari_lptem_diffusion.particles.following import follow
from napari_lptem_diffusion.particles.linking import link, search_range_px
from napari_lptem_diffusion.particles.masks import label_image, rod_outlines
from napari_lptem_diffusion.particles.rendering import Imaging, render_movie

__all__ = [
    "Detector",
    "Imaging",
    "calibrate",
    "detect",
    "follow",
    "label_image",
    "link",
    "render_movie",
    "rod_outlines",
    "search_range_px",
]
