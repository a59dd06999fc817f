"""Time features: hour of the day, day of the week, month of the year, as sine and cosine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# cycle: steps in it, and where in it a time lies
_CYCLES: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "minute of the hour": (60, lambda t: t.minute),
    "hour of the day": (24, lambda t: t.hour + t.minute / 60),
    "day of the week": (7, lambda t: t.day_of_week),
    "day of the year": (365.25, lambda t: t.day_of_year),
    "month of the year": (12, lambda t: t.month - 1),
}


def cycle_names(freq: str | None) -> tuple[str, ...]:
    """List the cycles that a frequency can show; none for yearly or whole-number times.

    >>> cycle_names("MS"), cycle_names("h")
    (('month of the year',), ('hour of the day', 'day of the week'))
    """
    if freq is None:
        return ()
    unit = freq.partition("@")[0].lstrip("0123456789").split("-")[0]
    if unit in {"MS", "ME", "M", "QS", "QE", "Q", "BMS", "BME", "BQS", "BQE"}:
        return ("month of the year",)
    if unit in {"D", "B", "W"}:
        return ("day of the week", "day of the year")[unit == "W" :]
    if unit in {"h", "H"}:
        return ("hour of the day", "day of the week")
    if unit in {"min", "s"}:
        return ("minute of the hour", "hour of the day")
    return ()


def cycle_features(times: NDArray[Any], freq: str | None) -> Floats:
    """Encode times as sine and cosine of the place in each cycle, (T, 2 C).

    >>> months = np.array(["2024-01-01", "2024-04-01", "2024-07-01"], dtype="datetime64[ns]")
    >>> (cycle_features(months, "MS").round(2) + 0.0).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]
    """
    if not (cycles := cycle_names(freq)):
        return np.empty((len(times), 0))
    stamps = pd.DatetimeIndex(times)
    angles = [2 * np.pi * np.asarray(place(stamps)) / steps for steps, place in (_CYCLES[c] for c in cycles)]
    return np.column_stack([turn(angle) for angle in angles for turn in (np.sin, np.cos)])
