"""CSV to tables, in whatever dialect its first lines show."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unrolled.data.calendar.offsets import YEARS
from unrolled.data.parse.column_names import TIMES, spelt
from unrolled.data.parse.datetimes import looks_like_dates
from unrolled.data.parse.numbers import are_missing, looks_numeric, quoted
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

_SEPARATORS = ("\t", ";", "|", ",")  # a comma last: it may be a decimal comma
_SPACES, _NO_SEPARATOR = " ", "\x1f"  # runs of spaces; a sign that no text holds
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_COULD_BE_DATE = re.compile(r"\d{4}|\d[-/. ]+\w|\w[-/. ]+\d")  # to look closer at a thousand names takes long
_LABELS = frozenset({"label", "labels", "class", "classes", "target"})  # names, hardly values
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 100
_MOST_HEADER = 20  # rows
_MOST_ENDED = 0.8  # of the first lines: so many end in one sign, which then ends rows


class Dialect(NamedTuple):
    """Separator, header and first data row of a text."""

    separator: str
    names: tuple[str, ...]  # "" where the header says nothing
    lines: int  # above the first row of data
    notes: tuple[str, ...] = ()


def parse_csv(text: str, source: str, notes: Sequence[str] = (), separator: str = "") -> Table:
    r"""Parse a text in the dialect that its first lines show, or with the separator given.

    Raises:
        DataError: it holds no row, or a row of another width than the header; the row is named.

    >>> parse_csv("day;price\n1.2.2020;3,5\n", "flow.csv").numbers("price").tolist()
    [3.5]
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    text = text if separator else _without_row_ends(text)
    dialect = sniff_dialect(text, source, separator)
    rows, lines = _rows(text, dialect, source)
    if not rows:
        raise DataError(f"{source}: expected rows below the header, got only the header. Export it again.")
    columns, notes = {}, [*notes, *dialect.notes]
    for k, name in enumerate(dialect.names):
        cells = [row[k] for row in rows]
        if not name and _counts_rows(cells[0], cells[1:]):
            notes.append(
                f"column {k + 1}, which counts the rows and has no name, was left out; name it to use it"
            )
        elif name or any(cells):
            columns[name or f"column {k + 1}"] = np.array(cells, dtype=object)
    return Table(
        columns,
        source,
        lambda row: f"{source} row {lines[row]}",
        separator=dialect.separator,
        notes=tuple(notes),
    )


def sniff_dialect(text: str, source: str, separator: str = "") -> Dialect:
    r"""Infer the separator, the header and the first data row from the first lines.

    Comments and titles above the table are left out; a first row that looks like those below it is data,
    not a header.

    Raises:
        DataError: the header has another number of fields than the rows, or a name twice.

    >>> sniff_dialect("day;price\n1.2.2020;3,5\n", "flow.csv")
    Dialect(separator=';', names=('day', 'price'), lines=1, notes=())
    """
    separator = separator or _separator(text)
    rows = _first_rows(text, separator)
    if all(_is_comment(row) for _, row in rows):
        got = "got only comments. Export it again."
        raise DataError(
            f"{source}: expected a header and rows below it, {got}" if rows else _endless_field(source, 1)
        )
    width = _usual_width(rows)[0]
    top = _find_top(rows, width)
    above, (line, first) = rows[:top], rows[top]
    below = [row for _, row in rows[top + 1 :] if len(row) == width]
    titles = [row for _, row in above if not _is_comment(row)]
    notes = [f"{len(above)} line{'' if len(above) == 1 else 's'} above the table left out"] if above else []
    if titles and len(titles[-1]) == width - 1 > 0 and _counts_rows(first[0], [row[0] for row in below]):
        return Dialect(separator, ("", *map(str.strip, titles[-1])), line - 1)  # as R writes names of rows
    if not _is_header(first, below):
        if titles:
            trailing = first[-1].strip() == "" and len(titles[-1]) == width - 1
            raise DataError(_width_fault(source, line, len(titles[-1]), width, trailing=trailing))
        names = tuple(f"column {k + 1}" for k in range(width))
        return Dialect(separator, names, line - 1, (*notes, "the file has no header: columns are numbered"))
    first = [re.sub(r"^<(\w+)>$", r"\1", name.strip()) for name in first]  # <DATE>, as MetaTrader has it
    if n_more := _count_header_rows(below):
        more = [[cell.strip() for cell in row] for row in below[:n_more]]
        first, line = _joined_header(first, more), next(at for at, row in rows if row is below[n_more - 1])
        lines = "line" if n_more == 1 else "lines"
        notes.append(
            f"{n_more} {lines} below the first of the header left out, such as {','.join(more[0])!r}"
        )
    twice = [name for name, n in Counter(first).items() if n > 1 and name]
    if twice:
        raise DataError(
            f"{source} row {line}: expected distinct column names, got {quoted(twice[0])} twice. Rename one."
        )
    return Dialect(separator, tuple(first), line, tuple(notes))


def _find_top(rows: Sequence[tuple[int, list[str]]], width: int) -> int:
    """Find the first row of the usual width that is neither a comment nor a title in one of many cells."""
    wide = [i for i, (_, row) in enumerate(rows) if len(row) == width and not _is_comment(row)]
    full = (i for i in wide if width <= 2 or sum(bool(cell.strip()) for cell in rows[i][1]) > 1)
    return next(full, wide[0])


def _counts_rows(first: str, below: Sequence[str]) -> bool:
    """Return whether cells count the rows, from 0 or 1."""
    return first in {"0", "1"} and all(cell == str(k) for k, cell in enumerate(below, start=int(first) + 1))


def _without_row_ends(text: str) -> str:
    """Break lines at semicolons where these end the rows of a file whose fields commas separate."""
    lines = [line.rstrip() for line in text[:_SAMPLE_CHARACTERS].splitlines()[:_SAMPLE_ROWS] if line.strip()]
    n_ended = sum(line.endswith(";") and line.count(";") == 1 and "," in line for line in lines)
    if not lines or n_ended < _MOST_ENDED * len(lines):
        return text
    return re.sub(r",?[ \t]*;[ \t]*\n?", "\n", text)


def _count_header_rows(below: list[list[str]]) -> int:
    """Count the rows under the first of a header, before dates begin: titles, units, sources."""
    is_dated = [_starts_with_date(row) for row in below[:_MOST_HEADER]]
    count = is_dated.index(True) if True in is_dated else 0
    data = below[count : count + _MOST_HEADER]
    if not count or len(data) < 2 or not all(map(_starts_with_date, data)):
        return 0
    numbers = [k for k in range(1, len(data[0])) if _cell_kind([row[k] for row in data]) == "number"]
    texts = [[row[k] for k in numbers if row[k].strip()] for row in below[:count]]
    say_what = all(any(cell.strip() for cell in row) for row in below[:count])
    is_text = not any(looks_numeric(np.array([cell])) for row in texts for cell in row)
    return count if numbers and is_text and say_what else 0


def _starts_with_date(row: list[str]) -> bool:
    cell = row[0].strip()
    return bool(re.fullmatch(r"\d{4}", cell)) or (
        _COULD_BE_DATE.search(cell) is not None and looks_like_dates(np.array([cell]))
    )


def _joined_header(first: list[str], more: list[list[str]]) -> list[str]:
    """Name columns by a header of several rows: by the last where it begins with the name of a time."""
    last = more[-1]
    if spelt(last[0]) in TIMES and all(last) and len(set(last)) == len(last):
        return last
    names = list(first)
    for row in more:
        if len(set(names[1:])) < len(names) - 1:  # such as Close, Close over AAPL, MSFT
            names[1:] = [f"{name} {cell}".strip() for name, cell in zip(names[1:], row[1:], strict=True)]
    is_name = spelt(last[0]) in TIMES and not any(last[1:])  # of the index, as pandas writes it
    names[0] = last[0] if is_name else names[0] if spelt(names[0]) in TIMES else "date"
    return names


def _separator(text: str) -> str:
    """Find the first candidate that cuts most lines into the same number of fields, two or more."""
    if said := re.match(r"\s*\"?sep=(.)\"?\s*\n", text):
        return said[1]
    shares = {}
    for candidate in (*_SEPARATORS, _SPACES):
        rows = _first_rows(text, candidate)
        width, share = _usual_width(rows)
        shares[candidate] = share if width > 1 else 0.0
        named = [row for _, row in rows if not _is_comment(row)][:1]
        if candidate == _SPACES and not any(width > 2 or len(row) == width for row in named):
            shares[candidate] = 0.0  # a name above numbers whose thousands are spaced
    lines = [line for line in text[:_SAMPLE_CHARACTERS].splitlines()[:_SAMPLE_ROWS] if line.strip()]
    if "," not in lines[0] and all(_DECIMAL_COMMA.fullmatch(line.strip()) for line in lines[1:]):
        shares[","] = 0.0  # one column of numbers with decimal commas
    good = [candidate for candidate, share in shares.items() if share >= 0.8]
    best = good[0] if good else max(_SEPARATORS, key=lambda candidate: shares[candidate])
    return best if shares[best] else _NO_SEPARATOR


def _reader(text: str, separator: str) -> Any:
    """Read the fields of each row; runs of spaces are one separator."""
    lines: Any = io.StringIO(text)
    if separator == _SPACES:
        lines, separator = (x if x[0] == "#" else "\t".join(x.split()) for x in lines), "\t"
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _first_rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Read the first rows that are not blank: the line that each ends on, and its fields."""
    reader = _reader(text[:_SAMPLE_CHARACTERS], separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if (len(row) > 1 or any(field.strip() for field in row)) and not _says_separator(reader, row):
                rows.append((reader.line_num, row))
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:  # such as a field beyond its size limit: not this separator
        return rows
    cut_short = len(text) > _SAMPLE_CHARACTERS and len(rows) <= _SAMPLE_ROWS
    return rows[:-1] if cut_short and len(rows) > 1 else rows


def _is_comment(row: list[str]) -> bool:
    """Return whether a row is a comment; a lone # before other names is the name of a counter."""
    return row[0].startswith("#") and not (row[0] == "#" and len(row) > 1)


def _says_separator(reader: Any, row: list[str]) -> bool:
    """Return whether a row is Excel's `sep=;` above the table."""
    return reader.line_num == 1 and row[0].lower().startswith("sep=")


def _usual_width(rows: list[tuple[int, list[str]]]) -> tuple[int, float]:
    """Find the most common number of fields, and the share of rows that have it, comments aside."""
    widths = Counter(len(row) for _, row in rows if not _is_comment(row))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return width, count / max(widths.total(), 1)


def _is_header(first: list[str], below: list[list[str]]) -> bool:
    """Return whether a row names columns: it holds words, and is of another kind than the rows below it."""
    kinds = [_cell_kind([cell]) for cell in first]
    if _numbers_steps(first, kinds, below):
        return True
    if set(kinds) <= {"number", "date", "empty"}:
        return False
    if set(kinds) <= {"text", "empty"} or not below:
        return True
    under = [_cell_kind([row[k] for row in below[:5]]) for k in range(len(first))]
    return any(
        here != there for here, there in zip(kinds, under, strict=True) if "empty" not in {here, there}
    )


def _numbers_steps(first: list[str], kinds: list[str], below: list[list[str]]) -> bool:
    """Return whether a row runs through steps beside a name: 0, 1, 2, ... as pandas writes them, or years."""
    steps = [k for k, kind in enumerate(kinds) if kind == "number"]
    labels = [k for k, kind in enumerate(kinds) if kind == "text"]
    years = [int(first[k]) for k in steps if re.fullmatch(r"\s*\d{4}\s*", first[k])]
    if 1 < len(years) == len(steps) < len(first) and years == list(range(years[0], years[0] + len(years))):
        return YEARS[0] <= years[0] and not any([row[k] for k in steps] == first for row in below)
    if any(first[k].strip().lower() in _LABELS for k in labels):
        return True
    if (
        len(steps) < 3
        or not labels
        or [first[k].strip() for k in steps] != [str(t) for t in range(len(steps))]
    ):
        return False
    columns = [[row[k] for row in below] for k in labels]
    return all(
        first[k] not in texts and len(set(texts)) < len(texts)
        for k, texts in zip(labels, columns, strict=True)
    )


def _cell_kind(cells: list[str]) -> str:
    texts = np.array(cells, dtype=object)
    if are_missing(texts):
        return "empty"
    if looks_numeric(texts):
        return "number"
    return "date" if _COULD_BE_DATE.search(cells[0]) and looks_like_dates(texts) else "text"


def _rows(text: str, dialect: Dialect, source: str) -> tuple[list[list[str]], list[int]]:
    """Read the rows of data, blank ones aside, and the line of the file that each ends on; the first is 1."""
    reader, width, fault = _reader(text, dialect.separator), len(dialect.names), None
    read: list[list[str]] = []
    ends: list[int] = []
    try:
        if '"' in text:
            for fields in reader:
                read.append(fields)
                ends.append(reader.line_num)
        else:  # each line is a row, and three times as fast
            read.extend(reader)
    except csv.Error as error:
        fault = error
    ends = ends or list(range(1, len(read) + 1))
    kept = [k for k, fields in enumerate(read) if ends[k] > dialect.lines and any(fields)]
    rows, lines = [read[k] for k in kept], [ends[k] for k in kept]
    if set(map(len, rows)) - {width}:
        for fields, line in zip(rows, lines, strict=True):
            if len(fields) > width:
                trailing = not any(field.strip() for field in fields[width:])
                raise DataError(_width_fault(source, line, width, len(fields), trailing=trailing))
            if len(fields) < width and dialect.separator == _SPACES:
                raise DataError(
                    f"{source} row {line}: expected {width} fields parted by spaces, got {len(fields)}, and "
                    "which one is empty cannot be told. Read columns by their places: "
                    f"unrolled.read(pandas.read_fwf({source!r}))."
                )
        rows = [fields + [""] * (width - len(fields)) for fields in rows]
    if fault is not None:
        raise DataError(_endless_field(source, reader.line_num)) from fault
    start = ends[-2] if len(ends) > 1 else 0
    if ends[-1:] > [start + 1] and "\n".join(text.split("\n")[start:]).count('"') % 2:
        raise DataError(
            f"{source} row {start + 1}: expected each quote to be closed, got one that stays open. Close it."
        )
    return rows, lines


def _endless_field(source: str, line: int) -> str:
    most = f"{csv.field_size_limit():,}"
    return (
        f"{source} row {line}: expected fields of at most {most} characters, got a longer one. Shorten it, "
        "or close the quote that stays open."
    )


def _width_fault(source: str, line: int, expected: int, got: int, *, trailing: bool) -> str:
    way = "Quote numbers with a decimal comma, or separate fields with semicolons."
    if trailing:  # the fields too many are empty
        way = "Name that column in the header, or remove the separator at the line's end."
    return (
        f"{source} row {line}: expected {expected} field{'' if expected == 1 else 's'} as in the header, got "
        f"{got}. {way}"
    )
