"""Forecasts of a backtest as arrays: sorted, selected, compared."""

from dataclasses import replace
from typing import Any

import numpy as np

from unrolled.report.figures.backtest_table import BacktestTable, comparison_metric


def test_a_series_forecast_without_error_divides_by_nothing() -> None:
    """0 / 0 is a tie, anything / 0 is lost."""
    rows = np.array(["a", "b"])
    zero, two = np.zeros(2), np.array([0.0, 2.0])
    table = BacktestTable(rows, np.arange(2), np.zeros(2), zero, {"net": two, "naive": zero})
    assert table.ratio_by_series("net", "naive").tolist() == [1.0, np.inf]


def _table() -> BacktestTable:
    """Two series, two origins each, two steps ahead."""
    ids = np.repeat(["a", "b"], 4)
    times, cutoffs = np.tile([2, 3, 3, 4], 2), np.tile([1, 1, 2, 2], 2)
    truth = np.arange(8.0)
    return BacktestTable(ids, times, cutoffs, truth, {"net": truth + 1, "naive": truth + [2, 2, 0, 0] * 2})


def test_one_series_is_selected_whole() -> None:
    """Its rows of every column."""
    table = _table().of_series("b")
    assert table.ids == ["b"]
    assert table.truth.tolist() == [4, 5, 6, 7]
    assert table.models["net"].tolist() == [5, 6, 7, 8]


def test_a_path_begins_at_the_observation_of_its_origin_and_ends_in_a_break() -> None:
    """Two origins are two lines."""
    x, y = _table().of_series("a").paths("net", {1: -1.0})
    assert x == [1, 2, 3, 3, 2, 3, 4, 4]
    assert y == [-1.0, 1.0, 2.0, None, None, 3.0, 4.0, None]


def test_differences_are_means_over_the_steps_of_an_origin() -> None:
    """Below 0 where the model was closer."""
    cutoffs, difference = _table().difference_by_origin("net", "naive")
    assert cutoffs.tolist() == [1, 2]
    assert difference.tolist() == [-1.0, 1.0]
    assert _table().ratio_by_series("net", "naive").tolist() == [1.0, 1.0]


def test_many_series_are_compared_in_scaled_errors(single: Any, several: Any) -> None:
    """Unless one of them never changed, so that it has none."""
    assert comparison_metric(single.backtest) == "mae"
    assert comparison_metric(several.backtest) == "mase"
    constant = [row | {"mase": None} for row in several.backtest.table]
    assert comparison_metric(replace(several.backtest, table=constant)) == "mae"


def test_steps_without_a_truth_are_not_compared() -> None:
    """Where the series was filled; an origin without any step is left out."""
    table = _table()
    truth = table.truth.copy()
    truth[[1, 2, 3, 6, 7]] = np.nan
    table = replace(table, truth=truth)
    cutoffs, difference = table.difference_by_origin("net", "naive")
    assert (cutoffs.tolist(), difference.tolist()) == ([1], [-1.0])
    assert table.ratio_by_series("net", "naive").tolist() == [0.5, 0.5]
