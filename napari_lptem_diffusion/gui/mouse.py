"""The mouse over the canvas: a click selects, the tool draws and edits, any other drag moves the canvas as ever."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_lptem_diffusion.gui.scene import nearest_rod
from napari_lptem_diffusion.gui.selection import Selection

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_lptem_diffusion.gui.canvas import Canvas
    from napari_lptem_diffusion.gui.draft import Place

_DRAG_PX = 4.0
_REACH_PX = 9.0
_ADDING = ("Control", "Shift", "Meta")


class Mouse:
    """Passes what the mouse does over a canvas on to its tool and the selection."""

    def __init__(self, viewer: napari.Viewer, canvas: Canvas, selection: Selection) -> None:
        self._viewer, self._canvas, self._selection = viewer, canvas, selection
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_hover)
        viewer.mouse_double_click_callbacks.append(self._on_double_click)

    def disconnect(self) -> None:
        """Let go of the viewer."""
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewer.mouse_move_callbacks.remove(self._on_hover)
        self._viewer.mouse_double_click_callbacks.remove(self._on_double_click)

    def _on_press(self, viewer: napari.Viewer, event: Any) -> Generator[None, None, None]:
        image, tool = self._canvas.image, self._canvas.tool
        if image is None or event.button != 1:
            return
        start = _place(image, event)
        if tool.press(start, self._reach_px(image, _REACH_PX)):
            yield from self._drag_with_tool(image, event)
            return
        farthest = 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.hypot(*np.subtract(_place(image, event), start))))
            yield
        if not tool.is_active and farthest <= self._reach_px(image, _DRAG_PX):
            self._select(image, start, adds=any(key in event.modifiers for key in _ADDING))

    def _drag_with_tool(self, image: Image, event: Any) -> Generator[None, None, None]:
        camera, tool = self._viewer.scene.camera, self._canvas.tool
        could_pan, camera.mouse_pan = camera.mouse_pan, False
        yield
        while event.type == "mouse_move":
            tool.move(_place(image, event))
            yield
        camera.mouse_pan = could_pan
        tool.release()

    def _select(self, image: Image, place: Place, adds: bool) -> None:
        x, y = place
        reach = self._reach_px(image, _REACH_PX)
        rod = nearest_rod(self._canvas.rods_in_view(), y, x, reach)
        if rod is not None and adds:
            self._selection.toggle(int(rod["particle"]))
        elif not adds and self._canvas.scene is not None:
            self._selection.select(None if rod is None else int(rod["particle"]))
        elif adds:
            loose = nearest_rod(self._canvas.loose_in_view(), y, x, reach)
            if loose is not None:
                self._canvas.loose_clicked.emit((float(loose["x"]), float(loose["y"])))

    def _on_hover(self, viewer: napari.Viewer, event: Any) -> None:
        """Show by the cursor what can be gripped."""
        image, tool = self._canvas.image, self._canvas.tool
        if image is not None and tool.draft is not None and not tool.is_drawing:
            grip = tool.grip_at(_place(image, event), self._reach_px(image, _REACH_PX))
            viewer.cursor.style = "standard" if grip is None else "pointing"

    def _on_double_click(self, viewer: napari.Viewer, event: Any) -> None:
        """Centre the rod that the first click has selected; napari has zoomed in on it."""
        if self._canvas.scene is not None and not self._canvas.tool.is_active:
            self._selection.centre()

    def _reach_px(self, image: Image, canvas_px: float) -> float:
        """Return how many px of the movie so many of the canvas are."""
        return float(canvas_px / (self._viewer.scene.camera.zoom * image.scale[-1]))


def _place(image: Image, event: Any) -> Place:
    """Where the mouse is, (x, y) in px of the movie."""
    y, x = image.world_to_data(event.position)[-2:]
    return float(x), float(y)
