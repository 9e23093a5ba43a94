"""From what is selected and drawn to corrections, without a window."""

import warnings
from dataclasses import replace

import numpy as np

from napari_lptem_diffusion.gui import correcting
from napari_lptem_diffusion.gui.scene import Scene
from napari_lptem_diffusion.particles import calibrate
from napari_lptem_diffusion.particles.correcting.correction import AddRod, Anchor, Rod
from napari_lptem_diffusion.particles.correcting.fit import for_fits
from tests.analysis_factory import GAP_FRAMES, GAP_PARTICLE, SHORT_PARTICLE, make_analysis


def test_corrections_that_the_engine_would_refuse_are_not_offered():
    analysis = make_analysis()
    scene = Scene.of(analysis)
    why = correcting.hindrances(analysis, scene, (0, 1), 0)
    assert "frames 0 to 59" in why["join"]
    assert {"split", "join"} == set(why)
    assert {"edit", "delete_rod", "split"} <= set(correcting.hindrances(analysis, scene, (SHORT_PARTICLE,), 10))
    assert "stuck" not in correcting.hindrances(analysis, scene, (SHORT_PARTICLE,), 10)
    without_sizes = replace(analysis, detections=analysis.detections.drop(columns=["length", "width"]))
    assert {"add", "edit"} <= set(correcting.hindrances(without_sizes, scene, (0,), 45))
    assert "add" in correcting.hindrances(without_sizes, None, (), 45)
    assert "add" not in correcting.hindrances(analysis, None, (), 45)


def test_a_rod_drawn_roughly_is_fitted_to_the_movie():
    analysis = make_analysis()
    rod = analysis.tracks.query("particle == 2 and frame == 30").iloc[0]
    others = analysis.detections[(analysis.detections[["x", "y"]] != rod[["x", "y"]]).any(axis=1)]
    missed = replace(analysis, detections=others)
    drawn = Rod(frame=30, x=rod["x"] + 2, y=rod["y"] - 2, angle_deg=(rod["angle_deg"] + 12) % 180, length=20, width=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = calibrate(missed.movie, missed.settings.detection)
        fitted = correcting.with_fit(missed, AddRod(rod=drawn), for_fits(detector))
    assert np.hypot(fitted.rod.x - rod["x"], fitted.rod.y - rod["y"]) < 1
    assert fitted.rod.fit["localization_error"] > 0
    alone = correcting.with_fit(replace(missed, detections=others[:0]), AddRod(rod=drawn), detector)
    assert np.hypot(alone.rod.x - rod["x"], alone.rod.y - rod["y"]) < 1
    assert correcting.can_fit(missed)
    assert not correcting.can_fit(replace(missed, detections=others[["frame", "x", "y"]]))


def test_places_of_corrections_are_found_again():
    analysis = make_analysis()
    scene = Scene.of(analysis)
    for particle in (0, GAP_PARTICLE):
        anchor = correcting.anchor_of(scene, particle, GAP_FRAMES[1])
        assert correcting.particle_near(analysis, anchor) == particle
    assert correcting.particle_near(analysis, Anchor(frame=0, x=-500, y=0)) is None
