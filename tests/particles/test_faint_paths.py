"""Which peak of a frame is a faint rod."""

import numpy as np
import pytest

from napari_lptem_diffusion.particles.following.faint_paths import _likeliest_step, _Windows

SIDE, ANGLES = 21, 4


def seen(places, centres=None, snr=4.5, seed=0):
    """Likelihoods of a rod of this signal to noise at (x, y, angle), and noise everywhere."""
    rng = np.random.default_rng(seed)
    centres = np.full((len(places), 2), SIDE // 2) if centres is None else np.asarray(centres)
    likely = []
    for (x, y, angle), (middle_x, middle_y) in zip(places, centres, strict=True):
        response = rng.standard_normal((ANGLES, SIDE, SIDE))
        response[angle, y - middle_y + SIDE // 2, x - middle_x + SIDE // 2] += snr
        likely.append(np.exp(snr * response - snr**2 / 2))
    return _Windows(0, list(range(len(places))), centres, likely)


def found(windows, step):
    """Places (x, y) of the peaks of belief, and how many single frames have theirs elsewhere."""
    places = []
    for belief, centre in zip(windows.beliefs(step), windows.centres, strict=True):
        y, x = np.unravel_index(np.argmax(belief.sum(axis=0)), (SIDE, SIDE))
        places.append((x + centre[0] - SIDE // 2, y + centre[1] - SIDE // 2))
    return np.array(places)


def creeping(frames, step, seed):
    rng = np.random.default_rng(seed)
    path = np.clip(np.rint(10 + np.cumsum(rng.normal(0, step, (frames, 2)), axis=0)), 2, 18).astype(int)
    return [(x, y, 1) for x, y in path]


def test_the_frames_before_and_after_tell_the_rod_from_a_higher_peak_of_noise():
    truth = creeping(40, 0.4, 1)
    windows = seen(truth, snr=3.5)
    alone = [np.unravel_index(np.argmax(one.max(axis=0)), (SIDE, SIDE))[::-1] for one in windows.likely]
    right = (np.abs(found(windows, 0.5) - np.array(truth)[:, :2]) <= 1).all(axis=1)
    right_alone = (np.abs(np.array(alone) - np.array(truth)[:, :2]) <= 1).all(axis=1)
    assert right_alone.mean() < 0.8
    assert right.mean() > 0.95


def test_a_jump_is_kept():
    truth = [(5, 5, 1)] * 10 + [(16, 14, 1)] * 10
    assert (np.abs(found(seen(truth), 0.25) - np.array(truth)[:, :2]) <= 1).all(axis=1).mean() > 0.9


def test_windows_that_move_with_a_rod_change_nothing():
    truth = creeping(20, 0.5, 2)
    still = found(seen(truth, snr=8.0), 0.5)
    moving = found(seen(truth, centres=[(x + k % 3, y - k % 2) for k, (x, y, _) in enumerate(truth)], snr=8.0), 0.5)
    assert np.array_equal(still, moving)
    assert np.array_equal(still, np.array(truth)[:, :2])


@pytest.mark.parametrize(("step", "least", "most"), [(0.0, 0.0, 0.25), (2.5, 1.0, 2.0)])
def test_how_far_rods_creep_is_learnt(step, least, most):
    windows = [seen(creeping(40, step, seed), seed=seed) for seed in range(4)]
    assert least <= _likeliest_step(windows) <= most
