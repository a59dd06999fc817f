"""pandas, polars and Arrow: the same table in, the user's own kind of frame out."""

import datetime as dt
import decimal
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unrolled.data.io import frames
from unrolled.data.io.frames import from_frame, is_frame, to_frame
from unrolled.data.io.read import read
from unrolled.errors import ArgumentError, DataError, MissingDependencyError

COLUMNS: dict[str, list[Any]] = {
    "when": [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 3, 5)],
    "whole": [1, 2, 3],
    "real": [1.5, None, 2.0],
    "yes": [True, False, True],
    "word": ["a", "b", None],
    "day": [dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.date(2020, 1, 3)],
    "cents": [decimal.Decimal("1.50"), decimal.Decimal("2.25"), None],
}
MAKERS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_of_frame_is_the_same_table(kind: str) -> None:
    """Times, numbers, flags, words, dates and decimals come in alike, missing values too."""
    table = from_frame(MAKERS[kind](COLUMNS))
    assert table.backend == kind
    assert table.columns["when"].astype("M8[h]").astype(str).tolist()[2] == "2020-01-03T05"
    assert table.columns["whole"].tolist() == [1, 2, 3]
    assert np.array_equal(table.numbers("real"), [1.5, np.nan, 2.0], equal_nan=True)
    assert table.numbers("yes").tolist() == [1, 0, 1]
    assert table.columns["word"].tolist()[:2] == ["a", "b"]
    assert np.array_equal(table.numbers("cents"), [1.5, 2.25, np.nan], equal_nan=True)
    assert table.kinds == {
        "when": "time", "whole": "number", "real": "number", "yes": "number", "word": "text", "day": "time",
        "cents": "number",
    }  # fmt: skip
    assert table.place(1) == "data frame row 1 (counted from 0)"


@pytest.mark.parametrize(
    "one", [pd.Series([1.0, 2.0], name="v"), pl.Series("v", [1.0, 2.0]), pd.Series([1.0, 2.0])]
)
def test_a_series_is_one_column(one: Any) -> None:
    """Its own name, else y."""
    assert is_frame(one)
    table = from_frame(one)
    assert {name: values.tolist() for name, values in table.columns.items()} == {one.name or "y": [1.0, 2.0]}


def test_an_arrow_column_is_one_column() -> None:
    """A chunked array has no name of its own."""
    assert from_frame(pa.chunked_array([[1, 2], [3]])).columns["y"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.date_range("2020", periods=2), ["ds", "v"]),
        (pd.date_range("2020", periods=2, name="day"), ["day", "v"]),
        (pd.period_range("2020", periods=2, freq="M", name="month"), ["month", "v"]),
        (pd.RangeIndex(2), ["v"]),
        (pd.Index([5, 7]), ["v"]),
        (pd.Index(["a", "b"], name="unique_id"), ["unique_id", "v"]),
        (pd.MultiIndex.from_product([["a"], pd.date_range("2020", periods=2)]), ["unique_id", "ds", "v"]),
    ],
)
def test_a_pandas_index_that_says_something_is_a_column(index: pd.Index, names: list[str]) -> None:
    """Dates and named labels do; row numbers do not."""
    table = from_frame(pd.DataFrame({"v": [1.0, 2.0]}, index=index))
    assert list(table.columns) == names
    dated = [name for name in names if name in {"ds", "day", "month"}]
    assert table.index == (dated[0] if dated else None)
    assert table.keys == (("unique_id",) if index.nlevels > 1 else ())


def test_periods_and_categories() -> None:
    """A period is the time at which it begins, a category its word, a nullable integer a number."""
    frame = pd.DataFrame(
        {
            "quarter": pd.period_range("2020", periods=2, freq="Q"),
            "kind": pd.Categorical(["a", "b"]),
            "count": pd.array([1, None], dtype="Int64"),
        }
    )
    table = from_frame(frame)
    assert table.columns["quarter"].astype("M8[D]").astype(str).tolist() == ["2020-01-01", "2020-04-01"]
    assert table.columns["kind"].tolist() == ["a", "b"]
    assert np.array_equal(table.numbers("count"), [1, np.nan], equal_nan=True)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_time_zone_is_kept_beside_times_in_utc(kind: str) -> None:
    """Midnight in Berlin is 23:00 the day before."""
    berlin = pl.DataFrame(
        {"when": pl.Series([dt.datetime(2020, 1, 1)]).dt.replace_time_zone("Europe/Berlin")}
    )
    frame = {"polars": berlin, "pandas": berlin.to_pandas(), "pyarrow": berlin.to_arrow()}[kind]
    table = from_frame(frame)
    assert table.zones == {"when": "Europe/Berlin"}
    assert table.columns["when"].astype("M8[h]").astype(str).tolist() == ["2019-12-31T23"]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pl.LazyFrame({"a": [1]}), "expected rows in memory, got a lazy frame. Call its .collect() first."),
        (pd.DataFrame(), "expected columns and rows, got shape (0, 0)."),
        (pd.DataFrame({"a": []}), "expected columns and rows, got shape (0, 1)."),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "expected distinct column names, got 'a' twice. Rename one.",
        ),
    ],
)
def test_frames_that_cannot_be_read(frame: Any, sentence: str) -> None:
    """Lazy and empty frames, and a name twice, are said to be so."""
    with pytest.raises(DataError) as fault:
        from_frame(frame)
    assert str(fault.value) == f"data frame: {sentence}"


def test_years_that_nanoseconds_cannot_hold() -> None:
    """Dates before 1678 are refused, not wrapped around to another century."""
    with pytest.raises(DataError) as fault:
        from_frame(pl.DataFrame({"day": [dt.date(1500, 1, 1)]}))
    assert str(fault.value) == (
        "data frame, column 'day': expected years from 1678 to 2261, got 1500. Correct those dates, or "
        "number the years 1, 2, 3."
    )


@pytest.mark.parametrize("kind", MAKERS)
def test_answers_come_back_in_the_user_s_own_frame(kind: str) -> None:
    """Words, times and numbers survive the way out and in."""
    columns = {
        "unique_id": np.array(["a", "b"], dtype=object),
        "ds": np.array(["2020-01-01", "2020-01-02"], dtype="M8[ns]"),
        "gru": np.array([0.5, np.nan]),
    }
    frame = to_frame(columns, kind)
    assert type(frame) is type(MAKERS[kind]({}))
    table = from_frame(frame)
    assert table.columns["unique_id"].tolist() == ["a", "b"]
    assert table.columns["ds"].tolist() == columns["ds"].tolist()
    assert np.array_equal(table.numbers("gru"), columns["gru"], equal_nan=True)


def test_a_backend_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown kind offers the nearest, one that is not installed the command."""
    with pytest.raises(ArgumentError, match=r"Did you mean 'polars'\?"):
        to_frame({"y": [1.0]}, "polar")
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install polars"):
        to_frame({"y": [1.0]}, "polars")
    assert importlib.util.find_spec("polars") is not None


def test_whole_numbers_beyond_int64_keep_their_sign() -> None:
    """uint64 above 2**63 comes as floats, not as negative numbers."""
    huge = 2**63 + 2**20
    for make in (pd.DataFrame, pl.DataFrame):
        table = from_frame(make({"y": np.array([huge, 1], dtype=np.uint64)}))
        assert table.numbers("y").tolist() == [float(huge), 1.0]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (
            pd.DataFrame([[1, 2]], columns=[1, "1"]),
            "expected distinct column names, got '1' twice. Rename one.",
        ),
        (
            pd.DataFrame({"ds": [1, 2]}, index=pd.date_range("2020", periods=2)),
            "expected distinct column names, got 'ds' twice. Rename one.",
        ),
        (
            pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
            (
                "expected one name a column, got 2 levels of names such as ('a', 'b'). Join them into "
                "one, as in frame.columns.map('_'.join)."
            ),
        ),
    ],
)
def test_ambiguous_column_names_raise(frame: pd.DataFrame, sentence: str) -> None:
    """Levels of names, names alike once they are texts, and an index called as a column is."""
    with pytest.raises(DataError) as fault:
        from_frame(frame)
    assert str(fault.value) == f"data frame: {sentence}"


def test_a_list_of_dated_series_keeps_its_dates() -> None:
    """Each has its own dates, and its name where all have different ones."""
    days = pd.date_range("2021-01-01", periods=5)
    one, other = pd.Series(range(5), index=days, name="a"), pd.Series(range(4), index=days[:4], name="b")
    series = read([one, other])
    assert (series.ids, series.lengths.tolist(), series.freq) == (("a", "b"), [5, 4], "D")
    assert read([one, one]).ids == ("0", "1")
    months = pd.Series(range(4), index=pd.period_range("2021-01", periods=4, freq="M"))
    assert read([months]).freq == "MS"
    assert read([one.to_numpy(), other.to_numpy()]).times is None
    frames = read([one.to_frame("y"), other.to_frame("y")])
    assert (frames.ids, frames.lengths.tolist(), frames.freq) == (("0", "1"), [5, 4], "D")
    named = read([one.to_frame("y").assign(name=2.5), one])
    assert (named.ids, named.lengths.tolist()) == (("0", "1"), [5, 5])


@pytest.mark.parametrize("column", ["ds", "unique_id"])
def test_a_column_of_a_dated_frame_is_not_overwritten(column: str) -> None:
    """Its index is the time, its place in the list the id."""
    frame = pd.DataFrame({column: "q", "y": range(5)}, index=pd.date_range("2021-01-01", periods=5))
    with pytest.raises(DataError, match=rf"data, frame 0: expected its dates in .*, got a column '{column}'"):
        read([frame])


@pytest.mark.parametrize("backend", ["pandas", "polars"])
def test_days_of_a_zone_are_local(backend: str) -> None:
    """Midnight in Berlin on both sides of summer time; hours are refused until `utc` is true."""
    days = pd.date_range("2021-03-20", periods=20, tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": days, "y": np.arange(20.0)})
    series = read(pl.from_pandas(frame) if backend == "polars" else frame)
    assert (series.freq, str(series.times[-1])[:16]) == ("D", "2021-04-08T00:00")
    assert "days by local date" in series.notes[0]


def test_whatever_hands_itself_over_as_arrow_is_a_frame() -> None:
    """A batch of rows, a reader of batches, an array."""
    batch = pa.RecordBatch.from_pydict({"ds": ["2020-01-01", "2020-01-02"], "y": [1.0, 2.0]})
    for source in (batch, pa.RecordBatchReader.from_batches(batch.schema, [batch])):
        assert is_frame(source)
        assert from_frame(source).columns["y"].tolist() == [1.0, 2.0]
    assert from_frame(pa.array([1.0, 2.0])).columns["y"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("where", ["column", "index"])
def test_spans_of_time_are_refused_with_the_lines_that_work(where: str) -> None:
    """Added to a start they are dates, counted they are numbers."""
    frame = pd.DataFrame({"ds": pd.to_timedelta(range(3), "D"), "y": range(3)})
    with pytest.raises(DataError) as fault:
        from_frame(frame if where == "column" else frame.set_index("ds"))
    sentence = str(fault.value)
    assert "column 'ds': expected dates or numbers, got spans of time." in sentence
    for line in ("pandas.Timestamp('2020-01-01') + frame['ds']", "frame['ds'].dt.total_seconds()"):
        assert line in sentence
        assert len(from_frame(pd.DataFrame({"ds": eval(line, {"pandas": pd, "frame": frame})}))) == 3
