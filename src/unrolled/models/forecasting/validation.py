"""Validation of a Forecaster's data: frequency, season, window and columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import infer_calendar, lies_on_calendar
from unrolled.data.calendar.offsets import season_length
from unrolled.data.describe.diagnostics import detect_seasonality
from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError

Ints = NDArray[np.int64]

_LEAST_STEPS = 3  # of a series that is read beside longer ones
_LEAST_SEASONAL = 0.2  # share of the series that must show a season before the network looks for one
_LEAST_WINDOW, _MOST_WINDOW = 48, 256
_SEASONS_READ = 10


def check_series(data: Any) -> Sequences:
    """Read series and require what a forecast needs: numbers at regular steps, with a frequency.

    Raises:
        DataError: it is not so; one sentence a fault, each with the way out.
    """
    series = read(data)
    if series.tokens is not None:
        raise DataError(
            f"{series.source}: expected numbers to forecast, got a text. `describe` can tell about its order."
        )
    require_regular(series)
    if series.freq is None and series.times is not None:
        series = replace(series, freq=infer_calendar(series.times, series.offsets).freq)
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


def detect_season(series: Sequences) -> int:
    """Return the season that the frequency suggests, if more than a fifth of the series show it; else 1.

    Seasonal inputs cost a series without a season more than they could give.

    >>> detect_season(read([1.0, 2.0, 4.0]))
    1
    """
    season = season_length(series.freq)
    pairs = zip(series, series.observed, strict=True)
    verdicts = [detect_seasonality(one.target[:steps], season)[0] for one, steps in pairs]
    seasonal = [shows for shows in verdicts if shows is not None]
    return season if sum(seasonal) > _LEAST_SEASONAL * len(seasonal) else 1


def choose_window(series: Sequences, horizon: int, season: int, window_size: int | None) -> int:
    """Return `window_size`, or ten seasons within bounds, cut to what the longest series allows.

    Raises:
        DataError: every series is too short, or constant; or one has fewer than three steps.

    >>> choose_window(read(np.arange(100.0)), horizon=12, season=1, window_size=None)
    48
    """
    lengths = series.observed
    longest, shortest = int(lengths.max()), int(lengths.argmin())
    by_rule = min(max(_SEASONS_READ * season, _LEAST_WINDOW), _MOST_WINDOW)
    window = window_size or min(by_rule, max(longest - horizon, _LEAST_STEPS))
    if longest < window + horizon:
        raise DataError(
            f"{series.source}: window {window} and horizon {horizon} need {window + horizon} "
            f"steps, got {longest}. Give a longer series, or a smaller horizon or window."
        )
    if lengths[shortest] < _LEAST_STEPS:
        raise DataError(
            f"series '{series.ids[shortest]}': expected at least {_LEAST_STEPS} steps, got "
            f"{lengths[shortest]}. Leave it out, or give more of it."
        )
    spans = [np.ptp(one.target[:n]) for one, n in zip(series, lengths, strict=True)]
    if not any(span > 0 for span in spans):
        raise DataError(
            f"{series.source}: all {int(lengths.sum())} values are {series.target[0]:g}; a constant "
            "series needs no network, its forecast is that value."
        )
    return window


def match_fitted(data: Any, fitted: Sequences) -> Sequences:
    """Read new data and bring its columns into the order of the fitted data.

    Raises:
        DataError: its steps are of another frequency, or a column is missing.
    """
    series = check_series(data)
    parts = [] if series.times is None else np.split(series.times, series.offsets[1:-1])
    if (
        series.freq != fitted.freq
        and fitted.freq
        and parts
        and all(lies_on_calendar(times, fitted.freq) for times in parts)
    ):
        series = replace(series, freq=fitted.freq)  # a short stretch can look like another calendar
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
    column_indices = [series.columns.index(name) for name in columns]
    return replace(series, values=series.values[:, column_indices], columns=columns, roles=fitted.roles)
