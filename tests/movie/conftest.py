from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def frames() -> np.ndarray:
    """Eight frames of 12 x 16 px, 16 bit, no two pixels alike in expectation."""
    return np.random.default_rng(0).integers(0, 2**16, (8, 12, 16)).astype(np.uint16)
