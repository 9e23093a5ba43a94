from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

VENDOR_FILES = Path(__file__).parents[2] / "../shared/data/vendor_files"


@pytest.fixture
def frames() -> np.ndarray:
    """Eight frames of 12 x 16 px, 16 bit, no two pixels alike in expectation."""
    return np.random.default_rng(0).integers(0, 2**16, (8, 12, 16)).astype(np.uint16)


@pytest.fixture
def vendor_file() -> Callable[[str], Path]:
    """Return the path of a file that a vendor's software wrote, by its name."""

    def path(name: str) -> Path:
        if not (VENDOR_FILES / name).exists():
            pytest.skip(f"the vendor's file {name} is not beside the repository")
        return VENDOR_FILES / name

    return path
