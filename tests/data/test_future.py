"""Known-future columns: given with the data or apart from it, complete or refused."""

import re
from pathlib import Path

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
    with pytest.raises(DataError, match=r"future: .* has no such columns\. Name them with unrolled\.read"):
        append_future(series, _ahead(), series.observed, STEPS)


def test_a_missing_row_is_named() -> None:
    """The series, the column, the first missing time, and the way out."""
    series = _series(_history())
    with pytest.raises(DataError) as fault:
        append_future(series, _ahead().drop(index=4), series.observed, STEPS)
    assert str(fault.value) == (
        "future: series 'b' needs column 'price' for the 3 steps after its last target, 2024-03-04 is "
        "missing. Pass them with predict(future=frame), or as rows of the data after its last target."
    )
    with pytest.raises(DataError, match=r"series 'a' needs column 'price'.*2024-03-03 is missing"):
        append_future(series, None, series.observed, STEPS)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (_ahead().drop(columns="price"), "expected the columns unique_id, ds, price; price is missing"),
        (_ahead().drop(columns="unique_id"), "unique_id is missing"),
        (_ahead().assign(price="x"), "expected numbers in column 'price'"),
        ({"price": [1.0]}, "expected a frame of pandas, polars or Arrow, or the path of a file, got dict"),
    ],
)
def test_a_frame_that_does_not_fit_is_one_sentence(frame: object, sentence: str) -> None:
    """A column that is missing, one without numbers, no frame at all."""
    series = _series(_history())
    with pytest.raises(DataError, match=sentence):
        append_future(series, frame, series.observed, STEPS)


@pytest.mark.parametrize("name", ["plan.csv", "plan.parquet"])
def test_a_file_holds_the_plan_as_well_as_a_frame(name: str, tmp_path: Path) -> None:
    """Its path as a text or a path; more rows and columns than needed are left out."""
    series, frame = _series(_history()), _ahead(steps=5).assign(comment="x")
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path)
    expected = append_future(series, frame, series.observed, STEPS)
    for source in (path, str(path)):
        whole = append_future(series, source, series.observed, STEPS)
        assert np.array_equal(whole.values, expected.values, equal_nan=True)


def test_a_plan_of_counted_steps_and_numbered_ids_is_read(tmp_path: Path) -> None:
    """Whole numbers for times and ids, a decimal comma among the values."""
    history = pd.DataFrame({"id": [7, 7, 8, 8], "t": [0, 1, 0, 1], "y": 1.0, "x": 2.0})
    series = read(history, id="id", time="t", target="y", future=["x"])
    path = tmp_path / "plan.csv"
    path.write_text("id;t;x\n8;2;2,5\n7;2;1,5\n")
    whole = append_future(series, path, series.observed, 1)
    assert whole.values[[2, 5], 1].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "ds,price\n2024-03-03,1\n",
            "plan.csv: expected the columns unique_id, ds, price; unique_id is missing",
        ),
        ("unique_id,ds,price\na,2024-03-03,dear\n", "expected numbers in column 'price'"),
        ("unique_id,ds,price\na,2024-03-03,1\na,2024-03-03,2\n", "plan.csv row 2: expected one row a step"),
        ("unique_id,ds,price\na,soon,1\n", "plan.csv row 1"),
    ],
)
def test_a_fault_of_the_file_names_it(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, numbers, rows that stand twice, dates."""
    monkeypatch.chdir(tmp_path)
    Path("plan.csv").write_text(text)
    series = _series(_history())
    with pytest.raises(DataError, match=re.escape(sentence)):
        append_future(series, "plan.csv", series.observed, STEPS)
