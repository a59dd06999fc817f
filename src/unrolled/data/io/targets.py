"""Validate targets: class labels, regression values and group ids."""

from __future__ import annotations

import numbers
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.parse.numbers import is_missing, quoted
from unrolled.data.parts import out_of_range
from unrolled.errors import DataError, DataTypeError
from unrolled.formatting import quantity

Array = NDArray[Any]

IGNORED = -100  # of a step without a label: torch's ignore_index
_NOTHING = "None or NaN"
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # no leading zero: it would be lost
_LEADING_ZERO = re.compile(r"[+-]?0\d+")


def as_labels(y: Any, n: int, *, who: str = "SequenceClassifier y") -> Array:
    """Convert class labels to an array (N,) of one type: texts, whole numbers or booleans.

    Args:
        y: a list, array or series of labels.
        n: how many there must be.
        who: what messages call it.

    Raises:
        DataError: there are more or fewer, one is missing, their types are mixed, or they are no labels.

    >>> as_labels(["walk", "run", "walk"], 3).tolist()
    ['walk', 'run', 'walk']
    >>> as_labels(["walk", 3], 2)
    Traceback (most recent call last):
    unrolled.errors.DataTypeError: SequenceClassifier y: expected labels of one type, got 'walk' (str) ...
    """
    labels = _one_axis(y, n, who)
    if labels.dtype.kind == "O":
        labels = _of_one_type(labels, who)
    if labels.dtype.kind == "f":
        _require_finite(labels, who)
        broken = np.flatnonzero(labels != np.floor(labels))
        if len(broken):
            raise DataError(
                f"{who}: expected classes, got numbers such as {labels[broken[0]]:g} (Unknown label type: "
                "continuous). Name the classes; SequenceRegressor learns numbers, of sequences of values."
            )
    elif labels.dtype.kind not in "iubU":
        raise DataTypeError(f"{who}: expected texts or whole numbers, got {labels.dtype}.")
    return labels


def are_labelled(labels: Array) -> NDArray[np.bool_]:
    """Mask the steps (n,) that have a label: those that hold None, NaN or -100, torch's sign, have none.

    >>> are_labelled(np.array(["up", None, "down"], dtype=object)).tolist()
    [True, False, True]
    """
    if labels.dtype.kind == "O":
        ignored = np.array([isinstance(one, numbers.Real) and one == IGNORED for one in labels], dtype=bool)
        texts = np.array([isinstance(one, str) for one in labels], dtype=bool)
        return np.asarray(~ignored & (texts | ~is_missing(labels)))
    if labels.dtype.kind in "iuf":
        return np.asarray((labels == labels) & (labels != IGNORED))  # noqa: PLR0124 (NaN)
    return np.ones(len(labels), dtype=bool)


def as_step_labels(labels: Array, *, who: str) -> tuple[Array, NDArray[np.bool_]]:
    """Convert the labels of steps to an array of one type, without the steps that have none; and mask these.

    Returns:
        (m,) labels, texts or whole numbers; (n,) true where a step has one.

    Raises:
        DataError: no step has a label, their types are mixed, or they are no labels.

    >>> labels, is_labelled = as_step_labels(np.array([1.0, np.nan, 0.0]), who="SequenceTagger y")
    >>> labels.tolist(), is_labelled.tolist()
    ([1, 0], [True, False, True])
    """
    is_labelled = are_labelled(labels)
    if is_labelled.all():
        return as_labels(labels, len(labels), who=who), is_labelled
    if not is_labelled.any():
        raise DataError(
            f"{who}: expected a label at some steps, got none at {quantity(len(labels), 'step')}. None, NaN "
            "and -100 say that a step has none."
        )
    given = as_labels(labels[is_labelled].tolist(), int(is_labelled.sum()), who=who)
    return given.astype(np.int64) if given.dtype.kind == "f" else given, is_labelled  # NaN made floats


def as_numbers(y: Any, n: int, *, who: str = "SequenceRegressor y") -> NDArray[np.float64]:
    """Convert regression targets to finite float64, (N,).

    Raises:
        DataError: there are more or fewer than n, one is missing, infinite or no number.

    >>> as_numbers([1, 2.5], 2)
    array([1. , 2.5])
    """
    values = _one_axis(y, n, who)
    if values.dtype.kind == "O":
        values = _of_one_type(values, who)
    if values.dtype.kind not in "iubf":
        shown = f"{quoted(values[0])}" if values.dtype.kind == "U" else str(values.dtype)
        raise DataTypeError(f"{who}: expected numbers, got {shown}. Learn classes with SequenceClassifier.")
    numbers = values.astype(np.float64)
    _require_finite(numbers, who)
    row, demand = out_of_range(numbers)
    if demand:
        raise DataError(f"{who}, position {row}: {demand}")
    return numbers


def as_groups(groups: Any, n: int) -> NDArray[np.int64]:
    """Convert group ids to numbers (N,) from 0 on, in the order in which they first occur.

    Raises:
        DataError: there are more or fewer than n, or one is missing.

    >>> as_groups(["ann", "bob", "ann", 3], 4).tolist()
    [0, 1, 0, 2]
    """
    names = np.asarray(groups, dtype=object)  # 1 and "1" are two names
    if names.shape != (n,):
        raise DataError(
            f"groups: expected {n} names, one a sequence, got shape {names.shape}. Give one for each."
        )
    code_of: dict[Any, int] = {}
    numbers = np.array([code_of.setdefault(name, len(code_of)) for name in names.tolist()], dtype=np.int64)
    if missing := [name for name in code_of if pd.isna(name)]:
        raise DataError(f"groups: expected a name for each sequence, got {missing[0]!r}.")
    return numbers


def as_weights(sample_weight: Any, n: int) -> NDArray[np.float64]:
    """Convert sample weights to float64 (N,), not negative.

    Raises:
        DataError: there are more or fewer than n, or one is negative, missing, infinite or no number.

    >>> as_weights([1, 2.5], 2)
    array([1. , 2.5])
    """
    who = "sample_weight"
    weights = as_numbers(_of_shape(sample_weight, n, who), n, who=who)
    if (weights < 0).any():
        position = int(np.argmax(weights < 0))
        raise DataError(
            f"{who}, position {position}: expected a weight of at least 0, got {weights[position]:g}. Leave "
            "that sequence out, or give it weight 0."
        )
    if not weights.any():
        raise DataError(f"{who}: expected a weight above zero, got only zero. Give sequences to learn from.")
    return weights


def _of_shape(sample_weight: Any, n: int, who: str) -> Array:
    values = np.asarray(sample_weight.detach().cpu() if hasattr(sample_weight, "detach") else sample_weight)
    if values.shape != (n,):
        raise DataError(f"{who}: expected {n} numbers, one a sequence, got shape {values.shape}.")
    return values


def _one_axis(y: Any, n: int, who: str) -> Array:
    """Require one axis (N,); a column (N, 1) is flattened with scikit-learn's warning."""
    if y is None:
        raise DataError(f"{who}: this estimator requires y to be passed, but the target y is None.")
    y = y.detach().cpu() if hasattr(y, "detach") else y
    try:  # a list as objects: numpy would make texts of the numbers among them
        values = np.asarray(y, dtype=object) if isinstance(y, list | tuple) else np.asarray(y)
    except ValueError as fault:
        got = "got lists or arrays of several shapes"
        raise DataError(f"{who}: expected one a sequence, shape ({n},), {got}.") from fault
    values = _decoded(values)
    if values.ndim == 2 and values.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning  # noqa: PLC0415 (half a second)

        message = "A column-vector y was passed when a 1d array was expected. Give y.ravel()."
        warnings.warn(message, DataConversionWarning, stacklevel=3)
        values = values[:, 0]
    if values.ndim != 1:
        way = "With a column a class, give y.argmax(axis=1)." if values.ndim == 2 else "Give a list of them."
        if values.ndim == 2 and "Regressor" in who:
            way = "One number a sequence is learned: give one column, y[:, 0], and fit a model for each."
        raise DataError(f"{who}: expected one a sequence, shape ({n},), got shape {values.shape}. {way}")
    if len(values) != n:
        way = " A single sequence is given as [x] or x[None]." if len(values) == 1 else ""
        raise DataError(f"{who}: expected {n} as X has {n} sequences, got {len(values)}.{way}")
    return values


def _decoded(values: Array) -> Array:
    """Decode labels of bytes, as HDF5 and SciPy's reader of ARFF hold texts, as UTF-8."""
    if values.dtype.kind == "O":
        is_bytes = [isinstance(value, bytes) for value in values.flat]
        if not any(is_bytes):
            return values
    elif values.dtype.kind != "S":
        return values
    flat = [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]
    decoded = np.empty(len(flat), dtype=object)
    decoded[:] = flat
    return decoded.reshape(values.shape)


def _of_one_type(objects: Array, who: str) -> Array:
    """Objects as an array of texts or of numbers."""
    missing = np.flatnonzero(np.array([not isinstance(o, str) for o in objects]) & is_missing(objects))
    if len(missing):
        raise _missing(int(missing[0]), len(missing), _NOTHING, who)
    kinds = np.array([_kind(o) for o in objects])
    if "other" in kinds:
        kind = type(objects[np.argmax(kinds == "other")]).__name__
        raise DataTypeError(f"{who}: expected texts or numbers, got {kind} (Unknown label type: unknown).")
    odd = np.flatnonzero(kinds != kinds[:1])
    if len(odd):
        one, other = objects[0], objects[odd[0]]
        raise DataTypeError(
            f"{who}: expected labels of one type, got {one!r} ({type(one).__name__}) and, at position "
            f"{odd[0]}, {other!r} ({type(other).__name__}). Write all as texts: [str(label) for label in y]."
        )
    return np.array(objects.tolist())


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "truth"
    if isinstance(value, numbers.Real):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _require_finite(values: Array, who: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise _missing(int(bad[0]), len(bad), _NOTHING if np.isnan(values[bad[0]]) else "inf", who)


def _missing(position: int, many: int, got: str, who: str) -> DataError:
    also = "" if many == 1 else f", and {many - 1} more like it"
    return DataError(
        f"{who}, position {position}: expected a label or a number, got {got}{also}. Leave those "
        "sequences out."
    )


def have_leading_zeros(texts: Iterable[str]) -> bool:
    """Return whether labels that look like numbers are names: one has a zero in front, and 01 is not 1.

    >>> have_leading_zeros(["1", "007"]), have_leading_zeros(["0", "0.5", "-0.5", "1.0"])
    (True, False)
    """
    return any(_LEADING_ZERO.fullmatch(text) for text in texts)


def parse_labels(texts: Sequence[str], alphabet: Sequence[str] = ()) -> Array:
    """Parse labels read from a file, (N,): int64 where every one is a whole number, else texts.

    Args:
        texts: the labels as they stand there.
        alphabet: all labels that could stand there, where that is known.

    >>> parse_labels(["2", "1"]).tolist(), parse_labels(["2", "1"], ["1", "2", "b"]).tolist()
    ([2, 1], ['2', '1'])
    """
    if all(_WHOLE.fullmatch(text) for text in (alphabet or texts)):
        return np.array(texts, dtype=np.int64)
    return np.array(texts, dtype=np.str_)


def as_objects(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put arrays of any lengths into an array (N,), which scikit-learn can join and index.

    >>> as_objects([np.array([1, 2]), np.array([3, 4])]).shape
    (2,)
    """
    objects = np.empty(len(parts), dtype=object)
    for k, part in enumerate(parts):  # at once, parts of one length would be two axes
        objects[k] = part
    return objects
