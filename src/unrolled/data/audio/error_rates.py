"""Word and character error rates of texts beside their references."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.formatting import percent, quantity
from unrolled.record import Record

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorRates(Record):
    """Errors of texts beside their references: the fewest substitutions, deletions and insertions.

    Args:
        word_error_rate: errors of words over the words of the references; more than 1 where much is inserted.
        character_error_rate: likewise of characters, a space between words being one.
        n_words: of the references.
        n_characters: of the references.
        n_texts: how many there are.
        n_right: texts without an error.
    """

    kind: ClassVar[str] = "error rates"

    word_error_rate: float
    character_error_rate: float
    n_words: int
    n_characters: int
    n_texts: int
    n_right: int

    @property
    def sentence(self) -> str:
        """Rates of words and of characters in one sentence."""
        return (
            f"Word error rate {percent(self.word_error_rate)}, character error rate "
            f"{percent(self.character_error_rate)} on {quantity(self.n_texts, 'text')}, "
            f"{self.n_right:,} without an error."
        )

    def __str__(self) -> str:
        return self.sentence


def error_rates(hypotheses: Sequence[str], references: Sequence[str]) -> ErrorRates:
    """Compute the error rates of texts beside their references.

    >>> error_rates(["one too", "three"], ["one two", "three"]).sentence
    'Word error rate 33 %, character error rate 8.3 % on 2 texts, 1 without an error.'
    """
    counts = error_counts(hypotheses, references)
    word_errors, n_words, character_errors, n_characters = counts.sum(0).astype(int).tolist()
    return ErrorRates(
        word_errors / max(n_words, 1),
        character_errors / max(n_characters, 1),
        n_words,
        n_characters,
        len(counts),
        int((counts[:, 2] == 0).sum()),
    )


def error_counts(hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    """Count the errors of each text: (N, 4) word errors, words, character errors and characters.

    White space in rows counts as one space, that at the ends as nothing; characters are those of NFC.

    >>> error_counts(["a cut"], ["a cat"]).tolist()
    [[1.0, 2.0, 1.0, 5.0]]
    """
    rows = np.empty((len(references), 4))
    for row, pair in zip(rows, zip(hypotheses, references, strict=True), strict=True):
        written, true = (unicodedata.normalize("NFC", text).split() for text in pair)
        characters = list(" ".join(written)), list(" ".join(true))
        row[:] = edit_distance(written, true), len(true), edit_distance(*characters), len(characters[1])
    return rows


def edit_distance(written: Sequence[str], true: Sequence[str]) -> int:
    """Count the fewest substitutions, deletions and insertions that make one list of tokens of another.

        d_ij = min(d_{i-1,j-1} + [w_i != t_j], d_{i-1,j} + 1, d_{i,j-1} + 1)

    a row at a time; the last term is a running minimum of d_ik - k.

    Source: Wagner and Fischer, The String-to-String Correction Problem (1974).

    >>> edit_distance("kitten", "sitting"), edit_distance([], "abc")
    (3, 3)
    """
    number_of: dict[str, int] = {}
    columns = np.array([number_of.setdefault(token, len(number_of)) for token in true], dtype=np.int64)
    places = np.arange(len(true) + 1)
    row = places.copy()
    for i, token in enumerate(written, start=1):
        new = np.empty_like(row)
        new[0] = i
        differs = columns != number_of.get(token, -1)
        np.minimum(row[:-1] + differs, row[1:] + 1, out=new[1:])
        row = np.minimum.accumulate(new - places) + places
    return int(row[-1])
