"""Columns that say where a value was filled, and since when."""

import numpy as np
import pandas as pd

from unrolled import read
from unrolled.data.gap_columns import add_gap_columns, is_gap_column, observed_targets

NAN = np.nan


def test_every_series_counts_from_its_own_start() -> None:
    """A slow loop agrees: 1 and log(1 + d) where a value was filled."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unique_id": np.repeat(["b", "a"], 30), "ds": np.tile(np.arange(30), 2)})
    frame["y"] = np.where(rng.random(60) < 0.4, NAN, rng.normal(size=60))
    frame["x"] = np.where(rng.random(60) < 0.4, NAN, rng.normal(size=60))
    frame.loc[[0, 29, 30, 59], "y"] = 1.0
    series = read(frame, past="x", fill="mask")
    assert series.columns == ("y", "x", "y, missing", "x, missing", "y, steps since", "x, steps since")
    for k, name in enumerate(series.ids):
        rows = frame[frame["unique_id"] == name]
        for column, (missing, since) in {"y": (2, 4), "x": (3, 5)}.items():
            steps = 0
            for t, value in enumerate(rows[column]):
                steps = steps + 1 if np.isnan(value) else 0
                assert series[k].values[t, missing] == np.isnan(value)
                assert series[k].values[t, since] == np.log1p(steps)


def test_values_are_repeated_up_to_the_ends_of_inputs() -> None:
    """The target keeps its ends: nothing is made up outside of what was observed."""
    frame = pd.DataFrame({"ds": np.arange(6), "y": [NAN, 1, NAN, 3, 4, NAN], "x": [NAN, NAN, 5, NAN, NAN, 7]})
    series = read(frame, past="x", fill="mask")
    assert series.target.tolist() == [1, 1, 3, 4]
    assert series.values[:, 1].tolist() == [5, 5, 5, 5]
    assert series.values[:, 3].tolist() == [1, 0, 1, 1]
    assert observed_targets(series).tolist() == [True, False, True, True]


def test_rows_that_hold_what_is_known_ahead_have_none() -> None:
    """Past the last target nothing is missing yet."""
    frame = pd.DataFrame({"ds": np.arange(5), "y": [1, NAN, 3, NAN, NAN], "f": [0.5, 1, NAN, 2, 3]})
    series = read(frame, future="f", fill="mask")
    assert series.columns == ("y", "f", "y, missing", "y, steps since")
    assert series.values[:3, 2].tolist() == [0, 1, 0]
    assert np.isnan(series.values[3:, 2:]).all()
    assert series.values[:, 1].tolist() == [0.5, 1, 1, 2, 3]


def test_filling_again_adds_nothing() -> None:
    """A series that has the columns keeps them, and what they say."""
    series = read([1.0, NAN, 3.0], fill="mask")
    again = add_gap_columns(series, np.zeros(series.values.shape, dtype=bool))
    assert again.columns == series.columns
    assert np.array_equal(again.values, series.values)
    assert all(is_gap_column(name, series.columns) for name in series.columns[1:])
    assert observed_targets(read([1.0, 2.0])).all()
