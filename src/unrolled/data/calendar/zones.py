"""Clocks that change: local times of a zone to UTC, and zones in which a repeated or missing hour is one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import Ints, Times, format_time
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import suggest_spelling

# One for each rule of changing clocks, which others share.
_EXAMPLES = (
    "Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "Australia/Sydney",
    "America/Santiago",
)  # fmt: skip


def check_zone(zone: Any) -> str | None:
    """Return the name of a time zone, or None.

    Raises:
        ArgumentError: there is no zone of that name; the nearest spelling is offered.
    """
    if zone is None or (isinstance(zone, str) and zone in available_timezones()):
        return zone
    offer = suggest_spelling(zone, sorted(available_timezones())) if isinstance(zone, str) else ""
    raise ArgumentError(f"zone: expected a time zone such as 'Europe/Berlin', got {zone!r}.{offer}")


def zone_to_utc(times: Times, series: Ints, zone: str, where: str) -> NDArray[Any]:
    """Bring times by the clock of a zone to UTC; of an hour that occurs twice, the order of rows tells which.

    Args:
        times: (T,) datetime64[ns] in the order of the rows, rising or falling within each series.
        series: (T,) the series of each.
        zone: its name.
        where: what messages call the column.

    Raises:
        DataError: a time is in an hour that the zone leaves out, or once in an hour that it has twice.

    >>> night = np.array(["2021-10-31T02:00", "2021-10-31T02:00", "2021-10-31T03:00"], "M8[ns]")
    >>> zone_to_utc(night, np.zeros(3, np.int64), "Europe/Berlin", "time").astype("M8[h]").tolist()[:2]
    [datetime.datetime(2021, 10, 31, 0, 0), datetime.datetime(2021, 10, 31, 1, 0)]
    """
    result = np.empty(len(times), dtype="datetime64[ns]")
    for one in np.unique(series):
        rows = np.flatnonzero(series == one)
        rows = rows[::-1] if times[rows[0]] > times[rows[-1]] else rows
        first, second = (_localized(times[rows], zone, is_first=is_first) for is_first in (True, False))
        if (lost := np.isnat(first)).any():
            got = format_time(times[rows[lost.argmax()]])
            raise DataError(
                f"{where}: expected times by the clock of {zone}, got {got}, which it leaves out. Name "
                "another zone with zone=, or correct that row."
            )
        is_twice = first != second
        is_later = _is_second_pass(times[rows], is_twice)
        if (is_once := is_twice & ~is_later & ~_has_second_pass(times[rows], is_twice & is_later)).any():
            once = format_time(times[rows[is_once.argmax()]])
            raise DataError(
                f"{where}: expected {once} twice, as the clock of {zone} shows it, got it once. Add the row "
                "that is missing, or write times with their distance from UTC."
            )
        result[rows] = np.where(is_later, second, first)
    return result


def _localized(local: Times, zone: str, *, is_first: bool) -> Times:
    """Bring local times (T,) to UTC, those that occur twice as the first or the second; NaT for lost ones."""
    is_summer = np.full(len(local), is_first)
    moments = pd.DatetimeIndex(local).tz_localize(zone, ambiguous=is_summer, nonexistent="NaT")
    return np.asarray(moments.tz_convert("UTC").tz_localize(None).to_numpy(), dtype="datetime64[ns]")


def _is_second_pass(local: Times, is_twice: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask times (T,) in an hour that occurs twice, from the row on at which they do not rise."""
    falls = np.append(False, np.diff(local).astype(np.int64) <= 0) & is_twice
    starts = is_twice & ~np.append(False, is_twice[:-1])
    n_falls = np.cumsum(falls)
    before = np.maximum.accumulate(np.where(starts, n_falls - falls, 0))
    return is_twice & (n_falls > before)


def _has_second_pass(local: Times, is_later: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask times (T,) of days on which an hour occurs twice among the rows."""
    days = local.astype("datetime64[D]")
    return np.isin(days, days[is_later])


def zone_with_repeated(time: Any) -> str:
    """Name a zone whose clock shows a time twice, as it goes back; "" if none of the usual ones does.

    >>> zone_with_repeated(np.datetime64("2021-10-31T02:30")), zone_with_repeated(np.datetime64("2021-10-30"))
    ('Europe/Berlin', '')
    """
    local = _as_datetime(time)
    for zone in _EXAMPLES if local else ():
        if _offset(local, zone, 0) > _offset(local, zone, 1):
            return zone
    return ""


def zone_with_skipped(before: Any, after: Any) -> str:
    """Name a zone whose clock goes forward by one hour from one time to another; "" if no usual one does.

    >>> zone_with_skipped(np.datetime64("2021-03-28T01:45"), np.datetime64("2021-03-28T03:00"))
    'Europe/Berlin'
    """
    start, end = _as_datetime(before), _as_datetime(after)
    for zone in _EXAMPLES if start and end and (end - start).total_seconds() <= 3 * 3600 else ():
        if _offset(end, zone, 0) - _offset(start, zone, 0) == 3600:
            return zone
    return ""


def _as_datetime(time: Any) -> datetime | None:
    return pd.Timestamp(time).to_pydatetime() if isinstance(time, np.datetime64) else None


def _offset(local: datetime | None, zone: str, fold: int) -> float:
    assert local is not None
    distance = local.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset()
    return 0.0 if distance is None else distance.total_seconds()
