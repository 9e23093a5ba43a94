"""When the frame in view is previewed, and where what was found is shown."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_lptem_diffusion.gui.canvas import Canvas
from napari_lptem_diffusion.gui.movie_panel import MoviePanel
from napari_lptem_diffusion.gui.preview import Found, Preview
from napari_lptem_diffusion.gui.result import Result
from napari_lptem_diffusion.gui.run_panel import RunPanel
from napari_lptem_diffusion.gui.selection import Selection
from napari_lptem_diffusion.gui.steps import Steps


class LivePreview(QObject):
    """Follows settings, slider, movie and result: on the canvas what is found, in the title of the step how many."""

    def __init__(
        self,
        parent: QObject,
        movie_panel: MoviePanel,
        steps: Steps,
        result: Result,
        selection: Selection,
        canvas: Canvas,
        run_panel: RunPanel,
    ) -> None:
        super().__init__(parent)
        self._movie_panel, self._steps, self._result = movie_panel, steps, result
        self._selection, self._canvas, self._run_panel = selection, canvas, run_panel
        self._state = ""
        self.preview = Preview(self)
        self.preview.found.connect(self._on_found)
        self.preview.busy.connect(self._on_busy)
        for signal in (steps.find_form.changed, steps.preview_box.toggled, selection.frame_changed, run_panel.finished):
            signal.connect(self.request)

    def request(self) -> None:
        """Preview the frame in view soon, or show none where none is wanted."""
        movie = self._movie_panel.movie
        if movie is not None and self._is_wanted:
            self.preview.request(movie, self._steps.find_form.settings, self._selection.frame)
        else:
            self.stop()

    def stop(self) -> None:
        """Show no preview, but how many rods the result has."""
        self.preview.stop()
        self._canvas.hide_preview()
        result = self._result.of(self._movie_panel.image)
        is_found = result is not None and bool(result.measured)  # else by another tool
        self._state = f"{len(result.detections)} in all frames" if result is not None and is_found else ""
        self._steps.find_section.set_state(self._state)

    @property
    def _is_wanted(self) -> bool:
        """Whether to preview: not while something runs, nor where a result shows what these settings find."""
        if not self._steps.preview_box.isChecked() or self._run_panel.is_running:
            return False
        result = self._result.of(self._movie_panel.image)
        return result is None or result.settings.detection != self._steps.find_form.settings

    def _on_found(self, found: Found) -> None:
        if self._is_wanted and found.movie is self._movie_panel.movie:  # another one may have been chosen meanwhile
            self._canvas.show_preview(self._movie_panel.image, found)
            self._state = f"{len(found.rods)} in frame {found.frame}"
            self._steps.show_measured(found.measured)

    def _on_busy(self, text: str) -> None:
        self._steps.find_section.set_state(text or self._state)
