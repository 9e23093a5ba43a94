"""What is said of a rod above its plots, in words that give way to those before them where there is little room."""

from __future__ import annotations

import numpy as np
import pandas as pd
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_lptem_diffusion.diffusion.changes import change_frames, change_probability, levels
from napari_lptem_diffusion.diffusion.estimate import CHANGE_REACH
from napari_lptem_diffusion.diffusion.known import WHY_NOT_KNOWN, is_known
from napari_lptem_diffusion.gui.messages import counted

_FAR = 0.25
"""From the mixing ratio of the whole track, where its interval allows any median of the frames."""
_BETWEEN, _MORE = " · ", " · …"


class Headline(QLabel):
    """A line of parts, of which the last ones are left out where there is no room; its tooltip has them all."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def say(self, parts: list[str], explained: str = "") -> None:
        """Show *parts*, the most important first; the tooltip goes on with what is *explained*."""
        self.parts = parts
        self.setToolTip("\n".join([*parts, explained]).strip())
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Say as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """No width of its own."""
        return QSize(0, super().minimumSizeHint().height())

    def _fit(self) -> None:
        metrics, room = self.fontMetrics(), self.width() - self.fontMetrics().averageCharWidth()
        for number in range(len(self.parts), 0, -1):
            text = _BETWEEN.join(self.parts[:number]) + ("" if number == len(self.parts) else _MORE)
            if metrics.horizontalAdvance(text) <= room:
                break
        else:
            text = metrics.elidedText(_BETWEEN.join(self.parts), Qt.TextElideMode.ElideRight, room)
        self.setText(text)


def rod_parts(particle: int, whole: pd.Series, motion: pd.DataFrame, is_stuck: bool = False) -> tuple[list[str], str]:
    """Return what is said of a rod, the most important first, and what explains it.

    Parameters
    ----------
    particle : int
    whole : Series
        Its row of ``motion.particles``.
    motion : DataFrame
        Its rows of ``motion.frames``.
    is_stuck : bool
        Whether the user marked it so.
    """
    rod, seen = f"Rod {particle}", counted(whole["frames"], "frame")
    if pd.isna(whole["mixing_ratio"]) and is_stuck:
        why = ["stuck", "its motion was taken off all rods as drift"]
        return [rod, *why, seen], "It measures the drift of the stage."
    if pd.isna(whole["mixing_ratio"]):
        still = ["immobile", "does not move beyond its localization error"]
        why = still if whole["immobile"] else ["too short to be judged"]
        return [rod, *why, seen], "It has neither mixing ratio nor exponents."
    value, low, high = (float(whole[f"mixing_ratio{end}"]) for end in ("", "_low", "_high"))
    known = bool(is_known("mixing_ratio", low, high))
    interval = f"{value:.2f} ({low:.2f}–{high:.2f})" if known else f"{value:.2f} ? ({low:.2f}–{high:.2f})"
    explained = [] if known else [f"{WHY_NOT_KNOWN.capitalize()}."]
    changes = change_frames(whole["change_points"])
    if changes:
        explained.append(
            f"Percentages: how likely it is that the motion changes within {CHANGE_REACH} frames of there. The mixing "
            "ratio of the whole track is an average of before and after."
        )
        return [rod, *_changes(whole, motion, changes), f"whole track {interval}", seen], "\n".join(explained)
    parts = [rod, f"mixing ratio {interval}", *([] if known else ["not known"]), seen]
    median = float(np.nanmedian(motion["mixing_ratio"])) if len(motion) else np.nan
    if not low <= median <= high or (not known and abs(median - value) > _FAR):
        parts.insert(-1, f"single frames say {median:.2f}")
        explained.append(
            "Single frames are judged by what is around them, the whole track by all that moves it, long jumps most. "
            "Where they disagree, the track does not tell: go by the bands, not by the lines."
        )
    return parts, "\n".join(explained)


def _changes(whole: pd.Series, motion: pd.DataFrame, changes: list[int]) -> list[str]:
    """Return where the motion changes, how likely that is, and between which mixing ratios."""
    where = ", ".join(f"{frame} ({change_probability(motion, frame):.0%})" for frame in changes)
    (between,) = levels(motion, whole.to_frame().T)
    said = [f"mixing ratio {between}"] if not between.isdigit() else []
    return [*said, f"{'change' if len(changes) == 1 else 'changes'} at frame {where}"]
