"""Encoder of tokens: what the embedding looks up for each distinct token of some texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.ngrams import ngram_buckets, shape_bucket
from unrolled.data.text.vocabulary import UNKNOWN, Vocabulary

Ints = NDArray[np.int64]

NO_VECTOR = 0  # row of the user's vectors that is zero


class TokenBatch(NamedTuple):
    """Tokens of a batch: what to look up for each distinct one, and where each stands.

    Shapes: B rows, T steps of the longest, U distinct tokens, G n-grams of all of them.
    """

    places: Tensor  # (B, T) positions among the distinct tokens; padding is a token of its own
    words: Tensor  # (U,) positions in the vocabulary, 0 for those not in it
    ngrams: Tensor  # (G,) buckets of their character n-grams, one token after the other
    ngram_offsets: Tensor  # (U + 1,) where those of each token begin
    vectors: Tensor  # (U,) rows of the user's vectors, 0 for those without


class TokenTable(NamedTuple):
    """Table of what to look up for each of V distinct tokens; the last row is padding, which has nothing."""

    words: Tensor  # (V + 1,)
    ngrams: Tensor  # (ΣG,)
    ngram_offsets: Tensor  # (V + 2,)
    vectors: Tensor  # (V + 1,)

    def batch(self, tokens: Tensor) -> TokenBatch:
        """Collect what a batch of tokens (B, T) looks up, each distinct one once."""
        distinct, places = torch.unique(tokens, return_inverse=True)
        starts = self.ngram_offsets[distinct]
        counts = self.ngram_offsets[distinct + 1] - starts
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        steps = torch.arange(int(offsets[-1]), device=tokens.device)
        rows = steps + (starts - offsets[:-1]).repeat_interleave(counts)
        return TokenBatch(places, self.words[distinct], self.ngrams[rows], offsets, self.vectors[distinct])

    def to(self, device: str) -> TokenTable:
        """Move all of it to a device."""
        return TokenTable(*(part.to(device) for part in self))


@dataclass(frozen=True)
class TokenEncoder:
    """Map tokens to what an embedding looks up: a word, character n-grams and the shape, the user's vector.

    Args:
        vocabulary: learned on the training text.
        n_buckets: of hashed character n-grams and shapes; 0 for none.
        shortest: characters of the shortest n-gram.
        longest: of the longest.
        affixes: whether only n-grams at the ends of a word count.
        vector_words: words that the user's vectors have, in the order of their rows from 1 on.

    >>> encoder = TokenEncoder(Vocabulary(("fair",)), n_buckets=64)
    >>> table = encoder.table(["fair", "unfair"])
    >>> table.words.tolist(), table.ngram_offsets.tolist()
    ([1, 0, 0], [0, 10, 26, 26])
    """

    vocabulary: Vocabulary
    n_buckets: int = 0
    shortest: int = 3
    longest: int = 5
    affixes: bool = False
    vector_words: tuple[str, ...] = ()

    def table(self, tokens: Sequence[str]) -> TokenTable:
        """Look up V distinct tokens."""
        words = np.append(self._positions(tokens), 0)
        bags: list[list[int]] = [[] for _ in tokens]
        if self.n_buckets:
            bags = [[*self._ngrams(token), shape_bucket(token, self.n_buckets)] for token in tokens]
        offsets = np.cumsum([0, *map(len, bags), 0])
        row_of = {word: k for k, word in enumerate(self.vector_words, start=1)}
        vectors = [row_of.get(token) or row_of.get(token.lower(), NO_VECTOR) for token in tokens]
        return TokenTable(
            torch.from_numpy(words),
            torch.tensor([bucket for bag in bags for bucket in bag], dtype=torch.int64),
            torch.from_numpy(offsets),
            torch.tensor([*vectors, NO_VECTOR], dtype=torch.int64),
        )

    def _positions(self, tokens: Sequence[str]) -> Ints:
        """Look up words; one that is unknown as it is may be known behind a space, as in language models."""
        words = self.vocabulary.positions(tokens)
        unknown = np.flatnonzero(words == UNKNOWN).tolist()
        words[unknown] = self.vocabulary.positions([f" {tokens[k]}" for k in unknown])
        return words

    def _ngrams(self, token: str) -> list[int]:
        lengths = {"shortest": self.shortest, "longest": self.longest}
        return ngram_buckets(token, self.n_buckets, affixes=self.affixes, **lengths)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        return {**vars(self), "vocabulary": self.vocabulary.to_dict(), "vector_words": [*self.vector_words]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TokenEncoder:
        """Make the encoder that `to_dict` described."""
        vocabulary = Vocabulary.from_dict(record["vocabulary"])
        return cls(**{**record, "vocabulary": vocabulary, "vector_words": tuple(record["vector_words"])})
