"""Convert lists, arrays and frames to `Sequences`, and validate them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.io import frames
from unrolled.data.io.labelled_table import LABELS, long_to_sequences, missing_id_error
from unrolled.data.parse.column_names import id_columns, looks_like_key
from unrolled.data.parse.columns import infer_keys
from unrolled.data.parse.numbers import quoted
from unrolled.data.parts import out_of_range
from unrolled.data.sequences import DeclaredOrder, Sequences, feature_columns
from unrolled.errors import DataError, DataTypeError

Array = NDArray[Any]

_LIST = "a list of (T,) or (T, F) arrays, an array (N, T) or (N, T, F), a frame, or Sequences"


def as_sequences(X: Any, *, who: str = "SequenceClassifier X") -> Sequences:
    """Convert to N sequences of finite numbers, each of at least one step, all with the same F features.

    Args:
        X: `Sequences`; a list of (T_i,) or (T_i, F) arrays; an array (N, T, F), or (N, T) for one feature;
            a frame of numbers, a row a sequence of one feature; a nested frame, whose cells are sequences
            and whose columns are features; a long frame, with an id column ("unique_id") and, beside it, a
            time column ("ds") or the order of its rows, every other column a feature.
        who: what messages call it.

    Returns:
        Sequences, with the values as float64.

    Raises:
        DataError: there is none; one is empty; a value is missing, infinite or no number; features differ;
            or one sequence stands where a list of them is meant.

    >>> as_sequences([[1.0, 2.0, 4.0], [3.0, 5.0]]).lengths.tolist()
    [3, 2]
    >>> as_sequences(np.zeros((4, 7, 2))).values.shape
    (28, 2)
    >>> as_sequences([1.0, 2.0, 4.0])
    Traceback (most recent call last):
    unrolled.errors.DataError: SequenceClassifier X: expected a list of sequences, got one ...
    """
    series = to_sequences(X, who)
    require_complete(series, who)
    return series


def to_sequences(X: Any, who: str) -> Sequences:
    """Convert to sequences, with values that may be missing and sequences that may be empty.

    >>> to_sequences([[1.0, np.nan], []], "X").lengths.tolist()
    [2, 0]
    """
    if isinstance(X, Sequences):
        return X
    if frames.is_frame(X):
        return _from_frame(X, who)
    if isinstance(X, list | tuple | np.ndarray) or hasattr(X, "__array__"):
        return _from_parts(X if isinstance(X, list | tuple) else _as_array(X, who), who)
    kind, way = type(X).__name__, ""
    if hasattr(X, "toarray"):
        kind, way = "a sparse matrix", " Call its .toarray() first."
    elif isinstance(X, str | Path):
        way = " Read a file with unrolled.data.io.labelled.read_labelled."
    elif isinstance(X, Iterator):
        way = " Make a list of it: list(X)."
    raise DataError(f"{who}: expected {_LIST}; got {kind}.{way}")


def require_complete(series: Sequences, who: str) -> None:
    """Pass if there are sequences, each has a step, and every value is a finite number.

    Raises:
        DataError: it is not so; the first fault is placed, the others are counted.
    """
    if not len(series):
        raise DataError(f"{who}: expected at least one sequence, got none.")
    series.require_table(who)
    empty = np.flatnonzero(series.lengths == 0)
    if len(empty):
        raise DataError(
            f"{_place(series, who, int(empty[0]))}: expected at least one step, got a sequence of length 0"
            f"{_also(len(empty) - 1)}. Leave it out."
        )
    extremes = np.stack([series.values.min(axis=0), series.values.max(axis=0)])  # NaN where there is one
    if not np.isfinite(extremes).all():
        raise _no_number(series, who)
    for column, ends in enumerate(extremes.T):
        if out_of_range(ends)[1]:
            row, demand = out_of_range(series.values[:, column])
            raise DataError(f"{_step(series, who, row, column)}: {demand}")


def _no_number(series: Sequences, who: str) -> DataError:
    """Word the fault of the first value that is missing or infinite."""
    bad = np.flatnonzero(~np.isfinite(series.values).all(axis=1))
    row = int(bad[0])
    column = int(np.argmin(np.isfinite(series.values[row])))
    holders = np.unique(np.searchsorted(series.offsets, bad, side="right"))
    got, way = "inf", "Correct it"
    if np.isnan(series.values[row, column]):
        got, way = "NaN", "Fill it with unrolled.read(X, fill='forward')"
    return DataError(
        f"{_step(series, who, row, column)}: expected a number, got {got}{_also(len(holders) - 1)}. {way}, "
        "or leave that sequence out."
    )


def _also(others: int) -> str:
    return "" if not others else f", as in {others} other sequence{'' if others == 1 else 's'}"


def _place(series: Sequences, who: str, position: int) -> str:
    name = series.ids[position]
    return f"{who}, sequence {position}{'' if name == str(position) else f' ({quoted(name)})'}"


def _step(series: Sequences, who: str, row: int, column: int) -> str:
    """Locate a row of values, such as `SequenceClassifier X, sequence 3, step 7, feature 'x2'`."""
    position = int(np.searchsorted(series.offsets, row, side="right")) - 1
    feature = "" if len(series.columns) == 1 else f", feature {series.columns[column]!r}"
    return f"{_place(series, who, position)}, step {row - series.offsets[position]}{feature}"


def _from_parts(X: Sequence[Any] | Array, who: str) -> Sequences:
    """Sequences from an array of two or three axes, or from a list."""
    if isinstance(X, np.ndarray) and X.ndim != 1:
        if X.ndim not in {2, 3}:
            raise DataError(f"{who}: expected shape (N, T) or (N, T, F), got {X.shape}.")
        if X.dtype.kind == "O" and X.ndim == 2 and X.size and np.ndim(X.flat[0]):
            return _from_nested({f"x{k + 1}": list(column) for k, column in enumerate(X.T)}, who)
        return _from_block(_as_floats(X, who), who)
    if not len(X):
        raise DataError(f"{who}: expected at least one sequence, got none.")
    if all(isinstance(x, str) for x in X):
        raise DataTypeError(f"{who}: expected sequences of numbers, got texts such as {quoted(X[0])}.")
    if all(_is_one_value(x) for x in X):
        raise DataError(
            f"{who}: expected a list of sequences, got one sequence of {len(X)} steps. Reshape your data: "
            "[x] is a list of one; so is x[None] for an array."
        )
    _require_same_columns(X, who)
    places = (f"{who}, sequence {i}" for i in range(len(X)))
    series = _concatenate(
        [_as_floats(_as_array(x, place), place) for x, place in zip(X, places, strict=True)], who
    )
    return replace(series, header=_header(X[0])) if hasattr(X[0], "columns") else series


def _require_same_columns(X: Sequence[Any] | Array, who: str) -> None:
    """Frames in a list are read by position, so that their columns must stand in one order.

    Raises:
        DataError: one has the columns of the first in another order, or others.
    """
    named = [[str(name) for name in x.columns] if hasattr(x, "columns") else None for x in X]
    for i, names in enumerate(named):
        if names is not None and named[0] is not None and names != named[0] and len(names) == len(named[0]):
            raise DataError(
                f"{who}, sequence {i}: expected the columns {', '.join(named[0])} in this order, as in "
                f"sequence 0, got {', '.join(names)}. Select them by name: x[{named[0]}]."
            )


def _is_one_value(x: Any) -> bool:
    return x.ndim == 0 if hasattr(x, "ndim") else isinstance(x, str) or not hasattr(x, "__len__")


def _from_block(block: NDArray[np.float64], who: str) -> Sequences:
    """Sequences of one length from an (N, T) or (N, T, F) array."""
    block = block[:, :, None] if block.ndim == 2 else block
    N, T, F = block.shape
    if N and not T * F:
        shape = block.shape[:2] if F == 1 else block.shape
        raise DataError(
            f"{who}: expected sequences of at least one step and one feature, found array with 0 feature(s) "
            f"(shape={shape}) while a minimum of 1 is required."
        )
    return _sequences(block.reshape(N * T, F), np.full(N, T))


def _concatenate(parts: list[NDArray[np.float64]], who: str) -> Sequences:
    """Sequences from (T_i,) or (T_i, F) arrays of numbers."""
    features, first = 1, None
    for i, part in enumerate(parts):
        if part.ndim not in {1, 2}:
            raise DataError(f"{who}, sequence {i}: expected shape (T,) or (T, F), got {part.shape}.")
        n_columns = 1 if part.ndim == 1 else part.shape[1]
        if part.size and first is None:
            features, first = n_columns, i
        elif part.size and n_columns != features:
            raise DataError(
                f"{who}, sequence {i}: expected {features} feature{'' if features == 1 else 's'} as in "
                f"sequence {first}, got {n_columns}. Give every sequence as (T, F) with the same F."
            )
    flat = np.concatenate([part.reshape(-1, features) for part in parts])
    return _sequences(flat, np.array([len(part) if part.size else 0 for part in parts]))


def _sequences(values: NDArray[np.float64], lengths: Array, names: tuple[str, ...] = ()) -> Sequences:
    columns, roles = feature_columns(values.shape[1])
    return Sequences(
        values,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tuple(map(str, range(len(lengths)))),
        names or columns,
        roles,
        order=DeclaredOrder.POSITION,
        source="arrays",
    )


def _from_frame(X: Any, who: str) -> Sequences:
    """Sequences from a nested, a long or a wide frame, told by what its columns hold."""
    has_names = not isinstance(X, pd.DataFrame) or bool(_header(X))
    if isinstance(X, pd.DataFrame):
        X = X.set_axis(_column_names(X, who), axis=1)
        if X.index.nlevels == 2:
            X = X.rename_axis(index=["unique_id", "ds"])
        elif not X.index.has_duplicates and not id_columns(X.columns):
            X = X.reset_index(drop=True)  # it names the rows, each a sequence
    wrapped = nw.from_native(X, allow_series=True)
    if isinstance(wrapped, nw.Series):
        if not _is_nested(wrapped):
            return _from_parts(wrapped.to_list(), who)  # one sequence, which is refused there
        wrapped, has_names = wrapped.alias(wrapped.name or "x").to_frame(), False
    if isinstance(wrapped, nw.DataFrame) and nested_columns(wrapped):
        _refuse_labels(wrapped.columns, who)
        nested = _from_nested({name: wrapped[name].to_list() for name in wrapped.columns}, who)
        return replace(nested, header=tuple(wrapped.columns)) if has_names else nested
    table = frames.from_frame(X, who)
    _refuse_labels(table.columns, who)
    series, time = infer_keys(table, list(table.columns))
    if series is None and time is not None:
        raise missing_id_error(who, time)
    features = [name for name in table.columns if name not in {series, time}]
    _refuse_texts(wrapped, features, who)
    if series is not None:
        return replace(long_to_sequences(table, series, time, features), source="data frame")
    if row_names := [name for name in features if looks_like_key(name)]:
        raise DataError(
            f"{who}: expected a step in each column, got {row_names[0]!r}, whose name says that it numbers "
            "the rows. Leave it out, or rename it."
        )
    block = _from_block(np.column_stack([table.numbers(name) for name in features]), who)
    return replace(block, header=tuple(features)) if has_names else block


def _header(frame: Any) -> tuple[str, ...]:
    """List the column names of a frame; none where pandas numbered the columns itself."""
    names = list(frame.columns)
    return () if names == list(range(len(names))) else tuple(map(str, names))


def _column_names(frame: pd.DataFrame, who: str) -> list[str]:
    """Convert the column names to texts, each once.

    Raises:
        DataError: one stands there twice.
    """
    names = [str(name) for name in frame.columns]
    if twice := next((name for k, name in enumerate(names) if name in names[:k]), None):
        raise DataError(f"{who}: expected distinct column names, got {twice!r} twice. Rename one.")
    return names


def _refuse_texts(frame: nw.DataFrame[Any], names: Iterable[str], who: str) -> None:
    """Texts stay texts, also those that a file's reader would take for numbers."""
    for name in names:
        cells = frame[name].to_list() if name in frame.columns and not frame[name].dtype.is_numeric() else []
        text = next((cell for cell in cells if isinstance(cell, str)), None)
        if text is not None:
            raise DataTypeError(
                f"{who}, column {name!r}: expected numbers, got texts such as {quoted(text)}. Leave that "
                "column out, or convert it with .astype(float)."
            )


def _refuse_labels(names: Iterable[str], who: str) -> None:
    """Labels among the features would be found out, and the score mean nothing."""
    for name in names:
        if str(name).strip().lower() in LABELS:
            raise DataError(
                f"{who}: expected features, got the column {name!r}. Give it as y: X.pop({name!r})."
            )


def nested_columns(frame: Any) -> list[str]:
    """List the columns of a frame whose cells are sequences.

    >>> nested_columns(pd.DataFrame({"x": [[1.0, 2.0], [3.0]], "label": ["up", "down"]}))
    ['x']
    """
    wrapped = nw.from_native(frame, eager_only=True, pass_through=False)
    return [name for name in wrapped.columns if _is_nested(wrapped[name])]


def _is_nested(column: nw.Series[Any]) -> bool:
    """Return whether the cells of a column are sequences."""
    if not isinstance(column.dtype, nw.List | nw.Array) and column.dtype != nw.Object:
        return False
    first = next((cell for cell in column.head(100).to_list() if cell is not None), None)
    return hasattr(first, "__len__") and not isinstance(first, str | bytes | dict)


def _from_nested(columns: dict[str, list[Any]], who: str) -> Sequences:
    """Sequences from columns whose cells are (T_i,) sequences: a row a sequence, a column a feature."""
    parts: list[list[NDArray[np.float64]]] = []
    for name, cells in columns.items():
        arrays = [
            _as_floats(_as_array(cell, f"{who}, sequence {i}"), f"{who}, sequence {i}, column {name!r}")
            for i, cell in enumerate(cells)
        ]
        for i, cell in enumerate(arrays):
            expected = parts[0][i].shape if parts else (cell.size,)
            if cell.shape != expected:
                raise DataError(
                    f"{who}, sequence {i}, column {name!r}: expected a cell of shape {expected}, got "
                    f"{cell.shape}. Each cell holds one feature of all steps."
                )
        parts.append(arrays)
    flat = np.column_stack([np.concatenate(arrays) for arrays in parts])
    return _sequences(flat, np.array([len(cell) for cell in parts[0]]), tuple(map(str, columns)))


def _as_array(x: Any, who: str) -> Array:
    """Convert anything that numpy reads; tensors are detached first."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    try:
        return np.asarray(x)
    except (TypeError, ValueError) as fault:
        got = "got rows of different lengths" if "inhomogeneous" in str(fault) else f"got {type(x).__name__}"
        raise DataError(f"{who}: expected numbers of shape (T,) or (T, F), {got}.") from fault


def _as_floats(x: Array, who: str) -> NDArray[np.float64]:
    """Convert an array to float64, or say in a sentence why it is no array of numbers."""
    if x.dtype.kind in "fiub":
        x = x.astype(np.float64, copy=False)
        return np.asarray(x.filled(np.nan) if isinstance(x, np.ma.MaskedArray) else x)
    if x.dtype.kind == "c":
        raise DataError(f"{who}: expected real numbers, got {x.dtype}. Complex data not supported.")
    if x.dtype.kind in "mM":
        raise DataTypeError(f"{who}: expected numbers, got {x.dtype}. Give them as numbers, such as seconds.")
    odd = next((value for value in x.flat if isinstance(value, str | bytes)), None)
    if odd is not None:
        raise DataTypeError(
            f"{who}: expected numbers, got strings such as {quoted(odd)}. Convert them with .astype(float)."
        )
    try:
        return x.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as fault:
        reason = str(fault).rstrip(".")
        raise DataTypeError(f"{who}: expected numbers in an object array; {reason}.") from fault
