"""Transcripts as rows of tokens, and how many outputs of a network they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.codec import TextCodec
from unrolled.data.text.pairs import as_sources
from unrolled.data.text.vocabulary import UNKNOWN, Vocabulary
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity, quoted_list
from unrolled.models.text.translation.dataset import TokenRows

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

BLANK = 0  # output that writes nothing, where a vocabulary has the unknown token
_STRIDES = (3, 2, 1)  # frames an output
_SLACK = 1.5  # outputs that the usual transcript is given for each that it needs


def as_transcripts(y: Any, n: int, who: str) -> list[str]:
    """Validate N transcripts, none of them empty; white space at their ends and in rows is left out.

    Raises:
        DataError: one is missing, empty or no text, or they are not N.

    >>> as_transcripts(["one  two "], 1, "y")
    ['one two']
    """
    texts = as_sources(y, who=who)
    if len(texts) != n:
        raise DataError(
            f"{who}: expected {quantity(n, 'transcript')}, one for each recording, got {len(texts):,}. Give "
            "them in the order of the recordings."
        )
    return [" ".join(text.split()) for text in texts]


def make_codec(
    unit: str, alphabet: str | None, texts: Sequence[str], validation_mask: Mask, size: int | None, who: str
) -> TextCodec:
    """Make the codec of some transcripts: of an alphabet, or learned from those that are not held out.

    Args:
        unit: "char", "word" or "subword".
        alphabet: the characters, beside which the space that begins every word is one; None to learn them.
        texts: N transcripts.
        validation_mask: (N,) true for those that are held out.
        size: of the vocabulary of words or subwords; None for the usual.
        who: what messages call the transcripts.

    Raises:
        ArgumentError: the alphabet is no text, or empty.
        DataError: a transcript has characters outside the alphabet, or fewer tokens than `size`.
        MissingDependencyError: subwords need tokenizers, which is not installed.

    >>> make_codec("char", "ab", ["b a"], np.array([False]), None, "y").encode("b a").tolist()
    [1, 3, 1, 2]
    """
    if alphabet is None:
        kept = [text for text, is_out in zip(texts, validation_mask, strict=True) if not is_out]
        return TextCodec.learn(unit, kept, size=size)
    if not isinstance(alphabet, str) or not alphabet.strip():
        raise ArgumentError(f"alphabet: expected a text of characters, such as 'abc', got {alphabet!r}.")
    letters = TextCodec.learn("char", [alphabet])
    codec = TextCodec(letters.tokenizer, Vocabulary(tuple(sorted(letters.vocabulary.tokens))))
    require_alphabet(codec, texts, who)
    return codec


def require_alphabet(codec: TextCodec, texts: Sequence[str], who: str) -> None:
    """Pass if a codec knows all characters of some transcripts.

    Raises:
        DataError: it does not; the message names the characters and the first transcript with one.
    """
    unknown: dict[str, int] = {}
    for i, text in enumerate(texts):
        for token in codec.split(text):
            if codec.vocabulary.positions([token])[0] == UNKNOWN:
                unknown.setdefault(token, i)
    if unknown:
        first = next(iter(unknown.values()))
        raise DataError(
            f"{who}, position {first}: expected characters of the alphabet, got "
            f"{quoted_list(list(unknown))}. Write them otherwise, as words or in lower case, or add them to "
            "alphabet=."
        )


class EncodedTranscripts(NamedTuple):
    """Transcripts as a network learns them.

    Args:
        codec: of their tokens.
        rows: the tokens of each.
        stride: frames an output.
    """

    codec: TextCodec
    rows: TokenRows
    stride: int

    @classmethod
    def of(
        cls, codec: TextCodec, texts: Sequence[str], n_frames: Ints, names: Sequence[str], who: str
    ) -> Self:
        """Encode the transcripts of recordings with so many frames, but for tokens that the codec lacks.

        Raises:
            DataError: a recording has fewer frames than its transcript needs.
        """
        encoded = [codec.encode(text) for text in texts]
        rows = [row[row != UNKNOWN] for row in encoded]
        return cls(codec, TokenRows.from_arrays(rows), fitting_stride(n_frames, rows, names, who))


def steps_needed(tokens: Ints) -> int:
    """Count the outputs that tokens need: one each, and a blank between two that are equal.

    >>> steps_needed(np.array([4, 4, 5])), steps_needed(np.array([], dtype=np.int64))
    (4, 0)
    """
    return len(tokens) + int((tokens[1:] == tokens[:-1]).sum())


def fitting_stride(n_frames: Ints, rows: Sequence[Ints], names: Sequence[str], who: str) -> int:
    """Return the most frames an output, at most 3, that leave every transcript the outputs it needs.

    Args:
        n_frames: (N,) of each recording.
        rows: its tokens.
        names: of the recordings.
        who: what messages call the transcripts.

    Raises:
        DataError: a recording has fewer frames than its transcript needs.

    >>> fitting_stride(np.array([30, 90]), [np.arange(8), np.arange(9)], ["a", "b"], "y")
    2
    """
    needed = np.array([steps_needed(row) for row in rows])
    if (needed > n_frames).any():
        i = int(np.argmax(needed > n_frames))
        raise DataError(
            f"{who}, position {i} ({names[i]}): expected a transcript that its recording has time for, got "
            f"{quantity(len(rows[i]), 'token')} in {quantity(int(n_frames[i]), 'frame')} of 10 ms. Check "
            "that they belong together, or leave it out."
        )
    for stride in _STRIDES:
        if (n_frames // stride >= _SLACK * needed).all():
            return stride
    return 1
