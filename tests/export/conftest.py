from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.movie import Movie
from tests.analysis_factory import make_analysis


@pytest.fixture(scope="session")
def analysis() -> Analysis:
    return make_analysis()


@pytest.fixture(scope="session")
def exported(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that tests only read."""
    return save_analysis(analysis, tmp_path_factory.mktemp("export") / "out")


def few_frames(analysis: Analysis, frames: int = 4) -> Analysis:
    """*analysis* with the first frames of its movie only: quick to draw."""
    movie = Movie.from_array(np.stack([analysis.movie[i] for i in range(frames)]), "few.tif", 2.0, 0.0125)
    return replace(analysis, movie=movie)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file under *folder*, hidden ones too, with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
