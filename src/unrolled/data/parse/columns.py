"""Infer the schema of a table: id, time, target and input columns, by name and content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from unrolled.data.calendar.offsets import YEARS
from unrolled.data.parse.numbers import is_missing, quoted
from unrolled.data.parse.table import Table
from unrolled.data.sequences import Role
from unrolled.errors import DataError
from unrolled.validation import ErrorCollector

_TIMES = (
    "ds", "date", "datetime", "time", "timestamp", "date_time", "datum", "zeit", "fecha", "period",
    "month", "quarter", "week", "year", "day", "hour", "t", "step", "tick",
)  # fmt: skip
_CLOCKS = ("ds", "time", "timestamp", "t", "step", "tick")
_PARTS = {"month", "quarter", "week", "day", "hour"}  # as numbers only where they rise through the file
_IDS = (
    "unique_id", "series_id", "series", "item_id", "id", "item", "ticker", "symbol", "store", "product",
    "sku", "shop", "city", "region", "station", "sensor", "country", "group", "name", "key",
)  # fmt: skip
_TARGETS = ("y", "value", "target")


class TableSchema(NamedTuple):
    """Role of each column of a table.

    Args:
        id, time: columns, or None.
        targets: one column a series where there are several; in a table without time, its columns.
        past, future, static: further inputs.
        unused: the rest.
    """

    id: str | None
    time: str | None
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    unused: tuple[str, ...]

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

    id: str | None = None
    time: str | None = None
    target: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Role, as it is called in a call, to the columns that were named for it."""
        single = {"id": self.id, "time": self.time}
        return {role: () if name is None else (name,) for role, name in single.items()} | {
            "target": self.target, "past": self.past, "future": self.future, "static": self.static,
        }  # fmt: skip


def infer_schema(table: Table, named: ColumnSpec) -> TableSchema:
    """Decide the role of each column.

    Time: the frame's index of dates, a usual name, else the one column of dates or of years. Series: a
    usual name that repeats, else the one text column, where times occur more than once. Target: "y",
    "value" or "target"; else every column of numbers that is left, a series each where there is a time.

    Raises:
        DataError: a named column is missing or named twice, none holds numbers, or several could be meant.

    >>> dates = np.array(["2020-01-01", "2020-01-02"], dtype=object)
    >>> table = Table({"day": dates, "a": np.ones(2), "b": np.ones(2)}, "flow.csv", str)
    >>> infer_schema(table, ColumnSpec())[:3]
    (None, 'day', ('a', 'b'))
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
        many = len(named.target)
        faults.add(
            f"{table.source}: expected one target beside id={named.id!r}, got {many}. Read one at a time."
        )
    faults.raise_if_any()
    free = [name for name in table.columns if name not in taken]
    time = named.time or _time(table, free)
    free = [name for name in free if name != time]
    series = named.id or _id(table, time, free)
    numbers = [n for n in free if n != series and table.kinds[n] == "number" and not looks_like_key(n)]
    targets = named.target or _targets(table, time, series, numbers)
    inputs = {*named.past, *named.future, *named.static}
    unused = tuple(n for n in table.columns if n not in {series, time, *targets, *inputs})
    return TableSchema(series, time, targets, named.past, named.future, named.static, unused)


def infer_keys(table: Table, free: Sequence[str]) -> tuple[str | None, str | None]:
    """Infer the id and the time column of a long table among the free columns.

    >>> columns = {"id": np.array([1, 1]), "t": np.array([0, 1]), "x": np.ones(2)}  # a sequence of two steps
    >>> infer_keys(Table(columns, "flow.csv", str), ["id", "t", "x"])
    ('id', 't')
    """
    clocks = [
        name for name in _with_usual_names(free, _CLOCKS) if table.kinds[name] == "number"
    ]  # such as 0.02 seconds
    time = _time(table, free) or next(iter(clocks), None)
    rest = [name for name in free if name != time]
    if time is not None:  # a unique_id may have one step each
        usual = [name for name in id_columns(rest) if name == "unique_id" or _repeats(table, [name])]
        if usual:
            return usual[0], time
    return _id(table, time, rest), time


def id_columns(names: Sequence[str]) -> list[str]:
    """Select the names that are spelt as an id, the most usual first.

    >>> id_columns(["x", "Sensor", "unique_id"])
    ['unique_id', 'Sensor']
    """
    return _with_usual_names(names, _IDS)


def _with_usual_names(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Select the names that are spelt as usual, the most usual first."""
    spelt = {name: name.strip().lower().replace(" ", "_") for name in names}
    return sorted((n for n in names if spelt[n] in usual), key=lambda n: usual.index(spelt[n]))


def _time(table: Table, free: Sequence[str]) -> str | None:
    """Infer the time column, or None."""
    if table.index in free:
        return table.index
    for name in _with_usual_names(free, _TIMES):
        kind, spelling = table.kinds[name], name.strip().lower()
        if kind == "time" or (kind == "text" and spelling in _TIMES[:6]):
            return name
        if kind == "number" and (_rises(table, name) or (spelling not in _PARTS and _is_whole(table, name))):
            _refuse_parts(table, name, free)
            return name
    dates = [name for name in free if table.kinds[name] == "time"]
    if len(dates) > 1:
        raise DataError(
            f"{table.source}: expected one column of dates, got {quoted_list(dates)}. Name the one that "
            "orders the rows with --time or time=."
        )
    if dates:
        return dates[0]
    first = free[0] if free else None
    return first if first and len(free) > 1 and _holds_years(table, first) else None


def _refuse_parts(table: Table, time: str, free: Sequence[str]) -> None:
    """Refuse a year in one column and its month in another, which are not put together by guessing."""
    parts = [
        n for n in _with_usual_names(free, ("month", "quarter", "week", "day")) if table.kinds[n] == "number"
    ]
    if time.strip().lower() == "year" and parts and _repeats(table, [time]):
        raise DataError(
            f"{table.source}: expected one column that says when, got {quoted_list([time, *parts])}. Put "
            "them together in one column, such as 1950-01."
        )


def _rises(table: Table, name: str) -> bool:
    return bool((np.diff(table.numbers(name)) > 0).all())


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


def _id(table: Table, time: str | None, free: Sequence[str]) -> str | None:
    """Infer the column that tells the series apart, or None."""
    if time is None:
        usual = [name for name in _with_usual_names(free, _IDS[:3]) if _repeats(table, [name])]
        return usual[0] if usual else None
    if not _repeats(table, [time]):
        usual = [
            n for n in _with_usual_names(free, _IDS) if table.kinds[n] == "text" and _is_constant(table, n)
        ]
        return usual[0] if usual else None
    usual = [name for name in _with_usual_names(free, _IDS) if _repeats(table, [name])]
    if usual:
        return usual[0]
    texts = [name for name in free if table.kinds[name] == "text" and _repeats(table, [name])]
    if len(texts) > 1:
        texts = [name for name in texts if not _repeats(table, [name, time])] or texts
    if len(texts) > 1:
        raise DataError(
            f"{table.source}: expected one column that tells the series apart, got {quoted_list(texts)}. "
            "Name it with --id or id=."
        )
    return texts[0] if texts else None


def _repeats(table: Table, names: Sequence[str]) -> bool:
    """Return whether a row of these columns occurs twice."""
    return bool(pd.DataFrame({name: table.columns[name] for name in names}).duplicated().any())


def looks_like_key(name: str) -> bool:
    """Return whether a column is spelt like a key of rows or customers, which is nothing to learn."""
    spelling = name.strip().lower()
    return spelling in _IDS[:5] or spelling == "key" or spelling.endswith("_id")


def _is_constant(table: Table, name: str) -> bool:
    values = table.columns[name]
    return len(values) > 1 and bool((values == values[0]).all())


def _targets(table: Table, time: str | None, series: str | None, numbers: Sequence[str]) -> tuple[str, ...]:
    """Infer the target columns."""
    if not numbers:
        rest = [name for name in table.columns if name not in {time, series}]
        keys = [name for name in rest if table.kinds[name] == "number"]
        if keys:
            raise DataError(
                f"{table.source}: expected a column of numbers to learn from, got only {keys[0]!r}, whose "
                "name says that it numbers the rows. Rename it, or name it with --target or target=."
            )
        if rest and all(is_missing(table.columns[name]).all() for name in rest):
            raise DataError(f"{table.source}: expected numbers, got only missing values in {rest[0]!r}.")
        seen = "" if not rest else f" such as {_sample(table, rest[0])} in column {rest[0]!r}"
        raise DataError(
            f"{table.source}: expected a column of numbers, got {'only text' if rest else 'none besides'}"
            f"{seen or ' the time'}. Add one, or name it with --target or target=."
        )
    usual = _with_usual_names(numbers, _TARGETS)
    if time is None and series is None:
        return tuple(numbers)
    if series is None:
        return tuple(usual[:1]) if usual and usual[0].lower() == "y" else tuple(numbers)
    if usual or len(numbers) == 1:
        return ((usual or numbers)[0],)
    raise DataError(
        f"{table.source}: expected one target column, got {quoted_list(numbers)}. Name it with --target or "
        "target=."
    )


def _sample(table: Table, name: str) -> str:
    values = table.columns[name]
    return quoted(values[int(np.argmin(is_missing(values)))])


def quoted_list(names: Sequence[str]) -> str:
    """Join names for a sentence, in quotes, the first five of many.

    >>> quoted_list(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    shown = [repr(name) for name in names[:5]]
    if len(names) == 1:
        return shown[0]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shown[:-1]) + f" and {shown[-1]}" if not more else ", ".join(shown) + more
