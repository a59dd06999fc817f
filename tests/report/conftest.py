"""One small forecast with its backtest, one small classifier with its probes: once for all tests here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from unrolled import probe
from unrolled.cli.forecast_report import ForecastReport
from unrolled.data.describe.analyse import describe
from unrolled.data.io.read import read
from unrolled.evaluate.comparison import compare
from unrolled.evaluate.forecasting.backtest import backtest
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.probe.feedforward_probe import FeedforwardResult, NetworkScore
from unrolled.probe.order_result import RetrainResult
from unrolled.report.records import Forecast, LabelledData

EVIL = "</script><script>document.title='owned'</script><b>&amp;%{x}"


class ForecastRecords(NamedTuple):
    """All records of one story."""

    report: ForecastReport
    description: Any
    forecast: Forecast
    backtest: Any


def _forecast_records(frame: pd.DataFrame, **settings: Any) -> ForecastRecords:
    series = read(frame)
    model = Forecaster(horizon=3, hidden_size=4, max_steps=16, window=12, **settings).fit(series)
    report = ForecastReport(series, model, model.predict(level=[80, 95]), [80.0, 95.0])
    result = backtest(model, series, origins=12, baselines=["Naive", "RWD", "AR1"])
    return ForecastRecords(report, describe(series), report.forecast(log_axis=True), result)


@pytest.fixture(scope="session")
def walk() -> Callable[[int, int], Any]:
    """Makes a growing series."""

    def make(count: int, seed: int) -> Any:
        return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.01, 0.04, size=count)))

    return make


@pytest.fixture(scope="session")
def single(walk: Callable[[int, int], Any]) -> ForecastRecords:
    """One monthly series with an evil name, read from a frame."""
    months = pd.date_range("2005-01-01", periods=120, freq="MS")
    return _forecast_records(pd.DataFrame({"ds": months, EVIL: walk(120, 0)}))


@pytest.fixture(scope="session")
def several(walk: Callable[[int, int], Any]) -> ForecastRecords:
    """Six series of days."""
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    return _forecast_records(pd.DataFrame({"ds": days, **{f"shop {k}": walk(90, k) for k in range(6)}}))


class ProbedClassifier(NamedTuple):
    """A small classifier, compared and probed."""

    model: SequenceClassifier
    comparison: Any
    probes: dict[str, Any]
    data: LabelledData


def _sequences(rng: np.random.Generator) -> tuple[list[Any], list[str]]:
    """Two kinds of ragged sequences of two inputs: rising and falling."""
    kinds = [EVIL, "down"] * 12
    lengths = rng.integers(7, 12, size=len(kinds))
    slopes = [1.0 if kind == EVIL else -1.0 for kind in kinds]
    made = [np.linspace(-slope, slope, length) for slope, length in zip(slopes, lengths, strict=True)]
    return [np.stack([one, 0 * one], axis=1) + rng.normal(0, 0.3, (len(one), 2)) for one in made], kinds


@pytest.fixture(scope="session")
def probed() -> ProbedClassifier:
    """Fitted, compared and probed once."""
    X, y = _sequences(np.random.default_rng(0))
    model = SequenceClassifier(hidden_size=4, max_epochs=2).fit(X, y)
    baselines = ["majority class", "1-NN Euclidean", "bag of steps"]
    sides = [
        NetworkScore(name, 100 - k, 4, 0.3 + k, 0.9 - k / 10, 0.5)
        for k, name in enumerate(("the GRU", "a net"))
    ]
    again = RetrainResult("yes", 0.01, 0.2, 0.7, (0.9, 0.6), 24)
    probes = {
        "order": replace(probe.order(model, X, y, repeats=19, retrain=False), retrained=again),
        "memory": probe.memory(model, X),
        "gradients": probe.gradients(model, X, y),
        "states": probe.states(model, X[:5]),
        "length": probe.length(model, X, y),
        "activations": probe.activations(X, y, activations=["tanh", "relu"], seeds=2, max_epochs=2),
        "feedforward": FeedforwardResult(
            "The GRU needs it.", "recurrence helps", 0.01, *sides, "class", 24, 3
        ),
    }
    data = LabelledData("kinds.csv", X, np.array(y), ["height", "noise"], ["rows were sorted"])
    return ProbedClassifier(model, compare(model, X, y, test=(X, y), baselines=baselines), probes, data)
