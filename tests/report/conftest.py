"""One small forecast with its backtest, fitted once for all tests of the report."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from unrolled.cli.story import Story
from unrolled.data.describe import describe
from unrolled.data.tables import read
from unrolled.evaluate.backtest import backtest
from unrolled.models.forecaster import Forecaster
from unrolled.report.records import Forecast

EVIL = "</script><script>document.title='owned'</script><b>&amp;%{x}"


class Told(NamedTuple):
    """All records of one story."""

    story: Story
    description: Any
    forecast: Forecast
    backtest: Any


def _story(frame: pd.DataFrame, **settings: Any) -> Told:
    series = read(frame)
    model = Forecaster(horizon=3, hidden_size=4, max_epochs=2, window=12, **settings).fit(series)
    story = Story(series, model, model.predict(level=[80, 95]), [80.0, 95.0])
    result = backtest(model, series, origins=12, baselines=["Naive", "RWD", "AR1"])
    return Told(story, describe(series), story.forecast(log_axis=True), result)


@pytest.fixture(scope="session")
def walk() -> Callable[[int, int], Any]:
    """Makes a growing series."""

    def make(count: int, seed: int) -> Any:
        return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.01, 0.04, size=count)))

    return make


@pytest.fixture(scope="session")
def single(walk: Callable[[int, int], Any]) -> Told:
    """One monthly series with an evil name, read from a frame."""
    months = pd.date_range("2005-01-01", periods=120, freq="MS")
    return _story(pd.DataFrame({"ds": months, EVIL: walk(120, 0)}))


@pytest.fixture(scope="session")
def several(walk: Callable[[int, int], Any]) -> Told:
    """Six series of days."""
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    return _story(pd.DataFrame({"ds": days, **{f"shop {k}": walk(90, k) for k in range(6)}}))
