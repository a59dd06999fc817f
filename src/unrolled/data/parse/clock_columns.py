"""Join a date in one column and its clock in another, or year, month and day, to one column of times."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from unrolled.data.parse.column_names import DATES, bare, date_parts
from unrolled.data.parse.datetimes import as_text, parse_times
from unrolled.data.parse.notations import CLOCK
from unrolled.data.parse.table import Table

Texts: TypeAlias = "pd.Series[Any]"
_NUMBERED = {"q": r"[QqTt]\s?[1-4]|[1-4]\s?[QqTt]", "h": r"[HhSs]\s?[12]", "w": r"([Ww]|KW)\s?\d\d?"}
_AROUND_CLOCK = re.compile(r"^\s*(?:hour|hr|he|h)\s*(?=\d)|\s+[-–]\s+\d\d?:\d\d\s*$", re.IGNORECASE)


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
    clock = None
    if days.duplicated().any():
        clock, clocks = _clocks(table, {part: n for part, n in parts.items() if n not in used})
        used += clocks
    if len(used) < 2:
        return table
    name = time or date or "ds"
    joined = (days if clock is None else days + " " + clock).to_numpy(dtype=object)
    rest = {n: v for n, v in table.columns.items() if n not in used or (n in named and n != name)}
    note = f"columns {', '.join(map(repr, used))} were put together as the time {name!r}"
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
    """Write year, month or quarter, and day as texts (T,), and list their columns; None without them."""
    finer = next((part for part in "mqhw" if part in parts), "")
    used = [part for part in ("Y", finer, "d" if finer == "m" else "") if part in parts]
    are_numbers = [_are_numbered(table, parts[part], part) for part in used if part != "m"]
    if len(used) < 2 or used[0] != "Y" or not all(are_numbers):
        return None, []
    joined = _texts(table, parts["Y"])
    if not joined.duplicated().any():
        return None, []
    for part in used[1:]:
        texts = _texts(table, parts[part])
        if part in "qhw":
            texts = texts.str.extract(r"(\d+)", expand=False)
        joined = joined + {"q": "-Q", "h": "-H", "w": "-W"}.get(part, "-") + texts
    return joined, [parts[part] for part in used]


def _are_numbered(table: Table, name: str, part: str) -> bool:
    """Return whether a column holds numbers, or quarters, halves or weeks as texts: Q1, 1Q, H1, W05."""
    if table.kinds[name] == "number":
        return True
    texts = pd.Series(table.columns[name], dtype=object).astype(str)
    pattern = _NUMBERED.get(part)
    return pattern is not None and bool(texts.str.strip().str.fullmatch(pattern).all())


def _clocks(table: Table, parts: dict[str, str]) -> tuple[Texts | None, list[str]]:
    """Write clocks (T,) of columns of hours, minutes and seconds, or of half hours; list the columns."""
    part = next((part for part in "Hp" if part in parts), None)
    if part is None:
        return None, []
    name = parts[part]
    if table.kinds[name] != "number":
        texts = pd.Series(table.columns[name], dtype=object).map(as_text, na_action="ignore")
        texts = texts.str.replace(_AROUND_CLOCK, "", regex=True)
        with_points = texts.str.fullmatch(r"\d\d\.\d\d(\.\d\d)?") == True  # noqa: E712 (None for missing)
        texts = texts.where(~with_points, texts.str.replace(".", ":", regex=False))
        return (texts, [name]) if texts.iloc[:2000].str.fullmatch(CLOCK).mean() >= 0.5 else (None, [])
    hours = pd.Series(table.numbers(name))
    if (hours != np.floor(hours)).any() or hours.min() < 0 or hours.max() > 2400:
        return None, []
    if part == "p":
        minutes = (hours - 1) * 30
        return _text_of(minutes // 60, minutes % 60), [name]
    if hours.max() > 25:
        return _text_of(hours // 100, hours % 100), [name]
    finer = [parts[p] for p in "MS" if p in parts and table.kinds[parts[p]] == "number"]
    return _text_of(hours, *(pd.Series(table.numbers(n)) for n in finer)), [name, *finer]


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
