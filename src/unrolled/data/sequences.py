"""The one container: everything between a file and a tensor is a `Sequences`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import in_nanoseconds
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import ErrorCollector, suggest_spelling

_RANGE = (1e-150, 1e150)  # inside it, squares are still numbers


class Role(StrEnum):
    """What a column is to the model."""

    TARGET = "target"
    PAST = "past"  # known up to the newest observation
    FUTURE = "future"  # known ahead of time, over the horizon too
    STATIC = "static"  # one value a series


class DeclaredOrder(StrEnum):
    """What the data declares about the order of its rows (not what the order is worth)."""

    TIME = "time"  # a time column
    POSITION = "position"  # a string, a list: first, second, third
    NONE = "none"  # rows of a table


class ColumnNames(NamedTuple):
    """What the user's frame calls the two columns that every output repeats."""

    id: str = "unique_id"
    time: str = "ds"


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """N ragged sequences as one flat table: sequence i is rows `offsets[i]` to `offsets[i + 1]`.

    Rows after a sequence's last known target may hold what is known of its future: see `observed`.

    Args:
        values: (ΣT, F) float64, NaN where a value is missing.
        offsets: (N + 1,) int64, from 0 to ΣT, never falling.
        ids: N names, distinct.
        columns: F names.
        roles: F roles, at least one of them the target.
        times: (ΣT,) datetime64 without a zone, kept in nanoseconds, or int64; None where nothing says when.
        freq: a pandas alias of the common step ("MS", "D", "h"), its digits for whole-number
            times ("1"), None where there is none.
        order: what the data declares about its order.
        names: what the user's frame calls its id and time columns.
        source: the file or kind of frame, for error messages.
        backend: the kind of frame that answers come back in: pandas, polars or pyarrow.
        notes: what reading changed ("rows were sorted by date"), a sentence each.
        tokens: the vocabulary, where `values` are whole-number positions in it.

    Raises:
        DataError: the parts do not fit together; each misfit is named.

    >>> one = Sequences.from_arrays([[1.0, 2.0, 4.0], [3.0, 5.0]])
    >>> len(one), one.lengths.tolist(), one.values.shape
    (2, [3, 2], (5, 1))
    """

    values: NDArray[np.float64]
    offsets: NDArray[np.int64]
    ids: tuple[str, ...]
    columns: tuple[str, ...] = ("y",)
    roles: tuple[Role, ...] = (Role.TARGET,)
    times: NDArray[Any] | None = None
    freq: str | None = None
    order: DeclaredOrder = DeclaredOrder.TIME
    names: ColumnNames = ColumnNames()
    source: str = "data"
    backend: str = "pandas"
    notes: tuple[str, ...] = field(default=())
    tokens: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.times is not None and self.times.dtype.kind == "M":
            object.__setattr__(self, "times", in_nanoseconds(self.times))
        faults, rows = ErrorCollector(DataError), int(self.offsets[-1])
        if self.values.shape != (rows, len(self.columns)):
            expected = (rows, len(self.columns))
            faults.add(f"{self.source}: expected values of shape {expected}, got {self.values.shape}.")
        if self.offsets[0] != 0 or (np.diff(self.offsets) < 0).any():
            faults.add(f"{self.source}: expected offsets that begin at 0 and never fall.")
        if len(self.ids) != len(self.offsets) - 1 or len(self.roles) != len(self.columns):
            faults.add(f"{self.source}: expected one id a sequence and one role a column.")
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for name, n in Counter(self.ids).items() if n > 1)
            faults.add(f"{self.source}: expected distinct ids, got {twice!r} twice.")
        if Role.TARGET not in self.roles:
            faults.add(f"{self.source}: expected at least one target among the columns, got none.")
        if self.times is not None and self.times.shape != (rows,):
            faults.add(f"{self.source}: expected times of shape {(rows,)}, got {self.times.shape}.")
        faults.raise_if_any()

    @classmethod
    def from_arrays(cls, arrays: Any, *, order: DeclaredOrder = DeclaredOrder.POSITION) -> Sequences:
        """Sequences from a list of (T_i,) or (T_i, F) arrays; the first column is the target.

        Raises:
            DataError: there is none, one holds something other than numbers, or F differs.
        """
        parts = [_numbers(i, part) for i, part in enumerate(arrays)]
        if not parts:
            raise DataError("arrays: expected at least one sequence, got none.")
        features = max(part.shape[1] for part in parts)
        parts = [part if part.size else part.reshape(0, features) for part in parts]
        for i, part in enumerate(parts):
            if part.shape[1] != parts[0].shape[1]:
                expected, got = parts[0].shape[1], part.shape[1]
                raise DataError(f"sequence {i}: expected {expected} columns as in sequence 0, got {got}.")
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        columns = ("y", *(f"x{k}" for k in range(1, features)))
        roles = (Role.TARGET, *[Role.PAST] * (features - 1))
        ids = tuple(str(i) for i in range(len(parts)))
        return cls(np.concatenate(parts), offsets, ids, columns, roles, order=order, source="arrays")

    def __repr__(self) -> str:
        rows, step = len(self.values), f", freq={self.freq!r}" if self.freq else ""
        columns = ", ".join(self.columns)
        return f"Sequences({self.source}: {len(self)} of {rows} rows in all, columns {columns}{step})"

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Sequences]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | str) -> Sequences:
        """One sequence, by position or id; its values and times are views."""
        i = self._position(key)
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return replace(
            self,
            values=self.values[rows],
            offsets=np.array([0, rows.stop - rows.start], dtype=np.int64),
            ids=(self.ids[i],),
            times=None if self.times is None else self.times[rows],
        )

    def _position(self, key: int | str) -> int:
        if isinstance(key, str):
            if key not in self.ids:
                raise ArgumentError(
                    f"{self.source}: no sequence is called {key!r}.{suggest_spelling(key, self.ids)}"
                )
            return self.ids.index(key)
        if not -len(self) <= key < len(self):
            raise ArgumentError(f"{self.source}: sequence {key} asked for, but there are {len(self)}.")
        return key % len(self)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) steps of each sequence."""
        return np.diff(self.offsets)

    @property
    def target(self) -> NDArray[np.float64]:
        """(ΣT,) the first target column."""
        return self.values[:, self.roles.index(Role.TARGET)]

    def columns_of(self, role: Role) -> tuple[int, ...]:
        """Positions of the columns that have this role."""
        return tuple(k for k, r in enumerate(self.roles) if r is role)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(ΣT, F) true where a value is missing."""
        return np.isnan(self.values)

    @property
    def observed(self) -> NDArray[np.int64]:
        """(N,) steps of each sequence up to its last known target; rows after it are its future.

        >>> Sequences.from_arrays([[1.0, np.nan, 3.0], [2.0, np.nan]]).observed.tolist()
        [3, 1]
        """
        valid_rows = np.flatnonzero(~np.isnan(self.target))
        before = np.searchsorted(valid_rows, self.offsets[1:])  # known targets up to the sequence's end
        last = np.concatenate([[-1], valid_rows])[before]
        return np.maximum(last + 1 - self.offsets[:-1], 0).astype(np.int64)

    def head(self, lengths: NDArray[np.int64]) -> Sequences:
        """The first `lengths[i]` steps of each sequence: how a backtest hides what comes later."""
        within = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        keep = within < np.repeat(lengths, self.lengths)
        return replace(
            self,
            values=self.values[keep],
            offsets=np.concatenate([[0], np.cumsum(np.minimum(lengths, self.lengths))]).astype(np.int64),
            times=None if self.times is None else self.times[keep],
        )


def feature_columns(features: int) -> tuple[tuple[str, ...], tuple[Role, ...]]:
    """Names and roles of so many features that have no names: x, or x1, x2, ...

    >>> feature_columns(2)[0]
    ('x1', 'x2')
    """
    names = ("x",) if features == 1 else tuple(f"x{k + 1}" for k in range(features))
    return names, (Role.TARGET, *[Role.PAST] * (features - 1))


def out_of_range(numbers: NDArray[np.float64]) -> tuple[int, str]:
    """The row of a number whose square is lost, and what is demanded instead; "" where there is none.

    >>> out_of_range(np.array([1.0, 1e200]))[1]
    'expected numbers up to 1e+150, got 1e+200. Divide the column by a power of ten.'
    """
    sizes = np.where(np.isfinite(numbers), np.abs(numbers), 0.0)
    row = int(np.argmax(sizes)) if len(sizes) else 0
    most = sizes[row] if len(sizes) else 0.0
    if most > _RANGE[1]:
        got = f"got {numbers[row]:g}. Divide the column by a power of ten."
        return row, f"expected numbers up to {_RANGE[1]:g}, {got}"
    if 0 < most < _RANGE[0]:
        return row, (
            f"expected a number beyond {_RANGE[0]:g} in its column, got {numbers[row]:g} as the largest. "
            "Multiply the column by a power of ten."
        )
    return row, ""


def _numbers(position: int, part: Any) -> NDArray[np.float64]:
    """One (T, F) array of `from_arrays`, or the sentence that says why it is none."""
    try:
        raw = part if isinstance(part, np.ndarray) else np.asarray(part)
        kind = raw.dtype.kind
        array = np.empty(0) if kind in "cmM" else np.asarray(np.ma.filled(raw.astype(np.float64), np.nan))
    except (TypeError, ValueError) as fault:
        raise DataError(f"sequence {position}: expected numbers of shape (T,) or (T, F); {fault}.") from fault
    if kind in "cmM":
        way = "" if kind == "c" else " Give times beside their values: {'ds': times, 'y': values}."
        raise DataError(f"sequence {position}: expected real numbers, got {raw.dtype}.{way}")
    if array.ndim not in {1, 2}:
        raise DataError(f"sequence {position}: expected shape (T,) or (T, F), got {array.shape}.")
    array = array[:, None] if array.ndim == 1 else array
    for column in array.T:
        row, demand = out_of_range(column)
        if demand:
            raise DataError(f"sequence {position}, position {row}: {demand}")
    return array
