"""The movie with its result in the viewer: layers, what is painted over them, and the mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels, Points, Shapes
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.gui import layers
from napari_lptem_diffusion.gui.editing import RodTool
from napari_lptem_diffusion.gui.frame_range import FrameRange
from napari_lptem_diffusion.gui.look import AVERAGED_TO_EACH_SIDE, Look
from napari_lptem_diffusion.gui.mouse import Mouse
from napari_lptem_diffusion.gui.painting.overlay import Painted, View
from napari_lptem_diffusion.gui.painting.picture import Picture
from napari_lptem_diffusion.gui.painting.plates import Theme, time_text
from napari_lptem_diffusion.gui.preview import Found
from napari_lptem_diffusion.gui.result_layers import ResultLayers
from napari_lptem_diffusion.gui.scene import Scene, kept
from napari_lptem_diffusion.gui.selection import Selection

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_lptem_diffusion.analysis import Analysis

_OVERLAY = "lptem_diffusion"
_PLATE_OPACITY = 0.82
_CENTRED_PX = 90.0
"""Length on the canvas of a rod that is brought into view, at least."""


class Canvas(QObject):
    """Draws over image layers, in their space; the frame slider is the selection's frame.

    Parameters
    ----------
    viewer : napari.Viewer
    selection : Selection
    frame_interval_s : callable
        Asked for the frame interval of the movie in view, None where it is not known, whenever its time is written.

    Attributes
    ----------
    tool : RodTool
        With which a rod is drawn or edited on the canvas.
    look : Look
        What is drawn; set it by `set_look`.
    previewed : Found or None
        What is outlined in its frame; set it by `show_preview`.
    """

    keys_changed = Signal(bool)
    """Emitted with whether keys are free for us, as they are unless the user draws on an active layer."""

    movie_changed = Signal()
    """Emitted when another movie is in view, with its result if it has one."""

    loose_clicked = Signal(object)
    """Emitted with the place, (x, y) in px, of a rod in no track that was clicked on so as to add it."""

    def __init__(
        self,
        viewer: napari.Viewer,
        selection: Selection,
        frame_interval_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._selection = selection
        self.look = Look()
        self.tool = RodTool()
        self._scene: Scene | None = None
        self._image: Image | None = None
        self._movies: tuple[Image, ...] = ()
        self._frame_interval_s = frame_interval_s
        self._unaveraged: dict[Image, tuple[float, ...]] = {}
        self._result = ResultLayers(viewer, self)
        self._labels: Callable[[int], NDArray[np.int32]]
        self.previewed: Found | None = None
        self._previewed_image: Image | None = None
        self._painted = Painted(paint=self._paint)
        self._overlay = f"{_OVERLAY}_{id(self._painted)}"  # a second widget in this viewer has its own
        viewer.canvas.overlays[self._overlay] = self._painted
        self._of_viewer = (
            (viewer.dims.events.point, self.read_slider),
            (viewer.events.theme, self.repaint),
            (viewer.layers.selection.events.active, self._on_active_layer),
        )
        for event, callback in self._of_viewer:
            event.connect(callback)
        self._frames = FrameRange(viewer)
        self._mouse = Mouse(viewer, self, selection)
        selection.frame_changed.connect(self._move_slider)
        selection.particles_changed.connect(self._on_selection)
        selection.shown_changed.connect(self._on_shown)
        selection.centre_wanted.connect(self.centre)
        self.tool.changed.connect(self._on_tool)

    def disconnect(self) -> None:
        """Let go of the viewer; the layers stay."""
        for event, callback in self._of_viewer:
            event.disconnect(callback)
        self._frames.disconnect()
        self._mouse.disconnect()
        self._viewer.canvas.overlays.pop(self._overlay, None)

    @property
    def image(self) -> Image | None:
        """The layer of the movie in view."""
        return self._image

    @property
    def scene(self) -> Scene | None:
        """What the result has to show, or None where the movie in view has none."""
        return self._scene if self._image is self._result.image else None

    def show_movie(self, image: Image | None, movies: Sequence[Image]) -> None:
        """Show *image* with its result, fitted to the canvas; hide the other *movies* and what belongs to them."""
        self.tool.give_up()
        self._image, self._movies = image, tuple(movies)
        if image is not None:  # before anything is drawn
            layers.share_units(image, movies, self._result.all)
        for movie in movies:
            movie.visible = movie is image and (self.look.movie or self.scene is None)
        self._result.show_with(self._image)
        of_others = () if image is None or self._result.image is image else self._result.all
        self._frames.leave_out([*(movie for movie in movies if image is not None and movie is not image), *of_others])
        self._viewer.canvas.overlays.scale_bar.visible = image is not None and str(image.units[-1]) != "pixel"
        # A picture alone on the canvas, drawn when napari deletes layers, crashes Mesa's software renderer.
        self._painted.visible = image is not None
        if image is not None:
            self._viewer.reset_view(layers=[image])
            if self.look.averaged:
                self._average()
        self.read_slider()
        self.repaint()
        self.movie_changed.emit()

    def set_space(self, image: Image, space: dict[str, Any], with_result: bool) -> None:
        """Give *image* and, if so wanted, the result another `layers.space`."""
        is_other = tuple(image.scale) != space["scale"]
        for layer in (image, *(self._result.all if with_result else ())):
            layer.units = space["units"]
            layer.scale = space["scale"]
            layer.axis_labels = space["axis_labels"]
        layers.share_units(image, self._movies, self._result.all)
        self._viewer.canvas.overlays.scale_bar.visible = space["units"][-1] != "pixel"
        if is_other:
            self._viewer.reset_view(layers=[image])
        self.repaint()

    def show_result(self, image: Image, analysis: Analysis) -> None:
        """Draw the rods and tracks of *analysis* over *image*.

        The layers of an earlier result of the same movie, as before a correction, get the new data.
        """
        if image is not self._result.image:
            self.remove_result()
        self._scene = Scene.of(analysis)
        self._result.image = image
        self._labels = analysis.labels
        self._show_tracks()
        self._show_masks()
        self._result.show_with(self._image)
        self.tool.give_up()
        self.repaint()

    def remove_result(self) -> None:
        """Take the layers of the result away."""
        self.tool.give_up()
        self._result.remove()
        self._scene = None
        self.repaint()

    def set_look(self, look: Look) -> None:
        """Draw as *look* says; it is kept when another result is shown."""
        before, self.look = self.look, look
        if self._image is not None and look.movie != before.movie:
            self._image.visible = look.movie
        if (look.only_selected, look.only_filtered) != (before.only_selected, before.only_filtered):
            self._show_tracks()
        elif (look.quantity, look.others_pale) != (before.quantity, before.others_pale):
            self._colour_tracks()
        self._result.show_tails(look)
        if look.averaged != before.averaged:
            self._average()
        if look.masks != before.masks:
            self._show_masks()
            self._result.switch_masks(look.masks)
        self.repaint()

    def colour_by(self, quantity: str) -> None:
        """Colour tracks and rods, and write the numbers, by a key of `look.QUANTITIES`."""
        self.set_look(replace(self.look, quantity=quantity))

    def centre(self) -> None:
        """Bring the main particle into view and near, in the frame in view or the nearest in which it is seen."""
        particle, scene = self._selection.particle, self.scene
        if particle is None or scene is None or self._result.image is None:
            return
        track = scene.of_particle(particle)
        if track.empty:
            return
        nearest = int((track["frame"] - self._selection.frame).abs().argmin())
        frame, y, x = track[["frame", "y", "x"]].iloc[nearest]
        self._selection.show_frame(int(frame))
        camera, image = self._viewer.scene.camera, self._result.image
        camera.center = image.data_to_world((frame, y, x))[-2:]
        if scene.has_sizes:
            length_px = float(track["length"].iloc[nearest])
            camera.zoom = max(camera.zoom, _CENTRED_PX / (length_px * float(image.scale[-1])))

    def show_preview(self, image: Image, found: Found) -> None:
        """Outline the rods of one frame over *image*; other frames stay empty."""
        self.previewed, self._previewed_image = found, image
        self.repaint()

    def hide_preview(self) -> None:
        """Take the outlines of the preview away."""
        if self.previewed is not None:
            self.previewed = self._previewed_image = None
            self.repaint()

    def rods_in_view(self) -> pd.DataFrame:
        """Return the rods that are drawn in the frame in view, as in `Scene.rods`."""
        return (
            pd.DataFrame() if self.scene is None else kept(self.scene.in_frame(self._selection.frame), self._wanted())
        )

    def loose_in_view(self) -> pd.DataFrame:
        """Return the rods in no track that are drawn in the frame in view, as in `Scene.loose`."""
        if self.scene is None or not self.look.loose:
            return pd.DataFrame()
        return self.scene.loose_in_frame(self._selection.frame)

    def read_slider(self) -> None:
        """Make the frame in view that of the selection."""
        if self._image is not None and self._frame_axis() >= 0:
            frame = self._image.world_to_data(self._viewer.dims.point)[0]  # steps may be those of a finer layer
            self._selection.show_frame(round(float(frame)))

    def repaint(self) -> None:
        """Paint anew what lies over the layers."""
        self._painted.revision += 1

    def _paint(self, painter: QPainter, view: View) -> None:
        if self._image is None or self._image not in self._viewer.layers:
            return
        picture = Picture(
            scene=self.scene,
            look=self.look,
            frame=self._selection.frame,
            selected=self._selection.particles,
            wanted=self._wanted(),
            shape=self._image.data.shape[-2:],
            pixel_size=tuple(self._image.scale[:-3:-1]),
            origin=tuple(self._image.translate[:-3:-1]),
            draft=self.tool.draft,
            previewed=self._previewed_in_view(),
            awaited=None if self.scene is None else self.tool.awaited_in(self._selection.frame),
            time=self._time(),
            hint=self.tool.hint or self._beyond_the_end(),
            theme=self._theme(),
        )
        picture.paint(painter, view)

    def _previewed_in_view(self) -> pd.DataFrame | None:
        """The rods of the preview, if it is of the frame in view."""
        found = self.previewed
        if found is None or self._image is not self._previewed_image or found.frame != self._selection.frame:
            return None
        return found.rods

    def _beyond_the_end(self) -> str:
        """What is said in frames that only another layer has."""
        last = 0 if self._image is None else self._image.data.shape[0] - 1
        return f"This movie ends at frame {last}." if self._selection.frame > last else ""

    def _time(self) -> str:
        return time_text(self._selection.frame, self._frame_interval_s())

    def _theme(self) -> Theme:
        theme = get_theme(self._viewer.theme)
        plate = QColor(theme.background.as_hex())
        plate.setAlphaF(_PLATE_OPACITY)
        return Theme(QColor(theme.text.as_hex()), plate, QApplication.font())

    def _wanted(self) -> frozenset[int] | None:
        """The particles that are to be drawn; None: all."""
        if self.look.only_selected and self._selection.particles:
            return frozenset(self._selection.particles)
        return self._selection.shown if self.look.only_filtered else None

    def _tracked(self) -> pd.DataFrame:
        """The rods whose tracks are seen."""
        return pd.DataFrame() if self._scene is None else kept(self._scene.rods, self._wanted())

    def _foremost(self) -> tuple[int, ...]:
        """The particles beside which others are paler; none if empty."""
        return self._selection.particles if self.look.others_pale else ()

    def _show_tracks(self) -> None:
        self._result.show_tracks(self._tracked(), self.look, self._foremost())

    def _colour_tracks(self) -> None:
        self._result.colour_tracks(self.look, self._foremost())

    def _show_masks(self) -> None:
        if self._scene is not None:
            has_masks = self._scene.has_sizes and not self._scene.rods.empty
            self._result.show_masks(self._labels, self.look.masks and has_masks)

    def _on_active_layer(self) -> None:
        active = self._viewer.layers.selection.active
        is_ours = active in self._result.all
        self.keys_changed.emit(is_ours or not isinstance(active, Labels | Points | Shapes))

    def _on_selection(self) -> None:
        if self.look.only_selected:
            self._show_tracks()
        elif self.look.others_pale:
            self._colour_tracks()
        self.repaint()

    def _on_shown(self) -> None:
        if self.look.only_filtered:
            self._show_tracks()
        self.repaint()

    def _on_tool(self) -> None:
        if not self.tool.is_active:
            self._viewer.cursor.style = "standard"
        elif self.tool.is_drawing:
            self._viewer.cursor.style = "crosshair"
        self.repaint()

    def _average(self) -> None:
        """Let napari show the movie as a running mean over frames, or as it is; only images are averaged.

        The contrast is fitted to the mean, which would be grey in that of single frames, and given back afterwards.
        """
        for image, limits in self._unaveraged.items():
            image.contrast_limits = limits
        self._unaveraged.clear()
        image, frame = self._image, self._selection.frame
        if self.look.averaged and image is not None and not image.multiscale and frame < len(image.data):
            self._unaveraged[image] = tuple(image.contrast_limits)
            first, last = max(0, frame - AVERAGED_TO_EACH_SIDE), frame + AVERAGED_TO_EACH_SIDE
            image.contrast_limits = layers.averaged_contrast(image.data[first : last + 1])
        axis, dims = self._frame_axis(), self._viewer.dims
        if axis >= 0:
            steps = [0.0] * dims.ndim
            steps[axis] = float(AVERAGED_TO_EACH_SIDE) if self.look.averaged else 0.0
            dims.margin_left_step = dims.margin_right_step = tuple(steps)

    def _frame_axis(self) -> int:
        return int(self._viewer.dims.ndim) - 3

    def _move_slider(self, frame: int) -> None:
        if self._image is not None and self._frame_axis() >= 0:
            self._viewer.dims.set_point(self._frame_axis(), self._image.data_to_world((frame, 0, 0))[0])
        self.tool.give_up()
        self.repaint()
