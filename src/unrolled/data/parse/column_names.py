"""Names of columns: those of times, ids, targets, parts of dates and counters, however they are spelt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

TIMES = (
    "ds", "date", "datetime", "time", "timestamp", "date_time", "datum", "zeit", "fecha", "period",
    "month", "quarter", "week", "year", "day", "hour", "t", "step", "tick", "wave", "welle", "visit",
    "tiempo", "tempo", "temps", "tijd",
    "yearweek", "year_week", "yearmonth", "year_month", "yearquarter", "year_quarter",
)  # fmt: skip
TEXT_TIMES = TIMES[:6]  # of times even where their texts are in no known notation
CLOCKS = ("ds", "time", "timestamp", "t", "step", "tick", "zeit", "tiempo", "tempo", "temps", "tijd")
DATES = {"date", "dates", "datum", "fecha", "data", "ds", "datetime", "day", "timestamp"}  # `bare`
STEPS = {"t", "step", "index", "tick", "position", "n", "i"}  # `bare`; whole numbers, never dates
IDS = (
    "unique_id", "series_id", "series", "item_id", "id", "item", "ticker", "symbol", "store", "product",
    "sku", "shop", "city", "region", "station", "sensor", "country", "group", "name", "key", "dept", "code",
    "meter", "household", "customer", "machine", "device", "location", "site", "geo", "state", "family",
    "entity",
)  # fmt: skip
TARGETS = ("y", "value", "target")
_KEY = re.compile(r"_(id|nbr|no|code|key)$")
_COUNTER = re.compile(
    r"(unnamed:|level|column|row|record|obs|time|s|sl|sr|serial|instant|step|tick|trend|no|nr|n|num|number|t|x|"
    r"index|idx|#)?_*(id|idx|index|no|nr|num|number|step|\d+(_\d+)*)?_?"
)
_STEP = re.compile(r"(\D*)(\d+)")
_UNIT = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
_MIN_STEPS = 3  # fewer columns that end in a number may be anything
_TIME = re.compile(r"(date|datum|time|timestamp|zeit|fecha|unix|epoch)(_|$)|(^|_)ts(_|$)")


class DatePart(NamedTuple):
    """Part of a date or a clock: the letter of `assemble`, its largest number, and its names, `bare`.

    The letter is "" for parts that say nothing of when; the number is -1 for names that also mean other
    things, such as the minimum of a day: they are read only to make a time of several columns.
    """

    letter: str
    most: int
    names: frozenset[str]


DATE_PARTS = tuple(
    DatePart(letter, most, frozenset(names.split()))
    for letter, most, names in (
        ("Y", 2262, "year yr yyyy jahr annee ano isoyear"),
        ("m", 12, "month mon mnth monat mois mes"),
        ("m", -1, "mo mm"),
        ("q", 4, "quarter qtr quartal"),
        ("h", -1, "half halfyear semester halbjahr"),
        ("w", 53, "week wk weekno weeknum woche kw isoweek weekofyear woy"),
        ("d", 31, "day mday dayofmonth dom tag"),
        ("d", -1, "dd dy"),
        ("j", 366, "dayofyear doy yday"),
        ("H", 24, "hour hr hourofday stunde heure hora"),
        ("H", -1, "hours hrs hh hourending hourend he time clock uhrzeit timeofday hhmm zeit"),
        ("H", -1, "localtime starttime slot timeslot von zeitraum intervalo horaire"),
        ("p", -1, "period settlementperiod halfhour sp"),
        ("M", 60, "minute"),
        ("M", -1, "minutes min"),
        ("S", 60, "second"),
        ("S", -1, "seconds sec"),
        ("", 4, "season"),
        ("", 7, "weekday dow dayofweek wday"),
        ("", 1, "weekend isweekend holiday isholiday workingday isworkingday"),
        ("", 1, "monthend ismonthend monthstart ismonthstart"),
    )
)  # fmt: skip


def spelt(name: str) -> str:
    """Spell a name in small letters, its words joined by underscores, without a unit in brackets behind it.

    >>> spelt("storeID"), spelt("Store ID"), spelt("<DATE>"), spelt("Time (s)")
    ('store_id', 'store_id', 'date', 'time')
    """
    name = _UNIT.sub("", name) or name
    return re.sub(r"(?<=[a-z])(?=ID$|Id$|[A-Z][a-z])|[\s.-]+", "_", name.strip(" <>")).lower()


def bare(name: str) -> str:
    """Spell a name in small letters and digits only.

    >>> bare("Day of Week"), bare("date_time")
    ('dayofweek', 'datetime')
    """
    return re.sub(r"[\W_]+", "", name).lower()


def with_usual_names(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Select the names that are spelt as usual, the most usual first."""
    return sorted((n for n in names if spelt(n) in usual), key=lambda n: usual.index(spelt(n)))


def id_columns(names: Sequence[str]) -> list[str]:
    """Select the names that are spelt as an id, the most usual first.

    >>> id_columns(["x", "Sensor", "unique_id"])
    ['unique_id', 'Sensor']
    """
    return with_usual_names(names, IDS)


def looks_like_key(name: str) -> bool:
    """Return whether a column is spelt like a key of rows or customers, which is nothing to learn."""
    return spelt(name) in {*IDS[:5], "key"} or _KEY.search(spelt(name)) is not None


def looks_like_counter(name: str) -> bool:
    """Return whether a column is spelt like a count of rows.

    >>> looks_like_counter("Unnamed: 0"), looks_like_counter("Sr. No."), looks_like_counter("sales")
    (True, True, False)
    """
    return _COUNTER.fullmatch(spelt(name)) is not None


def looks_like_time(name: str) -> bool:
    """Return whether a column of dates or epochs is spelt like one of times.

    >>> looks_like_time("open_time"), looks_like_time("MESS_DATUM"), looks_like_time("timely")
    (True, True, False)
    """
    return _TIME.search(spelt(name)) is not None


def looks_like_week(name: str) -> bool:
    """Return whether a column is spelt like one of weeks.

    >>> looks_like_week("YearWeekISO"), looks_like_week("KW"), looks_like_week("Monat")
    (True, True, False)
    """
    return "week" in bare(name) or date_parts([name]).keys() == {"w"}


def is_nameless(name: str) -> bool:
    """Return whether a column has no name but its number, as in a file without a header.

    >>> is_nameless("column 3"), is_nameless("column")
    (True, False)
    """
    return re.fullmatch(r"column \d+", name) is not None


def date_parts(names: Sequence[str]) -> dict[str, str]:
    """Map the letter of each part of a time to the first column of that name.

    >>> date_parts(["Year", "mon", "dow", "Uhrzeit"])
    {'H': 'Uhrzeit', 'm': 'mon', 'Y': 'Year'}
    """
    letters = {word: part.letter for part in DATE_PARTS for word in part.names if part.letter}
    return {letters[bare(name)]: name for name in reversed(names) if bare(name) in letters}


def largest_part(name: str) -> int:
    """Largest number of a column spelt like a part of a date; -1 for others.

    >>> largest_part("Month"), largest_part("IsHoliday"), largest_part("sales")
    (12, 1, -1)
    """
    return max((part.most for part in DATE_PARTS if bare(name) in part.names), default=-1)


def numbered_steps(names: Sequence[str]) -> list[str]:
    """Sort the columns of numbered steps, t0 to t29, by number; none where fewer than three are alike.

    >>> numbered_steps(["subject", "t0", "t1", "t10", "t2"])
    ['t0', 't1', 't2', 't10']
    """
    families: dict[str, dict[int, str]] = {}
    for name in names:
        if match := _STEP.fullmatch(spelt(name)):
            families.setdefault(match[1], {})[int(match[2])] = name
    steps = max(families.values(), key=len, default={})
    return [steps[number] for number in sorted(steps)] if len(steps) >= _MIN_STEPS else []


def wide_steps(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns of a table with a row a sequence that are its steps, and those that are none.

    Beside numbered steps, most of the columns, other names are none. Steps are in the order of their numbers
    unless these fall all the way.

    >>> wide_steps(["t0", "t1", "t10", "t2", "length"])
    (['t0', 't1', 't2', 't10'], ['length'])
    >>> wide_steps(["lag3", "lag2", "lag1"])[0]
    ['lag3', 'lag2', 'lag1']
    """
    steps = numbered_steps(names)
    others = [name for name in names if name not in steps]
    if len(steps) <= len(others) or any(_STEP.fullmatch(spelt(name)) for name in others):
        return list(names), []
    as_given = [name for name in names if name in steps]
    return (as_given if as_given == steps[::-1] else steps), others
