from dataclasses import replace

import napari
import numpy as np
import pytest
from PIL import Image
from qtpy.QtGui import QTextCursor
from qtpy.QtWidgets import QWidget

from napari_lptem_diffusion.corrections import correct
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui import app
from napari_lptem_diffusion.gui.autosave import newest_orphan
from napari_lptem_diffusion.gui.help import PAGES, HelpWindow, _links
from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget
from napari_lptem_diffusion.movie import Movie, open_movie
from napari_lptem_diffusion.particles.correcting.correction import Anchor, DeleteTrack
from napari_lptem_diffusion.session import save_session
from napari_lptem_diffusion.settings import DetectionSettings, Settings
from tests.analysis_factory import make_analysis

PLUGIN = "napari-lptem-diffusion"
# Qt complains of what is wrong in the use of it, such as widgets that are touched from another thread.
pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "frames"
    place.mkdir()
    for number in range(12):
        Image.fromarray(np.full((24, 32), 10 * number, np.uint8)).save(place / f"{number}.png")
    return place


@pytest.fixture
def opened(make_napari_viewer, monkeypatch):
    """The viewers that were open when napari's event loop began."""
    viewers = []
    monkeypatch.setattr(napari, "Viewer", lambda title: make_napari_viewer(title=title))
    monkeypatch.setattr(napari, "run", lambda: viewers.append(napari.current_viewer()))
    monkeypatch.setattr("napari_lptem_diffusion.gui.preview.Preview.request", lambda *_: None)
    return viewers


def docked_widget(viewer):
    return next(dock for name, dock in viewer.window.dock_widgets.items() if name == app.TITLE)


def test_view_shows_the_movie_and_the_settings(opened, folder):
    app.view(folder, Settings(detection=DetectionSettings(threshold_sigma=7)))
    (viewer,) = opened
    assert [layer.name for layer in viewer.layers] == ["frames"]
    widget = docked_widget(viewer)
    assert widget.settings.detection.threshold_sigma == 7
    assert widget.movie_panel.movie is viewer.layers[0].data
    assert viewer.dims.current_step[0] == 0


def test_view_without_a_movie_waits_for_one(opened):
    app.view(None)
    assert len(opened[0].layers) == 0


def test_view_refuses_a_bad_movie_before_a_window_opens(opened, tmp_path):
    with pytest.raises(InputError, match="missing"):
        app.view(tmp_path / "missing.tif")
    assert opened == []


def test_show_opens_on_a_finished_result(opened):
    app.show(make_analysis())
    (viewer,) = opened
    assert {"rods.tif", "tracks"} <= {layer.name for layer in viewer.layers}
    assert "5 rods" in docked_widget(viewer).run_panel.text


def test_the_plugins_menu_docks_the_widget_and_napari_reads_a_folder(viewer, folder):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, app.TITLE)
    assert isinstance(widget, LptemDiffusionWidget)
    widget.steps.preview_box.setChecked(False)
    viewer.open(folder, plugin=PLUGIN)
    assert isinstance(viewer.layers[0].data, Movie)
    assert type(widget.movie_panel.movie) is Movie
    assert widget.movie_panel.movie is viewer.layers[0].data


def test_open_sample_is_in_the_menu(viewer):
    viewer.open_sample(PLUGIN, "lptem_rods")
    assert isinstance(viewer.layers[0].data, Movie)
    assert [str(unit) for unit in viewer.layers[0].units[1:]] == ["nanometer", "nanometer"]


def test_a_session_given_to_napari_opens_in_the_widget_which_is_docked_once(viewer, folder, tmp_path, qtbot):
    session = save_session(replace(make_analysis(), movie=open_movie(folder)), tmp_path / "mine.lptem")
    viewer.open(session, plugin=PLUGIN)
    widget = app.widget_of(viewer)
    qtbot.waitUntil(lambda: widget.result.analysis is not None, timeout=20_000)
    assert widget.steps.follow_section.state == "5 rods followed"
    viewer.open(session, plugin=PLUGIN)
    assert app.widget_of(viewer) is widget
    qtbot.waitUntil(lambda: not widget.run_panel.is_running, timeout=20_000)
    assert [layer.name for layer in viewer.layers if layer.name == "frames"] == ["frames"]


def test_closing_the_dock_takes_everything_of_ours_along(viewer, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, app.TITLE)
    widget.steps.preview_box.setChecked(False)
    analysis = make_analysis()
    widget.show_analysis(widget.show_movie(analysis.movie), analysis)
    assert len(viewer.window.dock_widgets) == 2
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: not viewer.window.dock_widgets)
    viewer.dims.set_current_step(0, 3)
    assert not any("lptem" in getattr(each, "__module__", "") for each in viewer.mouse_drag_callbacks)


def test_two_widgets_in_a_viewer_each_close_for_themselves(viewer, qtbot, autosave_home):
    widgets = [LptemDiffusionWidget(viewer) for _ in range(2)]
    docks = [viewer.window.add_dock_widget(widget, name=f"dock {n}") for n, widget in enumerate(widgets)]
    for widget in widgets:
        widget.steps.preview_box.setChecked(False)
    analysis = make_analysis()
    rod = analysis.tracks[analysis.tracks["particle"] == 2].iloc[0]
    corrected = correct(analysis, DeleteTrack(track=Anchor(frame=int(rod["frame"]), x=rod["x"], y=rod["y"])))
    widgets[1].show_analysis(widgets[1].show_movie(analysis.movie), corrected)
    for dock in docks:
        dock.destroyOnClose()
    qtbot.waitUntil(lambda: not viewer.window.dock_widgets)
    qtbot.waitUntil(lambda: any(autosave_home.rglob("*.lptem")), timeout=20_000)
    assert not any("lptem" in name for name in viewer.canvas.overlays)
    assert newest_orphan(autosave_home) is not None


def test_every_page_of_the_help_is_there(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    window, links = HelpWindow(parent), []
    for name in PAGES.values():
        window.show_page(name)
        assert len(window.page.toPlainText()) > 500
        for start, _ in _links(window.page.document()):
            cursor = QTextCursor(window.page.document())
            cursor.setPosition(start + 1)
            links.append(cursor.charFormat().foreground().color() == window.page.palette().text().color())
    assert len(links) > 10
    assert all(links), "they are read in the dark theme too"
    window.page.backward()
    assert window.page.source().fileName() == list(PAGES.values())[-2]
