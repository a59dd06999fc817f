"""Known-future columns: given with the data or apart from it, complete or refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled.data.future import append_future
from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError

STEPS = 3


def _history(ids: tuple[str, ...] = ("a", "b"), days: int = 6) -> pd.DataFrame:
    dates = pd.date_range("2024-02-26", periods=days, freq="D")
    rows = [(i, day, 10.0 * k + n, float(n)) for k, i in enumerate(ids) for n, day in enumerate(dates)]
    return pd.DataFrame(rows, columns=["unique_id", "ds", "y", "price"])


def _ahead(ids: tuple[str, ...] = ("a", "b"), steps: int = STEPS) -> pd.DataFrame:
    dates = pd.date_range("2024-03-03", periods=steps, freq="D")
    rows = [(i, day, 100.0 * (k + 1) + n) for k, i in enumerate(ids) for n, day in enumerate(dates)]
    return pd.DataFrame(rows, columns=["unique_id", "ds", "price"])


def _series(frame: pd.DataFrame) -> Sequences:
    return read(frame, target="y", future=["price"])


def test_a_frame_fills_the_rows_after_each_series() -> None:
    """In any order of rows, for pandas and polars, each series gets its own."""
    series = _series(_history())
    shuffled = _ahead().sample(frac=1, random_state=1)
    for frame in (shuffled, pl.from_pandas(shuffled)):
        whole = append_future(series, frame, series.observed, STEPS)
        assert whole.lengths.tolist() == [9, 9]
        price = whole.values[:, whole.columns.index("price")]
        assert price[6:9].tolist() == [100.0, 101.0, 102.0]
        assert price[15:].tolist() == [200.0, 201.0, 202.0]
        assert np.isnan(whole.target[6:9]).all()
        assert whole.times[6:9].astype("datetime64[D]").astype(str).tolist() == [
            "2024-03-03", "2024-03-04", "2024-03-05",
        ]  # fmt: skip
        assert whole.observed.tolist() == [6, 6]


def test_rows_that_came_with_the_data_are_enough() -> None:
    """Rows past the last target hold what is known; more than needed are left out."""
    together = pd.concat([_history(), _ahead(steps=5)])
    series = _series(together)
    whole = append_future(series, None, series.observed, STEPS)
    assert whole.lengths.tolist() == [9, 9]
    assert whole.values[6:9, whole.columns.index("price")].tolist() == [100.0, 101.0, 102.0]


def test_a_single_series_needs_no_id() -> None:
    """The frame of one series may leave its name out."""
    series = _series(_history(("a",)))
    whole = append_future(series, _ahead(("a",)).drop(columns="unique_id"), series.observed, STEPS)
    assert whole.values[6:, whole.columns.index("price")].tolist() == [100.0, 101.0, 102.0]


def test_series_without_future_columns_need_no_frame() -> None:
    """Without such columns the series is what it was, and a frame for them is refused."""
    series = read(_history()[["unique_id", "ds", "y"]])
    assert append_future(series, None, series.observed, STEPS) is series
    with pytest.raises(DataError, match=r"future: .* has no such columns\. Name them in read"):
        append_future(series, _ahead(), series.observed, STEPS)


def test_a_missing_row_is_named() -> None:
    """The series, the column, the first missing time, and the way out."""
    series = _series(_history())
    with pytest.raises(DataError) as fault:
        append_future(series, _ahead().drop(index=4), series.observed, STEPS)
    assert str(fault.value) == (
        "future: series 'b' needs column 'price' for the 3 steps after its last target, 2024-03-04 is "
        "missing. Pass them with predict(future=frame)."
    )
    with pytest.raises(DataError, match=r"series 'a' needs column 'price'.*2024-03-03 is missing"):
        append_future(series, None, series.observed, STEPS)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (_ahead().drop(columns="price"), "expected the columns unique_id, ds, price; price is missing"),
        (_ahead().drop(columns="unique_id"), "unique_id is missing"),
        (_ahead().assign(price="x"), "expected numbers in column 'price'"),
        ({"price": [1.0]}, "expected a frame of pandas, polars or Arrow, got dict"),
    ],
)
def test_a_frame_that_does_not_fit_is_one_sentence(frame: object, sentence: str) -> None:
    """A column that is missing, one without numbers, no frame at all."""
    series = _series(_history())
    with pytest.raises(DataError, match=sentence):
        append_future(series, frame, series.observed, STEPS)
