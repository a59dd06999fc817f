"""Words with their times, from the outputs of a network: the likeliest path, or tokens that a search found.

Shapes: T outputs, K kinds of output, the blank first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.codec import TextCodec
from unrolled.models.audio.transcription.transcripts import BLANK

Floats = NDArray[np.float64]


class Word(NamedTuple):
    """Word of a transcript, and when the network wrote it: where it was sure, mostly as the word ends.

    Args:
        text: the word.
        start_s: seconds from the start of the recording to the first of its tokens.
        end_s: to the end of the last.
    """

    text: str
    start_s: float
    end_s: float


class WrittenToken(NamedTuple):
    """Token, and the outputs from the first to the one after the last that wrote it."""

    token: int
    start: int
    end: int


def best_path(probabilities: Floats, before: int = BLANK) -> list[WrittenToken]:
    """Return the tokens of the likeliest output at each step, repetitions and blanks left out.

    Args:
        probabilities: (T, K).
        before: the likeliest output before the first; of a token that goes on there is no new one.

    >>> path = np.eye(3)[[1, 1, 0, 1, 2]]
    >>> [tuple(written) for written in best_path(path)]
    [(1, 0, 2), (1, 3, 4), (2, 4, 5)]
    """
    outputs = probabilities.argmax(1)
    changes = np.flatnonzero(np.diff(outputs, prepend=before))
    ends = np.append(changes, len(outputs))[1:]
    return [
        WrittenToken(int(outputs[start]), int(start), int(end))
        for start, end in zip(changes, ends, strict=True)
        if outputs[start] != BLANK
    ]


def text_of(codec: TextCodec, tokens: Iterable[int]) -> str:
    """Return the text of tokens, with one space between words.

    >>> codec = TextCodec.learn("char", ["a b"])
    >>> text_of(codec, codec.encode("a  b"))
    'a b'
    """
    return " ".join(codec.decode(tokens).split())


def words_of(codec: TextCodec, written: Sequence[WrittenToken], step_s: float, seconds: float) -> list[Word]:
    """Group tokens into words with their times.

    Args:
        codec: of the tokens; one that begins with a space begins a word.
        written: the tokens in order.
        step_s: seconds from one output to the next.
        seconds: of the recording, where the last word ends at the latest.

    >>> codec = TextCodec.learn("word", ["one two"])
    >>> words_of(codec, [WrittenToken(1, 2, 4), WrittenToken(2, 7, 8)], 0.5, 3.8)
    [Word(text='one', start_s=1.0, end_s=2.0), Word(text='two', start_s=3.5, end_s=3.8)]
    """
    groups: list[list[WrittenToken]] = []
    for each in written:
        begins = codec.tokenizer.join(codec.names([each.token])).startswith(" ")
        if begins or not groups:
            groups.append([])
        groups[-1].append(each)
    words = []
    for group in groups:
        text = text_of(codec, [each.token for each in group])
        sounding = [each for each in group if codec.names([each.token]) != [" "]]
        if text:
            start, end = sounding[0].start * step_s, sounding[-1].end * step_s
            words.append(Word(text, min(start, seconds), min(end, seconds)))
    return words
