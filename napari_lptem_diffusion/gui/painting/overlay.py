"""A picture that Qt paints over napari's canvas, seen in its screenshots too.

napari has no public way to add a kind of overlay; this file alone touches its private registry of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari._vispy.overlays.base import ViewerOverlayMixin, VispyCanvasOverlay
from napari._vispy.utils.visual import overlay_to_visual
from napari.components.overlays.base import CanvasOverlay
from numpy.typing import ArrayLike, NDArray
from qtpy.QtGui import QImage, QPainter
from vispy import gloo
from vispy.scene import SceneCanvas, ViewBox
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

_VERTEX_SHADER = """
attribute vec2 a_corner;
varying vec2 v_place;
void main() {
    v_place = a_corner;
    gl_Position = $transform(vec4(a_corner * $size, 0.0, 1.0));
}
"""
_FRAGMENT_SHADER = """
varying vec2 v_place;
void main() { gl_FragColor = texture2D($picture, v_place); }
"""
_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)], np.float32)


@dataclass(frozen=True)
class View:
    """What the canvas shows: its size and where places of the world lie on it.

    Attributes
    ----------
    width, height : float
        Of the canvas, in device-independent px.
    turn : (2, 2) array
        Steps of world (x, y) to steps on the canvas (x right, y down), px.
    origin : (2,) array
        Where the origin of the world lies on the canvas, px.
    """

    width: float
    height: float
    turn: NDArray[np.float64]
    origin: NDArray[np.float64]

    def on_canvas(self, world_xy: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 2) canvas px of (..., 2) places (x, y) of the world."""
        placed: NDArray[np.float64] = np.asarray(world_xy, dtype=float) @ self.turn.T + self.origin
        return placed

    @property
    def zoom(self) -> float:
        """Canvas px per unit of the world."""
        return float(np.sqrt(abs(np.linalg.det(self.turn))))


Paint = Callable[[QPainter, View], None]


class Painted(CanvasOverlay):
    """An overlay of the whole canvas that *paint* paints whenever it is looked at after a change."""

    paint: Paint
    revision: int = 0
    """Raise it to have the overlay painted anew."""
    position: tuple[int, int] = (0, 0)  # not one of napari's corners, so that napari does not tile it
    box: bool = False
    visible: bool = True


class _PictureVisual(Visual):
    """A picture of the size of the canvas, made just before it is drawn and only if something has changed."""

    def __init__(self, picture: Callable[[SceneCanvas], NDArray[np.uint8] | None]) -> None:
        super().__init__(_VERTEX_SHADER, _FRAGMENT_SHADER)
        self._picture = picture
        self._texture = gloo.Texture2D(np.zeros((1, 1, 4), np.uint8), interpolation="nearest")
        self._draw_mode = "triangles"
        self.shared_program["a_corner"] = gloo.VertexBuffer(_CORNERS)
        self.shared_program.frag["picture"] = self._texture

    def _prepare_transforms(self, view: Any) -> None:
        view.view_program.vert["transform"] = view.transforms.get_transform()

    def _prepare_draw(self, view: Any) -> bool:
        canvas = view.canvas
        picture = self._picture(canvas)
        if picture is not None:
            self._texture.set_data(picture)
        self.shared_program.vert["size"] = tuple(map(float, canvas.size))
        return True

    def _compute_bounds(self, axis: int, view: Any) -> None:
        return None


_PictureNode = create_visual_node(_PictureVisual)


class _VispyPainted(ViewerOverlayMixin, VispyCanvasOverlay):
    """Keeps the painted picture until the view or `Painted.revision` changes."""

    overlay: Painted

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(node=_PictureNode(self._picture), **kwargs)
        self._painted: tuple[object, ...] | None = None
        self.overlay.events.revision.connect(self._on_revision)
        self.viewer.canvas.grid.events.enabled.connect(self._on_visible_change)
        self.viewer.dims.events.ndisplay.connect(self._on_visible_change)
        self.reset()

    def close(self) -> None:
        """Let go of the viewer."""
        self.overlay.events.revision.disconnect(self._on_revision)
        self.viewer.canvas.grid.events.enabled.disconnect(self._on_visible_change)
        self.viewer.dims.events.ndisplay.disconnect(self._on_visible_change)
        super().close()

    def _should_be_visible(self) -> bool:
        """Only over one flat picture."""
        return self.overlay.visible and self.viewer.dims.ndisplay == 2 and not self.viewer.canvas.grid.enabled

    def _on_revision(self) -> None:
        self.node.update()

    def _on_position_change(self, event: object = None) -> None:
        """It fills the canvas."""

    def _on_blending_change(self) -> None:
        self.node.set_gl_state(  # Qt's colours are multiplied by their opacity
            "translucent", depth_test=False, cull_face=False, blend_func=("one", "one_minus_src_alpha")
        )

    def _picture(self, canvas: SceneCanvas) -> NDArray[np.uint8] | None:
        """Return the picture, or None if the last one still holds."""
        view = _view(self.node.parent, canvas)
        state = (self.overlay.revision, canvas.size, canvas.pixel_scale, view.turn.tobytes(), view.origin.tobytes())
        if state == self._painted:
            return None
        self._painted = state
        return painted(self.overlay.paint, view, canvas.pixel_scale)


def painted(paint: Paint, view: View, pixel_scale: float = 1.0) -> NDArray[np.uint8]:
    """Return what *paint* paints as (y, x, 4) RGBA in 0..255, colours multiplied by their opacity.

    Parameters
    ----------
    paint : callable
    view : View
    pixel_scale : float
        Screen px per device-independent px.
    """
    width, height = max(1, round(view.width * pixel_scale)), max(1, round(view.height * pixel_scale))
    image = QImage(width, height, QImage.Format.Format_RGBA8888_Premultiplied)
    image.setDevicePixelRatio(pixel_scale)
    image.fill(0)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint(painter, view)
    painter.end()
    bits = image.constBits()
    if hasattr(bits, "setsize"):  # PyQt hands a pointer, PySide a buffer
        bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint8).reshape(height, width, 4).copy()


def _view(box: ViewBox, canvas: SceneCanvas) -> View:
    origin, right, down = (box.transform * box.scene.transform).map([(0, 0), (1, 0), (0, 1)])[:, :2]
    return View(float(canvas.size[0]), float(canvas.size[1]), np.stack([right - origin, down - origin], axis=1), origin)


overlay_to_visual[Painted] = _VispyPainted
