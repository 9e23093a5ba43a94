"""One size for each rod: what all frames of a track say together about its length, width and blur."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.particles.finding.detector import Detector

Floats = NDArray[np.float64]
SIZES = ["length", "width", "blur"]
_WHOLE = 0.9
_LEAST_RELATIVE_ERROR = 0.02
_MOST_DEVIATION = 3.0


def rigid_shapes(tracks: pd.DataFrame, detector: Detector) -> pd.DataFrame:
    """Pool the sizes of each track's frames.

    A frame's posterior is normal in the logarithms of length, width and blur and holds the population's prior; each
    frame counts with what it adds to that prior, and the prior counts once. Frames in which the rod is cut by the
    border or may hide another one are left out, and so is a size more than 3 standard deviations from the median.

    Parameters
    ----------
    tracks : DataFrame
        ``particle``, ``visible``, ``merge_suspected`` and the sizes with their errors (px); NaN where not known.
    detector : Detector
        Whose population the sizes were fitted with.

    Returns
    -------
    DataFrame
        Index ``particle``; ``length``, ``width``, ``blur`` (px) and ``length_error``, ``width_error``, ``blur_error``:
        one standard deviation, at least 2 % of the size, as focus and view change a little.
    """
    prior = detector.prior.scaled(detector.field.bin_px)
    sure = tracks[SIZES].notna().all(axis=1) & (tracks["visible"] >= _WHOLE) & ~tracks["merge_suspected"]
    particles = np.sort(tracks["particle"].unique())
    columns: dict[str, Floats] = {}
    spreads = (prior.length_spread, prior.width_spread, prior.blur_spread)
    typical = (prior.shape.length, prior.shape.width, prior.shape.blur)
    for name, spread, size in zip(SIZES, spreads, typical, strict=True):
        logs = np.log(tracks[name])
        error = tracks[f"{name}_error"] / tracks[name]
        middle = logs[sure].groupby(tracks["particle"]).median().reindex(tracks["particle"]).to_numpy()
        counts = sure & (np.abs(logs - middle) < _MOST_DEVIATION * np.maximum(error, _LEAST_RELATIVE_ERROR))
        information = np.where(counts, np.maximum(error**-2.0 - spread**-2.0, 0), 0.0)
        telling = np.where(counts, logs * error**-2.0 - np.log(size) * spread**-2.0, 0.0) * (information > 0)
        by_track = pd.DataFrame({"information": information, "telling": telling}).groupby(tracks["particle"].to_numpy())
        total = by_track.sum().reindex(particles)
        precision = total["information"] + spread**-2.0
        mean = (total["telling"] + np.log(size) * spread**-2.0) / precision
        columns[name] = np.exp(mean.to_numpy())
        columns[f"{name}_error"] = columns[name] * np.maximum(precision.to_numpy() ** -0.5, _LEAST_RELATIVE_ERROR)
    return pd.DataFrame(columns, index=pd.Index(particles, name="particle"))


def with_rigid_shapes(tracks: pd.DataFrame, detector: Detector) -> pd.DataFrame:
    """Give every row of *tracks* the size of its track; see `rigid_shapes`."""
    shapes = rigid_shapes(tracks, detector).loc[tracks["particle"]]
    return tracks.assign(**{str(name): shapes[name].to_numpy() for name in shapes})
