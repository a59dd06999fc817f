"""Codec of a language model: a text to positions in its vocabulary, without loss, and back.

A token that is not in the vocabulary is "unknown", and its characters are spelled, so that every text has a
probability and costs a number of bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.tokenizer import Tokenizer, Unit
from unrolled.data.text.vocabulary import UNKNOWN, Vocabulary
from unrolled.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

END = 1  # position of the piece "", which begins every document, and ends each where there are several
_END_PIECE = ""
CODE_POINTS = 0x110000  # of Unicode
_MIN_COUNT = 2  # occurrences: pieces seen once teach what an unknown one is


@dataclass(frozen=True)
class SpellingModel:
    """Model of how unknown pieces are spelled: characters one by one, and an end.

        p(s) = p(s_1) ... p(s_k) p(end)
        p(c) = (n_c + D / 1,114,112) / (N + D)      n_c occurrences of N characters and ends, D distinct ones

    so that a character never seen has what D novelties in N draws leave, shared by all of Unicode.

    Source: Witten and Bell (1991), method C, of order 0.

    Args:
        counts: occurrences of each character in the distinct pieces of the training text.
        n_ends: how many these pieces are.

    >>> spelling = SpellingModel.learn(["ab", "a"])
    >>> round(spelling.nats("a"), 2), round(spelling.nats("é"), 2)
    (2.77, 16.29)
    """

    counts: Mapping[str, int]
    n_ends: int

    @classmethod
    def learn(cls, pieces: Iterable[str]) -> SpellingModel:
        """Count the characters of distinct pieces."""
        distinct = list(pieces)
        return cls(dict(Counter(c for piece in distinct for c in piece)), len(distinct))

    def nats(self, piece: str) -> float:
        """Compute -log p of a piece."""
        return self._end_nats + sum(self._nats_of.get(c, self._unseen_nats) for c in piece)

    @cached_property
    def _total(self) -> int:
        return sum(self.counts.values()) + self.n_ends + self._n_distinct

    @cached_property
    def _n_distinct(self) -> int:
        return len(self.counts) + 1

    @cached_property
    def _end_nats(self) -> float:
        return -math.log((self.n_ends + self._n_distinct / CODE_POINTS) / self._total)

    @cached_property
    def _unseen_nats(self) -> float:
        return -math.log(self._n_distinct / CODE_POINTS / self._total)

    @cached_property
    def _nats_of(self) -> dict[str, float]:
        share = self._n_distinct / CODE_POINTS
        return {c: -math.log((count + share) / self._total) for c, count in self.counts.items()}


class EncodedText(NamedTuple):
    """Text as positions in a vocabulary.

    Args:
        positions: (T,) int64.
        spelling_nats: (T,) what the spelling of each unknown piece costs, 0 for the others.
        n_characters: of the text in NFC.
        unknown: the pieces that are not in the vocabulary, each once, in order.
    """

    positions: Ints
    spelling_nats: Floats
    n_characters: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class LanguageCodec:
    r"""Cut texts into pieces, and look them up in the vocabulary of a training text.

    Position 0 is any unknown piece, position 1 the end of a document.

    Args:
        tokenizer: of texts.
        vocabulary: of pieces, the end "" first.
        spelling: of unknown pieces.

    >>> codec = LanguageCodec.learn(["to be or not to be"], "char")
    >>> encoded = codec.encode("tóot")
    >>> encoded.positions.tolist(), encoded.unknown, codec.decode(encoded.positions)
    ([4, 0, 3, 4], ('ó',), 't\ufffdot')
    """

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    spelling: SpellingModel

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        unit: Unit,
        *,
        min_count: int | None = None,
        max_size: int | None = None,
    ) -> LanguageCodec:
        """Learn tokenizer, vocabulary and spelling from the training texts.

        Args:
            texts: documents.
            unit: "char", "word" or a number of subwords, all of which are in the vocabulary.
            min_count: occurrences that a piece needs to be in the vocabulary; None for 2, or 1 where no piece
                has 2.
            max_size: of the vocabulary, the unknown and the end not counted; the most frequent are taken.

        Raises:
            ArgumentError: there is no such unit.
            DataError: no piece occurs `min_count` times, or the texts have fewer subwords.
            MissingDependencyError: subwords need tokenizers, and it is not installed.
        """
        tokenizer = Tokenizer.learn(unit, texts)
        if tokenizer.subwords:
            pieces: tuple[str, ...] = tokenizer.subwords
            return cls(tokenizer, Vocabulary((_END_PIECE, *pieces)), SpellingModel.learn(pieces))
        counts = Counter(piece for text in texts for piece in tokenizer.pieces(text))
        usual = min(_MIN_COUNT, max(counts.values(), default=1))
        least = usual if min_count is None else min_count
        pieces = tuple(piece for piece, count in counts.most_common(max_size) if count >= least)
        if not pieces:
            raise DataError(
                f"min_count: expected a {unit} that occurs at least {least} times in the training text, got "
                "none. Give more text, or min_count=1."
            )
        return cls(tokenizer, Vocabulary((_END_PIECE, *pieces)), SpellingModel.learn(counts))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> EncodedText:
        """Look up the pieces of a text."""
        pieces = self.tokenizer.pieces(text)
        positions = self.vocabulary.positions(pieces)
        spelling_nats = np.zeros(len(pieces))
        unknown: dict[str, float] = {}
        for place in np.flatnonzero(positions == UNKNOWN).tolist():
            piece = pieces[place]
            if piece not in unknown:
                unknown[piece] = self.spelling.nats(piece)
            spelling_nats[place] = unknown[piece]
        if isinstance(self.tokenizer.unit, str):
            n_characters = sum(map(len, pieces))
        else:
            n_characters = len(self.tokenizer.join(pieces))
        return EncodedText(positions, spelling_nats, n_characters, tuple(unknown))

    def decode(self, positions: Iterable[int]) -> str:
        """Join the pieces at some positions; an unknown one is U+FFFD, an end nothing."""
        return self.tokenizer.join(self.piece(int(position)) for position in positions)

    def piece(self, position: int) -> str:
        """Return the piece at a position; U+FFFD for an unknown one."""
        return "\ufffd" if position == UNKNOWN else self.vocabulary.tokens[position - 1]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
            "spelling": {"counts": dict(self.spelling.counts), "n_ends": self.spelling.n_ends},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LanguageCodec:
        """Make the codec that `to_dict` described."""
        return cls(
            Tokenizer.from_dict(record["tokenizer"]),
            Vocabulary.from_dict(record["vocabulary"]),
            SpellingModel(**record["spelling"]),
        )
