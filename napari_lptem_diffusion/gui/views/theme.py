"""The colours that the plots take from napari's theme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from qtpy.QtGui import QColor

from napari_lptem_diffusion.export.palette import MIXING_RATIO

_CTRW_HEX, _, _FBM_HEX = MIXING_RATIO.anchors  # the ends of its scale: a colour means one thing
_DARKER_PERCENT = 165
_FAINT_SHARE = 0.7


@dataclass(frozen=True)
class Theme:
    """Colours as hex."""

    foreground: str = "#f0f1f2"
    background: str = "#262930"
    highlight: str = "#007acc"

    def readable(self, rgb: ArrayLike) -> QColor:
        """Return sRGB in 0..1, which is light, as a colour that stands out from the background."""
        colour = QColor.fromRgbF(*np.asarray(rgb, dtype=float).tolist())
        return colour.darker(_DARKER_PERCENT) if self.is_light else colour

    @property
    def is_light(self) -> bool:
        """Whether the background is."""
        return bool(QColor(self.background).lightnessF() > 0.5)

    @property
    def fbm(self) -> str:
        """Colour of what belongs to FBM."""
        return str(self.readable(QColor(_FBM_HEX).getRgbF()[:3]).name())

    @property
    def ctrw(self) -> str:
        """Colour of what belongs to CTRW."""
        return str(self.readable(QColor(_CTRW_HEX).getRgbF()[:3]).name())

    @property
    def faint(self) -> str:
        """Between foreground and background, for what steps back."""
        front, back = QColor(self.foreground), QColor(self.background)
        pairs = zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)
        mixed = (round(_FAINT_SHARE * a + (1 - _FAINT_SHARE) * b) for a, b in pairs)
        return "#{:02x}{:02x}{:02x}".format(*mixed)


def with_alpha(colour: str, alpha: int) -> QColor:
    """Return a hex colour with an opacity of 0 to 255."""
    pale = QColor(colour)
    pale.setAlpha(alpha)
    return pale
