"""All that is painted over the movie in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QRectF
from qtpy.QtGui import QPainter

from napari_lptem_diffusion.diffusion.known import is_known
from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.gui.colours import particle_rgb
from napari_lptem_diffusion.gui.draft import Draft
from napari_lptem_diffusion.gui.look import Look
from napari_lptem_diffusion.gui.painting.labels import MOST_LABELS, Box, Label, paint_labels
from napari_lptem_diffusion.gui.painting.overlay import View
from napari_lptem_diffusion.gui.painting.plates import Theme, paint_hint, paint_legend, paint_time
from napari_lptem_diffusion.gui.painting.rods import (
    MOST_OUTLINES,
    PREVIEW,
    Drawn,
    paint_axes,
    paint_changes,
    paint_draft,
    paint_handles,
    paint_loose,
    paint_outlines,
    paint_rings,
)
from napari_lptem_diffusion.gui.scene import Scene, colours, kept
from napari_lptem_diffusion.particles.masks import rod_outlines

_POINT_PX = 8.0
_LOW_CANVAS_PX = 300.0
_SHORTEST_LABELLED_PX = 9.0


@dataclass(frozen=True)
class Picture:
    """What is painted over the movie.

    Attributes
    ----------
    scene : Scene or None
        None where the movie has no result.
    look : Look
    frame : int
    selected : tuple of int
        Selected particles, the main one last.
    wanted : frozenset of int, or None
        The particles that are drawn; None: all.
    shape : tuple of int
        (y, x) of the movie, px.
    pixel_size, origin : tuple of float
        (x, y) of a pixel and of the centre of the first one, units of the world.
    draft : Draft or None
        The rod that is being edited.
    previewed : DataFrame or None
        Rods, with pose, that settings being tried find in this frame.
    awaited : Draft or None
        A rod that was drawn or edited and is being fitted.
    time, hint : str
        What is written in the corner, and on how to go on; nothing if empty.
    theme : Theme
    """

    scene: Scene | None
    look: Look
    frame: int
    selected: tuple[int, ...]
    wanted: frozenset[int] | None
    shape: tuple[int, int]
    pixel_size: tuple[float, float]
    origin: tuple[float, float]
    draft: Draft | None
    previewed: pd.DataFrame | None
    awaited: Draft | None
    time: str
    hint: str
    theme: Theme

    def paint(self, painter: QPainter, view: View) -> None:
        """Paint it on a canvas that shows *view*."""
        painter.setFont(self.theme.font)
        plates = [paint_time(painter, self.time, self.theme)] if self.time else []
        if self.scene is not None:
            scale = SCALES.get(self.look.quantity)
            if self.look.legend and scale is not None:
                is_high = view.height > _LOW_CANVAS_PX
                plates.append(paint_legend(painter, scale, self.theme, view.width, is_high, plates))
            self._paint_rods(painter, view, self.scene, plates)
        if self.previewed is not None:
            paint_outlines(painter, self._previewed(view, self.previewed))
        if self.awaited is not None:
            paint_draft(painter, self._outlines(view, self.awaited.table)[0])
        if self.draft is not None:
            paint_draft(painter, self._outlines(view, self.draft.table)[0])
            paint_handles(painter, *(self._on_canvas(view, xy) for xy in (self.draft.tips, self.draft.sides)))
        if self.hint:
            paint_hint(painter, self.hint, self.theme, view.height)

    def _on_canvas(self, view: View, xy_px: ArrayLike) -> NDArray[np.float64]:
        return view.on_canvas(np.asarray(xy_px, dtype=float) * self.pixel_size + self.origin)

    def _paint_rods(self, painter: QPainter, view: View, scene: Scene, plates: Sequence[QRectF]) -> None:
        look = self.look
        if look.loose and scene.has_sizes:
            paint_loose(painter, self._outlines(view, scene.loose_in_frame(self.frame)))
        rods = self._in_view(view, kept(scene.in_frame(self.frame), self.wanted))
        drawn = self._drawn(
            view, rods, colours(rods, look.quantity), rods["particle"].isin(self.selected).to_numpy(), scene.has_sizes
        )
        if look.outlines:
            paint_outlines(painter, drawn, look.others_pale and bool(self.selected))
        if look.axes:
            paint_axes(painter, drawn)
        if look.changes:
            changes = kept(scene.changes_between(self.frame - look.tail_frames, self.frame), self.wanted)
            age = (self.frame - changes["frame"].to_numpy(dtype=float)) / max(look.tail_frames, 1)
            paint_changes(painter, self._on_canvas(view, changes[["x", "y"]]), age)
        main = np.flatnonzero(rods["particle"].to_numpy() == (self.selected[-1] if self.selected else -1))
        paint_rings(painter, drawn, int(main[0]) if len(main) else None)
        if look.numbers:
            self._paint_numbers(painter, view, rods, drawn, scene.marks, plates)

    def _in_view(self, view: View, rods: pd.DataFrame) -> pd.DataFrame:
        """The rods whose centre is on the canvas."""
        x, y = self._on_canvas(view, rods[["x", "y"]]).T
        inside: pd.DataFrame = rods[(x >= 0) & (x <= view.width) & (y >= 0) & (y <= view.height)]
        return inside

    def _outlines(self, view: View, rods: pd.DataFrame) -> NDArray[np.float64]:
        return self._on_canvas(view, rod_outlines(rods)[..., ::-1])

    def _previewed(self, view: View, rods: pd.DataFrame) -> Drawn:
        rods = self._in_view(view, rods)
        colour = np.tile(PREVIEW.getRgbF()[:3], (len(rods), 1))
        return self._drawn(view, rods, colour, np.zeros(len(rods), bool), with_sizes=True)

    def _drawn(
        self,
        view: View,
        rods: pd.DataFrame,
        rgb: NDArray[np.float64],
        selected: NDArray[np.bool_],
        with_sizes: bool,
    ) -> Drawn:
        outlines = tips = None
        if with_sizes:
            outlines = self._outlines(view, rods) if len(rods) <= MOST_OUTLINES else None
            angle = np.radians(rods["angle_deg"].to_numpy())
            reach = rods["length"].to_numpy()[:, None] / 2 * np.column_stack([np.cos(angle), np.sin(angle)])
            centre = rods[["x", "y"]].to_numpy(dtype=float)
            tips = self._on_canvas(view, np.stack([centre - reach, centre + reach], axis=1))
        return Drawn(self._on_canvas(view, rods[["x", "y"]]), outlines, tips, rgb, selected)

    def _paint_numbers(
        self,
        painter: QPainter,
        view: View,
        rods: pd.DataFrame,
        drawn: Drawn,
        marks: dict[int, str],
        plates: Sequence[QRectF],
    ) -> None:
        reach = np.full((len(rods), 2), _POINT_PX)
        if drawn.tips is not None:
            width = rods["width"].to_numpy()[:, None] * abs(self.pixel_size[0]) * view.zoom
            straight = 1.0 - np.clip((rods["width"] / rods["length"]).to_numpy()[:, None], 0.0, 1.0)
            reach = (np.abs(drawn.tips[:, 1] - drawn.tips[:, 0]) * straight + width) / 2
        legible = 2 * reach.max(axis=1, initial=0.0) >= _SHORTEST_LABELLED_PX
        reach = np.fmax(reach, np.where(drawn.selected, drawn.ring_reach, 0.0)[:, None])
        around = np.column_stack([drawn.centres - reach, drawn.centres + reach])
        main = rods["particle"].to_numpy() == (self.selected[-1] if self.selected else -1)
        first = np.lexsort((~drawn.selected, ~main))  # the main one, the other selected ones, the rest
        chosen = first[(legible | drawn.selected)[first]][:MOST_LABELS]
        if len(chosen):
            labels = self._labels(rods.iloc[chosen], drawn.selected[chosen], marks)
            taken = [(plate.left(), plate.top(), plate.right(), plate.bottom()) for plate in plates]
            rest = np.setdiff1d(first, chosen)
            ordered = around[np.concatenate([chosen, rest])]
            paint_labels(painter, labels, ordered, self._area(view), taken, self.theme)

    def _labels(self, rods: pd.DataFrame, selected: NDArray[np.bool_], marks: dict[int, str]) -> list[Label]:
        particles, quantity = rods["particle"].tolist(), self.look.quantity
        said: list[list[str]] = [[] for _ in particles]
        faint = np.zeros(len(rods), dtype=bool)
        if quantity in SCALES:
            known = is_known(quantity, rods[f"{quantity}_low"], rods[f"{quantity}_high"])
            said = [[_in_digits(value, sure)] for value, sure in zip(rods[quantity], known, strict=True)]
            faint = ~known
        return [
            Label(str(particle), " · ".join([*words, *_mark(marks, particle)]), rgb, bool(framed), bool(pale))
            for particle, words, rgb, framed, pale in zip(
                particles, said, particle_rgb(particles).tolist(), selected, faint, strict=True
            )
        ]

    def _area(self, view: View) -> Box:
        """What of the movie is on the canvas."""
        height, width = self.shape
        corners = self._on_canvas(view, [(-0.5, -0.5), (width - 0.5, height - 0.5)])
        left, top = np.maximum(corners.min(axis=0), 0.0)
        right, bottom = np.minimum(corners.max(axis=0), (view.width, view.height))
        return float(left), float(top), float(right), float(bottom)


def _in_digits(value: float, known: bool) -> str:
    return "–" if value != value else f"{value:.2f}{'' if known else ' ?'}"


def _mark(marks: dict[int, str], particle: int) -> list[str]:
    return [marks[particle]] if particle in marks else []
