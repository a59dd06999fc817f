"""Character n-grams of words, hashed: what a word never seen shares with those that were."""

from __future__ import annotations

import re
from zlib import crc32

_REPEATED = re.compile(r"(.)\1+")


def ngram_buckets(
    word: str, buckets: int, *, shortest: int = 3, longest: int = 5, affixes: bool = False
) -> list[int]:
    """Hash the character n-grams of a word in small letters, its ends marked, into so many buckets.

    Source: Bojanowski et al., Enriching Word Vectors with Subword Information (2017), with CRC-32 of the
    UTF-8 bytes for its hash: the same on every machine.

    Args:
        word: any text.
        buckets: how many there are.
        shortest: characters of the shortest n-gram, the marks "<" and ">" of the ends counted.
        longest: of the longest.
        affixes: whether only n-grams at the ends of the word count: its prefixes and suffixes.

    >>> len(ngram_buckets("where", 1 << 14, shortest=3, longest=3))  # <wh, whe, her, ere, re>
    5
    >>> shared = set(ngram_buckets("unfair", 1 << 14)) & set(ngram_buckets("unfairly", 1 << 14))
    >>> len(shared)
    12
    """
    marked = f"<{word.lower()}>"
    pieces = [
        marked[start : start + n]
        for n in range(shortest, min(longest, len(marked)) + 1)
        for start in range(0, len(marked) - n + 1, max(1, len(marked) - n) if affixes else 1)
    ]
    return [crc32(piece.encode("utf-8", "surrogatepass")) % buckets for piece in pieces]


def shape_bucket(word: str, buckets: int) -> int:
    """Hash the shape of a word: capitals X, other letters x, digits d, signs as they are, repeats once.

    >>> shape_bucket("iPhone13", 1 << 14) == shape_bucket("aBcd2", 1 << 14)  # xXxd
    True
    """
    shape = "".join(map(_kind, word))
    return crc32(("\0" + _REPEATED.sub(r"\1", shape)).encode("utf-8", "surrogatepass")) % buckets


def _kind(letter: str) -> str:
    if letter.isalpha():
        return "X" if letter.isupper() else "x"
    return "d" if letter.isdigit() else letter
