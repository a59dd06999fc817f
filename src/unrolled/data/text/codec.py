"""Codec of texts: from a text to numbers of tokens and back, so that a network can write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.tokenizer import Tokenizer, Unit
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.errors import DataError

Ints = NDArray[np.int64]

CODEC_UNITS = ("subword", "word", "char")
USUAL_SIZE = 6000  # of a vocabulary, where none is given


@dataclass(frozen=True)
class TextCodec:
    """Write texts as numbers of tokens, and read them again.

    Every token holds the space before it, so that joined tokens are a text; runs of white space become one
    space, and those at the ends are left out. Position 0 is for tokens that are not in the vocabulary, `end`
    for the end of a text.

    Args:
        tokenizer: cuts texts into subwords, words or characters.
        vocabulary: of the training text.

    >>> codec = TextCodec.learn("word", ["a dog runs.", "a cat sleeps."])
    >>> codec.encode("a  cat  runs.").tolist(), codec.decode([1, 3, 2])
    ([1, 5, 4, 2], 'a dog.')
    """

    tokenizer: Tokenizer
    vocabulary: Vocabulary

    @classmethod
    def learn(cls, unit: str, texts: Sequence[str], *, size: int | None = None) -> TextCodec:
        """Learn the tokens of the training text.

        Args:
            unit: "subword", "word" or "char".
            texts: of the training, and of no other.
            size: of the vocabulary: so many subwords, or the most frequent words or characters; None for
                6,000, or where there are fewer for all, of subwords for those that occur twice.

        Raises:
            ArgumentError: fewer subwords than bytes.
            DataError: the texts have fewer tokens than `size`, or none.
            MissingDependencyError: subwords need tokenizers, and it is not installed.
        """
        texts = [_spaced(text) for text in texts]
        of_tokenizer: Unit = (size or USUAL_SIZE) if unit == "subword" else unit
        tokenizer = Tokenizer.learn(of_tokenizer, texts, argument="vocabulary", at_most=size is None)
        if unit == "subword":
            return cls(tokenizer, Vocabulary(tokenizer.subwords))
        counts = Counter(token for text in texts for token in tokenizer.pieces(text))
        if size is not None and len(counts) < size:
            raise DataError(
                f"vocabulary: expected at most {len(counts):,} {unit}s, as many as the training text has, "
                f"got {size:,}. Give a smaller number, or leave it out."
            )
        return cls(tokenizer, Vocabulary(tuple(token for token, _ in counts.most_common(size or USUAL_SIZE))))

    @property
    def end(self) -> int:
        """Position of the end of a text, which is also what a text begins after."""
        return len(self.vocabulary)

    def __len__(self) -> int:
        return len(self.vocabulary) + 1

    def encode(self, text: str) -> Ints:
        """Return the positions (T,) of the tokens of a text; without that of its end."""
        return self.vocabulary.positions(self.split(text))

    def split(self, text: str) -> list[str]:
        """Cut a text into tokens, each with the space before it."""
        return self.tokenizer.pieces(_spaced(text))

    def decode(self, positions: Iterable[int]) -> str:
        """Return the text of tokens; positions of unknown tokens and of the end are left out."""
        return self.tokenizer.join(self.names(positions)).strip()

    def readable(self, positions: Iterable[int]) -> list[str]:
        """Return each token as a reader knows it: without marks of bytes, and with a space as one.

        >>> TextCodec.learn("char", ["a b"]).readable([1, 2, 0])
        ['␣', 'a', '�']
        """
        names = [self.names([position]) for position in positions]
        texts = [self.tokenizer.join(name) if name else "\ufffd" for name in names]
        return [text.strip() or "␣" for text in texts]

    def names(self, positions: Iterable[int]) -> list[str]:
        """Return the tokens at some positions, those of unknown tokens and of the end left out."""
        tokens = self.vocabulary.tokens
        return [tokens[position - 1] for position in positions if 0 < position <= len(tokens)]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        is_subword = not isinstance(self.tokenizer.unit, str)  # whose tokenizer holds its tokens
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "vocabulary": None if is_subword else self.vocabulary.to_dict(),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TextCodec:
        """Make the codec that `to_dict` described."""
        tokenizer, vocabulary = Tokenizer.from_dict(record["tokenizer"]), record["vocabulary"]
        if vocabulary is None:
            return cls(tokenizer, Vocabulary(tokenizer.subwords))
        return cls(tokenizer, Vocabulary.from_dict(vocabulary))


def spaced_words(text: str) -> list[str]:
    """Cut a text into words and signs, each with the space before it: joined they are the text.

    >>> spaced_words("a dog,  a cat.")
    [' a', ' dog', ',', ' a', ' cat', '.']
    """
    return Tokenizer("word").pieces(_spaced(text))


def _spaced(text: str) -> str:
    """Return a text with one space before each word, the first too, so that it is the same everywhere."""
    return "".join(f" {word}" for word in text.split())
