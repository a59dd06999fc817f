"""Cut the steps with which arrays and tables are padded, and detect padding that no one declared."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.alignment import align_targets
from unrolled.data.axes import InputWarning
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity

Ints = NDArray[np.int64]

_MIN_SEQUENCES = 10  # fewer may end alike by chance
_MIN_EQUAL_STEPS = 3


def cut_missing_ends(series: Sequences, who: str) -> Sequences:
    """Leave out the steps at each sequence's end that hold no value at all, and note it.

    Raises:
        DataError: a sequence holds no value.

    >>> padded = Sequences.from_arrays([[1.0, 2.0, np.nan], [3.0, np.nan, 4.0]])
    >>> cut_missing_ends(padded, "X").lengths.tolist()
    [2, 3]
    """
    if not series.is_table:
        return series
    last_rows = series.offsets[1:][series.lengths > 0] - 1
    if not np.isnan(series.values[last_rows]).all(axis=1).any():
        return series
    valid_rows = np.flatnonzero(~np.isnan(series.values).all(axis=1))
    before = np.searchsorted(valid_rows, series.offsets[1:])
    last = np.concatenate([[-1], valid_rows])[before]
    lengths = np.maximum(last + 1 - series.offsets[:-1], 0)
    empty = np.flatnonzero((lengths == 0) & (series.lengths > 0))
    if len(empty):
        raise DataError(
            f"{who}, sequence {series.ids[empty[0]]!r}: expected at least one value, got none. Leave that "
            "sequence out."
        )
    padded = int((lengths < series.lengths).sum())
    note = f"{padded} of {len(series)} sequences end before steps without a value, which were left out"
    return replace(series.head(lengths), notes=(*series.notes, note))


def cut_to_lengths(series: Sequences, lengths: Any, who: str) -> Sequences:
    """Keep the first `lengths[i]` steps of each sequence; an index that holds the ids is aligned with them.

    Raises:
        DataError: there are more or fewer lengths than sequences, or one is no number of its steps.

    >>> cut_to_lengths(Sequences.from_arrays(np.ones((2, 4))), [4, 3], "X").lengths.tolist()
    [4, 3]
    """
    lengths = align_targets(lengths, series, f"{who} lengths")
    lengths = lengths.detach().cpu() if hasattr(lengths, "detach") else lengths
    steps = np.asarray(lengths)
    if steps.shape != (len(series),) or steps.dtype.kind not in "iuf":
        got = f"got shape {steps.shape} of {steps.dtype}"
        raise DataError(f"{who} lengths: expected {len(series)} whole numbers, one a sequence, {got}.")
    bad = np.flatnonzero(~((steps >= 1) & (steps <= series.lengths) & (steps == np.floor(steps))))
    if len(bad):
        raise DataError(
            f"{who} lengths, sequence {bad[0]}: expected a whole number from 1 to "
            f"{series.lengths[bad[0]]}, the steps in X, got {steps[bad[0]]}."
        )
    return series.head(steps.astype(np.int64))


def equal_ends(series: Sequences) -> Ints:
    """Count the steps (N,) at each sequence's end that equal its last one.

    >>> equal_ends(Sequences.from_arrays([[1.0, 0.0, 0.0], [1.0, 2.0]])).tolist()
    [2, 1]
    """
    values = series.values.reshape(len(series.values), -1)
    is_change = (values[1:] != values[:-1]).any(axis=1)
    changes = np.flatnonzero(is_change) + 1  # rows unlike the one before
    starts = np.concatenate([[0], changes])[np.searchsorted(changes, series.offsets[1:] - 1, side="right")]
    return np.asarray(series.offsets[1:] - np.maximum(starts, series.offsets[:-1]), dtype=np.int64)


def warn_of_equal_ends(series: Sequences, who: str, *, stacklevel: int) -> None:
    """Warn where most sequences of one length end in equal steps, or begin with the same, as padded ones do.

    The runs of equal steps have three steps or more, and differ in length.
    """
    if len(series) < _MIN_SEQUENCES or len(np.unique(series.lengths)) > 1:
        return
    where, way = "end in", "give lengths= or put NaN there"
    n_padded = _count_runs(equal_ends(series), series)
    if not n_padded:
        where, way = "begin with", "give the sequences without them, in a list"
        n_padded = _count_runs(_equal_starts(series), series)
    if not n_padded:
        return
    count = f"{n_padded} of {quantity(len(series), 'sequence')}"
    message = (
        f"{who}: {count} {where} {_MIN_EQUAL_STEPS} or more equal steps, which are read as data. If they are "
        f"padding, {way}; if they are data, give lengths= of all steps."
    )
    warnings.warn(message, InputWarning, stacklevel=stacklevel + 1)


def _count_runs(runs: Ints, series: Sequences) -> int:
    """Count the runs that look padded; 0 where they are not most, or are all of one length."""
    is_run = (runs >= _MIN_EQUAL_STEPS) & (runs < series.lengths)
    is_usual = 2 * is_run.sum() > len(series) and len(np.unique(runs[is_run])) > 1
    return int(is_run.sum()) if is_usual else 0


def _equal_starts(series: Sequences) -> Ints:
    """Count the steps (N,) at the start of sequences of one length that equal the first step of most."""
    values = series.values.reshape(len(series), -1, int(np.prod(series.feature_shape)))
    usual = np.median(values[:, 0], axis=0)
    return np.asarray((values == usual).all(axis=2).cumprod(axis=1).sum(axis=1), dtype=np.int64)
