"""Container of N ragged sequences: everything between a file and a tensor is a `Sequences`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import DTypeLike, NDArray

from unrolled.data.calendar.offsets import in_nanoseconds
from unrolled.data.parts import table_parts, typed_parts
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import ErrorCollector, suggest_spelling


class Role(StrEnum):
    """Role of a column in a model."""

    TARGET = "target"
    PAST = "past"  # known up to the newest observation
    FUTURE = "future"  # known ahead of time, over the horizon too
    STATIC = "static"  # one value a series


class DeclaredOrder(StrEnum):
    """Order of rows that the data declares; whether it carries information is another question."""

    TIME = "time"  # a time column
    POSITION = "position"  # a string, a list: first, second, third
    NONE = "none"  # rows of a table


class ColumnNames(NamedTuple):
    """Names of the id and time columns in the user's frame, which every output repeats."""

    id: str = "unique_id"
    time: str = "ds"


_FLAT = ("values", "times", "rows", "filled")  # fields with a row a step


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """N ragged sequences in one flat array: sequence i is rows `offsets[i]` to `offsets[i + 1]`.

    A table of numbers has values (ΣT, F) in float64, tokens have integers (ΣT,), frames of video have uint8
    (ΣT, H, W) or (ΣT, H, W, C): values keep their own type and shape. Rows after a sequence's last known
    target may hold what is known of its future: see `observed`.

    Args:
        values: (ΣT, *feature_shape) of booleans, integers or floats; of floats, NaN where one is missing.
        offsets: (N + 1,) int64, from 0 to ΣT, never falling.
        ids: N names, distinct.
        columns: F names of values (ΣT, F); one name of values of another shape.
        roles: a role for each column, at least one of them the target.
        times: (ΣT,) datetime64 without a zone, kept in nanoseconds, or int64; None where nothing says when.
        freq: a pandas alias of the common step ("MS", "D", "h"), its digits for whole-number
            times ("1"), None where there is none.
        order: what the data declares about its order.
        names: what the user's frame calls its id and time columns; of several id columns, the first.
        keys: the id columns (N rows) as the user's frame has them; None where the ids are made up.
        source: the file or kind of frame, for error messages.
        backend: the kind of frame that answers come back in: pandas, polars or pyarrow.
        notes: what reading changed ("rows were sorted by date"), a sentence each.
        labels: of columns that hold labels, these; values are their positions, -1 for none.
        tokens: the vocabulary, where `values` are integer positions (ΣT,) in it.
        header: names in the source of the features, or of the steps of a table with a row a sequence; none
            where the names are made up.
        rows: (ΣT,) the row of the source that each step stood in, of a table with a row a step; else None.
        filled: (ΣT,) whether the target was filled, not observed; None where none was.

    Raises:
        DataError: the parts do not fit together; each misfit is named.

    >>> one = Sequences.from_arrays([[1.0, 2.0, 4.0], [3.0, 5.0]])
    >>> len(one), one.lengths.tolist(), one.values.shape
    (2, [3, 2], (5, 1))
    >>> video = Sequences.from_arrays([np.zeros((3, 8, 6), np.uint8)], dtype=np.uint8)
    >>> video.feature_shape, video.values.dtype.name
    ((8, 6), 'uint8')
    """

    values: NDArray[Any]
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
    keys: nw.DataFrame[Any] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = None
    filled: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if [np.ndim(self.values) > 0, np.ndim(self.offsets), np.size(self.offsets) > 0] != [True, 1, True]:
            got = f"{np.shape(self.values)} and {np.shape(self.offsets)}"
            raise DataError(
                f"{self.source}: expected arrays of values (ΣT, ...) and offsets (N + 1,), got shapes {got}."
            )
        object.__setattr__(self, "values", np.asanyarray(self.values))
        if self.times is not None and self.times.dtype.kind == "M":
            object.__setattr__(self, "times", in_nanoseconds(self.times))
        faults, rows = ErrorCollector(DataError), int(self.offsets[-1])
        feature_shape = (len(self.columns),) if self.values.ndim == 2 else self.feature_shape
        if self.values.shape != (rows, *feature_shape):
            expected = (rows, *feature_shape)
            faults.add(f"{self.source}: expected values of shape {expected}, got {self.values.shape}.")
        if self.values.ndim != 2 and len(self.columns) != 1:
            shape, many = self.values.shape, len(self.columns)
            faults.add(f"{self.source}: expected one column name for values of shape {shape}, got {many}.")
        if self.values.dtype.kind not in "biuf":
            faults.add(f"{self.source}: expected booleans, integers or floats, got {self.values.dtype}.")
        if self.tokens is not None:
            faults.collect(_check_tokens, self.values, self.tokens, self.source)
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
    def from_arrays(
        cls,
        arrays: Any,
        *,
        order: DeclaredOrder = DeclaredOrder.POSITION,
        tokens: Iterable[str] | None = None,
        dtype: DTypeLike | None = None,
    ) -> Sequences:
        """Join a list of arrays, one a sequence.

        Args:
            arrays: (T_i,) or (T_i, F) numbers, which become float64, the first column the target; with
                `tokens`, (T_i,) integer positions; with `dtype`, (T_i, *feature_shape).
            order: what the data declares about its order.
            tokens: the vocabulary of sequences of tokens, whose values are int64 unless `dtype` says else.
            dtype: the type of the values; None for a table of float64.

        Raises:
            DataError: there is none, one holds something else than these, or their features differ.

        >>> words = Sequences.from_arrays([[0, 1, 0], [1]], tokens=["to", "be"])
        >>> words.values.tolist(), words.values.dtype.name, words.lengths.tolist()
        ([0, 1, 0, 1], 'int64', [3, 1])
        """
        if not isinstance(arrays, Iterable):
            raise DataError(f"arrays: expected a list of arrays, one a sequence, got {arrays!r}.")
        arrays = [part.detach().cpu() if hasattr(part, "detach") else part for part in arrays]
        if not arrays:
            raise DataError("arrays: expected at least one sequence, got none.")
        if tokens is None and dtype is None:
            parts = table_parts(arrays)
        else:
            parts = typed_parts(arrays, np.dtype(np.int64 if dtype is None else dtype))
        features = parts[0].shape[1] if parts[0].ndim == 2 else 1
        return cls(
            np.concatenate(parts),
            np.cumsum([0, *map(len, parts)], dtype=np.int64),
            ids=tuple(str(i) for i in range(len(parts))),
            columns=("y", *(f"x{k}" for k in range(1, features))),
            roles=(Role.TARGET, *[Role.PAST] * (features - 1)),
            order=order,
            source="arrays",
            tokens=None if tokens is None else tuple(tokens),
        )

    def __repr__(self) -> str:
        rows, step = len(self.values), f", freq={self.freq!r}" if self.freq else ""
        content = f"columns {', '.join(self.columns)}"
        if not self.is_table:
            content = f"{self.values.dtype} {self.feature_shape} a row"
        return f"Sequences({self.source}: {len(self)} of {rows} rows in all, {content}{step})"

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Sequences]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | str) -> Sequences:
        """Select one sequence by position or id; its values and times are views."""
        i = self._position(key)
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self._take(
            rows,
            np.array([0, rows.stop - rows.start], dtype=np.int64),
            ids=(self.ids[i],),
            keys=None if self.keys is None else self.keys[[i]],
        )

    def _take(self, rows: Any, offsets: NDArray[np.int64], **others: Any) -> Sequences:
        """Keep rows of the flat arrays, of sequences with these offsets."""
        flat = {name: getattr(self, name) for name in _FLAT}
        kept: dict[str, Any] = {name: None if a is None else a[rows] for name, a in flat.items()}
        return replace(self, **kept, **others, offsets=offsets)

    def _position(self, key: int | str) -> int:
        if isinstance(key, str):
            if key not in self.ids:
                raise ArgumentError(
                    f"{self.source}: no sequence is called {key!r}.{suggest_spelling(key, self.ids)}"
                )
            return self.ids.index(key)
        if not isinstance(key, int | np.integer):
            raise ArgumentError(
                f"{self.source}: expected the position or the id of one sequence, got {key!r}. Take several "
                "one by one."
            )
        if not -len(self) <= key < len(self):
            raise ArgumentError(f"{self.source}: sequence {key} asked for, but there are {len(self)}.")
        return int(key) % len(self)

    @property
    def id_names(self) -> tuple[str, ...]:
        """Names of the id columns in answers."""
        return (self.names.id,) if self.keys is None else tuple(self.keys.columns)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each sequence, (N,)."""
        return np.diff(self.offsets)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of the values of one step: (F,) of a table, () of tokens, (H, W, C) of frames."""
        return self.values.shape[1:]

    @property
    def is_table(self) -> bool:
        """True where the values are a float64 table (ΣT, F), as series and features are."""
        return self.values.ndim == 2 and self.values.dtype == np.float64 and self.tokens is None

    @property
    def has_frames(self) -> bool:
        """True where the values of a step are a frame (H, W) or (C, H, W)."""
        return self.values.ndim > 2

    def require_table(self, who: str) -> None:
        """Pass if the values are a float64 table (ΣT, F).

        Raises:
            DataError: they are tokens, frames or another type of numbers.
        """
        if self.tokens is not None:
            raise DataError(f"{who}: expected numbers, got a text. Give a column of numbers a character.")
        if not self.is_table:
            got = f"{self.values.dtype} of shape {self.values.shape}"
            raise DataError(
                f"{who}: expected a table of float64 values, steps by features, got {got}. Make the features "
                "of each step columns of numbers."
            )

    @property
    def target(self) -> NDArray[Any]:
        """First target column (ΣT,); values (ΣT, *feature_shape) of another shape as they are."""
        return self.values[:, self.roles.index(Role.TARGET)] if self.values.ndim == 2 else self.values

    def columns_of(self, role: Role) -> tuple[int, ...]:
        """Positions of the columns that have this role."""
        return tuple(k for k, r in enumerate(self.roles) if r is role)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask (ΣT, *feature_shape) of missing values, which are NaN; integers have none."""
        return np.asarray(np.isnan(self.values))

    @property
    def observed(self) -> NDArray[np.int64]:
        """Steps (N,) of each sequence up to its last known target; rows after it are its future.

        >>> Sequences.from_arrays([[1.0, np.nan, 3.0], [2.0, np.nan]]).observed.tolist()
        [3, 1]
        """
        is_valid = ~np.isnan(self.target)
        valid_rows = np.flatnonzero(is_valid.reshape(len(is_valid), -1).any(axis=1))
        before = np.searchsorted(valid_rows, self.offsets[1:])  # known targets up to the sequence's end
        last = np.concatenate([[-1], valid_rows])[before]
        return np.maximum(last + 1 - self.offsets[:-1], 0).astype(np.int64)

    def select(self, positions: NDArray[np.int64]) -> Sequences:
        """Keep the sequences at these positions, in their order.

        >>> Sequences.from_arrays([[1.0, 2.0], [3.0], [4.0]]).select(np.array([2, 0])).values.ravel().tolist()
        [4.0, 1.0, 2.0]
        """
        lengths = self.lengths[positions]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(self.offsets[positions] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self._take(
            rows,
            offsets,
            ids=tuple(self.ids[k] for k in positions),
            keys=None if self.keys is None else self.keys[positions.tolist()],
        )

    def head(self, lengths: NDArray[np.int64]) -> Sequences:
        """Keep the first `lengths[i]` steps of each sequence: a backtest hides what comes later so."""
        within = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        keep = within < np.repeat(lengths, self.lengths)
        return self._take(keep, np.append(0, np.cumsum(np.minimum(lengths, self.lengths))))


def feature_columns(features: int) -> tuple[tuple[str, ...], tuple[Role, ...]]:
    """Names and roles of so many features that have no names: x, or x1, x2, ...

    >>> feature_columns(2)[0]
    ('x1', 'x2')
    """
    names = ("x",) if features == 1 else tuple(f"x{k + 1}" for k in range(features))
    return names, (Role.TARGET, *[Role.PAST] * (features - 1))


def _check_tokens(values: NDArray[Any], tokens: tuple[str, ...], source: str) -> None:
    """Pass if the values are positions (ΣT,) in a vocabulary of distinct texts."""
    if len({token for token in tokens if isinstance(token, str)}) < len(tokens):
        raise DataError(f"{source}: expected distinct texts as tokens, got {tokens[:5]!r} among them.")
    if values.ndim != 1 or values.dtype.kind not in "iu":
        got = f"{values.dtype} of shape {values.shape}"
        raise DataError(f"{source}: expected integers of shape (ΣT,) beside tokens, got {got}.")
    if len(values) and not 0 <= values.min() <= values.max() < len(tokens):
        row = int(np.argmax((values < 0) | (values >= len(tokens))))
        raise DataError(
            f"{source}, row {row}: expected a position from 0 to {len(tokens) - 1} in tokens, "
            f"got {values[row]}."
        )
