"""Align columns by name with those that were fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

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
