"""Which of the possible links are made: as a whole the likeliest, in bounded time, and how sure each one is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]
_LARGEST_EXACT = 4_000_000
"""Rows times columns of a group of entangled links up to which the best choice is computed."""


def choose_links(left: Indices, right: Indices, gain: Floats) -> Indices:
    """Choose links so that the sum of their gains is greatest and nothing is linked twice.

    Groups of entangled links are solved one by one by the Hungarian method; a group of more than 4 million
    combinations is linked greedily, so that a crowd costs accuracy and not hours.

    Parameters
    ----------
    left, right : ndarray
        (links,) what each possible link would connect; small integers, numbered apart from each other.
    gain : ndarray
        (links,) log odds of the link against none; links without gain are never made.

    Returns
    -------
    ndarray
        Rows of the links that are made, ascending.
    """
    worth = np.flatnonzero(gain > 0)
    if not len(worth):
        return worth
    i, j, value = left[worth], right[worth], gain[worth]
    size = int(max(i.max(), j.max())) + 1
    graph = coo_array((np.ones(len(worth)), (i, j + size)), shape=(2 * size, 2 * size))
    group = connected_components(graph, directed=False)[1][i]
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    chosen = [part if len(part) == 1 else part[_best(i[part], j[part], value[part])] for part in parts]
    return np.sort(worth[np.concatenate(chosen)])


def margins(left: Indices, right: Indices, gain: Floats, chosen: Indices) -> Floats:
    """By how much each chosen link beats the best alternative in which it is not made.

    The alternatives are to make no link there, to link one of its ends elsewhere, and to swap partners with another
    link.

    Parameters
    ----------
    left, right, gain : ndarray
        As in `choose_links`.
    chosen : ndarray
        Its result.

    Returns
    -------
    ndarray
        (chosen,) log odds, 0 or more where the choice is optimal.
    """
    margin = gain[chosen].copy()
    if not len(chosen):
        return margin
    place = {(int(i), int(j)): float(g) for i, j, g in zip(left, right, gain, strict=True)}
    of_left = {int(left[row]): n for n, row in enumerate(chosen)}
    of_right = {int(right[row]): n for n, row in enumerate(chosen)}
    made = set(chosen.tolist())
    for row in range(len(gain)):
        if row in made:
            continue
        here, there = of_left.get(int(left[row])), of_right.get(int(right[row]))
        lost = sum(float(gain[chosen[n]]) for n in (here, there) if n is not None)
        swapped = 0.0
        if here is not None and there is not None:
            swapped = max(0.0, place.get((int(left[chosen[there]]), int(right[chosen[here]])), 0.0))
        for n in (here, there):
            if n is not None:
                margin[n] = min(margin[n], lost - swapped - float(gain[row]))
    return np.maximum(margin, 0.0)


def confidence(margin: Floats) -> Floats:
    """Probability of a link against its best alternative, from its log odds."""
    result: Floats = 1 / (1 + np.exp(-np.clip(margin, -700, 700)))
    return result


def _best(i: Indices, j: Indices, value: Floats) -> Indices:
    """Rows of the best links of one group."""
    rows, row = np.unique(i, return_inverse=True)
    columns, column = np.unique(j, return_inverse=True)
    if len(rows) * len(columns) > _LARGEST_EXACT:
        return _greedy(row, column, value)
    gains = np.zeros((len(rows), len(columns)))
    gains[row, column] = value
    number = np.full(gains.shape, -1, dtype=np.intp)
    number[row, column] = np.arange(len(value))
    links: Indices = number[linear_sum_assignment(gains, maximize=True)]
    return links[links >= 0]


def _greedy(i: Indices, j: Indices, value: Floats) -> Indices:
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    rows: list[int] = []
    for row in np.argsort(-value, kind="stable").tolist():
        if i[row] not in taken_left and j[row] not in taken_right:
            taken_left.add(i[row])
            taken_right.add(j[row])
            rows.append(row)
    return np.array(rows, dtype=np.intp)
