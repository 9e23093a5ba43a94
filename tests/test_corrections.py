"""Correcting an analysis: what is judged again, undo and redo, and the same bytes from the command line."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_lptem_diffusion import corrections as module
from napari_lptem_diffusion.analysis import Analysis, analyze
from napari_lptem_diffusion.cli import main
from napari_lptem_diffusion.corrections import History, correct, replay
from napari_lptem_diffusion.diffusion.estimate import estimate_diffusion
from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    DeleteRod,
    DeleteTrack,
    JoinTracks,
    MarkDirt,
    MarkStuck,
    ReplaceRod,
    Rod,
    SplitTrack,
)
from napari_lptem_diffusion.particles.correcting.drift import without_drift
from napari_lptem_diffusion.progress import Stopped
from napari_lptem_diffusion.settings import DiffusionSettings, MovieSettings, Settings
from tests.analysis_factory import GAP_FRAMES, make_analysis
from tests.rendered_movie import write_movie


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """The made-up rods, really judged."""
    made_up = make_analysis()
    return replace(made_up, motion=estimate_diffusion(made_up.tracks))


def anchor(analysis, particle, place=0):
    """The place of a rod of *particle*: its first, unless *place* says which."""
    row = analysis.tracks[analysis.tracks["particle"] == particle].iloc[place]
    return Anchor(frame=int(row["frame"]), x=float(row["x"]), y=float(row["y"]))


def drawn(frame, x=60.0, y=118.0):
    return Rod(frame=frame, x=x, y=y, angle_deg=30, length=21, width=8)


def every_kind(analysis):
    """Corrections of every kind that can be made one after the other."""
    return [
        SplitTrack(track=anchor(analysis, 0), first_frame=20),
        AddRod(rod=drawn(GAP_FRAMES[1]), track=anchor(analysis, 3)),
        DeleteRod(rod=anchor(analysis, 1, 30)),
        ReplaceRod(old=anchor(analysis, 1, 10), rod=drawn(10, 104, 44)),
        MarkStuck(track=anchor(analysis, 2)),
        JoinTracks(track=anchor(analysis, 0, 40), other=anchor(analysis, 0)),
        MarkDirt(track=anchor(analysis, 4)),
        AddRod(rod=drawn(30, 20, 20)),
        DeleteTrack(track=anchor(analysis, 1)),
    ]


def tables(analysis):
    motion = {f"motion.{name}": getattr(analysis.motion, name) for name in ("frames", "particles", "msd")}
    return motion | {name: getattr(analysis, name) for name in ("detections", "tracks", "marked")}


def assert_same(one, other, **tolerance):
    for name, table in tables(one).items():
        pd.testing.assert_frame_equal(table, tables(other)[name], obj=name, check_exact=not tolerance, **tolerance)


@pytest.fixture(scope="module")
def steps(analysis) -> list[Analysis]:
    """The analysis after none, one, two ... of the corrections."""
    done = [analysis]
    for correction in every_kind(analysis):
        done.append(correct(done[-1], correction))
    return done


@pytest.mark.parametrize("step", range(1, 10))
def test_judging_what_changed_gives_what_judging_all_would(steps, step):
    """Up to the last digit that is kept: the network computes in single precision, in batches."""
    now = steps[step]
    anew = estimate_diffusion(without_drift(now.tracks), now.settings.diffusion)
    assert_same(now, replace(now, motion=anew), atol=1.1e-4, rtol=1.1e-3)


def test_only_what_changed_is_judged_again(analysis, monkeypatch):
    judged = []

    def watched(tracks, *rest):
        judged.append(set(tracks["particle"]))
        return estimate_diffusion(tracks, *rest)

    monkeypatch.setattr(module, "estimate_diffusion", watched)
    split = correct(analysis, SplitTrack(track=anchor(analysis, 0), first_frame=20))
    marked = correct(split, MarkStuck(track=anchor(analysis, 2)))
    correct(marked, DeleteRod(rod=anchor(analysis, 1, 30)))
    correct(analysis, DeleteTrack(track=anchor(analysis, 1)))
    assert judged == [{0, 5}, {0, 1, 2, 3, 4, 5}, {1}, set()]


def test_the_analysis_that_is_corrected_stays_as_it_was(analysis, steps):
    anew = make_analysis()
    assert_same(analysis, replace(anew, motion=estimate_diffusion(anew.tracks)))
    assert analysis.corrections == ()
    assert len(steps[-1].corrections) == 9
    assert steps[-1].uncorrected is analysis


def test_particles_keep_their_numbers_and_no_number_comes_back(analysis):
    now = correct(analysis, SplitTrack(track=anchor(analysis, 0), first_frame=20))
    assert sorted(now.motion.particles["particle"]) == [0, 1, 2, 3, 4, 5]
    now = correct(now, DeleteTrack(track=anchor(now, 5)))
    now = correct(now, SplitTrack(track=anchor(now, 1), first_frame=20))
    assert sorted(now.motion.particles["particle"]) == [0, 1, 2, 3, 4, 6]
    assert set(now.labels(30).ravel()) >= {0, 7}, "the label of particle 6"


def test_replaying_gives_the_very_same_tables(analysis, steps):
    assert_same(replay(analysis, every_kind(analysis)), steps[-1])


def test_a_correction_that_finds_no_rod_is_left_out_of_a_replay_with_a_warning(analysis):
    nowhere = DeleteTrack(track=Anchor(frame=3, x=1, y=1))
    with pytest.raises(InputError, match="track was expected"):
        correct(analysis, nowhere)
    kept = MarkDirt(track=anchor(analysis, 4))
    with pytest.warns(InputWarning, match=r"Correction 1 of 2 \(delete track\) is left out: A track was expected"):
        replayed = replay(analysis, [nowhere, kept])
    assert replayed.corrections == (kept,)


@pytest.mark.parametrize("place", [{"frame": 60}, {"x": -3.0}, {"y": 160.0}])
def test_a_rod_outside_the_movie_is_refused(analysis, place):
    rod = drawn(21).model_copy(update=place)
    with pytest.raises(InputError, match="the movie has frames 0 to 59 of 160 x 208 px"):
        correct(analysis, AddRod(rod=rod))


def test_correcting_can_be_stopped_and_says_how_far_it_is(analysis):
    told = []
    with pytest.raises(Stopped):
        replay(analysis, every_kind(analysis), lambda *said: told.append(said), lambda: bool(told))
    assert told == [(1, 9, "correcting")]


def test_the_users_localization_error_holds_with_drift_too(analysis):
    settings = Settings(diffusion=DiffusionSettings(localization_error_px=0.5))
    mine = replace(analysis, settings=settings, motion=estimate_diffusion(analysis.tracks, settings.diffusion))
    now = correct(mine, MarkStuck(track=anchor(analysis, 2)))
    told = without_drift(now.tracks, 0.5)
    assert (told["localization_error"] > 0.5).all()
    assert_same(now, replace(now, motion=estimate_diffusion(told)), atol=1.1e-4, rtol=1.1e-3)


def test_a_stuck_particle_gives_back_the_exponent_that_the_drift_has_spoilt():
    """Brownian motion on a stage that creeps looks persistent."""
    rng = np.random.default_rng(3)
    frames, error_px = 120, 0.2
    drift = np.outer(np.arange(frames), [0.5, 0.3])
    paths = [rng.uniform(0, 500, 2) + rng.normal(0, 1, (frames, 2)).cumsum(axis=0) for _ in range(10)]
    paths.append(np.tile(rng.uniform(0, 500, 2), (frames, 1)))
    xy = [path + drift + rng.normal(0, error_px, drift.shape) for path in paths]
    made_up = make_analysis()
    like = made_up.tracks.iloc[[0]].assign(localization_error=error_px)
    tracks = pd.concat([like] * frames * len(xy), ignore_index=True)
    tracks = tracks.assign(particle=np.repeat(range(len(xy)), frames), frame=np.tile(range(frames), len(xy)))
    tracks[["x", "y"]] = np.concatenate(xy)
    settings = Settings(diffusion=DiffusionSettings(exposure_fraction=0))
    motion = estimate_diffusion(tracks, settings.diffusion)
    shown = replace(
        made_up, tracks=tracks, detections=tracks.drop(columns="particle"), motion=motion, settings=settings
    )
    still = correct(shown, MarkStuck(track=anchor(shown, 10)))
    spoilt, right = (now.motion.particles["alpha_fbm"][:10].median() for now in (shown, still))
    assert spoilt > 1.15
    assert abs(right - 1) < 0.1


def test_undo_and_redo_walk_through_the_corrections(analysis, steps):
    history = History(analysis)
    assert not history.can_undo
    assert not history.can_redo
    assert history.undo() is history
    assert history.redo() is history
    for correction in every_kind(analysis)[:3]:
        history = history.correct(correction)
    back = history.undo().undo()
    assert_same(back.present, steps[1])
    assert back.can_undo
    assert back.can_redo
    assert_same(back.redo().redo().present, steps[3])
    assert not back.undo().can_undo
    assert back.undo().present is analysis
    other = back.correct(every_kind(analysis)[4])
    assert not other.can_redo


def test_another_calibration_holds_through_undo_and_redo(analysis, steps):
    history = History(steps[3], tuple(steps[1:3])).undo()
    settings = MovieSettings(pixel_size_nm=7.0)
    again = history.calibrated(analysis.movie.calibrated(7.0), settings)
    for walked in (again, again.undo(), again.undo().undo(), again.redo(), History(again.present).undo()):
        assert walked.present.movie.calibration.pixel_size_nm == 7.0
        assert walked.present.settings.movie == settings
    assert_same(again.redo().present, steps[3])


def test_taking_back_the_only_correction_can_be_undone(analysis, steps):
    taken = History(analysis).correct(every_kind(analysis)[0]).without({0})
    assert taken.present.corrections == ()
    assert taken.can_undo
    again = taken.undo()
    assert_same(again.present, steps[1])
    assert not again.undo().can_undo
    assert again.redo().present is taken.present


def test_one_correction_of_several_is_taken_back_and_steps_are_not_kept_for_ever(analysis, steps):
    history = History(steps[3], (steps[2],) * 20)
    taken = history.without({1})
    assert taken.present.corrections == (steps[3].corrections[0], steps[3].corrections[2])
    assert taken.undo().present is steps[3]
    assert len(taken.past) == 20


def test_the_pixel_size_by_which_positions_in_nm_were_divided_stays(analysis):
    history = History(replace(analysis, movie=analysis.movie.calibrated(5.0), px_stands_for_nm=5.0))
    history = history.correct(every_kind(analysis)[0])
    with pytest.raises(InputError, match="divided by 5 nm per px; with a pixel size of 2 nm"):
        history.calibrated(analysis.movie.calibrated(2.0), MovieSettings(pixel_size_nm=2.0))
    settings = MovieSettings(pixel_size_nm=5.0, frame_interval_s=0.3)
    again = history.calibrated(analysis.movie.calibrated(5.0, 0.3), settings)
    assert again.present.movie.calibration.frame_interval_s == 0.3


def test_undo_works_beyond_what_is_kept(steps):
    """As after a session was opened again."""
    before = History(steps[3]).undo()
    assert_same(before.present, steps[2])
    assert before.present.corrections == steps[2].corrections
    assert before.redo().present is steps[3]


def test_what_was_done_in_one_action_is_undone_in_one_step_after_reopening_too(analysis, steps):
    doomed = [DeleteTrack(track=anchor(analysis, particle)) for particle in (0, 2)]
    history = History(analysis).correct(every_kind(analysis)[1]).correct_together(doomed)
    history = history.correct_together([MarkDirt(track=anchor(analysis, 4)), DeleteTrack(track=anchor(analysis, 1))])
    assert len(history.present.corrections) == 5
    assert [len(one.corrections) for one in history.past] == [0, 1, 3]
    back = History(replay(analysis, history.present.corrections))
    for left in (3, 1, 0):
        back = back.undo()
        assert len(back.present.corrections) == left
    fewer = history.without({1, 3})
    assert_same(fewer.present, replay(analysis, [history.present.corrections[index] for index in (0, 2, 4)]))
    assert len(History(fewer.present).undo().present.corrections) == 2


def test_the_command_line_makes_the_same_corrections_and_writes_the_same_bytes(tmp_path, capsys):
    movie = write_movie(tmp_path / "rods.tif", frames=24)
    analysis = analyze(movie)
    for correction in (
        SplitTrack(track=anchor(analysis, 0), first_frame=12),
        ReplaceRod(old=anchor(analysis, 1, 10), rod=drawn(10, 100.0, 45.0)),
        MarkStuck(track=anchor(analysis, 2)),
    ):
        analysis = correct(analysis, correction)
    analysis.save(tmp_path / "hand")
    file = str(tmp_path / "hand" / "corrections.json")
    assert main(["analyze", str(movie), "--corrections", file, "-o", str(tmp_path / "line"), "--no-video"]) == 0
    assert "corrections made: 3" in capsys.readouterr().out
    written = {path.name: path.read_bytes() for path in (tmp_path / "hand").rglob("*.csv")}
    assert {"marked.csv", "drift.csv", "particle_0003.csv"} <= set(written)
    assert {path.name: path.read_bytes() for path in (tmp_path / "line").rglob("*.csv")} == written
    assert (tmp_path / "line" / "corrections.json").read_bytes() == (
        tmp_path / "hand" / "corrections.json"
    ).read_bytes()


def test_corrections_belong_to_one_movie(tmp_path, capsys):
    arguments = ["analyze", "a.tif", "b.tif", "-o", str(tmp_path / "out"), "--corrections", "c.json"]
    assert main(arguments) == 2
    assert "2 movies were given" in capsys.readouterr().err
