"""Align columns by name with those that were fitted on, and targets by id with the sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from unrolled.data.parse.table import join_ids
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quoted_list


def names_steps(header: Sequence[str], n_features: int) -> bool:
    """Return whether a header names the steps of a table with a row a sequence, and not the features.

    >>> names_steps(("t0", "t1", "t2"), 1), names_steps(("flow", "level"), 2)
    (True, False)
    """
    return n_features == 1 and len(header) > 1


def match_columns(series: Sequences, header: Sequence[str], n_features: int, who: str) -> Sequences:
    """Bring features, or the steps of a table with a row a sequence, into the order of a header.

    Where either side has no names, as arrays have none, columns are matched by position. A table may have
    fewer steps than the header, or more of them at its end.

    Args:
        series: what is to be matched.
        header: of the series that were fitted on.
        n_features: features of these.
        who: what messages call the series.

    Raises:
        DataError: the names differ.

    >>> series = replace(Sequences.from_arrays([[[1.0, 2.0]]]), header=("level", "flow"))
    >>> match_columns(series, ("flow", "level"), 2, "X").values.tolist()
    [[2.0, 1.0]]
    """
    names, header = series.header, tuple(header)
    are_steps = names_steps(names, series.values.shape[1])
    if not names or not header or names == header or are_steps != names_steps(header, n_features):
        return series
    if set(names) == set(header):
        order = [names.index(name) for name in header]
        ordered = _reorder_steps(series, order) if are_steps else _reorder_features(series, order)
        return replace(ordered, header=header)
    shared = min(len(names), len(header))
    if are_steps and names[:shared] == header[:shared]:
        return series
    missing = [name for name in header if name not in names]
    others = [name for name in names if name not in header]
    got = [f"{quoted_list(missing)} missing"] if missing else []
    got += [f"{quoted_list(others)} besides"] if others else []
    raise DataError(
        f"{who}: expected the columns {quoted_list(header)}, as in fit, in any order; got "
        f"{' and '.join(got)}. Select or rename the columns."
    )


def _reorder_features(series: Sequences, order: list[int]) -> Sequences:
    columns = tuple(series.columns[k] for k in order)
    return replace(series, values=np.ascontiguousarray(series.values[:, order]), columns=columns)


def _reorder_steps(series: Sequences, order: list[int]) -> Sequences:
    """Permute the steps of sequences of one feature; those that end early are padded for it."""
    N, T = len(series), len(order)
    within = np.arange(T) < series.lengths[:, None]
    table = np.full((N, T), np.nan)
    table[within] = series.values[:, 0]
    table = table[:, order]
    lengths = np.where(np.isnan(table), 0, np.arange(1, T + 1)).max(axis=1)
    values = table[np.arange(T) < lengths[:, None]]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return replace(series, values=values[:, None], offsets=offsets)


def align_targets(y: Any, series: Sequences, who: str) -> Any:
    """Bring what stands beside the sequences, one each, into their order, where it has an index or ids.

    An index, or columns, that hold the ids of the sequences are aligned with them. Without ids, and where an
    index only counts the rows, the order is that of the sequences.

    Args:
        y: labels, numbers, groups, weights or lengths: a pandas series or frame, a frame of any library with
            the id columns and one other, or a mapping from ids; whatever else comes back as it is.
        series: the sequences.
        who: what messages call y.

    Raises:
        DataError: an index without names holds the ids in another order, so that it may mean either; or an
            index of ids lacks some.

    >>> series = replace(
    ...     Sequences.from_arrays([[1.0], [2.0]]),
    ...     ids=("b", "a"), keys=nw.from_native(pd.DataFrame({"unique_id": ["b", "a"]})),
    ... )
    >>> align_targets(pd.Series([0, 1], index=["a", "b"]), series, "y").tolist()
    [1, 0]
    """
    if series.keys is None:
        return y
    y, index = _with_ids(pd.Series(y) if isinstance(y, Mapping) else y, series.id_names)
    name = who.rsplit(" ", 1)[-1]
    if index is None or not (index.is_unique and index.nlevels == len(series.id_names)):
        return y
    by_name = set(index.names) == set(series.id_names)
    levels = [index.get_level_values(name if by_name else k) for k, name in enumerate(series.id_names)]
    position_of = {label: k for k, label in enumerate(join_ids(levels))}
    if list(position_of) == list(series.ids):
        return y
    counts_rows = isinstance(index, pd.RangeIndex) and not by_name
    shared = sum(name in position_of for name in series.ids)
    if shared == len(series) and not (counts_rows or (_are_counted(series) and not by_name)):
        return y.iloc[[position_of[name] for name in series.ids]]
    if shared == len(series) == len(index):
        raise DataError(
            f"{who}: its index holds the ids of X in another order, so that it may be meant by id or by "
            f"position. Give {name}.loc[ids] in the order of X, or {name}.to_numpy() where that is its order."
        )
    if by_name or (shared and not counts_rows and not _are_counted(series)):
        missing = [name for name in series.ids if name not in position_of]
        raise DataError(
            f"{who}: expected an index that holds the ids of X, which lacks {quoted_list(missing)}. Add "
            f"them, or give {name}.to_numpy() in the order of X."
        )
    return y


def _with_ids(y: Any, id_names: Sequence[str]) -> tuple[Any, pd.Index[Any] | None]:
    """Return y with its index of pandas, made of id columns where it has these; None without either."""
    columns = [str(name) for name in getattr(y, "columns", ())]
    if len(columns) == len(id_names) + 1 and set(id_names) < set(columns):
        frame = nw.from_native(y, eager_only=True).to_pandas()
        y = frame.set_axis(columns, axis=1).set_index(list(id_names)).iloc[:, 0]
    return y, y.index if isinstance(y, pd.Series | pd.DataFrame) else None


def _are_counted(series: Sequences) -> bool:
    """Return whether the ids are row numbers of a frame, from 0 on."""
    return series.rows is None and list(series.ids) == list(map(str, range(len(series))))


def align_steps(y: Any, series: Sequences, X: Any, who: str) -> Any:
    """Bring labels of steps into the order of the steps: one list a sequence.

    Args:
        y: one list of labels a sequence, by position or with an index of ids; a frame with a row a sequence
            and a column a step; or, where X has a row a step, one label a row.
        series: the sequences of X.
        X: as it was given.
        who: what messages call y.

    Raises:
        DataError: lists came with rows that were sorted by time, or y has the index of X in another order.

    >>> series = replace(Sequences.from_arrays([[1.0, 2.0], [3.0]]), rows=np.array([2, 0, 1]))
    >>> [part.tolist() for part in align_steps(["b", "c", "a"], series, None, "y")]
    [['a', 'b'], ['c']]
    """
    if _is_step_table(y, series):
        table = nw.from_native(align_targets(y, series, who), eager_only=True).to_numpy()
        return [row[:steps] for row, steps in zip(table, series.lengths, strict=True)]
    if series.rows is None:
        return align_targets(y, series, who)
    is_flat = hasattr(y, "__len__") and len(y) > 0 and np.ndim(_first(y)) == 0
    if is_flat and (len(y) != len(series) or (series.lengths == 1).all()):
        labels = np.asarray(_like_rows(y, X, who))
        if len(labels) <= series.rows.max():
            raise DataError(
                f"{who}: expected one label a row of X, got {len(labels)}. Give X and y of the same rows."
            )
        return np.split(labels[series.rows], series.offsets[1:-1])
    within = np.ones(len(series.rows), dtype=bool)
    within[series.offsets[:-1]] = False
    if (np.diff(series.rows, prepend=0)[within] < 0).any():
        raise DataError(
            f"{who}: the rows of X were sorted by time, so that lists of labels may be in another order. "
            "Give one label a row, such as y=X.pop('tag'), or sort the frame by id and time first."
        )
    return align_targets(y, series, who)


def _is_step_table(y: Any, series: Sequences) -> bool:
    """Tell whether y is a frame with a row a sequence and a column a step, none of them an id."""
    if getattr(y, "shape", None) != (len(series), series.lengths.max(initial=0)) or not hasattr(y, "columns"):
        return False
    return set(map(str, y.columns)).isdisjoint(series.id_names)


def _first(y: Any) -> Any:
    return y.iloc[0] if hasattr(y, "iloc") else y[0]


def _like_rows(y: Any, X: Any, who: str) -> Any:
    """Bring a pandas series into the order of the rows of a pandas frame with the same index."""
    are_pandas = isinstance(y, pd.Series) and isinstance(X, pd.DataFrame)
    if not are_pandas or len(y) != len(X) or y.index.equals(X.index):
        return y
    if y.index.is_unique and set(y.index) == set(X.index):
        return y.loc[X.index]
    if isinstance(y.index, pd.RangeIndex):
        return y
    raise DataError(
        f"{who}: expected the index of X, got another. Give y.to_numpy() in the order of its rows."
    )
