"""Read word vectors from a text file: a word and its numbers a line, as GloVe and fastText write."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io import files
from unrolled.data.text.decode import decode_lines
from unrolled.errors import DataError
from unrolled.validation import check_path

Floats = NDArray[np.float32]


class WordVectors(NamedTuple):
    """Words and their vectors.

    Args:
        words: P distinct texts.
        vectors: (P, D) float32.
    """

    words: tuple[str, ...]
    vectors: Floats


def read_vectors(path: str | Path, *, needed: Container[str] = (), most: int = 100_000) -> WordVectors:
    r"""Read word vectors: the first of the file, and those of words that are needed.

    Args:
        path: a line a word, then its D numbers, between spaces; a first line with the number of words and D
            may stand above, as word2vec and fastText write it. May be gzipped.
        needed: words whose vectors are kept wherever they stand.
        most: words that are kept from the top of the file, where the frequent ones stand.

    Raises:
        DataError: there is no such file, it is no UTF-8, lines hold different counts of numbers, or something
            that is none; the message names the line.

    >>> _ = Path("two.txt").write_text("2 3\nto 0.1 0.2 0.3\nbe 1 0 -1\n")
    >>> words, vectors = read_vectors("two.txt")
    >>> words, vectors.shape
    (('to', 'be'), (2, 3))
    """
    path = check_path("vectors", path)
    lines = decode_lines(files.read_decompressed(path, expected="a word and its numbers a line"), path)
    start = 1 if _is_header(lines[0]) else 0
    if len(lines) == start:
        raise DataError(f"{path.name}: expected a word and its numbers a line, got none.")
    width = len(lines[start].rstrip().split(" ")) - 1
    kept: dict[str, Floats] = {}
    for k, line in enumerate(lines[start:], start=start):
        word, *numbers = line.rstrip().split(" ")
        if len(numbers) != width:
            raise DataError(
                f"{path.name} line {k + 1}: expected {width} numbers after the word, as in line {start + 1}, "
                f"got {len(numbers)}. Write every vector with the same width."
            )
        if word in kept or (len(kept) >= most and word not in needed):
            continue
        try:
            vector = np.array(numbers, dtype=np.float32)
        except ValueError as fault:
            raise DataError(f"{path.name} line {k + 1}: expected numbers after the word; {fault}.") from fault
        if not np.isfinite(vector).all():
            raise DataError(f"{path.name} line {k + 1}: expected finite numbers, got others. Correct them.")
        kept[word] = vector
    if not width:
        raise DataError(f"{path.name}: expected a word and its numbers a line, got words alone.")
    return WordVectors(tuple(kept), np.stack(list(kept.values())))


def _is_header(line: str) -> bool:
    """Tell whether a line holds the number of words and the width, and no word."""
    parts = line.split()
    return len(parts) == 2 and all(part.isdigit() for part in parts)
