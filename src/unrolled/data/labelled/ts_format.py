"""Reader of the `.ts` format of the UEA and UCR archives: a header of @ lines, then a row a sequence.

    @univariate false
    @dimensions 2
    @classLabel true walk run
    @data
    0.1,0.2,0.4:1.0,1.1,0.9:walk

Dimensions (features) are separated by colons, steps by commas; "?" and NaN are missing. Rows may differ in
length. With `@timeStamps true` a step is `(time,value)`.

Source: the readers of sktime and aeon (`load_from_ts_file`). Here a row that breaks what the header says is a
fault, so that a cut file is none of fewer sequences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.targets import parse_labels
from unrolled.data.labelled.content_lines import content_lines
from unrolled.data.parse.datetimes import parse_times
from unrolled.data.parse.numbers import looks_numeric, quoted
from unrolled.data.sequences import DeclaredOrder, Sequences, feature_columns
from unrolled.errors import DataError
from unrolled.validation import suggest_spelling

Array = NDArray[Any]
Floats = NDArray[np.float64]

TAGS = (
    "problemname", "timestamps", "missing", "univariate", "dimensions", "equallength", "serieslength",
    "classlabel", "targetlabel", "data",
)  # fmt: skip
_MISSING, _UNDECLARED = "?", "undeclared"
_STAMPED = re.compile(r"\s*\(([^()]*),([^(),]*)\)\s*,?")
_COLON_OUTSIDE_BRACKETS = re.compile(r":(?![^(]*\))")
_CUT = "Correct it; if the file was cut, fetch it again."


class Header(NamedTuple):
    """Declarations above the rows of a `.ts` file.

    Args:
        features: a sequence; None where nothing says so.
        steps: of every sequence; 0 where they are equal but not told, None where they may differ.
        stamped: whether each value has its time.
        answer: what a row ends with: "class", "number", "" or, where no line says so, "undeclared".
        classes: the labels declared; where there are none, any is one.
        notes: what was left out.
    """

    features: int | None
    steps: int | None
    stamped: bool
    answer: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]


class Row(NamedTuple):
    """Line number, values (T, F) and label of one sequence."""

    line: int
    values: Floats
    label: str


def read_ts(text: str, source: str) -> tuple[Sequences, Array | None]:
    r"""Parse a `.ts` file into sequences and labels; None where there are none.

    Args:
        text: the file's content.
        source: what messages call it.

    Returns:
        Sequences, NaN where a value is missing; (N,) labels, int64 where all declared are whole numbers, else
        texts, or float64 for a `@targetLabel`; None where no row has one, or each has "?".

    Raises:
        DataError: the header is wrong or ends too soon, or a row breaks what it says; the row is named.

    >>> head = "@univariate false\n@dimensions 2\n@classLabel true walk run\n@data\n"
    >>> series, labels = read_ts(head + "1,2,4:0,0,1:walk\n3,?:5,6:run\n", "steps.ts")
    >>> series.lengths.tolist(), series.values.shape, labels.tolist()
    ([3, 2], (5, 2), ['walk', 'run'])
    """
    lines = content_lines(text, ("#", "%"))
    header = _header(lines, source)
    texts = list(lines)
    if not texts:
        raise DataError(f"{source}: expected rows below @data, got none. {_CUT}")
    header = _with_answer(header, texts, source)
    rows = list(_rows(texts, header, source))
    columns, roles = feature_columns(rows[0].values.shape[1])
    series = Sequences(
        np.concatenate([row.values for row in rows]),
        np.cumsum([0, *(len(row.values) for row in rows)]).astype(np.int64),
        tuple(map(str, range(len(rows)))),
        columns,
        roles,
        order=DeclaredOrder.TIME if header.stamped else DeclaredOrder.POSITION,
        source=source,
        notes=header.notes,
    )
    return series, _labels(rows, header, source)


def _header(lines: Iterator[tuple[int, str]], source: str) -> Header:
    """Parse the header; `lines` is left at the first row."""
    header_lines = _HeaderLines(source)
    for line, text in lines:
        tag, *words = text.split()
        name = tag.removeprefix("@").lower()
        if not tag.startswith("@"):
            raise DataError(
                f"{source} row {line}: expected a line @data above the rows, got {quoted(text)}. Write @data "
                "above the first row."
            )
        if name == "data":
            return header_lines.header()
        header_lines.lines["dimensions" if name == "dimension" else name] = (line, tag, words)
    raise DataError(f"{source}: expected a line @data with rows below it, got none to the file's end. {_CUT}")


class _HeaderLines:
    """Header lines by name, and their parsed values."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[str, tuple[int, str, list[str]]] = {}  # the row, the tag as written, what follows

    def header(self) -> Header:
        """Combine the lines into a header."""
        notes = self._unknown_notes()
        univariate, features = self.flag("univariate"), self.count("dimensions")
        if univariate and (features or 1) > 1:
            way = "Write '@univariate false'."
            raise DataError(
                f"{self.source}: expected @dimensions 1 as @univariate says, got {features}. {way}"
            )
        answer = "class" if self.flag("classlabel") else "number" if self.flag("targetlabel") else ""
        if not {"classlabel", "targetlabel"} & set(self.lines):
            answer = _UNDECLARED
        classes = tuple(self.lines["classlabel"][2][1:]) if answer == "class" else ()
        steps = (self.count("serieslength") or 0) if self.flag("equallength") else None
        stamped = bool(self.flag("timestamps"))
        return Header(1 if univariate else features, steps, stamped, answer, classes, notes)

    def _unknown_notes(self) -> tuple[str, ...]:
        """Notes on lines that say nothing here; one that is misspelt is a fault."""
        unknown = {name: line_parts for name, line_parts in self.lines.items() if name not in TAGS}
        for name, (line, tag, _) in unknown.items():
            if offer := suggest_spelling(name, TAGS):
                got = f"got {tag!r}.{offer}"
                raise DataError(f"{self.source} row {line}: expected a header line of .ts, {got}")
        return tuple(f"header line {tag!r} was left out" for _, tag, _ in unknown.values())

    def flag(self, name: str) -> bool | None:
        """Parse a line that says true or false; None where there is no such line."""
        flags = {"true": True, "false": False}
        return None if name not in self.lines else self._value_of(name, flags.get, "true or false")

    def count(self, name: str) -> int | None:
        """Parse a whole number of at least 1; None where there is no such line."""
        demand = "a whole number of at least 1"
        return None if name not in self.lines else self._value_of(name, _count, demand)

    def _value_of(self, name: str, meaning: Callable[[str], Any], demand: str) -> Any:
        line, tag, words = self.lines[name]
        value = meaning(words[0].lower()) if words else None
        if value is None:
            got = quoted(words[0]) if words else "nothing"
            raise DataError(
                f"{self.source} row {line}: expected {demand} after {tag}, got {got}. Correct it."
            )
        return value


def _count(word: str) -> int | None:
    return (int(word) or None) if word.isdecimal() else None


def _with_answer(header: Header, texts: list[tuple[int, str]], source: str) -> Header:
    """Declare that rows have no label where no row has one: of a test set, or of what is to be predicted."""
    parts = [_parts(text, header) for _, text in texts]
    are_bare = all(len(row) == (header.features or 1) and _is_dimension(row[-1]) for row in parts)
    if header.answer == _UNDECLARED:
        if not are_bare:
            raise DataError(
                f"{source}: expected @classLabel or @targetLabel in the header, got neither. Write "
                "'@classLabel true' and the labels, or '@classLabel false' where rows have none."
            )
        note = "the header has neither @classLabel nor @targetLabel, and rows have no label"
    elif header.answer and are_bare and len(texts) > 1:  # a single row may be cut
        note = "rows end without the label that the header declares: there are no labels"
    else:
        return header
    return header._replace(answer="", notes=(*header.notes, note))


def _is_dimension(part: str) -> bool:
    """Return whether the last part of a row is a dimension: steps in brackets, or numbers with commas."""
    fields = part.split(",")
    return len(fields) > 1 and (
        "(" in part
        or all(
            field.strip() == _MISSING or looks_numeric(np.array([field], dtype=object)) for field in fields
        )
    )


def _parts(text: str, header: Header) -> list[str]:
    """Cut a row at its colons: dimensions, and the label where there is one."""
    return _COLON_OUTSIDE_BRACKETS.split(text) if header.stamped else text.split(":")


def _rows(texts: list[tuple[int, str]], header: Header, source: str) -> Iterator[Row]:
    """Parse the rows; each must agree with the header and the rows above it."""
    for line, text in texts:
        row = _row(line, text, header, f"{source} row {line}")
        if header.features is None:
            header = header._replace(features=row.values.shape[1])
        if header.steps == 0:
            header = header._replace(steps=len(row.values))
        yield row


def _row(line: int, text: str, header: Header, place: str) -> Row:
    parts = _parts(text, header)
    n_parts, label = len(parts), parts.pop().strip() if header.answer else ""
    if not parts or len(parts) != (header.features or len(parts)):
        expected = f"{header.features or 1} dimension{'' if header.features in {None, 1} else 's'}"
        expected += f"{' and a label' if header.answer else ''}, with colons between them"
        raise DataError(
            f"{place}: expected {expected}, got {n_parts} part{'' if n_parts == 1 else 's'}. {_CUT}"
        )
    if header.answer and (not label or (header.classes and label not in {*header.classes, _MISSING})):
        declared = f"one of the labels of @classLabel ({_listed(header.classes)})"
        got = f"got {quoted(label) if label else 'nothing'}. {_CUT}"
        raise DataError(f"{place}: expected {declared if header.classes else 'a label'} at its end, {got}")
    columns = _columns(parts, header, place)
    if header.steps and len(columns[0]) != header.steps:
        expected = f"{header.steps} steps, as @equalLength says"
        raise DataError(f"{place}: expected {expected}, got {len(columns[0])}. {_CUT}")
    return Row(line, np.column_stack(columns), label)


def _columns(parts: list[str], header: Header, place: str) -> list[Floats]:
    """Parse the dimensions of a row, of one length and with the same times."""
    columns, times = list[Floats](), list[list[str]]()
    for k, part in enumerate(parts):
        where = place if len(parts) == 1 else f"{place}, dimension {k + 1}"
        values, stamps = (
            _timed_values(part, where) if header.stamped else (_values(part.split(","), where), [])
        )
        columns.append(values)
        times.append(stamps)
        if len(values) != len(columns[0]):
            expected = f"{len(columns[0])} step{'' if len(columns[0]) == 1 else 's'} as in dimension 1"
            raise DataError(f"{where}: expected {expected}, got {len(values)}. {_CUT}")
        if stamps != times[0]:
            raise DataError(f"{where}: expected the times of dimension 1, got others. {_CUT}")
    return columns


def _values(fields: list[str], place: str) -> Floats:
    """Parse finite numbers (T,), NaN where missing."""
    if not any(field.strip() for field in fields):
        raise DataError(f"{place}: expected at least one value, got none. {_CUT}")
    try:
        values = np.fromiter(map(float, fields), np.float64, len(fields))
    except ValueError:  # a sign for missing, or no number: a slower look
        values = np.array([_number(field, f"{place}, value {i + 1}") for i, field in enumerate(fields)])
    endless = np.flatnonzero(np.isinf(values))
    if len(endless):
        got = quoted(fields[endless[0]].strip())
        raise DataError(
            f"{place}, value {endless[0] + 1}: expected a finite number, got {got}. Write ? for it."
        )
    return values


def _number(field: str, place: str) -> float:
    text = field.strip()
    if text == _MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError as fault:
        got = quoted(text)
        raise DataError(f"{place}: expected a number or ?, got {got}. {_CUT}") from fault


def _timed_values(text: str, place: str) -> tuple[Floats, list[str]]:
    """Parse values (T,) that stand as `(time,value)`, and the texts of their times, which rise."""
    matches = list(_STAMPED.finditer(text.strip()))
    if not matches or "".join(match[0] for match in matches) != text.strip():
        raise DataError(f"{place}: expected steps as (time,value), got {quoted(text.strip())}. {_CUT}")
    stamps = np.array([match[1].strip() for match in matches], dtype=object)
    if looks_numeric(stamps):
        times = _values(stamps.tolist(), place)
    else:
        read = parse_times(stamps, name="time", place=lambda _: place, utc=True, way=_CUT)[0]
        times = read.astype(np.int64)
    falls = np.flatnonzero(~(np.diff(times) > 0))
    if len(falls):
        one, other = stamps[falls[0] : falls[0] + 2]
        raise DataError(
            f"{place}: expected times that rise, got {one} before {other}. Sort the steps by time."
        )
    return _values([match[2] for match in matches], place), stamps.tolist()


def _labels(rows: list[Row], header: Header, source: str) -> Array | None:
    unlabelled = [row for row in rows if row.label == _MISSING and _MISSING not in header.classes]
    if header.answer == "" or len(unlabelled) == len(rows) > 1:
        return None
    if unlabelled and header.answer == "class":
        way = "Write it there, or remove that row."
        raise DataError(f"{source} row {unlabelled[0].line}: expected a label at its end, got '?'. {way}")
    if header.answer == "class":
        return parse_labels([row.label for row in rows], header.classes)
    numbers = np.array([_number(row.label, f"{source} row {row.line}, label") for row in rows])
    unknown = np.flatnonzero(~np.isfinite(numbers))
    if len(unknown):
        row = rows[unknown[0]]
        got = f"got {quoted(row.label)}. Remove that row."
        raise DataError(f"{source} row {row.line}: expected a number at its end, as @targetLabel says, {got}")
    return numbers


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
