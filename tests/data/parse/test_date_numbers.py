"""Numbers that are dates, and numbers that are not."""

import numpy as np
import pytest

from unrolled.data.parse.date_numbers import from_numbers
from unrolled.data.parse.date_parts import DateColumn
from unrolled.errors import ArgumentError, DataError


def _read(values: object, name: str = "time", date_format: str | None = None) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    column = DateColumn(name, lambda row: f"flow.csv row {row + 2}", "")
    times = from_numbers(np.array(values), column, notes, date_format)
    return times.astype("M8[m]" if times.dtype.kind == "M" else str).astype(str).tolist(), notes


def test_hours_of_days_are_not_seconds_since_1970() -> None:
    """2021010100 is a morning of 2021; the note names the other reading and how to ask for it."""
    times, notes = _read([2021010100, 2021010123, 2021010124])
    assert times == ["2021-01-01T00:00", "2021-01-01T23:00", "2021-01-02T00:00"]
    assert "yyyymmddHH" in notes[0]
    assert "2034" in notes[0]
    assert "date_format='s'" in notes[0]
    assert _read([2021010100], date_format="s")[0] == ["2034-01-16T07:41"]
    assert _read([2021010100], date_format="number")[0] == ["2021010100"]


@pytest.mark.parametrize(
    "values", [[2021010125, 2021010100], [2021023000, 2021020100], [1577836800, 1577836860]]
)
def test_one_hour_that_never_was_makes_seconds(values: list[int]) -> None:
    """All values of a column are compact dates, or none."""
    assert "s since 1970" in _read(values)[1][0]


def test_days_that_never_were_are_named() -> None:
    """20210229 among dates is a slip, and no time of another kind: it stays missing, to be named."""
    assert _read([20210228, 20210229])[0] == ["2021-02-28T00:00", "NaT"]


def test_epochs_of_two_units_are_told_apart_by_row() -> None:
    """Binance writes milliseconds up to 2024 and microseconds since."""
    values = [1735689540000, 1735689600000000, 1735689660000000]
    times, notes = _read(values)
    assert times == ["2024-12-31T23:59", "2025-01-01T00:00", "2025-01-01T00:01"]
    assert "ms and us since 1970" in notes[0]
    assert "flow.csv row 3" in notes[0]
    assert _read([values[0], values[1] // 10**6])[0] == ["2024-12-31T23:59", "2025-01-01T00:00"]


def test_days_of_a_spreadsheet_need_a_name() -> None:
    """44197 in a column called Date is 2021-01-01, with its clock; in another column it is a number."""
    assert _read([44197, 44198], "Date")[0] == ["2021-01-01T00:00", "2021-01-02T00:00"]
    assert _read([44197.0, 44197.0416667, 44197.0833333], "Datum")[0][1:] == [
        "2021-01-01T01:00",
        "2021-01-01T02:00",
    ]
    assert _read([44197, 44198], "load")[0] == ["44197", "44198"]
    assert _read([44197, 44198], "load", "excel")[0][0] == "2021-01-01T00:00"


def test_months_after_a_point() -> None:
    """Shiller's 1871.1 is October, after 1871.09."""
    times, _ = _read([1871.01, 1871.09, 1871.1, 1871.12], "Date")
    assert times == ["1871-01-01T00:00", "1871-09-01T00:00", "1871-10-01T00:00", "1871-12-01T00:00"]
    with pytest.raises(DataError, match="expected a date or a whole number"):
        _read([1871.04, 1871.29, 1871.37], "Date")


def test_fractions_of_a_second_since_1970() -> None:
    """As Unix clocks are logged."""
    column = DateColumn("time", str, "")
    times = from_numbers(np.array([1577836800.25, 1577836801.5]), column, [], None)
    assert times.astype("M8[ms]").astype(str).tolist() == [
        "2020-01-01T00:00:00.250",
        "2020-01-01T00:00:01.500",
    ]


def test_an_unknown_option() -> None:
    """The sentence lists those that there are."""
    with pytest.raises(ArgumentError, match=r"date_format: expected .*ms.*excel.* or number .*got 'dmy'"):
        _read([1, 2], date_format="dmy")
