"""Make the pictures and the demo of README.md and docs/*.md from the sample movie, so that they never age.

Run it with a display, or with one that nobody sees::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_screenshots.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pandas as pd
from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_lptem_diffusion.export.palette import SCALES
from napari_lptem_diffusion.gui import autosave
from napari_lptem_diffusion.gui.app import docked
from napari_lptem_diffusion.gui.colours import PARTICLE_RGB
from napari_lptem_diffusion.gui.import_tracks import ImportTracksDialog
from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget
from napari_lptem_diffusion.judge import judge_tracks
from napari_lptem_diffusion.settings import MovieSettings, Settings

IMAGES = Path(__file__).parent / "images"
SIZE_PX = (1400, 900)
LONGEST_WAIT_S = 900
DEMO_WIDTH_PX = 900
DEMO_COLOURS = 160
CAPTION_HEIGHT_PX = 40
CONDITION_COLUMN = 2


def main() -> None:
    """Write every picture, and the demo, into docs/images."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        autosave.autosave_home = lambda: Path(folder) / "autosave"  # no session of the user's is offered
        make(Path(folder))


def make(folder: Path) -> None:
    """Go through the window as a user does; *folder* takes what is written on the way."""
    viewer, widget = docked()
    viewer.window.resize(*SIZE_PX)
    demo = Demo(viewer)
    until_the_result(viewer, widget, demo)
    of_the_result(viewer, widget, demo)
    corrections(viewer, widget, demo)
    export(widget, demo, folder)
    demo.save(IMAGES / "demo.gif")
    viewer.theme = "light"
    save(viewer, "light")
    viewer.theme = "dark"
    other_windows(widget, folder)
    viewer.close()


def until_the_result(viewer: napari.Viewer, widget: LptemDiffusionWidget, demo: Demo) -> None:
    """The dock beside an empty napari, the preview, the run."""
    save(viewer, "empty")
    demo.show("Drop a movie on the window", 1.5)
    widget.open(SAMPLE_MOVIE)
    wait_for(lambda: widget.canvas.previewed is not None)
    save(viewer, "preview")
    demo.show("See at once what is found; scale and sizes come from the movie", 2.5)
    widget.run_panel.run_button.click()
    wait_for(lambda: " of " in widget.run_panel.text)
    save(viewer, "running")
    said = ""
    while widget.run_panel.is_running:
        QTest.qWait(50)
        stage = widget.run_panel.text.partition(" · ")[0]
        if stage != said:
            said = stage
            demo.show("Run: rods are found, followed, judged", 0.6)


def of_the_result(viewer: napari.Viewer, widget: LptemDiffusionWidget, demo: Demo) -> None:
    """The result, every plot, another quantity."""
    frames = len(widget.movie_panel.movie)
    widget.selection.select(most_changing(widget))
    widget.selection.show_frame(frames * 2 // 3)
    save(viewer, "result")
    save_part(widget.results, "results")
    demo.show("Colour is the mixing ratio: orange rests and jumps, blue diffuses", 2.5)
    for frame in np.linspace(frames // 4, frames * 3 // 4, 9).astype(int):
        widget.selection.show_frame(int(frame))
        demo.show("Table, plots and movie share one rod and one time", 0.35)
    for name, tab in (
        ("over_time", widget.results.time_plot),
        ("displacements", widget.results.displacement_plot),
        ("msd", widget.results.msd_plot),
        ("all_rods", widget.results.scatter),
    ):
        widget.results.tabs.setCurrentWidget(tab)
        save_part(tab, name)
        demo.show("Over time, displacements, MSD with its prediction, all rods", 1.2)
    widget.results.tabs.setCurrentIndex(0)
    buttons = widget.look_panel.quantity_buttons.buttons()
    buttons[1].click()
    save(viewer, "exponent")
    buttons[0].click()


def corrections(viewer: napari.Viewer, widget: LptemDiffusionWidget, demo: Demo) -> None:
    """A rod that is being edited, a track that is split, and undo."""
    panel = widget.correct_panel
    demo.show("Put right what is wrong: split, join, draw, delete", 1.0)
    panel.action("edit").trigger()
    save(viewer, "correct")
    demo.show("Put right what is wrong: split, join, draw, delete", 1.5)
    panel.action("give_up").trigger()
    for name, said in (("split", "Only what changed is judged again"), ("undo", "Undo takes it back")):
        panel.action(name).trigger()
        wait_for(lambda: not widget.run_panel.is_running)
        demo.show(said, 1.3)


def export(widget: LptemDiffusionWidget, demo: Demo, folder: Path) -> None:
    """Tables in a folder of their own."""
    widget.export_panel.export_tables(folder)
    wait_for(lambda: not widget.run_panel.is_running)
    demo.show("Export tables, a report, figures, the movie with its tracks", 2.5)


def other_windows(widget: LptemDiffusionWidget, folder: Path) -> None:
    """The dialog for tracks of other tools, and the comparison of conditions."""
    conditions = {"10": 0.9, "30": 0.6, "100": 0.2}
    labels = {}
    for number, (label, share) in enumerate(list(conditions.items()) * 2):
        path = folder / f"movie_{number + 1}.csv"
        simulated_tracks(share, seed=number).to_csv(path, index=False)
        settings = Settings(movie=MovieSettings(pixel_size_nm=2.0, frame_interval_s=0.0125))
        labels[judge_tracks(path, settings).save(folder / f"movie_{number + 1}")] = label
    dialog = ImportTracksDialog(widget, folder / "movie_1.csv", Settings())
    dialog.show()
    wait_for(dialog.accept_button.isEnabled)
    save_part(dialog, "import_tracks")
    dialog.close()
    widget.compare(*labels)
    window = widget._compare_window
    window.condition_name.setText("Dose rate (e/Å²s)")
    for row, label in enumerate(labels.values()):
        window.rows.item(row, CONDITION_COLUMN).setText(label)
    wait_for(lambda: window.comparison is not None and len(set(window.comparison.particles["condition"])) == 3)
    QTest.qWait(3000)  # the figure is drawn in another thread
    save_part(window, "compare")
    window.close()


def simulated_tracks(fbm_share: float, seed: int, tracks: int = 12, frames: int = 200) -> pd.DataFrame:
    """Return tracks (px) whose mean squared displacement is Brownian by this share, else rests and jumps."""
    rng = np.random.default_rng(seed)
    tables = []
    for particle in range(tracks):
        jumps = rng.random((frames, 1)) < 0.08
        jumped = jumps * rng.normal(0, 1 / np.sqrt(0.08), (frames, 2))
        steps = np.sqrt(fbm_share) * rng.normal(0, 1, (frames, 2)) + np.sqrt(1 - fbm_share) * jumped
        seen = np.cumsum(steps, axis=0) + rng.normal(0, 0.15, (frames, 2)) + rng.uniform(100, 400, 2)
        table = {"particle": particle, "frame": np.arange(frames), "x": seen[:, 0], "y": seen[:, 1]}
        tables.append(pd.DataFrame(table).assign(localization_error=0.15))
    return pd.concat(tables, ignore_index=True).round(3)


class Demo:
    """Pictures of the window one after the other, each with a sentence below it."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._frames: list[Image.Image] = []
        self._durations_ms: list[int] = []

    def show(self, caption: str, seconds: float) -> None:
        """Add the window as it is now."""
        QTest.qWait(400)
        picture = Image.fromarray(self._viewer.window.screenshot(canvas_only=False, flash=False)).convert("RGB")
        picture = picture.resize((DEMO_WIDTH_PX, round(picture.height * DEMO_WIDTH_PX / picture.width)), Image.LANCZOS)
        frame = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT_PX), "#101216")
        frame.paste(picture)
        font = ImageFont.load_default(20)
        place = (frame.width // 2, picture.height + CAPTION_HEIGHT_PX // 2)
        ImageDraw.Draw(frame).text(place, caption, "white", font, anchor="mm")
        self._frames.append(frame)
        self._durations_ms.append(round(1000 * seconds))

    def save(self, path: Path) -> None:
        """Write a GIF with one palette for all frames, so that what does not change costs nothing."""
        pictures = self._frames[::4]
        height = pictures[0].height
        sample = Image.new("RGB", (DEMO_WIDTH_PX, height * (len(pictures) + 1)))
        for place, frame in enumerate(pictures):
            sample.paste(frame, (0, height * place))
        # Thin lines would have no say beside the grey of the movie: their colours get as much room.
        colours = np.vstack([PARTICLE_RGB, *(scale.table(8) for scale in SCALES.values())])
        stripes = Image.fromarray((255 * colours[None]).astype(np.uint8))
        sample.paste(stripes.resize((DEMO_WIDTH_PX, height), Image.NEAREST), (0, height * len(pictures)))
        palette = sample.quantize(DEMO_COLOURS, Image.Quantize.MEDIANCUT)
        first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames)
        first.save(path, save_all=True, append_images=rest, duration=self._durations_ms, loop=0, optimize=True)


def most_changing(widget: LptemDiffusionWidget) -> int:
    """Return the particle whose mixing ratio varies most: the one to show."""
    frames = widget.result.analysis.motion.frames
    return int(frames.groupby("particle")["mixing_ratio"].std().idxmax())


def wait_for(condition: Callable[[], bool]) -> None:
    """Let napari work until *condition* holds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > LONGEST_WAIT_S:
            raise TimeoutError("napari did not get there in time.")
        QTest.qWait(50)


def save(viewer: napari.Viewer, name: str) -> None:
    """Write the whole window as docs/images/*name*.png."""
    QTest.qWait(1000)
    viewer.window.screenshot(IMAGES / f"{name}.png", canvas_only=False, flash=False)


def save_part(widget: QWidget, name: str) -> None:
    """Write one part of the window, or another window, as docs/images/*name*.png."""
    QTest.qWait(300)
    widget.grab().save(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()
