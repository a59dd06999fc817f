"""Which column is what: named, else found by kind and usual spelling, else asked for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.parse.columns import ColumnSpec, TableSchema, infer_schema
from unrolled.data.parse.table import Table
from unrolled.data.sequences import Role
from unrolled.errors import DataError

DAYS = ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"]
TWICE = [*DAYS[:2], *DAYS[:2]]
NUMBERS = ["1", "2", "3", "5"]
WORDS = ["a", "a", "b", "b"]


def _layout(columns: dict[str, Sequence[str]], **named: object) -> TableSchema:
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    return infer_schema(Table(arrays, "flow.csv", lambda row: f"flow.csv row {row + 2}"), ColumnSpec(**named))


def _fault_of(columns: dict[str, Sequence[str]], **named: object) -> str:
    with pytest.raises(DataError) as fault:
        _layout(columns, **named)
    return str(fault.value)


@pytest.mark.parametrize(
    ("columns", "time", "series", "targets"),
    [
        ({"unique_id": WORDS, "ds": TWICE, "y": NUMBERS}, "ds", "unique_id", ("y",)),
        ({"ticker": WORDS, "Date": TWICE, "close": NUMBERS}, "Date", "ticker", ("close",)),
        ({"when": TWICE, "Laden": WORDS, "Umsatz": NUMBERS}, "when", "Laden", ("Umsatz",)),
        ({"Store": ["1", "1", "2", "2"], "Date": TWICE, "Sales": NUMBERS}, "Date", "Store", ("Sales",)),
        ({"date": DAYS, "price": NUMBERS}, "date", None, ("price",)),
        ({"when": DAYS, "x": NUMBERS}, "when", None, ("x",)),
        ({"date": DAYS, "a": NUMBERS, "b": NUMBERS}, "date", None, ("a", "b")),
        ({"ds": DAYS, "y": NUMBERS, "x1": NUMBERS}, "ds", None, ("y",)),
        ({"date": DAYS, "value": NUMBERS, "comment": WORDS}, "date", None, ("value",)),
        ({"date": DAYS, "ticker": ["A"] * 4, "close": NUMBERS}, "date", "ticker", ("close",)),
        ({"date": DAYS, "id": NUMBERS, "v": NUMBERS}, "date", None, ("v",)),
        ({"year": ["1990", "1991", "1992", "1993"], "v": NUMBERS}, "year", None, ("v",)),
        ({"Jahr": ["1990", "1991", "1992", "1993"], "v": NUMBERS}, "Jahr", None, ("v",)),
        ({"t": NUMBERS, "v": NUMBERS}, "t", None, ("v",)),
        ({"time": ["0.1", "0.2", "0.3", "0.4"], "v": NUMBERS}, "time", None, ("v",)),
        ({"day": ["1", "2", "3", "4"], "v": NUMBERS}, "day", None, ("v",)),
        ({"age": NUMBERS, "income": NUMBERS}, None, None, ("age", "income")),
        ({"id": NUMBERS, "age": NUMBERS, "income": NUMBERS}, None, None, ("age", "income")),
        ({"time": ["7.5", "6.5", "8", "9"], "runner": ["5", "4", "9", "1"]}, None, None, ("time", "runner")),
        ({"unique_id": WORDS, "y": NUMBERS}, None, "unique_id", ("y",)),
        ({"value": NUMBERS}, None, None, ("value",)),
        (
            {"date": ["soon", "later", "then", "now"], "v": NUMBERS},
            "date",
            None,
            ("v",),
        ),  # is refused
        ({"month": ["soon", "later", "then", "now"], "v": NUMBERS}, None, None, ("v",)),
        ({"date": DAYS, "value": NUMBERS, "other": NUMBERS}, "date", None, ("value",)),
        ({"ds": DAYS, "y": NUMBERS, "value": NUMBERS}, "ds", None, ("y",)),
        (
            {"date": TWICE, "shop": WORDS, "receipt": ["k", "l", "m", "n"], "v": NUMBERS},
            "date",
            "shop",
            ("v",),
        ),
        ({"count": ["1600", "1610", "1620", "1630"], "v": NUMBERS}, None, None, ("count", "v")),
        ({"count": ["1990", "1990", "1990", "1990"], "v": NUMBERS}, None, None, ("count", "v")),
    ],
)
def test_roles_are_inferred(
    columns: dict[str, Sequence[str]], time: str | None, series: str | None, targets: tuple[str, ...]
) -> None:
    """Long, wide, two columns, one column and plain tables, in English or not."""
    result = _layout(columns)
    assert (result.time, result.ids, result.targets) == (time, (series,) if series else (), targets)


def test_names_come_before_guesses() -> None:
    """What the caller names is taken as it is; the rest is found around it."""
    columns = {
        "start": DAYS,
        "end": DAYS,
        "a": NUMBERS,
        "b": NUMBERS,
        "c": NUMBERS,
        "d": NUMBERS,
        "e": NUMBERS,
    }
    named = {"time": "end", "past": ("a",), "future": ("b", "c"), "static": ("d",)}
    result = _layout(columns, **named)
    assert result.targets == ("e",)
    assert result.inputs == ("a", "b", "c", "d")
    assert result.input_roles == (Role.PAST, Role.FUTURE, Role.FUTURE, Role.STATIC)
    assert result.unused == ("start",)


def test_misspelt_names_are_collected() -> None:
    """Every fault of one call is said, each with the nearest column; a column has one role."""
    sentence = _fault_of({"date": DAYS, "price": NUMBERS}, time="dates", target=("pric",), past=("price",))
    assert sentence.splitlines() == [
        "flow.csv: expected a column 'dates' as time, got none of that name. Did you mean 'date'?",
        "flow.csv: expected a column 'pric' as target, got none of that name. Did you mean 'price'?",
    ]
    sentence = _fault_of({"date": DAYS, "price": NUMBERS}, target=("price",), past=("price",))
    assert sentence == "flow.csv: expected one role for column 'price', got target and past."
    sentence = _fault_of(
        {"i": WORDS, "date": TWICE, "a": NUMBERS, "b": NUMBERS}, id=("i",), target=("a", "b")
    )
    assert sentence == "flow.csv: expected one target beside id='i', got 2. Read one at a time."


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"start": DAYS, "end": DAYS, "v": NUMBERS},
            (
                "expected one column of dates, got 'start' and 'end'. Name the one that orders the rows "
                "with time=."
            ),
        ),
        (
            {"date": ["2020-01-01"] * 4, "p": WORDS, "q": ["x", "x", "y", "y"], "v": NUMBERS},
            "expected one column that tells the series apart, got 'p' and 'q'. Name it with id=.",
        ),
        (
            {"unique_id": WORDS, "ds": TWICE, "a": NUMBERS, "b": NUMBERS},
            "expected one target column, got 'a' and 'b'. Name it with target=.",
        ),
        (
            {"year": ["1990", "1990", "1991", "1991"], "month": ["1", "2", "1", "2"], "v": NUMBERS},
            (
                "expected one column that says when, got 'year' and 'month'. Put them together in one "
                "column, such as 1950-01."
            ),
        ),
        (
            {"date": DAYS, "name": WORDS},
            (
                "expected a column of numbers, got only text such as 'a' in column 'name'. Add one, or name "
                "it with target=."
            ),
        ),
        (
            {"date": DAYS},
            ("expected a column of numbers, got none besides the time. Add one, or name it with target=."),
        ),
    ],
)
def test_ambiguous_roles_raise(columns: dict[str, Sequence[str]], sentence: str) -> None:
    """Nothing is guessed where two columns would do, or none."""
    assert _fault_of(columns) == f"flow.csv: {sentence}"


def test_times_decide_between_two_text_columns() -> None:
    """The one within which no time repeats names the series."""
    columns = {"date": TWICE, "shop": WORDS, "colour": ["x", "y", "x", "x"], "v": NUMBERS}
    assert _layout(columns).ids == ("shop",)


def test_a_target_spelt_like_a_key() -> None:
    """Numbers are not called text: their column's name stands in the way, and can be named as target."""
    columns = {"ds": np.array(["2020-01-01", "2020-01-02"], dtype=object), "unique_id": np.array([1.5, 2.5])}
    table = Table(columns, "flow.csv", str)
    with pytest.raises(DataError) as fault:
        infer_schema(table, ColumnSpec())
    assert str(fault.value) == (
        "flow.csv: expected a column of numbers to learn from, got only 'unique_id', whose name says that it "
        "numbers the rows. Rename it, or name it with target=."
    )
    assert infer_schema(table, ColumnSpec(target=("unique_id",))).targets == ("unique_id",)


MONTHS = ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("Unnamed: 0", ["0", "1", "2", "3"], "as a count of rows"),
        ("index", ["4", "3", "2", "1"], "as a count of rows"),
        ("Sr. No.", ["1", "2", "3", "4"], "as a count of rows"),
        ("time_idx", ["2", "0", "3", "1"], "as a count of rows"),
        ("year", ["2020"] * 4, "as a part of 'date'"),
        ("Month", ["1", "2", "3", "4"], "as a part of 'date'"),
        ("day_of_week", ["2", "5", "6", "2"], "as a part of 'date'"),
        ("dow", ["2", "5", "6", "2"], "as a part of 'date'"),
        ("IsHoliday", ["0", "0", "1", "0"], "as a flag"),
        ("isHoliday", ["False", "FALSE", "TRUE", "False"], "as a flag"),
    ],
)
def test_counters_and_parts_of_the_date_are_left_out(name: str, values: list[str], reason: str) -> None:
    """They are no series to forecast; the note says why, and how to use them. Named, they are used."""
    columns = {name: values, "date": MONTHS, "a": NUMBERS, "b": NUMBERS}
    result = _layout(columns)
    assert result.targets == ("a", "b")
    assert result.unused == (name,)
    assert len(result.notes) == 1
    assert result.notes[0].startswith(f"column {name!r} left out {reason}; learn from it with future=")
    assert _layout(columns, target=(name,)).targets == (name,)
    assert _layout(columns, future=(name,)).notes == ()
    assert _layout({"date": MONTHS, name: values}).targets == (name,)  # nothing else to forecast


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("index", ["100", "103", "101", "105"]),  # of prices
        ("index", ["1", "2", "3", "5"]),
        ("month", ["13", "40", "2", "7"]),
        ("hour", ["0.5", "1", "2", "3"]),
        ("visitors", ["1", "2", "3", "4"]),
    ],
)
def test_values_decide_what_a_counter_is(name: str, values: list[str]) -> None:
    """A usual name over other numbers, or a count under another name, is a series."""
    assert _layout({"date": MONTHS, name: values, "a": NUMBERS}).targets == (name, "a")


@pytest.mark.parametrize("target", ["y", "value", "Value", "target"])
def test_a_target_by_name_is_the_only_one(target: str) -> None:
    """Other numbers are left out with the way to use them."""
    result = _layout({"date": DAYS, "temp": NUMBERS, target: NUMBERS, "Wind speed": NUMBERS})
    assert result.targets == (target,)
    assert result.notes == (
        (
            f"columns 'temp' and 'Wind speed' left out beside the target {target!r}; learn from one with "
            "past='temp', forecast one with target='temp'"
        ),
    )


def test_texts_in_no_known_notation_are_left_out_with_a_note() -> None:
    """The rows of such a table have no order; the note says how the column gives them one, and both work."""
    columns = {"t": ["foo", "bar", "baz", "qux"], "v": NUMBERS}
    assert _layout(columns).notes == (
        (
            "column 't' left out as no numbers and no dates in a known notation; learn from it with "
            "past='t', read it as the time with time='t', "
            "date_format='%d.%m.%Y'"
        ),
    )
    assert _layout(columns, time="t").notes == _layout(columns, past=("t",)).notes == ()


TWO_KEYS = {
    "date": [day for day in DAYS[:2] for _ in range(4)],
    "store": ["1", "1", "2", "2"] * 2,
    "item": ["7", "8", "7", "8"] * 2,
    "sales": ["5", "3", "4", "1", "6", "2", "8", "7"],
}


@pytest.mark.parametrize("names", [("store", "item"), ("store_nbr", "family"), ("Dept", "StoreID")])
def test_several_keys_are_found_together(names: tuple[str, str]) -> None:
    """Where only both tell the rows of one time apart; said, and named otherwise by the caller."""
    columns = dict(zip(("date", *names, "sales"), TWO_KEYS.values(), strict=True))
    if "family" in names:
        columns["family"] = ["x", "y"] * 4
    result = _layout(columns)
    assert (result.ids, result.targets) == (names, ("sales",))
    assert result.notes[0].startswith(f"{names[0]!r} and {names[1]!r} tell the series apart together")
    assert _layout(columns, id=names[::-1]).ids == names[::-1]


def test_what_describes_a_key_is_none() -> None:
    """The category of an item tells nothing apart that the item does not."""
    columns = {**TWO_KEYS, "category": ["x", "y"] * 4}
    assert _layout(columns).ids == ("store", "item")


def test_keys_that_mean_the_same_need_no_choice() -> None:
    """A code and a name of the same series: the first."""
    columns = {"date": TWICE, "geo": WORDS, "Land": ["x", "x", "y", "y"], "v": NUMBERS}
    assert _layout(columns).ids == ("geo",)


@pytest.mark.parametrize("name", ["acct", "plant", "ward"])
@pytest.mark.parametrize("target", [None, "kwh"])
def test_numbers_that_stand_once_at_each_time_are_a_key(name: str, target: str | None) -> None:
    """Whatever the column is called; a note says so, and how it is read otherwise."""
    days = np.repeat(pd.date_range("2021-01-01", periods=8), 3)
    columns = {"date": days, name: [101, 102, 205] * 8, "kwh": range(24)}
    series = read(columns, target=target)
    assert series.ids == ("101", "102", "205")
    assert any(note.startswith(f"{name!r} tells the series apart") for note in series.notes)
    gone = pd.DataFrame(columns).drop(index=[2, 7, 8])  # some without a reading
    assert read(gone, target=target).ids == ("101", "102", "205")


def test_counts_beside_repeated_times_are_no_key() -> None:
    """Numbers that were measured seldom recur at each time; two such columns are asked about."""
    days = np.repeat(pd.date_range("2021-01-01", periods=20), 2)
    counts = np.random.default_rng(0).permutation(40)
    assert read({"date": days, "visits": counts, "sales": counts * 1.5}).ids == ("visits", "sales")
    twice = {"date": days, "acct": [1, 2] * 20, "plant": [7, 8] * 20, "kwh": counts * 1.5}
    with pytest.raises(DataError, match="tells the series apart, got 'acct' and 'plant'"):
        read(twice)
    assert read(twice, id="acct", target="kwh").ids == ("1", "2")
