"""Kinds of columns, and their numbers or the row that holds none."""

from collections.abc import Sequence

import numpy as np
import pytest

from unrolled.data.parse import table as parse_table
from unrolled.data.parse.table import Table
from unrolled.errors import DataError


def _table_of(separator: str = ",", **columns: Sequence[object]) -> Table:
    """Columns of texts, in rows 2, 3, 4 of flow.csv."""
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    return Table(arrays, "flow.csv", lambda row: f"flow.csv row {row + 2}", separator=separator)


def _fault_of(table: Table, name: str) -> str:
    with pytest.raises(DataError) as fault:
        table.numbers(name)
    return str(fault.value)


def test_text_among_numbers_is_named() -> None:
    """Row and column are those that a person sees."""
    assert _fault_of(_table_of(level=["1", "2", "n.v."]), "level") == (
        "flow.csv row 4, column 'level': expected a number, got 'n.v.'. Correct it, or leave it empty and "
        "say how gaps are filled with fill=."
    )


@pytest.mark.parametrize("text", ["inf", "-Infinity", "INF"])
def test_an_infinite_number_is_named(text: str) -> None:
    """However it is written."""
    assert _fault_of(_table_of(level=["1", text, "2"]), "level").startswith(
        "flow.csv row 3, column 'level': expected a finite number, got "
    )


@pytest.mark.parametrize(("text", "other"), [("1,234", "987"), ("1.234", "987"), ("-12.345", "17")])
@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_two_readings_are_a_fault(text: str, other: str, separator: str) -> None:
    """A factor of a thousand is not guessed: some numbers with three decimals and others with none."""
    bare, decimal = (text.replace(",", mark).replace(".", mark) for mark in ("", "."))
    assert _fault_of(_table_of(separator=separator, level=[other, text]), "level") == (
        "flow.csv row 3, column 'level': expected a number with a decimal point and no thousands marked, got "
        f"{text!r}, which can be {bare} or {decimal}. Write the column so, with all its decimals."
    )


def test_numbers_with_one_reading_are_parsed() -> None:
    """Three decimals in every number, a leading zero, another length, or a comma as separator."""
    for level in (["1.234", "5.678"], ["0.234", "5"], ["1.5", "1.234", "7"]):
        assert _table_of(separator=";", level=level).numbers("level").tolist() == [float(x) for x in level]
    assert _table_of(separator=",", level=["1.234", "5"]).numbers("level").tolist() == [1.234, 5]
    assert _table_of(separator=";", level=["1.234", "5"], a=["1.5", "2"]).numbers("level")[0] == 1.234


def test_an_assumed_separator_is_remarked() -> None:
    """A comma file's quoted comma groups thousands: likely, so said."""
    table = _table_of(separator=",", level=["1,234", "987"])
    assert table.numbers("level").tolist() == [1234, 987]
    assert table.remarks == ["commas of column 'level' were read as grouping thousands"]


def test_one_column_tells_for_the_others() -> None:
    """A decimal comma anywhere in a file makes its points group digits."""
    table = _table_of(separator=";", a=["1,5", "2,5"], b=["1.234", "987"])
    assert table.numbers("b").tolist() == [1234, 987]
    assert _table_of(separator=";", a=["1,5"], c=["1,234"]).numbers("c").tolist() == [1.234]
    assert _table_of(separator=";", c=["1,234"], d=["1,234.5"]).numbers("c").tolist() == [1234]
    assert _table_of(separator=",", c=["1,234"]).numbers("c").tolist() == [1234]


def test_times_are_no_numbers() -> None:
    """A column of dates cannot be a target."""
    table = Table({"ds": np.array(["2020-01-01"], dtype="M8[ns]")}, "data frame", str)
    assert _fault_of(table, "ds").startswith("0, column 'ds': expected a number, got '2020-01-01")


def test_a_column_that_is_not_there() -> None:
    """The nearest name is offered, else all of them."""
    table = _table_of(level=["1"], date=["2020-01-01"])
    for name, offer in (("levle", "Did you mean 'level'?"), ("x", "Its columns are 'level', 'date'.")):
        with pytest.raises(DataError) as fault:
            table.require_column(name, "target")
        assert (
            str(fault.value)
            == f"flow.csv: expected a column {name!r} as target, got none of that name. {offer}"
        )


def test_a_column_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question of schema inference reads the same numbers, and an assumption is remarked once."""
    calls, to_numbers = [], parse_table.to_numbers
    monkeypatch.setattr(parse_table, "to_numbers", lambda *args: calls.append(args) or to_numbers(*args))
    flow = _table_of(separator=";", level=["1,5", "2"], x=["1,234", "7"])
    assert flow.numbers("x") is flow.numbers("x")
    assert len(calls) == len(flow.remarks) == 1


@pytest.mark.parametrize(
    ("level", "separator", "numbers", "words"),
    [
        (["$1,250.50", "$3.00", ""], ",", [1250.5, 3, np.nan], "'$' beside its numbers was read as the unit"),
        (["3,50 €", "1.234,00 €"], ";", [3.5, 1234], "'€'"),
        (["-USD 5", "USD -7.5"], ",", [-5, -7.5], "'USD'"),
        (["12%", "5.5%"], ",", [12, 5.5], "'%'"),
        (["(1,234)", "(5)", "17"], ",", [-1234, -5, 17], ""),
        (["1,234.5-", "17"], ",", [-1234.5, 17], ""),
        (
            ["1.23M", "45.2K", "950"],
            ",",
            [1.23e6, 45_200, 950],
            "'K', 'M' beside its numbers was read as multiples",
        ),
        (["5 kWh", "7.5 kWh"], ",", [5, 7.5], "'kWh'"),
        (["12.3 p", "10.1", "9 b"], "\t", [12.3, 10.1, 9], "'b', 'p' beside its numbers was read as flags"),
        (["12.3 p", "9 b"], "\t", [12.3, 9], "'b', 'p'"),
        (["1,20,000", "5,00,000", "17"], ",", [120_000, 500_000, 17], ""),
        (["1.234", "", "5.678"], ";", [1.234, np.nan, 5.678], "points were read as decimal"),
        (["\\N", "..", ":", "n.a.", "***", "5"], ",", [np.nan] * 5 + [5], ""),
    ],
)
def test_what_stands_beside_numbers(
    level: list[str], separator: str, numbers: list[float], words: str
) -> None:
    """Signs of currencies, percents, units, multiples and flags, with a note; brackets are a minus."""
    table = _table_of(separator=separator, level=level)
    assert table.kinds["level"] == "number"
    assert np.array_equal(table.numbers("level"), numbers, equal_nan=True)
    remarks = [remark for remark in table.remarks if "commas" not in remark]
    assert len(remarks) == bool(words)
    assert all(remark.startswith(f"column 'level': {words}") for remark in remarks)


@pytest.mark.parametrize(
    "level", [["1A", "2A"], ["SKU1", "SKU2"], ["1/2", "3/4"], ["5", "12%", "$3"], ["1x", "2y"]]
)
def test_codes_and_mixed_units_are_texts(level: list[str]) -> None:
    """What not all share is no unit."""
    assert _table_of(level=level).kinds["level"] == "text"


def test_a_number_without_the_unit_of_the_others_is_named() -> None:
    """The column is read as a whole."""
    assert "row 3, column 'level': expected a number, got '5'" in _fault_of(
        _table_of(level=["12%", "5", "7%", "8%"]), "level"
    ) or "got '12%'" in _fault_of(_table_of(level=["12%", "5", "7%", "8%"]), "level")
