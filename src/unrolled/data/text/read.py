"""Read texts, and the label of each, from files: a line a document, or a table with a column of texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io import files
from unrolled.data.io.labelled_table import LabelledColumnSpec, read_labels
from unrolled.data.io.text_tables import column_texts, is_text_content, read_table_head
from unrolled.data.parse.table import Table
from unrolled.data.text.decode import decode_lines, decode_utf8
from unrolled.errors import DataError
from unrolled.formatting import quoted_list
from unrolled.validation import check_path

Array = NDArray[Any]

TEXT_NAMES = (
    "text", "texts", "sentence", "review", "comment", "document", "message", "body", "content", "tweet",
    "title", "question", "utterance", "abstract", "description", "headline", "post",
)  # fmt: skip
_LABEL_NAMES = ("sentiment", "category", "topic", "intent", "polarity", "stars", "rating", "tag", "kind")
_LINES = (".txt", ".text")
_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|zip)$", re.IGNORECASE)
_SAMPLE = 200  # rows
_MIN_WORDS = 3  # on average, of a column of texts without such a name


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Texts, and what stands beside each.

    Args:
        texts: N strings.
        labels: (N,) int64, float64 or texts; None where the file has none.
        source: the file, for messages.
        column: of the texts; empty where a line is a document.
    """

    texts: list[str]
    labels: Array | None
    source: str
    column: str = ""

    def __len__(self) -> int:
        return len(self.texts)


def read_texts(path: str | Path, *, text: str | None = None, label: str | None = None) -> LabelledTexts:
    r"""Read the texts in a file, and their labels.

    Args:
        path: a `.txt` file, a line a document, empty lines left out; or a table, CSV, Parquet or any other
            that `read` takes, a row a document. Files of text are UTF-8.
        text: the column of texts; else one called text, review, sentence or the like, or the one with the
            most words.
        label: the column of labels; else label, class, target, y, sentiment, category or the like, or the
            only other column.

    Raises:
        DataError: the file cannot be read, is no UTF-8, or a text or label is missing; the message names the
            line or row.

    >>> Path("reviews.csv").write_text("review,label\nwarm and funny,1\n\"dull, long\",0\n")
    45
    >>> read = read_texts("reviews.csv")
    >>> read.texts, read.labels.tolist(), read.column
    (['warm and funny', 'dull, long'], [1, 0], 'review')
    """
    path = check_path("read_texts path", path)
    content = files.read_decompressed(path, expected="some text")
    if text is None and label is None and is_text_file(path):
        lines = [line for line in decode_lines(content, path) if line.strip()]
        return LabelledTexts(lines, None, path.name)
    table = parse_text_table(content, path)
    column = table.require_column(text, "text") if text is not None else find_text_column(table)
    if column is None:
        raise DataError(
            f"{path.name}: expected a column of texts, got {quoted_list(list(table.columns))}. Name it with "
            "text=."
        )
    return LabelledTexts(column_texts(table, column), _labels(table, column, label), path.name, column)


def is_text_file(path: str | Path) -> bool:
    """Tell whether a file is plain text by its name, compressed or not.

    >>> is_text_file("book.txt.gz"), is_text_file("reviews.csv")
    (True, False)
    """
    return uncompressed_name(path).endswith(_LINES)


def uncompressed_name(path: str | Path) -> str:
    """Return the name of a file in lower case, without the suffix of its compression.

    >>> uncompressed_name("texts/Pairs.CSV.gz")
    'pairs.csv'
    """
    return _COMPRESSED.sub("", Path(path).name).lower()


def read_running_text(path: str | Path) -> str:
    r"""Read a file of text, UTF-8, compressed or not, as one string; line ends become line feeds.

    Raises:
        DataError: the file cannot be read, is empty, or is no UTF-8; the message names the line.

    >>> _ = Path("book.txt").write_bytes(b"Call me\r\nIshmael.\n")
    >>> read_running_text("book.txt")
    'Call me\nIshmael.\n'
    """
    path = check_path("path", path)
    text = decode_utf8(files.read_decompressed(path, expected="some text"), path)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def holds_texts(path: str | Path) -> bool:
    """Tell whether a file is a table with a column of texts, from its beginning.

    False for what is no table, and for standard input, which can be read once only.
    """
    table = read_table_head(path)
    return table is not None and find_text_column(table) is not None


def find_text_column(table: Table) -> str | None:
    """Find the column of texts: by its name, or by many words in distinct cells; None where there is none.

    >>> cells = np.array(["so warm and funny", "a dull film"], dtype=object)
    >>> columns = {"id": np.array([1, 2]), "said": cells, "kind": np.array(["x", "y"], dtype=object)}
    >>> find_text_column(Table(columns, "t.csv", str))
    'said'
    """
    names = [name for name in table.columns if table.kinds[name] == "text"]
    words = {name: mean_words(table.columns[name]) for name in names}
    usual = [name for name in names if name.strip().lower() in TEXT_NAMES and words[name] > 1]
    many = [name for name in names if words[name] >= _MIN_WORDS and _are_distinct(table.columns[name])]
    candidates = usual or many
    return max(candidates, key=lambda name: words[name]) if candidates else None


def parse_text_table(content: bytes, path: Path) -> Table:
    """Parse a table; one of text must be UTF-8, whose letters are not guessed."""
    if is_text_content(content):
        decode_utf8(content, path)
    return files.parse_table(content, path)


def _sample(cells: Array) -> list[str]:
    return [cell for cell in cells[:: max(1, len(cells) // _SAMPLE)] if isinstance(cell, str)]


def mean_words(cells: Array) -> float:
    """Return the mean number of words of some cells of a column; 0 where none is a text."""
    sample = _sample(cells)
    return float(np.mean([len(cell.split()) for cell in sample])) if sample else 0.0


def _are_distinct(cells: Array) -> bool:
    """Tell whether at least half of the cells are like no other, as labels of several words are not."""
    sample = _sample(cells)
    return 2 * len(set(sample)) >= len(sample)


def _labels(table: Table, column: str, label: str | None) -> Array | None:
    others = {name: cells for name, cells in table.columns.items() if name != column}
    if label is not None:
        table.require_column(label, "label")
    elif len(others) == 1:
        label = next(iter(others))
    else:
        label = next((name for name in others if name.strip().lower() in _LABEL_NAMES), None)
    if not others:
        return None
    return read_labels(replace(table, columns=others), LabelledColumnSpec(label))
