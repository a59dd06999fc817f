"""Read numbers as dates: years, yyyymmdd and the like, seconds since 1970, days of a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import in_nanoseconds
from unrolled.data.parse.column_names import DATES, STEPS, bare, looks_like_week
from unrolled.data.parse.date_parts import NAT, DateColumn, Times, assemble
from unrolled.data.parse.notations import (
    EPOCHS,
    FIELD_DIGITS,
    NUMBERS,
    UNCERTAIN_DIGITS,
    NumberForm,
    n_digits,
)
from unrolled.errors import ArgumentError, DataError

OPTIONS = tuple(form.option for form in NUMBERS)
_EXACT = 2**53  # from here on, floats skip whole numbers
_MOST_TURNS = 0.1  # share of steps against the others, as where the next series begins


def from_numbers(
    values: NDArray[Any], column: DateColumn, notes: list[str], date_format: str | None
) -> Times:
    """Parse numbers as the dates of the table, or keep them as whole numbers."""
    name = bare(column.name)
    if date_format in OPTIONS:
        return _decode(values, str(date_format))
    if date_format not in {None, "number"}:
        raise ArgumentError(
            f"date_format: expected {', '.join(OPTIONS)} or number for a column of numbers, got "
            f"{date_format!r}. Convert the column to texts for other formats."
        )
    if date_format is None and name not in STEPS and np.isfinite(values).any():
        units = np.select([(values >= form.least) & (values <= form.most) for form in EPOCHS], range(4), -1)
        for form in NUMBERS:
            good = (values >= form.least) & (values <= form.most)
            is_named = {"": True, "date": name in DATES, "week": looks_like_week(name)}[form.needs_name]
            if good.mean() < 0.5 or not is_named:
                continue
            times = np.where(good, _decode(values, form.option), NAT)
            n_read = (~np.isnat(times)).mean()
            if n_read == 1 or (n_read >= 0.5 and (units < 0).any()):
                if n_read < 1:
                    _refuse_digits(values, column)
                notes.extend(_number_note(column, form, units, values))
                return times
        if (units >= 0).all():
            row = int(np.argmax(units != units[0]))
            unit_names = " and ".join(EPOCHS[unit].option for unit in np.unique(units))
            read = f"{unit_names} since 1970 (UTC), by the size of each number, {column.place(row)} the first"
            notes.append(EPOCHS[0].note.format(column=column.name, name=f"{read} in another unit"))
            return np.choose(units, [_decode(values, form.option) for form in EPOCHS])
    _refuse_inexact(values, column)
    if date_format is None:
        _refuse_digits(values, column)
    numbers = values.astype(np.int64)
    if len(numbers) and int(numbers.max()) - int(numbers.min()) >= 2**63:
        raise DataError(
            f"column {column.name!r}: expected times less than 2**63 apart, got {numbers.min()} and "
            f"{numbers.max()}. Count the rows 1, 2, 3."
        )
    return numbers


def looks_like_moments(values: NDArray[Any]) -> bool:
    """Return whether numbers in order are all dates of eight digits or more, or epochs, from 1990 to 2100.

    >>> looks_like_moments(np.array([20200131.0, 20200201.0])), looks_like_moments(np.array([5e8, 3.0]))
    (True, False)
    """
    if len(values) < 2 or not np.isfinite(values).all() or not np.ptp(values):
        return False
    is_date = np.zeros(len(values), dtype=bool)
    for form in NUMBERS:
        if form.least > 10**7 and not form.needs_name:
            good = (values >= form.least) & (values <= form.most)
            times = _decode(np.where(good, values, np.nan), form.option)
            is_date |= (times >= np.datetime64("1990")) & (times < np.datetime64("2100"))
    steps = np.diff(values)
    return bool(is_date.all() and min((steps < 0).mean(), (steps > 0).mean()) < _MOST_TURNS)


def are_weeks_of_years(values: NDArray[Any]) -> bool:
    """Return whether all numbers are a year and its week, such as 202005.

    >>> are_weeks_of_years(np.array([201952, 202001])), are_weeks_of_years(np.array([12, 13]))
    (True, False)
    """
    return bool((values >= 190001).all() and not np.isnat(_decode(values, "%G%V")).any())


def _number_note(
    column: DateColumn, form: NumberForm, units: NDArray[np.int64], values: NDArray[Any]
) -> Iterator[str]:
    """Note a form that is not obvious, and the reading as an epoch that was left out."""
    if not form.note:
        return
    note = form.note.format(column=column.name, name=form.name)
    if form not in EPOCHS and (units == units[0]).all() and units[0] >= 0:
        epoch = EPOCHS[units[0]]
        year = str(_decode(values[:1], epoch.option)[0])[:4]
        note += f"; as {epoch.name} it would begin in {year}, and is read so with "
        note += f"date_format={epoch.option!r}"
    yield note


def _decode(values: NDArray[Any], option: str) -> Times:
    """Decode numbers (T,) in one form of the table, NaT where they are none."""
    is_finite = np.isfinite(values)
    values = np.where(is_finite, values, 0)
    whole = np.floor(values).astype(np.int64)
    if option == "excel":
        times = np.datetime64("1899-12-30", "s") + np.round(values * 86_400).astype("m8[s]")
    elif option in {"s", "ms", "us", "ns"}:
        rest = np.round((values - whole) * 10**6) * (option == "s")  # fractions of a second, as of Unix
        times = in_nanoseconds(whole.astype(f"datetime64[{option}]")) + rest.astype("m8[us]")
    else:
        if option == "%Y.%m":
            whole = np.round(values * 100).astype(np.int64)
            is_finite &= np.abs(values * 100 - whole) < 1e-6
        else:
            is_finite &= whole == values
        parts: dict[str, Times] = {}
        for field in reversed(option.replace(".", "").split("%")[1:]):
            whole, parts[{"G": "Y", "V": "w"}.get(field, field)] = np.divmod(whole, 10 ** FIELD_DIGITS[field])
        times = assemble(parts)
    return np.where(is_finite, in_nanoseconds(times), NAT)


def _refuse_inexact(values: NDArray[Any], column: DateColumn) -> None:
    """Numbers that are not whole, or so large that a float cannot tell neighbours apart."""
    odd = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) >= _EXACT)
    if values.dtype.kind != "f" or not odd.any():
        return
    row = int(np.argmax(odd))
    value, demand = values[row], "a date or a whole number as time"
    if np.isfinite(value) and value == np.floor(value):
        demand = "whole numbers below 2**53 as times"
    raise DataError(
        f"{column.place(row)}, column {column.name!r}: expected {demand}, got "
        f"{'nothing' if np.isnan(value) else f'{value:g}'}. Write dates, or count the rows with "
        "order='rows'."
    )


def _refuse_digits(values: NDArray[Any], column: DateColumn) -> None:
    """Refuse whole numbers that are dates as digits, whose differences are no steps."""
    if not len(values) or not np.isfinite(values).all():
        return
    name, first = bare(column.name), int(values[0])
    where = f"{column.place(0)}, column {column.name!r}: expected dates, got {first}, "
    if name not in DATES or len(values) < 2 or values.min() < 101 or values.max() > 99_999_999:
        return
    for option in UNCERTAIN_DIGITS:
        width = n_digits(option)
        texts = pd.Series(np.unique(values)).astype(np.int64).astype(str).str.zfill(width)
        is_long = values.max() >= 10 ** (width - 2)
        if is_long and pd.to_datetime(texts, format=option, errors="coerce").notna().all():
            raise DataError(
                f"{where}which can be {first:0{width}d} as {option}. Say so with "
                f"date_format={option!r}, or read whole numbers with "
                "date_format='number'."
            )
