"""Simulated tracks carry a truth that follows the project's definition of the mixing ratio."""

from dataclasses import replace

import pytest
import torch

from napari_lptem_diffusion.diffusion import alternatives
from napari_lptem_diffusion.diffusion.observation import _unit_error
from napari_lptem_diffusion.diffusion.population import Draw, Population
from napari_lptem_diffusion.diffusion.simulate import MAX_STRETCHES, simulate

CLEAN = Population(
    switching=0,
    pure=0,
    drifting_ratio=0,
    error=(1e-9, 1e-9),
    error_misjudged=0,
    anisotropic_error=0,
    gaps=0,
    stage_drift=0,
    mislinks=0,
    other_kinds=0,
)


def _simulate(population: Population, tracks: int = 400, frames: int = 200, seed: int = 3):
    return simulate(tracks, frames, population, torch.Generator().manual_seed(seed))


def test_the_parts_carry_the_mean_squared_displacement_that_the_truth_says():
    observation, truth = _simulate(replace(CLEAN, alpha_fbm=(0.5, 0.9)), tracks=1500)
    sharp = observation.exposure == 0
    measured = observation.positions.diff(dim=1).square().sum(-1).mean(1)[sharp]
    # Of antipersistent motion a track of 200 frames has what the process has on average; the parts are independent,
    # so their cross term averages out over tracks.
    stated = (truth.fbm_step2 + truth.ctrw_step2)[sharp]
    assert float((measured / stated).mean()) == pytest.approx(1, abs=0.015)
    share = truth.fbm_step2 / (truth.fbm_step2 + truth.ctrw_step2)
    torch.testing.assert_close(share, truth.mixing_ratio[:, 0], atol=0.1, rtol=0)


def test_k_of_persistent_motion_is_that_of_the_process_not_of_the_track():
    observation, truth = _simulate(replace(CLEAN, pure=1.0, alpha_fbm=(1.6, 1.9)), tracks=4000, frames=17)
    rows = (observation.exposure == 0) & (truth.mixing_ratio[:, 0] == 1)
    measured = observation.positions[rows].diff(dim=1).square().sum(-1).mean(1)
    # Of a fixed process the one-frame displacement of short persistent tracks scatters; its mean is the process's.
    assert float((measured / truth.fbm_step2[rows]).mean()) == pytest.approx(1, abs=0.05)
    assert float((measured / truth.fbm_step2[rows]).std()) > 0.4


def test_pure_walks_without_error_stand_still_between_jumps():
    observation, truth = _simulate(replace(CLEAN, pure=1.0))
    still = (observation.positions.diff(dim=1).square().sum(-1) < 1e-12).float().mean(1)
    is_ctrw = truth.mixing_ratio[:, 0] == 0
    is_fbm = truth.mixing_ratio[:, 0] == 1
    assert float(still[is_fbm].max()) == 0
    assert float(still[is_ctrw].min()) > 0


def test_change_points_are_where_the_truth_changes_and_keep_their_distance():
    population = replace(CLEAN, switching=1.0, shortest_stretch=20)
    _, truth = _simulate(population)
    changed = truth.mixing_ratio.diff(dim=1).abs() > 1e-4
    assert bool((truth.change[:, 1:] | ~changed).all())
    assert int(truth.change.sum(1).max()) < MAX_STRETCHES
    assert float(truth.change.float().sum(1).mean()) > 1
    for row in truth.change[:100]:
        places = row.nonzero()[:, 0]
        assert len(places) < 2 or int(places.diff().min()) >= 20


def test_change_points_lie_evenly_however_many_there_are():
    _, truth = _simulate(replace(CLEAN, switching=1.0), tracks=4000, frames=301)
    for count in (1, 2):
        rows = truth.change[truth.change.sum(1) == count]
        assert float(rows.nonzero()[:, 1].float().mean()) == pytest.approx(150, abs=10)


def test_of_a_track_that_never_moves_the_ratio_is_a_draw_from_its_prior():
    _, truth = _simulate(replace(CLEAN, pure=1.0), tracks=3000, frames=30)
    still = (truth.fbm_step2 + truth.ctrw_step2) == 0
    assert int(still.sum()) > 20
    assert float(truth.mixing_ratio[still][:, 0].std()) > 0.2


def test_localization_error_is_as_large_as_told():
    population = replace(CLEAN, pure=1.0, error=(0.5, 0.5), error_unknown=0.0)
    observation, truth = _simulate(population, tracks=800)
    ctrw = (truth.mixing_ratio[:, 0] == 0) & (observation.localization_error[:, 0] > 0) & (observation.exposure == 0)
    step = observation.positions[ctrw].diff(dim=1) / observation.localization_error[ctrw, :1][..., None]
    still = step.abs().amax(-1) < 4
    assert float(step[still].square().mean()) == pytest.approx(2, rel=0.15)


def test_an_anisotropic_error_has_the_rms_that_is_told_and_a_slowly_turning_axis():
    population = replace(CLEAN, anisotropic_error=1.0)
    error = _unit_error(4000, 40, population, Draw(torch.Generator().manual_seed(2), torch.device("cpu")))
    assert float(error.square().mean()) == pytest.approx(1, rel=0.02)
    # Where the axis hardly turns, the larger component in one frame is the larger one in the next.
    excess = error[..., 0].square() - error[..., 1].square()
    assert float((excess[:, 1:] * excess[:, :-1]).mean()) > 0.1
    one, other = error[:, 1:].flatten(), error[:, :-1].flatten()
    assert abs(float((one * other).mean())) < 0.02


def test_a_mislinked_track_goes_elsewhere_for_good_or_for_one_frame():
    population = replace(CLEAN, switching=0, pure=1.0, mislinks=1.0, alpha_fbm=(0.05, 0.06))
    observation, truth = _simulate(population, frames=100)
    rows = truth.mixing_ratio[:, 0] == 1
    path = observation.positions[rows]
    size = path.diff(dim=1).norm(dim=-1)
    large = (size > 4 * size.median(dim=1, keepdim=True).values).sum(1)
    # An offset of fewer than four median steps, as four in ten have, is not counted.
    assert 0.15 < float((large == 1).float().mean()) < 0.5
    assert 0.15 < float((large == 2).float().mean()) < 0.5


def test_a_told_error_is_wrong_as_often_as_the_population_says():
    one, other = (
        _simulate(replace(CLEAN, pure=1.0, error=(0.5, 0.5), error_unknown=0.0, error_misjudged=share), tracks=1000)[0]
        for share in (0.0, 1.0)
    )
    known = one.localization_error > 0
    factor = (other.localization_error / one.localization_error)[known].log()
    assert 0.08 < float(factor.std()) < 0.25


def test_gaps_spare_the_ends_and_the_error_may_be_untold():
    observation, _ = _simulate(replace(CLEAN, gaps=1.0, error=(0.1, 1), error_unknown=0.5))
    assert bool(observation.seen[:, [0, -1]].all())
    assert 0.03 < float((~observation.seen).float().mean()) < 0.15
    untold = observation.localization_error.isnan()
    assert bool((untold.all(1) | ~untold.any(1)).all())
    assert 0.4 < float(untold.all(1).float().mean()) < 0.6


def test_the_same_seed_gives_the_same_tracks():
    one, other = (_simulate(Population(), seed=9) for _ in range(2))
    torch.testing.assert_close(one[0].positions, other[0].positions, rtol=0, atol=0)
    torch.testing.assert_close(one[1].mixing_ratio, other[1].mixing_ratio, rtol=0, atol=0)


@pytest.mark.parametrize("frames", [16, 17, 40, 640])
def test_every_length_is_finite(frames):
    observation, truth = _simulate(Population(), tracks=64, frames=frames)
    assert bool(observation.positions.isfinite().all())
    for values in (truth.mixing_ratio, truth.alpha_fbm, truth.alpha_ctrw):
        assert values.shape == (64, frames - 1)
        assert bool(values.isfinite().all())


@pytest.mark.parametrize("kind", [*alternatives.TRAINED, *alternatives.UNSEEN])
def test_other_kinds_of_motion_are_finite_and_move(kind):
    draw = Draw(torch.Generator().manual_seed(0), torch.device("cpu"))
    steps = alternatives.recorded(kind, torch.linspace(0, 1, 50), 120, draw)
    assert steps.shape == (50, 120, 2)
    assert bool(steps.isfinite().all())
    assert float(steps.square().mean()) > 0
