"""Frames to tables and back: pandas, polars and Arrow, read through narwhals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import YEARS
from unrolled.data.parse.column_names import TIMES, spelt
from unrolled.data.parse.table import Table
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError, MissingDependencyError
from unrolled.validation import check_choice

BACKENDS = ("pandas", "polars", "pyarrow")
_TIMES = pd.DatetimeIndex | pd.PeriodIndex | pd.TimedeltaIndex
_MOST_WHOLE = np.iinfo(np.int64).max


def is_frame(source: Any) -> bool:
    """Return whether narwhals reads this as a frame or a series, eager or not.

    >>> is_frame(pd.Series([1.0])), is_frame([1.0])
    (True, False)
    """
    if isinstance(source, pd.DataFrame | pd.Series):
        return True  # also with a column name twice, which narwhals refuses with an error of its own
    wrapped = nw.from_native(source, pass_through=True, allow_series=True)
    if isinstance(wrapped, nw.DataFrame | nw.LazyFrame | nw.Series):
        return True
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__")


def is_dated_list(source: Any) -> bool:
    """Return whether this is a list of series or frames of pandas, each with an index of dates.

    >>> is_dated_list([pd.Series([1.0], index=pd.to_datetime(["2020-01-01"]))]), is_dated_list([])
    (True, False)
    """
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(
            isinstance(one, pd.Series | pd.DataFrame)
            and isinstance(one.index, pd.DatetimeIndex | pd.PeriodIndex)
            for one in source
        )
    )


def dated_frame(parts: Sequence[pd.Series[Any] | pd.DataFrame]) -> pd.DataFrame:
    """Stack series and frames with an index of dates into a long frame.

    Those without distinct names are numbered, as all frames are.

    Raises:
        DataError: a frame has a column that is called as those of names or dates would be.
    """
    names = [one.name if isinstance(one, pd.Series) else None for one in parts]
    if None in names or len(set(names)) < len(names):
        names = list(range(len(parts)))
    stacked = []
    for name, one in zip(names, parts, strict=True):
        times = one.index.to_timestamp() if isinstance(one.index, pd.PeriodIndex) else one.index
        frame = one.to_frame("y") if isinstance(one, pd.Series) else one
        if taken := [column for column in ("unique_id", "ds") if column in frame]:
            raise DataError(
                f"data, frame {name}: expected its dates in the index alone, got a column {taken[0]!r} too. "
                "Rename it, or give one long frame: pd.concat(frames)."
            )
        stacked.append(frame.reset_index(drop=True).assign(unique_id=str(name), ds=times))
    return pd.concat(stacked, ignore_index=True)


def from_frame(frame: Any, source: str = "data frame") -> Table:
    """Convert a frame or series to a table; a pandas index of dates, or with a name, becomes a column.

    Raises:
        DataError: it is empty or lazy, or has a column name twice.
    """
    index, keys = None, tuple[str, ...]()
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("y" if frame.name is None else frame.name)
    if isinstance(frame, pd.DataFrame):
        frame, index, keys = _with_index(frame, source)
    wrapped = nw.from_native(frame, allow_series=True, pass_through=True)
    if wrapped is frame:  # a batch of rows, a reader, an array: anything that hands itself over as Arrow
        wrapped = nw.from_native(_arrow_of(frame), allow_series=True)
    if isinstance(wrapped, nw.LazyFrame):
        raise DataError(f"{source}: expected rows in memory, got a lazy frame. Call its .collect() first.")
    if isinstance(wrapped, nw.Series):
        wrapped = wrapped.alias(wrapped.name or "y").to_frame()
    if not len(wrapped.columns) or not len(wrapped):
        raise DataError(f"{source}: expected columns and rows, got shape {wrapped.shape}.")
    columns, zones = {}, {}
    for name in wrapped.columns:
        columns[str(name)], zone = _array(wrapped[name], source)
        if zone:
            zones[str(name)] = zone
    backend = wrapped.implementation.value
    return Table(
        columns,
        source,
        lambda row: f"{source} row {row} (counted from 0)",
        zones,
        backend if backend in BACKENDS else "pandas",
        index=index,
        keys=keys,
        categories=frozenset(n for n in columns if wrapped[n].dtype in {nw.Categorical, nw.Enum}),
        frame=wrapped,
    )


def _arrow_of(source: Any) -> Any:
    """Take rows or values over as Arrow."""
    import pyarrow as pa  # noqa: PLC0415 (frames of pandas do without it)

    return pa.chunked_array([source]) if isinstance(source, pa.Array) else pa.table(source)


def _with_index(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, str | None, tuple[str, ...]]:
    """Make the index of a pandas frame, where it is informative, its first columns: dates, and ids."""
    if frame.columns.nlevels > 1:
        raise DataError(
            f"{source}: expected one name a column, got {frame.columns.nlevels} levels of names such as "
            f"{frame.columns[0]!r}. Join them into one, as in frame.columns.map('_'.join)."
        )
    levels = [frame.index.get_level_values(k) for k in range(frame.index.nlevels)]
    dated = [k for k, level in enumerate(levels) if isinstance(level, _TIMES)]
    index, keys = None, tuple[str, ...]()
    frame = frame.rename(columns=str)
    _refuse_twice(frame.columns, source)
    if dated or (frame.index.names != [None] and not set(frame.index.names) & set(frame.columns)):
        when = time_level(frame.index)
        names = [
            str(name if name is not None else "ds" if k == when else "unique_id" if k == 0 else f"level_{k}")
            for k, name in enumerate(frame.index.names)
        ]
        _refuse_twice([*names, *frame.columns], source)
        if dated:
            index, keys = names[when], tuple(name for k, name in enumerate(names) if k != when)
        frame = frame.reset_index(names=names if len(names) > 1 else names[0])
    periods = {
        str(name): frame[name].dt.to_timestamp()
        for name, kind in frame.dtypes.items()
        if isinstance(kind, pd.PeriodDtype)
    }
    return frame.assign(**periods), index, keys


def time_level(index: pd.Index[Any]) -> int:
    """Return the position of the level of times: the last one of dates, else one named so, else the last.

    >>> time_level(pd.MultiIndex.from_product([[0, 1, 2], ["a", "b"]], names=["step", "sensor"]))
    0
    """
    levels = range(index.nlevels)
    dated = [k for k in levels if isinstance(index.get_level_values(k), _TIMES)]
    named = [k for k in levels if spelt(str(index.names[k])) in TIMES]
    return (dated or named or [index.nlevels - 1])[-1]


def _refuse_twice(names: Iterable[str], source: str) -> None:
    counts = Counter(names)
    if twice := [name for name, n in counts.items() if n > 1]:
        raise DataError(f"{source}: expected distinct column names, got {twice[0]!r} twice. Rename one.")


def _array(column: nw.Series[Any], source: str) -> tuple[NDArray[Any], str | None]:
    """Convert a column to an array, and its time zone; times with a zone are in UTC."""
    kind, zone = column.dtype, None
    if isinstance(kind, nw.Datetime | nw.Date) or kind == nw.Date:
        zone = getattr(kind, "time_zone", None)
        if zone:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return _nanoseconds(column, source), zone
    if isinstance(kind, nw.Duration) or kind == nw.Duration:
        name = column.name
        raise DataError(
            f"{source}, column {name!r}: expected dates or numbers, got spans of time. Add a start: "
            f"frame[{name!r}] = pandas.Timestamp('2020-01-01') + frame[{name!r}], or count seconds: "
            f"frame[{name!r}].dt.total_seconds(); an index becomes a column with frame.reset_index()."
        )
    if kind.is_integer() and not column.is_null().any() and column.max() <= _MOST_WHOLE:
        return column.to_numpy().astype(np.int64), None
    if kind == nw.Boolean and not column.is_null().any():
        return column.to_numpy().astype(np.bool_), None
    if kind.is_numeric():
        return column.cast(nw.Float64).to_numpy().astype(np.float64), None
    if kind in {nw.Categorical, nw.Enum}:
        column = column.cast(nw.String)
    return np.array([_text_or_date(value) for value in column.to_list()], dtype=object), None


def _text_or_date(value: Any) -> Any:
    if isinstance(value, int) and abs(value) >= 10**308:  # more digits than a float, or Python, would write
        return "inf" if value > 0 else "-inf"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if value is None or isinstance(value, str) or hasattr(value, "isoformat") else str(value)


def _nanoseconds(column: nw.Series[Any], source: str) -> NDArray[Any]:
    times = np.array(
        column.to_list() if column.dtype == nw.Date else column.to_numpy(), dtype="datetime64[us]"
    )
    years = times[~np.isnat(times)].astype("datetime64[Y]").astype(np.int64) + 1970
    if len(years) and not (YEARS[0] <= years.min() and years.max() <= YEARS[1]):
        odd = years.min() if years.min() < YEARS[0] else years.max()
        raise DataError(
            f"{source}, column {column.name!r}: expected years from {YEARS[0]} to {YEARS[1]}, got {odd}. "
            "Correct those dates, or number the years 1, 2, 3."
        )
    if column.dtype != nw.Date:
        times = column.to_numpy()
    return times.astype("datetime64[ns]")


def id_frame(table: Table, names: Sequence[str], rows: NDArray[np.int64]) -> nw.DataFrame[Any]:
    """Select rows of the id columns of a table, in the types that they came in.

    Whole numbers in a file, which pandas would read as numbers, are numbers.
    """
    if table.frame is not None:
        frame: nw.DataFrame[Any] = table.frame.select(list(names))[rows.tolist()]
        return frame
    columns = {name: table.columns[name][rows] for name in names}
    return nw.from_native(pd.DataFrame({name: _as_written(texts) for name, texts in columns.items()}))


def _as_written(texts: NDArray[Any]) -> Any:
    """Convert texts to int64 if each is a whole number without leading zeros; '007' stays a text."""
    try:
        numbers = np.array([int(text) for text in texts], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return list(texts)
    return numbers if [str(number) for number in numbers] == list(texts) else list(texts)


def id_columns_of(series: Sequences, positions: NDArray[np.int64]) -> dict[str, Any]:
    """Return the id columns of an answer whose rows belong to the series at these positions.

    >>> id_columns_of(Sequences.from_arrays([[1.0], [2.0]]), np.array([0, 0, 1]))
    {'unique_id': array(['0', '0', '1'], dtype=object)}
    """
    if series.keys is None:
        return {series.names.id: np.array(series.ids, dtype=object)[positions]}
    columns = {name: series.keys[name].to_native() for name in series.keys.columns}
    if series.backend == "pandas":
        return {name: column.array.take(positions) for name, column in columns.items()}
    return {
        name: column[positions] if series.backend == "polars" else column.take(positions)
        for name, column in columns.items()
    }


def to_frame(columns: Mapping[str, Any], backend: str) -> Any:
    """Build a frame of the user's library.

    Args:
        columns: name to values, all of one length.
        backend: "pandas", "polars" or "pyarrow", as `Sequences.backend` holds it.

    Raises:
        ArgumentError: the backend is another.
        MissingDependencyError: it is not installed.

    >>> to_frame({"ds": [1, 2], "gru": np.array([0.5, 0.25])}, "pandas").shape
    (2, 2)
    """
    check_choice("backend", backend, BACKENDS)
    if find_spec(backend) is None:
        raise MissingDependencyError(f"frames of {backend} need it installed: pip install {backend}")
    ready = {
        name: list(v) if isinstance(v, np.ndarray) and v.dtype.kind == "O" else v
        for name, v in columns.items()
    }
    if backend == "pandas":  # narwhals would hand strings and times over one by one
        return pd.DataFrame(ready)
    kind: Any = backend  # narwhals' own type lists its names as literals
    return nw.from_dict(ready, backend=kind).to_native()
