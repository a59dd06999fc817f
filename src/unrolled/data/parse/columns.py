"""Infer the schema of a table: id, time, target and input columns, by name and content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import YEARS
from unrolled.data.parse.column_names import (
    IDS,
    TARGETS,
    TEXT_TIMES,
    TIMES,
    is_nameless,
    largest_part,
    looks_like_counter,
    looks_like_key,
    looks_like_time,
    looks_like_week,
    with_usual_names,
)
from unrolled.data.parse.date_numbers import are_weeks_of_years, looks_like_moments
from unrolled.data.parse.numbers import are_missing, is_missing, quoted
from unrolled.data.parse.table import Table, number_rows
from unrolled.data.sequences import Role
from unrolled.errors import DataError
from unrolled.formatting import quoted_list
from unrolled.validation import ErrorCollector

_RISING = {"month", "quarter", "week", "day", "hour"}  # times, as numbers, only where they rise
_MOST_KEYS, _MOST_CANDIDATES = 4, 7  # columns that tell the series apart together, and that are tried


class TableSchema(NamedTuple):
    """Role of each column of a table.

    Args:
        ids: columns that tell the series apart, together; none where there is one series.
        time: column, or None.
        targets: one column a series where there are several; in a table without time, its columns.
        past, future, static: further inputs.
        unused: the rest.
        counts: whether something orders the rows: a time, ids, or a count of rows.
        notes: what was decided without the caller, a sentence each.
    """

    ids: tuple[str, ...]
    time: str | None
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    unused: tuple[str, ...]
    counts: bool = False
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns beside the targets."""
        return (*self.past, *self.future, *self.static)

    @property
    def input_roles(self) -> tuple[Role, ...]:
        """Roles of the columns beside the targets."""
        counts = {Role.PAST: self.past, Role.FUTURE: self.future, Role.STATIC: self.static}
        return tuple(role for role, names in counts.items() for _ in names)


class ColumnSpec(NamedTuple):
    """Columns that the caller names for each role."""

    id: tuple[str, ...] = ()
    time: str | None = None
    target: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Role, as it is called in a call, to the columns that were named for it."""
        return self._asdict() | {"time": () if self.time is None else (self.time,)}


def refuse_column_names(
    named: Mapping[str, str | None], source: str, why: str = "only a table has columns to name"
) -> None:
    """Pass if no column is named for a role.

    Args:
        named: role to the column that the caller names for it, None for none.
        source: what has no such columns.
        why: it has none.

    Raises:
        ArgumentError: some are.
    """
    faults = ErrorCollector()
    for role, name in named.items():
        if name is not None:
            faults.add(f"{role}: {why}, got {role}={name!r} with {source}.")
    faults.raise_if_any()


def infer_schema(table: Table, named: ColumnSpec) -> TableSchema:
    """Decide the role of each column.

    Time: the frame's index of dates, a usual name, else the one column of dates or of years. Series: a
    usual name that repeats, else the one text column, where times occur more than once; several where only
    all together tell the rows of one time apart. Target: "y", "value" or "target"; else every column of
    numbers that neither counts the rows nor is a part of the date, a series each where there is a time.

    Raises:
        DataError: a named column is missing or named twice, none holds numbers, or several could be meant.

    >>> dates = np.array(["2020-01-01", "2020-01-02"], dtype=object)
    >>> table = Table({"day": dates, "a": np.ones(2), "b": np.ones(2)}, "flow.csv", str)
    >>> infer_schema(table, ColumnSpec())[:3]
    ((), 'day', ('a', 'b'))
    """
    taken = _named_roles(table, named)
    free = [name for name in table.columns if name not in taken]
    time = named.time or infer_time(table, free)
    free = [name for name in free if name != time]
    ids = named.id or table.keys or infer_ids(table, time, free)
    notes = []
    if len(ids) > 1 and not (named.id or table.keys):
        notes.append(f"{quoted_list(ids)} tell the series apart together; id= names other columns")
    if not ids and time and len(named.target) < 2 and (ids := _numbered_key(table, time, free, named.target)):
        notes.append(
            f"{ids[0]!r} tells the series apart, each of its numbers once a time; id= names another "
            "column, target= reads numbers as series"
        )
    numbers = [n for n in free if n not in ids and table.kinds[n] == "number" and not looks_like_key(n)]
    aside = _aside(table, numbers, time, ids) if time or ids or len(numbers) == 2 else {}
    targets = named.target or _targets(table, time, ids, [n for n in numbers if n not in aside] or numbers)
    inputs = {*named.past, *named.future, *named.static}
    unused = tuple(n for n in table.columns if n not in {*ids, time, *targets, *inputs})
    counts = bool(time or ids or aside)
    notes += _notes(table, unused, aside, targets, is_timed=time is not None)
    return TableSchema(
        ids, time, targets, named.past, named.future, named.static, unused, counts, tuple(notes)
    )


def _named_roles(table: Table, named: ColumnSpec) -> dict[str, str]:
    """Map the columns that the caller names to their roles.

    Raises:
        DataError: one is missing, or has two roles.
    """
    faults, taken = ErrorCollector(DataError), dict[str, str]()
    for role, names in named.roles.items():
        for name in names:
            faults.collect(table.require_column, name, role)
            if name in taken:
                was = taken[name]
                faults.add(f"{table.source}: expected one role for column {name!r}, got {was} and {role}.")
            taken[name] = role
    if named.id and len(named.target) > 1:
        who, many = named.id[0] if len(named.id) == 1 else named.id, len(named.target)
        faults.add(f"{table.source}: expected one target beside id={who!r}, got {many}. Read one at a time.")
    faults.raise_if_any()
    return taken


def _notes(
    table: Table, unused: Sequence[str], aside: dict[str, str], targets: Sequence[str], *, is_timed: bool
) -> Iterator[str]:
    """Say which columns were left out, why, and how each is used: a sentence a reason."""
    reasons: dict[str, list[str]] = {}
    for name in unused:
        text = "as no numbers" + ("" if is_timed else " and no dates in a known notation")
        beside = f"beside the target {targets[0]!r}" if table.kinds[name] == "number" else text
        reasons.setdefault(aside.get(name, beside), []).append(name)
    for reason, names in reasons.items():
        way = "future" if reason in aside.values() else "past"
        were, example = "column" if len(names) == 1 else "columns", names[0]
        one = "it" if len(names) == 1 else "one"
        note = f"{were} {quoted_list(names)} left out {reason}; learn from {one} with {way}={example!r}"
        if table.kinds[example] == "number":
            note += f", forecast {one} with target={example!r}"
        elif not is_timed:
            note += f", read {one} as the time with time={example!r}, date_format='%d.%m.%Y'"
        yield note


def infer_time(table: Table, free: Sequence[str]) -> str | None:
    """Infer the time column, or None."""
    if table.index in free:
        return table.index
    for name in with_usual_names(free, TIMES):
        kind, spelling = table.kinds[name], name.strip().lower()
        dated = spelling in TEXT_TIMES or re.search(r"\d{4}", str(table.columns[name][0]))  # FY2010 Q1
        if kind == "time" or (kind == "text" and dated):
            return name
        if kind == "number" and (
            (np.diff(table.numbers(name)) > 0).all()
            or (spelling not in _RISING and _is_whole(table, name))
            or (looks_like_week(name) and are_weeks_of_years(table.numbers(name)))
        ):
            _refuse_parts(table, name, free)
            return name
    dates = [name for name in free if table.kinds[name] == "time"]
    dates = [name for name in dates if not _is_constant(table, name)] or dates
    numbers = [name for name in free if table.kinds[name] == "number"]
    named = [name for name in numbers if looks_like_time(name)]
    dates = dates or [name for name in named if looks_like_moments(table.numbers(name))]
    nameless = [name for name in numbers if is_nameless(name)]
    dates = dates or [name for name in nameless if looks_like_moments(table.numbers(name))][:1]
    if len(dates) > 1:
        raise DataError(
            f"{table.source}: expected one column of dates, got {quoted_list(dates)}. Name the one that "
            "orders the rows with time=."
        )
    if dates:
        return dates[0]
    first = free[0] if free else None
    return first if first and len(free) > 1 and _holds_years(table, first) else None


def _refuse_parts(table: Table, time: str, free: Sequence[str]) -> None:
    """Refuse a year in one column and its month in another, which are not put together by guessing."""
    parts = [
        n for n in with_usual_names(free, ("month", "quarter", "week", "day")) if table.kinds[n] == "number"
    ]
    if time.strip().lower() == "year" and parts and _repeats(table, [time]):
        raise DataError(
            f"{table.source}: expected one column that says when, got {quoted_list([time, *parts])}. Put "
            "them together in one column, such as 1950-01."
        )


def _is_whole(table: Table, name: str) -> bool:
    """Return whether a sample of a column holds mostly whole numbers."""
    values = pd.to_numeric(pd.Series(table.columns[name][:200]), errors="coerce").to_numpy(dtype=np.float64)
    return bool((values == np.floor(values)).mean() > 0.5)


def _holds_years(table: Table, name: str) -> bool:
    """Return whether a column of whole numbers runs through years, such as 1950, 1951, 1952."""
    if table.kinds[name] != "number" or len(table) < 3 or not _is_whole(table, name):
        return False
    years = table.numbers(name)
    steps = np.diff(years)
    return bool(
        steps[0] != 0 and (steps == steps[0]).all() and YEARS[0] <= years.min() and years.max() <= YEARS[1]
    )


def infer_ids(table: Table, time: str | None, free: Sequence[str], most: int = _MOST_KEYS) -> tuple[str, ...]:
    """Infer the columns that tell the series apart; none where there is one series."""
    if time is None:
        return tuple(name for name in with_usual_names(free, IDS[:3]) if _repeats(table, [name]))[:1]
    usual = with_usual_names(free, IDS)
    if not _repeats(table, [time]):
        return tuple(name for name in usual if _is_constant(table, name))[:1]
    usual += [n for n in free if n not in usual and looks_like_key(n)]
    usual = [name for name in usual if _repeats(table, [name])]
    complete = [name for name in free if not is_missing(pd.unique(table.columns[name])).any()] or free
    usual = [name for name in usual if name in complete] or usual  # a name that some rows lack tells less
    texts = [n for n in complete if n not in usual and table.kinds[n] == "text" and _repeats(table, [n])]
    codes = {name: pd.factorize(table.columns[name])[0] for name in (*usual, *texts, time)}
    texts = [name for name in texts if 2 * codes[name].max() < len(table)]  # fewer names than rows
    for count in range(1, most + 1):
        for group in (usual, [*usual, *texts]):
            pairs = combinations(group[:_MOST_CANDIDATES], count)
            some = [g for g in pairs if not usual or not set(usual).isdisjoint(g)]
            apart = [g for g in some if number_rows([codes[n] for n in (*g, time)]).max() + 1 == len(table)]
            same = {number_rows([codes[n] for n in {*g, *apart[0]}]).max() for g in apart}
            if apart and (len(same) == 1 or group is usual):
                return tuple(name for name in free if name in apart[0])
    texts = [] if usual else texts
    if len(texts) > 1:
        raise DataError(
            f"{table.source}: expected one column that tells the series apart, got {quoted_list(texts)}. "
            "Name it with id=."
        )
    return tuple(usual[:1] or texts)


def _repeats(table: Table, names: Sequence[str]) -> bool:
    """Return whether a row of these columns occurs twice."""
    return bool(pd.DataFrame({name: table.columns[name] for name in names}).duplicated().any())


def _numbered_key(table: Table, time: str, free: Sequence[str], target: Sequence[str]) -> tuple[str, ...]:
    """Find the column of whole numbers that stand once at each time that repeats, as `acct` may; or none.

    Half the numbers at least stand at each time on average: counts and codes that were measured do not.

    Raises:
        DataError: several columns are so.
    """
    whole = [name for name in free if table.kinds[name] == "number" and largest_part(name) < 0]
    whole = [name for name in whole if _is_whole(table, name)]
    if not whole or not (target or len(free) > 1) or not _repeats(table, [time]):
        return ()
    times = pd.factorize(table.columns[time])[0]
    n_times = int(times.max()) + 1
    keys = []
    for name in whole:
        codes = pd.factorize(table.columns[name])[0]
        n_keys = int(codes.max()) + 1
        is_apart = int(number_rows([codes, times]).max()) + 1 == len(table)
        if is_apart and codes.min() >= 0 and n_keys > 1 and 2 * len(table) >= n_keys * n_times:
            keys.append(name)
    if len(keys) > 1:
        raise DataError(
            f"{table.source}: expected one column that tells the series apart, got {quoted_list(keys)}. "
            "Name it with id=."
        )
    return tuple(keys)


def _aside(table: Table, numbers: Sequence[str], time: str | None, ids: Sequence[str]) -> dict[str, str]:
    """Map columns that count the rows or repeat the date, nothing to forecast, to the reason."""
    reasons = {}
    for name in numbers:
        most, may_count = largest_part(name), looks_like_counter(name)
        may_date = looks_like_time(name) or is_nameless(name)
        if most < 0 and not may_count and not may_date:
            continue
        try:
            values = table.numbers(name)
        except DataError:  # it is refused where it is used
            continue
        values = values[~np.isnan(values)]
        if time and may_date and _are_decimal_years(values):
            reasons[name] = f"as a time beside {time!r}"
        if not len(values) or (values != np.floor(values)).any():
            continue
        if time and most >= values.max() and values.min() >= 0:
            reasons[name] = f"as a part of {time!r}" if most > 1 else "as a flag"
        elif may_count and _counts(table, values, time, ids):
            reasons[name] = "as a count of rows"
        elif time and may_date and looks_like_moments(values):
            reasons[name] = f"as a time beside {time!r}"
    return reasons


def _are_decimal_years(values: NDArray[np.float64]) -> bool:
    """Return whether numbers rise through parts of years, as 1958.0417 and 1958.125 do."""
    steps = np.diff(np.unique(values))
    within = len(steps) > 0 and YEARS[0] <= values.min() and values.max() <= YEARS[1]
    return bool(within and steps.max() < 1 and steps.max() - steps.min() < 0.01)


def _counts(table: Table, values: NDArray[np.float64], time: str | None, ids: Sequence[str]) -> bool:
    """Return whether whole numbers count the rows: of the file, of each series, or of the times."""
    if len(values) != len(table) or len(values) < 2:
        return False
    series = number_rows([table.columns[name] for name in ids] or [np.zeros(len(table))])
    within = series[1:] == series[:-1]
    rows = [np.diff(values), np.diff(values)[within], np.diff(np.sort(values))]
    if time:  # a number a time, in the order of the file
        first = ~pd.Series(table.columns[time]).duplicated().to_numpy()
        codes = pd.factorize(table.columns[time])[0]
        if (values[first][codes] == values).all():
            rows.append(np.diff(values[first]))
    return any(len(steps) and bool((steps == np.sign(steps[0])).all() and steps[0]) for steps in rows)


def _is_constant(table: Table, name: str) -> bool:
    values = table.columns[name]
    return len(values) > 1 and bool((values == values[0]).all())


def _targets(table: Table, time: str | None, ids: Sequence[str], numbers: Sequence[str]) -> tuple[str, ...]:
    """Infer the target columns."""
    if not numbers:
        rest = [name for name in table.columns if name not in {time, *ids}]
        keys = [name for name in rest if table.kinds[name] == "number"]
        if keys:
            raise DataError(
                f"{table.source}: expected a column of numbers to learn from, got only {keys[0]!r}, whose "
                "name says that it numbers the rows. Rename it, or name it with target=."
            )
        if rest and all(are_missing(table.columns[name]) for name in rest):
            raise DataError(f"{table.source}: expected numbers, got only missing values in {rest[0]!r}.")
        seen = "none besides the time"
        if rest:
            values = table.columns[rest[0]]
            seen = f"only text such as {quoted(values[np.argmin(is_missing(values))])} in column {rest[0]!r}"
        raise DataError(
            f"{table.source}: expected a column of numbers, got {seen}. Add one, or name it with target=."
        )
    usual = with_usual_names(numbers, TARGETS)[:1] if time or ids else []
    if usual or len(numbers) == 1 or not ids:
        return tuple(usual or numbers)
    raise DataError(
        f"{table.source}: expected one target column, got {quoted_list(numbers)}. Name it with target=."
    )
