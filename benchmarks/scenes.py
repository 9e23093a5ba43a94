"""Simulated movies of rods with their truth: what detection and tracking are measured on.

``scene`` has rods that dwell and jump, meet, cross and leave; ``jumpers`` jump far and often; ``pairs`` touch or lie
across each other; ``empty`` has none. A seed gives the same movie on every run; seeds below 100 are for testing,
those from 100 for tuning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from reference_tracks import fbm_steps

from napari_lptem_diffusion.particles import Imaging, render_movie
from napari_lptem_diffusion.particles.known_truth.scoring import matched_filter_snr, segment_distance

Floats = NDArray[np.float64]
COLUMNS = ["particle", "frame", "x", "y", "angle_deg", "length", "width", "blur_px", "contrast"]
_DARK = 0.3  # rods where less of the usual dose arrives are cut
LENGTH_PX, WIDTH_PX = (28.0, 34.0), (14.0, 17.0)


@dataclass(frozen=True)
class Level:
    """How well rods can be seen.

    Attributes
    ----------
    imaging : Imaging
    blurs_px : tuple of float
        Focus blur of the two planes in which the rods lie.
    snr : tuple of float or None
        Least, median and greatest signal-to-noise ratio of a rod to a matched filter that knows its pose, where it
        starts; each rod's contrast is set to reach it, as rods of any crystal orientation differ in contrast.
        None: the contrast of the imaging.
    """

    imaging: Imaging
    blurs_px: tuple[float, float]
    snr: tuple[float, float, float] | None = None


LEVELS = {
    "easy": Level(Imaging(electrons_per_px=60, contrast=0.6, grey_per_electron=2.2, grey_offset=5), (1.0, 1.0)),
    "medium": Level(Imaging(electrons_per_px=30, contrast=0.4, grey_per_electron=5, grey_offset=-40), (1.5, 3.0)),
    "hard": Level(Imaging(), (2.0, 5.0), (9, 11, 14)),
    "faint": Level(Imaging(), (2.0, 5.0), (6.5, 7, 7.5)),
    "extreme": Level(Imaging(), (2.0, 5.0), (4, 4.5, 5)),
}
"""*hard* has the dose, grey values, noise and illumination of the real movie; *faint* and *extreme* fainter rods."""


@dataclass(frozen=True)
class Motion:
    """How rods move: FBM all the time and a CTRW beside it; each range is drawn from uniformly, rod by rod.

    Attributes
    ----------
    fbm_alpha, fbm_step_px : tuple of float
        Exponent, and standard deviation of a one-frame displacement along one axis.
    ctrw_alpha : tuple of float
        Exponent of the Pareto tail of the waiting times.
    shortest_wait : float
        Frames.
    jump_px : float
        Standard deviation of a jump along one axis.
    turn_deg : tuple of float
        Standard deviation of the rotation in one frame.
    turn_at_jump_deg : float
        The same at a jump.
    """

    fbm_alpha: tuple[float, float] = (0.3, 1.0)
    fbm_step_px: tuple[float, float] = (0.8, 1.8)
    ctrw_alpha: tuple[float, float] = (0.5, 0.9)
    shortest_wait: float = 9.0
    jump_px: float = 16.0
    turn_deg: tuple[float, float] = (2.0, 6.0)
    turn_at_jump_deg: float = 25.0


DIFFICULT: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing difficult": ("medium", {}),
    "nothing difficult (hard)": ("hard", {}),
    "dark blobs to 80 px": ("medium", {"dirt_blobs": 10}),
    "dark blobs to 200 px": ("medium", {"dirt_blobs": 8, "dirt_px": 200.0}),
    "dark blobs to 200 px, soft": ("medium", {"dirt_blobs": 8, "dirt_px": 200.0, "dirt_blur_px": 10.0}),
    "dark blobs to 200 px (hard)": ("hard", {"dirt_blobs": 8, "dirt_px": 200.0}),
    "corners at half the light": ("medium", {"vignetting": 0.5}),
    "corners at a tenth of the light": ("medium", {"vignetting": 0.9}),
    "round aperture, black surround": ("medium", {"aperture": 0.9}),
    "round aperture, grey surround": ("medium", {"aperture": 0.9, "grey_offset": 20.0}),
    "round aperture (hard)": ("hard", {"aperture": 0.9, "grey_offset": 20.0}),
    "film texture": ("medium", {"texture": 0.03}),
    "film texture that drifts": ("medium", {"texture": 0.03, "drift_px": (0.7, 0.3)}),
    "dark blobs that drift": ("medium", {"dirt_blobs": 8, "dirt_px": 200.0, "drift_px": (0.7, 0.3)}),
    "hot pixels, row noise, flicker": ("medium", {"hot_share": 0.002, "row_noise": 8.0, "flicker": 0.1}),
    "JPEG of quality 75": ("medium", {"jpeg_quality": 75}),
    "12 bits": ("medium", {"bits": 12, "grey_per_electron": 40.0, "grey_offset": 100.0}),
    "floating point": ("medium", {"bits": 32, "grey_per_electron": 0.01, "grey_offset": -0.1, "row_noise": 0.004}),
    "counted electrons": (
        "medium",
        {"bits": 16, "grey_per_electron": 1.0, "grey_offset": 0.0, "detector_blur_px": 0.0, "row_noise": 0.0},
    ),
    "256 x 256 px": ("medium", {"size_px": 256, "rods": 4}),
    "4096 x 4096 px": ("medium", {"size_px": 4096, "rods": 48, "frames": 10}),
    "rods of 8 px": ("medium", {"size_px": 512, "length_px": (7.0, 9.0), "width_px": (3.5, 4.5)}),
    "rods of 200 px": ("medium", {"rods": 6, "length_px": (190.0, 210.0), "width_px": (45.0, 55.0)}),
    "spheres": ("medium", {"length_px": (19.0, 21.0), "width_px": (30.0, 30.0)}),
}
"""Level and options of `scene` of movies that are difficult in one way each."""

FAR_AND_OFTEN = Motion(shortest_wait=2.0, jump_px=30.0)


@dataclass(frozen=True)
class Scene:
    """A movie and the truth about it.

    Attributes
    ----------
    movie : ndarray
        (frames, y, x).
    poses : DataFrame
        One row per rod and frame whose centre is in view: ``particle``, ``frame``, ``x``, ``y``, ``angle_deg``,
        ``length``, ``width``, ``blur_px``, ``contrast``, and ``matched_snr``, the signal-to-noise ratio for a filter
        that knows the pose. With motion blur the pose is the mean over the exposure.
    cut : DataFrame
        The same for rods whose centre is out of view but not all of the rod, or in the dark: to find them is neither
        right nor wrong.
    imaging : Imaging
    """

    movie: NDArray[np.generic]
    poses: pd.DataFrame
    cut: pd.DataFrame
    imaging: Imaging


def scene(
    level: str,
    seed: int,
    frames: int = 100,
    size_px: int = 1024,
    rods: int = 12,
    moments: int = 1,
    motion: Motion | None = None,
    length_px: tuple[float, float] = LENGTH_PX,
    width_px: tuple[float, float] = WIDTH_PX,
    **imaging: Any,
) -> Scene:
    """Rods in two planes of focus that dwell and jump; every sixth starts beside another one.

    Parameters
    ----------
    level : str
        Of `LEVELS`.
    seed : int
    frames, size_px, rods : int
    moments : int
        Of an exposure; 1 = no motion blur.
    motion : Motion, optional
    length_px, width_px : tuple of float
        Least and greatest; a rod whose width would exceed its length is a sphere.
    **imaging
        Fields of `Imaging` to change. Rods drift with the film.
    """
    rng = np.random.default_rng([seed, 1])
    looks = replace(LEVELS[level].imaging, **imaging)
    starts = _starts(rods, size_px, rng)
    tables = []
    for particle, start in enumerate(starts):
        rod = _draw_rod(LEVELS[level], looks, size_px, particle, start, rng, length_px, width_px)
        path = _path(start, frames * moments, moments, motion or Motion(), rng)
        path[["x", "y"]] += np.arange(frames * moments)[:, None] / moments * looks.drift_px
        tables.append(path.assign(particle=particle, frame=np.repeat(np.arange(frames), moments), **rod))
    poses = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    return _rendered(poses, frames, size_px, looks, rng)


def jumpers(level: str, seed: int, **options: Any) -> Scene:
    """Rods that jump far and often; about half of the jumps exceed 38 px. *options* as of `scene`."""
    return scene(level, seed, motion=FAR_AND_OFTEN, **options)


def empty(level: str, seed: int, frames: int = 200, size_px: int = 1024, **imaging: Any) -> Scene:
    """No rods at all, only noise."""
    return scene(level, seed, frames, size_px, rods=0, **imaging)


KINDS = ("end to end", "side by side", "at an angle", "crossing")


def pairs(level: str, seed: int, frames: int = 8, size_px: int = 1024, spacing_px: int = 128) -> Scene:
    """Pairs of rods on a grid; each jitters and turns as a whole, so that its kind and gap stay.

    The truth has two more columns: ``kind``, of `KINDS`, and ``gap_widths``, the distance from outline to outline in
    widths of a rod, from -1 (the axes meet) to 1; side by side it is at least -0.5, crossing always -1.
    """
    rng = np.random.default_rng([seed, 2])
    looks = LEVELS[level].imaging
    across = size_px // spacing_px
    tables = []
    for pair in range(across**2):
        middle = spacing_px * (np.array([pair % across, pair // across]) + 0.5) + rng.uniform(-8, 8, 2)
        rods = [_draw_rod(LEVELS[level], looks, size_px, pair, middle, rng) for _ in range(2)]
        kind = KINDS[pair % len(KINDS)]
        offsets, angles, gap = _pair(kind, rods, rng)
        turn = rng.uniform(0, 360) + np.cumsum(rng.normal(0, 4, frames))
        shift = np.cumsum(rng.normal(0, 1, (frames, 2)), axis=0)
        c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        for number, rod in enumerate(rods):
            x, y = offsets[number]
            pose = {
                "particle": 2 * pair + number,
                "frame": np.arange(frames),
                "x": middle[0] + shift[:, 0] + c * x - s * y,
                "y": middle[1] + shift[:, 1] + s * x + c * y,
                "angle_deg": turn + angles[number],
                "kind": kind,
                "gap_widths": gap,
            }
            tables.append(pd.DataFrame(pose).assign(**rod))
    return _rendered(pd.concat(tables, ignore_index=True), frames, size_px, looks, rng)


def _pair(kind: str, rods: list[dict[str, float]], rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Offsets (2, 2) and angles (2,) of two rods, the first along x, and their gap in widths."""
    width = (rods[0]["width"] + rods[1]["width"]) / 2
    if kind == "crossing":  # where the axes meet, from the middle of each
        first, second = (rng.uniform(-0.4, 0.4) * (rod["length"] - rod["width"]) for rod in rods)
        angle = rng.uniform(40, 140)
        offset = np.array([first, 0.0]) - second * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        return np.stack([-offset / 2, offset / 2]), np.array([0.0, angle]), -1.0
    gap = rng.uniform(-0.5 if kind == "side by side" else -1, 1)
    angle = rng.uniform(30, 150) if kind == "at an angle" else rng.normal(0, 5)
    direction = {"end to end": 0.0, "side by side": 90.0, "at an angle": rng.uniform(0, 360)}[kind]
    towards = np.array([np.cos(np.radians(direction)), np.sin(np.radians(direction))])
    near, far = 0.0, 3 * max(rod["length"] for rod in rods)
    for _ in range(20):  # the distance grows with the shift
        middle = (near + far) / 2
        poses = [{"x": 0.0, "y": 0.0, "angle_deg": 0.0}, dict(zip("xy", middle * towards, strict=True))]
        table = pd.DataFrame([poses[0] | rods[0], poses[1] | rods[1] | {"angle_deg": angle}])
        near, far = (middle, far) if segment_distance(table[:1], table[1:])[0] < (1 + gap) * width else (near, middle)
    offset = near * towards
    return np.stack([-offset / 2, offset / 2]), np.array([0.0, angle]), gap


def _starts(rods: int, size_px: int, rng: np.random.Generator) -> Floats:
    """(rods, 2) anywhere in view, every sixth one beside the one before."""
    starts = rng.uniform(0, size_px - 1, (rods, 2))
    beside = np.arange(5, rods, 6)
    angle = rng.uniform(0, 2 * np.pi, len(beside))
    distance = rng.uniform(18, 45, len(beside))
    starts[beside] = starts[beside - 1] + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return starts


def _path(start: Floats, steps: int, moments: int, motion: Motion, rng: np.random.Generator) -> pd.DataFrame:
    """``x``, ``y``, ``angle_deg`` at *steps* moments, *moments* of them in a frame."""
    alpha = rng.uniform(*motion.fbm_alpha)
    moved = fbm_steps(alpha, steps, rng) * rng.uniform(*motion.fbm_step_px) * moments ** (-alpha / 2)
    turned = rng.normal(0, rng.uniform(*motion.turn_deg) / np.sqrt(moments), steps)
    tail = rng.uniform(*motion.ctrw_alpha)
    time = rng.uniform() * motion.shortest_wait * (1 + rng.pareto(tail))
    while time * moments < steps:
        moved[int(time * moments)] += motion.jump_px * rng.standard_normal(2)
        turned[int(time * moments)] += motion.turn_at_jump_deg * rng.standard_normal()
        time += motion.shortest_wait * (1 + rng.pareto(tail))
    moved[0] = 0
    x, y = (start + moved.cumsum(axis=0)).T
    return pd.DataFrame({"x": x, "y": y, "angle_deg": rng.uniform(0, 180) + turned.cumsum()})


def _draw_rod(
    level: Level,
    imaging: Imaging,
    size_px: int,
    plane: int,
    at: Floats,
    rng: np.random.Generator,
    length_px: tuple[float, float] = LENGTH_PX,
    width_px: tuple[float, float] = WIDTH_PX,
) -> dict[str, float]:
    """Size and looks of a rod that starts *at* (x, y)."""
    length = rng.uniform(*length_px)
    rod = {
        "length": length,
        "width": min(rng.uniform(*width_px), length),
        "blur_px": level.blurs_px[plane % 2],
        "contrast": imaging.contrast,
    }
    if level.snr is not None:
        wanted = np.interp(rng.uniform(), (0, 0.5, 1), level.snr)
        column, row = np.clip(np.rint(at).astype(int), 0, size_px - 1)
        dose = max(imaging.illumination((size_px, size_px))[row, column], _DARK * imaging.electrons_per_px)
        rod["contrast"] *= wanted / matched_filter_snr(rod, imaging, dose)
    return rod


def _rendered(poses: pd.DataFrame, frames: int, size_px: int, imaging: Imaging, rng: np.random.Generator) -> Scene:
    movie = render_movie(poses, frames, (size_px, size_px), imaging, rng)
    by = [name for name in poses if name not in ("x", "y", "angle_deg")]
    truth = poses.groupby(by, as_index=False, sort=False)[["x", "y", "angle_deg"]].mean()
    truth["angle_deg"] %= 180
    truth = truth.sort_values(["particle", "frame"], ignore_index=True)
    last = size_px - 1
    dose = imaging.illumination((size_px, size_px))
    here = np.clip(np.rint(truth[["y", "x"]].to_numpy()).astype(int), 0, last)
    lit = dose[here[:, 0], here[:, 1]]
    at_one = {
        particle: matched_filter_snr(rows.iloc[0].to_dict(), imaging, 1.0)
        for particle, rows in truth.groupby("particle")
    }
    truth["matched_snr"] = truth["particle"].map(at_one) * np.sqrt(lit)
    beyond = np.maximum(np.maximum(-truth[["x", "y"]], truth[["x", "y"]] - last), 0).max(axis=1)
    inside = (beyond == 0) & (lit > _DARK * imaging.electrons_per_px)
    cut = ~inside & (beyond < truth["length"] / 2)
    return Scene(movie, truth[inside].reset_index(drop=True), truth[cut].reset_index(drop=True), imaging)
