"""Known-future columns: rows past the last target, given with the data or apart from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import format_time, future_times
from unrolled.data.io.files import read_file
from unrolled.data.parse.categories import codes_of, warn_of_unseen
from unrolled.data.parse.datetimes import parse_times
from unrolled.data.parse.table import join_ids
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError

Ints = NDArray[np.int64]


def append_future(series: Sequences, frame: Any, lengths: Ints, steps: int) -> Sequences:
    """Append `steps` rows after the last target, in which every known-future column is filled.

    Args:
        series: N sequences, perhaps with such rows already.
        frame: id, time and the known-future columns, or the path of a file with them; None where the series
            holds them, or needs none.
        lengths: (N,) observed steps of each.
        steps: rows needed after them.

    Raises:
        DataError: a row or a column is missing, or future rows were given to a model that reads none.
    """
    future_columns = [series.columns[k] for k in series.columns_of(Role.FUTURE)]
    if not future_columns:
        if frame is not None:
            raise DataError(
                f"future: {series.source} has no such columns. Name them with "
                "unrolled.read(..., future=[...])."
            )
        return series
    rows = {} if frame is None else _rows(frame, series, future_columns)
    parts, times, counts = [], [], []
    for k, one in enumerate(series):
        n = int(lengths[k])
        ahead = _ahead(one, n, steps)
        block = np.full((steps, len(series.columns)), np.nan)
        held_rows = one.values[n : n + steps]
        block[: len(held_rows)] = held_rows
        for step, moment in enumerate(ahead.tolist()):
            for name, value in rows.get((series.ids[k], moment), {}).items():
                block[step, series.columns.index(name)] = value
        _require_filled(series, k, block, ahead, future_columns)
        parts += [one.values[:n], block]
        times += [ahead[:0] if one.times is None else one.times[:n], ahead]
        counts.append(n + steps)
    return replace(
        series,
        values=np.concatenate(parts),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        times=None if series.times is None else np.concatenate(times),
    )


def _ahead(one: Sequences, n: int, steps: int) -> NDArray[Any]:
    """List the times after the last target, (steps,); positions where there are no times."""
    if one.times is None:
        return np.arange(n, n + steps)
    return future_times(one.times[n - 1], one.freq or "1", steps)


def _rows(
    frame: Any, series: Sequences, future_columns: list[str]
) -> dict[tuple[str, Any], dict[str, float]]:
    """Index the frame's values by id and time."""
    id_names = series.id_names if len(series) > 1 else ()
    need = [*id_names, series.names.time, *future_columns]
    label = str(frame) if isinstance(frame, str | Path) else "future"
    try:
        native = _file_frame(Path(frame), set(need), set(series.labels)) if label != "future" else frame
        table = nw.from_native(native, eager_only=True)
    except TypeError as fault:
        got = f"got {type(frame).__name__}"
        raise DataError(
            f"future: expected a frame of pandas, polars or Arrow, or the path of a file, {got}."
        ) from fault
    if missing := [name for name in need if name not in table.columns]:
        raise DataError(
            f"{label}: expected the columns {', '.join(need)}; {', '.join(missing)} is missing. "
            "Add it under that name."
        )
    times = table[series.names.time].to_numpy()
    if series.times is not None:
        times = _times(table[series.names.time], series.times, label)
    ids = join_ids([table[name].to_list() for name in id_names]) if id_names else None
    columns = {name: _input(name, table[name], series, label) for name in future_columns}
    rows: dict[tuple[str, Any], dict[str, float]] = {}
    for row, moment in enumerate(times.tolist()):
        place = (series.ids[0] if ids is None else ids[row], moment)
        if place in rows:
            raise DataError(
                f"{label} row {row + 1}: expected one row a step, got a second for "
                f"{format_time(times[row])}. Keep one of them."
            )
        rows[place] = {name: float(column[row]) for name, column in columns.items()}
    return rows


def _file_frame(path: Path, need: set[str], labels: set[str]) -> pd.DataFrame:
    """Read the columns of a file that are needed: numbers as such, labels and what else there is as texts."""
    table = read_file(path)
    numeric = {name for name in (need & set(table.columns)) - labels if table.kinds[name] == "number"}
    return pd.DataFrame(
        {
            name: table.numbers(name) if name in numeric else column
            for name, column in table.columns.items()
            if name in need
        }
    )


def _times(column: nw.Series[Any], times: NDArray[Any], label: str) -> NDArray[Any]:
    """Read the times of the frame; those with a zone as reading the series did: local days, else UTC."""
    if getattr(column.dtype, "time_zone", None):
        clocks = np.unique(times - times.astype("datetime64[D]"))
        local = column.dt.replace_time_zone(None).to_numpy()
        are_days = len(clocks) == 1 and (local - local.astype("datetime64[D]") == clocks[0]).all()
        column = (column if are_days else column.dt.convert_time_zone("UTC")).dt.replace_time_zone(None)
    way = "Write them year first."
    return parse_times(
        column.to_numpy(), name=column.name, place=lambda row: f"{label} row {row + 1}", utc=True, way=way
    )[0]


def _input(name: str, column: nw.Series[Any], series: Sequences, label: str) -> NDArray[np.float64]:
    """Read a known-future column: numbers, or labels as the positions that they have in the series."""
    if name not in series.labels:
        return _numbers(name, column.to_numpy(), label)
    warn_of_unseen(label, name, column.to_list(), series.labels[name])
    return codes_of(column.to_list(), series.labels[name])


def _numbers(name: str, column: NDArray[Any], label: str) -> NDArray[np.float64]:
    try:
        numbers = column.astype(np.float64)
    except (TypeError, ValueError) as fault:
        raise DataError(f"{label}: expected numbers in column '{name}'; {fault}.") from fault
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise DataError(
            f"{label} row {row + 1}, column '{name}': expected a finite number, got {numbers[row]}."
        )
    return numbers


def _require_filled(
    series: Sequences, k: int, block: NDArray[np.float64], ahead: NDArray[Any], future_columns: list[str]
) -> None:
    for name in future_columns:
        empty = np.flatnonzero(np.isnan(block[:, series.columns.index(name)]))
        if len(empty):
            raise DataError(
                f"future: series '{series.ids[k]}' needs column '{name}' for the {len(block)} steps after "
                f"its last target, {format_time(ahead[empty[0]])} is missing. "
                "Pass them with predict(future=frame), or as rows of the data after its last target."
            )
