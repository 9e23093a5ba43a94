"""The result and the preview as layers of the viewer, and clicks on them."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Layer

from napari_lptem_diffusion.gui import layers
from napari_lptem_diffusion.gui.colours import outline_colormap
from napari_lptem_diffusion.gui.preview import Found
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.particles import label_image

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis

PREVIEW = "preview"
_PREVIEW_RGB = "#ffd640"


class Canvas:
    """Draws over one image layer, in its space; the frame slider is the selection's frame."""

    def __init__(self, viewer: napari.Viewer, selection: Selection) -> None:
        self._viewer = viewer
        self._selection = selection
        self._image: Image | None = None
        self._rods = pd.DataFrame()
        self._result: dict[str, Layer] = {}
        self._preview: Layer | None = None
        viewer.dims.events.current_step.connect(self._on_slider)
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        selection.frame_changed.connect(self._move_slider)
        selection.particle_changed.connect(self._mark)

    def disconnect(self) -> None:
        """Let go of the viewer; the layers stay."""
        self._viewer.dims.events.current_step.disconnect(self._on_slider)
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse)

    def set_image(self, image: Image | None) -> None:
        """Draw over *image* from now on."""
        self._image = image
        self._on_slider()

    def set_space(self, space: dict[str, Any]) -> None:
        """Give the image and all that is drawn over it another `layers.space`."""
        for layer in filter(None, (self._image, self._preview, *self._result.values())):
            layer.units = space["units"]
            layer.scale = space["scale"]
            layer.axis_labels = space["axis_labels"]
        calibrated = space["units"][-1] != "pixel"
        self._viewer.canvas.overlays.scale_bar.visible = calibrated

    def show_result(self, analysis: Analysis, quantity: str) -> None:
        """Draw the rods and tracks of *analysis* in place of an earlier result."""
        self._remove([*self._result.values()])
        self._rods = layers.rods_with_motion(analysis)
        self._result = {
            kind: self._add(data, options, kind) for data, options, kind in layers.result_layers(analysis, quantity)
        }
        if "labels" in self._result:
            self._result["labels"].contour = max(1, round(float(self._rods["width"].median()) / 8))
            self._result["labels"].editable = False
        self._mark(self._selection.particle)

    def colour_by(self, quantity: str) -> None:
        """Colour tracks and axes, and write the numbers, by a key of `export.palette.SCALES`."""
        if self._result:
            self._result["tracks"].color_by = layers.colour_feature(quantity)
            self._result["vectors"].edge_color = layers.rod_colours(self._rods, quantity)
            self._result["points"].text.string = layers.text_template(quantity)
            self._result["points"].refresh_text()

    def show_preview(self, found: Found) -> None:
        """Outline the rods of one frame; other frames stay empty."""
        shape = self._image.data.shape
        image = label_image(found.rods, shape[1:], np.arange(1, len(found.rods) + 1))
        empty = np.zeros_like(image)
        labels = layers.LazyLabels(shape, lambda frame: image if frame == found.frame else empty)
        if self._preview is not None and self._preview in self._viewer.layers:
            self._preview.data = labels
            return
        options = {"name": PREVIEW, "opacity": 0.9, "colormap": outline_colormap(_PREVIEW_RGB)}
        self._preview = self._add(labels, options, "labels")
        self._preview.contour = 2
        self._preview.editable = False

    def hide_preview(self) -> None:
        """Take the outlines of the preview away."""
        self._remove([self._preview] if self._preview is not None else [])
        self._preview = None

    def _add(self, data: Any, options: dict[str, Any], kind: str) -> Layer:
        """Add a layer in the space of the image, which stays the active one."""
        image = self._image
        space = {
            "scale": image.scale,
            "translate": image.translate,
            "units": image.units,
            "axis_labels": image.axis_labels,
        }
        layer = self._viewer.add_layer(Layer.create(data, {**options, **space}, kind))
        self._viewer.layers.selection.active = image
        return layer

    def _remove(self, unwanted: list[Layer]) -> None:
        for layer in unwanted:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _mark(self, particle: int | None) -> None:
        if self._result:
            rings = layers.ring_colours(self._rods["particle"].to_numpy(), particle)
            self._result["points"].border_color = rings

    def _frame_axis(self) -> int:
        return int(self._viewer.dims.ndim) - 3

    def _on_slider(self) -> None:
        if self._image is not None and self._frame_axis() >= 0:
            self._selection.show_frame(int(self._viewer.dims.current_step[self._frame_axis()]))

    def _move_slider(self, frame: int) -> None:
        if self._frame_axis() >= 0:
            self._viewer.dims.set_current_step(self._frame_axis(), frame)

    def _on_mouse(self, viewer: napari.Viewer, event: Any) -> Generator[None, None, None]:
        """Select the rod under a click; a drag moves the canvas as ever."""
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        if dragged or not self._result:
            return
        frame, y, x = self._image.world_to_data(event.position)[-3:]
        here = self._rods[self._rods["frame"] == round(frame)]
        self._selection.select(layers.nearest_particle(here, y, x))
