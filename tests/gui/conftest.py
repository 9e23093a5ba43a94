"""A napari viewer with the widget docked; skipped where there is no display."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_lptem_diffusion.particles import Imaging, render_movie
from tests.analysis_factory import make_analysis

NEEDS_DISPLAY = {"qapp", "qtbot", "make_napari_viewer"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    skip = pytest.mark.skip(reason="no display: run under xvfb-run")
    for item in items:
        if NEEDS_DISPLAY & set(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def autosave_home(tmp_path, monkeypatch):
    """Windows keep unsaved results here, not among the user's data."""
    home = tmp_path / "autosave"
    monkeypatch.setattr("napari_lptem_diffusion.gui.autosave.autosave_home", lambda: home)
    return home


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setenv("NAPARI_ASYNC", "0")
    return make_napari_viewer()


@pytest.fixture
def widget(viewer, qtbot):
    from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

    widget = LptemDiffusionWidget(viewer)
    widget.steps.preview_box.setChecked(False)
    viewer.window.add_dock_widget(widget, name="LPTEM diffusion", area="right")
    return widget


@pytest.fixture(scope="session")
def frames():
    """A small movie of four wandering rods, so that the true engine takes seconds."""
    rng = np.random.default_rng(5)
    starts = np.array([(24.0, 24.0), (70.0, 26.0), (26.0, 70.0), (70.0, 70.0)])
    tables = []
    for number, start in enumerate(starts):
        xy = np.clip(start + np.cumsum(rng.normal(0, 0.7, (24, 2)), axis=0), 10, 86)
        table = pd.DataFrame({"frame": np.arange(24), "x": xy[:, 0], "y": xy[:, 1], "angle_deg": 40.0 * number})
        tables.append(table.assign(particle=number, length=13.0, width=6.0))
    imaging = Imaging(electrons_per_px=60, contrast=0.5, focus_blur_px=0.8, grey_per_electron=2.5, grey_offset=0)
    return render_movie(pd.concat(tables, ignore_index=True), 24, (96, 96), imaging, rng)


@pytest.fixture
def tiff(frames, tmp_path):
    """The small movie as a calibrated TIFF."""
    path = tmp_path / "rods.tif"
    metadata = {"axes": "TYX", "finterval": 0.02, "unit": "nm"}
    tifffile.imwrite(path, frames, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path


@pytest.fixture
def shown(widget):
    """The widget with a movie and a made-up result."""
    analysis = make_analysis()
    image = widget.show_movie(analysis.movie)
    widget.show_analysis(image, analysis)
    return widget


@pytest.fixture
def views(qtbot):
    """The views of a made-up result on a screen, with what they share."""
    from napari_lptem_diffusion.gui.result import Result
    from napari_lptem_diffusion.gui.selection import Selection
    from napari_lptem_diffusion.gui.views.results import Results

    selection, result = Selection(), Result()
    results = Results(selection, result)
    qtbot.addWidget(results)
    results.resize(1300, 320)
    result.show(None, make_analysis())
    results.set_theme("#f0f1f2", "#262930", "#4560c4")
    results.show()
    qtbot.waitExposed(results)
    return SimpleNamespace(
        selection=selection,
        result=result,
        results=results,
        table=results.table,
        filter=results.filter_line,
        time=results.time_plot,
        steps=results.displacement_plot,
        msd=results.msd_plot,
        scatter=results.scatter,
    )
