"""Series that the tests of several baselines forecast."""

import numpy as np
import pytest


@pytest.fixture
def walk() -> np.ndarray:
    """65 steps of growth with a year in it."""
    rng = np.random.default_rng(0)
    return np.exp(np.cumsum(rng.normal(0.01, 0.05, 65)) + 0.1 * np.sin(np.arange(65) * np.pi / 6)) * 50
