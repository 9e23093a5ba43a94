"""Simulated movies of rods: poses in, camera frames out, with every step of the image formation that matters."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.special import ndtr

_SUPERSAMPLING = 4
_APERTURE_EDGE_PX = 3.0


@dataclass(frozen=True)
class Imaging:
    """How a scene becomes a frame.

    Attributes
    ----------
    electrons_per_px : float
        Mean dose per pixel and frame where nothing absorbs.
    contrast : float
        Share of the electrons that the middle of a rod in focus takes away, 0 to 1. Negative for rods that shine.
    focus_blur_px : float
        Standard deviation of the blur of the image of a rod; a column ``blur_px`` of the poses overrides it per row.
    illumination_drop : float
        Share of the dose that is lost from the first to the last row.
    flicker : float
        Standard deviation of the beam current from frame to frame, as a share of it.
    detector_blur_px : float
        Standard deviation of the spread of one electron over pixels; it correlates the noise of neighbours.
    grey_per_electron, grey_offset : float
        Linear response of the camera and of its display mapping.
    row_noise : float
        Standard deviation of the offset common to a row (grey values).
    bits : int
        8, 12 or 16: frames are rounded and clipped to this range. 32: left as they are, in floating point.
    vignetting : float
        Share of the dose that the corners lose, beside the drop.
    aperture : float or None
        Diameter of a round aperture as a share of the shorter side of the frame; hardly an electron arrives beyond it.
    texture, texture_px : float
        Standard deviation of the film's transmission, as a share of it, and how far it is correlated; it never changes.
    dirt_blobs : int
        How many dark blobs lie on the film, anywhere.
    dirt_px : float
        Greatest diameter of a blob; the least is a quarter of it.
    dirt_contrast, dirt_blur_px : float
        Share of the electrons that a blob takes away, and the standard deviation of its edge.
    drift_px : tuple of float
        How far film and dirt move from frame to frame, (x, y). The rods are where their poses say.
    hot_share : float
        Share of pixels that are stuck at a grey value of their own, anywhere in the range of the others or above.
    jpeg_quality : int or None
        1 to 95: frames of 8 bits as they come back from a JPEG file.
    """

    electrons_per_px: float = 9.6
    contrast: float = 0.25
    focus_blur_px: float = 2.0
    illumination_drop: float = 0.4
    flicker: float = 0.03
    detector_blur_px: float = 0.45
    grey_per_electron: float = 16.4
    grey_offset: float = -58.0
    row_noise: float = 2.0
    bits: int = 8
    vignetting: float = 0.0
    aperture: float | None = None
    texture: float = 0.0
    texture_px: float = 6.0
    dirt_blobs: int = 0
    dirt_px: float = 80.0
    dirt_contrast: float = 0.3
    dirt_blur_px: float = 2.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    hot_share: float = 0.0
    jpeg_quality: int | None = None

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16] | np.dtype[np.float32]:
        """Type of the pixels."""
        if self.bits == 32:
            return np.dtype(np.float32)
        return np.dtype(np.uint8) if self.bits == 8 else np.dtype(np.uint16)

    def illumination(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Mean electrons per pixel of an empty scene, (y, x)."""
        rows = 1 - self.illumination_drop * np.linspace(0, 1, shape[0])[:, None]
        columns = 1 - 0.1 * np.linspace(-1, 1, shape[1])[None, :] ** 2
        profile: NDArray[np.float64] = rows * columns
        if self.vignetting:
            y, x = (np.linspace(-1, 1, n) for n in shape)
            profile *= 1 - self.vignetting * ((x[None, :] ** 2 + y[:, None] ** 2) / 2) ** 2
        profile *= self.electrons_per_px / profile.mean()
        if self.aperture is not None:
            off_y, off_x = (np.arange(n) - (n - 1) / 2 for n in shape)
            inside = self.aperture * min(shape) / 2 - np.hypot(off_x[None, :], off_y[:, None])
            profile *= ndtr(inside / _APERTURE_EDGE_PX)
        return profile


def render_movie(
    poses: pd.DataFrame,
    frames: int,
    shape: tuple[int, int],
    imaging: Imaging,
    rng: np.random.Generator,
) -> NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]:
    """Render a movie of rods in the bright field of a transmission electron microscope.

    Poisson electrons behind an absorbing scene, spread over neighbouring pixels by the detector, scaled to grey values.

    Parameters
    ----------
    poses : DataFrame
        One row per rod and frame: ``particle``, ``frame``, ``x``, ``y`` (px, pixel centres at integers), ``angle_deg``
        (from +x towards +y), ``length``, ``width`` (px); optionally ``blur_px`` and ``contrast``. Several rows of
        one particle and frame are moments of the exposure and are averaged: motion blur. Rods may lie
        partly or wholly outside the frame.
    frames : int
        Number of frames.
    shape : tuple of int
        (y, x) in px.
    imaging : Imaging
    rng : numpy.random.Generator
        The same state gives the same movie.

    Returns
    -------
    ndarray
        (frames, y, x): unsigned 8 bit, unsigned 16 bit (of which 12 may be used) or 32-bit floating point.
    """
    empty = imaging.illumination(shape)
    by_frame = dict(tuple(poses.groupby("frame")))
    film = _Film.make(frames, shape, imaging, rng) if imaging.texture or imaging.dirt_blobs else None
    stuck = _stuck_pixels(empty, imaging, rng) if imaging.hot_share else None
    movie = np.empty((frames, *shape), dtype=imaging.dtype)
    for index in range(frames):
        beam = max(0.0, 1 + imaging.flicker * rng.standard_normal())
        electrons = beam * empty
        if film is not None:
            electrons = electrons * film.at(index)
        if index in by_frame:
            electrons = electrons * transmission(by_frame[index], shape, imaging)
        grey = _camera(electrons, imaging, rng)
        if stuck is not None:
            grey = np.where(np.isnan(stuck), grey, stuck)
        movie[index] = _digitised(grey, imaging)
    return movie


def transmission(poses: pd.DataFrame, shape: tuple[int, int], imaging: Imaging) -> NDArray[np.float64]:
    """Share of the electrons that pass the rods of one frame, (y, x); rods on top of each other multiply.

    Parameters are those of `render_movie`, *poses* of a single frame.
    """
    passed = np.ones(shape)
    for _, moments in poses.groupby("particle"):
        drawn = [_draw_rod(moment, shape, imaging) for moment in moments.to_dict("records")]
        top, bottom = min(rows.start for rows, _, _ in drawn), max(rows.stop for rows, _, _ in drawn)
        left, right = min(columns.start for _, columns, _ in drawn), max(columns.stop for _, columns, _ in drawn)
        absorbed = np.zeros((bottom - top, right - left))
        for rows, columns, share in drawn:
            absorbed[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] += share
        passed[top:bottom, left:right] *= 1 - absorbed / len(moments)
    return passed


def capsule_coverage(
    shape: tuple[int, int], x: float, y: float, angle_deg: float, length: float, width: float
) -> NDArray[np.float64]:
    """Share of each pixel that a capsule (a rod with round ends) covers, (y, x), 0 to 1.

    Parameters
    ----------
    shape : tuple of int
        (y, x) in px.
    x, y : float
        Centre, px; pixel centres at integers.
    angle_deg : float
        Of the long axis, from +x towards +y.
    length, width : float
        Tip to tip and side to side, px.
    """
    n = _SUPERSAMPLING
    rows = (np.arange(shape[0] * n) + 0.5) / n - 0.5 - y
    columns = (np.arange(shape[1] * n) + 0.5) / n - 0.5 - x
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    along = c * columns[None, :] + s * rows[:, None]
    across = c * rows[:, None] - s * columns[None, :]
    beyond = np.maximum(np.abs(along) - max(length - width, 0) / 2, 0)
    inside = np.clip(0.5 + n * (width / 2 - np.hypot(beyond, across)), 0, 1)
    coverage: NDArray[np.float64] = inside.reshape(shape[0], n, shape[1], n).mean(axis=(1, 3))
    return coverage


def _draw_rod(
    pose: Mapping[Hashable, float], shape: tuple[int, int], imaging: Imaging
) -> tuple[slice, slice, NDArray[np.float64]]:
    """Rows and columns of the part of a frame that the blurred image of a rod reaches, and what it absorbs there."""
    blur = float(pose.get("blur_px", imaging.focus_blur_px))
    reach = int(np.ceil(pose["length"] / 2 + 4 * blur)) + 2
    left, top = round(pose["x"]) - reach, round(pose["y"]) - reach
    size = 2 * reach + 1
    rows, columns = (
        slice(min(max(start, 0), end), min(max(start + size, 0), end))
        for start, end in zip((top, left), shape, strict=True)
    )
    if rows.start == rows.stop or columns.start == columns.stop:
        return rows, columns, np.zeros((rows.stop - rows.start, columns.stop - columns.start))
    local = capsule_coverage(
        (size, size), pose["x"] - left, pose["y"] - top, pose["angle_deg"], pose["length"], pose["width"]
    )
    if blur > 0:
        local = ndimage.gaussian_filter(local, blur, mode="constant")
    part = local[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return rows, columns, float(pose.get("contrast", imaging.contrast)) * part


def _camera(electrons: NDArray[np.float64], imaging: Imaging, rng: np.random.Generator) -> NDArray[np.float64]:
    counted = rng.poisson(np.maximum(electrons, 0)).astype(float)
    if imaging.detector_blur_px > 0:
        counted = ndimage.gaussian_filter(counted, imaging.detector_blur_px, mode="nearest")
    rows = imaging.row_noise * rng.standard_normal((electrons.shape[0], 1))
    grey: NDArray[np.float64] = imaging.grey_per_electron * counted + imaging.grey_offset + rows
    return grey


def _digitised(grey: NDArray[np.float64], imaging: Imaging) -> NDArray[np.generic]:
    if imaging.bits == 32:
        return grey.astype(imaging.dtype)
    whole: NDArray[np.generic] = np.clip(np.rint(grey), 0, 2**imaging.bits - 1).astype(imaging.dtype)
    if imaging.jpeg_quality is None:
        return whole
    file = io.BytesIO()
    Image.fromarray(whole).save(file, "jpeg", quality=imaging.jpeg_quality)
    return np.asarray(Image.open(file))


def _stuck_pixels(electrons: NDArray[np.float64], imaging: Imaging, rng: np.random.Generator) -> NDArray[np.float64]:
    """Grey values of the pixels that are stuck, NaN elsewhere; up to twice the mean count and three deviations."""
    mean = electrons.mean()
    high = imaging.grey_per_electron * (2 * mean + 3 * np.sqrt(mean)) + imaging.grey_offset
    low = imaging.grey_offset
    hot = rng.random(electrons.shape) < imaging.hot_share
    return np.where(hot, rng.uniform(low, high, electrons.shape), np.nan)


@dataclass(frozen=True)
class _Film:
    """Transmission of a film with texture and dirt, larger than the frame by as much as it drifts."""

    transmission: NDArray[np.float64]
    shape: tuple[int, int]
    margin: int
    drift_px: tuple[float, float]

    @classmethod
    def make(cls, frames: int, shape: tuple[int, int], imaging: Imaging, rng: np.random.Generator) -> _Film:
        margin = int(np.ceil(frames * np.abs(imaging.drift_px).max())) + 1
        size = (shape[0] + 2 * margin, shape[1] + 2 * margin)
        passed = np.ones(size)
        if imaging.texture:
            smooth = ndimage.gaussian_filter(rng.standard_normal(size), imaging.texture_px, mode="wrap")
            passed += imaging.texture * smooth / smooth.std()
        for _ in range(imaging.dirt_blobs):
            diameter = rng.uniform(0.25, 1) * imaging.dirt_px
            blob: dict[Hashable, float] = {
                "x": rng.uniform(0, size[1]),
                "y": rng.uniform(0, size[0]),
                "angle_deg": rng.uniform(0, 180),
                "length": diameter,
                "width": diameter * rng.uniform(0.6, 1),
                "blur_px": imaging.dirt_blur_px,
                "contrast": imaging.dirt_contrast,
            }
            rows, columns, absorbed = _draw_rod(blob, size, imaging)
            passed[rows, columns] *= 1 - absorbed
        return cls(np.maximum(passed, 0), shape, margin, imaging.drift_px)

    def at(self, frame: int) -> NDArray[np.float64]:
        """Transmission in *frame*, (y, x)."""
        x, y = (self.margin - frame * drift for drift in self.drift_px)
        left, top = int(np.floor(x)), int(np.floor(y))
        window = self.transmission[top : top + self.shape[0] + 1, left : left + self.shape[1] + 1]
        upper = (1 - (y - top)) * window[:-1] + (y - top) * window[1:]
        passed: NDArray[np.float64] = (1 - (x - left)) * upper[:, :-1] + (x - left) * upper[:, 1:]
        return passed
