"""Find the labels of a table of numbers without a header, as the UCR archive writes them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from unrolled.data.io.labelled_table import LabelledColumnSpec
from unrolled.data.parse.numbers import are_missing
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

_NUMBERED = re.compile(r"column \d+")
_ARCHIVE = re.compile(r".*_(train|test)\.(tsv|txt|csv)(\.\w+)?", re.IGNORECASE)  # ECG200_TRAIN.tsv
_FEWEST_COLUMNS = 3


def with_unnamed_label(table: Table, named: LabelledColumnSpec) -> tuple[Table, LabelledColumnSpec]:
    """Name the column of labels of a wide table of numbers without a header, and note it.

    It is the first column of whole numbers of a file named as those of the archives are, Name_TRAIN or
    Name_TEST; of other files the first or the last one, if of all columns only it holds whole numbers that
    recur. Any other table is returned as it is.

    >>> columns = {"column 1": np.array([1, 2, 1, 2]), "column 2": np.ones(4) / 2, "column 3": np.ones(4) / 4}
    >>> with_unnamed_label(Table(columns, "steps.tsv", str), LabelledColumnSpec())[1].label
    'column 1'
    """
    names = list(table.columns)
    if any(named) or len(names) < _FEWEST_COLUMNS or not all(map(_NUMBERED.fullmatch, names)):
        return table, named
    ends = names[:1] + names[-1:]
    if any(table.kinds[name] != "number" and not are_missing(table.columns[name]) for name in ends):
        return table, named
    label = _archive_label(table) if _ARCHIVE.fullmatch(table.source) else _only_recurring(table)
    if label is None:
        return table, named
    note = f"{label!r} was read as the labels; if it is not, name another with label="
    return replace(table, notes=(*table.notes, note)), named._replace(label=label)


def _archive_label(table: Table) -> str | None:
    first = next(iter(table.columns))
    return first if _are_whole(table, first) else None


def _only_recurring(table: Table) -> str | None:
    """Return the first or the last column, if it alone holds whole numbers that recur."""
    names = list(table.columns)
    recurring = [name for name in names if _are_whole(table, name) and _recur(table, name)]
    return recurring[0] if len(recurring) == 1 and recurring[0] in {names[0], names[-1]} else None


def _are_whole(table: Table, name: str) -> bool:
    try:
        values = table.numbers(name)
    except DataError:  # its reader says what is wrong
        return False
    return bool((values == np.floor(values)).all())


def _recur(table: Table, name: str) -> bool:
    n_distinct = len(np.unique(table.numbers(name)))
    return 2 <= n_distinct <= len(table) // 2
