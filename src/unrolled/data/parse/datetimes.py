"""Parse dates, times and whole numbers to datetime64[ns] or int64, by the table of `notations.py`.

A column is read in one notation, the first of the table that fits most of it; what does not fit is named.
Days and months are told apart by the column itself, never by a country's habit; a note says by which row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import infer_calendar
from unrolled.data.calendar.offsets import in_nanoseconds
from unrolled.data.parse.date_numbers import OPTIONS, from_numbers
from unrolled.data.parse.date_parts import NAT, DateColumn, Place, Times
from unrolled.data.parse.date_texts import Floats, Reading, candidates, read_in_centuries
from unrolled.data.parse.notations import NOTATIONS, NOTES, ORDERS, n_digits
from unrolled.data.parse.numbers import are_missing, is_missing, quoted, spread_sample
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import join_words

WAY = "Say how they are written, as in date_format='%d.%m.%Y', or count the rows with order='rows'."
_MONTH = re.compile(r"(0[1-9]|1[0-2])\.(1[6-9]|2[0-2])\d\d")
_SAMPLE = 1000  # texts by which a notation is chosen


def looks_like_dates(texts: NDArray[Any], column: str = "") -> bool:
    """Return whether at least half of a sample of the texts of a column are dates in some notation.

    >>> looks_like_dates(np.array(["1950-01", "1950-02"])), looks_like_dates(np.array(["may", "be"]))
    (True, False)
    """
    sample = spread_sample(texts, 2000)
    sample = sample[~is_missing(sample)][:100]
    return bool(candidates([as_text(text) for text in sample], column=column))


def are_months(texts: NDArray[Any]) -> bool:
    """Return whether all texts are months such as 01.2015, which no number is written like.

    >>> are_months(np.array(["12.2014", "01.2015"])), are_months(np.array(["12.2014", "1.2015"]))
    (True, False)
    """
    return any(str(text)[:1] == "0" for text in texts) and all(map(_MONTH.fullmatch, map(str, texts)))


def parse_times(
    values: NDArray[Any],
    *,
    name: str,
    place: Place,
    utc: bool,
    date_format: str | None = None,
    way: str = WAY,
) -> tuple[Times, list[str]]:
    """Parse a column as times, with a note on what was not obvious.

    Args:
        values: (T,) texts, datetimes, numbers or Python dates.
        name: the column, for messages.
        place: where a row stands, for messages.
        utc: whether times with a zone are brought to UTC.
        date_format: how they are written: "dmy", "mdy" or "ymd"; "s", "ms", "us" or "ns" since 1970, "excel"
            or "number"; a format of strptime.
        way: what to do where no text is a date, for the message.

    Returns:
        (T,) datetime64[ns], or int64 where the numbers are no dates; and notes, a sentence each.

    Raises:
        ArgumentError: `date_format` is none.
        DataError: a time is missing, cannot be read, is ambiguous, or has a zone and `utc` is false.

    >>> texts = np.array(["31.01.2020", "29.02.2020"], dtype=object)
    >>> parse_times(texts, name="date", place=str, utc=False)[0].astype("datetime64[D]").tolist()
    [datetime.date(2020, 1, 31), datetime.date(2020, 2, 29)]
    """
    column, notes = DateColumn(name, place, way), list[str]()
    is_strptime = (date_format or "").startswith("%") and date_format not in OPTIONS
    if values.dtype.kind == "M":
        times = values
    elif values.dtype.kind in "iuf" and not is_strptime:
        times = from_numbers(values, column, notes, date_format)
        if times.dtype.kind != "M":
            return times, notes
    else:
        whole = values.astype(np.int64) if values.dtype.kind == "f" else values
        codes, distinct = pd.factorize(pd.Series(whole, dtype=object))
        rows = np.flatnonzero(~pd.Series(codes).duplicated() & (codes >= 0))  # the first of each
        texts = [as_text(value) for value in distinct]
        read = _from_texts(texts, column._replace(rows=rows), notes, utc=utc, date_format=date_format)
        times = np.append(read, NAT)[codes]  # a missing value has code -1
    stamps = in_nanoseconds(times)
    if np.isnat(stamps).any():
        row = int(np.argmax(np.isnat(stamps)))
        whole_number = values.dtype.kind == "f" and np.isfinite(values[row]) and values[row] % 1 == 0
        raise column.unreadable(row, int(values[row]) if whole_number else values[row])
    return stamps, notes


def _from_texts(
    texts: list[str], column: DateColumn, notes: list[str], *, utc: bool, date_format: str | None
) -> Times:
    """Parse distinct texts (K,) in the one notation that the column is in."""
    if date_format and date_format not in ORDERS:
        return _strptime(texts, column, notes, date_format)
    sample = spread_sample(np.array(texts, dtype=object), _SAMPLE)
    names = ORDERS.get(date_format or "", ())
    notations = candidates(sample[~is_missing(sample)].tolist(), names, column.name)
    if not notations and are_missing(texts):
        return np.full(len(texts), NAT)
    if not notations:
        _refuse_spans(texts, column)
        got = ", ".join(quoted(text) for text in texts[:3])
        raise DataError(
            f"{column.at(0)}, column {column.name!r}: expected a date in a known notation such as "
            f"2020-01-31, got {got}: no text of the column is in any. {column.way}"
        )
    readings = [reading for notation in notations for reading in read_in_centuries(texts, notation)]
    reading = readings[0] if len(readings) == 1 else _decide(readings, texts, column, notes)
    if np.isnat(reading.times).any():
        _refuse_spans(texts, column)
    notes.extend(NOTES[key].format(column=column.name, **more) for key, more in reading.remarks.items())
    return _zones_left_out(reading, texts, column, notes, utc=utc)


def as_text(value: Any) -> str:
    """Write a value as a text, dates as in ISO 8601.

    >>> as_text(" 1 May "), as_text(np.datetime64("2020-01-31"))
    ('1 May', '2020-01-31')
    """
    return value.strip() if isinstance(value, str) else str(getattr(value, "isoformat", value.__str__)())


def _decide(readings: list[Reading], texts: list[str], column: DateColumn, notes: list[str]) -> Reading:
    """Decide between readings of the same texts: by a text that fits one only, else by even steps.

    Before points stand days, if the texts leave it open.

    Raises:
        DataError: neither tells, or one text tells this and another that.
    """
    distinct: list[Reading] = []
    readings = [one for one in readings if not (one.notation.gives_way and np.isnat(one.times).any())]
    for reading in sorted(readings, key=lambda one: int(np.isnat(one.times).sum())):
        if not any(np.array_equal(reading.times, one.times, equal_nan=True) for one in distinct):
            distinct.append(reading)
    n_unread = [int(np.isnat(one.times).sum()) for one in distinct]
    best = distinct[: n_unread.count(n_unread[0])]
    one = best[0]
    if len(best) < len(distinct) and len({reading.notation.name for reading in best}) == 1:
        at = _first_read_by(one, distinct[len(best)])
        _note_order(one, f"{column.shown(at, texts)} shows the {{first}} first", column, notes)
    elif n_unread[0] and len(best) > 1 and _reads_more(best[0], best[1]) and _reads_more(best[1], best[0]):
        other = best[1]
        raise DataError(
            f"column {column.name!r}: expected one order of day and month, got {one.notation.name} in "
            f"{column.shown(_first_read_by(one, other), texts)} and {other.notation.name} in "
            f"{column.shown(_first_read_by(other, one), texts)}. Correct those rows, or write all year first."
        )
    elif "." in texts[0][:3] and one.notation.name == ORDERS["dmy"][0]:
        best = [reading for reading in best if reading.notation is one.notation]
    if len(best) > 1:
        regular = [reading for reading in best if _is_regular(reading.times)]
        preferred = [reading for reading in regular or best if not reading.notation.gives_way]
        best, others = preferred or regular, best
        if len(best) != 1:
            raise _two_readings(others[:2], texts, column)
        _note_order(best[0], "only so they make even steps", column, notes)
    return best[0]


def _reads_more(one: Reading, other: Reading) -> bool:
    """Tell whether one reads a text that the other does not."""
    return bool((~np.isnat(one.times) & np.isnat(other.times)).any())


def _first_read_by(one: Reading, other: Reading) -> int:
    """Find the first text that one reads and the other does not."""
    return int(np.argmax(~np.isnat(one.times) & np.isnat(other.times)))


def _note_order(reading: Reading, evidence: str, column: DateColumn, notes: list[str]) -> None:
    name = reading.notation.name
    shown = evidence.format(first=name.partition("/")[0].replace("yy", "year"))
    if note := reading.notation.note:
        notes.append(note.format(column=column.name, name=name, evidence=shown))


def _two_readings(readings: Sequence[Reading], texts: Sequence[str], column: DateColumn) -> DataError:
    """Word the fault of texts that can be read in two ways."""
    at = int(np.argmax(readings[0].times != readings[1].times))
    dates = [str(reading.times[at])[:10] for reading in readings]
    ways = [way for r in readings for way, names in ORDERS.items() if r.notation.name == names[0]]
    how = "Write them as 2020-01-31, with years of four digits."
    if len(set(ways)) == 2:
        how = " or ".join(f"date_format={way!r}" for way in ways)
        how = f"Say which with {how}, or write them year first."
    return DataError(
        f"{column.at(at)}, column {column.name!r}: expected dates such as 2020-01-31, got "
        f"{quoted(texts[at])}, which can be {dates[0]} or {dates[1]}. {how}"
    )


def _is_regular(read: Times) -> bool:
    """Return whether the dates, sorted, keep one step without a gap."""
    times = np.sort(read[~np.isnat(read)])
    calendar = infer_calendar(times, np.array([0, len(times)]))
    return calendar.freq is not None and not len(calendar.gaps)


def without_zone(local: Times, offsets: Floats, name: str, notes: list[str], *, utc: bool) -> Times | None:
    """Take the zone from times (K,): days by local date, others in UTC; None where `utc` does not allow that.

    Args:
        local: times by the clock of their zone, NaT where unknown.
        offsets: minutes of each zone from UTC.
        name: the column, for the note.
        notes: where the note goes.
        utc: whether times that are no days may be brought to UTC.
    """
    local_times = local[~np.isnat(local)]
    days = local_times.astype("datetime64[D]")
    if len(np.unique(local_times - days)) == 1 and len(np.unique(days)) > 1:
        notes.append(NOTES["local days"].format(column=name))
        return local
    if not utc:
        return None
    notes.append(NOTES["utc"].format(column=name))
    return np.asarray(local - (offsets * 60).astype("m8[s]"))


def _zones_left_out(
    reading: Reading, texts: Sequence[str], column: DateColumn, notes: list[str], *, utc: bool
) -> Times:
    """Take the zones from a reading, if all texts have one.

    Raises:
        DataError: some have none, one is unknown, or the times are no days and `utc` is false.
    """
    read = ~np.isnat(reading.times)
    zoned = np.isfinite(reading.offsets)
    if not (read & ~np.isnan(reading.offsets)).any():
        return reading.times
    demand, way, at = "", "", int(np.argmax(read & zoned))
    if np.isinf(reading.offsets).any():
        at, demand = (
            int(np.argmax(np.isinf(reading.offsets))),
            "a time zone as a distance from UTC, such as +01:00",
        )
        way = "Write the zones so, or remove them."
    elif (read & ~zoned).any():
        demand, way = f"a time zone as in {quoted(texts[at])}", "Write all times with a zone, or none."
        at = int(np.argmax(read & ~zoned))
    else:
        times = without_zone(reading.times, reading.offsets, column.name, notes, utc=utc)
        if times is not None:
            return times
        demand, way = "times without a zone", "Bring them to UTC with utc=True."
    raise DataError(
        f"{column.at(at)}, column {column.name!r}: expected {demand}, got {quoted(texts[at])}. {way}"
    )


def _refuse_spans(texts: list[str], column: DateColumn) -> None:
    """Refuse years, quarters and months in one column, as statistics offices put them below one another."""
    usual = [notation for notation in NOTATIONS if not notation.of_weeks]
    spans = [next((n.span for n in usual if n.regex.fullmatch(text)), "") for text in texts]
    first = {span: spans.index(span) for span in dict.fromkeys(spans) if span}
    if len(first) > 1:
        got = join_words([f"{name} ({column.shown(k, texts)})" for name, k in first.items()])
        raise DataError(
            f"column {column.name!r}: expected dates of one length, got {got}. Keep the rows of one of them."
        )


def _strptime(texts: list[str], column: DateColumn, notes: list[str], date_format: str) -> Times:
    """Parse texts in a format of strptime; with %z in UTC."""
    zoned = "%z" in date_format
    if width := n_digits(date_format):  # numbers have lost a 0 in front
        texts = [text.zfill(width) if text.isdigit() else text for text in texts]
    try:
        read = pd.to_datetime(pd.Series(texts, dtype=object), format=date_format, errors="coerce", utc=zoned)
    except ValueError as fault:
        raise ArgumentError(
            f"date_format: expected a format of strptime, got {date_format!r}; {fault}."
        ) from fault
    if read.isna().all():
        raise DataError(
            f"{column.at(0)}, column {column.name!r}: expected dates as "
            f"{date_format}, got {quoted(texts[0])} and no text in that format. Leave date_format out, or "
            "correct it."
        )
    if zoned:
        notes.append(NOTES["utc"].format(column=column.name))
        read = read.dt.tz_localize(None)
    return in_nanoseconds(read.to_numpy())
