"""Parse labelled tables: wide, a row a sequence; or long, a row a step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.io.frames import id_frame
from unrolled.data.io.label_column import SHARE_OF_ROWS, label_changes, label_of_each
from unrolled.data.parse.column_names import id_columns, looks_like_key, numbered_steps, wide_steps
from unrolled.data.parse.datetimes import parse_times
from unrolled.data.parse.numbers import are_missing, looks_numeric, quoted
from unrolled.data.parse.series_ids import encode_ids
from unrolled.data.parse.table import Table
from unrolled.data.sequence_keys import find_unnamed_time, infer_keys, stand_in_runs
from unrolled.data.sequences import ColumnNames, DeclaredOrder, Role, Sequences, feature_columns
from unrolled.errors import DataError
from unrolled.formatting import quoted_list

Array = NDArray[Any]

LABELS = ("label", "class", "labels", "classes")
_ANSWERS = ("target", "y")  # labels where they are one a sequence, else values
_UNLABELLED = "no column is called label or class, or holds texts that repeat: there are no labels"
_WHOLE_ID = re.compile(r"[+-]?\d+(\.0*)?")
_DATES = "Write them year first, or number the steps 1, 2, 3."
_LISTED = re.compile(r"\s*\[?\s*[-+.\deE]+(\s*[\s,;]\s*[-+.\deE]+)+\s*\]?\s*")  # 1 2 3, or [1, 2, 3]
_NUMBERED = re.compile(r"column \d+")  # of a file without a header


class LabelledColumnSpec(NamedTuple):
    """Names of the columns that the caller gives a part.

    Args:
        label: what is told or learnt of a sequence.
        id: tell the sequences of a long table apart, together.
        time: orders their rows.
    """

    label: str | None = None
    id: tuple[str, ...] = ()
    time: str | None = None

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Role and name of each column."""
        one = [
            (role, name) for role, name in (("label", self.label), ("time", self.time)) if name is not None
        ]
        return [*one, *(("id", name) for name in self.id)]


def parse_labelled_table(table: Table, named: LabelledColumnSpec) -> tuple[Sequences, Array | None]:
    """Parse a table into sequences and their labels; None where no column can be the label.

    A table is long where a column that is spelt as an id, or that holds texts beside a time, repeats, or
    where several are spelt as those of persons and of their trials; else wide, with a note where rows of one
    whole number or text stand together as those of a long table would. The label is the column of that name,
    or target or y where they are one a sequence, else the last column of texts. Every other column of numbers
    is a feature of a long table, a step of a wide one.

    Args:
        table: as a file gave it.
        named: the columns that are not called as usual.

    Returns:
        Sequences in the order in which they first occur; (N,) labels, int64 where all are whole numbers,
        float64 where all are numbers, else texts; names such as 01 and 1 are texts.

    Raises:
        DataError: a named column is missing, several can be the label, or it changes within a sequence.

    >>> columns = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0]), "class": np.array([7, 8])}
    >>> series, labels = parse_labelled_table(Table(columns, "steps.csv", str), LabelledColumnSpec())
    >>> series.lengths.tolist(), labels.tolist()
    ([2, 2], [7, 8])
    """
    label, ids, time = _columns(table, named)
    if not ids and time is not None:
        raise missing_id_error(table.source, time)
    taken = {label, *ids, time}
    is_long = bool(ids) and (time is not None or _repeats(table, ids))
    features = _features(table, taken, is_long=is_long)
    if is_long:
        sequences, codes = long_to_sequences(table, ids, time, features), encode_ids(table, ids)[0]
    else:
        sequences, codes = _wide_to_sequences(table, ids, features), np.arange(len(table))
        others = () if ids else _could_be_ids(table, label, features)
        if others:
            sequences = replace(sequences, notes=(*sequences.notes, _seems_long(others, len(features))))
    unused = [name for name in table.columns if name not in {*taken, *features, sequences.names.id}]
    if unused:
        sequences = replace(
            sequences, notes=(*sequences.notes, f"columns without a part to play: {quoted_list(unused)}")
        )
    if label is None:
        return replace(sequences, notes=(*sequences.notes, _UNLABELLED)), None
    return sequences, label_of_each(table, label, codes, sequences.ids, sequences.id_names)


def read_labels(table: Table, named: LabelledColumnSpec) -> Array | None:
    """Read the labels (N,) in a table that holds no values, a row a sequence; None where there are none.

    >>> table = Table({"kind": np.array(["b", "a", "b"], dtype=object)}, "steps.parquet", str)
    >>> read_labels(table, LabelledColumnSpec()).tolist()
    ['b', 'a', 'b']
    """
    label = _columns(table, named)[0]
    rows = np.arange(len(table))
    return None if label is None else label_of_each(table, label, rows, list(map(str, rows)))


def _columns(table: Table, named: LabelledColumnSpec) -> tuple[str | None, tuple[str, ...], str | None]:
    """Find the label, the id columns and the time column, as named or inferred."""
    for role, name in named.roles:
        table.require_column(name, role)
    free = [name for name in table.columns if name not in {name for _, name in named.roles}]
    labels = [named.label] if named.label is not None else _with_names(free, LABELS)
    if len(labels) > 1:
        raise _which_label(table, labels)
    if labels:
        return labels[0], *_keys(table, named, [name for name in free if name != labels[0]])
    answers = _with_names(free, _ANSWERS)
    texts = [name for name in free if table.kinds[name] == "text" and not _is_empty(table, name)]
    texts = [name for name in texts if name not in {*answers, *id_columns(free)}][-1:]
    ids, time = _keys(table, named, [name for name in free if name not in {*answers, *texts}])
    if not ids:  # those texts may tell the sequences apart
        ids, time = _keys(table, named, [name for name in free if name not in answers])
    codes = encode_ids(table, ids)[0] if ids else np.arange(len(table))
    labels = [name for name in answers if not label_changes(table.columns[name], codes).any()]
    if len(labels) > 1:
        raise _which_label(table, labels)
    labels += [name for name in texts if name not in ids and _repeats(table, [name])]
    return labels[0] if labels else None, ids, time


def _keys(table: Table, named: LabelledColumnSpec, free: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Infer the id columns and the time column where they are not named."""
    if named.id and named.time is not None:
        return named.id, named.time
    ids, time = infer_keys(table, free)
    return named.id or ids, named.time or time


def _with_names(names: Iterable[str], usual: Sequence[str]) -> list[str]:
    return [name for name in names if name.strip().lower() in usual]


def _features(table: Table, taken: set[str | None], *, is_long: bool) -> list[str]:
    """List the feature columns, one at least; a wide table keeps steps that no sequence has."""
    rest = [name for name in table.columns if name not in taken]
    features = [
        name
        for name in rest
        if (table.kinds[name] == "number" and not looks_like_key(name))
        or (not is_long and _is_empty(table, name))
    ]
    features = features if is_long else wide_steps(features)[0]
    if all(_is_empty(table, name) for name in features):
        seen = f"only {quoted_list(rest)}" if rest else "none besides the label"
        listed = next((name for name in rest if _LISTED.fullmatch(str(table.columns[name][0]))), None)
        way = f" Lists of numbers, as in {listed!r}, are read from JSON lines and Parquet." if listed else ""
        raise DataError(f"{table.source}: expected columns of numbers to learn from, got {seen}.{way}")
    return features


def _is_empty(table: Table, name: str) -> bool:
    """Return whether a column holds no value at all."""
    return table.columns[name].dtype.kind == "O" and are_missing(table.columns[name])


def _repeats(table: Table, names: Sequence[str]) -> bool:
    return bool(pd.DataFrame({name: table.columns[name] for name in names}).duplicated().any())


def _could_be_ids(table: Table, label: str | None, features: Sequence[str]) -> tuple[str, ...]:
    """Find the column of a wide table that seems to tell sequences of several rows apart.

    Its values, whole numbers or texts, stand in runs of equal neighbours: two rows or more on average, no
    value in two runs, no run with two labels. No three columns are numbered, as steps of a wide table are. Of
    several, the most runs. Without a header, the first of columns on both sides of the label is one together
    with the label, as a person with what they do.
    """
    names = list(table.columns)
    if not _header(features) and label in names[1:-1] and stand_in_runs(table, names[:1]):
        return (names[0], label) if _are_whole_or_texts(np.unique(table.columns[names[0]])) else ()
    if numbered_steps(features):
        return ()
    n_distinct: dict[str, int] = {}
    for name in table.columns:
        codes, values = pd.factorize(table.columns[name])  # numbered as they first occur
        if name == label or list(features) == [name] or not 2 <= len(values) <= len(codes) / 2:
            continue
        in_runs = codes[0] == 0 and bool((np.diff(codes) >= 0).all())
        if not in_runs or (label is not None and label_changes(table.columns[label], codes).any()):
            continue
        if _are_whole_or_texts(values):
            n_distinct[name] = len(values)
    return () if not n_distinct else (max(n_distinct, key=lambda name: n_distinct[name]),)


def _are_whole_or_texts(values: Array) -> bool:
    """Return whether values are whole numbers or texts, as ids are."""
    texts = np.array([str(value).strip() for value in values], dtype=object)
    return not looks_numeric(texts) or all(map(_WHOLE_ID.fullmatch, texts))


def _seems_long(names: Sequence[str], steps: int) -> str:
    seem, way = "seems", "if it does, name it with id="
    if len(names) > 1:
        seem, way = "seem", "if they do, name them with id="
    return (
        f"a row was taken as a sequence of {steps} step{'' if steps == 1 else 's'}, though "
        f"{'column' if len(names) == 1 else 'columns'} {quoted_list(names)} {seem} to tell sequences of "
        f"several rows apart; {way}"
    )


def missing_id_error(source: str, time: str) -> DataError:
    """Word the fault of times without a column that tells the sequences apart."""
    return DataError(
        f"{source}: expected a column that tells the sequences apart beside the time column {time!r}, got "
        "none. Call it unique_id, or name it with id=; or remove the times, if a row is a sequence."
    )


def _which_label(table: Table, could_be: list[str]) -> DataError:
    return DataError(
        f"{table.source}: expected one column of labels, got {quoted_list(could_be)}. Name it with label=."
    )


def _wide_to_sequences(table: Table, keys: Sequence[str], features: Sequence[str]) -> Sequences:
    """Convert a wide table: a row a sequence of one feature, its steps in the order of the columns."""
    T, N = len(features), len(table)
    usual = (name for name in id_columns(list(table.columns)) if not _repeats(table, [name]))
    names = list(keys) or list(usual)[:1]
    ids = encode_ids(table, names)[1] if names else tuple(map(str, range(N)))
    columns, roles = feature_columns(1)
    return Sequences(
        np.column_stack([table.numbers(name) for name in features]).reshape(N * T, 1),
        np.arange(0, N * T + 1, T, dtype=np.int64),
        ids,
        columns,
        roles,
        order=DeclaredOrder.POSITION,
        names=ColumnNames(id=names[0] if names else "unique_id"),
        keys=id_frame(table, names, np.arange(N)) if names else None,
        source=table.source,
        backend=table.backend,
        notes=(*table.notes, *table.remarks, *_order_notes(table, features)),
        header=_header(features),
    )


def _header(features: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the features; none where the file has no header and they were numbered."""
    return () if all(map(_NUMBERED.fullmatch, features)) else tuple(features)


def _order_notes(table: Table, features: Sequence[str]) -> list[str]:
    """Say where the steps of a wide table were put in the order of their numbers."""
    moved = [name for name in table.columns if name in set(features)] != list(features)
    return ["columns were put in the order of the numbers in their names"] if moved else []


def long_to_sequences(
    table: Table, keys: Sequence[str], time: str | None, features: Sequence[str]
) -> Sequences:
    """Sequences from rows that are steps: sorted by time where there is one, else as they stand.

    Raises:
        DataError: a value is no number, a time cannot be read, or stands twice in a sequence.
    """
    codes, ids = encode_ids(table, keys)
    values = np.column_stack([table.numbers(name) for name in features])
    notes = (*table.notes, *table.remarks)
    rows = np.argsort(codes, kind="stable")
    if time is None and (other := find_unnamed_time(table, keys, features)) is not None:
        notes = (
            *notes,
            f"column {other!r} was read as a feature; if it orders the steps, name it with time=",
        )
    if time is not None:
        moments, by_file = _moments(table, time), rows
        rows = np.lexsort((moments, codes))
        notes = (*notes, *(["rows were sorted by time"] if (rows != by_file).any() else []))
        twice = np.flatnonzero((np.diff(moments[rows]) == 0) & (np.diff(codes[rows]) == 0))
        if len(twice) > max(1, SHARE_OF_ROWS * len(values)):
            raise DataError(
                f"{table.source}: expected columns that tell the sequences apart, but {len(twice):,} times "
                f"in column {time!r} stand twice in a sequence of {quoted_list(keys)}. Name all that do with "
                "id=."
            )
        if len(twice):
            row = int(rows[twice[0] + 1])
            got = f"got {quoted(table.columns[time][row])} twice"
            raise DataError(
                f"{table.place(row)}, sequence {quoted(ids[codes[row]])}: expected each time once in column "
                f"{time!r}, {got}. Correct or remove that row."
            )
    return Sequences(
        values[rows],
        np.searchsorted(codes[rows], np.arange(len(ids) + 1)).astype(np.int64),
        ids,
        tuple(features),
        (Role.TARGET, *[Role.PAST] * (len(features) - 1)),
        order=DeclaredOrder.POSITION if time is None else DeclaredOrder.TIME,
        names=ColumnNames(keys[0], time or "ds"),
        keys=id_frame(table, keys, np.unique(codes, return_index=True)[1]),
        source=table.source,
        backend=table.backend,
        notes=notes,
        header=_header(features),
        rows=rows,
    )


def _moments(table: Table, name: str) -> Array:
    """Parse the times (T,) that rows are sorted by: numbers as they are, anything else as a date."""
    if table.kinds[name] != "number":
        return parse_times(table.columns[name], name=name, place=table.place, utc=True, way=_DATES)[0].astype(
            np.int64
        )
    moments = table.numbers(name)
    if np.isnan(moments).any():
        row = int(np.argmax(np.isnan(moments)))
        raise DataError(
            f"{table.place(row)}, column {name!r}: expected a time, got nothing. Remove that row."
        )
    return moments
