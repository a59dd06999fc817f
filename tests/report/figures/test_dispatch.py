"""A figure for each kind of record, drawn from the numbers in it."""

from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from unrolled.errors import ArgumentError
from unrolled.report.figures.backtest_table import comparison_metric
from unrolled.report.figures.dispatch import (
    differences_figure,
    errors_figure,
    figure,
    forecast_figure,
    growth_figure,
    loss_figure,
    origins_figure,
    recent_start,
    years_figure,
)
from unrolled.report.figures.theme import BASELINE, NETWORK
from unrolled.report.records import Forecast, SeriesForecast


def _trace(plot: go.Figure, name: str) -> Any:
    return next(trace for trace in plot.data if (trace.name or "").startswith(name))


def _walk_forecast(count: int, **changes: Any) -> Forecast:
    times = np.arange("2000-01", count, dtype="datetime64[M]").astype("datetime64[ns]")
    values = np.linspace(1.0, 50.0, count)
    ahead = times[-1] + np.array([31, 62]).astype("timedelta64[D]")
    one = SeriesForecast("a", times, values, ahead, np.array([51.0, 52.0]), changes.pop("bands", {}))
    return Forecast("gru", (one,), "MS", **changes)


@pytest.mark.parametrize("kind", ["description", "forecast", "backtest", "history", "verdict"])
def test_every_kind_of_record_has_its_figure(single: Any, kind: str) -> None:
    """Dispatched on the word, not on the class."""
    records = {
        "description": single.description,
        "forecast": single.forecast,
        "backtest": single.backtest,
        "history": single.report.model.history_,
        "verdict": single.backtest.verdict,
    }
    plot = figure(records[kind])
    assert isinstance(plot, go.Figure)
    assert len(plot.data) >= 1


def test_a_record_without_a_figure_is_refused() -> None:
    """The sentence lists what can be drawn."""
    with pytest.raises(ArgumentError) as caught:
        figure(object())
    assert str(caught.value) == (
        "figure: record.kind: expected one of description, forecast, backtest, frame backtest, history, "
        "verdict, comparison, language comparison, translation comparison, recording trace, transcription "
        "comparison, alignment, influence, order, memory, gradients, states, length, activations, "
        "feedforward; got None."
    )


def test_a_backtest_plots_itself(single: Any) -> None:
    """The record's own method is the same figure."""
    assert single.backtest.plot().to_json() == errors_figure(single.backtest).to_json()


def test_the_fan_begins_at_the_last_observation(single: Any) -> None:
    """Line and bands share their first point with what was observed; the widest band is drawn first."""
    plot = forecast_figure(single.forecast)
    one = single.forecast.series[0]
    names = [trace.name for trace in plot.data]
    assert [name.split()[0] for name in names[1:5]] == ["95", "95", "80", "80"]
    for trace in plot.data[1:]:
        assert trace.y[0] == one.values[-1]
        assert len(trace.x) == len(one.point) + 1
    assert list(_trace(plot, "LSTM").y[1:]) == one.point.tolist()
    assert list(plot.data[1].y[1:]) == one.bands[95.0][1].tolist()


def test_missing_last_values_do_not_break_the_fan() -> None:
    """It begins at the last value that is known."""
    forecast = _walk_forecast(60)
    one = forecast.series[0]
    values = one.values.copy()
    values[-2:] = np.nan
    plot = forecast_figure(replace(forecast, series=(replace(one, values=values),)))
    assert _trace(plot, "GRU").y[0] == values[-3]


def test_equal_percentages_look_equal_only_on_a_log_axis() -> None:
    """A log axis with round ticks when the record says so, and never with values of 0 or below."""
    assert forecast_figure(_walk_forecast(60, log_axis=True)).layout.yaxis.type == "log"
    assert 10 in forecast_figure(_walk_forecast(60, log_axis=True)).layout.yaxis.tickvals
    assert forecast_figure(_walk_forecast(60)).layout.yaxis.type is None
    below = {80: (np.array([-1.0, -2.0]), np.array([60.0, 70.0]))}
    assert forecast_figure(_walk_forecast(60, log_axis=True, bands=below)).layout.yaxis.type is None


def test_the_recent_view_is_the_last_years() -> None:
    """Five years of months, or four times a long horizon; a short series is recent as a whole."""
    long, short = _walk_forecast(400).series[0], _walk_forecast(50).series[0]
    assert recent_start(long, "MS") == 340
    assert recent_start(replace(long, point=np.zeros(24)), "MS") == 400 - 96
    assert recent_start(short, "MS") == 0
    plot = forecast_figure(_walk_forecast(400), recent=True)
    assert len(_trace(plot, "observed").x) == 60


def test_the_end_of_the_fan_is_written_beside_it(single: Any) -> None:
    """The middle alone on the whole view, the widest band too on the close one."""
    assert len(forecast_figure(single.forecast).layout.annotations) == 1
    texts = [a.text for a in forecast_figure(single.forecast, recent=True).layout.annotations]
    assert len(texts) == 3
    assert texts[0].startswith("<b>")


def test_errors_are_multiples_of_the_best_baseline_error(single: Any) -> None:
    """The best at the top, the best baseline at 1, the network in its own colour."""
    dots = errors_figure(single.backtest).data[-1]
    table = single.backtest.table
    best = single.backtest.verdict.best_baseline
    base = next(row["mae"] for row in table if row["model"] == best)
    assert dots.x[-1] == min(dots.x)
    assert sorted(dots.x) == pytest.approx(sorted(row["mae"] / base for row in table))
    by_name = dict(zip(dots.y, zip(dots.x, dots.marker.color, strict=True), strict=True))
    assert by_name["LSTM"][1] == NETWORK
    assert [x for x, colour in by_name.values() if colour == BASELINE] == [1.0]


def test_many_series_are_compared_in_their_own_units(single: Any, several: Any) -> None:
    """A sum of errors in different units would be the largest series' alone."""
    assert comparison_metric(single.backtest) == "mae"
    assert comparison_metric(several.backtest) == "mase"
    ratio = several.backtest.verdict.ratio
    dots = errors_figure(several.backtest).data[-1]
    assert dict(zip(dots.y, dots.x, strict=True))["LSTM"] == pytest.approx(ratio)


def test_one_wild_model_does_not_flatten_the_others(single: Any) -> None:
    """Far beyond the rest, the axis becomes logarithmic."""
    table = [dict(row) for row in single.backtest.table]
    table[-1]["mae"] = 50 * table[1]["mae"]
    assert errors_figure(replace(single.backtest, table=table)).layout.xaxis.type == "log"


def test_forecasts_begin_where_the_truth_stood(single: Any) -> None:
    """At each origin the thin line leaves the thick one; the thick one has every observation since."""
    past = single.forecast.series[0]
    plot = origins_figure(single.backtest, past)
    path = plot.data[1]
    assert path.name == "LSTM"
    horizon = single.backtest.horizon
    starts = range(0, len(path.x), horizon + 2)
    known = dict(zip(past.times.astype("datetime64[D]").astype(str), past.values, strict=True))
    assert len(starts) == single.backtest.verdict.origins
    for start in starts:
        assert path.y[start] == known[path.x[start]]
        assert path.y[start + horizon + 1] is None
    truth = plot.data[2]
    assert truth.y[-1] == past.values[-1]


def test_bars_are_coloured_by_the_closer_model(single: Any, several: Any) -> None:
    """One series: a bar an origin, their mean the difference of the table. Several: a bar a series."""
    bars = differences_figure(single.backtest).data[0]
    table = {row["model"]: row["mae"] for row in single.backtest.table}
    difference = table["lstm"] - table[single.backtest.verdict.best_baseline]
    assert len(bars.y) == single.backtest.verdict.origins
    assert np.mean(bars.y) == pytest.approx(difference)
    assert all((colour == NETWORK) == (y < 0) for y, colour in zip(bars.y, bars.marker.color, strict=True))
    shops = differences_figure(several.backtest).data[0]
    assert len(shops.y) == 6
    assert (np.diff(shops.customdata) >= 0).all()


def test_loss_marks_the_best_epoch(single: Any) -> None:
    """The point lies on the held-out curve."""
    history = single.report.model.history_
    best = _trace(loss_figure(history), "best")
    assert (best.x[0], best.y[0]) == (history.best_count, history.best.validation_loss)
    alone = replace(history, records=tuple(replace(e, validation_loss=None) for e in history.records))
    assert [trace.name for trace in loss_figure(alone).data] == ["while training", "best"]


def test_growth_counts_every_step_once() -> None:
    """Missing steps are left out, the wild ones are counted at the ends."""
    growth = np.concatenate([np.random.default_rng(0).normal(0.5, 4, size=500), [np.nan, 900.0]])
    bars = growth_figure(growth).data[0]
    assert sum(bars.y) == 501
    assert max(bars.x) < 100


def test_years_are_whole_numbers() -> None:
    """No tick at 2011.5."""
    plot = years_figure({2011: 1.0, 2012: 2.0})
    assert (list(plot.data[0].x), plot.layout.xaxis.dtick) == ([2011, 2012], 1)
