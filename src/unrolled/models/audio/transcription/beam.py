"""Prefix beam search over the outputs of a network, with a language model beside it.

Shapes: T outputs, K kinds of output, the blank first.
"""

from __future__ import annotations

import math
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from unrolled.models.audio.transcription.fusion import LanguageFusion, LanguagePrefix
from unrolled.models.audio.transcription.transcripts import BLANK
from unrolled.models.audio.transcription.words import WrittenToken

Floats = NDArray[np.float64]

_LEAST_PROBABILITY = 1e-4  # of a token that a hypothesis is extended by
_MOST_TOKENS = 16  # that are tried at an output
_NEVER = -math.inf


class _Prefix:
    """Prefix of a transcript: its last token and the prefix before it.

    A prefix that no hypothesis begins with is forgotten.
    """

    __slots__ = ("__weakref__", "bonus", "extensions", "language", "parent", "peak", "step", "token")

    def __init__(
        self, parent: _Prefix | None, token: int, bonus: float, language: LanguagePrefix | None
    ) -> None:
        self.parent, self.token, self.bonus, self.language = parent, token, bonus, language
        self.peak, self.step = _NEVER, 0  # the output that most likely wrote the token
        self.extensions: WeakValueDictionary[int, _Prefix] = WeakValueDictionary()


class BeamSearch:
    """Search of the likeliest transcript, output by output.

        score(y) = ln p(y) + w ln p_language(y) + b |y|

    p sums over all ways to spread the tokens of y over the outputs so far; w and b are those of the fusion,
    0 without one.

    Source: Hannun et al., First-Pass Large Vocabulary Continuous Speech Recognition (2014), algorithm 1.

    Args:
        beam: hypotheses that go on at each output.
        fusion: language model and weights; None for none.

    >>> search = BeamSearch(4)
    >>> search.read(np.array([[0.6, 0.4], [0.6, 0.4]]))
    >>> [written.token for written in search.best()]
    [1]
    """

    def __init__(self, beam: int, fusion: LanguageFusion | None = None) -> None:
        self._beam, self._fusion, self._n_read = beam, fusion, 0
        root = _Prefix(None, BLANK, 0.0, None if fusion is None else fusion.begin())
        # ln p of the ways that end with a blank, and of those that end with the last token
        self._hypotheses: dict[_Prefix, tuple[float, float]] = {root: (0.0, _NEVER)}

    def read(self, probabilities: Floats) -> None:
        """Take the next outputs (m, K)."""
        logs = np.log(np.maximum(probabilities, 1e-30))
        for row, log_row in zip(probabilities, logs.tolist(), strict=True):
            likely = np.flatnonzero(row >= _LEAST_PROBABILITY)
            if len(likely) > _MOST_TOKENS:
                likely = np.argsort(-row, kind="stable")[:_MOST_TOKENS]
            self._extend(log_row, [token for token in likely.tolist() if token != BLANK])
            self._n_read += 1

    def best(self) -> list[WrittenToken]:
        """Return the tokens of the best hypothesis, each with the output that most likely wrote it."""
        prefix: _Prefix | None = max(self._hypotheses, key=self._score)
        written = []
        while prefix is not None and prefix.parent is not None:
            written.append(WrittenToken(prefix.token, prefix.step, prefix.step + 1))
            prefix = prefix.parent
        return written[::-1]

    def _score(self, prefix: _Prefix) -> float:
        return _add(*self._hypotheses[prefix]) + prefix.bonus

    def _extend(self, logs: list[float], tokens: list[int]) -> None:
        """Move all hypotheses on by an output, and keep the best."""
        after: dict[_Prefix, tuple[float, float]] = {}
        for prefix, (blank, last) in self._hypotheses.items():
            total = _add(blank, last)
            old_blank, old_last = after.get(prefix, (_NEVER, _NEVER))
            repeated = last + logs[prefix.token]
            after[prefix] = (_add(old_blank, total + logs[BLANK]), _add(old_last, repeated))
            for token in tokens:
                reached = (blank if token == prefix.token else total) + logs[token]
                if reached == _NEVER:
                    continue
                longer = self._extension(prefix, token)
                if reached > longer.peak:
                    longer.peak, longer.step = reached, self._n_read
                old_blank, old_last = after.get(longer, (_NEVER, _NEVER))
                after[longer] = (old_blank, _add(old_last, reached))
        self._hypotheses = after
        kept = sorted(after, key=self._score, reverse=True)[: self._beam]
        self._hypotheses = {prefix: after[prefix] for prefix in kept}

    def _extension(self, prefix: _Prefix, token: int) -> _Prefix:
        longer = prefix.extensions.get(token)
        if longer is None:
            bonus, language = prefix.bonus, None
            if self._fusion is not None:
                assert prefix.language is not None
                language = self._fusion.extend(prefix.language, token)
                bonus += self._fusion.weight * language.log_p + self._fusion.length_bonus
            longer = prefix.extensions[token] = _Prefix(prefix, token, bonus, language)
        return longer


def _add(one: float, other: float) -> float:
    """Return ln(exp(one) + exp(other))."""
    high, low = (one, other) if one >= other else (other, one)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))
