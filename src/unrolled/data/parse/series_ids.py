"""Ids of series: columns to codes and names; spellings of one name that belong together."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import format_time
from unrolled.data.parse.table import Table, join_ids, number_rows
from unrolled.errors import DataError
from unrolled.formatting import quoted_list

Ints = NDArray[np.int64]


def encode_ids(table: Table, names: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Encode the id columns as numbers (T,), and list the ids in the order in which they occur.

    Raises:
        DataError: a row has none.
    """
    for name in names:
        codes, distinct = pd.factorize(table.columns[name])
        empty = np.flatnonzero([str(one).strip() == "" for one in distinct])
        unnamed = np.flatnonzero((codes < 0) | np.isin(codes, empty))
        if len(unnamed):
            raise DataError(
                f"{table.place(int(unnamed[0]))}, column {name!r}: expected the name of a series, got "
                "nothing. Name it, or remove that row."
            )
    codes = number_rows([table.columns[name] for name in names])
    first = np.unique(codes, return_index=True)[1]
    return codes, tuple(join_ids([table.columns[name][first] for name in names]))


def merge_spellings(
    codes: Ints, ids: tuple[str, ...], times: NDArray[Any] | None, source: str, notes: list[str]
) -> tuple[Ints, tuple[str, ...], Ints]:
    """Make one series of ids that differ in spaces, width or case alone, where no two have a row at one time.

    Args:
        codes: (T,) series of each row.
        ids: name of each series.
        times: (T,) or None; without times, case makes a difference.
        source: what messages call the data.
        notes: is told what was made one.

    Returns:
        Codes (T,) and ids of the N series that are left, and the first row (N,) of each as it is spelt.

    Raises:
        DataError: ids that differ in spaces or width alone have a row at the same time.

    >>> merge_spellings(np.array([0, 1, 2]), ("a", "b", "a "), np.array([1, 1, 2]), "flow.csv", [])
    (array([0, 1, 0]), ('a', 'b'), array([0, 1]))
    """
    firsts = np.unique(codes, return_index=True)[1]
    rows = np.bincount(codes, minlength=len(ids))
    merged = np.arange(len(ids))  # of the series that are one, the first
    shown = np.arange(len(ids))  # whose spelling it has
    said: list[str] = []
    for spell in (_plain, _caseless) if times is not None else (_plain,):
        groups = _alike([ids[k] for k in shown], merged, spell)
        shared = _shared_times(merged[codes], groups, times)
        for first, group in groups.items():
            names = quoted_list(sorted({ids[shown[k]] for k in group}))
            if first not in shared:
                best = max(group, key=lambda k: rows[shown[k]])
                merged[np.isin(merged, group)], shown[first] = first, shown[best]
                name = ids[shown[first]]
                said.append(f"ids {names} were read as one series, {name!r}")
            elif spell is _plain:
                raise DataError(
                    f"{source}: expected one name a series, got {names}, which have a row each at "
                    f"{format_time(shared[first])}. Write them alike and keep one of those rows, or give "
                    "them other names."
                )
    if said:
        more = f", and so were those of {len(said) - 1:,} more" if len(said) > 1 else ""
        notes.append(f"{said[0]}{more}; other names keep them apart")
    kept, new = np.unique(merged, return_inverse=True)
    return new.astype(np.int64)[codes], tuple(ids[k] for k in shown[kept]), firsts[shown[kept]]


def _plain(name: str) -> str:
    """Spell a name with single spaces and letters of usual width.

    >>> _plain(" Ａ  b ")
    'A b'
    """
    return " ".join(unicodedata.normalize("NFKC", name).split())


def _caseless(name: str) -> str:
    return _plain(name).casefold()


def _alike(ids: Sequence[str], merged: Ints, spell: Callable[[str], str]) -> dict[int, list[int]]:
    """Group the series, two or more each, whose names are spelt alike; by the first of each group."""
    groups: dict[str, list[int]] = {}
    for k in np.unique(merged).tolist():
        groups.setdefault(spell(ids[k]), []).append(k)
    return {group[0]: group for group in groups.values() if len(group) > 1}


def _shared_times(series: Ints, groups: dict[int, list[int]], times: NDArray[Any] | None) -> dict[int, Any]:
    """Map groups to a time at which two of their series have a row (T,), if there is one."""
    if times is None or not groups:
        return {}
    group_of = {k: first for first, group in groups.items() for k in group}
    within = np.isin(series, list(group_of))
    rows = pd.DataFrame({"series": series[within], "time": times[within]}).drop_duplicates()
    rows["group"] = rows["series"].map(group_of)
    twice = rows[rows.duplicated(["group", "time"])].iloc[::-1]  # the first is put last, and stays
    return dict(zip(twice["group"].tolist(), twice["time"].to_numpy(), strict=True))
