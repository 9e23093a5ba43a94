"""Pictures of the plots without any text, so that they are the same whatever fonts there are.

``python -m tests.gui.plot_pictures`` draws them anew into tests/gui/baselines (on Linux without a screen:
``sh scripts/with-screen.sh python -m tests.gui.plot_pictures``). Look at them before you commit them.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtCore import QBuffer
from qtpy.QtGui import QImage, QPainter
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.views.results import Results
from tests.analysis_factory import GAP_PARTICLE, SWITCHING_PARTICLE, make_analysis

BASELINES = Path(__file__).parent / "baselines"
NAMES = ("over_time", "displacements", "msd", "all_rods", "histogram")
SIZE = (480, 200)


def draw(name: str, rods: tuple[int, ...] = (GAP_PARTICLE, SWITCHING_PARTICLE)) -> NDArray[np.uint8]:
    """Return a picture, (y, x, 3), of one plot of a made-up result with *rods* selected."""
    selection, result = Selection(), Result()
    views = Results(selection, result)
    result.show(None, make_analysis())
    views.set_theme("#f0f1f2", "#262930", "#4560c4")
    plot = {
        "over_time": views.time_plot,
        "displacements": views.displacement_plot,
        "msd": views.msd_plot,
    }.get(name, views.scatter)
    views.tabs.setCurrentWidget(plot)
    if name == "histogram":
        views.scatter.choose("mixing_ratio", None)
    selection.select_many(rods)
    selection.show_frame(20)
    picture = _without_text(plot if isinstance(plot, pg.GraphicsLayoutWidget) else plot.plot)
    views.deleteLater()
    return picture


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the share of pixels that differ clearly when each is averaged with its neighbours."""
    clear = np.abs(_averaged(one) - _averaged(other)).max(axis=-1) > 40
    return float(clear.mean())


def _without_text(plot: pg.GraphicsLayoutWidget) -> NDArray[np.uint8]:
    for item in plot.scene().items():
        if isinstance(item, pg.PlotItem):
            for side in ("left", "bottom", "top"):
                item.hideAxis(side)
        elif isinstance(item, pg.LabelItem | pg.InfLineLabel):
            item.setVisible(False)
            if isinstance(item, pg.LabelItem):
                item.setMaximumHeight(0)
    plot.setParent(None)
    plot.resize(*SIZE)
    plot.show()
    for _ in range(3):
        QApplication.processEvents()
    image = QImage(*SIZE, QImage.Format.Format_RGB888)
    painter = QPainter(image)
    plot.render(painter)
    painter.end()
    plot.deleteLater()
    buffer = QBuffer()
    image.save(buffer, "PNG")
    return np.asarray(Image.open(io.BytesIO(bytes(buffer.data()))).convert("RGB"))


def _averaged(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    padded = np.pad(picture.astype(float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    shifted = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.mean(shifted, axis=0)


if __name__ == "__main__":
    application = QApplication.instance() or QApplication([])
    BASELINES.mkdir(exist_ok=True)
    for name in NAMES:
        Image.fromarray(draw(name)).save(BASELINES / f"{name}.png", optimize=True)
        print(BASELINES / f"{name}.png")
