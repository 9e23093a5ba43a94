"""The losses of a training run as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def save_training_figure(log: Path, path: Path) -> None:
    """Plot the training and the validation loss of the run's ``log.csv`` against the step."""
    rows = pd.read_csv(log)
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(rows["step"], rows["training_loss"], color="0.6", label="training")
    axes.plot(rows["step"], rows["validation_loss"], color="C0", label="validation (averaged weights)")
    axes.set_xlabel("step")
    axes.set_ylabel("sum of cross-entropies (nats)")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
