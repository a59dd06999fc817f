"""Infer the id columns and the time column of a long table of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from unrolled.data.parse.column_names import CLOCKS, IDS, numbered_steps, with_usual_names
from unrolled.data.parse.columns import infer_ids, infer_time
from unrolled.data.parse.table import Table, number_rows
from unrolled.errors import DataError

_UNITS = (
    "subject", "user", "participant", "patient", "person", "volunteer", "speaker", "session", "recording",
    "trial", "run", "segment", "episode", "repetition", "rep",
)  # fmt: skip
_UNIT_IDS = (*(f"{unit}_id" for unit in _UNITS), *_UNITS)  # spelt so, columns tell sequences apart together

_MOST_KEYS = 3  # usual ids that tell sequences apart together


def infer_keys(table: Table, free: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Infer the id columns and the time column of a long table of sequences among the free columns.

    Several columns are ids where only all together tell the rows of one time apart; or, without a time, where
    they are spelt as those of persons and of their trials, and stand in runs.

    >>> columns = {"id": np.array([1, 1]), "t": np.array([0, 1]), "x": np.ones(2)}  # a sequence of two steps
    >>> infer_keys(Table(columns, "flow.csv", str), ["id", "t", "x"])
    (('id',), 't')
    """
    numbers = [name for name in free if table.kinds[name] == "number"]  # such as 0.02 seconds
    time = infer_time(table, free) or next(iter(with_usual_names(numbers, CLOCKS)), None)
    rest = [name for name in free if name != time]
    units = [name for name in with_usual_names(rest, _UNIT_IDS) if _repeats(table, [name])]
    if time is not None:  # a unique_id may have one step each
        usual = with_usual_names(rest, IDS)
        usual = [name for name in usual if name == "unique_id" or _repeats(table, [name])]
        if usual[:1] == ["unique_id"]:
            return ("unique_id",), time
        if usual and not units:
            return _tell_apart(table, usual, (), time) or (usual[0],), time
        keys = next(
            (name for name in with_usual_names(usual, IDS[:5]) if _is_unique(table, [name, time])), None
        )
        if keys is not None:
            return (keys,), time
        if units:
            return _tell_apart(table, usual, units, time) or tuple(units), time
    elif len(units) > 1 and not numbered_steps(rest) and stand_in_runs(table, units):
        return tuple(name for name in free if name in units), time
    return infer_ids(table, time, rest, most=1), time


def find_unnamed_time(table: Table, ids: Sequence[str], names: Sequence[str]) -> str | None:
    """Find a column that could be the time of a long table: whole numbers that only rise, or only fall.

    They do so within each sequence, of which most have several steps. None where there is no such column.

    >>> columns = {"id": np.array([1, 1, 1, 2, 2]), "at": np.array([3, 2, 1, 2, 1]), "x": np.ones(5)}
    >>> find_unnamed_time(Table(columns, "flow.csv", str), ["id"], ["at", "x"])
    'at'
    """
    codes = number_rows([table.columns[name] for name in ids])
    rows = np.argsort(codes, kind="stable")
    within = np.diff(codes[rows]) == 0
    if within.sum() < len(codes) / 2:
        return None
    for name in names:
        if table.kinds[name] != "number":
            continue
        values = table.numbers(name)
        steps = np.diff(values[rows])[within]
        if ((steps > 0).all() or (steps < 0).all()) and (values == np.floor(values)).all():
            return name
    return None


def key_column_error(table: Table, name: str, who: str) -> DataError:
    """Word the fault of a column called as ids are in a table whose rows are read as sequences."""
    way = "Leave it out, or rename it."
    if _repeats(table, [name]):
        others = [other for other in table.columns if other != name]
        time = find_unnamed_time(table, [name], others)
        rename = "the column that orders its rows" if time is None else f"its time {time!r}"
        way = f"If a row is one step, rename {rename} to 'ds'; else rename {name!r}."
    return DataError(
        f"{who}: expected a step in each column, got {name!r}, whose name says that it numbers the rows. "
        f"{way}"
    )


def _tell_apart(table: Table, usual: Sequence[str], units: Sequence[str], time: str) -> tuple[str, ...]:
    """Return the units and the fewest usual ids that tell the rows of one time apart; none if they do not."""
    for count in range(0 if units else 1, min(len(usual), _MOST_KEYS) + 1):
        for group in combinations(usual, count):
            if _is_unique(table, [*units, *group, time]):
                return tuple(name for name in table.columns if name in {*units, *group})
    return ()


def _is_unique(table: Table, names: Sequence[str]) -> bool:
    return not _repeats(table, names)


def stand_in_runs(table: Table, names: Sequence[str]) -> bool:
    """Return whether rows that are equal in some columns stand together, two or more on average.

    >>> stand_in_runs(Table({"id": np.array([7, 7, 3, 3])}, "flow.csv", str), ["id"])
    True
    """
    codes = number_rows([table.columns[name] for name in names])
    return bool((np.diff(codes) >= 0).all() and 2 * (codes.max() + 1) <= len(codes))


def _repeats(table: Table, names: Sequence[str]) -> bool:
    return bool(pd.DataFrame({name: table.columns[name] for name in names}).duplicated().any())
