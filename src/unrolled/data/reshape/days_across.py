"""Days across the columns of a table: days of the month beside months, days of the week beside weeks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.parse.column_names import date_parts
from unrolled.data.parse.date_parts import assemble
from unrolled.data.parse.date_texts import month_of
from unrolled.data.parse.datetimes import parse_times
from unrolled.data.parse.notations import WEEKDAYS
from unrolled.data.parse.numbers import are_missing
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

Times = NDArray[Any]

_DAY = re.compile(r"(?:d|day|tag)?[ _]?(\d\d?)", re.IGNORECASE)
_WEEK = re.compile(r"(?:w|kw|wk|week|woche)?[ _]?(\d\d?)", re.IGNORECASE)
_MIN_DAYS, _MIN_WEEKDAYS = 28, 5


class TimeGrid(NamedTuple):
    """Times of the cells of a table.

    Args:
        base: columns that hold one part of the time.
        spread: K columns whose names hold the other.
        times: (N, K) of each cell, NaT where there is no such day; or steps, where there is no year.
    """

    base: list[str]
    spread: list[str]
    times: Times


def days_across(table: Table, numbers: Sequence[str]) -> TimeGrid | None:
    """Find days of the month in a header beside months, or days of the week beside weeks.

    Args:
        table: perhaps with such a header.
        numbers: its columns that hold no texts.

    Raises:
        DataError: a day that there is not holds a value, or months have no year.

    >>> days = {day: np.arange(3.0) for day in ("Mon", "Tue", "Wed", "Thu", "Fri")}
    >>> weeks = np.array(["2021-01-04", "2021-01-11", "2021-01-18"], dtype=object)
    >>> days_across(Table({"week": weeks} | days, "flow.csv", str), list(days)).times[1, 2].astype("M8[D]")
    np.datetime64('2021-01-13')
    """
    days = {name: int(m[1]) for name in numbers if (m := _DAY.fullmatch(name.strip()))}
    if len(days) >= _MIN_DAYS and sorted(days.values()) == list(range(1, len(days) + 1)):
        return _days_of_months(table, days)
    if weekdays := weekday_numbers(numbers):
        return _days_of_weeks(table, weekdays)
    return None


def weekday_numbers(names: Sequence[str]) -> dict[str, int]:
    """Map the names that are days of the week to 0 (Monday) to 6, if five or more are, in one language.

    >>> weekday_numbers(["Week", "Mo", "Di", "Mi", "Do", "Fr"])
    {'Mo': 0, 'Di': 1, 'Mi': 2, 'Do': 3, 'Fr': 4}
    """
    for language in WEEKDAYS:
        days = language.split()
        numbers = {
            name: k
            for name in names
            for k, day in enumerate(days)
            if len(bare := name.strip(" .").lower()) > 1 and day.startswith(bare)
        }
        if len(set(numbers.values())) == len(numbers) >= _MIN_WEEKDAYS:
            return numbers
    return {}


def _days_of_months(table: Table, days: dict[str, int]) -> TimeGrid | None:
    rest = [name for name in table.columns if name not in days]
    base, months = _months(table, rest)
    if months is None:
        return None
    times = months.astype("datetime64[D]")[:, None] + (np.array(list(days.values())) - 1)
    is_day = times.astype("datetime64[M]") == months[:, None]
    for k, name in enumerate(days):
        values = table.numbers(name)
        if (odd := np.flatnonzero(~is_day[:, k] & ~np.isnan(values) & (values != 0))).size:
            raise DataError(
                f"{table.place(int(odd[0]))}, column {name!r}: expected no value, as {months[odd[0]]} has no "
                f"such day, got {values[odd[0]]:g}. Leave it empty."
            )
    return TimeGrid(base, list(days), np.where(is_day, times, np.datetime64("NaT", "D")))


def _months(table: Table, rest: Sequence[str]) -> tuple[list[str], Times | None]:
    """Find the months of the rows (N,), and the columns that say them."""
    for name in rest:
        if table.kinds[name] == "time":
            times, _ = parse_times(table.columns[name], name=name, place=table.place, utc=True)
            months = times.astype("datetime64[M]")
            return ([name], months) if (times == months).all() else ([], None)
    parts = date_parts(rest)
    if "m" not in parts:
        return [], None
    name = parts["m"]
    numbers = np.array([month_of(str(value)) for value in table.columns[name]], dtype=np.float64)
    if not numbers.all():
        return [], None
    if "Y" not in parts:
        raise DataError(
            f"{table.source}, column {name!r}: expected months with their year beside days of the month "
            f"across the columns, got {table.columns[name][0]}. Write 2020-01, or add a column year."
        )
    times = assemble({"Y": table.numbers(parts["Y"]), "m": numbers})
    return [parts["Y"], name], times.astype("datetime64[M]")


def _days_of_weeks(table: Table, weekdays: dict[str, int]) -> TimeGrid | None:
    rest = [name for name in table.columns if name not in weekdays]
    offsets = np.array(list(weekdays.values()))
    spread = list(weekdays)
    for name in rest:
        if table.kinds[name] == "time":
            times, _ = parse_times(table.columns[name], name=name, place=table.place, utc=True)
            days = times.astype("datetime64[D]")
            of_week = np.unique((days.astype(np.int64) + 3) % 7)
            if len(of_week) != 1 or (times != days).any():
                return None
            first = int(of_week[0])
            if first == offsets[-1] != offsets[0]:  # named by its last day
                return TimeGrid([name], spread, days[:, None] - (first - offsets) % 7)
            return TimeGrid([name], spread, days[:, None] + (offsets - first) % 7)
    parts = date_parts(rest)
    if "w" not in parts:
        return None
    weeks = _numbered_weeks(table, parts["w"])
    if weeks is None:
        return None
    if "Y" in parts:
        mondays = assemble({"Y": table.numbers(parts["Y"]), "w": weeks}).astype("datetime64[D]")
        grid = TimeGrid([parts["Y"], parts["w"]], spread, mondays[:, None] + offsets)
        return None if np.isnat(mondays).any() else grid
    if (np.diff(weeks) != 1).any():
        at = int(np.argmax(np.diff(weeks) != 1))
        raise DataError(
            f"{table.source}, column {parts['w']!r}: expected weeks that follow one another, or with their "
            f"year, beside days of the week across the columns, got {weeks[at]:g} before {weeks[at + 1]:g}. "
            "Write 2020-W05, or add a column year."
        )
    return TimeGrid([parts["w"]], spread, (7 * weeks[:, None] + offsets).astype(np.int64))


def _numbered_weeks(table: Table, name: str) -> NDArray[np.float64] | None:
    if table.kinds[name] == "number":
        weeks = table.numbers(name)
        return weeks if (weeks == np.floor(weeks)).all() else None
    if are_missing(table.columns[name]):
        return None
    matches = [_WEEK.fullmatch(str(text).strip()) for text in table.columns[name]]
    return np.array([float(m[1]) for m in matches if m]) if all(matches) else None
