"""Melt tables with times across their columns: years, dates, steps; months of a year, clocks of a day."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.parse.column_names import id_columns, looks_like_key
from unrolled.data.parse.columns import ColumnSpec
from unrolled.data.parse.date_texts import month_number, month_of
from unrolled.data.parse.datetimes import looks_like_dates, parse_times
from unrolled.data.parse.numbers import are_missing, is_missing
from unrolled.data.parse.table import Table, join_ids, number_rows
from unrolled.data.reshape.days_across import TimeGrid, days_across
from unrolled.errors import DataError
from unrolled.formatting import quoted_list

Times = NDArray[Any]

_YEAR = re.compile(
    r"[XFY]?(1[6-9]\d\d|2[01]\d\d)( \[YR\d{4}\])?"
)  # as R, FAOSTAT and the World Bank spell them
_DATED = re.compile(r"\d.*[-/. QM].*\d|[QM]\d.*\d{4}")
_MONTH_YEAR = re.compile(r"([^\W\d_]{3,})\.?[-/. ']*(\d{2}|\d{4})")
_STEP = re.compile(
    r"(d|day|t|w|wk|week|m|month|h|hr|hour|step|time|period|p|y|year|q|v)[ _]?(\d+)", re.IGNORECASE
)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::00)?|(?:h|hr|he|hour)[ _]?(\d{1,2})", re.IGNORECASE)
_QUARTER = re.compile(r"(?:q|qtr ?)([1-4])|([1-4])q")
_TIME, _STEPS, _VALUE = "ds", "step", "value"


def melt(table: Table, named: ColumnSpec) -> tuple[Table, ColumnSpec]:
    """Turn a table with times across its columns into one with a row a time; others come back as they are.

    Years, dates or numbered steps (`d_1`) make a series of each row, named by the columns beside them.
    Months or quarters beside a year, days of the month or the week beside a month or a week, and clocks or
    hours beside a day, make one time of both. A named
    target says that the columns are what they seem.

    Raises:
        DataError: a column is named for a role that it cannot have in the melted table.

    >>> columns = {"shop": np.array(["a", "b"]), "2019": np.array([1.0, 3.0]), "2020": np.array([2.0, 4.0])}
    >>> melted, _ = melt(Table(columns, "flow.csv", str), ColumnSpec())
    >>> list(melted.columns), melted.columns["b"].tolist()
    (['ds', 'a', 'b'], [3.0, 4.0])
    """
    if named.target:
        return table, named
    spread, times = _across(table)
    stacked = _stacked(table, spread, times, {name for names in named.roles.values() for name in names})
    if stacked is not None:
        return stacked, named
    rest = [name for name in table.columns if name not in spread]
    if not spread or named.time in rest or any(table.kinds[name] == "time" for name in rest):
        return table, named
    return _transposed(table, named, spread, times)


def _across(table: Table) -> tuple[list[str], Times]:
    """Find the columns whose names are times, and these: years, dates, or the numbers of steps."""
    names = [
        name for name in table.columns if table.kinds[name] == "number" or are_missing(table.columns[name])
    ]
    years = {name: match[1] for name in names if (match := _YEAR.fullmatch(name.strip()))}
    if len(years) > 1:
        return list(years), np.array(list(years.values()), dtype="datetime64[Y]").astype("datetime64[ns]")
    months = _dated_months(names)
    dated = [name for name in names if _DATED.search(name) or name in months]
    if len(dated) > 2 and looks_like_dates(np.array(dated, dtype=object)):
        stripped = np.array([name.strip() for name in dated], dtype=object)
        times, _ = parse_times(stripped, name="the header", place=lambda _: table.source, utc=True)
        return dated, times
    steps = [(name, match) for name in names if (match := _STEP.fullmatch(name.strip()))]
    numbers = np.array([int(match[2]) for _, match in steps], dtype=np.int64)
    families = {match[1].lower() for _, match in steps}
    if len(steps) < 3 or len(families) > 1 or (np.diff(numbers) != 1).any():
        return [], numbers
    if families == {"v"} and len(names) == len(table.columns):  # as R calls columns without a name
        return [], numbers
    return [name for name, _ in steps], numbers


def _dated_months(names: Sequence[str]) -> list[str]:
    """List the names of months with a year, as a spreadsheet shows them; of one month, they may be its days.

    >>> _dated_months(["Dec-20", "Jan-21", "Total 21"]), _dated_months(["Jan 01", "Jan 02"])
    (['Dec-20', 'Jan-21'], [])
    """
    months = {
        name: month_number(m[1].lower()) for name in names if (m := _MONTH_YEAR.fullmatch(name.strip()))
    }
    dated = [name for name, month in months.items() if month]
    return dated if len({months[name] for name in dated}) > 1 else []


def _transposed(
    table: Table, named: ColumnSpec, spread: Sequence[str], times: Times
) -> tuple[Table, ColumnSpec]:
    """Make a column of each row."""
    rest = [name for name in table.columns if name not in spread]
    for role, columns_named in named.roles.items():
        for name in columns_named:
            table.require_column(name, role)
            if role != "id":
                beside = ", ".join(map(repr, rest))
                raise DataError(
                    f"{table.source}: expected no column {name!r} as {role} in a table whose columns are "
                    f"times, from {spread[0]!r} to {spread[-1]!r}. Melt it first: "
                    f"frame.melt(id_vars=[{beside}], var_name='ds', value_name='y')."
                )
    ids: list[str] = list(named.id) or _row_ids(table, rest)
    texts = [
        ["" if gone else v for v, gone in zip(table.columns[n], is_missing(table.columns[n]), strict=True)]
        for n in ids
    ]
    labels = [label.removesuffix(" / ").removeprefix(" / ") for label in join_ids(texts)]
    if not ids or len(set(labels)) < len(labels):
        labels = [f"row {k + 1}" for k in range(len(table))] if len(table) > 1 else [_VALUE]
    values = np.column_stack([table.numbers(name) for name in spread])
    order = np.argsort(times, kind="stable")
    columns: dict[str, Times] = {_TIME: times[order]} | {
        label: row[order] for label, row in zip(labels, values, strict=True)
    }
    unused = [name for name in rest if name not in ids]
    left = f"; {quoted_list(unused)} left out, id= names the series by another" if unused else ""
    note = (
        f"columns {spread[0]!r} to {spread[-1]!r} were read as times, and a series of each row"
        f"{f', named by {quoted_list(ids)}' if ids else ''}{left}; target= reads columns as "
        "series"
    )
    melted = replace(table, columns=columns, keys=(), frame=None, notes=(*table.notes, note, *table.remarks))
    return replace(melted, row_ids=(table, tuple(ids)) if ids else None), ColumnSpec(
        time=_TIME, target=tuple(labels)
    )


def _row_ids(table: Table, rest: Sequence[str]) -> list[str]:
    """Find the columns that name the rows of a table, each once: by their spelling, else texts, else keys."""
    texts = [name for name in rest if table.kinds[name] == "text"]
    usual = [name for name in id_columns(rest) if table.kinds[name] != "time"]
    names = list(
        dict.fromkeys([*usual[:1], *texts, *usual, *[name for name in rest if looks_like_key(name)]])
    )
    full = {name: not is_missing(table.columns[name]).any() for name in names}
    for count in range(1, 5):
        for group in combinations(names, count):
            numbers = number_rows([table.columns[name] for name in group])
            if (count > 1 or full[group[0]]) and numbers.max() + 1 == len(table):
                return [name for name in rest if name in group]
    return []


def _stacked(table: Table, spread: Sequence[str], times: Times, roles: Collection[str]) -> Table | None:
    """Make a row of each cell of a table with one part of the time in its rows and one in its header.

    Args:
        table: as it stands.
        spread: columns whose names are times.
        times: these times.
        roles: columns that the caller names.

    Returns:
        The longer table; None where there are no such parts.
    """
    numbers = [name for name in table.columns if table.kinds[name] != "text"]
    if grid := days_across(table, numbers):
        return _stack(table, grid, roles)
    months = _months(numbers)
    clocks = {name: m for name in numbers if (m := _minutes(name)) is not None}
    for name, kind in table.kinds.items():
        if (
            len(months) >= 4
            and kind == "number"
            and name not in months
            and (years := _years(table, name)) is not None
        ):
            starts = years.astype("datetime64[M]")[:, None] + np.array(list(months.values()))
            return _stack(table, TimeGrid([name], list(months), starts), roles)
        if len(clocks) >= 12 and kind == "time":
            days, _ = parse_times(table.columns[name], name=name, place=table.place, utc=True)
            starts = days.astype("datetime64[m]")[:, None] + np.array(list(clocks.values()))
            return _stack(table, TimeGrid([name], list(clocks), starts), roles)
    if not spread or not _YEAR.fullmatch(spread[0].strip()):
        return None
    for name in table.columns:
        texts = [str(value) for value in pd.unique(table.columns[name])]
        months = _months(texts)
        if name not in spread and months.keys() == set(texts):
            offsets = np.array([months[str(value)] for value in table.columns[name]])
            starts = times.astype("datetime64[M]")[None, :] + offsets[:, None]
            return _stack(table, TimeGrid([name], list(spread), starts), roles)
    return None


def _months(texts: Sequence[str]) -> dict[str, int]:
    """Map texts that name quarters, all four of them, or months, all twelve, to months after the first.

    >>> _months(["Q1", "Q2", "Q3", "Q4"]), _months(["Jan", "Feb"])
    ({'Q1': 0, 'Q2': 3, 'Q3': 6, 'Q4': 9}, {})
    """
    for number, count in ((_first_of_quarter, 4), (month_of, 12)):
        months = {text: n - 1 for text in texts if (n := number(text))}
        if len(set(months.values())) == count == len(months):
            return months
    return {}


def _first_of_quarter(text: str) -> int:
    match = _QUARTER.fullmatch(text.strip().lower())
    return 3 * int(match[1] or match[2]) - 2 if match else 0


def _minutes(text: str) -> int | None:
    """Read a clock, or the number of an hour, as minutes after midnight.

    >>> _minutes("6:30"), _minutes("H07"), _minutes("x1")
    (390, 420, None)
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    return 60 * int(match[1] or match[3]) + int(match[2] or 0)


def _years(table: Table, name: str) -> Times | None:
    """Read a column of years; None where it holds anything else."""
    texts = [str(value).strip().removesuffix(".0") for value in table.columns[name]]
    return np.array(texts, dtype="datetime64[Y]") if all(map(_YEAR.fullmatch, texts)) else None


def _stack(table: Table, grid: TimeGrid, roles: Collection[str]) -> Table:
    """Make a row of each cell (N, T), with its time, up to the first and the last that hold a value.

    Numbers beside the cells are left out where they change from row to row: such as the mean of a year,
    they hold what comes later in that row.
    """
    base, spread = grid.base, grid.spread
    rest = [name for name in table.columns if name not in {*base, *spread}]
    values = np.column_stack([table.numbers(name) for name in spread])
    keys = [
        n for n in rest if table.kinds[n] == "text" or n in {*id_columns(rest), *filter(looks_like_key, rest)}
    ]
    series = number_rows([table.columns[n] for n in keys] or [np.zeros(len(table))])
    beside = [n for n in rest if table.kinds[n] == "number" and n not in {*keys, *roles}]
    later = [n for n in beside if not _is_static(table.columns[n], series)]
    rest = [name for name in rest if name not in later]
    rows, moments = np.repeat(np.arange(len(table)), len(spread)), grid.times.ravel()
    order = np.lexsort((moments, series[rows]))
    if moments.dtype.kind == "M":
        order = order[~np.isnat(moments[order])]
    by_series = pd.Series(values.ravel()[order]).groupby(series[rows[order]])
    cells = order[(by_series.ffill().notna() & by_series.bfill().notna()).to_numpy()]
    columns = {name: table.columns[name][rows[cells]] for name in rest}
    time = _TIME if moments.dtype.kind == "M" else _STEPS
    when = moments[cells]
    columns |= {time: when.astype("datetime64[ns]") if time == _TIME else when, _VALUE: values.ravel()[cells]}
    note = (
        f"columns {spread[0]!r} to {spread[-1]!r} and {quoted_list(base)} were put together as times, a "
        "value a cell; target= reads columns as series"
    )
    notes = [note]
    if later:
        notes.append(f"{quoted_list(later)} left out: beside a row of times they may hold what comes later")
    places = rows[cells]
    return replace(
        table,
        columns=columns,
        place=lambda row: table.place(int(places[row])),
        index=time,
        frame=None if table.frame is None or not rest else table.frame.select(rest)[places.tolist()],
        notes=(*table.notes, *notes, *table.remarks),
    )


def _is_static(values: Times, series: NDArray[np.int64]) -> bool:
    """Return whether a column (N,) has one value in all rows of each series, and some series has several."""
    n_series = int(series.max()) + 1
    return n_series < len(series) and int(number_rows([series, values]).max()) + 1 == n_series
