"""Find and follow gold nanorods in liquid-phase TEM movies and say how their motion mixes FBM and CTRW.

The public names below are imported when first used, so that ``import napari_lptem_diffusion`` loads
neither Qt nor napari nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME_OF = {
    "Analysis": "analysis",
    "Calibration": "movie",
    "InputError": "errors",
    "Motion": "diffusion.estimate",
    "Movie": "movie",
    "Settings": "settings",
    "Stopped": "progress",
    "analyze": "analysis",
    "correct": "corrections",
    "detect": "particles",
    "estimate_diffusion": "diffusion.estimate",
    "judge_tracks": "judge",
    "link": "particles",
    "open_movie": "movie",
    "open_session": "session",
    "read_tracks": "particles.track_files.read",
}
__all__ = [
    "Analysis",
    "Calibration",
    "InputError",
    "Motion",
    "Movie",
    "Settings",
    "Stopped",
    "__version__",
    "analyze",
    "correct",
    "detect",
    "estimate_diffusion",
    "judge_tracks",
    "link",
    "open_movie",
    "open_session",
    "read_tracks",
]

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis, analyze
    from napari_lptem_diffusion.corrections import correct
    from napari_lptem_diffusion.diffusion.estimate import Motion, estimate_diffusion
    from napari_lptem_diffusion.errors import InputError
    from napari_lptem_diffusion.judge import judge_tracks
    from napari_lptem_diffusion.movie import Calibration, Movie, open_movie
    from napari_lptem_diffusion.particles import detect, link
    from napari_lptem_diffusion.particles.track_files.read import read_tracks
    from napari_lptem_diffusion.progress import Stopped
    from napari_lptem_diffusion.session import open_session
    from napari_lptem_diffusion.settings import Settings


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
