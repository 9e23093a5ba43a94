"""An analysis as a folder of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_lptem_diffusion.export.figures import picture, save_figure
from napari_lptem_diffusion.export.folder import PROVENANCE, staged
from napari_lptem_diffusion.export.overlay import save_overlay_movie
from napari_lptem_diffusion.export.provenance import provenance
from napari_lptem_diffusion.export.publication import write_figures
from napari_lptem_diffusion.export.report import save_report
from napari_lptem_diffusion.export.session_file import SESSION_FILE, write_session
from napari_lptem_diffusion.export.tables import (
    detections_table,
    drift_table,
    marked_table,
    msd_table,
    particle_tables,
    summary_table,
    write_csv,
)
from napari_lptem_diffusion.export.trackmate import save_trackmate
from napari_lptem_diffusion.overlay_style import OverlayStyle
from napari_lptem_diffusion.particles.correcting.correction import corrections_to_json
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis


def save_analysis(
    analysis: Analysis,
    folder: str | Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    report_page: bool = False,
    overlay_movie: bool = False,
    trackmate: bool = False,
    figures: bool = False,
    overlay_style: OverlayStyle | None = None,
) -> Path:
    """Write the tables, the settings, the provenance and a picture of *analysis* into *folder*.

    The files are described in docs/csv.md. Either all of them are written or none: on any error, and
    when stopped, *folder* is as it was. The CSVs are the same, byte by byte, for the same movie and settings.

    Parameters
    ----------
    analysis : Analysis
    folder : path
        New or empty, unless *overwrite* is True. Then the files of an earlier export are replaced or
        removed, and everything else in the folder stays.
    overwrite : bool
    progress, should_stop : callable, optional
    report_page, overlay_movie : bool
        Write ``report.html`` and ``overlay.mp4`` too (``overlay.gif`` where the package ``av`` is missing).
    trackmate : bool
        Write ``trackmate.xml`` and ``trackmate.csv`` too, for Fiji.
    figures : bool
        Write figures for a paper too, as SVG and PDF, into ``figures``.
    overlay_style : OverlayStyle, optional
        Size, frame rate and quality of the overlay movie.

    Returns
    -------
    Path
        *folder*.

    Raises
    ------
    InputError
        If *folder* is not empty and *overwrite* is False, or cannot be written to.
    Stopped
        If *should_stop* answered True.
    """
    folder = Path(folder)
    with staged(folder, overwrite) as new:
        files = _write_tables(analysis, new, progress, should_stop)
        (new / "settings.toml").write_text(analysis.settings.to_toml(), encoding="utf-8", newline="\n")
        save_figure(picture(analysis), new / "picture.png")
        write_session(analysis, new / SESSION_FILE, home=folder)
        files += ["settings.toml", "picture.png", SESSION_FILE, PROVENANCE]
        if analysis.corrections:
            text = corrections_to_json(analysis.corrections)
            (new / "corrections.json").write_text(text, encoding="utf-8", newline="\n")
            files.append("corrections.json")
        if report_page:
            files.append(save_report(analysis, new / "report.html", progress, should_stop).name)
        if overlay_movie:
            style = overlay_style or OverlayStyle()
            files.append(save_overlay_movie(analysis, new / "overlay.mp4", progress, should_stop, style=style).name)
        if trackmate:
            files += [save_trackmate(analysis, new / f"trackmate.{kind}").name for kind in ("xml", "csv")]
        if figures:
            (new / "figures").mkdir()
            drawn = write_figures(analysis, new / "figures", None, progress, should_stop)
            files += [f"figures/{name}" for name in drawn]
        record = provenance(analysis, files, progress, should_stop)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (new / PROVENANCE).write_text(text, encoding="utf-8", newline="\n")
    return folder


def _write_tables(
    analysis: Analysis, folder: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> list[str]:
    """Write the CSVs and return their names relative to *folder*."""
    (folder / "particles").mkdir()
    files: list[str] = []
    total = len(analysis.motion.particles)
    for particle, table in particle_tables(analysis):
        report(progress, should_stop, len(files), total, "write tables")
        files.append(f"particles/particle_{particle:04d}.csv")
        write_csv(table, folder / files[-1])
    write_csv(summary_table(analysis), folder / "summary.csv")
    write_csv(msd_table(analysis), folder / "msd.csv")
    write_csv(detections_table(analysis), folder / "detections.csv")
    files += ["summary.csv", "msd.csv", "detections.csv"]
    for name, table in (("marked.csv", marked_table(analysis)), ("drift.csv", drift_table(analysis))):
        if len(table):
            write_csv(table, folder / name)
            files.append(name)
    return files
