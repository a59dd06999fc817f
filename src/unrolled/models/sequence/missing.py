"""Missing values of sequences: filled, or beside a mask and the steps since the last known value.

Each feature of each sequence is filled on its own, so that no sequence tells of another:

    forward   the last known value; before the first, the mean over the training data
    linear    a straight line between known values; beyond the first and the last, those
    mask      the value by "linear", and two features more: 1 where it is missing, else 0; and log(1 + d),
              d the steps since the last known value (or since the start)
    forward+mask  as "mask", the value by "forward": no step tells of a later one
    decay     as "forward+mask"; the networks then let the filled value decay to the mean, at rates that they
              learn

The two features reach the networks at `GAP_GAIN` of their size and without their changes: gaps at random tell
sequences apart better than anything else, and few sequences would be learned by heart.

A feature that has no value in a sequence gets its mean over the training data.

Source: the mask and the steps since the last value are the inputs of Che et al., Recurrent Neural Networks
for Multivariate Time Series with Missing Values (2018), section 2.2.

Shapes: ΣT steps of all sequences together, F features.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences

Floats = NDArray[np.float64]

MISSING_METHODS = ("forward", "linear", "mask", "forward+mask", "decay")
_LINEAR = ("linear", "mask")  # the others draw on no later step
_WITH_MASK = ("mask", "forward+mask", "decay")
GAP_GAIN = 0.3  # of the mask and the steps, beside values of variance 1
_COLUMNS_OF_MASK = 3  # value, whether it is missing, steps since the last known one


def inputs_of(n_features: int, how: str | None) -> int:
    """Count the inputs a step of so many features.

    >>> inputs_of(2, "mask"), inputs_of(2, "linear"), inputs_of(2, None)
    (6, 2, 2)
    """
    return n_features * (_COLUMNS_OF_MASK if how in _WITH_MASK else 1)


def feature_means(values: Floats) -> Floats:
    """Return the mean (F,) of the known values of each feature; 0 where there are none.

    >>> feature_means(np.array([[1.0, np.nan], [4.0, np.nan]])).tolist()
    [2.5, 0.0]
    """
    is_known = np.isfinite(values)
    sums: Floats = np.where(is_known, values, 0.0).sum(axis=0)
    means: Floats = sums / np.maximum(is_known.sum(axis=0), 1)
    return means


def fill_missing(data: Sequences, how: str | None, means: Floats) -> Sequences:
    """Fill the missing values of sequences.

    Args:
        data: N sequences, NaN where a value is missing.
        how: one of `MISSING_METHODS`; None where no value is missing, which leaves them as they are.
        means: (F,) for features that have no value yet, or none in a sequence.

    Returns:
        Sequences with F features, or with 3 F for "mask", "forward+mask" and "decay": values, mask, and
        steps since the last value.

    >>> gaps = Sequences.from_arrays([[np.nan, 1.0, np.nan, 3.0]])
    >>> fill_missing(gaps, "linear", np.zeros(1)).values[:, 0].tolist()
    [1.0, 1.0, 2.0, 3.0]
    >>> fill_missing(gaps, "mask", np.zeros(1)).values.round(2).tolist()
    [[1.0, 1.0, 0.69], [1.0, 0.0, 0.0], [2.0, 1.0, 0.69], [3.0, 0.0, 0.0]]
    >>> fill_missing(gaps, "forward+mask", np.zeros(1)).values.round(2).tolist()
    [[0.0, 1.0, 0.69], [1.0, 0.0, 0.0], [1.0, 1.0, 0.69], [3.0, 0.0, 0.0]]
    """
    if how is None:
        return data
    values = np.array(data.values, dtype=np.float64)
    is_missing = np.isnan(values)
    starts = np.repeat(data.offsets[:-1], data.lengths)[:, None]  # (ΣT, 1) first step of each one's sequence
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(is_missing, -1, rows), axis=0)  # last known step, of any sequence
    since = rows - np.maximum(last, starts - 1)
    filled = np.empty_like(values)
    for start, stop in zip(data.offsets[:-1], data.offsets[1:], strict=True):
        for k in range(values.shape[1]):
            filled[start:stop, k] = _filled(values[start:stop, k], how, means[k])
    if how not in _WITH_MASK:
        return replace(data, values=filled)
    columns = [
        *data.columns,
        *(f"{name}, missing" for name in data.columns),
        *(f"{name}, steps since" for name in data.columns),
    ]
    together = np.concatenate([filled, is_missing, np.log1p(since)], axis=1)
    return replace(data, values=together, columns=tuple(columns), roles=data.roles * _COLUMNS_OF_MASK)


def _filled(values: Floats, how: str, mean: float) -> Floats:
    """Fill one feature (T,) of one sequence."""
    observed = np.flatnonzero(~np.isnan(values))
    if len(observed) == len(values):
        return values
    if not len(observed):
        return np.full(len(values), mean)
    steps = np.arange(len(values))
    if how in _LINEAR:
        return np.interp(steps, observed, values[observed])
    last = np.searchsorted(observed, steps, side="right") - 1
    return np.where(last < 0, mean, values[observed[np.maximum(last, 0)]])  # nothing of a later step


def scale_gap_columns(scaler: StandardScaler, how: str | None, means: Floats) -> StandardScaler:
    """Multiply the mask and the steps by `GAP_GAIN`, and leave them as they are otherwise.

    The values of "decay" are scaled to `means`, so that what decays to 0 decays to the mean.

    Args:
        scaler: of the filled values.
        how: as for `fill_missing`.
        means: (F,) as for `fill_missing`.

    >>> fitted = StandardScaler(np.array([1.5, 0.2, 0.1]), np.array([2.0, 0.4, 0.3]))
    >>> [part.round(2).tolist() for part in scale_gap_columns(fitted, "decay", np.array([1.0]))]
    [[1.0, 0.0, 0.0], [2.0, 3.33, 3.33]]
    """
    if how not in _WITH_MASK:
        return scaler
    F = len(means)
    centers = means if how == "decay" else scaler.mean[:F]
    return StandardScaler(
        np.concatenate([centers, np.zeros(2 * F)]),
        np.concatenate([scaler.scale[:F], np.full(2 * F, 1 / GAP_GAIN)]),
    )
