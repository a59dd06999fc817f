"""Number the lines of a text format that say something."""

from __future__ import annotations

from collections.abc import Iterator


def content_lines(text: str, comments: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    r"""Number the lines of a text from 1, without the space around them; skip blank lines and comments.

    Args:
        text: with line ends of any system; other signs at which `str.splitlines` breaks may lie in a line.
        comments: the signs with which comments begin.

    >>> list(content_lines("% steps\r\n\r\n 1,2\n3,4", ("%",)))
    [(3, '1,2'), (4, '3,4')]
    """
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith(comments):
            yield number, line.strip()
