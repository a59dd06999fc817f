"""The one container: everything between a file and a tensor is a `Sequences`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.check import nearest
from unrolled.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from unrolled.data.describe import Description


class Role(StrEnum):
    """What a column is to the model."""

    TARGET = "target"
    PAST = "past"  # known up to the newest observation
    FUTURE = "future"  # known ahead of time, over the horizon too
    STATIC = "static"  # one value a series


class Order(StrEnum):
    """What the data declares about the order of its rows (not what the order is worth)."""

    TIME = "time"  # a time column
    POSITION = "position"  # a string, a list: first, second, third
    NONE = "none"  # rows of a table


class ColumnNames(NamedTuple):
    """What the user's frame calls the two columns that every output repeats."""

    id: str = "unique_id"
    time: str = "ds"


@dataclass(frozen=True, eq=False)
class Sequences:
    """N ragged sequences as one flat table: sequence i is rows `offsets[i]` to `offsets[i + 1]`.

    Args:
        values: (ΣT, F) float64, NaN where a value is missing.
        offsets: (N + 1,) int64, from 0 to ΣT, never falling.
        ids: N names, distinct.
        columns: F names.
        roles: F roles, at least one of them the target.
        times: (ΣT,) datetime64[ns] without a zone, or int64; None where nothing says when.
        freq: a pandas alias of the common step ("MS", "D", "h"), "1" for whole-number times,
            None where there is none.
        order: what the data declares about its order.
        names: what the user's frame calls its id and time columns.
        source: the file or kind of frame, for error messages.
        backend: the kind of frame that answers come back in: pandas, polars or pyarrow.
        notes: what reading changed ("rows were sorted by date"), a sentence each.
        tokens: the vocabulary, where `values` are whole-number positions in it.

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
    order: Order = Order.TIME
    names: ColumnNames = ColumnNames()
    source: str = "data"
    backend: str = "pandas"
    notes: tuple[str, ...] = field(default=())
    tokens: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.values.shape != (self.offsets[-1], len(self.columns)):
            wanted = (int(self.offsets[-1]), len(self.columns))
            raise DataError(f"{self.source}: expected values of shape {wanted}, got {self.values.shape}.")
        if len(self.ids) != len(self.offsets) - 1 or len(self.roles) != len(self.columns):
            raise DataError(f"{self.source}: expected one id a sequence and one role a column.")

    @classmethod
    def from_arrays(cls, arrays: Any, *, order: Order = Order.POSITION) -> Sequences:
        """Sequences from a list of (T_i,) or (T_i, F) arrays; the first column is the target."""
        parts = [np.asarray(a, dtype=np.float64) for a in arrays]
        parts = [p[:, None] if p.ndim == 1 else p for p in parts]
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
        features = parts[0].shape[1]
        columns = ("y", *(f"x{k}" for k in range(1, features)))
        roles = (Role.TARGET, *[Role.PAST] * (features - 1))
        ids = tuple(str(i) for i in range(len(parts)))
        return cls(np.concatenate(parts), offsets, ids, columns, roles, order=order, source="arrays")

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
                raise ArgumentError(f"{self.source}: no sequence is called {key!r}.{nearest(key, self.ids)}")
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

    def head(self, lengths: NDArray[np.int64]) -> Sequences:
        """The first `lengths[i]` steps of each sequence: how a backtest hides what comes later."""
        keep = np.concatenate(
            [np.arange(s, s + n) for s, n in zip(self.offsets[:-1], lengths, strict=True)]
        )
        return replace(
            self,
            values=self.values[keep],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            times=None if self.times is None else self.times[keep],
        )

    def describe(self) -> Description:
        """What this data is, and what is in it: see `unrolled.describe`."""
        from unrolled.data.describe import describe  # noqa: PLC0415 (describe stands on this module)

        return describe(self)
