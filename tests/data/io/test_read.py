"""`read`: every source and layout becomes the same Sequences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from statsmodels import datasets

from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.sequences import ColumnNames, DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError

LONG = {
    "unique_id": ["b", "b", "b", "a", "a"],
    "ds": ["2020-01-01", "2020-02-01", "2020-03-01", "2020-02-01", "2020-03-01"],
    "y": [1.0, 2.0, 3.0, 4.0, 5.0],
}


def _as_file(columns: dict[str, Any]) -> str:
    pd.DataFrame(columns).to_csv("flow.csv", index=False)
    return "flow.csv"


KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "mapping": dict,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "csv": _as_file,
}


def _fault_of(source: Any, **named: Any) -> str:
    with pytest.raises(DataError) as fault:
        read(source, **named)
    return str(fault.value)


@pytest.mark.parametrize("kind", KINDS)
def test_long_tables_of_every_kind(kind: str) -> None:
    """Series stand in the order in which they first occur, each by time."""
    series = read(KINDS[kind](LONG))
    assert series.ids == ("b", "a")
    assert series.lengths.tolist() == [3, 2]
    assert series.target.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert series.times.astype("M8[M]").astype(str).tolist()[:3] == ["2020-01", "2020-02", "2020-03"]
    assert (series.freq, series.order, series.columns) == ("MS", DeclaredOrder.TIME, ("y",))
    assert series.backend == (kind if kind in {"polars", "pyarrow"} else "pandas")
    assert series.source == ("flow.csv" if kind == "csv" else "data frame")
    assert series.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_wide_tables_of_every_kind(kind: str) -> None:
    """A series a column, from its first value to its last."""
    wide = {"day": ["2020-01-01", "2020-01-02", "2020-01-03"], "a": [1.0, 2.0, 3.0], "b": [None, 5.0, None]}
    series = read(KINDS[kind](wide))
    assert series.ids == ("a", "b")
    assert series["a"].target.tolist() == [1.0, 2.0, 3.0]
    assert series["b"].target.tolist() == [5.0]
    assert series.names == ColumnNames("unique_id", "day")
    assert series.freq == "D"


def test_the_users_names_are_kept() -> None:
    """What their frame calls its series and times is what answers will be called."""
    series = read({"shop": ["x", "x"], "when": ["2020-01-01", "2020-01-02"], "sold": [1, 2]}, id="shop")
    assert series.names == ColumnNames("shop", "when")
    assert series.columns == ("sold",)


def test_roles_are_columns_in_order() -> None:
    """Target first, then past, future and static columns, for each series of a wide table too."""
    columns = {
        "ds": pd.date_range("2020", periods=4),
        "a": [1.0, 2.0, 3.0, None],
        "b": [5.0, 6.0, 7.0, None],
        "p": [1, 1, 2, 2],
        "f": [1, 2, 3, 4],
        "s": [9, 9, 9, 9],
    }
    one = read(columns, target="a", past="p", future=["f"], static="s")
    assert one.columns == ("a", "p", "f", "s")
    assert one.roles == (Role.TARGET, Role.PAST, Role.FUTURE, Role.STATIC)
    assert one.notes == (
        (
            "column 'b' left out beside the target 'a'; learn from it with past='b', forecast it "
            "with target='b'"
        ),
    )
    assert one.observed.tolist() == [3]
    require_regular(one)
    both = read(columns, target=["a", "b"], future="f")
    assert both.ids == ("a", "b")
    assert both.columns == ("y", "f")
    assert both["b"].values[:, 1].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_unsorted_rows_are_sorted_and_said() -> None:
    """Newest first, or in any order: the rows are sorted within their series, and a note says so."""
    shuffled = pd.DataFrame(LONG).iloc[[4, 2, 0, 3, 1]]
    series = read(shuffled)
    assert series.ids == ("a", "b")
    assert series["b"].target.tolist() == [1.0, 2.0, 3.0]
    assert series.notes == ("rows were sorted by time",)
    assert read(pd.DataFrame(LONG).iloc[[0, 3, 1, 4, 2]]).notes == ()  # by time already, series by turns


def test_ids_stay_as_they_are_written() -> None:
    """'007' is no 7 and 'NA' is a name; a missing name is a fault."""
    text = "unique_id,ds,y\n007,2020,1\n007,2021,2\nNA,2020,3\nNA,2021,4\n"
    Path("flow.csv").write_text(text)
    assert read("flow.csv").ids == ("007", "NA")
    Path("flow.csv").write_text(text.replace("NA,2021", ",2021"))
    assert _fault_of("flow.csv") == (
        "flow.csv row 5, column 'unique_id': expected the name of a series, got nothing. Name it, or remove "
        "that row."
    )


@pytest.mark.parametrize(
    ("source", "ids", "rows", "order"),
    [
        ([1.0, 2.0, 3.0], ("0",), 3, DeclaredOrder.POSITION),
        (np.arange(4.0), ("0",), 4, DeclaredOrder.POSITION),
        ([[1, 2], [3, 4, 5]], ("0", "1"), 5, DeclaredOrder.POSITION),
        (np.zeros((2, 3, 4)), ("0", "1"), 6, DeclaredOrder.POSITION),
        (pd.Series([1.0, 2.0]), ("y",), 2, DeclaredOrder.POSITION),
        (pl.Series("v", [1.0, 2.0]), ("v",), 2, DeclaredOrder.POSITION),
        ({"price": [1.0, 2.0]}, ("price",), 2, DeclaredOrder.POSITION),
        ({"unique_id": ["a", "b", "a"], "y": [1, 2, 3]}, ("a", "b"), 3, DeclaredOrder.POSITION),
        ({"age": [1, 2], "income": [3, 4]}, ("table",), 2, DeclaredOrder.NONE),
        ({"name": ["a", "b"], "income": [3, 4]}, ("income",), 2, DeclaredOrder.NONE),
        (pd.Series([1.0, 2.0], index=pd.date_range("2020", periods=2)), ("y",), 2, DeclaredOrder.TIME),
    ],
)
def test_what_declares_an_order(source: Any, ids: tuple[str, ...], rows: int, order: DeclaredOrder) -> None:
    """Times do; so do lists and single columns; the rows of a table without times do not."""
    series = read(source)
    assert (series.ids, len(series.values), series.order) == (ids, rows, order)
    assert (series.times is None) == (order is not DeclaredOrder.TIME)


def test_texts_are_tokens() -> None:
    """Characters are positions in a sorted vocabulary, shared by several texts."""
    one = read("machine")
    assert "".join(one.tokens) == "acehimn"
    assert "".join(one.tokens[int(k)] for k in one.target) == "machine"
    two = read(["ab", "äb"])
    assert two.tokens == ("a", "b", "ä")
    assert two.lengths.tolist() == [2, 2]


def test_a_text_that_names_a_file_is_a_file() -> None:
    """A file that is there, or an ending that files have; anything else is a text."""
    Path("machine").write_text("y\n1\n2\n")
    assert read("machine").tokens is None
    assert _fault_of("nothing.csv") == "nothing.csv: expected a file, got none of that name."
    assert _fault_of(Path("nothing")) == "nothing: expected a file, got none of that name."
    assert read("nothing at all.").tokens is not None


def test_sequences_come_back_as_they_are() -> None:
    """Only `fill` changes them."""
    series = Sequences.from_arrays([[1.0, np.nan, 3.0]])
    assert read(series) is series
    assert read(series, fill="linear").target.tolist() == [1.0, 2.0, 3.0]


def test_names_mean_nothing_without_columns() -> None:
    """Each of them is said."""
    with pytest.raises(ArgumentError) as fault:
        read([1.0, 2.0], id="a", past=["b"])
    assert str(fault.value).splitlines() == [
        "id: only a table has columns to name, got id='a' with a list.",
        "past: only a table has columns to name, got past='b' with a list.",
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (7, "source: expected a path, frame, text, list or array of numbers, got int."),
        (None, "source: expected a path, frame, text, list or array of numbers, got NoneType."),
    ],
)
def test_a_source_of_another_kind(source: Any, sentence: str) -> None:
    """What is expected is listed."""
    with pytest.raises(ArgumentError) as fault:
        read(source)
    assert str(fault.value) == sentence


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ([], "arrays: expected at least one sequence, got none."),
        ("", "text: expected at least one character, got none."),
        ({}, "data frame: expected columns and rows, got shape (0, 0)."),
        ({"a": [1], "b": [1, 2]}, "data: expected columns of equal length, got {'a': 1, 'b': 2}."),
        (
            [1.0, float("inf")],
            (
                "sequence 0, position 1: expected a finite number, got an infinite one. Correct it, or put "
                "NaN there and fill it with fill=."
            ),
        ),
        (
            {"ds": pd.date_range("2020", periods=2), "y": [1.0, float("inf")]},
            (
                "data frame row 1 (counted from 0), column 'y': expected a finite number, got inf. Correct "
                "it, or leave it empty and fill it with fill=."
            ),
        ),
        (
            {"ds": pd.date_range("2020", periods=2, freq="h", tz="Europe/Berlin"), "y": [1.0, 2.0]},
            (
                "data frame, column 'ds': expected times without a zone, got Europe/Berlin. Bring them to "
                "UTC with utc=True."
            ),
        ),
        (
            {"ds": ["2020-01-01", "2020-01-02"], "y": ["5", "n.v."]},
            (
                "data frame row 1 (counted from 0), column 'y': expected a number, got 'n.v.'. Correct it, "
                "or leave it empty and say how gaps are filled with fill=."
            ),
        ),
        (
            {"ds": pd.date_range("2020", periods=2), "a": [np.nan] * 2, "b": [np.nan] * 2},
            "data frame: expected numbers, got only missing values in 'a'.",
        ),
    ],
)
def test_bad_input(source: Any, sentence: str) -> None:
    """Each is one sentence: the thing, the demand, what came, the way out."""
    assert _fault_of(source) == sentence


def test_time_zones_are_brought_to_utc_when_asked() -> None:
    """Midnight in Berlin is 23:00; a note says so."""
    times = pd.date_range("2020-01-01", periods=3, freq="h", tz="Europe/Berlin")
    series = read({"ds": times, "y": [1.0, 2.0, 3.0]}, utc=True)
    assert str(series.times[0])[:13] == "2019-12-31T23"
    assert series.notes == ("times of column 'ds' were brought to UTC",)


def test_static_columns_have_one_value() -> None:
    """A static column that changes within a series is no static one."""
    columns = {**LONG, "size": [1, 1, 2, 7, 7]}
    assert _fault_of(columns, static="size") == (
        "data frame, series 'b': expected one value in the static column 'size', got 1 and 2. Name it with "
        "past= or future= if it changes."
    )
    assert read({**LONG, "size": [1, 1, 1, 7, 7]}, static="size").values[:, 1].tolist() == [1, 1, 1, 7, 7]


def test_missing_values_are_kept() -> None:
    """Reading keeps them as NaN; forecasting refuses them; `fill` fills them."""
    columns = {"ds": pd.date_range("2020", periods=4), "y": [1.0, None, 3.0, 4.0]}
    assert read(columns).missing[:, 0].tolist() == [False, True, False, False]
    with pytest.raises(DataError, match="expected a number at 2020-01-02"):
        require_regular(read(columns))
    assert read(columns, fill="linear").target.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_statsmodels_series_are_read_as_they_come() -> None:
    """Weekly CO2 with its index, yearly sunspots with years as floats, the Nile."""
    co2 = read(datasets.co2.load_pandas().data)
    assert (co2.freq, len(co2.values), int(co2.missing.sum())) == ("W-SAT", 2284, 59)
    sunspots = read(datasets.sunspots.load_pandas().data)
    assert (sunspots.freq, sunspots.names.time, len(sunspots.values)) == ("YS", "YEAR", 309)
    nile = read(datasets.nile.load_pandas().data)
    assert (nile.freq, nile.columns, nile.target[0]) == ("YS", ("volume",), 1120.0)


def test_the_published_monthly_file(data_dir: Path) -> None:
    """917 months from January 1950, each on its first day."""
    series = read(data_dir / "sp500" / "sp500_monthly_917.csv")
    require_regular(series)
    assert (len(series.values), series.freq, series.ids) == (917, "MS", ("price",))


def test_hourly_wide_data(data_dir: Path) -> None:
    """ETT: seven columns, seven series, gzipped."""
    series = read(data_dir / "ett" / "ETTh1.csv.gz")
    require_regular(series)
    assert (len(series), series.freq, series.lengths.tolist()) == (7, "h", [17_420] * 7)


def test_whole_number_times_are_exact() -> None:
    """int64 columns, and digits in a file, keep every unit; floats beyond 2**53 cannot and are refused."""
    newest = np.int64(2**63 - 200) + np.arange(60)
    assert read({"t": newest, "y": np.arange(60.0)}).times.tolist() == newest.tolist()  # type: ignore[union-attr]
    digits = read({"ds": [f"170000000000000000{k}" for k in range(3)], "y": [1.0, 2.0, 3.0]})
    assert np.diff(digits.times.astype(np.int64)).tolist() == [1, 1]  # type: ignore[union-attr]
    with pytest.raises(DataError) as fault:
        read({"t": np.arange(60) * 1e20, "y": np.arange(60.0)})
    assert str(fault.value) == (
        "data frame row 1 (counted from 0), column 't': expected whole numbers below 2**53 as times, got "
        "1e+20. Write dates, or count the rows with order='rows'."
    )
    with pytest.raises(DataError, match=r"expected times less than 2\*\*63 apart"):
        read({"t": np.array([-(2**62), 0, 2**62 + 1]), "y": np.arange(3.0)})


def test_a_masked_array_is_read_with_its_mask() -> None:
    """Alone or as a column."""
    hidden = np.ma.array([1, 2, 3], mask=[False, True, False])
    for source in (hidden, {"y": hidden}):
        assert np.array_equal(read(source).target, [1.0, np.nan, 3.0], equal_nan=True)


def test_ids_are_called_as_they_were_written() -> None:
    """Flags are True and False, dates have no clock that nobody wrote."""
    columns = {"t": [1, 2, 1, 2], "y": [1.0, 2.0, 3.0, 4.0]}
    assert read({**columns, "k": [True, True, False, False]}, id="k").ids == ("True", "False")
    days = pd.to_datetime(["2020-01-01"] * 2 + ["2020-01-02"] * 2)
    assert read({**columns, "k": days}, id="k", time="t").ids == ("2020-01-01", "2020-01-02")


def test_nothing_but_missing_values() -> None:
    """One sentence, at reading, and no offer to fill what has nothing to fill from."""
    for source in ({"ds": ["2020-01-01", "2020-01-02"], "y": [np.nan] * 2}, {"ds": [1, 2], "y": ["nan", ""]}):
        with pytest.raises(DataError) as fault:
            read(source)
        assert str(fault.value) == "data frame: expected numbers, got only missing values in 'y'."
    with pytest.raises(DataError, match=r"^arrays: expected numbers, got only missing values in 'y'"):
        read([np.nan, np.nan])


def test_a_folder_or_a_single_number_is_no_source(tmp_path: Path) -> None:
    """A folder's name is not read as a text, a long text is not looked up as a file."""
    with pytest.raises(DataError) as fault:
        read(str(tmp_path))
    said = f"{tmp_path}: expected a folder of files of one kind, got an empty one. Name a file in it."
    assert str(fault.value) == said
    with pytest.raises(ArgumentError, match="expected a path, frame, text, list or array of numbers"):
        read(np.array(3.0))
    assert len(read("a" * 300).values) == 300


def test_numbers_too_large_to_square() -> None:
    """Row and column are named."""
    with pytest.raises(DataError) as fault:
        read({"ds": [1, 2], "y": [1.0, 1e200]})
    assert str(fault.value) == (
        "data frame row 1 (counted from 0), column 'y': expected numbers up to 1e+150, got 1e+200. Divide "
        "the column by a power of ten."
    )


def test_several_ids_in_a_file_come_back_as_numbers_and_texts() -> None:
    """Whole numbers as pandas would read them; '007' stays a text. Two keys are one series."""
    rows = [f"2020-01-0{d},{s},{k},{d + s}" for s in (1, 2) for k in ("007", "8") for d in (1, 2, 3)]
    Path("flow.csv").write_text("\n".join(["day,store,sku,sold", *rows]))
    series = read("flow.csv", id=["store", "sku"])
    assert (series.id_names, series.ids[0], len(series)) == (("store", "sku"), "1 / 007", 4)
    assert series.keys["store"].to_list() == [1, 1, 2, 2]
    assert series.keys["sku"].to_list() == ["007", "8", "007", "8"]
    assert series[1].keys["sku"].to_list() == ["8"]


def test_lists_of_names_that_mean_nothing() -> None:
    """Several columns of time are refused with the line that joins them; a misspelt key is named."""
    columns = {"a": ["x", "x"], "date": ["2020-01-01", "2020-01-02"], "clock": ["1:00", "2:00"], "y": [1, 2]}
    with pytest.raises(ArgumentError) as fault:
        read(columns, time=["date", "clock"])
    assert str(fault.value) == (
        "time: expected one column, got 'date' and 'clock'. Put them together first: frame['ds'] = "
        "frame['date'].astype(str) + ' ' + frame['clock'].astype(str)."
    )
    assert read(columns, time=["date"]).ids == read(columns, id=[], time="date").ids
    assert "expected a column 'dat' as id" in _fault_of(columns, id=["a", "dat"])


def _hours(**columns: Any) -> Any:
    return pd.DataFrame({"y": [3.0, 1.0, 2.0]} | columns)


def test_rows_that_only_stand_in_order_are_counted() -> None:
    """By their time where it can be read, else as they stand; a file of numbers alone becomes series."""
    uneven = _hours(time=["2021-01-09 03:10", "2021-01-01 00:00", "2021-01-02 07:30"])
    series = read(uneven, order="rows")
    assert (series.target.tolist(), series.times, series.order.name) == ([1.0, 2.0, 3.0], None, "POSITION")
    assert "rows were counted in the order of 'time'" in series.notes
    assert read(_hours(date=["run 1", "run 2", "run 3"]), order="rows").target.tolist() == [3.0, 1.0, 2.0]
    assert read(_hours(other=[1.0, 2.0, 4.0]), order="rows").ids == ("y", "other")
    with pytest.raises(ArgumentError, match=r"order: expected one of time, rows; got 'row'"):
        read(uneven, order="row")
