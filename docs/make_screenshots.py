"""Make the pictures of README.md and docs/tutorial.md from the sample movie, so that they never age.

Run it with a display, or with one that nobody sees::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_screenshots.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari_lptem_diffusion.sample_data import SAMPLE_MOVIE
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_lptem_diffusion.gui.app import docked
from napari_lptem_diffusion.gui.canvas import PREVIEW
from napari_lptem_diffusion.gui.widget import LptemDiffusionWidget

IMAGES = Path(__file__).parent / "images"
SIZE_PX = (1400, 900)
LONGEST_WAIT_S = 600


def main() -> None:
    """Write every picture into docs/images."""
    IMAGES.mkdir(exist_ok=True)
    viewer, widget = docked()
    window = viewer.window._qt_window
    window.resize(*SIZE_PX)
    save(viewer, "empty")

    widget.open(SAMPLE_MOVIE)
    wait_for(lambda: PREVIEW in viewer.layers)
    save(viewer, "preview")

    widget.run_panel.run_button.click()
    wait_for(lambda: not widget.run_panel.is_running)
    widget.selection.select(most_changing(widget))
    widget.selection.show_frame(len(widget.movie_panel.movie) * 2 // 3)
    save(viewer, "result")
    save_part(widget.results, "plot")

    widget.results.quantity_buttons.buttons()[1].click()
    save(viewer, "exponent")
    viewer.close()


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
    QTest.qWait(500)
    viewer.window.screenshot(IMAGES / f"{name}.png", canvas_only=False, flash=False)


def save_part(widget: QWidget, name: str) -> None:
    """Write one part of the dock as docs/images/*name*.png."""
    widget.grab().save(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()
