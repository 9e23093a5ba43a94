"""The scenes of the benchmark are what they say they are: levels, motion, gaps of pairs."""

import sys
from pathlib import Path

import numpy as np
import pytest

from napari_lptem_diffusion.particles.known_truth.scoring import outline_gaps

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module")
def scenes():
    sys.path.insert(0, BENCHMARKS)
    try:
        import scenes
    finally:
        sys.path.remove(BENCHMARKS)
    return scenes


@pytest.fixture
def unrendered(scenes, monkeypatch):
    """Scenes without the movie: what the poses are takes no pixels."""
    monkeypatch.setattr(scenes, "render_movie", lambda *_: np.zeros((1, 1, 1)))
    return scenes


@pytest.mark.parametrize(("level", "least", "greatest"), [("extreme", 4, 5), ("hard", 9, 14)])
def test_signal_to_noise_is_that_of_the_level(unrendered, level, least, greatest):
    first = unrendered.scene(level, 1).poses.groupby("particle").first()
    assert first["matched_snr"].between(least - 0.1, greatest + 0.1).all()


def test_rods_dwell_and_jump_as_in_the_real_movie(unrendered):
    """Twenty to thirty jumps of 12 rods in 100 frames, one or two of them beyond 38 px."""
    jumps, far = [], []
    for seed in range(1, 13):
        step = unrendered.scene("hard", seed).poses.sort_values(["particle", "frame"]).groupby("particle").diff()
        length = np.hypot(step["x"], step["y"])[step["frame"] == 1]
        jumps.append((length > 10).sum())
        far.append((length > 38).sum())
    assert 20 < np.mean(jumps) < 31
    assert 0.5 < np.mean(far) < 2.5


def test_pairs_lie_as_they_say(unrendered):
    poses = unrendered.pairs("medium", 1, frames=2).poses
    gaps = outline_gaps(poses) * poses["width"] / poses.groupby(poses["particle"] // 2)["width"].transform("mean")
    assert gaps.to_numpy() == pytest.approx(poses["gap_widths"].to_numpy(), abs=0.01)
    assert set(poses["kind"]) == set(unrendered.KINDS)


def test_motion_blur_keeps_one_pose_a_frame(unrendered):
    poses = unrendered.scene("medium", 3, frames=6, moments=4).poses
    assert not poses.duplicated(["particle", "frame"]).any()
    assert poses.groupby("particle").size().max() == 6


def test_a_seed_gives_one_movie(scenes):
    one, two, other = (scenes.scene("hard", seed, frames=2, size_px=128, rods=3) for seed in (4, 4, 5))
    assert np.array_equal(one.movie, two.movie)
    assert not np.array_equal(one.movie, other.movie)
    assert one.poses.equals(two.poses)
    assert scenes.empty("hard", 1, frames=1, size_px=64).poses.empty
