"""Rods in frames, rods into tracks, masks of rods, and simulated movies of them."""

from napari_lptem_diffusion.particles.finding.calibration import calibrate, detect
from napari_lptem_diffusion.particles.finding.detector import Detector
from napari_lptem_diffusion.particles.following.follow import follow
from napari_lptem_diffusion.particles.following.linking import link, search_range_px
from napari_lptem_diffusion.particles.known_truth.rendering import Imaging, render_movie
from napari_lptem_diffusion.particles.masks import label_image, rod_outlines

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
