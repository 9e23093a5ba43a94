"""The frame slider runs over the movie in view, not over the longest one that is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer


class FrameRange:
    """Keeps the first slider of a viewer to the layers that are in use; napari counts hidden ones, too."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._left_out: tuple[Layer, ...] = ()
        viewer.dims.events.range.connect(self._limit)

    def leave_out(self, layers: Sequence[Layer]) -> None:
        """Do not count these layers from now on."""
        self._left_out = tuple(layers)
        self._limit()

    def disconnect(self) -> None:
        """Let go of the viewer."""
        self._viewer.dims.events.range.disconnect(self._limit)

    def _limit(self) -> None:
        layers, dims = self._viewer.layers, self._viewer.dims
        extent = layers.get_extent([layer for layer in layers if layer not in self._left_out])
        first, last, step = extent.world[0][0], extent.world[1][0], extent.step[0]
        has_frames = len(extent.step) == dims.ndim > 2 and last >= first  # not where nothing is left
        if has_frames and tuple(dims.range[0]) != (first, last, step):
            dims.set_range(0, (first, last, step))
