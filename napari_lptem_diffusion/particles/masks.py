"""From the pose of a rod to its outline and to the pixels that it covers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from skimage.draw import polygon

_POINTS_PER_CAP = 16


def rod_outlines(rods: pd.DataFrame) -> NDArray[np.float64]:
    """Outline each rod: a stadium, straight sides and round ends.

    Parameters
    ----------
    rods : DataFrame
        ``x``, ``y``, ``angle_deg``, ``length``, ``width`` (px, degrees); one row per rod.

    Returns
    -------
    ndarray
        (rods, vertices, 2), vertices as (y, x) in px.
    """
    columns = ("x", "y", "angle_deg", "length", "width")
    x, y, angle, length, width = (rods[name].to_numpy(float)[:, None] for name in columns)
    half_turn = np.linspace(-np.pi / 2, np.pi / 2, _POINTS_PER_CAP)
    turn = np.concatenate([half_turn, half_turn + np.pi])[None, :]
    end = np.repeat([1.0, -1.0], _POINTS_PER_CAP)[None, :] * np.maximum(length - width, 0) / 2
    along = end + width / 2 * np.cos(turn)
    across = width / 2 * np.sin(turn)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.stack([y + s * along + c * across, x + c * along - s * across], axis=-1)


def label_image(rods: pd.DataFrame, shape: tuple[int, ...], labels: ArrayLike) -> NDArray[np.int32]:
    """Draw each rod as a labelled region.

    Parameters
    ----------
    rods : DataFrame
        As for `rod_outlines`. Rods may lie partly or wholly outside the image.
    shape : tuple of int
        (y, x) in px.
    labels : array_like of int
        One label per rod, above 0. Where rods overlap, the last one is on top.

    Returns
    -------
    ndarray
        (y, x), int32; 0 where there is no rod.
    """
    image = np.zeros(shape, dtype=np.int32)
    for outline, label in zip(rod_outlines(rods), np.asarray(labels), strict=True):
        rows, columns = polygon(outline[:, 0], outline[:, 1], shape=shape)
        image[rows, columns] = label
    return image
