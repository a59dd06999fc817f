"""Checks of the series that a Forecaster gets: regular steps, frequency, columns as in fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from unrolled.data.calendar.frequency import infer_calendar
from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.parse.categories import recode, warn_of_unseen
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError


def check_series(data: Any, *, known_freq: str | None = None) -> Sequences:
    """Read series and require what a forecast needs: numbers at regular steps, with a frequency.

    Series that keep `known_freq` without a gap have it: a short stretch can look like another calendar.

    Raises:
        DataError: it is not so; one sentence a fault, each with the way out.
    """
    series = read(data)
    if series.tokens is not None:
        raise DataError(
            f"{series.source}: expected numbers to forecast, got a text. `describe` can tell about its order."
        )
    require_regular(series, known_freq=known_freq)
    if series.times is not None and (series.freq is None or known_freq):
        calendar = infer_calendar(series.times, series.offsets, known=known_freq)
        series = replace(series, freq=calendar.freq)
    return series


def check_output_names(series: Sequences, outputs: Iterable[str]) -> None:
    """Pass if no two columns of a forecast have one name.

    Raises:
        DataError: the id or the time column is called as an output is, or as the other.
    """
    names = [*series.id_names, series.names.time, *outputs]
    for name in (*series.id_names, series.names.time):
        if names.count(name) > 1:
            raise DataError(f"{series.source}: column '{name}' has the name of an output. Rename it.")


def match_fitted(data: Any, fitted: Sequences) -> Sequences:
    """Read new data and bring its columns into the order of the fitted data.

    Raises:
        DataError: its steps are of another frequency, or a column is missing.
    """
    series = check_series(data, known_freq=fitted.freq)
    if series.freq != fitted.freq:
        raise DataError(
            f"{series.source}: the model was fitted on steps of '{fitted.freq}', these are '{series.freq}'. "
            "Resample the data, or fit a model on it."
        )
    target = series.columns[series.roles.index(Role.TARGET)]
    pairs = zip(fitted.columns, fitted.roles, strict=True)
    columns = tuple(target if role is Role.TARGET else name for name, role in pairs)
    if missing := [name for name in columns if name not in series.columns]:
        raise DataError(
            f"{series.source}: expected the columns {', '.join(missing)} of the fitted data. Name them in "
            "read(..., past=[...], future=[...], static=[...])."
        )
    values = series.values[:, [series.columns.index(name) for name in columns]]
    for name, labels in fitted.labels.items():
        column, given = columns.index(name), series.labels.get(name, ())
        warn_of_unseen(series.source, name, given, labels)
        values[:, column] = recode(values[:, column], given, labels)
    return replace(series, values=values, columns=columns, roles=fitted.roles, labels=fitted.labels)
