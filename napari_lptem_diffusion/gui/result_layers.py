"""napari's layers of a result: its tracks, and its masks once they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_lptem_diffusion.gui import layers
from napari_lptem_diffusion.gui.look import Look

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels, Tracks

_MANY_VERTICES = 20_000
"""napari takes a tenth of a second for so many on a slow machine: they are left to it piece by piece."""


class ResultLayers(QObject):
    """Keeps the layers over the movie of the result, in its space.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject

    Attributes
    ----------
    image : Image or None
        The movie that the result is of.
    """

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.image: Image | None = None
        self._tracks: Tracks | None = None
        self._masks: Labels | None = None
        self._put_away: list[Layer] = []
        self._is_put_away = False
        self._rods, self._look, self._foremost = pd.DataFrame(), Look(), frozenset[int]()
        self._next_piece = QTimer(self)
        self._next_piece.setSingleShot(True)
        self._next_piece.timeout.connect(self._show_piece)

    @property
    def all(self) -> tuple[Layer, ...]:
        """The layers that there are."""
        return tuple(layer for layer in (self._masks, self._tracks) if layer is not None)

    def remove(self) -> None:
        """Take the layers away."""
        self._next_piece.stop()
        for layer in self.all:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.image = self._tracks = self._masks = None
        self._put_away, self._is_put_away = [], False

    def show_tracks(self, rods: pd.DataFrame, look: Look, foremost: Collection[int]) -> None:
        """Show the tracks of *rods* as `layers.tracks_rgba` colours them; of many, when events have been answered.

        Parameters
        ----------
        rods : DataFrame
            As `Scene.rods`; empty: none.
        look : Look
        foremost : collection of int
            Particles beside which others are paler; none if empty.
        """
        self._rods, self._look, self._foremost = rods, look, frozenset(foremost)
        if len(rods) > _MANY_VERTICES:
            self._next_piece.start()
            return
        self._next_piece.stop()
        self._add_tracks()
        self._fill_tracks()

    def colour_tracks(self, look: Look, foremost: Collection[int]) -> None:
        """Colour the tracks that are shown another way."""
        self._look, self._foremost = look, frozenset(foremost)
        self._colour()

    def _colour(self) -> None:
        is_complete = not self._next_piece.isActive()  # else they are coloured when they are
        if self._tracks is not None and is_complete and not self._rods.empty:
            self._tracks.track_colors = layers.tracks_rgba(self._rods, self._look.quantity, self._foremost)

    def show_tails(self, look: Look) -> None:
        """Show tracks as far back as *look* says."""
        self._look = look
        if self._tracks is not None:
            self._tracks.tail_length = max(look.tail_frames, 1)
            self._tracks.display_tail = not self._rods.empty and look.tail_frames > 0

    def show_masks(self, labels: Callable[[int], NDArray[np.int32]], are_wanted: bool) -> None:
        """Show the masks that *labels* returns by frame; there is no layer of them before they *are_wanted*."""
        if self._masks is not None:
            self._masks.data.compute_by(labels)
            self._masks.refresh()
        elif are_wanted and self.image is not None:
            self._masks = self._add(*layers.masks_layer(self.image.data.shape, labels))
            self._masks.editable = False
            if self._tracks is not None:
                self._viewer.layers.move(*map(self._viewer.layers.index, (self._masks, self._tracks)))

    def switch_masks(self, are_seen: bool) -> None:
        """Show or hide the masks, if there are some; while another movie is in view, when theirs is again."""
        if self._masks is None:
            return
        self._masks.visible = are_seen and not self._is_put_away
        if self._is_put_away:
            self._put_away = [layer for layer in self._put_away if layer is not self._masks] + [self._masks] * are_seen

    def show_with(self, image: Image | None) -> None:
        """Hide the layers while another movie than theirs is in view; those that the user hid stay hidden."""
        if image is self.image:
            for layer in self._put_away:
                layer.visible = True
            self._put_away, self._is_put_away = [], False
        elif not self._is_put_away:
            self._put_away, self._is_put_away = [layer for layer in self.all if layer.visible], True
            for layer in self._put_away:
                layer.visible = False

    def _show_piece(self) -> None:
        if self._tracks is None:
            self._add_tracks()
            self._next_piece.start()
        else:
            self._fill_tracks()

    def _add_tracks(self) -> None:
        """Have a layer of tracks, which can be hidden but not be empty."""
        if self._tracks is None and not self._rods.empty and self.image is not None:
            # New layers take all data twice.
            self._tracks = self._add(*layers.tracks_layer(self._rods[:1], self._look.tail_frames))

    def _fill_tracks(self) -> None:
        if self._tracks is None:
            return
        if not self._rods.empty:
            vertices = layers.track_vertices(self._rods)
            if not np.array_equal(self._tracks.data, vertices):
                self._tracks.data = vertices
        self.show_tails(self._look)
        self._colour()

    def _add(self, data: Any, options: dict[str, Any], kind: str) -> Any:
        """Add a layer in the space of the image, unseen while that is; the active layer stays the same."""
        assert self.image is not None
        active = self._viewer.layers.selection.active
        space = {name: getattr(self.image, name) for name in ("scale", "translate", "units", "axis_labels")}
        options = {**options, **space, "visible": not self._is_put_away}
        layer = self._viewer.add_layer(Layer.create(data, options, kind))
        self._viewer.layers.selection.active = active
        if self._is_put_away:
            self._put_away.append(layer)
        return layer
