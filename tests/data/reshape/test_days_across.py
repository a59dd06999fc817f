"""Days of the month and of the week across the columns are days."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.errors import DataError

MONTHS = pd.period_range("2020-01", periods=4, freq="M")
WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def _by_month(**columns: Any) -> pd.DataFrame:
    """Month by day, the value counting the days; empty where there is no such day."""
    count, rows = 0, []
    for month in MONTHS:
        rows.append([count + d if d < month.days_in_month else np.nan for d in range(31)])
        count += month.days_in_month
    return pd.DataFrame(columns).join(pd.DataFrame(rows, columns=[str(d + 1) for d in range(31)]))


def _require_days(series: Any, first: str, n_days: int) -> None:
    require_regular(series)
    assert series.ids == ("value",)
    assert str(series.times[0])[:10] == first
    assert series.target.tolist() == list(range(n_days))


@pytest.mark.parametrize(
    "months",
    [
        {"month": MONTHS.astype(str)},
        {"Monat": MONTHS.strftime("%m.%Y")},
        {"year": MONTHS.year, "month": MONTHS.month},
        {"Year": MONTHS.year, "Month": MONTHS.strftime("%B")},
    ],
)
def test_days_of_the_month_beside_months_are_days(months: dict[str, Any]) -> None:
    """One series a day a step, the leap day in it."""
    _require_days(read(_by_month(**months)), "2020-01-01", 121)


def test_days_that_there_are_not_hold_nothing() -> None:
    """A 0 there is left out as a blank is; anything else is named."""
    frame = _by_month(month=MONTHS.astype(str))
    frame.loc[1, "30"] = 0.0
    _require_days(read(frame), "2020-01-01", 121)
    frame.loc[1, "30"] = 5.0
    with pytest.raises(DataError, match="column '30': expected no value, as 2020-02 has no such day, got 5"):
        read(frame)


def test_months_without_a_year_are_refused() -> None:
    """January to April, of which year?"""
    with pytest.raises(DataError, match=r"expected months with their year .* got 1\. Write 2020-01"):
        read(_by_month(month=MONTHS.month))


def _by_week(names: list[str], **columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    values = np.arange(n * len(names)).reshape(n, -1)
    return pd.DataFrame(columns).join(pd.DataFrame(values, columns=names))


@pytest.mark.parametrize(
    ("names", "weeks", "first"),
    [
        (WEEK, {"week": [f"2021-W{k:02d}" for k in range(1, 6)]}, "2021-01-04"),
        (WEEK, {"week": pd.date_range("2021-01-04", periods=5, freq="7D")}, "2021-01-04"),
        (WEEK, {"week ending": pd.date_range("2021-01-10", periods=5, freq="7D")}, "2021-01-04"),
        ([*WEEK[6:], *WEEK[:6]], {"date": pd.date_range("2021-01-03", periods=5, freq="7D")}, "2021-01-03"),
        (["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"], {"Jahr": [2021] * 5, "KW": range(1, 6)}, "2021-01-04"),
        (
            ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
            {"year": [2021] * 5, "week": range(1, 6)},
            "2021-01-04",
        ),
    ],
)
def test_days_of_the_week_beside_weeks_are_days(names: list[str], weeks: dict[str, Any], first: str) -> None:
    """Weeks by number, or by their first or last day; in several languages."""
    _require_days(read(_by_week(names, **weeks)), first, 35)


def test_weeks_without_a_year_are_counted() -> None:
    """Steps of a day; weeks that do not follow one another are refused."""
    series = read(_by_week(WEEK, week=[1, 2, 3]))
    require_regular(series)
    assert (series.freq, len(series.values)) == ("1", 21)
    with pytest.raises(DataError, match=r"expected weeks that follow one another, .* got 53 before 1\."):
        read(_by_week(WEEK, week=[52, 53, 1]))


def test_flags_of_weekdays_beside_days_are_no_header_of_days() -> None:
    """Each day has its date already."""
    days = pd.date_range("2021-01-04", periods=14)
    flags = {name: (days.day_of_week == k).astype(int) for k, name in enumerate(WEEK)}
    series = read({"date": days, "y": range(14), **flags})
    assert (series.ids, len(series.values)) == (("y",), 14)


@pytest.mark.parametrize("name", ["J-D", "total"])
def test_what_a_row_adds_up_to_is_not_offered(name: str) -> None:
    """The mean of a year holds its later months; what never changes may be of use, and stays."""
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(6, 12)), columns=list(pd.Index(range(1, 13)).astype(str))
    )
    frame.insert(0, "year", [2018, 2019, 2020] * 2)
    frame["station"], frame["height"] = np.repeat(["a", "b"], 3), np.repeat([10.0, 20.0], 3)
    frame[name] = frame.iloc[:, 1:13].mean(axis=1)
    series = read(frame)
    notes = [note for note in series.notes if name in note]
    assert notes == [f"{name!r} left out: beside a row of times they may hold what comes later"]
    assert any("past='height'" in note for note in series.notes)
    assert read(frame, past="height").columns == ("value", "height")
    assert read(frame, past=name).columns == ("value", name)
