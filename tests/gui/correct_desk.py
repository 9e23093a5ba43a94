"""A viewer with a result and the panel that corrects it, for tests that correct with mouse and keys."""

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.analysis import Analysis
from tests.analysis_factory import make_analysis


class Desk:
    """A viewer on screen with a result, and the panel beside it; work is done at once."""

    def __init__(self, viewer, qtbot, analysis=None):
        from napari.layers import Layer

        from napari_lptem_diffusion.gui.canvas import Canvas
        from napari_lptem_diffusion.gui.correct_panel import CorrectPanel
        from napari_lptem_diffusion.gui.layers import movie_layer
        from napari_lptem_diffusion.gui.result import Result
        from napari_lptem_diffusion.gui.selection import Selection

        self.viewer, self.qtbot = viewer, qtbot
        self.outcomes = []
        analysis = make_analysis() if analysis is None else analysis
        self.image = viewer.add_layer(Layer.create(*movie_layer(analysis.movie)))
        self.selection, self.result = Selection(), Result()
        self.canvas = Canvas(viewer, self.selection)
        self.canvas.show_movie(self.image, [self.image])
        for signal in (self.result.changed, self.result.corrected):
            signal.connect(self.show)
        self.panel = CorrectPanel(self.selection, self.canvas, self.result)
        self.panel.work_wanted.connect(self.work)
        self.panel.fit_box.setChecked(False)
        viewer.window.add_dock_widget(self.panel, area="right")
        self.result.show(self.image, analysis)
        self.native = viewer.window._qt_viewer.canvas.native
        self.native.setFocus()
        self.go_to(45)

    def show(self, analysis):
        if analysis is None or analysis.tracks.empty:
            self.canvas.remove_result()
        else:
            self.canvas.show_result(self.image, analysis)

    def work(self, work, description, on_done):
        assert description
        self.outcomes.append(on_done(work(lambda *progress: None, lambda: False)))
        assert self.outcomes[-1]

    @property
    def analysis(self) -> Analysis:
        return self.result.analysis

    def particles(self):
        return set(self.analysis.tracks["particle"])

    def go_to(self, frame):
        self.selection.show_frame(frame)

    def rod(self, particle, frame=None):
        tracks = self.analysis.tracks
        frame = self.selection.frame if frame is None else frame
        return tracks[(tracks["particle"] == particle) & (tracks["frame"] == frame)].iloc[0]

    def point(self, x, y):
        """Where (x, y) px of the movie lie in the native canvas."""
        world = np.array(self.image.data_to_world((0, y, x))[-2:])
        camera, (height, width) = self.viewer.scene.camera, self.viewer.canvas.size
        down, right = (world - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(width / 2 + right), round(height / 2 + down))

    def click(self, x, y, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.mouseClick(self.native, Qt.MouseButton.LeftButton, modifier, self.point(x, y))

    def click_rod(self, particle, modifier=Qt.KeyboardModifier.NoModifier):
        rod = self.rod(particle)
        self.click(rod["x"], rod["y"], modifier)

    def drag(self, start, end):
        first, last = self.point(*start), self.point(*end)
        self.qtbot.mousePress(self.native, Qt.MouseButton.LeftButton, pos=first)
        for share in (0.3, 0.6, 1.0):
            here = QPoint(*(round(a + share * (b - a)) for a, b in zip(_xy(first), _xy(last), strict=True)))
            self.qtbot.mouseMove(self.native, here)
            self.qtbot.wait(20)  # napari lets a few ms pass between two moves
        self.qtbot.mouseRelease(self.native, Qt.MouseButton.LeftButton, pos=last)

    def press(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.native, key, modifier)


def _xy(point):
    return point.x(), point.y()


def desk_on_screen(make_napari_viewer, qtbot, analysis=None):
    """Return a desk whose window is active, so that its keys work."""
    desk = Desk(make_napari_viewer(show=True), qtbot, analysis)
    window = desk.viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window)
    return desk
