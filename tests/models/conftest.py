"""Series to fit on, and a model fitted once for all tests that only read it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.models.forecasting.forecaster import Forecaster

TINY = {"hidden_size": 4, "max_steps": 16, "window": 12, "horizon": 3}


def _walk(steps: int, seed: int = 0) -> Any:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.01, 0.05, size=steps)))


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Arguments of a model that is fitted in a moment."""
    return dict(TINY)


@pytest.fixture(scope="session")
def walk() -> Callable[..., Any]:
    """Makes a growing series: `walk(steps, seed)`."""
    return _walk


@pytest.fixture(scope="session")
def shops() -> pd.DataFrame:
    """Three series of months, of different lengths and sizes."""
    parts = []
    for k, (name, steps) in enumerate((("north", 60), ("south", 41), ("west", 17))):
        dates = pd.date_range("2019-01-01", periods=steps, freq="MS")
        parts.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": 10**k * _walk(steps, k)}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def fitted(shops: pd.DataFrame) -> Forecaster:
    """A model of the three shops; tests must not change it."""
    return Forecaster(**TINY).fit(shops)


@pytest.fixture
def saved(fitted: Forecaster, tmp_path: Path) -> Path:
    """The folder of the fitted model."""
    return fitted.save(tmp_path / "model")
