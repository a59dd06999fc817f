"""Text files are UTF-8, or UTF-16 by their mark; an encoding is never guessed."""

from pathlib import Path

import pytest

from unrolled.data.text.decode import decode_lines
from unrolled.errors import DataError

PATH = Path("talk.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_end_at_line_feeds_alone(encoding: str) -> None:
    """A text may hold the other signs that Python counts as ends of lines."""
    assert decode_lines("né\u2028x\x0b\r\n\nb".encode(encoding), PATH) == ["né\u2028x\x0b", "", "b"]


def test_lines_of_an_old_mac_end_at_carriage_returns() -> None:
    """Where there is a line feed, a carriage return is a character."""
    assert decode_lines(b"a b\rc\r", Path("t.txt")) == ["a b", "c"]
    assert decode_lines(b"a\rb\nc\n", Path("t.txt")) == ["a\rb", "c"]


def test_the_line_that_is_no_utf8_is_named() -> None:
    """With its file and the byte."""
    with pytest.raises(DataError, match=r"talk.txt line 3: expected UTF-8, got byte 0xfc"):
        decode_lines(b"a\nb\nM\xfcnchen\n", PATH)
