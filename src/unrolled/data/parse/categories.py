"""Covariates of texts: labels as codes, which a network reads as a column a label."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.parse.numbers import is_missing
from unrolled.data.parse.table import Table, join_ids
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity, quoted_list

Floats = NDArray[np.float64]

NO_LABEL = -1.0  # as pandas codes an empty cell, and a label that was not there when they were learned
_MOST_LABELS = 100


def encode_inputs(
    table: Table, names: Sequence[str], is_past: NDArray[np.bool_], notes: list[str]
) -> tuple[list[Floats], dict[str, tuple[str, ...]]]:
    """Read columns beside the target: numbers as they are, texts and categories as codes of their labels.

    Args:
        table: holds the columns.
        names: columns to read.
        is_past: (T,) rows from which labels can be learned: those with a target. Others come after theirs.
        notes: is told what was encoded, a sentence a column.

    Returns:
        (T,) of each column, and the labels of those that were encoded.

    Raises:
        DataError: a column has more labels than a network can learn, or is no number and no text.

    >>> table = Table({"event": np.array(["fair", None, "fair", "new"], dtype=object)}, "flow.csv", str)
    >>> columns, labels = encode_inputs(table, ["event"], np.array([True, True, True, False]), [])
    >>> columns[0].tolist(), labels
    ([0.0, -1.0, 0.0, 1.0], {'event': ('fair', 'new')})
    """
    columns, labels = [], {}
    for name in names:
        if table.kinds[name] != "text" and name not in table.categories:
            columns.append(table.numbers(name))
            continue
        is_filled = ~is_missing(table.columns[name])
        seen = sorted(set(_texts(table.columns[name][is_filled & is_past])))
        rows = int((is_filled & is_past).sum())
        if len(seen) > _MOST_LABELS or len(seen) > max(rows // 2, 10):
            raise DataError(
                f"{table.source}, column {name!r}: expected at most {_MOST_LABELS} labels that recur, got "
                f"{len(seen):,} in {rows:,} rows. Group them, or leave that column out."
            )
        later = sorted(set(_texts(table.columns[name][is_filled])) - set(seen))
        labels[name] = (*seen, *later)
        columns.append(codes_of(table.columns[name], labels[name]))
        count = quantity(len(seen), "label")
        note = f"column {name!r} was read as {count}; numbers in their place are read as such"
        note += "" if is_filled.all() else ", empty cells as none of them"
        more = (
            f"; no row with a target has {quoted_list(later)}, so that nothing is learned of it"
            if later
            else ""
        )
        notes.append(note + more)
    return columns, labels


def codes_of(cells: Iterable[Any], labels: Sequence[str]) -> Floats:
    """Return the position of each cell (T,) among the labels, or `NO_LABEL`."""
    positions = pd.Index(list(labels), dtype=object).get_indexer(pd.Index(_texts(cells), dtype=object))
    return np.asarray(positions, dtype=np.float64)


def recode(codes: Floats, labels: Sequence[str], fitted: Sequence[str]) -> Floats:
    """Convert codes (T,) among some labels to those among the labels that a model was fitted on.

    >>> recode(np.array([0.0, 1.0, -1.0]), ["a", "b"], ["b"]).tolist()
    [-1.0, 0.0, -1.0]
    """
    table = np.append(codes_of(labels, fitted), NO_LABEL)
    return table[np.where(codes >= 0, codes, len(labels)).astype(np.int64)]


def warn_of_later(series: Sequences) -> None:
    """Warn where rows after the last target hold labels that no row before has."""
    within = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], series.lengths)
    is_past = within < np.repeat(series.observed, series.lengths)
    for name, labels in series.labels.items():
        codes = series.values[:, series.columns.index(name)]
        seen = np.unique(codes[is_past & (codes >= 0)]).astype(np.int64)
        later = np.unique(codes[~is_past & (codes >= 0)]).astype(np.int64)
        warn_of_unseen(series.source, name, [labels[k] for k in later], [labels[k] for k in seen])


def warn_of_unseen(source: str, name: str, cells: Iterable[Any], labels: Sequence[str]) -> None:
    """Warn where cells hold other labels than a model was fitted on; it reads them as none."""
    texts = np.array(_texts(cells), dtype=object)
    unseen = sorted(set(texts[~is_missing(texts)]) - set(labels))
    if unseen:
        warnings.warn(
            f"{source}, column {name!r}: the model has not seen {quoted_list(unseen)} and reads it as no "
            "label. Fit it on data that hold it.",
            stacklevel=2,
        )


def _texts(cells: Iterable[Any]) -> list[str]:
    """Write cells as texts: 1.0 is "1", as in a column without gaps."""
    return [text.strip() for text in join_ids([cells])]
