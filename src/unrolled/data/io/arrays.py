"""Convert lists, arrays and frames to `Sequences`, and validate them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.axes import InputWarning, channels_last, one_column_error
from unrolled.data.clips import as_clips, holds_clips
from unrolled.data.io import frames
from unrolled.data.io.labelled_table import LABELS, long_to_sequences, missing_id_error
from unrolled.data.padding import cut_missing_ends, cut_to_lengths
from unrolled.data.parse.column_names import id_columns, looks_like_key, wide_steps
from unrolled.data.parse.numbers import quoted
from unrolled.data.parse.table import Table, join_ids
from unrolled.data.parts import as_array, as_floats, out_of_range
from unrolled.data.sequence_keys import infer_keys, key_column_error
from unrolled.data.sequences import DeclaredOrder, Sequences, feature_columns
from unrolled.errors import DataError, DataTypeError
from unrolled.formatting import quoted_list

Array = NDArray[Any]

_LIST = "a list of (T,) or (T, F) arrays, an array (N, T) or (N, T, F), a frame, or Sequences"


def as_sequences(
    X: Any, *, who: str = "SequenceClassifier X", layout: str | None = None, lengths: Any = None,
    allow_missing: bool = False,
) -> Sequences:  # fmt: skip
    """Convert to N sequences of finite numbers, each of at least one step, all with the same F features.

    Args:
        X: `Sequences`; a list of (T_i,) or (T_i, F) arrays; an array (N, T, F), or (N, T) for one feature;
            a frame of numbers, a row a sequence of one feature; a nested frame, whose cells are sequences
            and whose columns are features; a long frame, with an id column ("unique_id") and, beside it, a
            time column ("ds") or the order of its rows, every other column a feature.
        who: what messages call it.
        layout: "nct" where arrays are (N, F, T), and those of a list (F, T_i); else (N, T, F).
        lengths: (N,) steps of each sequence; what is beyond is padding.
        allow_missing: whether values within a sequence may be missing.

    Returns:
        Sequences, with the values as float64. Without `lengths`, steps at a sequence's end that hold no value
        are padding, and left out with a note.

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
    series = to_sequences(X, who, layout=layout)
    series = cut_missing_ends(series, who) if lengths is None else cut_to_lengths(series, lengths, who)
    if allow_missing:
        values = np.asarray(series.values, dtype=np.float64)
        require_complete(replace(series, values=np.where(np.isnan(values), 0.0, values)), who)
        return replace(series, values=values)
    require_complete(series, who)
    return series


def to_sequences(X: Any, who: str, *, layout: str | None = None) -> Sequences:
    """Convert to sequences, with values that may be missing, sequences that may be empty, or frames.

    >>> to_sequences([[1.0, np.nan], []], "X").lengths.tolist()
    [2, 0]
    """
    if isinstance(X, Sequences):
        return X
    if holds_clips(X):
        return as_clips(X, who)
    if frames.is_frame(X):
        return _from_frame(X, who)
    if isinstance(X, list | tuple | np.ndarray) or hasattr(X, "__array__"):
        X = X if isinstance(X, list | tuple) else as_array(X, who)
        return _from_parts(channels_last(X) if layout == "nct" else X, who)
    kind, way = type(X).__name__, ""
    if hasattr(X, "toarray"):
        kind, way = "a sparse matrix", " Call its .toarray() first."
    elif isinstance(X, str | Path):
        way = " Read a file with unrolled.read_labelled."
    elif isinstance(X, Iterator | Mapping):
        way = f" Make a list of it: list({'X.values()' if isinstance(X, Mapping) else 'X'})."
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
        if who.startswith(("Sequence", "compare")):  # an estimator, which can read gaps
            way = "Fit with missing='mask', 'forward' or 'linear'"
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
        block = as_floats(X, who)
        if X.ndim == 2 and X.shape[1] == 1 < len(X):
            raise one_column_error(X.shape, who)
        return _from_block(block, who)
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
        [as_floats(as_array(x, place), place) for x, place in zip(X, places, strict=True)], who
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
    row_names: pd.Index[Any] | None = None
    has_names = not isinstance(X, pd.DataFrame) or bool(_header(X))
    if isinstance(X, pd.DataFrame):
        X, row_names = _with_named_index(X.set_axis(_column_names(X, who), axis=1))
    wrapped = nw.from_native(X, allow_series=True)
    if isinstance(wrapped, nw.Series):
        if not _is_nested(wrapped):
            return _from_parts(wrapped.to_list(), who)  # one sequence, which is refused there
        wrapped, has_names = wrapped.alias(wrapped.name or "x").to_frame(), False
    if isinstance(wrapped, nw.DataFrame) and nested_columns(wrapped):
        _refuse_labels(wrapped.columns, who)
        nested = _from_nested({name: wrapped[name].to_list() for name in wrapped.columns}, who)
        nested = _with_row_names(nested, row_names)
        return replace(nested, header=tuple(wrapped.columns)) if has_names else nested
    table = frames.from_frame(X, who)
    _refuse_labels(table.columns, who)
    ids, time = _levels(X) or infer_keys(table, list(table.columns))
    if not ids and time is not None:
        raise missing_id_error(who, time)
    features = [name for name in table.columns if name not in {*ids, time}]
    _refuse_texts(wrapped, features, who)
    if ids:
        return replace(long_to_sequences(table, ids, time, features), source="data frame")
    block = _with_row_names(_from_wide(table, features, who), row_names)
    return block if has_names else replace(block, header=())


def _with_named_index(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Index[Any] | None]:
    """Name the levels of an index of ids and times; take off one that names rows, each a sequence."""
    names = frame.index.names
    if frame.index.nlevels == 2:
        is_time_first = frames.time_level(frame.index) == 0
        return frame.rename_axis(index=["ds", "unique_id"] if is_time_first else ["unique_id", "ds"]), None
    if frame.index.nlevels > 2:
        levels = [f"level_{k}" if name is None else str(name) for k, name in enumerate(names)]
        return frame.rename_axis(index=levels), None
    if frame.index.has_duplicates or id_columns(list(frame.columns)):
        return frame, None
    return frame.reset_index(drop=True), frame.index


def _from_wide(table: Table, features: list[str], who: str) -> Sequences:
    """Sequences from a table with a row a sequence and a column a step."""
    if keys := [name for name in features if looks_like_key(name)]:
        raise key_column_error(table, keys[0], who)
    if len(features) == 1 < len(table):
        raise one_column_error((len(table), 1), who)
    features, others = wide_steps(features)
    if others:
        message = f"{who}: a row is a sequence of the steps {features[0]!r} to {features[-1]!r}; "
        warnings.warn(f"{message}{quoted_list(others)} left out.", InputWarning, stacklevel=6)
    block = _from_block(np.column_stack([table.numbers(name) for name in features]), who)
    return replace(block, header=tuple(features))


def _levels(frame: Any) -> tuple[tuple[str, ...], str] | None:
    """Return the names of the id levels and the time level of an index of three levels or more, if it has."""
    if not isinstance(frame, pd.DataFrame) or frame.index.nlevels < 3:
        return None
    ids = [str(name) for name in frame.index.names]
    time = ids.pop(frames.time_level(frame.index))
    return tuple(ids), time


def _with_row_names(series: Sequences, row_names: pd.Index[Any] | None) -> Sequences:
    """Take the index of a pandas frame, a row a sequence, as ids."""
    if row_names is None:
        return series
    name = "unique_id" if row_names.name is None else str(row_names.name)
    keys = nw.from_native(pd.DataFrame({name: row_names}), eager_only=True)
    return replace(series, ids=tuple(join_ids([row_names])), keys=keys)


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
            as_floats(as_array(cell, f"{who}, sequence {i}"), f"{who}, sequence {i}, column {name!r}")
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
