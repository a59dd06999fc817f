"""Require one step, no gap and no missing value of series to forecast; fill gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import Calendar, infer_calendar
from unrolled.data.calendar.offsets import Ints, advance, format_time, freq_words, unit_word
from unrolled.data.calendar.zones import zone_with_repeated, zone_with_skipped
from unrolled.data.gap_columns import add_gap_columns
from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import DataError
from unrolled.formatting import join_words, quantity
from unrolled.validation import check_choice

FILL_METHODS = ("forward", "linear", "mask")
_MOST_CODES = 12  # different whole numbers of a column that names kinds, such as 0/1 or the days of a week
_MOST_ADDED = 3  # rows that filling adds for each that is there: beyond it, a date is mistyped
_FILL = "Fill it with unrolled.read(..., fill='linear')."
_COUNT = "count the rows with order='rows'"
_LINE, _BEFORE = "filled by straight lines", "filled by the value before"
_CODES = "filled by the value before, as {names} {holds} flags or codes"
_PAST = "filled by the value before, as lines of {names} would know what comes after"


def require_regular(series: Sequences, *, known_freq: str | None = None) -> None:
    """Pass if every series has at least two rows, one step, no gap and no value missing or infinite.

    Missing targets after the last known one are the future, and allowed where future columns stand there.
    Series that keep `known_freq` without a gap have it.

    Raises:
        DataError: it is not so; one sentence a fault, each with the way out.

    >>> require_regular(Sequences.from_arrays([[1.0, 2.0, 4.0]]))
    >>> require_regular(Sequences.from_arrays([[1.0, float("nan"), 4.0]]))
    Traceback (most recent call last):
    unrolled.errors.DataError: arrays, series '0': expected a number at position 1, got a missing value ...
    """
    series.require_table(series.source)
    if faults := find_irregularities(series, known_freq=known_freq):
        raise DataError("\n".join(faults))


def find_irregularities(series: Sequences, *, known_freq: str | None = None) -> list[str]:
    """List what `require_regular` refuses, a sentence each."""
    if series.order is DeclaredOrder.NONE:
        got = (
            "got a table without a time column. Name that column with time=, or count the rows "
            "with order='rows'."
        )
        return [f"{series.source}: expected rows in order of time, {got}"]
    faults: list[str] = []
    if fault := short_series_fault(series, 2):
        faults.append(fault)
    _refuse_infinite(series, faults)
    if series.times is not None:
        calendar = infer_calendar(series.times, series.offsets, known_freq=known_freq)
        _refuse_broken_calendar(series, calendar, faults)
        _refuse_gaps(series, calendar, faults)
    _refuse_missing(series, faults)
    return faults


def short_series_fault(series: Sequences, least: int) -> str:
    """Word the fault of series with fewer rows with a value than needed, and how to leave them out.

    >>> short_series_fault(Sequences.from_arrays([[1.0], [2.0, 3.0]]), 1)
    ''
    """
    short = np.flatnonzero(series.observed < least)
    if not len(short):
        return ""
    first, rows = series.ids[short[0]], int(series.observed[short[0]])
    got = f"{rows} in series {first!r}" + (
        f" and too few in {len(short) - 1:,} more of {len(series):,} series" if len(short) > 1 else ""
    )
    way = "Add earlier rows, or leave such series out"
    if series.keys is not None:
        way += f": frame.groupby({list(series.id_names)}).filter(lambda rows: len(rows) >= {least})"
    return f"{series.source}: expected at least {least} rows with a value a series, got {got}. {way}."


def fill_gaps(series: Sequences, how: str) -> Sequences:
    """Complete the calendar of each series and fill missing values between known ones.

    Rows before the first known target and after the last are dropped (those after it stay where there are
    columns known ahead): nothing is made up outside of what was observed. Holidays are no gaps.

    Args:
        series: sorted by time.
        how: "forward" repeats the last known value, "linear" draws a straight line between known ones,
            "mask" repeats the last one and adds columns that say where, and since when. It also repeats
            the first and the last value of an input up to the ends.
            Flags and codes (0 and 1, or few whole numbers that recur) are repeated either way: no day is half
            a holiday. So are past inputs: a line would know what comes after the step that it fills.

    Raises:
        ArgumentError: `how` is none of these.
        DataError: the rows have no order, times occur twice or keep no common step, or a series is empty.

    >>> fill_gaps(Sequences.from_arrays([[1.0, float("nan"), 4.0]]), "linear").target.tolist()
    [1.0, 2.5, 4.0]
    """
    check_choice("fill", how, FILL_METHODS)
    series.require_table(series.source)
    if series.order is DeclaredOrder.NONE:
        raise DataError(
            f"{series.source}: expected rows in order of time to fill between, got a table without a time "
            "column. Name that column with time=."
        )
    whole, added = _complete_calendar(series)
    within = np.repeat(np.arange(len(whole)), whole.lengths)
    values = whole.values.copy()
    ways = [_way_of(whole, k, how) for k in range(len(whole.columns))]
    for k, way in enumerate(ways):
        values[:, k] = _filled(values[:, k], within, "linear" if way is _LINE else "forward")
    if how == "mask":
        values = _with_ends(whole, values, within)
    keep = _between_targets(whole, within)
    lengths = np.bincount(within[keep], minlength=len(whole))
    if not lengths.all():
        name = whole.ids[int(np.argmin(lengths))]
        raise DataError(f"{whole.source}, series {name!r}: expected a number, got none. Leave it out.")
    fresh = (np.isnan(whole.values) & ~np.isnan(values))[keep]
    is_filled = fresh[:, whole.roles.index(Role.TARGET)]
    filled = replace(
        whole,
        values=values[keep],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=None if whole.times is None else whole.times[keep],
        filled=is_filled if whole.filled is None else is_filled | whole.filled[keep],
        notes=(*whole.notes, *_notes(added, whole.columns, ways, fresh.sum(axis=0), int((~keep).sum()))),
    )
    return add_gap_columns(filled, np.isnan(whole.values)[keep]) if how == "mask" else filled


def is_code(values: NDArray[np.float64], role: Role) -> bool:
    """Return whether a column holds flags or codes: 0 and 1, or of an input few whole numbers that recur.

    A target that counts is none, however few the numbers.

    >>> is_code(np.array([0.0, 1.0, np.nan, 0.0]), Role.FUTURE), is_code(np.array([3.0, 4.0]), Role.PAST)
    (True, False)
    """
    values = values[~np.isnan(values)]
    kinds = np.unique(values)
    if np.isin(kinds, (0, 1)).all():
        return True
    is_whole = bool((kinds == np.floor(kinds)).all())
    few = min(_MOST_CODES, len(values) // 3)
    return role is not Role.TARGET and is_whole and len(kinds) <= few


def _way_of(series: Sequences, column: int, how: str) -> str:
    """Choose how a column is filled where `how` is asked for: a sentence of the note."""
    name, role = series.columns[column], series.roles[column]
    if how != "linear" or role is Role.STATIC:
        return _BEFORE
    if is_code(series.values[:, column], role) or name in series.labels:
        return _CODES
    return _PAST if role is Role.PAST else _LINE


def _notes(added: int, columns: tuple[str, ...], ways: list[str], counts: Ints, dropped: int) -> list[str]:
    """Count the rows that were added and dropped, and the values of each column that were filled, by way."""
    events = [(added, "row", "added for missing steps")]
    for way in (_LINE, _BEFORE, _CODES, _PAST):
        filled = {name: int(n) for name, of, n in zip(columns, ways, counts, strict=True) if of is way and n}
        names, holds = join_words(list(map(repr, filled))), "hold" if len(filled) > 1 else "holds"
        events.append((sum(filled.values()), "value", way.format(names=names, holds=holds)))
    events.append((dropped, "row", "dropped before the first or after the last known value"))
    return [f"{quantity(n, noun)} {'was' if n == 1 else 'were'} {what}" for n, noun, what in events if n]


def _refuse_infinite(series: Sequences, faults: list[str]) -> None:
    rows, columns = np.nonzero(np.isinf(series.values))
    if len(rows):
        value = series.values[rows[0], columns[0]]
        faults.append(
            f"{_named(series, rows[0])}: expected a finite number {_at(series, rows[0])}, column "
            f"{series.columns[columns[0]]!r}, got {value}. Correct that value or leave it empty."
        )


def _refuse_broken_calendar(series: Sequences, calendar: Calendar, faults: list[str]) -> None:
    """Duplicated times, steps of no common length, and series that disagree."""
    assert series.times is not None
    if len(calendar.duplicates):
        row, times = calendar.duplicates[0], len(calendar.duplicates)
        faults.append(
            f"{_named(series, row)}: expected one row at a time, got two {_at(series, row)}"
            f"{f' ({times} repeated rows in all)' if times > 1 else ''}. {_way_out_of_repeats(series, row)}"
        )
    elif len(calendar.irregular):
        faults.append(_uneven_steps_fault(series, int(calendar.irregular[0])))
    steps = {freq: i for i, freq in reversed(list(enumerate(calendar.freqs))) if freq}
    if len(steps) > 1:
        (one, first), (other, second) = sorted(steps.items(), key=lambda item: item[1])[:2]
        step_words = [freq_words(one), freq_words(other)]
        if step_words[0] == step_words[1]:  # such as the first and the last day of months
            step_words = [f"{step_words[0]} ({one})", f"{step_words[0]} ({other})"]
        faults.append(
            f"{series.source}: expected the same step in all series, got {step_words[0]} in series "
            f"{series.ids[first]!r} and {step_words[1]} in series {series.ids[second]!r}. "
            "Read them separately."
        )


def _way_out_of_repeats(series: Sequences, row: int) -> str:
    """Say what to do with times that stand twice: perhaps the clocks go back there."""
    assert series.times is not None
    if zone := zone_with_repeated(series.times[row]):
        return f"If the clocks go back there, name their zone with unrolled.read(..., zone={zone!r})."
    return "Keep one of them, or name the column that tells the series apart with id=."


def _uneven_steps_fault(series: Sequences, position: int) -> str:
    """Word the fault of a series whose steps have no common length, with two of them."""
    one = series[position]
    assert one.times is not None
    steps = np.diff(one.times)
    lengths, counts = np.unique(steps, return_counts=True)
    usual = lengths[np.argmax(counts)]
    row = int(np.flatnonzero(steps != usual)[0])
    return (
        f"{series.source}, series {series.ids[position]!r}: expected steps of one length, got "
        f"{_length(usual)} and, from {format_time(one.times[row])} to {format_time(one.times[row + 1])}, "
        f"{_length(steps[row])}. Bring it to a regular calendar, such as with pandas' resample, or {_COUNT}."
    )


def _length(step: Any) -> str:
    """Format a span of time in the largest unit that it fills."""
    if not isinstance(step, np.timedelta64):
        return str(int(step))
    ns = int(step.astype(np.int64))
    for name, size in (("day", 86_400 * 10**9), ("hour", 3_600 * 10**9), ("minute", 60 * 10**9)):
        if ns >= size:
            return f"{ns / size:.6g} {name}{'' if ns == size else 's'}"
    return f"{ns / 10**9:.6g} s"


def _refuse_gaps(series: Sequences, calendar: Calendar, faults: list[str]) -> None:
    if not len(calendar.gaps):
        return
    assert series.times is not None
    total, way = (
        int(calendar.missing.sum()),
        "Fill the gaps with unrolled.read(..., fill='linear').",
    )
    is_wide = total > len(series.values)  # hardly left out: a date is wrong, or the rows keep no calendar
    over_weekend = _are_over_weekends(series, calendar)
    at = int(np.argmax(calendar.missing)) if is_wide else int(np.argmin(over_weekend))
    row, missing = calendar.gaps[at], int(calendar.missing[at])
    after = row + 1 + int(np.argmax(series.times[row + 1 :] != series.times[row]))  # beyond duplicates
    if is_wide:
        start, end = series.offsets[_position(series, row) :][:2]
        beyond = after if end - after <= after - start else row  # on the side with fewer rows
        way = "More is missing than there is: correct or remove the row at "
        way += f"{format_time(series.times[beyond])} if its date is wrong, or {_COUNT}."
    elif zone := zone_with_skipped(series.times[row], series.times[after]):
        way += f" Or, if the clocks go forward there, name their zone with unrolled.read(..., zone={zone!r})."
    elif over_weekend[at]:
        way += f" Or, if nothing is measured then, {_COUNT}."
    unit = unit_word(calendar.freqs[_position(series, row)])
    faults.append(
        f"{_named(series, row)}: expected a row every {unit}, got none between "
        f"{format_time(series.times[row])} and {format_time(series.times[after])} "
        f"({missing} missing there, {total} in all). {way}"
    )


def _are_over_weekends(series: Sequences, calendar: Calendar) -> NDArray[np.bool_]:
    """Mask the gaps (G,), that hold the noons of a Saturday and a Sunday: closing hours, perhaps."""
    assert series.times is not None
    before, after = series.times[calendar.gaps], series.times[calendar.gaps + 1]
    if before.dtype.kind != "M":
        return np.zeros(len(before), dtype=np.bool_)
    noon = np.timedelta64(12, "h")
    days = (before - noon).astype("datetime64[D]")  # the last whose noon is over
    saturday = np.busday_offset(days + 1, 0, roll="forward", weekmask="Sat")
    is_long = after - before < np.timedelta64(4, "D")
    return np.asarray(is_long & (saturday + np.timedelta64(1, "D") + noon < after))


def _refuse_missing(series: Sequences, faults: list[str]) -> None:
    missing = series.missing
    if series.columns_of(Role.FUTURE):  # rows past the last target hold what is known ahead
        behind = np.array([role in {Role.TARGET, Role.PAST} for role in series.roles])
        within = np.arange(len(missing)) - np.repeat(series.offsets[:-1], series.lengths)
        ahead = within >= np.repeat(series.observed, series.lengths)
        missing[ahead[:, None] & behind] = False
    rows, columns = np.nonzero(missing)
    if not len(rows):
        return
    row, column, way = rows[0], series.columns[columns[0]], _FILL
    start, stop = series.offsets[_position(series, row) :][:2]
    observed = np.flatnonzero(~np.isnan(series.values[start:stop, columns[0]])) + start
    if not observed.min(initial=stop) < row < observed.max(initial=start):  # nothing to fill between
        way = "Fill it with unrolled.read(..., fill='mask')." if len(observed) else f"Leave {column!r} out."
    faults.append(
        f"{_named(series, row)}: expected a number {_at(series, row)}"
        f"{f', column {column!r}' if len(series.columns) > 1 else ''}, got a missing value "
        f"({len(rows)} in all). {way}"
    )


def _position(series: Sequences, row: int) -> int:
    """Find the series that a row belongs to."""
    return int(np.searchsorted(series.offsets, row, side="right") - 1)


def _named(series: Sequences, row: int) -> str:
    return f"{series.source}, series {series.ids[_position(series, row)]!r}"


def _at(series: Sequences, row: int) -> str:
    if series.times is not None:
        return f"at {format_time(series.times[row])}"
    return f"at position {int(row - series.offsets[_position(series, row)])}"


def _complete_calendar(series: Sequences) -> tuple[Sequences, int]:
    """Insert a row, empty but for its time, for each missing step; also return how many were added."""
    if series.times is None:
        return series, 0
    faults: list[str] = []
    calendar = infer_calendar(series.times, series.offsets)
    _refuse_broken_calendar(series, calendar, faults)
    if calendar.missing.sum() > _MOST_ADDED * len(series.values):
        _refuse_gaps(series, calendar, faults)
    if faults:
        raise DataError("\n".join(faults))
    if not len(calendar.gaps) or calendar.freq is None:
        return series, 0
    steps = np.ones(len(series.values), dtype=np.int64)
    steps[calendar.gaps + 1] += calendar.missing
    old = np.cumsum(steps) - 1  # where each row goes
    added = np.setdiff1d(np.arange(old[-1] + 1), old)
    before = np.searchsorted(old, added) - 1  # the row that each new one follows
    values = np.full((old[-1] + 1, len(series.columns)), np.nan)
    times = np.empty(old[-1] + 1, dtype=series.times.dtype)
    values[old], times[old] = series.values, series.times
    filled = None if series.filled is None else np.zeros(len(values), dtype=np.bool_)
    if filled is not None:
        filled[old] = series.filled
    times[added] = advance(series.times[before], calendar.freq, added - old[before])
    offsets = np.concatenate([[0], old[series.offsets[1:] - 1] + 1])
    complete = replace(series, values=values, times=times, offsets=offsets, freq=calendar.freq, filled=filled)
    return complete, len(added)


def _filled(values: NDArray[np.float64], series: Ints, how: str) -> NDArray[np.float64]:
    """Fill the missing values of one column (ΣT,) between known ones of the same series."""
    observed = np.flatnonzero(~np.isnan(values))
    if len(observed) in {0, len(values)}:
        return values
    before, after = _neighbours(values, series)
    filled = before if how == "forward" else np.interp(np.arange(len(values)), observed, values[observed])
    return np.where(np.isnan(values) & ~np.isnan(before) & ~np.isnan(after), filled, values)


def _with_ends(series: Sequences, values: NDArray[np.float64], within: Ints) -> NDArray[np.float64]:
    """Repeat the first and the last value of each input up to the ends of what is observed of its series."""
    steps = np.arange(len(values)) - np.repeat(series.offsets[:-1], series.lengths)
    is_ahead = steps >= np.repeat(series.observed, series.lengths)
    for k in range(values.shape[1]):
        if series.roles[k] is not Role.TARGET:
            before, after = _neighbours(values[:, k], within)
            ends = np.where(np.isnan(before), after, before)
            values[:, k] = np.where(np.isnan(values[:, k]) & ~is_ahead, ends, values[:, k])
    return values


def _between_targets(series: Sequences, within: Ints) -> NDArray[np.bool_]:
    """Mask the rows (ΣT,) from each first known target to the last; to the end if columns are known ahead."""
    before, after = _neighbours(series.target, within)
    return ~np.isnan(before) & (~np.isnan(after) | bool(series.columns_of(Role.FUTURE)))


def _neighbours(values: NDArray[np.float64], series: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the last known value up to each row, and the next from it on, of its series; NaN without any."""
    groups = pd.Series(values).groupby(series)
    return np.asarray(groups.ffill(), dtype=np.float64), np.asarray(groups.bfill(), dtype=np.float64)
