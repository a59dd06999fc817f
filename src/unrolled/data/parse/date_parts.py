"""Build times from years, months, days and clocks; the column that messages name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import YEARS, in_nanoseconds
from unrolled.data.parse.numbers import quoted
from unrolled.errors import DataError

Times = NDArray[Any]
Place = Callable[[int], str]  # row to "flow.csv row 41"

NAT = np.datetime64("NaT", "ns")


class DateColumn(NamedTuple):
    """Name of a column and the place of its rows, for messages."""

    name: str
    place: Place
    way: str  # out, where no text is a date
    rows: Any = ()  # the first of each distinct text

    def at(self, k: int) -> str:
        """Place of a distinct text."""
        return self.place(int(self.rows[k]))

    def shown(self, k: int, texts: Sequence[str]) -> str:
        """Place and words of a distinct text."""
        return f"{self.at(k)} {quoted(texts[k])}"

    def unreadable(self, row: int, value: Any) -> DataError:
        """Word the fault of a value that is no date."""
        empty = value is None or value != value or str(value).strip() == ""  # noqa: PLR0124 (NaN)
        return DataError(
            f"{self.place(row)}, column {self.name!r}: expected a date between 1678 and 2261 such as "
            f"2020-01-31, got {'nothing' if empty else quoted(value)}. Correct or remove that row."
        )


def assemble(parts: Mapping[str, NDArray[Any]]) -> Times:
    """Build the times (K,) of years Y, months m, days d (or weeks w, days of the year j) and clocks.

    NaT stands where there is no such time. 24:00 is the start of the next day.
    """
    size = len(parts["Y"])
    year, month, day, hour, minute, second, fraction, week, weekday, ordinal = (
        np.asarray(parts.get(key, np.full(size, default)), dtype=np.float64)
        for key, default in zip("YmdHMSfwuj", (0, 1, 1, 0, 0, 0, 0, 0, 1, 0), strict=True)
    )
    good = (year >= YEARS[0]) & (year <= YEARS[1]) & (month >= 1) & (month <= 12)
    good &= (hour + (minute + second) / 120 <= 24) & (minute < 60) & (second < 60)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype(np.int64).astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    days = np.where(ordinal > 0, ordinal, day)
    if "w" in parts:  # the week with 4 January is the first
        days = 7 * week + weekday - 4 - (first.astype(np.int64) + 6) % 7
        thursday = first + (days - weekday + 3).astype(np.int64)
        good &= (week >= 1) & (thursday.astype("datetime64[Y]") == first.astype("datetime64[Y]"))
    date = first + (np.where(np.isfinite(days), days, 0) - 1).astype(np.int64)
    span = "datetime64[Y]" if ordinal.any() else "datetime64[M]"
    good &= np.isfinite(days) & (("w" in parts) | (date.astype(span) == first.astype(span)))
    seconds = np.where(good, 3600 * hour + 60 * minute + second, 0).astype(np.int64)
    times = in_nanoseconds(date.astype("datetime64[s]") + seconds.astype("m8[s]"))
    return np.where(good, times + np.where(good, fraction, 0).astype("m8[ns]"), NAT)
