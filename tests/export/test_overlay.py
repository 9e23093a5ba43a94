import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export import save_overlay_movie, video
from napari_lptem_diffusion.export.drawing import display_of, scale_bar, tracks_of
from napari_lptem_diffusion.export.overlay import OverlayCanvas
from napari_lptem_diffusion.export.palette import MIXING_RATIO, NO_VALUE_RGB, oklab
from napari_lptem_diffusion.export.tables import rods_with_motion
from napari_lptem_diffusion.movie import Movie
from napari_lptem_diffusion.overlay_style import OverlayStyle
from napari_lptem_diffusion.particles import rod_outlines
from napari_lptem_diffusion.progress import Stopped
from tests.analysis_factory import FRAMES, GAP_FRAMES, GAP_PARTICLE, SHAPE_YX, empty_analysis, make_analysis
from tests.export.conftest import few_frames, files_in

ZOOM = 5  # 160 px high: the smallest whole number that gives 768
STRIP_PX = 72


def colour_along_outline(picture, rod):
    """Mean hue plane (a, b of Oklab) of the picture along the outline of *rod*, inside the picture."""
    around = rod.assign(length=rod["length"] + 6 / ZOOM, width=rod["width"] + 6 / ZOOM)
    y, x = (ZOOM * (rod_outlines(around)[0] + 0.5)).round().astype(int).T
    inside = (y >= 0) & (y < ZOOM * SHAPE_YX[0]) & (x >= 0) & (x < ZOOM * SHAPE_YX[1])
    return oklab(picture[y[inside], x[inside]] / 255).mean(axis=0)[1:]


def test_outlines_lie_on_the_rods_in_the_colour_of_their_mixing_ratio(analysis):
    canvas = OverlayCanvas(analysis, OverlayStyle())
    rods = rods_with_motion(analysis)
    for frame, particle in ((10, 0), (10, 1), (50, 1), (10, 2)):
        rod = rods[(rods["frame"] == frame) & (rods["particle"] == particle)]
        expected = oklab(MIXING_RATIO.rgb(rod["mixing_ratio"]))[0, 1:]
        found = colour_along_outline(canvas.draw(frame), rod)
        assert np.dot(found, expected) / np.linalg.norm(expected) ** 2 > 0.35, (frame, particle)


def test_a_small_movie_is_enlarged_by_a_whole_number_with_the_legend_below(analysis):
    picture = OverlayCanvas(analysis, OverlayStyle()).draw(0)
    assert picture.dtype == np.uint8
    assert picture.shape == (ZOOM * SHAPE_YX[0] + STRIP_PX, ZOOM * SHAPE_YX[1], 3)
    top_left = picture[: 10 * ZOOM : ZOOM, : 10 * ZOOM : ZOOM, 0]
    expected = display_of(analysis.movie).grey(analysis.movie[0])[:10, :10]
    np.testing.assert_allclose(top_left.astype(int), expected, atol=2)
    legend = oklab(picture[-STRIP_PX:] / 255)
    assert np.ptp(legend[..., 2]) > 0.2, "no orange to blue in the strip"


def test_a_value_of_which_nothing_is_known_is_a_question(analysis):
    frames = analysis.motion.frames.assign(mixing_ratio_low=0.0)
    frames.loc[frames["particle"] == 0, "mixing_ratio_high"] = 1.0
    canvas = OverlayCanvas(replace(analysis, motion=replace(analysis.motion, frames=frames)), OverlayStyle())
    canvas.draw(45)
    said = dict(text.get_text().split(": ") for text in canvas._texts)
    assert said["0"].endswith(" ?")
    assert not said["2"].endswith(" ?")


def test_drawing_a_frame_again_gives_the_same_picture(analysis):
    canvas = OverlayCanvas(analysis, OverlayStyle())
    first = canvas.draw(30)
    canvas.draw(45)
    np.testing.assert_array_equal(canvas.draw(30), first)


@pytest.mark.parametrize("shape_yx", [(64, 64), (333, 517), (1024, 1024), (2050, 1031), (256, 4096)])
def test_every_size_of_movie_gives_even_sides_of_legible_size(analysis, shape_yx):
    movie = Movie.from_array(np.zeros((2, *shape_yx), np.uint16), "size.tif")
    height, width, _ = OverlayCanvas(replace(analysis, movie=movie), OverlayStyle()).draw(0).shape
    assert height % 2 == 0
    assert width % 2 == 0
    assert height <= 1200 + STRIP_PX
    assert width <= 1920


def test_frames_without_rods_and_without_finite_pixels_are_drawn(analysis):
    frames = np.full((3, *SHAPE_YX), np.nan, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        movie = Movie.from_array(frames, "nan.tif")
        picture = OverlayCanvas(replace(empty_analysis(), movie=movie), OverlayStyle()).draw(1)
    assert picture[: ZOOM * 100].max() == 0


def test_movie_has_every_frame(analysis, tmp_path):
    av = pytest.importorskip("av")
    seen = []
    path = save_overlay_movie(few_frames(analysis), tmp_path / "o.mp4", lambda *step: seen.append(step))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 4
    drawn = OverlayCanvas(few_frames(analysis), OverlayStyle()).draw(2)
    assert np.abs(pictures[2].astype(int) - drawn).mean() < 12
    rods = rods_with_motion(analysis)
    rod = rods[(rods["frame"] == 2) & (rods["particle"] == 0)]
    before, after = colour_along_outline(drawn, rod), colour_along_outline(pictures[2], rod)
    assert np.linalg.norm(after - before) < 0.35 * np.linalg.norm(before), "the coding smears the colours"
    assert seen == [(frame, 4, "draw overlay") for frame in range(4)]


def test_size_rate_and_quality_are_those_asked_for(analysis, tmp_path):
    av = pytest.importorskip("av")
    sizes = []
    for quality in ("low", "medium", "high"):
        path = tmp_path / f"{quality}.mp4"
        save_overlay_movie(few_frames(analysis), path, style=OverlayStyle(620, 30, quality))
        sizes.append(path.stat().st_size)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.width, float(stream.average_rate), stream.frames) == (620, 30, 4)
    assert 1.3 * sizes[0] < sizes[1] < sizes[2] / 1.3
    path = save_overlay_movie(few_frames(analysis), tmp_path / "fast.gif", style=OverlayStyle(620, 25))
    with Image.open(path) as gif:
        assert (gif.width, gif.info["duration"]) == (620, 40)


@pytest.mark.parametrize(
    ("asked", "found"),
    [((100,), "100 px; 480 to 3840"), ((None, 500), "500 frames per second"), ((None, 15, "best"), "'best'; low")],
)
def test_a_style_that_cannot_be_is_refused(asked, found):
    with pytest.raises(InputError, match=found):
        OverlayStyle(*asked)


def test_without_av_an_mp4_becomes_a_gif_with_a_warning(analysis, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    with pytest.warns(InputWarning, match=r"o\.gif was written"):
        path = save_overlay_movie(few_frames(analysis), tmp_path / "o.mp4")
    assert set(files_in(tmp_path)) == {"o.gif"}
    with Image.open(path) as gif:
        assert gif.n_frames == 4


def test_a_long_gif_leaves_out_frames_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_MOST_GIF_FRAMES", 3)
    drawn = []

    def draw(frame):
        drawn.append(frame)
        return np.full((4, 4, 3), 20 * frame, np.uint8)

    video.write_video(draw, 8, tmp_path / "o.gif", False, OverlayStyle())
    assert drawn == [0, 3, 6]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_stopping_leaves_what_was_there(analysis, tmp_path, suffix):
    path = tmp_path / f"o{suffix}"
    path.write_bytes(b"earlier")
    with pytest.raises(Stopped):
        save_overlay_movie(analysis, path, should_stop=lambda: True, overwrite=True)
    assert files_in(tmp_path) == {path.name: b"earlier"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("there.mp4", "exists already"),
        ("o.avi", r"'\.avi'"),
        ("o", "''"),
        ("gone/o.mp4", "gone"),
        ("dir.mp4", "folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_the_work(analysis, tmp_path, name, found):
    (tmp_path / "there.mp4").write_bytes(b"mine")
    (tmp_path / "dir.mp4").mkdir()

    def no_work(done, total, message):
        raise AssertionError("drawing had begun")

    with pytest.raises(InputError, match=found):
        save_overlay_movie(analysis, tmp_path / name, progress=no_work)
    assert files_in(tmp_path) == {"there.mp4": b"mine"}


def test_it_can_be_drawn_in_another_thread(analysis):
    drawn = []
    thread = threading.Thread(target=lambda: drawn.append(OverlayCanvas(analysis, OverlayStyle()).draw(5)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(drawn[0], OverlayCanvas(analysis, OverlayStyle()).draw(5))


def test_track_pieces_join_only_frames_of_the_same_particle_and_grey_out_gaps(analysis):
    rods = rods_with_motion(analysis)
    tracks = tracks_of(rods, MIXING_RATIO)
    assert len(tracks.frame) == len(rods) - rods["particle"].nunique()
    lengths_px = np.linalg.norm(np.diff(tracks.xy, axis=1)[:, 0], axis=1)
    assert lengths_px.max() < 40, "a piece leads from one particle to another"
    mine = rods[rods["particle"] == GAP_PARTICLE].iloc[1:]
    start = int((rods["particle"] < GAP_PARTICLE).sum()) - GAP_PARTICLE
    grey = (tracks.rgb[start : start + len(mine)] == NO_VALUE_RGB).all(axis=1)
    assert mine["frame"][grey].tolist() == [GAP_FRAMES[-1] + 1]


def resting_rod_with_interval(analysis, low, high):
    """The analysis with one rod only, which stays where it is and whose mixing ratio lies within *low* and *high*."""
    tracks = analysis.tracks[analysis.tracks["particle"] == 0].assign(x=100.0, y=80.0)
    frames = analysis.motion.frames[analysis.motion.frames["particle"] == 0]
    frames = frames.assign(mixing_ratio=0.95, mixing_ratio_low=low, mixing_ratio_high=high)
    return replace(analysis, tracks=tracks, motion=replace(analysis.motion, frames=frames))


@pytest.mark.parametrize("frame", [0, 50])
def test_what_is_uncertain_is_grey_however_much_overlaps(analysis, frame):
    sure, unsure = (resting_rod_with_interval(analysis, low, high) for low, high in ((0.9, 1.0), (0.0, 1.0)))
    colourful = []
    for each in (sure, unsure):
        picture = oklab(OverlayCanvas(each, OverlayStyle()).draw(frame)[: ZOOM * SHAPE_YX[0]] / 255)
        colourful.append(np.linalg.norm(picture[..., 1:], axis=-1).max())
    assert colourful[0] > 0.08
    assert colourful[1] < 0.01


@pytest.mark.parametrize(
    ("width_px", "pixel_size_nm", "expected"),
    [
        (1024, None, (200.0, "200 px")),
        (1000, 2.0, (100.0, "200 nm")),
        (208, 2.0, (25.0, "50 nm")),
        (4096, 5.0, (400.0, "2 µm")),
        (512, 0.05, (100.0, "5 nm")),
        (256, 0.001, (50.0, "0.05 nm")),
    ],
)
def test_scale_bar_is_a_round_length_near_a_fifth_of_the_width(width_px, pixel_size_nm, expected):
    length_px, label = scale_bar(width_px, pixel_size_nm)
    assert (pytest.approx(length_px), label) == expected


def test_contrast_is_the_same_for_all_frames_and_ignores_outliers():
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 10, (FRAMES, 40, 40)).astype(np.float32)
    frames[:, 0, 0] = 1e6
    display = display_of(Movie.from_array(frames, "hot.tif"))
    assert 60 < display.black < 85
    assert 115 < display.white < 140


def test_uneven_illumination_is_evened_and_rods_stay():
    y, x = np.mgrid[:120, :120]
    field = 50 + 0.8 * x
    frames = np.stack([field - 30 * (np.hypot(x - 60, (y - 60) / 2) < 4)] * 3).astype(np.float32)
    grey = display_of(Movie.from_array(frames, "uneven.tif")).grey(frames[0]).astype(float)
    assert np.ptp(grey[20, 25:95]) < 40
    assert grey[60, 60] < grey[20, 60] - 90


def test_an_uncalibrated_movie_shows_frames_and_no_seconds():
    canvas = OverlayCanvas(make_analysis(pixel_size_nm=None, frame_interval_s=None), OverlayStyle())
    assert canvas._stamp_text(3) == "frame 3", "counted from 0, as on the canvas and in the tables"
