"""Export: tables with units, provenance, figures, overlay movie and report."""

from napari_lptem_diffusion.export.folder import check_output_folder
from napari_lptem_diffusion.export.overlay import save_overlay_movie
from napari_lptem_diffusion.export.report import save_report
from napari_lptem_diffusion.export.save import save_analysis
from napari_lptem_diffusion.export.video import check_video_path

__all__ = ["check_output_folder", "check_video_path", "save_analysis", "save_overlay_movie", "save_report"]
