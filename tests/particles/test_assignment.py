from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.particles.following import assignment
from napari_lptem_diffusion.particles.following.assignment import choose_links, confidence, margins
from napari_lptem_diffusion.particles.following.chance import beyond_chance

GAINS = st.lists(st.floats(-5, 10, allow_subnormal=False), min_size=9, max_size=9)


def all_pairs(gains):
    left, right = (side.ravel() for side in np.meshgrid(np.arange(3), np.arange(3), indexing="ij"))
    return left, right, np.array(gains)


def best_total(gain, without=None):
    """Greatest sum over every way to link three to three, by trying them all."""
    table = np.maximum(gain.reshape(3, 3), 0)
    if without is not None:
        table.flat[without] = 0
    return max(sum(table[i, j] for i, j in enumerate(order)) for order in permutations(range(3)))


@settings(max_examples=100, deadline=None)
@given(GAINS)
def test_the_chosen_links_are_the_likeliest_as_a_whole(gains):
    left, right, gain = all_pairs(gains)
    chosen = choose_links(left, right, gain)
    assert gain[chosen].sum() == pytest.approx(best_total(gain))
    assert len(set(left[chosen])) == len(set(right[chosen])) == len(chosen)
    assert (gain[chosen] > 0).all()


@settings(max_examples=100, deadline=None)
@given(GAINS)
def test_a_margin_is_never_less_than_what_the_best_other_choice_costs(gains):
    left, right, gain = all_pairs(gains)
    chosen = choose_links(left, right, gain)
    for row, margin in zip(chosen, margins(left, right, gain, chosen), strict=True):
        assert margin >= gain[chosen].sum() - best_total(gain, without=row) - 1e-9
        assert margin <= gain[row] + 1e-9


def test_two_rods_that_could_as_well_be_swapped_are_linked_without_confidence():
    left, right, gain = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([5.0, 4.9, 4.9, 5.0])
    chosen = choose_links(left, right, gain)
    assert confidence(margins(left, right, gain, chosen)) == pytest.approx([0.55, 0.55], abs=0.01)
    sure = np.array([5.0, -9.0, -9.0, 5.0])
    assert (confidence(margins(left, right, sure, choose_links(left, right, sure))) > 0.99).all()


def test_a_crowd_is_linked_greedily_and_not_forever(monkeypatch):
    rng = np.random.default_rng(0)
    left, right = (side.ravel() for side in np.meshgrid(np.arange(30), np.arange(30), indexing="ij"))
    gain = rng.uniform(0, 1, 900)
    best = gain[choose_links(left, right, gain)].sum()
    monkeypatch.setattr(assignment, "_LARGEST_EXACT", 100)
    chosen = choose_links(left, right, gain)
    assert len(chosen) == 30
    assert 0.9 * best < gain[chosen].sum() < best


def test_no_links_are_possible():
    nothing = np.empty(0, dtype=np.intp)
    assert len(choose_links(nothing, nothing, np.empty(0))) == 0
    assert len(margins(nothing, nothing, np.empty(0), nothing)) == 0


@pytest.mark.parametrize("per_frame", [0.3, 3, 30])
def test_the_nearest_of_strewn_points_are_no_track_and_a_dwelling_rod_is_one(per_frame):
    rng = np.random.default_rng(1)
    count = int(300 * per_frame)
    frame, xy = np.sort(rng.integers(0, 300, count)), rng.uniform(0, 1000, (count, 2))
    density = per_frame / 1e6
    chain = np.full(count, -1)
    here = 0
    for _ in range(12):  # always on to the nearest of the next few frames
        chain[here] = 0
        later = np.flatnonzero((frame > frame[here]) & (frame <= frame[here] + 10))
        if not len(later):
            break
        here = int(later[np.argmin(np.hypot(*(xy[later] - xy[here]).T))])
    assert not beyond_chance(frame, xy, chain, density).any()
    rod = 500 + rng.normal(0, 3, (12, 2))
    frame, xy = np.append(frame, np.arange(12)), np.concatenate([xy, rod])
    assert beyond_chance(frame, xy, np.append(np.full(count, -1), np.zeros(12, dtype=int)), density)[-12:].all()
