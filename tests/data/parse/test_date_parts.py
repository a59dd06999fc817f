"""Times from their parts, against datetime."""

import datetime as dt

import numpy as np

from unrolled.data.parse.date_parts import DateColumn, assemble


def test_parts_make_the_times_of_datetime() -> None:
    """Years, months, days and clocks of many days, leap years and all."""
    days = [dt.datetime(1900, 1, 1) + dt.timedelta(days=97 * k, seconds=7919 * k) for k in range(700)]
    parts = {"Y": "year", "m": "month", "d": "day", "H": "hour", "M": "minute", "S": "second"}
    arrays = {key: np.array([getattr(day, name) for day in days]) for key, name in parts.items()}
    assert assemble(arrays).tolist() == np.array(days, dtype="M8[ns]").tolist()


def test_weeks_and_days_of_the_year_are_those_of_iso() -> None:
    """Week 53 and day 366 exist in some years only."""
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=k) for k in range(4000)]
    week = np.array([day.isocalendar() for day in days])
    built = assemble({"Y": week[:, 0], "w": week[:, 1], "u": week[:, 2]})
    assert built.astype("M8[D]").tolist() == days
    ordinal = np.array([day.timetuple().tm_yday for day in days])
    year = np.array([day.year for day in days])
    assert assemble({"Y": year, "j": ordinal}).astype("M8[D]").tolist() == days
    assert np.isnat(assemble({"Y": np.array([2021, 2021, 2021]), "j": np.array([0, 366, 367])})[1:]).all()
    assert np.isnat(assemble({"Y": np.array([2021, 2020]), "w": np.array([53, 54])})).all()


def test_times_that_never_were_are_missing() -> None:
    """The thirtieth of February, 25:00, 24:01, the year 1500; 24:00 is the next midnight."""
    parts = {
        "Y": np.array([2020, 2020, 2020, 2020, 1500, 2020]), "m": np.array([2, 1, 1, 13, 1, 12]),
        "d": np.array([30, 1, 1, 1, 1, 31]),
        "H": np.array([0, 25, 24, 0, 0, 24]), "M": np.array([0, 0, 1, 0, 0, 0]),
    }  # fmt: skip
    times = assemble(parts)
    assert np.isnat(times).tolist() == [True] * 5 + [False]
    assert str(times[5])[:16] == "2021-01-01T00:00"


def test_a_value_that_is_no_date_is_placed() -> None:
    """The place, the column and the words."""
    column = DateColumn("day", lambda row: f"row {row + 2}", "", rows=np.array([3, 1]))
    assert column.shown(0, ["x", "y"]) == "row 5 'x'"
    assert str(column.unreadable(1, None)).startswith("row 3, column 'day': expected a date")
