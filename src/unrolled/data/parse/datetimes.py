"""Parse dates, times and whole numbers to datetime64[ns] or int64.

Texts are read in one notation a column, the first of a short list that fits most of them; what does not fit
is named. Days and months are told apart by the column itself, never by a country's habit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import infer_calendar
from unrolled.data.calendar.offsets import YEARS, in_nanoseconds
from unrolled.data.parse.numbers import is_missing, quoted, spread_sample
from unrolled.errors import DataError

Times = NDArray[Any]
Place = Callable[[int], str]  # row to "flow.csv row 41"
Notation = Callable[[pd.Series], pd.Series]  # texts to datetime64, NaT where a text is in another notation

_ZONED = re.compile(r":\d{2}\S*?\s*(?:Z|[+-]\d{2}:?\d{2}|UTC|GMT)$")
_DAY_MONTH = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{4}(?!\d)")
_SAMPLE = 1000  # texts by which a notation is chosen
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_NAMED = (
    "%b %Y", "%B %Y", "%b-%Y", "%B-%Y", "%Y %b", "%Y-%b", "%d %b %Y", "%d %B %Y", "%d-%b-%Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y",
)  # fmt: skip
_EPOCHS = (  # up to July 2261
    ("s", 10**8, 92 * 10**8), ("ms", 10**11, 92 * 10**11), ("us", 10**14, 92 * 10**14),
    ("ns", 10**17, 92 * 10**17),
)  # fmt: skip
_EXACT = 2**53  # from here on, floats skip whole numbers


def looks_like_dates(texts: NDArray[Any]) -> bool:
    """Return whether at least half of a sample of texts are dates in some notation.

    >>> looks_like_dates(np.array(["1950-01", "1950-02"])), looks_like_dates(np.array(["may", "be"]))
    (True, False)
    """
    sample = spread_sample(texts, 2000)
    sample = sample[~is_missing(sample)][:100]
    return len(sample) > 0 and _notation(pd.Series(sample, dtype=object).astype(str).str.strip()) is not None


def parse_times(values: NDArray[Any], *, name: str, place: Place, utc: bool) -> tuple[Times, list[str]]:
    """Parse a column as times, with a note on what was not obvious.

    Args:
        values: (T,) texts, datetimes, numbers or Python dates.
        name: the column, for messages.
        place: where a row stands, for messages.
        utc: whether times with a zone are brought to UTC.

    Returns:
        (T,) datetime64[ns], or int64 where the numbers are no dates; and notes, a sentence each.

    Raises:
        DataError: a time is missing, cannot be read, is ambiguous, or has a zone and `utc` is false.

    >>> texts = np.array(["31.01.2020", "29.02.2020"], dtype=object)
    >>> parse_times(texts, name="date", place=str, utc=False)[0].astype("datetime64[D]").tolist()
    [datetime.date(2020, 1, 31), datetime.date(2020, 2, 29)]
    """
    column = _Column(name, place)
    if values.dtype.kind == "M":
        times, notes = pd.Series(values), list[str]()
    elif values.dtype.kind in "iuf":
        return _from_numbers(values, column)
    else:
        times, notes = _from_objects(values, column, utc=utc)
    stamps = in_nanoseconds(times.to_numpy())
    unread = np.flatnonzero(np.isnat(stamps))
    if len(unread):
        raise column.unreadable(int(unread[0]), values[unread[0]])
    return stamps, notes


class _Column:
    """Name of a column and the place of its rows, for error messages."""

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place = name, place

    def unreadable(self, row: int, value: Any) -> DataError:
        empty = value is None or value != value or str(value).strip() == ""  # noqa: PLR0124 (NaN)
        got = "nothing" if empty else quoted(value)
        return DataError(
            f"{self.place(row)}, column {self.name!r}: expected a date between 1678 and 2261 such as "
            f"2020-01-31, got {got}. Correct or remove that row."
        )


def _from_numbers(values: NDArray[Any], column: _Column) -> tuple[Times, list[str]]:
    """Parse whole numbers as years, yyyymm, yyyymmdd, seconds since 1970, or keep them."""
    if values.dtype.kind == "f":
        _refuse_inexact(values, column)
    numbers = values.astype(np.int64)
    if len(numbers) and int(numbers.max()) - int(numbers.min()) >= 2**63:
        raise DataError(
            f"column {column.name!r}: expected times less than 2**63 apart, got {numbers.min()} and "
            f"{numbers.max()}. Count the rows 1, 2, 3."
        )
    if _between(numbers, *YEARS) and not _is_counter(column.name):
        return (numbers - 1970).astype("datetime64[Y]").astype("datetime64[ns]"), []
    for form, least, most in (("%Y%m", 167801, 226112), ("%Y%m%d", 16780101, 22611231)):
        if _between(numbers, least, most) and not _is_counter(column.name):
            read = pd.to_datetime(pd.Series(numbers).astype(str), format=form, errors="coerce")
            if bool(read.notna().all()):
                return read.to_numpy().astype("datetime64[ns]"), []
    for unit, least, most in _EPOCHS:
        if _between(numbers, least, most) and not _is_counter(column.name):
            note = f"column {column.name!r} was read as {unit} since 1970 (UTC)"
            return numbers.astype(f"datetime64[{unit}]").astype("datetime64[ns]"), [note]
    return numbers, []


def _refuse_inexact(values: NDArray[Any], column: _Column) -> None:
    """Numbers that are not whole, or so large that a float cannot tell neighbours apart."""
    odd = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) >= _EXACT)
    if not odd.any():
        return
    row = int(np.argmax(odd))
    value, demand = values[row], "a date or a whole number as time"
    if np.isfinite(value) and value == np.floor(value):
        demand = "whole numbers below 2**53 as times"
    raise DataError(
        f"{column.place(row)}, column {column.name!r}: expected {demand}, got "
        f"{'nothing' if np.isnan(value) else f'{value:g}'}. Write dates, or count the rows 1, 2, 3."
    )


def _between(numbers: NDArray[np.int64], least: int, most: int) -> bool:
    return bool(len(numbers)) and bool((numbers >= least).all() and (numbers <= most).all())


def _is_counter(name: str) -> bool:
    return name.lower() in {"t", "step", "index", "tick", "position", "n", "i"}


def _from_objects(values: NDArray[Any], column: _Column, *, utc: bool) -> tuple[pd.Series[Any], list[str]]:
    """Texts and Python's own dates, each distinct one read once."""
    codes, distinct = pd.factorize(pd.Series(values, dtype=object))
    texts = pd.Series([_as_text(value) for value in distinct], dtype=object)
    notes = list[str]()
    zoned = np.array([_has_zone(text) for text in texts], dtype=bool)
    if zoned.any():
        if not utc or not zoned.all():
            raise _zone_fault(codes, zoned, texts, column, utc=utc)
        notes.append(f"times of column {column.name!r} were brought to UTC")
        read = pd.to_datetime(
            texts.str.replace(r"\s*(UTC|GMT)$", "Z", regex=True), format="ISO8601", errors="coerce", utc=True
        ).dt.tz_localize(None)
    else:
        notation = _notation(pd.Series(spread_sample(texts.to_numpy(), _SAMPLE), dtype=object))
        is_ambiguous = notation is _ambiguous_order
        read = _resolve_day_and_month(texts, column, notes) if is_ambiguous else (notation or _iso)(texts)
    times = in_nanoseconds(read.to_numpy())
    return pd.Series(np.append(times, np.datetime64("NaT"))[codes]), notes  # a missing value has code -1


def _as_text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else str(getattr(value, "isoformat", value.__str__)())


def _has_zone(text: str) -> bool:
    last = text[-1:]  # a quick look first: there may be millions
    near = last in "ZCT" or "+" in text[-6:-3] or "-" in text[-6:-3]
    return ":" in text and near and _ZONED.search(text) is not None


def _zone_fault(
    codes: NDArray[np.int64], zoned: NDArray[np.bool_], texts: pd.Series[Any], column: _Column, *, utc: bool
) -> DataError:
    aware = int(np.flatnonzero(zoned[codes])[0])
    got = quoted(texts.iloc[codes[aware]])
    if utc:
        row = int(np.flatnonzero(~zoned[codes])[0])
        return DataError(
            f"{column.place(row)}, column {column.name!r}: expected a time zone as in {got}, got "
            f"{quoted(texts.iloc[codes[row]])}. Write all times with a zone, or none."
        )
    return DataError(
        f"{column.place(aware)}, column {column.name!r}: expected times without a zone, got {got}. "
        "Bring them to UTC with --utc or utc=True."
    )


def _notation(sample: pd.Series[Any]) -> Notation | None:
    """Find the first notation that reads at least half of the texts; None if none does."""
    notations: list[Notation] = [_iso, _periods, _weeks, _ambiguous_order]
    notations += [partial(_strptime, forms=(form,)) for form in _NAMED]
    return next((read for read in notations if read(sample).notna().mean() >= 0.5), None)


def _iso(texts: pd.Series[Any]) -> pd.Series[Any]:
    """2020-01-31, 2020/1/31, 2020.01.31, 2020-01, with or without a clock."""
    if texts.str.match(r"\d{4}[/.]").any():
        texts = texts.str.replace(r"^(\d{4})([/.])(\d{1,2})(?:\2(\d{1,2}))?(?=\D|$)", _dashed, regex=True)
    plausible = texts.str.match(r"\d{4}-\d{1,2}(-|$)|\d{8}(\D|$)|\d{4}$")
    return pd.to_datetime(texts.where(plausible), format="ISO8601", errors="coerce")


def _dashed(match: re.Match[str]) -> str:
    return "-".join(part for part in (match[1], match[3], match[4]) if part)


def _periods(texts: pd.Series[Any]) -> pd.Series[Any]:
    """1950Q1, 1950-Q1, Q1 1950, 1950M01, at the first day of the quarter or month."""
    parts = texts.str.upper().str.extract(r"^(?:(\d{4})[- ]?([QM])(\d{1,2})|Q(\d)[- ]?(\d{4}))$")
    year, number = parts[0].where(parts[0].notna(), parts[4]), parts[2].where(parts[2].notna(), parts[3])
    count = number.astype(float)
    month = count.where(parts[1] == "M", 3 * count - 2)
    good = (month >= 1) & (month <= 12)
    months = [f"-{number:02d}" for number in month.where(good, 1).astype(int)]
    built = year + pd.Series(months, index=texts.index, dtype=object)
    return pd.to_datetime(built.where(good), format="%Y-%m", errors="coerce")


def _weeks(texts: pd.Series[Any]) -> pd.Series[Any]:
    """2020-W05 or 2020W05, at its Monday."""
    week = texts.str.upper().str.extract(r"^(\d{4})-?(W\d{2})$")
    return pd.to_datetime(week[0] + "-" + week[1] + "-1", format="%G-W%V-%u", errors="coerce")


def _strptime(texts: pd.Series[Any], forms: Sequence[str]) -> pd.Series[Any]:
    """Parse each text in the first of the forms that reads it."""
    read = pd.Series(np.datetime64("NaT", "ns"), index=texts.index)
    for form in forms:
        rest = read.isna()
        if rest.any():
            read[rest] = pd.to_datetime(texts[rest], format=form, errors="coerce")
    return read


def _day_and_month(texts: pd.Series[Any], day_first: bool = True) -> pd.Series[Any]:
    """31.01.2020, 31/1/2020, 31-01-2020 15:30, or with the month first."""
    sample = pd.Series(spread_sample(texts.to_numpy(), _SAMPLE), dtype=object)
    if "," in "".join(sample):
        texts, sample = (column.str.replace(", ", " ", regex=False) for column in (texts, sample))
    marks = {match[1] for text in sample if (match := _DAY_MONTH.match(text))}
    order = "%d{0}%m{0}%Y" if day_first else "%m{0}%d{0}%Y"
    forms = [order.format(mark) + clock for mark in sorted(marks) for clock in _CLOCKS]
    return _strptime(texts, [form for form in forms if _strptime(sample, [form]).notna().any()])


def _ambiguous_order(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Days and months, whichever stands first: enough to see that these are dates."""
    by_day = _day_and_month(texts)
    return by_day.where(by_day.notna(), _day_and_month(texts, day_first=False))


def _resolve_day_and_month(texts: pd.Series[Any], column: _Column, notes: list[str]) -> pd.Series[Any]:
    """Day and month in the order that fits every text; before points stand days.

    Where both orders fit, the one that makes a calendar of even steps is taken, if the other does not.
    """
    by_day = _day_and_month(texts)
    if "." in texts.iloc[0][:3]:
        return by_day
    by_month = _day_and_month(texts, day_first=False)
    if (by_day.notna() & by_month.isna()).any() or by_day.equals(by_month):
        return by_day
    if (by_month.notna() & by_day.isna()).any():
        return by_month
    keeps = [_is_regular(read) for read in (by_day, by_month)]
    if keeps[0] == keeps[1]:
        raise DataError(
            f"{column.place(0)}, column {column.name!r}: expected dates such as 2020-01-31, got "
            f"{quoted(texts.iloc[0])}, which can be a day and a month or a month and a day. "
            "Write them year first."
        )
    order = "day/month" if keeps[0] else "month/day"
    notes.append(f"dates of column {column.name!r} were read as {order}: only so they make even steps")
    return by_day if keeps[0] else by_month


def _is_regular(read: pd.Series[Any]) -> bool:
    """Return whether the dates, sorted, keep one step without a gap."""
    times = np.sort(read.dropna().to_numpy().astype("datetime64[ns]"))
    calendar = infer_calendar(times, np.array([0, len(times)]))
    return calendar.freq is not None and not len(calendar.gaps)
