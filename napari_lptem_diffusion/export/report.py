"""A page that says what was analysed, how, and what was found: one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matplotlib.figure import Figure

from napari_lptem_diffusion.diffusion.known import TOO_WIDE, known_in_words, knows_mixing_ratio
from napari_lptem_diffusion.export.figures import (
    LABELLED_CURVES,
    figure_bytes,
    mixing_histogram,
    msd_plot,
    picture,
    time_plot,
)
from napari_lptem_diffusion.export.folder import check_output_file, staged_file
from napari_lptem_diffusion.export.provenance import software_versions
from napari_lptem_diffusion.export.report_table import particles_table
from napari_lptem_diffusion.particles.correcting.drift import stated_error_px
from napari_lptem_diffusion.particles.correcting.tables import STUCK
from napari_lptem_diffusion.progress import Progress, ShouldStop, report

if TYPE_CHECKING:
    import pandas as pd

    from napari_lptem_diffusion.analysis import Analysis

_PLOTTED_PARTICLES = 6
_PICTURE_CAPTION = (
    "Every track, coloured at each frame by its mixing ratio, on the mean of frames spread over the movie, its "
    "illumination evened. The greyer, the less certain; wholly grey also where there is no value, because the track is "
    "too short for the network or the rod was not seen."
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6775; --line: #dfe4ea; --paper: #fff; --flag: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9aa5b1; --line: #313a45; --paper: #14181d; --flag: #ffb4ab; }
}
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .6rem; }
p, figcaption { max-width: 46rem; }
.soft, figcaption { color: var(--soft); font-size: .87rem; }
.flag { color: var(--flag); font-weight: 600; }
figure { margin: 1rem 0; }
figcaption { margin-top: .4rem; }
img { max-width: 100%; height: auto; border-radius: 6px; background: #fff; display: block; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
.interval { color: var(--soft); white-space: nowrap; }
.faint { color: var(--soft); }
sup { line-height: 0; }
@media print {
  :root { color-scheme: light; --ink: #1d2733; --soft: #5b6775; --line: #dfe4ea; --paper: #fff; --flag: #b3261e; }
  html { font-size: 11px; }
  body { font-size: 1rem; margin: 0; max-width: none; }
  img { max-height: 16cm; }
  .wide { overflow: visible; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""


def save_report(
    analysis: Analysis,
    path: str | Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    overwrite: bool = False,
) -> Path:
    """Write *analysis* as one HTML page with its figures inside; return *path*.

    Raises
    ------
    InputError
        If the file exists and *overwrite* is False, or it cannot be written.
    Stopped
        If *should_stop* answered True; nothing is written then.
    """
    path = Path(path)
    check_output_file(path, overwrite)
    page = report_html(analysis, progress, should_stop)
    with staged_file(path) as staged:
        staged.write_text(page, encoding="utf-8", newline="\n")
    return path


def report_html(analysis: Analysis, progress: Progress | None = None, should_stop: ShouldStop | None = None) -> str:
    """Return the page as HTML text; see `save_report`."""
    parts: list[Callable[[], str]] = [
        lambda: _opening(analysis),
        lambda: _section("Tracks", _image(picture(analysis), "png", _PICTURE_CAPTION)),
        lambda: _section("Particles", particles_table(analysis)),
        lambda: _section("All particles together", _together(analysis)),
        lambda: _section("The longest tracks over time", _time_plots(analysis)),
        lambda: _section("Settings and measurements", _settings(analysis)),
        lambda: _section("Software", _rows(software_versions() | {"network (SHA-256)": analysis.motion.model_hash})),
    ]
    body = []
    for done, part in enumerate(parts):
        report(progress, should_stop, done, len(parts), "write report")
        body.append(part())
    title = escape(f"{analysis.movie.name}: motion of the rods")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _opening(analysis: Analysis) -> str:
    movie, particles = analysis.movie, analysis.motion.particles
    frames, height, width = movie.shape
    calibration = movie.calibration
    facts = {
        "Movie": f"{frames} frames of {width} × {height} px",
        "Pixel size": _known(calibration.pixel_size_nm, "nm", calibration.pixel_size_source),
        "Frame interval": _known(calibration.frame_interval_s, "s", calibration.frame_interval_source),
        "Found": f"{len(analysis.detections)} rods in all frames, {_followed(particles)}",
    }
    if not particles.empty:
        facts["Localization error"] = _localization_error(analysis)
        facts["Mixing ratio"] = _in_short(particles)
    if analysis.corrections:
        facts["Corrected"] = _corrected(analysis)
    notes = "".join(f"<p>{escape(note)}</p>" for note in movie.notes)
    lead = (
        "How much of each rod's motion is fractional Brownian motion (FBM, mixing ratio 1) and how much a "
        "continuous-time random walk (CTRW, mixing ratio 0). Intervals hold the central 90 %."
    )
    return f"<h1>{escape(movie.name)}</h1>\n<p>{lead}</p>\n{_rows(facts)}\n{notes}"


def _followed(particles: pd.DataFrame) -> str:
    if particles.empty:
        return "no particle followed"
    return f"{len(particles)} particles followed, each for {particles['frames'].median():.0f} frames (median)"


def _localization_error(analysis: Analysis) -> str:
    """What the judgement reckoned with; the median of all positions."""
    given = analysis.settings.diffusion.localization_error_px
    error_px = float(stated_error_px(analysis.tracks).median()) if given is None else given
    if error_px != error_px:
        return "not known"
    nm = analysis.movie.calibration.pixel_size_nm
    said = f"{error_px:.2g} px" if nm is None else f"{error_px:.2g} px = {error_px * nm:.2g} nm"
    return said + (" (median)" if given is None else " (entered by the user)")


def _in_short(particles: pd.DataFrame) -> str:
    """The mixing ratios of the movie in one line, and of how many particles they are known."""
    ratios = particles.loc[knows_mixing_ratio(particles), "mixing_ratio"]
    said = known_in_words(particles)
    if len(ratios) < 2:
        return said
    low, middle, high = ratios.quantile([0.25, 0.5, 0.75])
    return f"{said}; median of those known {middle:.2f}, half of them from {low:.2f} to {high:.2f}"


def _corrected(analysis: Analysis) -> str:
    """Say what the user corrected, and what was marked."""
    kinds = Counter(correction.do for correction in analysis.corrections)
    total = sum(kinds.values())
    said = f"{total} correction{'' if total == 1 else 's'} by hand ("
    said += ", ".join(f"{kind} {count} ×" if count > 1 else kind for kind, count in kinds.items()) + ")"
    stuck = analysis.marked.loc[analysis.marked["mark"] == STUCK, "particle"].tolist()
    if stuck:
        said += f"; the drift of the stage was measured on particle {', '.join(map(str, stuck))} and taken off all"
    return said


def _known(value: float | None, unit: str, source: str) -> str:
    if value is None:
        return f"unknown ({source}): results are in px or frames"
    return f"{value:g} {unit} ({source})"


def _together(analysis: Analysis) -> str:
    if analysis.motion.particles.empty:
        return "<p>Nothing to show.</p>"
    histogram = _image(
        mixing_histogram(analysis), "svg", f"How often each mixing ratio occurs. Grey: not known ({TOO_WIDE})."
    )
    msd = _image(
        msd_plot(analysis),
        "svg",
        "Time-averaged mean squared displacement of each particle, in the colour of its mixing ratio, greyer where "
        f"that is less certain; the numbers are particles, the {LABELLED_CURVES} longest tracks at most. The "
        "localization error is not taken out: it lifts the short lags.",
    )
    return f'<div class="pair">{histogram}{msd}</div>'


def _time_plots(analysis: Analysis) -> str:
    particles = analysis.motion.particles.dropna(subset=["mixing_ratio"])
    longest = particles.sort_values(["frames", "particle"], ascending=[False, True]).head(_PLOTTED_PARTICLES)
    if longest.empty:
        return "<p>No track is long enough for the network.</p>"
    caption = "Line: estimate; band: central 90 %; dashed: change point; dotted: Brownian motion."
    return "".join(_image(time_plot(analysis, int(particle)), "svg", caption) for particle in longest["particle"])


def _settings(analysis: Analysis) -> str:
    rows: dict[str, str] = {}
    for stage, values in analysis.settings.model_dump().items():
        rows |= {f"{stage}.{name}": "from the movie" if value is None else str(value) for name, value in values.items()}
    rows |= {f"measured: {name}": f"{value:.4g}" for name, value in analysis.measured.items()}
    return _rows(rows)


def _rows(facts: Mapping[str, str]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
    return f'<div class="wide"><table>{"".join(cells)}</table></div>'


def _section(title: str, body: str) -> str:
    return f"<h2>{title}</h2>\n{body}"


def _image(figure: Figure, kind: Literal["png", "svg"], caption: str) -> str:
    """Put the figure into the page as a data URI, which also keeps the ids of several SVGs apart."""
    media_type = "image/png" if kind == "png" else "image/svg+xml"
    data = base64.b64encode(figure_bytes(figure, kind)).decode("ascii")
    text = escape(caption)
    image = f'<img src="data:{media_type};base64,{data}" alt="{text}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"
