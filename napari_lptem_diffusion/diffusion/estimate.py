"""How the motion of each track mixes FBM and CTRW, frame by frame, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Motion:
    """How every track moves; lengths in px, times in frames.

    Attributes
    ----------
    frames : DataFrame
        One row per particle and frame where the particle was seen, sorted so: ``particle``, ``frame``,
        ``mixing_ratio``, ``alpha_fbm``, ``alpha_ctrw``, each with ``_low`` and ``_high`` (the central
        90 % interval), and ``change_probability``. NaN for tracks too short for the network.
    particles : DataFrame
        One row per particle, sorted: the same quantities for the whole track, ``frames`` (int, frames in which
        it was seen), ``first_frame``, ``last_frame``, ``k_fbm``, ``k_ctrw`` (px^2 / frame^alpha, with ``_low`` and ``_high``),
        ``change_points`` (str, the frames joined by ";"), ``model_mismatch`` (0 to 1),
        ``rotational_diffusion`` (rad^2 / frame) and its ``_error`` where the angle is known.
    msd : DataFrame
        Time-averaged mean squared displacement: ``particle``, ``lag`` (frames), ``msd`` (px^2), ``pairs`` (int).
    model_hash : str
        SHA-256 of the weights that were used.
    """

    frames: pd.DataFrame
    particles: pd.DataFrame
    msd: pd.DataFrame
    model_hash: str
