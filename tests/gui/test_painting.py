"""What is painted over the canvas: read from the pixels, and the rules by which labels are placed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from qtpy.QtGui import QColor, QFont, QImage, QPainter

from napari_lptem_diffusion.export.palette import MIXING_RATIO
from napari_lptem_diffusion.gui.draft import Draft
from napari_lptem_diffusion.gui.look import Look
from napari_lptem_diffusion.gui.painting.labels import place_plates
from napari_lptem_diffusion.gui.painting.overlay import View, painted
from napari_lptem_diffusion.gui.painting.picture import Picture
from napari_lptem_diffusion.gui.painting.plates import Theme, paint_legend, paint_time
from napari_lptem_diffusion.gui.scene import Scene
from tests.analysis_factory import SHAPE_YX, SWITCH_FRAME, SWITCHING_PARTICLE, make_analysis

ANALYSIS = make_analysis()
SCENE = Scene.of(ANALYSIS)
ZOOM = 3.0
NM_PER_PX = 2.0
AREA = (0.0, 0.0, 600.0, 400.0)
# 3 px of the canvas for each px of the movie, which measures 2 nm.
VIEW = View(ZOOM * SHAPE_YX[1], ZOOM * SHAPE_YX[0], np.eye(2) * ZOOM / NM_PER_PX, np.zeros(2))
NOTHING = Look(outlines=False, numbers=False, changes=False, legend=False)


@pytest.fixture
def picture(qapp):
    return Picture(
        scene=SCENE,
        look=NOTHING,
        frame=45,
        selected=(),
        wanted=None,
        shape=SHAPE_YX,
        pixel_size=(NM_PER_PX, NM_PER_PX),
        origin=(0.0, 0.0),
        draft=None,
        previewed=None,
        awaited=None,
        time="",
        hint="",
        theme=Theme(QColor("white"), QColor("black"), QFont()),
    )


def pixels(picture, **changed):
    return painted(dataclasses.replace(picture, **changed).paint, VIEW)


def at(image, x, y, reach=2):
    """The pixels around (x, y) px of the movie."""
    x, y = round(ZOOM * x), round(ZOOM * y)
    return image[y - reach : y + reach + 1, x - reach : x + reach + 1]


def rod(particle, frame=45):
    return ANALYSIS.tracks.query("particle == @particle and frame == @frame").iloc[0]


def test_nothing_wanted_paints_nothing(picture):
    assert not pixels(picture).any()
    assert not pixels(picture, scene=None, look=Look()).any()


def test_outlines_lie_around_the_rods_in_the_colour_of_their_value(picture):
    image = pixels(picture, look=Look(outlines=True, numbers=False, changes=False, legend=False))
    for particle, is_blue in ((0, True), (2, False)):
        here = rod(particle)
        across = np.deg2rad(here["angle_deg"] + 90)
        side = here["x"] + here["width"] / 2 * np.cos(across), here["y"] + here["width"] / 2 * np.sin(across)
        red, _, blue, opacity = at(image, *side).reshape(-1, 4).max(axis=0).astype(int)
        assert opacity == 255
        assert (blue > red) == is_blue
        assert not at(image, here["x"], here["y"]).any()


def test_a_preview_is_outlined_as_finely_as_a_result_in_a_colour_of_its_own(picture):
    rods = ANALYSIS.detections.query("frame == 45")
    image = pixels(picture, scene=None, previewed=rods)
    for _, here in rods.iterrows():
        across = np.deg2rad(here["angle_deg"] + 90)
        side = here["x"] + here["width"] / 2 * np.cos(across), here["y"] + here["width"] / 2 * np.sin(across)
        red, green, blue, opacity = at(image, *side).reshape(-1, 4).max(axis=0).astype(int)
        assert opacity == 255
        assert red > green > 2 * blue
    assert len(np.unique(image[..., 3])) > 50, "edges are not smooth"
    assert not pixels(picture, scene=None, previewed=rods[:0]).any()


def test_only_the_wanted_particles_are_painted(picture):
    look = Look(changes=False, legend=False)
    image = pixels(picture, look=look, wanted=frozenset({2}))
    assert at(image, rod(2)["x"], rod(2)["y"], reach=60).any()
    assert not at(image, rod(0)["x"], rod(0)["y"], reach=60).any()


def test_a_change_is_marked_as_long_as_the_tail_is_seen(picture):
    place = rod(SWITCHING_PARTICLE, SWITCH_FRAME)[["x", "y"]]
    look = dataclasses.replace(NOTHING, changes=True, tail_frames=20)
    seen = [at(pixels(picture, look=look, frame=frame), *place).any() for frame in (29, 30, 50, 51)]
    assert seen == [False, True, True, False]


def test_a_number_of_which_nothing_is_known_is_a_question(picture):
    rods = SCENE.in_frame(45)
    rods = rods.assign(mixing_ratio_low=np.where(rods["particle"] == 0, 0.0, rods["mixing_ratio_low"]))
    labels = picture._labels(rods, np.zeros(len(rods), bool), {})
    assert [label.value.endswith(" ?") for label in labels] == [True, False, False, False, False]
    assert [label.faint for label in labels] == [True, False, False, False, True]  # the last one has no value


def test_numbers_stand_on_plates_of_the_theme(picture):
    light = Theme(QColor("black"), QColor(250, 250, 250), QFont())
    look = dataclasses.replace(NOTHING, numbers=True)
    for theme, is_light in ((light, True), (picture.theme, False)):
        image = pixels(picture, look=look, theme=theme)
        opaque = image[image[..., 3] == 255][:, :3]
        assert (np.median(opaque) > 128) == is_light


def test_a_selected_rod_has_a_ring(picture):
    here = rod(2)
    ring = pixels(picture, selected=(2,))
    radius_px = (here["length"] / 2) * ZOOM + 5
    y, x = np.nonzero(ring[..., 3] == 255)
    distance = np.hypot(x - ZOOM * here["x"], y - ZOOM * here["y"])
    assert len(distance) > 100
    assert np.abs(distance - radius_px).max() < 4


def test_pale_others_leave_the_selected_rod_as_it_is(picture):
    look = Look(numbers=False, changes=False, legend=False)
    full = pixels(picture, look=look, selected=(2,)).astype(int)
    pale = pixels(picture, look=dataclasses.replace(look, others_pale=True), selected=(2,)).astype(int)
    assert np.array_equal(at(full, rod(2)["x"], rod(2)["y"], 40), at(pale, rod(2)["x"], rod(2)["y"], 40))
    assert at(pale, rod(0)["x"], rod(0)["y"], 40).sum() < 0.6 * at(full, rod(0)["x"], rod(0)["y"], 40).sum()


def test_rods_without_sizes_are_points(picture):
    bare = Scene(SCENE.rods.drop(columns=["angle_deg", "length", "width"]), SCENE.detections, SCENE.changes, {})
    image = pixels(picture, scene=bare, look=Look(axes=True, loose=True, legend=False), selected=(1,))
    assert at(image, rod(0)["x"], rod(0)["y"], reach=8).any()


def test_thousands_of_rods_are_lines(picture):
    many = SCENE.rods[SCENE.rods["frame"] == 45]
    many = many.loc[many.index.repeat(400)].assign(particle=np.arange(2000))
    image = pixels(picture, scene=dataclasses.replace(SCENE, rods=many), look=Look(legend=False, numbers=False))
    assert at(image, rod(0)["x"], rod(0)["y"]).any()


def test_draft_time_hint_and_legend_are_seen(picture):
    draft = Draft(100, 80, 0, 30, 12)
    image = pixels(picture, draft=draft)
    for x, y in (*draft.tips, *draft.sides):
        red, green, blue, _ = at(image, x, y, 0).ravel()
        assert red > green > blue  # yellow
    assert pixels(picture, time="t = 1 s")[:40, :80].any()
    assert pixels(picture, hint="Esc: give up")[-40:, :80].any()
    assert pixels(picture, look=dataclasses.replace(NOTHING, legend=True))[:80, -80:].any()


@pytest.mark.parametrize("width", [900, 200])
def test_the_legend_does_not_cover_the_time(qapp, width):
    image, theme = QImage(width, 300, QImage.Format.Format_ARGB32), Theme(QColor("white"), QColor("black"), QFont())
    painter = QPainter(image)
    time = paint_time(painter, "t = 12.3450 s · frame 1234", theme)
    legend = paint_legend(painter, MIXING_RATIO, theme, width, True, [time])
    painter.end()
    assert not legend.intersects(time)
    assert (legend.top() == time.top()) == (width == 900)


def test_screens_of_high_resolution_get_more_pixels(picture):
    image = painted(dataclasses.replace(picture, look=Look()).paint, VIEW, pixel_scale=2.0)
    assert image.shape == (2 * VIEW.height, 2 * VIEW.width, 4)
    assert image[round(VIEW.height) :].any()


boxes = st.integers(1, 12).flatmap(
    lambda count: hnp.arrays(float, (count, 2), elements=st.floats(-20, 620)).map(
        lambda corner: np.column_stack([corner, corner + 25])
    )
)


@given(boxes, st.integers(0, 2))
def test_labels_stay_in_the_picture_and_clear_of_one_another(around, must_count):
    must = list(range(min(must_count, len(around))))
    sizes = np.tile((50.0, 18.0), (len(around), 1))
    legend = (500.0, 0.0, 600.0, 80.0)
    placed = place_plates(around, sizes, AREA, must, [legend])
    assert set(must) <= set(placed)
    plates = {index: (x, y, x + 50, y + 18) for index, (x, y) in placed.items()}
    for index, plate in plates.items():
        assert plate[0] >= 0
        assert plate[1] >= 0
        assert plate[2] <= 600
        assert plate[3] <= 400
        others = [legend, *(other for number, other in plates.items() if number < index)]
        if index not in must:
            assert not any(_overlap(plate, other) for other in others)


def _overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_a_plate_covers_the_fewest_other_rods():
    rod, above_right, beside = (100.0, 100, 130, 140), (140.0, 85, 170, 95), (60.0, 145, 90, 155)
    placed = place_plates(np.array([rod, above_right, beside]), np.tile((50.0, 18.0), (3, 1)), AREA, [0])
    assert placed[0] == (50.0, 82.0)


def test_among_very_many_rods_only_selected_ones_have_a_plate_over_others():
    x, y = (grid.ravel().astype(float) for grid in np.meshgrid(np.arange(0, 600, 25), np.arange(0, 400, 25)))
    from_middle = np.argsort(np.hypot(x - 300, y - 200))
    around = np.column_stack([x, y, x + 16, y + 16])[from_middle]
    sizes = np.tile((30.0, 18.0), (40, 1))
    assert set(place_plates(around, sizes, AREA, [3])) == {3}
    few = place_plates(around[::40], sizes[:4], AREA, [])
    assert set(few) == {0, 1, 2, 3}


def test_of_very_many_selected_rods_some_have_a_number_and_the_main_one_has(picture, monkeypatch):
    labels = []
    monkeypatch.setattr(
        "napari_lptem_diffusion.gui.painting.picture.paint_labels", lambda _, those, *__: labels.extend(those)
    )
    many = SCENE.rods[SCENE.rods["frame"] == 45]
    many = many.loc[many.index.repeat(50)].assign(particle=np.arange(50 * len(many)))
    main = len(many) - 1
    pixels(picture, scene=dataclasses.replace(SCENE, rods=many), look=Look(), selected=tuple(many["particle"]))
    assert labels[0].name == str(main)
    assert len(labels) < 100 < len(many)


def test_a_lone_label_is_beside_its_rod():
    placed = place_plates(np.array([(100.0, 100, 130, 140)]), np.array([(50.0, 18.0)]), AREA, [])
    assert placed == {0: (130.0, 82.0)}
