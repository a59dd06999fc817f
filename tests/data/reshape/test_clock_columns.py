"""Date in one column and clock in another: one time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.parse.table import Table
from unrolled.data.reshape.clock_columns import join_clock
from unrolled.errors import DataError

HOURS = pd.date_range("2021-01-10", periods=96, freq="h")
HALVES = pd.date_range("2021-01-10", periods=96, freq="30min")


def _columns(times: pd.DatetimeIndex, **columns: Any) -> dict[str, list[Any]]:
    made = {
        name: [make(t) if callable(make) else format(t, make) for t in times]
        for name, make in columns.items()
    }
    return made | {"load": list(range(len(times)))}


@pytest.mark.parametrize(
    "columns",
    [
        _columns(HOURS, Date="%Y-%m-%d", Time="%H:%M"),
        _columns(HOURS, Datum="%d.%m.%Y", Uhrzeit="%H:%M:%S"),
        _columns(HOURS, Date="%m/%d/%Y", Time="%I:%M %p"),
        _columns(HOURS, date="%Y-%m-%d", hour=lambda t: t.hour),
        _columns(HOURS, dteday="%Y-%m-%d", hr=lambda t: t.hour),
        _columns(HOURS, date=lambda t: 10000 * t.year + 100 * t.month + t.day, time=lambda t: 100 * t.hour),
        _columns(HOURS, date=lambda t: t.normalize(), hour=lambda t: t.hour),
        _columns(HOURS, date=lambda t: t.date(), time=lambda t: t.time()),
        _columns(
            HOURS, year=lambda t: t.year, month=lambda t: t.month, day=lambda t: t.day, hour=lambda t: t.hour
        ),
        _columns(HOURS, Year=lambda t: t.year, Mon="%b", Day=lambda t: t.day, Hour=lambda t: t.hour),
        _columns(HALVES, DATE="%d-%b-%Y", HOUR=lambda t: t.hour, MIN=lambda t: t.minute),
        _columns(
            HALVES, SETTLEMENT_DATE="%d-%b-%Y", SETTLEMENT_PERIOD=lambda t: 2 * t.hour + t.minute // 30 + 1
        ),
    ],
)
def test_date_and_clock_are_one_time(columns: dict[str, Any]) -> None:
    """One series at even steps from the first time to the last, and a note that says what was joined."""
    series = read(columns)
    require_regular(series)
    times = HALVES if len(set(columns.get("MIN", "")) | set(columns.get("SETTLEMENT_PERIOD", ""))) else HOURS
    assert series.ids == ("load",)
    assert series.times.tolist() == times.values.astype("M8[ns]").tolist()
    assert "were put together as the time" in series.notes[0]


def test_hours_from_1_to_24_end_at_midnight() -> None:
    """Hour 24 is 00:00 of the next day; hour 25, where clocks are set back, is named."""
    columns = _columns(HOURS, date="%Y-%m-%d", hour=lambda t: t.hour + 1)
    series = read(columns)
    assert [str(t)[:16] for t in series.times[[0, 23]]] == ["2021-01-10T01:00", "2021-01-11T00:00"]
    assert any("24:00" in note for note in series.notes)
    columns["hour"][23] = 25
    with pytest.raises(DataError, match=r"row 23 .* got '2021-01-10 25:00'"):
        read(columns)


def _counted(times: pd.DatetimeIndex, minutes: int) -> dict[str, Any]:
    """Half hours, or hours, numbered from 1 through each local day."""
    days = times.tz_localize(None).normalize()
    numbers = pd.Series(1, index=range(len(days))).groupby(days).cumsum()
    return {"day": days.astype(str), "period" if minutes == 30 else "hour": numbers, "y": range(len(days))}


@pytest.mark.parametrize(("zone", "minutes"), [("Europe/London", 30), ("Europe/Madrid", 60)])
@pytest.mark.parametrize("start", ["2021-03-26", "2021-10-29"])
def test_numbered_hours_run_on_where_clocks_change(zone: str, minutes: int, start: str) -> None:
    """50 or 46 half hours, 25 or 23 hours on one Sunday: the steps stay even, and a note says so."""
    times = pd.date_range(start, periods=5 * 24 * 60 // minutes, freq=f"{minutes}min", tz=zone)
    series = read(_counted(times, minutes))
    require_regular(series)
    assert len(series.values) == len(times)
    assert "days on which clocks change" in series.notes[0]


def test_a_day_without_its_last_hours_is_no_change_of_clocks() -> None:
    """On a weekday, on the last day, or with a hole: hours are missing, and are named as such."""
    times = pd.date_range("2021-06-01", periods=240, freq="30min", tz="UTC")
    for dropped in (slice(46, 48), slice(238, 240)):
        rows = (
            pd.DataFrame(_counted(times, 30)).drop(index=range(*dropped.indices(240))).reset_index(drop=True)
        )
        assert "days on which" not in read(rows).notes[0]
    rows["period"] = rows["period"].where(rows.index != 45, 49)
    with pytest.raises(DataError, match=r"expected half hours from 1 to 48, .* got 49 on 2021-06-01"):
        read(rows)


@pytest.mark.parametrize(
    ("clocks", "minutes"),
    [
        (["00.15", "06.15", "12.15", "18.15"], [15, 375, 735, 1095]),
        (["0.00", "0.30", "1.00", "1.30"], [0, 30, 60, 90]),
        (["0.00", "0.25", "0.50", "1.75"], [0, 15, 30, 105]),
        ([0.0, 0.5, 1.0, 12.5], [0, 30, 60, 750]),
        ([0.0, 0.17, 0.33, 11.83], [0, 10, 20, 710]),
        ([0.0, 0.010417, 0.5, 0.989583], [0, 15, 720, 1425]),
        (["0:00 Uhr", "6:15 Uhr", "12 Uhr", "18:00 Uhr"], [0, 375, 720, 1080]),
        (["0h", "6h15", "12h30", "18h"], [0, 375, 750, 1080]),
        (["00:00-06:00", "06:00-12:00", "12:00-18:00", "18:00-24:00"], [0, 360, 720, 1080]),
        (["00:00 bis 00:15", "00:15 bis 00:30", "00:30 bis 00:45", "00:45 bis 01:00"], [0, 15, 30, 45]),
    ],
)
def test_clocks_with_points_and_spans_are_clocks(clocks: list[Any], minutes: list[int]) -> None:
    """HH.MM, decimal hours, parts of a day as spreadsheets count, and spans of time by their start."""
    times = read(_table_of_clocks(clocks)).times
    since = (times - np.datetime64("2021-03-01")).astype("m8[m]").astype(int)
    assert since.tolist() == [*minutes, *(1440 + m for m in minutes)]


def test_decimals_that_keep_no_step_are_no_clocks() -> None:
    """Seconds of a race stay a column, though its name is that of a clock."""
    columns = {"date": np.repeat(["2021-03-01", "2021-03-02"], 3), "time": [9.581, 9.693, 9.784] * 2}
    assert read(columns | {"y": range(6), "runner": list("abc") * 2}, id="runner").freq == "D"


def _table_of_clocks(clocks: list[Any]) -> dict[str, Any]:
    days = np.repeat(["2021-03-01", "2021-03-02"], len(clocks))
    return {"Datum": days, "Zeitraum": clocks * 2, "Last": range(len(days))}


@pytest.mark.parametrize(
    ("parts", "freq"), [({"month": "MS", "m": "month"}, "MS"), ({"month": "QS", "m": "quarter"}, "QS")]
)
def test_year_and_month_or_quarter_are_one_time(parts: dict[str, str], freq: str) -> None:
    """As statistics offices write them, each in a column of its own."""
    times = pd.date_range("2020", periods=24, freq=freq)
    series = read({"year": times.year, parts["m"]: getattr(times, parts["m"]), "y": range(24)})
    assert (series.freq, str(series.times[-1])[:7]) == (freq, str(times[-1])[:7])


def test_several_series_keep_their_ids() -> None:
    """Two meters, each with its hours."""
    one = pd.DataFrame(_columns(HOURS, Date="%Y-%m-%d", Time="%H:%M"))
    series = read(pd.concat([one.assign(meter="a"), one.assign(meter="b")]), id="meter", target="load")
    assert series.ids == ("a", "b")
    assert series.freq == "h"


def _table(columns: dict[str, Any]) -> Table:
    return Table({name: np.array(v, dtype=object) for name, v in columns.items()}, "flow.csv", str)


@pytest.mark.parametrize(
    "columns",
    [
        {"date": ["2021-01-01", "2021-01-02"], "time": ["10:00", "11:00"]},  # a clock a day
        {"date": ["2021-01-01 10:00", "2021-01-01 10:00"], "hour": ["10", "10"]},  # the date has its clock
        {"date": ["2021-01-01", "2021-01-01"], "time": ["morning", "evening"]},
        {"date": ["2021-01-01", "2021-01-01"], "load": ["1", "2"]},
        {"year": ["2021", "2022"], "month": ["1", "1"]},
    ],
)
def test_other_tables_stay_as_they_are(columns: dict[str, Any]) -> None:
    """Nothing is joined where dates do not repeat, have a clock, or stand beside none."""
    table = _table(columns)
    assert join_clock(table, (), time=None, date_format=None) is table


def test_columns_with_a_role_stay() -> None:
    """An hour that is known ahead orders the rows and remains a column."""
    columns = _columns(HOURS, date="%Y-%m-%d", hour=lambda t: t.hour)
    series = read(columns, target="load", future="hour")
    assert series.columns == ("load", "hour")
    assert series.freq == "h"
