"""Checks of the series that a Forecaster gets: regular steps, frequency, columns as in fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from unrolled.data.calendar.frequency import infer_calendar
from unrolled.data.gap_columns import is_gap_column
from unrolled.data.gaps import fill_gaps, require_regular
from unrolled.data.io.files import STDIN
from unrolled.data.io.read import read
from unrolled.data.parse.categories import recode, warn_of_unseen
from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError

_WAY_OUT = re.compile(
    r"unrolled\.read\([^()]*\)|(?<!['\w])(?:id|time|fill|utc|zone|order|target|missing|date_format)=(?:'[^']*'|\w*)"
)


def check_series(data: Any, *, known_freq: str | None = None, missing: str | None = None) -> Sequences:
    """Read series and require what a forecast needs: numbers at regular steps, with a frequency.

    Args:
        data: whatever `unrolled.read` takes.
        known_freq: series that keep it without a gap have it: a short stretch can look like another calendar.
        missing: how gaps are filled, as `fill=` of `unrolled.read`; None where they are refused.

    Raises:
        DataError: it is not so; one sentence a fault, each with the way out.
    """
    if not isinstance(data, Sequences):
        with read_named():
            return check_series(read(data), known_freq=known_freq, missing=missing)
    series = data
    if series.tokens is not None:
        raise DataError(
            f"{series.source}: expected numbers to forecast, got a text. `describe` can tell about its order."
        )
    if missing is not None and series.order is not DeclaredOrder.NONE:
        series = fill_gaps(series, missing)
    require_regular(series, known_freq=known_freq)
    if series.times is not None and (series.freq is None or known_freq):
        calendar = infer_calendar(series.times, series.offsets, known_freq=known_freq)
        series = replace(series, freq=calendar.freq)
    return series


@contextmanager
def read_named() -> Iterator[None]:
    """Name `unrolled.read` in errors about data that a method reads: it takes none of read's arguments."""
    try:
        yield
    except DataError as fault:
        raise DataError(_WAY_OUT.sub(_in_read, str(fault))) from fault


def _in_read(way: re.Match[str]) -> str:
    return way[0] if way[0].startswith("unrolled") else f"unrolled.read(..., {way[0]})"


def read_like(source: Any, fitted: Sequences, **named: Any) -> Sequences:
    """Read new data, its columns in the roles that they had in the fitted data, where it has them.

    Args:
        source: whatever `unrolled.read` takes.
        fitted: series that a model was fitted on.
        named: arguments of `unrolled.read`, which come first.

    Raises:
        ArgumentError: a named argument has a wrong value.
        DataError: the data cannot be read.
    """
    if isinstance(source, Sequences):
        return source
    roles: dict[str, list[str]] = {role.value: [] for role in (Role.PAST, Role.FUTURE, Role.STATIC)}
    if _has_gap_columns(fitted):
        named = {"fill": "mask"} | named
    for name, role in zip(fitted.columns, fitted.roles, strict=True):
        if role is not Role.TARGET and not is_gap_column(name, fitted.columns):
            roles[role.value].append(name)
    inputs = {role: names for role, names in roles.items() if names}
    every: dict[str, Any] = dict(inputs)
    if fitted.times is not None:
        every["time"] = fitted.names.time
    if fitted.keys is not None:
        every["id"] = list(fitted.id_names)
    if fitted.keys is not None or len(fitted) == 1:
        every["target"] = fitted.columns[fitted.roles.index(Role.TARGET)]
    try:
        return read(source, **every | named)
    except (ArgumentError, DataError):  # a column of that name is missing, or it is no table
        if str(source) == STDIN:  # it can be read once
            raise
    try:
        return read(source, **inputs | named)
    except (ArgumentError, DataError) as fault:
        try:
            return read(source, **named)
        except DataError:
            raise fault from None


def check_output_names(series: Sequences, outputs: Iterable[str]) -> None:
    """Pass if no two columns of a forecast have one name.

    Raises:
        DataError: the id or the time column is called as an output is, or as the other.
    """
    names = [*series.id_names, series.names.time, *outputs]
    for name in (*series.id_names, series.names.time):
        if names.count(name) > 1:
            raise DataError(f"{series.source}: column '{name}' has the name of an output. Rename it.")


def _has_gap_columns(series: Sequences) -> bool:
    return any(is_gap_column(name, series.columns) for name in series.columns)


def match_fitted(data: Any, fitted: Sequences, *, missing: str | None = None) -> Sequences:
    """Read new data and bring its columns into the order of the fitted data.

    Gaps are filled as `missing` says, or as those of the fitted data were where their columns tell.

    Raises:
        DataError: its steps are of another frequency, or a column is missing.
    """
    if not isinstance(data, Sequences):
        with read_named():
            filled = {} if missing is None else {"fill": missing}
            return match_fitted(read_like(data, fitted, **filled), fitted, missing=missing)
    how = "mask" if _has_gap_columns(fitted) and not _has_gap_columns(data) else missing
    series = check_series(data, known_freq=fitted.freq, missing=how)
    if series.freq != fitted.freq:
        raise DataError(
            f"{series.source}: the model was fitted on steps of '{fitted.freq}', these are '{series.freq}'. "
            "Resample the data, or fit a model on it."
        )
    target = series.columns[series.roles.index(Role.TARGET)]
    pairs = zip(fitted.columns, fitted.roles, strict=True)
    columns = tuple(target if role is Role.TARGET else name for name, role in pairs)
    if absent := [name for name in columns if name not in series.columns]:
        raise DataError(
            f"{series.source}: expected the columns {', '.join(absent)} of the fitted data. "
            "Add them, and pass the frame or file itself, which is read as the fitted data was."
        )
    values = series.values[:, [series.columns.index(name) for name in columns]]
    for name, labels in fitted.labels.items():
        column, given = columns.index(name), series.labels.get(name, ())
        warn_of_unseen(series.source, name, given, labels)
        values[:, column] = recode(values[:, column], given, labels)
    return replace(series, values=values, columns=columns, roles=fitted.roles, labels=fitted.labels)
