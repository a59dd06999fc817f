"""Text for sessions: messages as rows of tokens, and of a language model the likeliest tokens that follow.

Shapes: n tokens, V of a vocabulary, K likeliest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import StreamError, UnrolledError
from unrolled.models.streaming.streams import Streams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CHARACTERS = 16_384  # of a message
_MOST_NUMBERS = 1 << 22  # of the distributions that are computed at once


def text_reader(streams: Streams) -> Callable[[Any], Floats]:
    """Return what turns the x of a message into rows: a text, a list of words, or rows as they are.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=1).fit("to be or not to be " * 20)
    >>> read = text_reader(Streams(model, 1))
    >>> read("to be").shape
    (5, 1)
    >>> read("")
    Traceback (most recent call last):
    unrolled.errors.StreamError: x: expected a text with at least one token, got none.
    """

    def read(x: Any) -> Floats:
        if not isinstance(x, str | list | np.ndarray):
            raise StreamError(f"x: expected a text or a list of tokens, got {type(x).__name__}.")
        length = len(x) if isinstance(x, str) else sum(len(each) for each in x if isinstance(each, str))
        if length > MOST_CHARACTERS:
            raise StreamError(
                f"x: expected at most {MOST_CHARACTERS:,} characters in a message, got {length:,}. Send the"
                " text in parts."
            )
        try:
            rows = streams.rows(x)
        except UnrolledError as fault:
            raise StreamError(str(fault)) from fault
        if not len(rows):
            raise StreamError("x: expected a text with at least one token, got none.")
        return rows

    return read


def rows_at_once(n_tokens: int) -> int:
    """Count the distributions over so many tokens that are computed at once: they take at most 32 MiB."""
    return max(1, _MOST_NUMBERS // n_tokens)


@dataclass(frozen=True, eq=False)
class NextTokens:
    """Likeliest tokens after each of n tokens, the likeliest first.

    Args:
        tokens: (n, K) positions in the vocabulary.
        probabilities: (n, K).
        names: texts of all tokens, as `LanguageModel.tokens_`.
    """

    tokens: Ints
    probabilities: Floats
    names: tuple[str, ...]

    @classmethod
    def of(cls, distributions: Floats, most: int, names: tuple[str, ...]) -> NextTokens:
        """Find the likeliest `most` tokens of distributions (n, V); of equal ones the first.

        >>> NextTokens.of(np.array([[0.2, 0.5, 0.3]]), 2, ("a", "b", "c")).tolist()
        [[['b', 0.5], ['c', 0.3]]]
        """
        n, V = distributions.shape
        tokens = np.tile(np.arange(V), (n, 1))
        if most < V:
            tokens = np.sort(np.argpartition(-distributions, most - 1, axis=1)[:, :most], axis=1)
        order = np.argsort(-np.take_along_axis(distributions, tokens, 1), axis=1, kind="stable")
        tokens = np.take_along_axis(tokens, order, 1)
        return cls(tokens, np.take_along_axis(distributions, tokens, 1), names)

    @classmethod
    def join(cls, parts: list[NextTokens]) -> NextTokens:
        """Join those after several runs of tokens."""
        tokens, probabilities = (
            np.concatenate([getattr(part, field) for part in parts]) for field in ("tokens", "probabilities")
        )
        return cls(tokens, probabilities, parts[0].names)

    def tolist(self) -> list[list[list[Any]]]:
        """Return for each token pairs of the text of a next one and its probability."""
        return [
            [[self.names[token], p] for token, p in zip(*row, strict=True)]
            for row in zip(self.tokens.tolist(), self.probabilities.tolist(), strict=True)
        ]


class LanguageStreams(Streams):
    """Streams of a LanguageModel that answer with the likeliest tokens instead of all.

    Distributions are computed for a few tokens at a time, see `rows_at_once`.

    Args:
        model: a fitted LanguageModel.
        capacity: streams at most.
        likeliest: tokens of an answer; those of the vocabulary where it has fewer.
        digest: as of `Stream`.
    """

    def __init__(self, model: Any, capacity: int, *, likeliest: int, digest: str | None = None) -> None:
        super().__init__(model, capacity, digest=digest)
        self._names, self._likeliest = model.tokens_, likeliest

    def steps(self, inputs: Mapping[Any, Any]) -> dict[Any, Any]:
        """Move each stream on by its tokens, and return the likeliest ones after each.

        Raises:
            DataError: some tokens are none; no stream has moved.
            ArgumentError: there would be more streams than the capacity; none has moved.
        """
        rest = {stream: self.rows(tokens) for stream, tokens in inputs.items()}  # all pass before any moves
        parts: dict[Any, list[NextTokens]] = {stream: [] for stream in rest}
        most = max(1, rows_at_once(len(self._names)) // max(1, len(rest)))
        while rest:
            for stream, answers in super().steps({s: rows[:most] for s, rows in rest.items()}).items():
                parts[stream].append(NextTokens.of(answers, self._likeliest, self._names))
            rest = {stream: rows[most:] for stream, rows in rest.items() if len(rows) > most}
        return {stream: NextTokens.join(part) for stream, part in parts.items()}
