r"""Reader of ARFF, Weka's format, in which the UEA and UCR archives come too.

    @relation Steps
    @attribute steps relational
    @attribute t0 numeric
    @attribute t1 numeric
    @end steps
    @attribute class {walk,run}
    @data
    "0.1,0.2\n1.0,1.1",walk

A file without a relational attribute is a wide table. In a relational one each line of the quoted text is a
feature, and its numbers are the steps, as the archives write it. "?" is missing.

Source: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.labelled_table import LABELS, LabelledColumnSpec, parse_labelled_table
from unrolled.data.io.targets import parse_labels
from unrolled.data.labelled.content_lines import content_lines
from unrolled.data.parse.numbers import quoted
from unrolled.data.parse.table import Table
from unrolled.data.sequences import DeclaredOrder, Sequences, feature_columns
from unrolled.errors import DataError
from unrolled.formatting import quantity

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MISSING = "?"
_NAME = r"('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s{]+)"
_ATTRIBUTE = re.compile(rf"@attribute\s+{_NAME}\s*(\{{.*|\S.*)", re.IGNORECASE)
_FIELD = re.compile(r"\s*('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^,]*)\s*(,|$)")
_CUT = "Correct it; if the file was cut, fetch it again."


class Attribute(NamedTuple):
    """Name and kind of a column: number, nominal, relational or text; and the values of a nominal one."""

    name: str
    kind: str
    values: tuple[str, ...] = ()


def read_arff(text: str, source: str, named: LabelledColumnSpec) -> tuple[Sequences, Array | None]:
    r"""Parse ARFF into sequences and labels: those of the attribute called class, or of the last nominal one.

    Args:
        text: the file's content.
        source: what messages call it.
        named: columns that the caller names.

    Returns:
        Sequences, NaN where a value is missing; (N,) labels, or None where no attribute is nominal or all
        labels are missing.

    Raises:
        DataError: the header is wrong or ends too soon, or a row breaks what it says; the row is named.

    >>> head = "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute class {x,y}\n@data\n"
    >>> series, labels = read_arff(head + "1,2,x\n3,4,y\n", "r.arff", LabelledColumnSpec())
    >>> series.lengths.tolist(), labels.tolist()
    ([2, 2], ['x', 'y'])
    """
    lines = content_lines(text, ("%",))
    attributes = _attributes(lines, source)
    rows = list(_rows(lines, attributes, source))
    if not rows:
        raise DataError(f"{source}: expected rows below @data, got none. {_CUT}")
    relational = [k for k, attribute in enumerate(attributes) if attribute.kind == "relational"]
    label = _label(attributes, named, source)
    if not relational:
        return _from_table(attributes, rows, source, named._replace(label=label))
    if len(relational) > 1:
        names = ", ".join(repr(attributes[k].name) for k in relational)
        raise DataError(f"{source}: expected one relational attribute, got {names}. Remove the others.")
    return _from_relation(attributes, rows, source, relational[0], label)


def _attributes(lines: Iterator[tuple[int, str]], source: str) -> list[Attribute]:
    """Parse the header; `lines` is left at the first row."""
    attributes = list[Attribute]()
    inside = False  # of a relational attribute, whose own attributes number its steps
    for line, text in lines:
        tag = text.split()[0].lower()
        if tag == "@data":
            return attributes
        if tag == "@end":
            inside = False
        elif tag == "@attribute":
            match = _ATTRIBUTE.match(text)
            if match is None:
                raise DataError(
                    f"{source} row {line}: expected @attribute with a name and a type, got {quoted(text)}. "
                    f"{_CUT}"
                )
            if not inside:
                attributes.append(_attribute(_unquoted(match[1]), match[2].strip()))
                inside = attributes[-1].kind == "relational"
        elif tag != "@relation":
            raise DataError(
                f"{source} row {line}: expected @attribute or @data, got {quoted(text)}. Write @data above "
                "the first row."
            )
    raise DataError(f"{source}: expected a line @data with rows below it, got none to the file's end. {_CUT}")


def _attribute(name: str, kind: str) -> Attribute:
    if kind.startswith("{"):
        values = tuple(field for field in _fields(kind.strip("{} \t")) if field)
        return Attribute(name, "nominal", values)
    word = kind.split(maxsplit=1)[0].lower()
    if word in {"numeric", "real", "integer"}:
        return Attribute(name, "number")
    return Attribute(name, "relational" if word == "relational" else "text")


def _rows(
    lines: Iterator[tuple[int, str]], attributes: list[Attribute], source: str
) -> Iterator[tuple[int, list[str]]]:
    """Parse the rows: the line and the fields of each, as many as attributes, labels among those declared."""
    for line, text in lines:
        if text.startswith("{"):
            raise DataError(
                f"{source} row {line}: expected the values of all attributes, got a sparse row. Save the "
                "file with Weka's filter SparseToNonSparse."
            )
        fields = _fields(text)
        if len(fields) != len(attributes):
            raise DataError(
                f"{source} row {line}: expected {quantity(len(attributes), 'value')}, one an attribute, got "
                f"{len(fields)}. {_CUT}"
            )
        for attribute, field in zip(attributes, fields, strict=True):
            if attribute.kind == "nominal" and field != _MISSING and field not in attribute.values:
                shown = ", ".join(attribute.values[:8])
                raise DataError(
                    f"{source} row {line}: expected one of the values of {attribute.name!r} ({shown}), got "
                    f"{quoted(field)}. {_CUT}"
                )
        yield line, fields


def _label(attributes: list[Attribute], named: LabelledColumnSpec, source: str) -> str | None:
    """Return the attribute of labels: as named, as it is called, or the last nominal one."""
    names = [attribute.name for attribute in attributes]
    if named.label is not None:
        Table(dict.fromkeys(names, np.empty(0)), source, str).require_column(named.label, "label")
        return named.label
    usual = [name for name in names if name.lower() in LABELS]
    nominal = [attribute.name for attribute in attributes if attribute.kind == "nominal"]
    return next(iter(usual[-1:] or nominal[-1:]), None)


def _from_table(
    attributes: list[Attribute], rows: list[tuple[int, list[str]]], source: str, named: LabelledColumnSpec
) -> tuple[Sequences, Array | None]:
    """Read a file without a relational attribute as a table, a row a sequence or a step."""
    columns = {
        attribute.name: np.array(
            ["" if fields[k] == _MISSING else fields[k] for _, fields in rows], dtype=object
        )
        for k, attribute in enumerate(attributes)
    }
    if named.label is not None and not any(columns[named.label]):  # a test set whose labels are withheld
        del columns[named.label]
        named = named._replace(label=None)
    table = Table(columns, source, lambda row: f"{source} row {rows[row][0]}", separator=",")
    return parse_labelled_table(table, named)


def _from_relation(
    attributes: list[Attribute],
    rows: list[tuple[int, list[str]]],
    source: str,
    position: int,
    label: str | None,
) -> tuple[Sequences, Array | None]:
    """Read a relational attribute: each line of its text a feature, each number a step."""
    parts = [_matrix(fields[position], f"{source} row {line}") for line, fields in rows]
    n_features = parts[0].shape[1]
    for (line, _), part in zip(rows, parts, strict=True):
        if part.shape[1] != n_features:
            got = f"got {part.shape[1]}. {_CUT}"
            raise DataError(f"{source} row {line}: expected {n_features} features as above, {got}")
    names, roles = feature_columns(n_features)
    series = Sequences(
        np.concatenate(parts),
        np.cumsum([0, *map(len, parts)]).astype(np.int64),
        tuple(map(str, range(len(parts)))),
        names,
        roles,
        order=DeclaredOrder.POSITION,
        source=source,
        notes=("each line of a relational value was read as a feature",) if n_features > 1 else (),
    )
    if label is None:
        return series, None
    k = [attribute.name for attribute in attributes].index(label)
    texts = [fields[k] for _, fields in rows]
    if all(text == _MISSING for text in texts):
        return series, None
    if _MISSING in texts:
        line = rows[texts.index(_MISSING)][0]
        raise DataError(
            f"{source} row {line}: expected a label, got '?'. Write it there, or remove that row."
        )
    return series, parse_labels(texts, attributes[k].values)


def _matrix(text: str, place: str) -> Floats:
    """Parse the features of a sequence into (T, F), as long as its longest feature."""
    lines = [line for line in re.split(r"\\n|\n", text) if line.strip()]
    features = [[_number(field, place) for field in line.split(",")] for line in lines]
    if len(set(map(len, features))) != 1:
        got = "none" if not features else f"{len(features[0])} and {max(map(len, features[1:]), default=0)}"
        raise DataError(f"{place}: expected features of as many steps, got {got}. {_CUT}")
    return np.array(features, dtype=np.float64).T


def _number(field: str, place: str) -> float:
    text = field.strip()
    if text == _MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError as fault:
        raise DataError(f"{place}: expected a number or ?, got {quoted(text)}. {_CUT}") from fault


def _fields(text: str) -> list[str]:
    """Cut a line at its commas, but for those in quotes."""
    fields, start = list[str](), 0
    while match := _FIELD.match(text, start):
        fields.append(_unquoted(match[1].strip()))
        start = match.end()
        if not match[2]:
            break
    return fields


def _unquoted(text: str) -> str:
    """Return a name or a value without its quotes; escaped line ends stay, where a relation is cut."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(['\"%\\])", r"\1", text[1:-1])
    return text
