"""Where rods that no frame shows for sure are, given all frames, and how many there are."""

from dataclasses import replace

import numpy as np
import pytest

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.filter_bank import build_filter_bank
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.pose_fit import rods_image
from napari_lptem_diffusion.particles.finding.priors import AMPLITUDE, ANGLE, Prior, X, Y
from napari_lptem_diffusion.particles.following.faint_walks import (
    UNIT,
    View,
    Walk,
    follow_together,
    likeliest_creep,
)

SIDE, FRAMES = 48, 40
SHAPE = RodShape(8.0, 4.0, 0.9)
NOISE = NoiseCorrelation(np.ones((1, 1)))
BANK = build_filter_bank(SHAPE, NOISE)


def view_of(rods, seed, snr=4.5, half=7):
    """Frames of white noise with rods, each (frames, 3): x, y (px) and angle (rad); NaN where there is none."""
    rng = np.random.default_rng(seed)
    responses = []
    for frame in range(len(rods[0])):
        image = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
        poses = np.array([rod[frame] for rod in rods])
        poses = poses[np.isfinite(poses).all(axis=1)]
        parameters = np.tile(Prior(SHAPE, 0.1, 0.1, 0.1).centre(), (len(poses), 1))
        parameters[:, [X, Y, ANGLE]], parameters[:, AMPLITUDE] = poses, snr / BANK.unit_response
        responses.append(BANK.responses(image + rods_image(image.shape, parameters, SHAPE.reach)))
    whole = np.rint(np.stack(responses) / UNIT).astype(np.int16)
    return View(whole, BANK.overlaps, half, np.ones(1), usual_snr=snr).creeping(0.5)


def creeping(x, y, angle, seed, step=0.4, frames=FRAMES):
    rng = np.random.default_rng(seed)
    places = np.array([x, y]) + np.cumsum(rng.normal(0, step, (frames, 2)), axis=0)
    return np.column_stack([places, np.full(frames, angle)])


def walk_near(rod, frames=None):
    """Where a search would begin: about the middle of what it is to find."""
    frames = np.arange(len(rod)) if frames is None else np.asarray(frames)
    x, y, _ = np.rint(np.nanmedian(rod[frames], axis=0)).astype(int)
    return Walk.through(frames, np.tile([0, y, x], (len(frames), 1)), len(rod))


def followed(view, walks, seed=0):
    return [belief for _, belief in follow_together(view, walks, np.random.default_rng(seed))]


def found_share(belief, rod, within=2.0):
    """Share of the frames of a rod in which it is found within px of the filter (half a width)."""
    off = np.hypot(belief.states[:, 2] - rod[:, 0], belief.states[:, 1] - rod[:, 1])
    return float((belief.present & (off <= within))[np.isfinite(rod[:, 0])].mean())


def best_share(beliefs, rod):
    return max(found_share(belief, rod) for belief in beliefs)


def test_the_frames_before_and_after_tell_the_rod_from_a_higher_peak_of_noise():
    rod = creeping(24, 24, 0.7, seed=1)
    view = view_of([rod], seed=2, snr=4.0)
    peaks = view.responses[:, :, 17:32, 17:32].max(axis=1).reshape(FRAMES, -1).argmax(axis=1)
    alone = np.hypot(peaks % 15 + 17 - rod[:, 0], peaks // 15 + 17 - rod[:, 1]) <= 2
    (belief,) = followed(view, [walk_near(rod)])
    assert alone.mean() < 0.9
    assert found_share(belief, rod) > 0.95
    assert belief.confidence.min() >= 0
    assert belief.confidence.max() <= 1


def test_noise_is_no_rod():
    nothing = np.full((FRAMES, 3), np.nan)
    view = view_of([nothing], seed=3)
    assert followed(view, [walk_near(creeping(24, 24, 0, seed=1))]) == []


def test_a_jump_is_kept():
    rod = creeping(20, 20, 0.7, seed=4, step=0.2)
    rod[FRAMES // 2 :, :2] += [5.0, 4.0]
    (belief,) = followed(view_of([rod], seed=5), [walk_near(rod)])
    assert found_share(belief, rod) > 0.9


def test_a_rod_is_followed_beyond_where_it_was_found_but_not_to_where_it_is_gone():
    rod = creeping(24, 24, 0.7, seed=6)
    rod[30:] = np.nan
    (belief,) = followed(view_of([rod], seed=7), [walk_near(rod, range(12, 22))])
    assert found_share(belief, rod) > 0.9
    assert belief.present[32:].mean() < 0.3


def test_two_rods_that_lie_across_each_other_are_two():
    rods = [creeping(23, 24, 0.2, seed=8, step=0.3), creeping(25, 24, 1.7, seed=9, step=0.3)]
    beliefs = followed(view_of(rods, seed=10), [walk_near(rods[0])])
    assert len(beliefs) == 2
    assert min(best_share(beliefs, rod) for rod in rods) > 0.7


@pytest.mark.parametrize("seed", range(4))
def test_one_rod_is_one(seed):
    rod = creeping(24, 24, 0.7, seed=20 + seed)
    assert len(followed(view_of([rod], seed=30 + seed), [walk_near(rod), walk_near(rod)])) == 1


def test_two_parts_of_a_path_become_one_rod():
    rod = creeping(24, 24, 0.7, seed=11)
    parts = [walk_near(rod, range(15)), walk_near(rod, range(22, FRAMES))]
    (belief,) = followed(view_of([rod], seed=12), parts)
    assert found_share(belief, rod) > 0.95


def test_rods_that_are_known_elsewhere_are_not_found_again():
    rod = creeping(24, 24, 0.7, seed=13)
    view = view_of([rod], seed=14)
    known = follow_together(view, [walk_near(rod)], np.random.default_rng(0))[0][0]
    assert followed(replace(view, known=(known,)), [walk_near(rod)]) == []


def test_same_draws_same_paths():
    rods = [creeping(20, 24, 0.2, seed=15), creeping(27, 24, 1.0, seed=16)]
    view = view_of(rods, seed=17)
    first, second = (followed(view, [walk_near(rod) for rod in rods], seed=5) for _ in range(2))
    assert all(np.array_equal(one.states, two.states) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize(("step", "least", "most"), [(0.05, 0.0, 0.25), (1.2, 1.0, 2.0)])
def test_how_far_rods_creep_is_learnt(step, least, most):
    rod = creeping(24, 24, 0.3, 18, step)
    rod[:, :2] = 24 + 9 * np.sin((rod[:, :2] - 24) / 9)
    view = view_of([rod], seed=22, half=12)
    creep = likeliest_creep(view, [walk_near(rod)]).creep
    assert view.creeping(most).creep[0] <= creep[0] <= view.creeping(least).creep[0]
