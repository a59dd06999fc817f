"""Output streams that may be closed or lack letters, and text without control characters."""

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ASCII = str.maketrans({"−": "-", "–": "-", "…": ".", "’": "'", "\u00a0": " "})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_MOST_CHARACTERS = 60  # of one line


def prepare_streams() -> None:
    """Let every print succeed: into nothing where a stream is closed, with "?" for a letter it has not."""
    codecs.register_error("unrolled", _nearest_letters)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by `>&-`
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (kept to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="unrolled")


def _nearest_letters(fault: UnicodeError) -> tuple[str, int]:
    """Replace letters that the encoding lacks by ASCII ones or "?"; a minus stays a minus."""
    assert isinstance(fault, UnicodeEncodeError)
    text = fault.object[fault.start : fault.end].translate(_ASCII)
    return "".join(letter if letter.isascii() else "?" for letter in text), fault.end


@contextmanager
def status_line(text: str) -> Iterator[None]:
    """Show on a terminal what is under way before there is any progress to show, and remove it after."""
    shown = one_line(text) if sys.stderr.isatty() else ""
    sys.stderr.write(shown)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r" + " " * len(shown) + "\r" if shown else "")
        sys.stderr.flush()


def printable(text: object) -> str:
    r"""Remove control characters, which would command a terminal; keep line breaks.

    >>> printable("a\x1b[31mb\nc")
    'a[31mb\nc'
    """
    return _CONTROL.sub("", str(text))


def one_line(text: str) -> str:
    r"""Join lines and cut the text to 60 characters.

    >>> one_line("north\nsouth"), len(one_line("x" * 1000))
    ('north south', 60)
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…"
