"""Tables with a column of texts or of paths: their first rows, and the cells of that column."""

from __future__ import annotations

from pathlib import Path

from unrolled.data.io import files
from unrolled.data.io.formats import FORMATS
from unrolled.data.parse.numbers import quoted
from unrolled.data.parse.table import Table
from unrolled.errors import DataError
from unrolled.validation import check_path

_HEAD = 1 << 20  # bytes of a file that tell what it holds


def read_table_head(path: str | Path) -> Table | None:
    """Read the first rows of a table, to tell what it holds; None for no table, and standard input."""
    path = check_path("path", path)
    if path.name == files.STDIN:
        return None
    try:
        content = files.read_decompressed(path, expected="some text")
        if len(content) > _HEAD and is_text_content(content):
            content = content[: content.rfind(b"\n", 0, _HEAD) + 1]
        return files.parse_table(content, path)
    except DataError:  # whoever reads it says what is wrong
        return None


def is_text_content(content: bytes) -> bool:
    """Tell whether the content of a file is text, not a format of bytes such as Parquet.

    >>> is_text_content(b"a,b"), is_text_content(b"PAR1")
    (True, False)
    """
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return not any(start.startswith(magic) for magic, _ in FORMATS)


def column_texts(table: Table, column: str) -> list[str]:
    """Return the texts of a column.

    Raises:
        DataError: one is missing or empty; the message names its row.
    """
    texts: list[str] = table.columns[column].tolist()
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            is_none = text is None or text != text  # noqa: PLR0124 (NaN)
            got = "nothing" if is_none else quoted(text)
            raise DataError(
                f"{table.place(row)}, column {column!r}: expected a text, got {got}. Write one there, or "
                "remove that row."
            )
        if not text.strip():
            raise DataError(
                f"{table.place(row)}, column {column!r}: expected a text, got nothing. Write one there, or "
                "remove that row."
            )
    return texts
