"""Decode the lines of text files as UTF-8, and name the line that is not."""

from __future__ import annotations

from pathlib import Path

from unrolled.errors import DataError

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def decode_lines(content: bytes, path: Path) -> list[str]:
    r"""Decode a file and split it into lines, at line feeds alone; UTF-16 by its mark.

    A file without any, whose lines end as those of an old Mac, is split at carriage returns.

    Raises:
        DataError: a line is no UTF-8; the message names file and line.

    >>> decode_lines("Où?\r\nIci.\n".encode(), Path("talk.txt"))
    ['Où?', 'Ici.']
    """
    text = decode_utf8(content, path)
    lines = text.split("\n" if "\n" in text else "\r")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def decode_utf8(content: bytes, path: Path) -> str:
    r"""Decode a file as UTF-8, or as UTF-16 by its mark; an encoding is never guessed.

    Raises:
        DataError: it is no UTF-8; the message names file and line.

    >>> decode_utf8(b"caf\xe9\n", Path("menu.txt"))
    Traceback (most recent call last):
    unrolled.errors.DataError: menu.txt line 1: expected UTF-8, got byte 0xe9. Convert ...
    """
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise DataError(
            f"{path.name} line {line}: expected UTF-8, got byte {content[fault.start]:#04x}. Convert "
            f"the file: iconv -f latin1 -t utf-8 {path.name}."
        ) from fault
