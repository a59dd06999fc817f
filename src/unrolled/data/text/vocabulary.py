"""Vocabulary: the tokens that a model has learned, each at its position; 0 for all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import Sequences
from unrolled.errors import DataError

Ints = NDArray[np.int64]

UNKNOWN = 0  # position of every token that is not in a vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of the training text, at positions 1 to V; position 0 is for every other.

    Args:
        tokens: V distinct texts, the most frequent first.
        lowercase: whether upper and lower case are one.

    >>> vocabulary = Vocabulary(("be", "to"), lowercase=True)
    >>> len(vocabulary), vocabulary.positions(["To", "be", "bee"]).tolist()
    (3, [2, 1, 0])
    """

    tokens: tuple[str, ...]
    lowercase: bool = False

    @classmethod
    def learn(
        cls, sequences: Sequences, *, min_count: int = 1, max_size: int | None = None, lowercase: bool = False
    ) -> Vocabulary:
        """Take the tokens that occur at least so often, the most frequent first, ties in order of the text.

        Args:
            sequences: tokens of the training text, and of no other.
            min_count: occurrences that a token needs.
            max_size: of the vocabulary.
            lowercase: whether upper and lower case are one.

        Raises:
            DataError: no token occurs so often.

        >>> text = Sequences.from_arrays([[0, 1, 1, 2]], tokens=["to", "be", "Be"])
        >>> Vocabulary.learn(text, min_count=2, lowercase=True).tokens
        ('be',)
        """
        tokens = require_tokens(sequences)
        counts: Counter[str] = Counter()
        occurrences = np.bincount(sequences.values, minlength=len(tokens)).tolist()
        for token, count in zip(tokens, occurrences, strict=True):
            counts[token.lower() if lowercase else token] += count
        frequent = tuple(token for token, count in counts.most_common(max_size) if count >= min_count)
        if not frequent:
            raise DataError(
                f"{sequences.source}: expected a token that occurs at least {min_count} times in the "
                "training text, got none. Give more text, or min_count=1."
            )
        return cls(frequent, lowercase)

    def __len__(self) -> int:
        return len(self.tokens) + 1

    @cached_property
    def _position_of(self) -> dict[str, int]:
        return {token: k for k, token in enumerate(self.tokens, start=1)}

    def positions(self, tokens: Iterable[str]) -> Ints:
        """Return the position of each token, 0 for those that are not in the vocabulary."""
        position_of = self._position_of
        if self.lowercase:
            tokens = (token.lower() for token in tokens)
        return np.array([position_of.get(token, UNKNOWN) for token in tokens], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        return {"tokens": list(self.tokens), "lowercase": self.lowercase}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Vocabulary:
        """Make the vocabulary that `to_dict` described."""
        return cls(tuple(record["tokens"]), record["lowercase"])


def require_tokens(sequences: Sequences) -> Sequence[str]:
    """Return the tokens of sequences of tokens.

    Raises:
        DataError: the sequences hold numbers.
    """
    if sequences.tokens is None:
        raise DataError(f"{sequences.source}: expected sequences of tokens, got numbers. Give texts.")
    return sequences.tokens
