"""A napari viewer with the widget docked; skipped where there is no display."""

import os
import sys

import pytest

NEEDS_DISPLAY = {"qapp", "qtbot", "make_napari_viewer", "viewer", "widget"}


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
