"""Infer the calendar of series from their times; gaps and duplicates do not hide it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import (
    DAY,
    WEEK,
    Ints,
    Times,
    parse_freq,
    steps_between,
    weekly_alias,
    weekly_slots,
)

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_UNITS = {
    "D": DAY, "h": DAY // 24, "min": DAY // 1440, "s": 10**9, "ms": 10**6, "us": 1000, "ns": 1,
}  # fmt: skip
_LEAST_SHARE = 0.5  # of the steps must be the shortest one; with fewer, it is no calendar
_NEAR_DAYS = 5  # a month's first or last trading day is at most this far from its edge
_HOLIDAY_SHARE = 0.08  # of the open days; Tokyo and Shanghai close on 6 to 8 of 100
_FEW_HOLIDAYS = 2  # of a short series, whatever share of it they are
_MIN_OPEN_DAYS = 4  # of a week by which hours of the day are told
_HOLE = 20  # times shorter than the longest closed stretch: rows are missing there
_LONGEST_HOLIDAY = 10  # open days


class Calendar(NamedTuple):
    """Frequency, gaps and faults of the sorted times of N series.

    Args:
        freq: the step that all series keep; None where there is none.
        freqs: N frequencies, None where a series keeps none or has fewer than two times.
        duplicates: rows whose time is that of the row before.
        gaps: rows after which steps are missing.
        missing: how many are missing there, for each gap.
        holidays: open days, or hours, without a row, few and short enough to be no gaps.
        irregular: positions of the series that have two times or more, and no step.
    """

    freq: str | None
    freqs: tuple[str | None, ...]
    duplicates: Ints
    gaps: Ints
    missing: Ints
    holidays: int
    irregular: Ints


def infer_calendar(times: Times, offsets: Ints, *, known_freq: str | None = None) -> Calendar:
    """Find the step of each series and of all, and where it is broken.

    Args:
        times: (ΣT,) datetime64[ns] or int64, rising within each series.
        offsets: (N + 1,) where each series begins.
        known_freq: a frequency, which series that keep it without a gap have, whatever else fits a short one.

    >>> days = np.array(["2020-01-01", "2020-01-02", "2020-01-05", "2020-01-06"], "M8[ns]")
    >>> calendar = infer_calendar(days, np.array([0, 4]))
    >>> calendar.freq, calendar.gaps.tolist(), calendar.missing.tolist()
    ('D', [1], [2])
    """
    count = len(offsets) - 1
    series = np.repeat(np.arange(count), np.diff(offsets))
    twice = np.flatnonzero((np.diff(series) == 0) & (np.diff(times).astype(np.int64) == 0)) + 1
    rows = np.delete(np.arange(len(times)), twice)
    times, series = times[rows], series[rows]
    ends = np.searchsorted(series, np.arange(count + 1))
    parts = np.split(times, ends[1:-1]) if count else []
    freqs, weak = _infer_each(times, series, parts)
    freqs = _adopt_majority(freqs, weak, parts)
    if known_freq is not None and (times.dtype.kind == "M") != known_freq.isdigit():
        broken = set(series[_find_gaps(times, series, [known_freq] * count)[0]].tolist())
        keeps = [
            i not in broken and len(part) > 1 and lies_on_calendar(part, known_freq)
            for i, part in enumerate(parts)
        ]
        freqs = [known_freq if keep else freq for keep, freq in zip(keeps, freqs, strict=True)]
    distinct_freqs = {freq for freq in freqs if freq}
    irregular = np.array([i for i, f in enumerate(freqs) if f is None and len(parts[i]) > 1], dtype=np.int64)
    common = distinct_freqs.pop() if len(distinct_freqs) == 1 and not len(irregular) else None
    left, missing, holidays = _find_gaps(times, series, freqs)
    return Calendar(common, tuple(freqs), twice, rows[left], missing, holidays, irregular)


class _Pairs(NamedTuple):
    """Neighbouring rows of one series: row `left[k]` and the one after it, grouped by series."""

    left: Ints
    series: Ints
    starts: Ints  # where each series begins among the pairs
    total: int  # of series

    @classmethod
    def of(cls, series: Ints, count: int) -> _Pairs:
        left = np.flatnonzero(series[1:] == series[:-1])
        groups = series[left]
        return cls(left, groups, np.flatnonzero(np.diff(groups, prepend=-1)), count)

    def reduce(self, ufunc: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """Reduce the pairs of each series to one number, (N,); 0 for a series without any."""
        out = np.zeros(self.total, dtype=values.dtype)
        if len(values):
            out[self.series[self.starts]] = ufunc.reduceat(values, self.starts)
        return out

    def step(self, steps: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Find the shortest step of each series (N,), and whether the series keeps it."""
        base = self.reduce(np.minimum, steps)
        ones = self.reduce(np.add, (steps == base[self.series]).astype(np.int64))
        pairs = self.reduce(np.add, np.ones_like(steps))
        rest = steps % np.maximum(base[self.series], 1)
        return base, (base > 0) & (self.reduce(np.maximum, rest) == 0) & (ones >= _LEAST_SHARE * pairs)


def _infer_each(times: Times, series: Ints, parts: list[Times]) -> tuple[list[str | None], NDArray[np.bool_]]:
    """Infer the step of each series by itself, and flag those with only two times to tell by."""
    pairs = _Pairs.of(series, len(parts))
    weak = pairs.reduce(np.add, np.ones_like(pairs.left)) < 2
    steps = (times[pairs.left + 1] - times[pairs.left]).astype(np.int64)
    base, is_kept = pairs.step(steps)
    if times.dtype.kind != "M":
        return [str(b) if k else None for b, k in zip(base.tolist(), is_kept.tolist(), strict=True)], weak
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    month_base, month_is_kept = pairs.step(months[pairs.left + 1] - months[pairs.left])
    month_is_kept &= (12 % np.maximum(month_base, 1) == 0) | (month_base % 12 == 0)  # no year of 13 months
    place = _month_places(times, series, len(parts)) if month_is_kept.any() else np.full(len(parts), "")
    business = _keeps_business_days(days, pairs)
    is_whole = is_kept & (pairs.reduce(np.maximum, steps) == base)
    freqs: list[str | None] = []
    for i, part in enumerate(parts):
        weekly = None
        if place[i] and month_is_kept[i]:
            month = int(part[0].astype("datetime64[M]").astype(np.int64))
            freqs.append(_month_alias(int(month_base[i]), str(place[i]), month % 12))
            continue
        if not is_whole[i] and len(part) > 1:
            weekly = _weekly_calendar(part)
        fixed = _fixed_alias(int(base[i]), part[0]) if is_kept[i] else None
        freqs.append(weekly or ("B" if business[i] and base[i] == DAY else fixed))
    return freqs, weak


def _weekly_calendar(times: Times) -> str | None:
    """Name the calendar of one series (T,) with closing hours that repeat, or None.

    They repeat from week to week; of two weeks or less from day to day, or a weekend is skipped. Where many
    rows are missing, hours that are closed a twentieth as long as the longest are holes, not closing hours.
    """
    base = int(np.gcd.reduce(np.diff(times).astype(np.int64)))
    span = int((times[-1] - times[0]).astype(np.int64))
    if WEEK % base:
        return None
    n_slots = WEEK // base
    slots = np.unique(weekly_slots(times, base)[1])
    if span <= 2 * WEEK and _skips_weekends(times) and _open_all_day(slots, base):
        slots = np.arange(5 * DAY // base)
    elif span <= WEEK:
        return None
    elif span <= 2 * WEEK:
        slots = _daily_hours(slots, base)
    elif len(slots) > len(times) / 2:
        return None
    choices = ((slots, 1 - _HOLIDAY_SHARE), (_without_holes(slots, n_slots), _LEAST_SHARE))
    for is_open, least in choices:
        if not 0 < len(is_open) < n_slots:
            continue
        alias = weekly_alias(_fixed_alias(base, times[0]), is_open)
        n_open = 1 + int(steps_between(times[:1], times[-1:], alias)[0])
        if len(times) >= least * n_open:
            return alias
    return None


def business_days_note(times: Times, freq: str | None) -> list[str]:
    """Note that business days were told by the one or two weekends that times (T,) skip.

    >>> business_days_note(np.array(["2024-01-04", "2024-01-05", "2024-01-08"], "M8[ns]"), "B")
    ['rows were read as of business days: none is on a weekend, and one at least is skipped']
    """
    is_short = freq is not None and times.dtype.kind == "M" and np.ptp(times.astype(np.int64)) <= 2 * WEEK
    if not is_short or not parse_freq(str(freq)).open or not _skips_weekends(times):
        return []
    return ["rows were read as of business days: none is on a weekend, and one at least is skipped"]


def _skips_weekends(times: Times) -> bool:
    """Return whether times (T,) lie around a weekend or more, and none in one."""
    days = np.unique(times.astype("datetime64[D]"))
    return bool(
        np.is_busday(days).all()
        and np.busday_count(days[0], days[-1]) < int((days[-1] - days[0]).astype(np.int64))
    )


def _open_all_day(slots: Ints, base: int) -> bool:
    """Return whether slots of a week are open at each hour of the day."""
    return DAY % base == 0 and len(np.unique(slots % (DAY // base))) == DAY // base


def _daily_hours(slots: Ints, base: int) -> Ints:
    """Open slots of a week in which four days or more are open at the same hours; none without such days."""
    a_day = DAY // base
    days, hours = np.unique(slots // a_day), np.unique(slots % a_day)
    if DAY % base or len(days) < _MIN_OPEN_DAYS or len(hours) == a_day:
        return np.empty(0, dtype=np.int64)
    return np.asarray((days[:, None] * a_day + hours).ravel())


def _without_holes(slots: Ints, n_slots: int) -> Ints:
    """Open the slots of a week in closed stretches that are short beside the longest."""
    if not len(slots):
        return slots
    after = np.append(slots[1:], slots[0] + n_slots)
    closed = after - slots - 1
    holes = np.flatnonzero((closed > 0) & (_HOLE * closed < closed.max()))
    filled = [np.arange(slots[k] + 1, after[k]) % n_slots for k in holes]
    return np.unique(np.concatenate([slots, *filled]))


def _month_places(times: Times, series: Ints, count: int) -> NDArray[np.str_]:
    """Find the place in the month of each series (N,): "E", "S", "BE", "BS", or "" for no fixed place."""
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    size = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    clock = (times - days).astype(np.int64)

    def always(claim: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(series[~claim], minlength=count) == 0)

    usual, usual_clock = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    np.maximum.at(usual, series, day)
    np.maximum.at(usual_clock, series, clock)
    trading = np.is_busday(days)
    place = np.select(
        [
            ~always(clock == usual_clock[series]),
            always(day == size),
            always(day == np.minimum(usual[series], size)),
            always(trading & (size - day <= _NEAR_DAYS)),
            always(trading & (day <= _NEAR_DAYS)),
        ],
        ["", "E", "S", "BE", "BS"],
        "",
    )
    return np.asarray(place)


def _keeps_business_days(days: Times, pairs: _Pairs) -> NDArray[np.bool_]:
    """Flag series (N,) that skip weekends, have no row in one, and have a row on most other days."""
    before, after = days[pairs.left], days[pairs.left + 1]
    weekend = ~(np.is_busday(before) & np.is_busday(after))
    business = np.busday_count(before, after)
    skipped = business < (after - before).astype(np.int64)
    base, kept = pairs.step(business.astype(np.int64))
    crosses = pairs.reduce(np.maximum, skipped.astype(np.int64)) > 0
    return np.asarray(kept & (base == 1) & crosses & (pairs.reduce(np.maximum, weekend.astype(int)) == 0))


def _month_alias(months: int, place: str, month: int) -> str:
    """Name a step of months, such as "MS", "QE", "BME", "2QS-FEB", "YE-JUN"; `month` counts from 0."""
    business, edge = ("B", place[1]) if len(place) == 2 else ("", place)
    if months % 12 == 0:
        span, unit, usual = 12, "Y", 0 if edge == "S" else 11
    elif months % 3 == 0:
        span, unit, usual, month = 3, "Q", 0 if edge == "S" else 2, month % 3
    else:
        span, unit, usual, month = 1, "M", 0, 0
    count = months // span
    anchor = "" if month == usual else f"-{_MONTH_NAMES[month]}"
    return f"{count if count > 1 else ''}{business}{unit}{edge}{anchor}"


def _fixed_alias(span: int, first: Any) -> str:
    """Name a fixed step, such as "W-SUN", "D", "15min"; the first time tells the day of the week."""
    if span % WEEK == 0:
        count, day = span // WEEK, int(first.astype("datetime64[D]").astype(np.int64))
        return f"{count if count > 1 else ''}W-{_WEEKDAYS[(day + 3) % 7]}"
    unit, size = next((unit, size) for unit, size in _UNITS.items() if span % size == 0)
    return f"{span // size if span > size else ''}{unit}"


def _adopt_majority(freqs: list[str | None], weak: NDArray[np.bool_], parts: list[Times]) -> list[str | None]:
    """Series that are too short or too sparse to tell follow the others, if they fit their calendar."""
    votes: Counter[str] = Counter()
    for freq, part, short in zip(freqs, parts, weak.tolist(), strict=True):
        if freq and not short:
            votes[freq] += len(part)
    for freq in list(votes):  # one week of business days looks like days
        closing = [other for other in votes if _may_be_part(freq, other)]
        if closing:
            votes[closing[0]] += votes.pop(freq)
    if not votes:
        return freqs
    leader = votes.most_common(1)[0][0]
    for i, (freq, part) in enumerate(zip(freqs, parts, strict=True)):
        unsure = freq is None or weak[i] or _may_be_part(freq, leader)
        if unsure and len(part) > 1 and lies_on_calendar(part, leader):
            freqs[i] = leader
    return freqs


def _may_be_part(freq: str, other: str) -> bool:
    """Return whether times of a calendar with closing days or hours, if few, look like `freq`."""
    return freq != other and (
        re.sub(r"^(\d*)([MQY][SE])", r"\1B\2", freq) == other
        or freq == ("D" if other == "B" else other.partition("@")[0])
        or ("@" in other and freq == "B" and other.startswith("D@"))
    )


def lies_on_calendar(times: Times, freq: str) -> bool:
    """Return whether every time lies on a calendar with this step.

    >>> lies_on_calendar(np.array(["2024-01-01", "2024-01-03"], dtype="datetime64[ns]"), "D")
    True
    """
    step = parse_freq(freq)
    if step.place:
        months = times.astype("datetime64[M]").astype(np.int64)
        place = str(_month_places(times, np.zeros(len(times), dtype=np.int64), 1)[0])
        trades = len(step.place) == 1 or np.is_busday(times.astype("datetime64[D]")).all()
        return (
            bool(trades) and place in {step.place, step.place[-1]} and not (np.diff(months) % step.span).any()
        )
    if step.open and not np.isin(weekly_slots(times, step.span)[1], step.open).all():
        return False
    is_daily = bool(step.open) and step.span == DAY  # whatever the clock
    return is_daily or not ((times - times[0]).astype(np.int64) % step.span).any()


def _find_gaps(times: Times, series: Ints, freqs: list[str | None]) -> tuple[Ints, Ints, int]:
    """Rows after which steps are missing, how many, and how many of a week with closing are only holidays."""
    pairs = _Pairs.of(series, len(freqs))
    missing = np.zeros(len(pairs.left), dtype=np.int64)
    longest = np.zeros(len(freqs), dtype=np.int64)
    for freq in {freq for freq in freqs if freq}:
        keeps = np.array([f == freq for f in freqs])
        left = pairs.left[keeps[pairs.series]]
        missing[keeps[pairs.series]] = steps_between(times[left], times[left + 1], freq) - 1
        if slots := parse_freq(freq).slots_a_day.tolist():
            longest[keeps] = _LONGEST_HOLIDAY * max(slots)
    total = pairs.reduce(np.add, missing + 1)
    closed = pairs.reduce(np.add, missing)
    few = closed <= np.maximum(_HOLIDAY_SHARE * total, _FEW_HOLIDAYS * longest / _LONGEST_HOLIDAY)
    short = pairs.reduce(np.maximum, missing) <= longest
    days = times.astype("datetime64[D]") if times.dtype.kind == "M" else times
    holiday = (few & short)[pairs.series] & (days[pairs.left] != days[pairs.left + 1])  # not within a day
    gaps = (missing > 0) & ~holiday
    return pairs.left[gaps], missing[gaps], int(missing[holiday].sum())
