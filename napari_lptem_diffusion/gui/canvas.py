"""The result and the preview as layers of the viewer, and clicks on them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
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
    from napari.layers import Image, Labels

    from napari_lptem_diffusion.analysis import Analysis

PREVIEW = "preview"
_PREVIEW_COLOUR = "#ffd640"
_WIDEST_OUTLINE_PX = 4


class Canvas:
    """Draws over image layers, in their space; the frame slider is the selection's frame."""

    def __init__(self, viewer: napari.Viewer, selection: Selection) -> None:
        self._viewer = viewer
        self._selection = selection
        self._rods = pd.DataFrame()
        self._image: Image | None = None
        self._result: dict[str, Layer] = {}
        self._result_image: Image | None = None
        self._put_away: list[Layer] = []
        self._preview: Layer | None = None
        viewer.dims.events.current_step.connect(self.read_slider)
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        selection.frame_changed.connect(self._move_slider)
        selection.particle_changed.connect(self._mark)

    def disconnect(self) -> None:
        """Let go of the viewer; the layers stay."""
        self._viewer.dims.events.current_step.disconnect(self.read_slider)
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse)

    def show_movie(self, image: Image | None, movies: Sequence[Image]) -> None:
        """Show *image* with its result, fitted to the canvas; hide the other *movies* and what belongs to them."""
        self._image = image
        for movie in movies:
            movie.visible = movie is image
        self._show_or_put_away_result()
        if image is not None:
            self._viewer.reset_view(layers=[image])

    def set_space(self, image: Image, space: dict[str, Any], with_result: bool) -> None:
        """Give *image*, its preview and, if so wanted, the result another `layers.space`."""
        is_other = tuple(image.scale) != space["scale"]
        overlays = [self._preview, *(self._result.values() if with_result else ())]
        for layer in (image, *filter(None, overlays)):
            layer.units = space["units"]
            layer.scale = space["scale"]
            layer.axis_labels = space["axis_labels"]
        self._viewer.canvas.overlays.scale_bar.visible = space["units"][-1] != "pixel"
        if is_other:
            self._viewer.reset_view(layers=[image])

    def show_result(self, image: Image, analysis: Analysis, quantity: str) -> None:
        """Draw the rods and tracks of *analysis* over *image*, in place of an earlier result."""
        self.remove_result()
        self._rods = layers.rods_with_motion(analysis)
        drawn = layers.result_layers(analysis, quantity)
        self._result = {kind: self._add(image, data, options, kind) for data, options, kind in drawn}
        if self._result:
            _as_outlines(self._result["labels"], self._rods)
        self._result_image = image
        self._mark(self._selection.particle)
        self._show_or_put_away_result()

    def remove_result(self) -> None:
        """Take the layers of the result away."""
        self._remove(list(self._result.values()))
        self._result, self._result_image, self._put_away = {}, None, []
        self._rods = pd.DataFrame()

    def colour_by(self, quantity: str) -> None:
        """Colour tracks and axes, and write the numbers, by a key of `export.palette.SCALES`."""
        if self._result:
            self._result["tracks"].color_by = layers.colour_feature(quantity)
            self._result["vectors"].edge_color = layers.rod_colours(self._rods, quantity)
            self._result["points"].text.string = layers.text_template(quantity)
            self._result["points"].refresh_text()

    def show_preview(self, image: Image, found: Found) -> None:
        """Outline the rods of one frame over *image*; other frames stay empty."""
        shape = image.data.shape
        outlined = label_image(found.rods, shape[1:], np.arange(1, len(found.rods) + 1))
        empty = np.zeros_like(outlined)
        labels = layers.LazyLabels(shape, lambda frame: outlined if frame == found.frame else empty)
        if self._preview is None or self._preview not in self._viewer.layers:
            options = {"name": PREVIEW, "opacity": 0.9, "colormap": outline_colormap(_PREVIEW_COLOUR)}
            self._preview = self._add(image, labels, options, "labels")
        else:
            self._preview.data = labels
        _as_outlines(self._preview, found.rods)

    def hide_preview(self) -> None:
        """Take the outlines of the preview away."""
        self._remove([] if self._preview is None else [self._preview])
        self._preview = None

    def read_slider(self) -> None:
        """Make the frame in view that of the selection."""
        if self._frame_axis() >= 0:
            self._selection.show_frame(int(self._viewer.dims.current_step[self._frame_axis()]))

    def _add(self, image: Image, data: Any, options: dict[str, Any], kind: str) -> Layer:
        """Add a layer in the space of *image*; the active layer stays the same."""
        active = self._viewer.layers.selection.active
        space = {name: getattr(image, name) for name in ("scale", "translate", "units", "axis_labels")}
        layer = self._viewer.add_layer(Layer.create(data, {**options, **space}, kind))
        self._viewer.layers.selection.active = active
        return layer

    def _remove(self, unwanted: list[Layer]) -> None:
        for layer in unwanted:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _show_or_put_away_result(self) -> None:
        """Hide the result while another movie is shown; layers that the user hid stay hidden."""
        if self._image is self._result_image:
            for layer in self._put_away:
                layer.visible = True
            self._put_away = []
        elif not self._put_away:
            self._put_away = [layer for layer in self._result.values() if layer.visible]
            for layer in self._put_away:
                layer.visible = False

    def _mark(self, particle: int | None) -> None:
        if self._result:
            self._result["points"].border_color = layers.ring_colours(self._rods["particle"].to_numpy(), particle)

    def _frame_axis(self) -> int:
        return int(self._viewer.dims.ndim) - 3

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
        if self._result and self._image is self._result_image and not dragged:
            frame, y, x = self._result["points"].world_to_data(event.position)[-3:]
            here = self._rods[self._rods["frame"] == round(frame)]
            self._selection.select(layers.nearest_particle(here, y, x))


def _as_outlines(labels: Labels, rods: pd.DataFrame) -> None:
    """Draw *labels* as outlines that leave most of a rod to be seen."""
    width_px = float(rods["width"].median()) if len(rods) else 1.0
    labels.contour = int(np.clip(round(width_px / 8), 1, _WIDEST_OUTLINE_PX))
    labels.editable = False
