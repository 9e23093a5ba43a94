"""How likely two sightings are of the same rod: where it went, how it turned, how large and dark it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_LOOKS = ["length", "width", "blur", "contrast"]
_TAIL = 1.5
_FIRST_STEP = 0.2
_JUMP = 1 / 16
_SEEN = (0.02, 0.99)
_MOST_PAIRS = 20_000
_FEWEST = 20
_FEWEST_RODS = 3
_FRAMES_OF_A_ROD = 4
_ODD_TURNS = 0.1
_LEAST_DISTINCTION = 0.05
_DRIFT_OF_LOOKS = 0.05
_WORST_LOOKS = -4.0
_UNKNOWN = 1e-6
_DOUBTFUL = 0.1
_JUMPS = 0.02
_LOST, _STAYS_LOST = 0.1, 0.8


@dataclass(frozen=True)
class Sightings:
    """Rods as the linker sees them: single detections, or the ends of pieces of tracks with what the piece knows.

    Attributes
    ----------
    xy : ndarray
        (n, 2) px.
    variance : ndarray
        (n,) squared localization error per axis, px^2.
    angle, angle_variance : ndarray
        (n,) degrees and squared degrees; the variance is infinite where the angle is not known.
    looks : ndarray
        (n, k) logarithms of size, blur and contrast, mean over the piece.
    count : ndarray
        (n,) detections in the piece whose looks are known.
    """

    xy: Floats
    variance: Floats
    angle: Floats
    angle_variance: Floats
    looks: Floats
    count: Floats

    @classmethod
    def of(cls, detections: pd.DataFrame) -> Sightings:
        """Read each row of *detections*; columns that it does not have are taken as unknown."""
        n = len(detections)

        def column(name: str, otherwise: float) -> Floats:
            values: Floats = detections[name].to_numpy(float) if name in detections else np.full(n, otherwise)
            return values

        names = [name for name in _LOOKS if name in detections]
        looks = np.log(np.maximum(detections[names].to_numpy(float), 1e-6)).reshape(n, len(names))
        known = np.isfinite(looks).all(axis=1)
        angle_error = column("angle_error_deg", 0.0 if "angle_deg" in detections else np.inf)
        return cls(
            detections[["x", "y"]].to_numpy(float),
            np.nan_to_num(column("localization_error", 0.0)) ** 2,
            np.nan_to_num(column("angle_deg", 0.0)),
            np.where(np.isnan(angle_error), np.inf, angle_error) ** 2,
            np.where(known[:, None], looks, 0.0),
            np.where(known, 1.0, _UNKNOWN),
        )

    def take(self, rows: Indices) -> Sightings:
        """Return the sightings of these *rows* alone."""
        return Sightings(
            self.xy[rows],
            self.variance[rows],
            self.angle[rows],
            self.angle_variance[rows],
            self.looks[rows],
            self.count[rows],
        )

    def doubting(self, rows: NDArray[np.bool_]) -> Sightings:
        """Count the looks of these *rows* for a tenth: they are partly out of view."""
        return replace(self, count=np.where(rows, _DOUBTFUL, 1.0) * self.count)

    def pooled(self, piece: Indices) -> Sightings:
        """Give every sighting the mean looks and the count of its *piece* (numbers from 0)."""
        count = np.bincount(piece, weights=self.count).astype(float)
        means = [np.bincount(piece, weights=column * self.count) / count for column in self.looks.T]
        looks = np.stack(means, axis=1)[piece] if means else self.looks
        return replace(self, looks=looks, count=count[piece])


@dataclass(frozen=True)
class LinkOdds:
    """Log odds that two sightings are one rod, against two that have nothing to do with each other.

    Attributes
    ----------
    step_px : float
        Scale of a one-frame displacement along one axis; displacements are Student-t with 1.5 degrees of freedom.
    jump_px : float
        The same of the one displacement in fifty that is a jump, however still the rods of this movie are.
    seen : float
        Probability that a rod is found again in the next frame.
    density : float
        Detections per px^2 of a frame.
    turn_deg : float
        Standard deviation of the rotation in one frame; one turn in ten is of any size. Infinite: the angle says
        nothing.
    mean, directions, distinction : ndarray
        (k,), (k, m), (m,): along the columns of *directions*, looks less their *mean* vary by 1 (variance) within a
        rod and by *distinction* between rods (linear discriminants).
    """

    step_px: float
    jump_px: float
    seen: float
    density: float
    turn_deg: float
    mean: Floats
    directions: Floats
    distinction: Floats

    def of_pairs(self, earlier: Sightings, later: Sightings, gap: Floats) -> Floats:
        """Log odds of row k of *earlier* with row k of *later*, *gap* frames apart (1 = consecutive), (n,)."""
        appears = np.log(self.density * (1 - self.seen))
        found = np.log(self.seen / (1 - self.seen)) + np.where(
            gap > 1, np.log(_LOST) + (gap - 2) * np.log(_STAYS_LOST), 0.0
        )
        result: Floats = self.motion(earlier, later, gap) + self.looks(earlier, later) + found - appears
        return result

    def motion(self, earlier: Sightings, later: Sightings, gap: Floats) -> Floats:
        """Share of `of_pairs` that comes from displacement and rotation, (n,)."""
        square = ((earlier.xy - later.xy) ** 2).sum(axis=1)
        errors = earlier.variance + later.variance
        crept = log_student(square, self.step_px**2 * gap + errors) + np.log1p(-_JUMPS)
        jumped = log_student(square, self.jump_px**2 * gap + errors) + np.log(_JUMPS)
        result: Floats = np.logaddexp(crept, jumped) + self._turn(earlier, later, gap)
        return result

    def looks(self, earlier: Sightings, later: Sightings) -> Floats:
        """Share of `of_pairs` that comes from size, blur and contrast, (n,)."""
        if not len(self.distinction):
            return np.zeros(len(earlier.count))
        first, second = ((side.looks - self.mean) @ self.directions for side in (earlier, later))
        a, b = (self.distinction + 1 / side.count[:, None] + _DRIFT_OF_LOOKS for side in (earlier, later))
        shared = self.distinction**2 / (a * b)
        cross = 2 * self.distinction * first * second / (a * b)
        squares = shared * (first**2 / a + second**2 / b)
        odds = -0.5 * np.log(1 - shared) - 0.5 * (squares - cross) / (1 - shared)
        # A rod that another one touches looks odd in that frame: a single frame is not believed without limit.
        worst = _WORST_LOOKS * (1 + np.log10(np.maximum(np.minimum(earlier.count, later.count), 1)))
        result: Floats = np.maximum(odds.sum(axis=1), worst)
        return result

    def _turn(self, earlier: Sightings, later: Sightings, gap: Floats) -> Floats:
        if not np.isfinite(self.turn_deg):
            return np.zeros(len(gap))
        variance = self.turn_deg**2 * gap + earlier.angle_variance + later.angle_variance
        turned = (earlier.angle - later.angle + 90) % 180 - 90
        with np.errstate(invalid="ignore"):
            bell = sum(np.exp(-((turned + k) ** 2) / (2 * variance)) for k in (-180, 0, 180))
        bell = np.where(np.isfinite(variance), bell * 180 / np.sqrt(2 * np.pi * variance), 1.0)
        result: Floats = np.log((1 - _ODD_TURNS) * bell + _ODD_TURNS)
        return result

    def learnt(self, sightings: Sightings, piece: Indices, sure: Indices) -> LinkOdds:
        """Learn turns and looks from links that position alone leaves no doubt about.

        Parameters
        ----------
        sightings : Sightings
            Single detections.
        piece : ndarray
            (n,) piece of track that each belongs to, from 0.
        sure : ndarray
            (links, 2) rows of consecutive detections of the same rod.
        """
        turn = _typical_turn(sightings.take(sure[:, 0]), sightings.take(sure[:, 1]))
        known = sightings.count >= 1
        mean, directions, distinction = _discriminants(sightings.looks[known], piece[known])
        return replace(self, turn_deg=turn, mean=mean, directions=directions, distinction=distinction)


def log_student(square: Floats, variance: Floats) -> Floats:
    """Log density (per px^2) of a planar Student-t displacement of squared length *square* and scale *variance*."""
    scale = np.maximum(variance, 1e-6)
    result: Floats = -np.log(2 * np.pi * scale) - (_TAIL / 2 + 1) * np.log1p(square / (_TAIL * scale))
    return result


def odds_of_positions(detections: pd.DataFrame, sightings: Sightings, reach: float) -> LinkOdds:
    """Learn how far rods move and how often they are missed, from nearest neighbours in consecutive frames.

    The distances are a mixture of true displacements and of the nearest of detections strewn at random.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y``; sorted by frame.
    sightings : Sightings
        Of the same rows.
    reach : float
        Search range, px.
    """
    rows, others, distance = _mutual_neighbours(detections, reach)
    density = _density(detections, reach)
    step, seen = _FIRST_STEP * reach, 0.9
    if len(distance) >= _FEWEST:
        errors = sightings.variance[rows] + sightings.variance[others]
        by_chance = np.log(density) - np.pi * density * distance**2

        def cost(unknown: Floats) -> float:
            share = 1 / (1 + np.exp(-unknown[1]))
            true = np.log(share) + log_student(distance**2, np.exp(2 * unknown[0]) + errors)
            return -float(np.logaddexp(true, np.log1p(-share) + by_chance).mean())

        start = np.array([np.log(max(float(np.median(distance)), 1e-2)), 1.0])
        best = minimize(cost, start, method="Nelder-Mead", bounds=[(-5, np.log(max(reach, 0.02))), (-4.6, 4.6)]).x
        paired = len(distance) / max(int((detections["frame"] < detections["frame"].iloc[-1]).sum()), 1)
        step, seen = float(np.exp(best[0])), float(paired / (1 + np.exp(-best[1])))
    nothing = np.empty(0)
    return LinkOdds(step, _JUMP * reach, float(np.clip(seen, *_SEEN)), density, np.inf, nothing, nothing, nothing)


def _density(detections: pd.DataFrame, reach: float) -> float:
    """Detections per px^2 in a typical frame, which is taken to be as large as they show and at least twice *reach*."""
    frames = int(detections["frame"].iloc[-1] - detections["frame"].iloc[0]) + 1
    side = max(float(np.ptp(detections[["x", "y"]].to_numpy(float), axis=0).max()), 2 * reach, 1.0)
    return len(detections) / frames / side**2


def _mutual_neighbours(detections: pd.DataFrame, reach: float) -> tuple[Indices, Indices, Floats]:
    """Rows of consecutive frames that are each other's nearest, and their distance, px."""
    frame, xy = detections["frame"].to_numpy(), detections[["x", "y"]].to_numpy(float)
    edges = np.append(np.flatnonzero(np.diff(frame, prepend=frame[0] - 1)), len(frame))
    found: list[tuple[Indices, Indices, Floats]] = []
    wanted = _MOST_PAIRS
    for a, b, c in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        if frame[b] != frame[a] + 1 or wanted <= 0:
            continue
        distance, there = cKDTree(xy[b:c]).query(xy[a:b], distance_upper_bound=reach)
        back = cKDTree(xy[a:b]).query(xy[b:c])[1]
        near = np.flatnonzero(np.isfinite(distance))
        near = near[back[there[near]] == near]
        found.append((near + a, there[near] + b, distance[near]))
        wanted -= len(near)
    if not found:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0)
    rows, others, distances = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, others, distances


def _typical_turn(earlier: Sightings, later: Sightings) -> float:
    """Rotation in one frame beyond what the errors of the angles explain; infinite where too few angles are known."""
    errors = earlier.angle_variance + later.angle_variance
    known = errors < 40.0**2
    if np.count_nonzero(known) < _FEWEST:
        return np.inf
    turned = ((earlier.angle - later.angle + 90) % 180 - 90)[known]
    spread = (1.4826 * np.median(np.abs(turned))) ** 2 - np.median(errors[known])
    return float(np.sqrt(max(spread, 1.0)))


def _discriminants(looks: Floats, piece: Indices) -> tuple[Floats, Floats, Floats]:
    """Mean, directions and distinction of `LinkOdds`, where rods differ more than one rod does from frame to frame."""
    count = np.bincount(piece)
    long = np.flatnonzero(count >= _FRAMES_OF_A_ROD)
    if len(long) < _FEWEST_RODS or not looks.shape[1]:
        return np.empty(0), np.empty((0, 0)), np.empty(0)
    inside = np.isin(piece, long)
    number = np.searchsorted(long, piece[inside])
    sizes = count[long].astype(float)
    means = np.stack([np.bincount(number, weights=column) / sizes for column in looks[inside].T], axis=1)
    rest = looks[inside] - means[number]
    within = rest.T @ rest / max(len(rest) - len(long), 1) + 1e-6 * np.eye(looks.shape[1])
    mean = np.average(means, axis=0, weights=sizes)
    spread = (means - mean).T @ ((means - mean) * sizes[:, None]) / sizes.sum()
    between = spread - within * len(long) / sizes.sum()
    distinction, directions = eigh(between, within)
    telling = distinction > _LEAST_DISTINCTION
    return mean, directions[:, telling], distinction[telling]
