"""Join a date in one column and its clock in another, or year, month and day, to one column of times."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.parse.column_names import DATES, bare, date_parts
from unrolled.data.parse.datetimes import as_text, parse_times
from unrolled.data.parse.notations import CLOCK
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

Texts: TypeAlias = "pd.Series[Any]"
_NUMBERED = {"q": r"[QqTt]\s?[1-4]|[1-4]\s?[QqTt]", "h": r"[HhSs]\s?[12]", "w": r"([Ww]|KW)\s?\d\d?"}
_AROUND_CLOCK = re.compile(
    r"^\s*(?:hour|hr|he|h)\s*(?=\d)|(?:(?<=:\d\d)\s*|\s+)(?:[-–]|to|bis)\s*\d\d?:\d\d\s*$|(?<=\d)\s*(?:uhr|h)\s*$",
    re.IGNORECASE,
)
_LEAST_MINUTES = 5  # between clocks that are written as decimals; others are no clocks
_ROUNDED_S = 20  # by which an hour with two decimals may be off
_DAY_LENGTH = {"H": (24, 60), "p": (48, 30)}  # parts of a day, and the minutes of each


def join_clock(table: Table, named: Collection[str], *, time: str | None, date_format: str | None) -> Table:
    """Join columns that say together when a row is: date and clock where dates repeat, or year and month.

    Args:
        table: with the columns.
        named: columns that have a role already; they stay beside the joined one.
        time: the column that the caller names as time.
        date_format: how dates are written, for `parse_times`.

    >>> columns = {"Date": ["2020-01-01"] * 2, "Time": ["00:00", "12:00"], "kWh": [1.0, 2.0]}
    >>> table = Table({name: np.array(v, dtype=object) for name, v in columns.items()}, "meter.csv", str)
    >>> join_clock(table, (), time=None, date_format=None).columns["Date"].tolist()
    ['2020-01-01 00:00', '2020-01-01 12:00']
    """
    parts = date_parts(list(table.columns))
    if "d" in parts and table.kinds[parts["d"]] == "time":  # a day is a date here
        del parts["d"]
    dates = [
        n for n in table.columns if n not in parts.values() and n not in table.zones and _is_date(table, n)
    ]
    date = time if time in dates else next(iter(dates), None)
    if date is not None and parts.keys().isdisjoint("Hp"):
        return table
    if date is not None:
        days, used = _days(table, date, date_format), [date]
    else:
        days, used = _joined_date(table, parts)
    if days is None or (time and time not in {date, *parts.values()}):
        return table
    clock, why = None, ""
    if days.duplicated().any():
        clock, clocks, why = _clocks(table, {part: n for part, n in parts.items() if n not in used}, days)
        used += clocks
    if len(used) < 2:
        return table
    name = time or date or "ds"
    joined = (days if clock is None else clock).to_numpy(dtype=object)
    rest = {n: v for n, v in table.columns.items() if n not in used or (n in named and n != name)}
    note = f"columns {', '.join(map(repr, used))} were put together as the time {name!r}{why}"
    return replace(table, columns={name: joined, **rest}, notes=(*table.notes, note))


def _is_date(table: Table, name: str) -> bool:
    return table.kinds[name] == "time" or (table.kinds[name] == "number" and bare(name) in DATES)


def _days(table: Table, name: str, date_format: str | None) -> Texts | None:
    """Write the dates of a column (T,) as texts; None where some have a clock, or are no dates."""
    values = table.columns[name]
    if table.kinds[name] == "number" and not (
        values.dtype.kind == "O" and (date_format or "").startswith("%")
    ):
        values = table.numbers(name)
    times, _ = parse_times(values, name=name, place=table.place, utc=True, date_format=date_format)
    if times.dtype.kind != "M" or (times != times.astype("datetime64[D]")).any():
        return None
    return pd.Series(times.astype("datetime64[D]").astype(str), dtype=object)


def _joined_date(table: Table, parts: dict[str, str]) -> tuple[Texts | None, list[str]]:
    """Write year, month, quarter or day of the year, and day as texts (T,), and list their columns.

    None stands where there are no such columns.
    """
    finer = next((part for part in "mqhwj" if part in parts), "")
    used = [part for part in ("Y", finer, "d" if finer == "m" else "") if part in parts]
    are_numbers = [_are_numbered(table, parts[part], part) for part in used if part != "m"]
    if len(used) < 2 or used[0] != "Y" or not all(are_numbers):
        return None, []
    joined = _texts(table, parts["Y"])
    if not joined.duplicated().any():
        return None, []
    if finer == "j":
        days = _of_ordinals(joined, _texts(table, parts["j"]))
        return days, [] if days is None else [parts[part] for part in used]
    for part in used[1:]:
        texts = _texts(table, parts[part])
        if part in "qhw":
            texts = texts.str.extract(r"(\d+)", expand=False)
        joined = joined + {"q": "-Q", "h": "-H", "w": "-W"}.get(part, "-") + texts
    return joined, [parts[part] for part in used]


def _of_ordinals(years: Texts, ordinals: Texts) -> Texts | None:
    """Write years and days of the year (T,) as dates; None where one is no such day."""
    days = pd.to_datetime(years + "-" + ordinals.str.zfill(3), format="%Y-%j", errors="coerce")
    return None if days.isna().any() else days.dt.strftime("%Y-%m-%d").astype(object)


def _are_numbered(table: Table, name: str, part: str) -> bool:
    """Return whether a column holds numbers, or quarters, halves or weeks as texts: Q1, 1Q, H1, W05."""
    if table.kinds[name] == "number":
        return True
    texts = pd.Series(table.columns[name], dtype=object).astype(str)
    pattern = _NUMBERED.get(part)
    return pattern is not None and bool(texts.str.strip().str.fullmatch(pattern).all())


def _clocks(table: Table, parts: dict[str, str], days: Texts) -> tuple[Texts | None, list[str], str]:
    """Write days with clocks (T,), of columns of hours, minutes and seconds, or of half hours.

    Returns:
        The texts, the columns, and what the note adds.
    """
    part = next((part for part in "Hp" if part in parts), None)
    if part is None:
        return None, [], ""
    name = parts[part]
    written = pd.Series(table.columns[name], dtype=object).map(as_text, na_action="ignore")
    if table.kinds[name] != "number":
        texts = written.str.replace(_AROUND_CLOCK, "", regex=True)
        texts = texts.str.replace(r"^(\d\d?)[.h](\d\d)(?:[.](\d\d))?$", _with_colons, regex=True)
        are_clocks = texts.iloc[:2000].str.fullmatch(CLOCK).mean() >= 0.5
        return (days + " " + texts, [name], "") if are_clocks else (None, [], "")
    hours = pd.Series(table.numbers(name))
    if hours.isna().any() or hours.min() < 0 or hours.max() > 2400:
        return None, [], ""
    if (hours != np.floor(hours)).any():
        clocks, why = _decimal_clocks(hours) if part == "H" else (None, "")
        return (None, [], "") if clocks is None else (days + " " + clocks, [name], why)
    finer = [parts[p] for p in "MS" if p in parts and table.kinds[parts[p]] == "number"]
    if not finer and (starts := _changed_days(table, name, hours, days, part)) is not None:
        note = ", counted from the first midnight: days on which clocks change are shorter or longer"
        moments = starts + ((hours - (part == "p")) * _DAY_LENGTH[part][1]).to_numpy(dtype="m8[m]")
        return pd.Series(moments.astype("datetime64[m]").astype(str), dtype=object), [name], note
    if part == "p":
        minutes = (hours - 1) * 30
        return days + " " + _text_of(minutes // 60, minutes % 60), [name], ""
    if hours.max() > 25:
        return days + " " + _text_of(hours // 100, hours % 100), [name], ""
    of_columns = _text_of(hours, *(pd.Series(table.numbers(n)) for n in finer))
    return days + " " + of_columns, [name, *finer], ""


def _with_colons(match: re.Match[str]) -> str:
    return ":".join(part for part in match.groups() if part)


def _decimal_clocks(hours: pd.Series[float]) -> tuple[Texts | None, str]:
    """Write clocks (T,) of numbers with decimals: 7.15 as 07:15, 7.5 as half past, 0.3125 as a part of a day.

    Returns:
        The texts, None where the numbers are no clocks, and what the note adds.
    """
    minutes = (100 * hours).round() % 100
    are_quarters = minutes.nunique() > 1 and set(minutes) <= {0, 25, 50, 75}
    if np.allclose(100 * hours, (100 * hours).round()) and minutes.max() <= 59 and not are_quarters:
        return _text_of(hours // 1, minutes), ""
    of_day = hours.max() < 1
    exact = hours * (24 * 60 if of_day else 60)
    minutes = exact.round()
    is_off = (exact - minutes).abs().max() * 60 > _ROUNDED_S
    if is_off or minutes.max() > 24 * 60 or np.gcd.reduce(minutes.astype(int)) < _LEAST_MINUTES:
        return None, ""
    return _text_of(minutes // 60, minutes % 60), f", {'parts of a day' if of_day else 'hours'} as decimals"


def _changed_days(
    table: Table, name: str, numbers: pd.Series[Any], days: Texts, part: str
) -> NDArray[Any] | None:
    """Count the starts of days (T,) in hours that passed, where some day is longer or shorter than others.

    Hours or half hours are then numbered from 1 through each day: 1 to 25 where clocks go back, 1 to 23 on
    the Sunday on which they go forward. None where all days are of 24 hours.

    Raises:
        DataError: a day has more half hours than it can have.
    """
    usual, minutes = _DAY_LENGTH[part]
    hour = 60 // minutes
    if numbers.min() != 1:
        return None
    counts = numbers.groupby(days.astype("datetime64[s]")).agg(["max", "nunique"])
    starts, largest = counts.index.to_numpy().astype("datetime64[D]"), counts["max"].to_numpy()
    n_distinct, is_sunday = counts["nunique"].to_numpy(), starts.astype(np.int64) % 7 == 3
    is_long = (largest > usual) & (largest <= usual + hour) & (n_distinct > usual) & is_sunday
    is_short = (largest == usual - hour) & (n_distinct == usual - hour) & is_sunday
    is_short &= (starts > starts[0]) & (starts < starts[-1])
    if part == "p" and (largest[~is_long] > usual).any():
        row = int(np.argmax((numbers > usual) & ~np.isin(days.to_numpy("datetime64[D]"), starts[is_long])))
        raise DataError(
            f"{table.place(row)}, column {name!r}: expected half hours from 1 to 48, and to 50 on a Sunday "
            f"on which clocks go back, got {numbers[row]:g} on {days[row]}. Correct that row."
        )
    if not (is_long | is_short).any():
        return None
    extra = np.cumsum(is_long.astype(np.int64) - is_short) - (is_long.astype(np.int64) - is_short)
    places = np.searchsorted(starts, days.to_numpy(dtype="datetime64[D]"))
    moments: NDArray[Any] = starts.astype("datetime64[m]")[places] + extra[places] * np.timedelta64(60, "m")
    return moments


def _text_of(hours: pd.Series[Any], *finer: pd.Series[Any]) -> Texts:
    """Write clocks such as 07:30 of numbers."""
    first, *rest = (numbers.astype(int).astype(str).str.zfill(2) for numbers in (hours, *finer))
    for text in rest:
        first = first + ":" + text
    return (first if rest else first + ":00").astype(object)


def _texts(table: Table, name: str) -> Texts:
    """Write a column of whole numbers or of names as texts."""
    if table.kinds[name] == "number":
        return pd.Series(table.numbers(name)).map("{:g}".format).astype(object)
    return pd.Series(table.columns[name], dtype=object).astype(str)
