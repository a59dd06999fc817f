"""Parsed table: named columns as arrays, and the place of each row in its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import format_time
from unrolled.data.parse.datetimes import are_months, looks_like_dates
from unrolled.data.parse.numbers import (
    Separators,
    agree_separators,
    contains_any,
    detect_separators,
    looks_numeric,
    quoted,
    resolve_separators,
    to_numbers,
    without_units,
)
from unrolled.data.parts import out_of_range
from unrolled.errors import DataError
from unrolled.validation import suggest_spelling

Array = NDArray[Any]

_YEAR = re.compile(r"\s*\d{4}\s*")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, before they are parsed.

    Args:
        columns: float64, int64, bool or datetime64[ns] arrays, or objects: texts, Python's dates, None.
        source: what messages call it.
        place: a row's position to where a person finds it: "flow.csv row 41".
        zones: the time zone of each column that has one; its times are in UTC here.
        backend: the kind of frame it came as.
        separator: what stood between the fields of a file.
        index: the column that was a frame's index of dates.
        keys: columns that were other levels of its index.
        categories: columns of a type of their own for labels, whatever their labels look like.
        frame: the rows as they came, where they came as a frame.
        row_ids: of a table whose rows became columns, that table and its columns that name them.
        notes: changes that reading made, a sentence each.
        remarks: assumptions that `numbers` made, likewise.

    >>> table = Table({"y": np.array(["1,5", "2"], dtype=object)}, "flow.csv", str, separator=";")
    >>> table.kinds, table.numbers("y").tolist()
    ({'y': 'number'}, [1.5, 2.0])
    """

    columns: dict[str, Array]
    source: str
    place: Callable[[int], str]
    zones: dict[str, str] = field(default_factory=dict)
    backend: str = "pandas"
    separator: str = ""
    index: str | None = None
    keys: tuple[str, ...] = ()
    categories: frozenset[str] = frozenset()
    frame: nw.DataFrame[Any] | None = field(default=None, repr=False)
    row_ids: tuple[Table, tuple[str, ...]] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    remarks: list[str] = field(default_factory=list)
    _parsed: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Kind of each column, from a sample of it: "number", "time" or "text"."""
        return {name: _kind(values, name) for name, values in self.columns.items()}

    def require_column(self, name: str, role: str) -> str:
        """Return `name` if there is such a column.

        Raises:
            DataError: there is none; the nearest spelling is offered.
        """
        if isinstance(name, str) and name in self.columns:
            return name
        offer = (
            suggest_spelling(str(name), self.columns)
            or f" Its columns are {', '.join(map(repr, self.columns))}."
        )
        raise DataError(f"{self.source}: expected a column {name!r} as {role}, got none of that name.{offer}")

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Parse a column (T,) as finite numbers, NaN where missing; each column once.

        Raises:
            DataError: a row holds something else; it is named.
        """
        if name not in self._parsed:
            self._parsed[name] = self._finite_numbers(name)
        return self._parsed[name]

    def _finite_numbers(self, name: str) -> NDArray[np.float64]:
        numbers = self._numbers(name)
        endless = np.flatnonzero(np.isinf(numbers))
        if len(endless):
            raise DataError(
                f"{self.place(int(endless[0]))}, column {name!r}: expected a finite number, got "
                f"{numbers[endless[0]]}. Correct it, or leave it empty and fill it with fill=."
            )
        row, demand = out_of_range(numbers)
        if demand:
            raise DataError(f"{self.place(row)}, column {name!r}: {demand}")
        return numbers

    def _numbers(self, name: str) -> NDArray[np.float64]:
        values = self.columns[name]
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
        if values.dtype.kind == "M":
            raise self._no_number(name, 0)
        numbers, odd = np.empty(0), np.zeros(1, dtype=np.int64)
        if self._table_separators.point == "decimal":  # most files; a closer look only where that fails
            numbers, odd = to_numbers(values, Separators())
        if len(odd):
            bare, factors, note = without_units(values)
            numbers, odd = to_numbers(bare, self._separators_of(name))
            numbers = numbers * factors
            self.remarks.extend(
                [f"column {name!r}: {note}; bare numbers are read as they are"] if note else []
            )
        if len(odd):
            raise self._no_number(name, int(odd[0]))
        return numbers

    def _separators_of(self, name: str) -> Separators:
        """Resolve the separators of a column, or raise that it can be read in two ways."""
        column_separators = self._column_separators.get(name) or detect_separators(self.columns[name])
        separators = resolve_separators(column_separators, self._table_separators)
        if "either" in separators:
            raise self._two_readings(name, "," if separators.comma == "either" else ".")
        if column_separators.comma == "either":
            sense = "decimal" if separators.comma == "decimal" else "grouping thousands"
            self.remarks.append(f"commas of column {name!r} were read as {sense}")
        if column_separators.point == self._table_separators.point == "either":
            self.remarks.append(
                f"column {name!r}: points were read as decimal, though three digits follow each"
            )
        return separators

    @cached_property
    def _column_separators(self) -> dict[str, Separators]:
        """Separators of each column that has commas, or points where the field separator does not tell."""
        signs = frozenset(",") if self.separator in {",", ""} else frozenset(",.")
        texts = {name: self.columns[name] for name, kind in self.kinds.items() if kind == "number"}
        return {
            n: detect_separators(v)
            for n, v in texts.items()
            if v.dtype.kind == "O" and contains_any(v, signs)
        }

    @cached_property
    def _table_separators(self) -> Separators:
        """Separators of columns that cannot tell by themselves."""
        return agree_separators(self._column_separators.values(), self.separator)

    def _no_number(self, name: str, row: int) -> DataError:
        return DataError(
            f"{self.place(row)}, column {name!r}: expected a number, got {quoted(self.columns[name][row])}. "
            "Correct it, or leave it empty and say how gaps are filled with fill=."
        )

    def _two_readings(self, name: str, mark: str) -> DataError:
        texts = self.columns[name]
        row = next(i for i, text in enumerate(texts) if isinstance(text, str) and mark in text)
        text = texts[row].strip()
        readings = f"{quoted(text)}, which can be {text.replace(mark, '')} or {text.replace(mark, '.')}"
        return DataError(
            f"{self.place(row)}, column {name!r}: expected a number with a decimal point and no thousands "
            f"marked, got {readings}. "
            "Write the column so, with all its decimals."
        )


def number_rows(columns: Sequence[Array]) -> NDArray[np.int64]:
    """Number the distinct rows of some columns (T,) in the order in which they occur.

    >>> number_rows([np.array(["b", "a", "b"]), np.array([1, 1, 2])]).tolist()
    [0, 1, 2]
    """
    numbers = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes = pd.factorize(column)[0]
        numbers = pd.factorize(numbers * (int(codes.max()) + 2) + codes)[0]
    return numbers


def join_ids(columns: Iterable[Iterable[Any]]) -> list[str]:
    """Join the parts of the name of each series, as they are written.

    >>> join_ids([["b", "a"], [1.0, 2.0]])
    ['b / 1', 'a / 2']
    """
    return [" / ".join(map(_id_text, parts)) for parts in zip(*columns, strict=True)]


def _id_text(value: Any) -> str:
    if isinstance(value, np.datetime64 | date):
        return format_time(pd.Timestamp(value).to_datetime64())
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _kind(values: Array, name: str) -> str:
    if values.dtype.kind == "M":
        return "time"
    if values.dtype.kind in "biuf":
        return "number"
    sample = np.array([v.isoformat() if hasattr(v, "isoformat") else v for v in values[:2000]], dtype=object)
    if looks_numeric(sample) and not are_months(sample) and not _are_spans_of_years(sample):
        return "number"
    return "time" if looks_like_dates(sample, name) else "text"


def _are_spans_of_years(sample: Array) -> bool:
    """Return whether years stand among quarters or months of years: 1988, 1988 Q1, 1988 JAN."""
    rest = np.array([v for v in sample if isinstance(v, str) and not _YEAR.fullmatch(v)], dtype=object)
    has_years = len(rest) < len(sample) and all(isinstance(v, str) for v in sample)
    return has_years and bool(len(rest)) and looks_like_dates(rest) and not looks_numeric(rest)
