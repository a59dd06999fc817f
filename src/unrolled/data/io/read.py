"""`read`: files, frames, texts and arrays to `Sequences`; and the way back to the user's own frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data import gaps
from unrolled.data.calendar.frequency import business_days_note, infer_calendar
from unrolled.data.calendar.zones import check_zone, zone_to_utc
from unrolled.data.io import files, frames
from unrolled.data.io.formats import records_frame
from unrolled.data.io.frames import id_frame
from unrolled.data.io.values import from_values, no_target_error, without_sentinels
from unrolled.data.parse.categories import encode_inputs
from unrolled.data.parse.columns import ColumnSpec, TableSchema, infer_schema, refuse_column_names
from unrolled.data.parse.datetimes import parse_times, without_zone
from unrolled.data.parse.notations import NOTES
from unrolled.data.parse.series_ids import encode_ids, merge_spellings
from unrolled.data.parse.table import Table
from unrolled.data.reshape.clock_columns import join_clock
from unrolled.data.reshape.melt import melt
from unrolled.data.reshape.totals import without_total_rows, without_total_series
from unrolled.data.sequences import ColumnNames, DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity, quoted_list
from unrolled.validation import check_choice, check_float

Ints = NDArray[np.int64]
ORDERS = ("time", "rows")


def read(
    source: Any,
    *,
    id: str | Sequence[str] | None = None,  # noqa: A002 (the word for it in every frame)
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    past: str | Sequence[str] = (),
    future: str | Sequence[str] = (),
    static: str | Sequence[str] = (),
    fill: str | None = None,
    utc: bool = False,
    zone: str | None = None,
    date_format: str | None = None,
    order: str = "time",
    missing: float | Sequence[float] = (),
) -> Sequences:
    """Read a file, a frame, a text or arrays into sequences.

    A table may be long (a column names the series), wide (each column of numbers is a series) or two
    columns; columns that are not named are found by their type and usual spelling. Rows are sorted by time.
    Without any time, a single column is a sequence by position, several are a table whose rows have no order.

    Args:
        source: a path to CSV, Parquet, Excel or what else `read_file` lists, a folder, a pattern, or a list
            of paths; a pandas, polars or Arrow frame or series; a mapping of columns, a list of records; a
            text, or a list of texts, whose characters are tokens; a list or array of numbers, or of arrays
            of shape (T,) or (T, F); Sequences. A `str` with no such file or folder, and without a file's
            ending, is a text.
        id: the column that tells the series apart; several do so together, such as ["store", "item"].
        time: the column that says when: dates in any usual notation, years, or whole numbers.
        target: the column to learn from; several are a series each.
        past: columns known up to the newest row.
        future: columns known ahead; rows after the last target may hold them.
        static: columns with one value a series.
        fill: how missing values and rows between known ones are made: "forward", "linear" or "mask", which
            repeats the last value and adds columns that say where, and how many steps ago it was observed.
        utc: whether times with a zone are brought to UTC, rather than refused; days are days by local date.
        zone: whose clock shows the times, such as "Europe/Berlin": they are brought to UTC, in which no hour
            is lost or repeated.
        date_format: how dates are written, where a column leaves it open: "dmy", "mdy" or "ymd"; a format of
            strptime; "s", "ms", "us" or "ns" since 1970, "excel" or "number" for numbers.
        order: "time", or "rows" where rows only stand in order: they are counted, sorted by a time if there
            is one.
        missing: numbers that stand for no value, such as -9999.

    Returns:
        Sequences; what was changed on the way stands in its `notes`.

    Raises:
        ArgumentError: an argument has a wrong value, or means nothing for this source.
        DataError: the source cannot be read; the message names row and column where it can.

    >>> prices = read({"date": ["1950-02", "1950-01"], "price": [17.21, 16.88]})
    >>> prices.target.tolist(), prices.freq, prices.notes
    ([16.88, 17.21], 'MS', ('rows were sorted by time',))
    >>> read("machine").tokens
    ('a', 'c', 'e', 'h', 'i', 'm', 'n')
    """
    named = ColumnSpec(
        _names(id), _one_name(time), _names(target), _names(past), _names(future), _names(static)
    )
    when = TimeOptions(utc, date_format, check_choice("order", order, ORDERS), check_zone(zone))
    if not isinstance(utc, bool | np.bool_):
        raise ArgumentError(f"utc: expected True or False, got {utc!r}.")
    if not isinstance(date_format, str | None):
        raise ArgumentError(f"date_format: expected a text such as 'dmy', got {date_format!r}.")
    sentinels = [check_float("missing", one) for one in np.atleast_1d(np.array(missing, dtype=object))]
    if isinstance(source, str):
        source = _as_path(source) or source
    if _are_paths(source):
        series = table_to_sequences(files.read_files([Path(one) for one in source]), named, when)
    elif _are_records(source):
        series = table_to_sequences(frames.from_frame(records_frame(source, "records")), named, when)
    elif isinstance(source, Path):
        series = table_to_sequences(files.read_file(source), named, when)
    elif isinstance(source, Mapping) and not hasattr(source, "toarray"):  # a sparse matrix may be one
        series = table_to_sequences(frames.from_frame(_mapping_to_frame(source)), named, when)
    elif frames.is_frame(source):
        series = table_to_sequences(frames.from_frame(source), named, when)
    elif frames.is_dated_list(source):
        named = named._replace(id=named.id or ("unique_id",), time=named.time or "ds")
        series = table_to_sequences(frames.from_frame(frames.dated_frame(source)), named, when)
    else:
        first = {role: names[0] for role, names in named.roles.items() if names}
        refuse_column_names(first, f"a {type(source).__name__}")
        series = source if isinstance(source, Sequences) else from_values(source)
    series = without_sentinels(series, np.array(sentinels))
    return series if fill is None else gaps.fill_gaps(series, fill)


def _are_paths(source: Any) -> bool:
    """Return whether a list names files: paths, or texts that each end as files do."""
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(
            isinstance(one, Path) or (isinstance(one, str) and _as_path(one) is not None) for one in source
        )
    )


def _are_records(source: Any) -> bool:
    return (
        isinstance(source, list | tuple) and bool(source) and all(isinstance(one, Mapping) for one in source)
    )


def _names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if names is None else tuple(map(str, np.atleast_1d(np.array(names, dtype=object))))


def _one_name(time: Any) -> str | None:
    """Pass the time column, or refuse several."""
    names = _names(time)
    if len(names) > 1:
        first, second = names[:2]
        raise ArgumentError(
            f"time: expected one column, got {quoted_list(names)}. Put them together first: "
            f"frame['ds'] = frame[{first!r}].astype(str) + ' ' + frame[{second!r}].astype(str)."
        )
    return names[0] if names else None


def _as_path(text: str) -> Path | None:
    """Take a text for a path if a file is there, or its ending is a file's."""
    if len(text) > 4096 or "\n" in text or "\x00" in text or not text:
        return None
    files.refuse_url(text)
    path = Path(text)
    whole = text.partition(files.PART)[0]
    is_file = os.path.exists(text) or whole.lower().endswith(files.SUFFIXES)  # noqa: PTH110 (Path raises for long names)
    return path if is_file or text == files.STDIN else None


def _mapping_to_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame(dict(columns))
    except ValueError as fault:
        lengths = {name: np.size(values) for name, values in columns.items()}
        raise DataError(f"data: expected columns of equal length, got {lengths}.") from fault
    except OverflowError as fault:
        raise DataError(f"data: expected numbers up to 1e150; {fault}. Divide them first.") from fault


class TimeOptions(NamedTuple):
    """Arguments of `read` on times."""

    utc: bool = False
    date_format: str | None = None
    order: str = "time"
    zone: str | None = None


def table_to_sequences(table: Table, named: ColumnSpec, when: TimeOptions) -> Sequences:
    """Convert a table to sequences, its columns as named or inferred: see `read`."""
    is_target_named, may_be_totals = bool(named.target), True
    table, named = melt(without_total_rows(table), named)
    roles = [name for names in named.roles.values() for name in names]
    if when.order == "time":
        table = join_clock(table, roles, time=named.time, date_format=when.date_format)
    layout = infer_schema(table, named)
    notes = [*table.notes, *layout.notes]
    times = None if layout.time is None else _times(table, layout.time, notes, when)
    codes, ids = encode_ids(table, layout.ids) if layout.ids else _one_series(table, layout)
    if when.zone is not None:
        times = _in_utc(times, codes, when.zone, table, layout.time, notes)
    codes, ids, firsts = merge_spellings(codes, ids, times, table.source, notes)
    targets = np.column_stack([table.numbers(name) for name in layout.targets])
    is_past = np.asarray(np.isfinite(targets).any(axis=1))
    inputs, labels = encode_inputs(table, layout.inputs, is_past, notes)
    values = np.column_stack([targets, *inputs])
    notes.extend(table.remarks)
    rows = _sorted_rows(codes, times, notes)
    if rows is not None:
        codes, values, times = codes[rows], values[rows], None if times is None else times[rows]
    if when.order == "rows":
        notes.append("rows were counted" + ("" if times is None else f" in the order of {layout.time!r}"))
        times = None
    many, ordered = len(layout.targets), times is not None or layout.counts or len(table.columns) == 1
    ordered = ordered or when.order == "rows"
    whole = Sequences(
        values,
        np.searchsorted(codes, np.arange(len(ids) + 1)).astype(np.int64),
        ids,
        (*layout.targets, *layout.inputs),
        (*[Role.TARGET] * many, *layout.input_roles),
        times=times,
        order=DeclaredOrder.TIME
        if times is not None
        else DeclaredOrder.POSITION
        if ordered
        else DeclaredOrder.NONE,
        names=ColumnNames(next(iter(layout.ids), "unique_id"), layout.time or "ds"),
        keys=id_frame(table, layout.ids, firsts) if layout.ids else None,
        source=table.source,
        backend=table.backend,
        notes=tuple(dict.fromkeys(notes)),
        labels=labels,
    )
    if np.isnan(values[:, :many]).all():
        raise no_target_error(table.source, layout.targets[0])
    _require_static(whole)
    if ordered and (many > 1 or table.row_ids):
        whole = _columns_to_series(whole, layout, table)
        may_be_totals = not is_target_named
    whole = without_total_series(whole) if may_be_totals else whole
    if whole.times is None:
        return whole
    freq = infer_calendar(whole.times, whole.offsets).freq
    return replace(whole, freq=freq, notes=(*whole.notes, *business_days_note(whole.times, freq)))


def _times(table: Table, name: str, notes: list[str], when: TimeOptions) -> NDArray[Any] | None:
    """Read the time column; None where rows are counted and it cannot be read."""
    values, zone = table.columns[name], table.zones.get(name)
    if zone:
        local = pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
        offsets = (local - values).astype("m8[s]").astype(np.float64) / 60
        times = without_zone(local, offsets, name, notes, utc=when.utc or when.order == "rows")
        if times is None:
            raise DataError(
                f"{table.source}, column {name!r}: expected times without a zone, got {zone}. Bring them to "
                "UTC with utc=True."
            )
        values = times
    as_text = (when.date_format or "").startswith("%") and values.dtype.kind == "O"  # 0 first is no number
    try:
        values = _whole_numbers(table, name) if table.kinds[name] == "number" and not as_text else values
        utc = when.utc or when.order == "rows"
        times, more = parse_times(values, name=name, place=table.place, utc=utc, date_format=when.date_format)
    except DataError:
        if when.order == "rows":
            return None
        raise
    notes.extend(more)
    return times


def _in_utc(
    times: NDArray[Any] | None, codes: Ints, zone: str, table: Table, name: str | None, notes: list[str]
) -> NDArray[Any]:
    """Bring times (T,) from the clock of a zone to UTC.

    Raises:
        ArgumentError: the rows have no times, or these have zones of their own.
    """
    if times is None or name is None or times.dtype.kind != "M":
        raise ArgumentError("zone: only dates with a clock have a zone, got none. Leave zone= out.")
    if name in table.zones or any(NOTES["utc"].format(column=name) == note for note in notes):
        raise ArgumentError(f"zone: times of column {name!r} have zones of their own. Leave zone= out.")
    notes.append(f"times of column {name!r} were brought from the clock of {zone} to UTC")
    return zone_to_utc(times, codes, zone, f"{table.source}, column {name!r}")


def _whole_numbers(table: Table, name: str) -> NDArray[Any]:
    """Read whole numbers, as int64 where a float would round them: beyond 2**53."""
    numbers, values = table.numbers(name), table.columns[name]
    if values.dtype.kind == "f" or not (np.abs(numbers) >= 2**53).any():
        return numbers
    try:
        return values.astype(np.int64)
    except (TypeError, ValueError, OverflowError):  # not all are plain digits below 2**63
        return numbers


def _one_series(table: Table, layout: TableSchema) -> tuple[Ints, tuple[str, ...]]:
    name = layout.targets[0] if len(layout.targets) == 1 else "table"
    return np.zeros(len(table), dtype=np.int64), (name,)


def _sorted_rows(codes: Ints, times: NDArray[Any] | None, notes: list[str]) -> Ints | None:
    """Sort rows by series and time; None where they already are."""
    together = bool((np.diff(codes) >= 0).all())
    rows = np.arange(len(codes)) if together else np.argsort(codes, kind="stable")
    if times is not None:
        falls = (np.diff(times[rows]).astype(np.int64) < 0) & (np.diff(codes[rows]) == 0)
        if falls.any():
            notes.append("rows were sorted by time")
            return np.lexsort((times, codes))
    return None if together else rows


def _columns_to_series(table: Sequences, layout: TableSchema, source: Table) -> Sequences:
    """Make each target a series, from its first value to its last, or to the end of known-future columns."""
    many, parts, ids = len(layout.targets), [], []
    for k, name in enumerate(layout.targets):
        valid_rows = np.flatnonzero(~np.isnan(table.values[:, k]))
        if len(valid_rows):
            end = len(table.values) if layout.future else int(valid_rows[-1]) + 1
            parts.append((k, slice(int(valid_rows[0]), end)))
            ids.append(name)
    empty = [name for name in layout.targets if name not in ids]
    kind = "column" if source.row_ids is None else "row"
    notes = [f"{quantity(len(empty), kind)} without a value left out: {quoted_list(empty)}"] if empty else []
    names, keys = table.names, None
    if source.row_ids is not None:
        keys = id_frame(*source.row_ids, np.array([k for k, _ in parts]))
        names = names._replace(id=keys.columns[0])
    return replace(
        table,
        values=np.concatenate(
            [table.values[rows][:, [k, *range(many, table.values.shape[1])]] for k, rows in parts]
        ),
        offsets=np.concatenate([[0], np.cumsum([rows.stop - rows.start for _, rows in parts])]).astype(
            np.int64
        ),
        ids=tuple(ids),
        columns=("y", *layout.inputs),
        roles=(Role.TARGET, *layout.input_roles),
        times=None if table.times is None else np.concatenate([table.times[rows] for _, rows in parts]),
        names=names,
        keys=keys,
        notes=(*table.notes, *notes),
    )


def _require_static(series: Sequences) -> None:
    """Pass if each static column has one value a series."""
    for column in series.columns_of(Role.STATIC):
        values = series.values[:, column]
        changed = np.diff(values) != 0
        changed[series.offsets[1:-1] - 1] = False
        if changed.any():
            row = int(np.argmax(changed))
            position = int(np.searchsorted(series.offsets, row, side="right") - 1)
            name = series.columns[column]
            texts = [*series.labels.get(name, ()), "none"]
            shown = [texts[int(v)] if name in series.labels else f"{v:g}" for v in values[row : row + 2]]
            raise DataError(
                f"{series.source}, series {series.ids[position]!r}: expected one value in the static column "
                f"{name!r}, got {shown[0]} and {shown[1]}. Name it with "
                "past= or future= if it changes."
            )
