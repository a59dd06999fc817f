"""Columns that say where a value was filled, and how long ago the last one was observed.

For each target and each column known up to now there are two more of these:

    NAME, missing        1 where the value is filled, else 0
    NAME, steps since    log(1 + d), d the steps since the last observed value

Source: the mask and the steps since the last value are the inputs of Che et al., Recurrent Neural Networks
for Multivariate Time Series with Missing Values (2018), section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import Role, Sequences

_MISSING, _SINCE = ", missing", ", steps since"


def add_gap_columns(series: Sequences, is_missing: NDArray[np.bool_]) -> Sequences:
    """Add the two columns of each target and of each column known up to now; those that are there stay.

    Rows after the last target, which hold what is known ahead, have none.

    Args:
        series: filled.
        is_missing: (ΣT, F) where values were missing before.

    >>> series = Sequences.from_arrays([[1.0, 1.0, 4.0]])
    >>> filled = add_gap_columns(series, np.array([[False], [True], [False]]))
    >>> filled.columns[1:], filled.values[:, 1:].round(2).tolist()
    (('y, missing', 'y, steps since'), [[0.0, 0.0], [1.0, 0.69], [0.0, 0.0]])
    """
    chosen = [
        k
        for k, (name, role) in enumerate(zip(series.columns, series.roles, strict=True))
        if role in {Role.TARGET, Role.PAST} and not is_gap_column(name, series.columns)
    ]
    chosen = [k for k in chosen if series.columns[k] + _MISSING not in series.columns]
    rows = np.arange(len(series.values))[:, None]
    starts = np.repeat(series.offsets[:-1], series.lengths)[:, None]
    last = np.maximum.accumulate(np.where(is_missing[:, chosen], -1, rows), axis=0)
    since = np.log1p(rows - np.maximum(last, starts - 1))
    within = rows - starts
    is_ahead = (within >= np.repeat(series.observed, series.lengths)[:, None])[:, 0]
    columns = np.concatenate([is_missing[:, chosen], since], axis=1)
    columns[is_ahead] = np.nan
    names = [series.columns[k] + ending for ending in (_MISSING, _SINCE) for k in chosen]
    return replace(
        series,
        values=np.concatenate([series.values, columns], axis=1),
        columns=(*series.columns, *names),
        roles=(*series.roles, *[Role.PAST] * len(names)),
    )


def is_gap_column(name: str, columns: Iterable[str]) -> bool:
    """Return whether a column says where another one was filled.

    >>> is_gap_column("y, missing", ["y", "y, missing"]), is_gap_column("y, missing", ["y, missing"])
    (True, False)
    """
    stems = [name.removesuffix(ending) for ending in (_MISSING, _SINCE) if name.endswith(ending)]
    return any(stem in columns for stem in stems)


def observed_targets(series: Sequences) -> NDArray[np.bool_]:
    """Mask the rows (ΣT,) whose target was observed: all, where no column says that it was filled."""
    target = series.columns[series.roles.index(Role.TARGET)]
    if target + _MISSING not in series.columns:
        return np.ones(len(series.values), dtype=bool)
    return np.asarray(series.values[:, series.columns.index(target + _MISSING)] != 1)
