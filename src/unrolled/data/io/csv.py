"""Files to tables: Parquet as it is, and CSV in whatever dialect its first lines show."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.io.frames import from_frame
from unrolled.data.parse.datetimes import looks_like_dates
from unrolled.data.parse.numbers import is_missing, looks_numeric, quoted
from unrolled.data.parse.table import Table
from unrolled.errors import DataError
from unrolled.validation import suggest_spelling

SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".tab",
    ".dat",
    ".gz",
    ".parquet",
    ".pq",
    ".json",
    ".jsonl",
    ".xlsx",
    ".xls",
)
PARQUET = b"PAR1"  # how such a file begins
_SEPARATORS = ("\t", ";", "|", ",")  # a comma last: it may be a decimal comma
_NO_SEPARATOR = "\x1f"  # a sign that no text holds
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_COULD_BE_DATE = re.compile(r"\d{4}|\d[-/. ]+\w|\w[-/. ]+\d")  # to look closer at a thousand names takes long
_LABELS = frozenset({"label", "labels", "class", "classes", "target"})  # names, hardly values
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 100
_FOREIGN = (
    (b"PK\x03\x04", "an Excel workbook or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"ARROW1", "an Arrow or Feather file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"(\xb5/\xfd", "a Zstandard archive"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"<", "a web page or XML"),
)


def read_file(path: Path) -> Table:
    """Read the table in a file.

    Args:
        path: CSV with any separator, decimal sign and usual encoding, also gzipped, or Parquet; told by
            its content, not its name.

    Raises:
        DataError: there is no such file, or it is empty, cut, of another kind, or not a table.
    """
    return parse_table(read_decompressed(path), path)


def parse_table(content: bytes, path: Path) -> Table:
    r"""Parse the content of a CSV or Parquet file; the path is for messages.

    >>> parse_table(b"ds,y\n2020,1.5\n", Path("flow.csv")).numbers("y")
    array([1.5])
    """
    if content.startswith(PARQUET):
        return _parquet(content, path)
    for magic, kind in _FOREIGN:
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(magic):
            raise DataError(f"{path}: expected CSV or Parquet, got {kind}. Save the table as CSV first.")
    text, notes = decode_text(content, path)
    return _parse_csv(text, path, notes)


def read_decompressed(path: Path) -> bytes:
    """Read the bytes of a file, decompressed where it is gzipped.

    Raises:
        DataError: there is no such file, it cannot be read, or is empty, or its gzip is cut.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as fault:
        raise DataError(f"{path}: expected a file, got none of that name.{_similar_file(path)}") from fault
    except IsADirectoryError as fault:
        raise DataError(f"{path}: expected a file, got a folder. Name a file in it.") from fault
    except OSError as fault:
        raise DataError(f"{path}: expected a file that can be read, got '{fault.strerror}'.") from fault
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as fault:
            raise DataError(
                f"{path}: expected a whole gzip file, got a cut or damaged one. Fetch it again."
            ) from fault
    if not content.strip():
        raise DataError(f"{path}: expected a header and rows below it, got an empty file. Export it again.")
    return content


def _similar_file(path: Path) -> str:
    """Suggest the nearest file name in that folder, or say what is wrong with the folder."""
    if not path.parent.is_dir():
        return f" There is no folder {path.parent}."
    return suggest_spelling(path.name, (p.name for p in islice(path.parent.iterdir(), 10_000) if p.is_file()))


def _parquet(content: bytes, path: Path) -> Table:
    return from_frame(parquet_frame(content, path), source=path.name)


def parquet_frame(content: bytes, path: Path) -> pd.DataFrame:
    """Parse a Parquet file; the path is for messages.

    Raises:
        DataError: the file is cut or damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 (half the cost of reading a CSV, which does not need it)
    from pyarrow import parquet  # noqa: PLC0415

    try:
        frame: pd.DataFrame = parquet.read_table(pa.BufferReader(content)).to_pandas()
    except (pa.ArrowException, OSError) as fault:
        raise DataError(
            f"{path}: expected a whole Parquet file, got a cut or damaged one. Fetch it again."
        ) from fault
    return frame


def decode_text(content: bytes, path: Path) -> tuple[str, list[str]]:
    """Decode a file as UTF-8, as UTF-16 by its mark, else as Western European."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in content[:65_536]:
        raise DataError(f"{path}: expected CSV or Parquet, got binary data. Save the table as CSV first.")
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError:
        note = "the file is not UTF-8 and was read as Western European (Latin-1)"
        return content.decode("latin-1"), [note]


class Dialect(NamedTuple):
    """Separator, header and first data row of a text."""

    separator: str
    names: tuple[str, ...]  # "" where the header says nothing
    lines: int  # above the first row of data
    notes: tuple[str, ...] = ()


def _parse_csv(text: str, path: Path, notes: list[str]) -> Table:
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    dialect = sniff_dialect(text, path.name)
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            frame = pd.read_csv(
                _skip_lines(text, dialect.lines), sep=dialect.separator, header=None,
                names=list(range(len(dialect.names))), dtype=str, na_filter=False, index_col=False,
                skipinitialspace=True,
            )  # fmt: skip
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    except (pd.errors.ParserError, pd.errors.ParserWarning) as fault:  # the warning: values would be lost
        raise DataError(_ragged_fault(text, dialect, path.name)) from fault
    filled_rows = np.flatnonzero((frame != "").any(axis=1)) if len(frame) else np.zeros(0, dtype=np.int64)
    if not len(filled_rows):
        raise DataError(f"{path}: expected rows below the header, got only the header. Export it again.")

    def place(row: int) -> str:
        return f"{path.name} row {_line(text, dialect, int(filled_rows[row]), path.name)}"

    columns = {}
    for k, name in enumerate(dialect.names):
        values = frame[k].to_numpy(dtype=object)[filled_rows]
        if name:
            columns[name] = values
        elif not _is_blank(values):
            columns[f"column {k + 1}"] = values
    return Table(columns, path.name, place, separator=dialect.separator, notes=(*notes, *dialect.notes))


def _skip_lines(text: str, lines: int) -> io.StringIO:
    """Skip the first lines of a text: pandas' skiprows would count rows of quoted lines."""
    stream = io.StringIO(text)
    for _ in range(lines):
        stream.readline()
    return stream


def _is_blank(texts: NDArray[Any]) -> bool:
    """Return whether a column without a name is empty, or counts rows as pandas writes its index."""
    return all(t == "" for t in texts) or all(t == str(i) for i, t in enumerate(texts))


def sniff_dialect(text: str, source: str) -> Dialect:
    r"""Infer the separator, the header and the first data row from the first lines.

    Comments and titles above the table are left out; a first row that looks like those below it is data,
    not a header.

    Raises:
        DataError: the header has another number of fields than the rows, or a name twice.

    >>> sniff_dialect("day;price\n1.2.2020;3,5\n", "flow.csv")
    Dialect(separator=';', names=('day', 'price'), lines=1, notes=())
    """
    separator = _separator(text)
    rows = _first_rows(text, separator)
    if all(row[0].startswith("#") for _, row in rows):
        got = "got only comments. Export it again."
        raise DataError(
            f"{source}: expected a header and rows below it, {got}" if rows else _endless_field(source, 1)
        )
    width = _usual_width(rows)[0]
    top = next(i for i, (_, row) in enumerate(rows) if len(row) == width and not row[0].startswith("#"))
    above, (line, first), below = (
        rows[:top],
        rows[top],
        [row for _, row in rows[top + 1 :] if len(row) == width],
    )
    titles = [row for _, row in above if not row[0].startswith("#")]
    notes = [f"{len(above)} line{'' if len(above) == 1 else 's'} above the table left out"] if above else []
    if not _is_header(first, below):
        if titles:
            trailing = first[-1].strip() == "" and len(titles[-1]) == width - 1
            raise DataError(_width_fault(source, line, len(titles[-1]), width, trailing=trailing))
        names = tuple(f"column {k + 1}" for k in range(width))
        return Dialect(separator, names, line - 1, (*notes, "the file has no header: columns are numbered"))
    names = tuple(name.strip() for name in first)
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        raise DataError(
            f"{source} row {line}: expected distinct column names, got {quoted(twice[0])} twice. Rename one."
        )
    return Dialect(separator, names, line, tuple(notes))


def _separator(text: str) -> str:
    """Find the first candidate that cuts most lines into the same number of fields, two or more."""
    shares = {}
    for candidate in _SEPARATORS:
        width, share = _usual_width(_first_rows(text, candidate))
        shares[candidate] = share if width > 1 else 0.0
    lines = [line for line in text[:_SAMPLE_CHARACTERS].splitlines()[:_SAMPLE_ROWS] if line.strip()]
    if "," not in lines[0] and all(_DECIMAL_COMMA.fullmatch(line.strip()) for line in lines[1:]):
        shares[","] = 0.0  # one column of numbers with decimal commas
    good = [candidate for candidate, share in shares.items() if share >= 0.8]
    best = good[0] if good else max(shares, key=lambda candidate: shares[candidate])
    return best if shares[best] else _NO_SEPARATOR


def _first_rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Read the first rows that are not blank: the line that each ends on, and its fields."""
    reader = csv.reader(io.StringIO(text[:_SAMPLE_CHARACTERS]), delimiter=separator, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if len(row) > 1 or any(field.strip() for field in row):
                rows.append((reader.line_num, row))
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:  # such as a field beyond its size limit: not this separator
        return rows
    cut_short = len(text) > _SAMPLE_CHARACTERS and len(rows) <= _SAMPLE_ROWS
    return rows[:-1] if cut_short and len(rows) > 1 else rows


def _usual_width(rows: list[tuple[int, list[str]]]) -> tuple[int, float]:
    """Find the most common number of fields, and the share of rows that have it, comments aside."""
    widths = Counter(len(row) for _, row in rows if not row[0].startswith("#"))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return width, count / max(widths.total(), 1)


def _is_header(first: list[str], below: list[list[str]]) -> bool:
    """Return whether a row names columns: it holds words, and is of another kind than the rows below it."""
    kinds = [_cell_kind([cell]) for cell in first]
    if set(kinds) <= {"number", "date", "empty"}:
        return False
    if set(kinds) <= {"text", "empty"} or not below or _numbers_steps(first, kinds, below):
        return True
    under = [_cell_kind([row[k] for row in below[:5]]) for k in range(len(first))]
    return any(
        here != there for here, there in zip(kinds, under, strict=True) if "empty" not in {here, there}
    )


def _numbers_steps(first: list[str], kinds: list[str], below: list[list[str]]) -> bool:
    """Return whether a row is 0, 1, 2, ... beside a name, as pandas writes sequences with labels."""
    steps = [cell.strip() for cell, kind in zip(first, kinds, strict=True) if kind == "number"]
    labels = [k for k, kind in enumerate(kinds) if kind == "text"]
    if any(first[k].strip().lower() in _LABELS for k in labels):
        return True
    if len(steps) < 3 or steps != [str(t) for t in range(len(steps))]:
        return False
    columns = [[row[k] for row in below] for k in labels]
    return all(
        first[k] not in texts and len(set(texts)) < len(texts)
        for k, texts in zip(labels, columns, strict=True)
    )


def _cell_kind(cells: list[str]) -> str:
    texts = np.array(cells, dtype=object)
    if is_missing(texts).all():
        return "empty"
    if looks_numeric(texts):
        return "number"
    return "date" if _COULD_BE_DATE.search(cells[0]) and looks_like_dates(texts) else "text"


def _line(text: str, dialect: Dialect, row: int, source: str) -> int:
    """Find the line of the file on which a row of data ends; the first line is 1."""
    return next(islice(_data_rows(text, dialect, source), row, None))[0]


def _data_rows(text: str, dialect: Dialect, source: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=dialect.separator, skipinitialspace=True)
    try:
        for fields in reader:
            if reader.line_num > dialect.lines and (len(fields) > 1 or any(f.strip() for f in fields)):
                yield reader.line_num, fields
    except csv.Error as fault:
        raise DataError(_endless_field(source, reader.line_num)) from fault


def _endless_field(source: str, line: int) -> str:
    most = f"{csv.field_size_limit():,}"
    return (
        f"{source} row {line}: expected fields of at most {most} characters, got a longer one. Shorten it, "
        "or close the quote that stays open."
    )


def _ragged_fault(text: str, dialect: Dialect, source: str) -> str:
    """Word the fault of rows that do not have the header's number of fields."""
    line = dialect.lines
    for end, fields in _data_rows(text, dialect, source):
        if len(fields) > len(dialect.names):
            trailing = not any(field.strip() for field in fields[len(dialect.names) :])
            return _width_fault(source, end, len(dialect.names), len(fields), trailing=trailing)
        last, line = line, end
    return f"{source} row {last + 1}: expected each quote to be closed, got one that stays open. Close it."


def _width_fault(source: str, line: int, expected: int, got: int, *, trailing: bool) -> str:
    way = "Quote numbers with a decimal comma, or separate fields with semicolons."
    if trailing:  # the fields too many are empty
        way = "Name that column in the header, or remove the separator at the line's end."
    return (
        f"{source} row {line}: expected {expected} field{'' if expected == 1 else 's'} as in the header, got "
        f"{got}. {way}"
    )
