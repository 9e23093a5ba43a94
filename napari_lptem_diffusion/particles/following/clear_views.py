"""When the rod of each track was seen alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_CLEAR_LENGTHS = 1.5
_LEAST_SPREAD = 0.08
_POSE = ["x", "y", "angle_deg"]


@dataclass(frozen=True)
class ClearViews:
    """When each track's rod was last and next seen alone, and how dark it is then.

    Attributes
    ----------
    poses : dict
        By particle, the frames in which no other rod is within 1.5 lengths, rising, and x, y (px) and angle (degrees)
        there, (frames, 3).
    contrast : dict
        By particle, the median contrast there.
    spread : float
        Standard deviation of the logarithm of the contrast from frame to frame.
    """

    poses: dict[int, tuple[Rows, Matrix]]
    contrast: dict[int, float]
    spread: float

    @classmethod
    def of(cls, tracks: pd.DataFrame) -> ClearViews:
        """Read the *tracks*, sorted by particle and frame."""
        clear = tracks[_alone(tracks, _CLEAR_LENGTHS * float(tracks["length"].median())) & ~tracks["merge_suspected"]]
        logs = pd.Series(np.log(np.maximum(tracks["contrast"].to_numpy(float), 1e-6)), index=tracks.index)
        alone = logs[clear.index].groupby(tracks["particle"])
        contrast = alone.median().reindex(tracks["particle"].unique())
        contrast = contrast.fillna(logs.groupby(tracks["particle"]).median())
        off = (logs[clear.index] - alone.transform("median")).abs()
        spread = max(1.4826 * float(off.median()), _LEAST_SPREAD) if len(off) else 1.0
        poses = {
            int(str(name)): (rows["frame"].to_numpy(), rows[_POSE].to_numpy(float))
            for name, rows in clear.groupby("particle")
        }
        return cls(poses, {int(str(name)): float(np.exp(log)) for name, log in contrast.items()}, spread)

    def around(self, particle: int, frame: int) -> Matrix:
        """x, y and angle of the rod when it was last and next seen alone, (0 to 2, 3)."""
        if particle not in self.poses:
            return np.empty((0, 3))
        frames, poses = self.poses[particle]
        place = int(np.searchsorted(frames, frame))
        return poses[max(place - 1, 0) : place + 1]


def _alone(tracks: pd.DataFrame, within_px: float) -> NDArray[np.bool_]:
    """Tell in which rows no other track has a rod *within_px*."""
    alone = np.ones(len(tracks), dtype=bool)
    xy = tracks[["x", "y"]].to_numpy(float)
    for rows in tracks.groupby("frame").indices.values():
        alone[rows[cKDTree(xy[rows]).query_pairs(within_px, output_type="ndarray").ravel()]] = False
    return alone
