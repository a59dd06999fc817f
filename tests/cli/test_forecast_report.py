"""Forecast with its data and model: bands in order, a backtest or the reason why there is none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.cli.forecast_report import ForecastReport
from unrolled.data.io.read import read
from unrolled.jsonable import to_jsonable
from unrolled.models.forecasting.forecaster import Forecaster


@pytest.fixture(scope="module")
def report() -> ForecastReport:
    """Two series of different lengths, forecast two steps ahead."""
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    y = np.random.default_rng(0).normal(size=70).cumsum() + 50
    names = np.repeat(["a", "b"], [40, 30])
    frame = pd.DataFrame({"unique_id": names, "ds": [*days, *days[:30]], "y": y})
    series = read(frame)
    model = Forecaster(horizon=2, hidden_size=4, window=8, max_steps=8).fit(series)
    return ForecastReport(series, model, model.predict(level=[80, 95]), [80.0, 95.0])


def test_each_series_gets_its_rows_and_bands(report: ForecastReport) -> None:
    """The frame's columns, series by series, after the last observation of each."""
    forecast = report.forecast(log_axis=True)
    assert forecast.log_axis
    assert [one.id for one in forecast.series] == ["a", "b"]
    for k, one in enumerate(forecast.series):
        rows = report.frame.iloc[2 * k : 2 * k + 2]
        assert one.point.tolist() == rows["lstm"].tolist()
        assert one.bands[95.0][1].tolist() == rows["lstm-hi-95"].tolist()
        assert len(one.values) == (40, 30)[k]
        assert one.future_times[0] == one.times[-1] + np.timedelta64(1, "D")


def test_an_interrupted_training_is_not_tested(report: ForecastReport) -> None:
    """The reason is a sentence; nothing runs."""
    model: Any = Forecaster(horizon=2)
    model.history_ = replace(report.model.history_, stopped="interrupted")
    result, reason = replace(report, model=model).backtest()
    assert result is None
    assert reason == "The training was interrupted, so that nothing was tested."


def test_ctrl_c_in_the_backtest_ends_all_unless_the_forecast_is_kept(
    report: ForecastReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On request the whole forecast stays, with the reason why it was not tested."""

    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unrolled.evaluate.forecasting.backtest.backtest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report.backtest()
    reason = "The backtest was interrupted, so that nothing was tested."
    assert report.backtest(keep_interrupted=True) == (None, reason)


def test_a_series_too_short_to_be_judged_is_forecast_and_left_out_of_the_backtest(tmp_path: Path) -> None:
    """It does not keep the others from being tested; the page names it, and draws those that were."""
    rng, days = np.random.default_rng(1), pd.date_range("2024-01-01", periods=60)
    spans = {"early": (0, 9), "a": (0, 60), "b": (0, 58), "late": (54, 60)}
    frame = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": days[first:end], "y": rng.normal(size=end - first)})
        for name, (first, end) in spans.items()
    )
    series = read(frame)
    model = Forecaster(horizon=3, hidden_size=4, window=8, max_steps=4).fit(series)
    ragged = ForecastReport(series, model, model.predict(level=[80]), [80.0])
    result, reason = ragged.backtest()
    assert reason == ""
    assert result is not None
    assert set(result.forecasts["unique_id"]) == {"a", "b"}
    ragged.write(str(tmp_path / "page.html"), result)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 of 4 series are left out" in page
    assert "at most" not in page


def test_facts_of_the_model_are_ready_for_json(report: ForecastReport) -> None:
    """Model and forecast, and no score."""
    record = json.loads(json.dumps(to_jsonable(report.to_dict())))
    assert record["model"]["cell"] == "lstm"
    assert record["model"]["horizon"] == 2
    assert len(record["forecast"]) == 4
    assert "backtest" not in record


def test_the_card_describes_the_input_of_the_network(report: ForecastReport) -> None:
    """In steps of the series."""
    facts = dict(report.card().facts)
    assert facts["Reads"] == "the last 8 days"
    assert facts["Forecasts"] == "2 days"
    assert facts["Network"].startswith("LSTM, 1 layer of 4 units")
