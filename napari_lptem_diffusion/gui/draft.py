"""A rod that is being drawn or changed by hand: where it can be gripped, and what a drag does to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import pandas as pd

Place = tuple[float, float]
"""(x, y) in px of the movie."""

_NARROWEST_PX = 1.0


class Grip(Enum):
    """What of a draft is dragged."""

    BODY = "body"
    FIRST_TIP = "first tip"
    SECOND_TIP = "second tip"
    SIDE = "side"


@dataclass(frozen=True)
class Draft:
    """A pose that is not accepted yet; px and degrees as in the table of detections.

    Attributes
    ----------
    x, y : float
        Centre.
    angle_deg : float
        Of the long axis, [0, 180), from +x towards +y (y down).
    length, width : float
        From tip to tip, and across.
    """

    x: float
    y: float
    angle_deg: float
    length: float
    width: float

    @classmethod
    def of_tips(cls, first: Place, second: Place, width: float) -> Draft:
        """Return the rod from tip to tip; it is never shorter than wide."""
        dx, dy = second[0] - first[0], second[1] - first[1]
        length = float(np.hypot(dx, dy))
        angle_deg = float(np.degrees(np.arctan2(dy, dx)) % 180.0)
        x, y = (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
        return cls(x, y, angle_deg if angle_deg < 180.0 else 0.0, max(length, width), width)

    @property
    def tips(self) -> tuple[Place, Place]:
        """The two ends of the long axis; the second one lies in the direction of `angle_deg`."""
        dx, dy = self._along(self.length / 2)
        return (self.x - dx, self.y - dy), (self.x + dx, self.y + dy)

    @property
    def sides(self) -> tuple[Place, Place]:
        """The two ends of the short axis."""
        dx, dy = self._along(self.width / 2)
        return (self.x + dy, self.y - dx), (self.x - dy, self.y + dx)

    @property
    def table(self) -> pd.DataFrame:
        """One row of x, y, angle_deg, length and width."""
        return pd.DataFrame([vars(self)])

    def grip_at(self, place: Place, reach: float) -> Grip | None:
        """Return what is gripped at *place*: a handle within *reach* px, else the body, else nothing.

        The centre counts as a handle of the body, so that a rod can be moved however small it is on the canvas.
        """
        handles = (Grip.BODY, Grip.FIRST_TIP, Grip.SECOND_TIP, Grip.SIDE, Grip.SIDE)
        centre = (self.x, self.y)
        distances = [np.hypot(x - place[0], y - place[1]) for x, y in (centre, *self.tips, *self.sides)]
        nearest = int(np.argmin(distances))
        if distances[nearest] <= reach:
            return handles[nearest]
        along, across = self._in_own_axes(place)
        return Grip.BODY if abs(along) <= self.length / 2 and abs(across) <= self.width / 2 else None

    def dragged(self, grip: Grip, start: Place, end: Place) -> Draft:
        """Return the draft after *grip* was dragged from *start* to *end*.

        The body moves the rod, a tip turns and stretches it about the other tip, a side sets its width.
        """
        first, second = self.tips
        match grip:
            case Grip.BODY:
                return replace(self, x=self.x + end[0] - start[0], y=self.y + end[1] - start[1])
            case Grip.FIRST_TIP:
                return Draft.of_tips(end, second, self.width)
            case Grip.SECOND_TIP:
                return Draft.of_tips(first, end, self.width)
            case Grip.SIDE:
                width = 2 * abs(self._in_own_axes(end)[1])
                return replace(self, width=float(np.clip(width, _NARROWEST_PX, self.length)))

    def _along(self, distance: float) -> Place:
        angle = np.radians(self.angle_deg)
        return float(distance * np.cos(angle)), float(distance * np.sin(angle))

    def _in_own_axes(self, place: Place) -> Place:
        """*place* along and across the rod, from its centre."""
        dx, dy = place[0] - self.x, place[1] - self.y
        c, s = self._along(1.0)
        return c * dx + s * dy, c * dy - s * dx
