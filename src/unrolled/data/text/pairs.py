"""Pairs of texts, a source and its target: from lists, from a table with two columns, or from two files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.io import files
from unrolled.data.io.text_tables import column_texts
from unrolled.data.parse.table import Table
from unrolled.data.text.decode import decode_lines
from unrolled.data.text.documents import as_strings
from unrolled.data.text.read import (
    find_text_column,
    mean_words,
    parse_text_table,
    uncompressed_name,
)
from unrolled.errors import DataError
from unrolled.formatting import quoted_list
from unrolled.validation import check_path

_TABLES = (
    ".csv", ".tsv", ".tab", ".parquet", ".pq", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson",
    ".feather", ".arrow", ".db", ".sqlite",
)  # fmt: skip
_SOURCE_NAMES = ("source", "src", "input", "original", "from", "question")
_TARGET_NAMES = ("target", "tgt", "output", "translation", "to", "answer")


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Texts, and what each is to become.

    Args:
        sources: N strings.
        targets: N strings.
        source: the file, for messages.
        columns: of the sources and of the targets; empty where they are lines of two files.
    """

    sources: list[str]
    targets: list[str]
    source: str
    columns: tuple[str, str] = ("", "")

    def __len__(self) -> int:
        return len(self.sources)


def as_sources(X: Any, *, who: str = "texts") -> list[str]:
    """Validate texts: N strings, none of them empty.

    Raises:
        DataError: there is none, one is missing, empty or no string; the message names its position.

    >>> as_sources(["a dog", " "])
    Traceback (most recent call last):
    unrolled.errors.DataError: texts, position 1: expected a text, got ' ', ...
    """
    texts = as_strings(X, who=who)
    for i, text in enumerate(texts):
        if not text.strip():
            got = "an empty one" if not text else f"{text[:20]!r}, which has no word"
            raise DataError(
                f"{who}, position {i}: expected a text, got {got}. Leave it out, or write something there."
            )
    return texts


def as_pairs(X: Any, y: Any, *, who: str) -> tuple[list[str], list[str]]:
    """Validate texts X and their targets y, as many and none of them empty.

    Raises:
        DataError: X or y cannot be used as they are, or differ in number.

    >>> as_pairs(["ein Hund"], ["a dog", "a cat"], who="Translator")
    Traceback (most recent call last):
    unrolled.errors.DataError: Translator y: expected 1 text, as many as X has, got 2. ...
    """
    sources, targets = as_sources(X, who=f"{who} X"), as_sources(y, who=f"{who} y")
    if len(sources) != len(targets):
        noun = "text" if len(sources) == 1 else "texts"
        raise DataError(
            f"{who} y: expected {len(sources):,} {noun}, as many as X has, got {len(targets):,}. Give each "
            "source one target, in the same order."
        )
    return sources, targets


def read_pairs(
    path: str | Path, targets: str | Path | None = None, *, source: str | None = None,
    target: str | None = None,
) -> TextPairs:  # fmt: skip
    r"""Read sources and targets from a table with two columns of texts, or from two files, line by line.

    Args:
        path: a table, CSV, TSV, Parquet or any other that `read` takes, a row a pair; or, beside `targets`, a
            text file with a source a line. Files of text are UTF-8.
        targets: a text file with the target of each line of `path`; None for a table.
        source: the column of sources; else one called source, src or the like, or the first of two columns
            of texts.
        target: the column of targets; else one called target, tgt, translation or the like, or the second.

    Raises:
        DataError: a file cannot be read, is no UTF-8, a text is missing, or the files differ in length; the
            message names the line or row.

    >>> Path("pairs.csv").write_text("de,en\nein Hund rennt,a dog runs\neine Katze,a cat\n")
    49
    >>> pairs = read_pairs("pairs.csv")
    >>> pairs.targets, pairs.columns
    (['a dog runs', 'a cat'], ('de', 'en'))
    """
    path = check_path("read_pairs path", path)
    if targets is not None:
        return _line_pairs(path, check_path("read_pairs targets", targets), source, target)
    table = parse_text_table(files.read_decompressed(path), path)
    if table.separator.isspace() and table.separator != "\t":  # words of lines, no fields
        raise DataError(
            f"{path.name}: expected a table of sources and targets, got lines of text. Name the file "
            "with the target of each line too."
        )
    columns = _pair_columns(table, source, target)
    sources, targets_ = (column_texts(table, column) for column in columns)
    return TextPairs(sources, targets_, path.name, columns)


def read_sources(path: str | Path, *, source: str | None = None) -> list[str]:
    r"""Read texts that are to be translated: a column of a table, or the lines of a text file.

    Args:
        path: a table by its suffix (.csv, .tsv, .parquet, ..); any other file holds a text a line, and "-"
            is standard input. Empty lines of a text stay empty.
        source: the column; else one called source, src or the like, or the one with the most words.

    Raises:
        DataError: the file cannot be read, is no UTF-8, or has no such column.

    >>> Path("letter.txt").write_text("ein Hund\n\neine Katze\n")
    21
    >>> read_sources("letter.txt")
    ['ein Hund', '', 'eine Katze']
    """
    path = check_path("read_sources path", path)
    content = files.read_decompressed(path, expected="some text")
    if source is None and not uncompressed_name(path).endswith(_TABLES):
        return [line.strip() for line in decode_lines(content, path)]
    table = parse_text_table(content, path)
    if source is not None:
        return column_texts(table, table.require_column(source, "source"))
    usual = [name for name in table.columns if name.strip().lower() in _SOURCE_NAMES]
    column = usual[0] if usual else find_text_column(table)
    if column is None:
        raise DataError(
            f"{path.name}: expected a column of texts, got {quoted_list(list(table.columns))}. Name it with "
            "source=."
        )
    return column_texts(table, column)


def _line_pairs(path: Path, targets: Path, source: str | None, target: str | None) -> TextPairs:
    if source is not None or target is not None:
        raise DataError(
            f"{path.name}: two files of lines have no columns, got {source or target!r}. Leave the names of "
            "columns out, or give one table."
        )
    sides = []
    for file in (path, targets):
        lines = decode_lines(files.read_decompressed(file, expected="some text"), file)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise DataError(
                    f"{file.name} line {number}: expected a text, got nothing. Write one there, or remove "
                    "that line from both files."
                )
        sides.append([line.strip() for line in lines])
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{targets.name}: expected {len(sides[0]):,} lines, as many as {path.name} has, got "
            f"{len(sides[1]):,}. Give each source one target, in the same order."
        )
    return TextPairs(sides[0], sides[1], path.name)


def _pair_columns(table: Table, source: str | None, target: str | None) -> tuple[str, str]:
    """Find the columns of sources and of targets."""
    named = [
        None if name is None else table.require_column(name, role)
        for name, role in ((source, "source"), (target, "target"))
    ]
    texts = [name for name in table.columns if table.kinds[name] == "text" and name not in named]
    for k, usual in enumerate((_SOURCE_NAMES, _TARGET_NAMES)):
        if named[k] is None:
            named[k] = next((name for name in texts if name.strip().lower() in usual), None)
            texts = [name for name in texts if name != named[k]]
    missing = named.count(None)
    if len(texts) > missing:  # those with the most words, in the order of the table
        longest = sorted(texts, key=lambda name: -mean_words(table.columns[name]))[:missing]
        texts = [name for name in texts if name in longest]
    if len(texts) < missing:
        raise DataError(
            f"{table.source}: expected two columns of texts, sources and targets, got "
            f"{quoted_list(list(table.columns))}. Name them with source= and target=."
        )
    if source is not None and source == target:
        raise DataError(f"{table.source}: expected two columns, got {source!r} twice. Name another.")
    columns = [texts.pop(0) if name is None else name for name in named]
    return columns[0], columns[1]
