"""Read the column of labels of a table: one a sequence, whole numbers, numbers or texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.io.targets import have_leading_zeros, parse_labels
from unrolled.data.parse.numbers import quoted
from unrolled.data.parse.table import Table
from unrolled.errors import DataError
from unrolled.formatting import quoted_list

Array = NDArray[Any]

SHARE_OF_ROWS = 0.05  # of all rows: faults of so many are one of the columns
_DIGITS = re.compile(r"-?\d+")
_NO_LABEL = frozenset({"", "?", "nan", "na", "n/a", "#n/a", "<na>", "null"})  # "none" and "-" may be classes


def label_changes(labels: Array, codes: Array) -> NDArray[np.bool_]:
    """Flag rows (T,) with another label than the first of their sequence.

    >>> label_changes(np.array(["up", "up", "down"]), np.array([0, 0, 0])).tolist()
    [False, False, True]
    """
    labels = pd.factorize(labels)[0]
    first = np.unique(codes, return_index=True)[1]
    return np.asarray(labels != labels[first][codes])


def label_of_each(
    table: Table, name: str, codes: Array, ids: Sequence[str], id_names: Sequence[str] = ()
) -> Array:
    """Read the label (N,) of each sequence, which is the same in all its rows.

    Args:
        table: with a row a sequence, or a step.
        name: the column of labels.
        codes: (T,) sequence of each row.
        ids: what the sequences are called.
        id_names: the columns that tell them apart.

    Raises:
        DataError: a row has no label, or a label changes within a sequence.
    """
    labels: Array = np.array([_text(value) for value in table.columns[name]])
    # whole numbers as they are written: a float would run those beyond 2**53 together
    is_read = have_leading_zeros(labels) or all(map(_DIGITS.fullmatch, labels))
    is_number = table.kinds[name] == "number" and not is_read
    unknown = np.isin(np.char.lower(labels), list(_NO_LABEL))
    if is_number:
        labels = table.numbers(name)
        unknown = np.isnan(labels)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(
            f"{table.place(row)}, column {name!r}: expected a label, got {_shown(table.columns[name][row])}. "
            "Write it there, or remove that row."
        )
    changed = label_changes(labels, codes)
    if changed.any():
        row = int(np.argmax(changed))
        if changed.sum() > max(1, SHARE_OF_ROWS * len(changed)):
            raise _unlike_labels(table, name, codes[changed], ids, id_names)
        one, other = (_shown(table.columns[name][k]) for k in (int(np.argmax(codes == codes[row])), row))
        raise DataError(
            f"{table.place(row)}, sequence {quoted(ids[codes[row]])}: expected one label a sequence in "
            f"column {name!r}, got {other} after {one}. Correct it, or name another with label=."
        )
    labels = labels[np.unique(codes, return_index=True)[1]]
    if not is_number:
        return parse_labels(labels.tolist())
    are_whole = (labels == np.floor(labels)) & (np.abs(labels) <= 2**53)
    return labels.astype(np.int64) if are_whole.all() else labels


def _unlike_labels(
    table: Table, name: str, codes: Array, ids: Sequence[str], id_names: Sequence[str]
) -> DataError:
    """Word the fault of a label that changes within many sequences, whose ids then are not all there."""
    return DataError(
        f"{table.source}: expected one label a sequence in column {name!r}, which changes within "
        f"{len(np.unique(codes))} of {len(ids)} sequences of {quoted_list(id_names)}. Name all columns that "
        f"tell the sequences apart, such as id={[*id_names, name]}, label={name!r}."
    )


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()  # noqa: PLR0124 (NaN)


def _shown(value: Any) -> str:
    return quoted(value) if _text(value) else "nothing"
