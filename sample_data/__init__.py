"""The sample movie and its truth, installed as ``napari_lptem_diffusion.sample_data``."""

from pathlib import Path

SAMPLE_MOVIE = Path(__file__).parent / "lptem_rods_sample.tif"
SAMPLE_TRUTH = Path(__file__).parent / "lptem_rods_sample_truth.csv"
