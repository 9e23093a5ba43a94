"""The colour scales of the mixing ratio and the exponents, the same in napari, figures and the overlay movie.

Each scale runs straight through Oklab between its anchors, hence perceptually even, and is lighter than the
mid-grey of a bright-field movie all along, so that it reads on grey noise. The ends differ along blue-orange
or purple-green, which colour-blind readers can tell apart. Limits are fixed: a colour means the same in every
movie.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

NO_VALUE_RGB = (0.72, 0.72, 0.72)
"""Colour of what has no value, such as a track too short for the network, or one of which nothing is known."""

PALEST = 0.45
"""Opacity of a value about which nothing is known; never 0, so that the track stays visible."""

_PRIOR_WIDTH = 0.9
"""Width, as a share of the scale, of the central 90 % interval of a value about which nothing is known."""

# B. Ottosson, "A perceptual color space for image processing" (2020):
# linear sRGB -> LMS, cube root of LMS -> Oklab.
_LMS_FROM_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_ROOT = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class ColourScale:
    """How the values of one column become colours.

    Attributes
    ----------
    column : str
        Column of ``motion.frames`` that is coloured.
    title : str
        What the legend says.
    low, high : float
        Fixed limits; values beyond take the colour of the end.
    low_word, high_word : str
        What the ends mean, in a word or two.
    anchors : tuple of str
        sRGB hex colours at equal distances from *low* to *high*.
    """

    column: str
    title: str
    low: float
    high: float
    low_word: str
    high_word: str
    anchors: tuple[str, ...]

    def table(self, colours: int = 256) -> NDArray[np.float64]:
        """Return the scale as (*colours*, 3) sRGB in 0..1, from `low` to `high`."""
        return _table(self.anchors, colours).copy()

    def position(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where *values* lie on the scale: 0 = `low`, 1 = `high`, clipped; NaN stays NaN."""
        share = (np.asarray(values, dtype=float) - self.low) / (self.high - self.low)
        return np.clip(share, 0.0, 1.0)

    def rgb(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 3) sRGB in 0..1 of *values*; `NO_VALUE_RGB` where they are NaN."""
        table = _table(self.anchors, 256)
        position = self.position(values)
        known = np.isfinite(position)
        colours = table[np.rint(np.where(known, position, 0.0) * (len(table) - 1)).astype(int)]
        painted: NDArray[np.float64] = np.where(known[..., None], colours, NO_VALUE_RGB)
        return painted

    def certainty(self, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
        """Return 1 for a value known exactly, down to 0 for one about which nothing is known.

        Parameters
        ----------
        low, high : array_like
            Ends of the central 90 % interval, in the units of the column. NaN gives 1: where there is no value,
            `NO_VALUE_RGB` says so already.
        """
        width = (np.asarray(high, dtype=float) - np.asarray(low, dtype=float)) / (self.high - self.low)
        certainty: NDArray[np.float64] = 1.0 - np.clip(np.nan_to_num(width) / _PRIOR_WIDTH, 0.0, 1.0)
        return certainty

    def opacity(self, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
        """Return `certainty` as an opacity from 1 to `PALEST`, for what does not overlap itself."""
        return PALEST + (1.0 - PALEST) * self.certainty(low, high)


def greyed(rgb: ArrayLike, certainty: ArrayLike) -> NDArray[np.float64]:
    """Return (..., 3) sRGB *rgb* at *certainty* 1, on a straight way through Oklab to `NO_VALUE_RGB` at 0.

    Colours are mixed rather than made translucent: translucent pieces of the track of a rod that stays where it is
    lie on one another and add up to the full colour, however uncertain each is.
    """
    grey = oklab(NO_VALUE_RGB)
    mixed = grey + np.asarray(certainty, dtype=float)[..., None] * (oklab(rgb) - grey)
    return np.clip(_rgb_from_oklab(mixed), 0.0, 1.0)


MIXING_RATIO = ColourScale("mixing_ratio", "Mixing ratio", 0.0, 1.0, "CTRW", "FBM", ("#ff8a1f", "#fff4e6", "#3fa2ff"))
ALPHA_FBM = ColourScale(
    "alpha_fbm", "FBM exponent", 0.0, 2.0, "antipersistent", "persistent", ("#c07cff", "#fbf4ff", "#2fbf5b")
)
ALPHA_CTRW = ColourScale(
    "alpha_ctrw", "CTRW exponent", 0.0, 1.0, "long rests", "no rests", ("#7a7aff", "#ff7a9c", "#ffe070")
)

SCALES = {scale.column: scale for scale in (MIXING_RATIO, ALPHA_FBM, ALPHA_CTRW)}


@lru_cache(maxsize=16)
def _table(anchors: tuple[str, ...], colours: int) -> NDArray[np.float64]:
    rgb = np.array([[int(anchor[i : i + 2], 16) / 255 for i in (1, 3, 5)] for anchor in anchors])
    lab = oklab(rgb)
    where = np.linspace(0, len(anchors) - 1, colours)
    path = np.stack([np.interp(where, np.arange(len(anchors)), lab[:, axis]) for axis in range(3)], axis=1)
    return np.clip(_rgb_from_oklab(path), 0.0, 1.0)


def oklab(rgb: ArrayLike) -> NDArray[np.float64]:
    """Return Oklab (..., 3) of sRGB in 0..1; distances there are perceived differences (Ottosson 2020)."""
    srgb = np.asarray(rgb, dtype=float)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ _LMS_FROM_RGB.T) @ _LAB_FROM_ROOT.T
    return lab


def _rgb_from_oklab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = (lab @ np.linalg.inv(_LAB_FROM_ROOT).T) ** 3 @ np.linalg.inv(_LMS_FROM_RGB).T
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)
