from pathlib import Path

import pytest

from napari_lptem_diffusion.analysis import Analysis
from napari_lptem_diffusion.export import save_analysis
from tests.analysis_factory import make_analysis


@pytest.fixture(scope="session")
def analysis() -> Analysis:
    return make_analysis()


@pytest.fixture(scope="session")
def exported(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that tests only read."""
    return save_analysis(analysis, tmp_path_factory.mktemp("export") / "out")


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file under *folder*, hidden ones too, with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
