"""Steps of a calendar: how far apart two times are, what comes next, how long a season is.

A frequency is a pandas alias: a fixed length ("D", "h", "15min", "W-SUN"), business days ("B"), or months,
quarters and years with a place in them: first day ("MS"), last ("ME"), first or last trading day ("BMS",
"BME"). A series on the 15th of each month is "MS", and goes on with the 15th. A week with closing hours, for
which pandas has no alias, is a fixed length and the slots of a week that are open, counted from Monday 00:00:
"D@0-5" is Monday to Saturday, as "B" is "D@0-4". Whole-number times have the digits of their step ("1").
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity
from unrolled.validation import check_int

Times = NDArray[Any]  # datetime64[ns] without a zone, or int64
Ints = NDArray[np.int64]

YEARS = (1678, 2261)  # whole years inside datetime64[ns]
DAY = 86_400_000_000_000  # ns
WEEK = 7 * DAY
_MONDAY = -3 * DAY  # before 1970-01-01, a Thursday
_DAYS = (np.datetime64("1677-09-22"), np.datetime64("2262-04-10"))  # whole days in datetime64[ns]
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_WORDS = {
    "ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second", "min": "minute",
    "h": "hour", "D": "day", "W": "week", "B": "business day", "M": "month", "Q": "quarter", "Y": "year",
}  # fmt: skip
_ADVERBS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly",
            "year": "yearly", "business day": "business days"}  # fmt: skip
_SEASONS = {"min": 1440, "h": 24, "D": 7, "W": 52, "M": 12, "Q": 4}
_ALIAS = re.compile(
    r"([1-9]\d*)?(?:(B?)([MQY])([SE])|(W|D|h|min|s|ms|us|ns|B))"
    r"(?:-[A-Z]{3}|@(\d+-\d+(?:,\d+-\d+)*))?"
)


def in_nanoseconds(times: Times) -> Times:
    """Convert datetime64 of any unit to datetime64[ns]; NaT where a moment is out of its range.

    NumPy itself would wrap such a moment around. Times that are in nanoseconds are returned as they are.

    >>> in_nanoseconds(np.array(["1500-01-01", "2020-01-31"], dtype="datetime64[s]")).astype(str).tolist()
    ['NaT', '2020-01-31T00:00:00.000000000']
    """
    if times.dtype == "datetime64[ns]":
        return times
    years = times.astype("datetime64[Y]").astype(np.int64) + 1970
    is_within = np.isnat(times) | ((years >= YEARS[0]) & (years <= YEARS[1]))
    return np.where(is_within, times, np.datetime64("NaT")).astype("datetime64[ns]")


class FreqStep(NamedTuple):
    """`many` units; months with a place in them: first or last day ("S", "E"), trading day ("BS", "BE").

    `open` holds the slots of a week that a calendar with closing hours keeps, the first of Monday being 0.
    """

    many: int
    unit: str
    place: str = ""
    open: tuple[int, ...] = ()

    @property
    def span(self) -> int:
        """Length in nanoseconds, months or whole numbers, whichever the unit counts."""
        if self.unit in {"", *_MONTHS}:
            return self.many * _MONTHS.get(self.unit, 1)
        return self.many * int(pd.Timedelta(f"1{self.unit.replace('B', 'D')}").as_unit("ns").value)

    @property
    def slots_a_day(self) -> Ints:
        """Count the open slots of each day of a week that has any."""
        slots = np.bincount(np.array(self.open, dtype=np.int64) * self.span // DAY)
        return slots[slots > 0]


def parse_freq(freq: str) -> FreqStep:
    """Parse a frequency alias.

    Raises:
        ArgumentError: it is no alias that the package uses.

    >>> parse_freq("2QS-FEB"), parse_freq("15min").span // 10**9
    (FreqStep(many=2, unit='Q', place='S', open=()), 900)
    """
    if freq.isdigit() and int(freq) > 0:
        return FreqStep(int(freq), "")
    match = _ALIAS.fullmatch(freq)
    if not match:
        raise ArgumentError(f"freq: expected a pandas alias such as 'MS', 'D', 'h' or '15min', got {freq!r}.")
    many, business, span, place, unit, runs = (group or "" for group in match.groups())
    ends = [map(int, run.split("-")) for run in ("0-4" if unit == "B" else runs).split(",") if run]
    slots = tuple(slot for first, last in ends for slot in range(first, last + 1))
    return FreqStep(int(many or 1), span or unit, business + place, slots)


def weekly_alias(base: str, slots: Ints) -> str:
    """Name a step of which only some slots of a week are open, given in rising order.

    >>> weekly_alias("D", np.array([0, 1, 2, 3, 4])), weekly_alias("8h", np.array([1, 2, 4, 5]))
    ('B', '8h@1-2,4-5')
    """
    runs = np.split(slots, np.flatnonzero(np.diff(slots) > 1) + 1)
    alias = f"{base}@{','.join(f'{run[0]}-{run[-1]}' for run in runs)}"
    return "B" if alias == "D@0-4" else alias


def season_length(freq: str | None) -> int:
    """Steps in the season that a frequency suggests; 1 for none.

    A year of months, quarters or weeks, a week of days, a day of hours or minutes. Nothing is presumed
    below a minute, or where the season is no whole number of steps.

    >>> [season_length(freq) for freq in ("MS", "QE", "W-SAT", "D", "B", "h", "30min", "YS", "1", None)]
    [12, 4, 52, 7, 5, 24, 48, 1, 1, 1]
    """
    if freq is None:
        return 1
    step = parse_freq(freq)
    if step.open:  # slots of a day that are open, where all days have as many; else those of a week
        a_day = step.slots_a_day
        return int(a_day[0]) if 1 < a_day.max() == a_day.min() else len(step.open)
    season = _SEASONS.get(step.unit, 1)
    return season // step.many if season % step.many == 0 else 1


def future_times(last: np.datetime64 | int, freq: str, steps: int) -> Times:
    """List the `steps` times after `last`.

    Args:
        last: the newest time, a datetime or a whole number.
        freq: the step, as `Sequences.freq` holds it.
        steps: how many, at least 0.

    Returns:
        (steps,) datetime64[ns], or int64 where `last` is a whole number.

    Raises:
        ArgumentError: the frequency is unknown.
        DataError: they lie beyond 2262-04-10, or 2**63 where they are whole numbers.

    >>> future_times(np.datetime64("2015-12-31"), "BME", 2).astype("datetime64[D]").tolist()
    [datetime.date(2016, 1, 29), datetime.date(2016, 2, 29)]
    >>> future_times(7, "1", 3).tolist()
    [8, 9, 10]
    """
    check_int("steps", steps)
    start = np.asarray(last)
    start = start.astype("datetime64[ns]") if start.dtype.kind == "M" else start.astype(np.int64)
    return advance(np.repeat(start, steps), freq, np.arange(1, steps + 1))


def advance(times: Times, freq: str, steps: Ints) -> Times:
    """Move each of the times (K,) by its number of steps.

    Raises:
        DataError: one lies outside of what datetime64[ns], or int64, can hold.

    >>> advance(np.array(["2024-01-31"], "M8[ns]"), "MS", np.array([1])).astype("M8[D]").tolist()
    [datetime.date(2024, 2, 29)]
    """
    step = parse_freq(freq)
    if step.unit in _MONTHS:
        days = times.astype("datetime64[D]")
        moved = _in_month(days.astype("datetime64[M]") + steps * step.span, days, step.place)
        _refuse_beyond((moved < _DAYS[0]) | (moved > _DAYS[1]), times, freq, steps)
        return np.asarray(moved.astype("datetime64[ns]") + (times - days))
    if step.open:
        weeks, nth = np.divmod(_weekly_rank(times, step) + steps, len(step.open))
        first = _MONDAY + weeks * WEEK + np.array(step.open)[nth] * step.span
        far = steps * (WEEK / len(step.open))
        added = first + (times.astype(np.int64) - _MONDAY) % step.span
    else:
        added, far = times.astype(np.int64) + steps * step.span, steps.astype(np.float64) * step.span
    wrapped = np.abs(added - (times.astype(np.float64) + far)) > 2.0**62  # floats do not wrap around
    _refuse_beyond(np.asarray(wrapped), times, freq, steps)
    return np.asarray(added.astype(times.dtype))


def weekly_slots(times: Times, span: int) -> tuple[Ints, Ints]:
    """Number the weeks and the slots of a week, `span` nanoseconds each, in which times (K,) lie.

    >>> [found.tolist() for found in weekly_slots(np.array(["1970-01-06T07:30"], "M8[ns]"), DAY // 24)]
    [[1], [31]]
    """
    weeks, within = np.divmod(times.astype(np.int64) - _MONDAY, WEEK)
    return weeks, within // span


def _weekly_rank(times: Times, step: FreqStep) -> Ints:
    """Number the open slots (K,) up to which times lie; a time in a closed one has that before it."""
    weeks, slots = weekly_slots(times, step.span)
    return np.asarray(weeks * len(step.open) + np.searchsorted(step.open, slots, side="right") - 1)


def _refuse_beyond(beyond: NDArray[np.bool_], times: Times, freq: str, steps: Ints) -> None:
    if beyond.any():
        row = int(np.argmax(beyond))
        most = f"dates from {_DAYS[0]} to {_DAYS[1]}" if times.dtype.kind == "M" else "times below 2**63"
        raise DataError(
            f"times: expected {most}, got {quantity(int(steps[row]), 'step')} of {freq!r} after "
            f"{format_time(times[row])}. Take fewer steps, or number the times 1, 2, 3."
        )


def _in_month(months: Times, days: Times, place: str) -> Times:
    """Place each of the months (K,) on the day that keeps the place of `days` in theirs."""
    first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
    if place == "E":
        return last
    if place == "BE":
        return np.asarray(np.busday_offset(last, 0, roll="backward"))
    if place == "BS":
        return np.asarray(np.busday_offset(first, 0, roll="forward"))
    within = days - days.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(np.minimum(first + within, last))


def steps_between(before: Times, after: Times, freq: str) -> Ints:
    """Count the whole steps (K,) from each time to its partner.

    >>> steps_between(np.array(["2020-01-31"], "M8[ns]"), np.array(["2020-04-30"], "M8[ns]"), "ME").tolist()
    [3]
    """
    step = parse_freq(freq)
    if step.unit in _MONTHS:
        far = (after.astype("datetime64[M]") - before.astype("datetime64[M]")).astype(np.int64)
    elif step.open:
        return _weekly_rank(after, step) - _weekly_rank(before, step)
    else:
        far = (after - before).astype(np.int64)
    return np.asarray(far // step.span, dtype=np.int64)


def unit_word(freq: str | None) -> str:
    """Name one step of a frequency.

    >>> unit_word("BME"), unit_word("15min"), unit_word("1"), unit_word(None)
    ('month', '15 minutes', 'step', 'step')
    """
    step = parse_freq(freq) if freq else FreqStep(1, "")
    word = _WORDS.get(step.unit, "step")
    return word if step.many == 1 or not step.unit else f"{step.many} {word}s"


def step_quantity(count: int, freq: str | None) -> str:
    """Format a number of steps with their unit.

    >>> step_quantity(12, "MS"), step_quantity(1, "D"), step_quantity(4, "15min")
    ('12 months', '1 day', '4 steps of 15 minutes')
    """
    word = unit_word(freq)
    plural = "" if count == 1 else "s"
    return f"{count:,} step{plural} of {word}" if word[0].isdigit() else f"{count:,} {word}{plural}"


def freq_words(freq: str | None) -> str:
    """Format a frequency in words.

    >>> freq_words("MS"), freq_words("2h"), freq_words("D@0-5"), freq_words("1"), freq_words(None)
    ('monthly', 'every 2 hours', 'daily, 6 a week', 'steps of 1', 'no common step')
    """
    if freq is None:
        return "no common step"
    if freq.isdigit():
        return f"steps of {freq}"
    word, slots = unit_word(freq), len(parse_freq(freq).open)
    week = f", {slots} a week" if slots and freq != "B" else ""
    return _ADVERBS.get(word, f"every {word}") + week


def format_time(time: Any) -> str:
    """Format a time as briefly as possible: a whole number, a date, or a date with its clock.

    >>> format_time(np.datetime64("2020-01-05T00:00:00")), format_time(np.datetime64("2020-01-05T07:30"))
    ('2020-01-05', '2020-01-05 07:30')
    """
    if not isinstance(time, np.datetime64):
        return str(int(time))
    text = np.datetime_as_string(time, unit="ns").replace("T", " ")
    return text.removesuffix(".000000000").removesuffix(":00").removesuffix(" 00:00").rstrip(".")
