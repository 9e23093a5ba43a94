"""Where to save: the file dialog adds no ending everywhere, and asks only about the name that was typed."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_lptem_diffusion.gui.messages import ask


def ask_where_to_save(parent: QWidget, title: str, proposed: Path, kinds: str, suffix: str) -> Path | None:
    """Ask for a file that ends in *suffix*; None where the user gave up, or would not replace what is there."""
    name, _ = QFileDialog.getSaveFileName(parent, title, str(proposed), kinds)
    if not name:
        return None
    typed = Path(name)
    if typed.suffix.lower() == suffix:
        return typed
    path = typed.with_name(typed.name + suffix)  # all that was typed stays: "run_2.5nm" has no ending
    return path if not path.exists() or ask(parent, f"{path.name} exists already. Replace it?", "Replace") else None
