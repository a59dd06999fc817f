"""Language model beside a Transcriber: the probability of the next token of a prefix (shallow fusion)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.codec import TextCodec
from unrolled.errors import ArgumentError
from unrolled.models.streaming.snapshots import State
from unrolled.models.text.language.states import generating_states

Floats = NDArray[np.float64]

_FIRST = np.zeros(1, dtype=np.int64)


class FusionWeights(NamedTuple):
    """Weights of a language model beside the outputs of a network.

    Args:
        weight: of the log probability of a token.
        length_bonus: of each token, which a language model makes less likely.
    """

    weight: float
    length_bonus: float


class LanguagePrefix:
    """Prefix as a language model has read it; its state is computed where it is extended.

    Args:
        before: the prefix that it extends; None for the empty one.
        positions: what it adds, in the vocabulary of the language model.
        log_p: ln p of what it adds.
    """

    __slots__ = ("before", "distribution", "log_p", "positions", "state")

    def __init__(self, before: LanguagePrefix | None, positions: list[int], log_p: float) -> None:
        self.before, self.positions, self.log_p = before, positions, log_p
        self.state: State | None = None
        self.distribution: Floats = np.empty(0)


class LanguageFusion:
    """Language model of characters that scores the tokens of a codec.

    Args:
        model: a fitted LanguageModel whose unit is "char".
        codec: of the Transcriber.
        weights: see `FusionWeights`.

    Raises:
        ArgumentError: the model is no such one, or not fitted.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=3).fit("a b a b a b " * 30)
    >>> fusion = LanguageFusion(model, TextCodec.learn("char", ["a b"]), FusionWeights(1.0, 0.0))
    >>> fusion.extend(fusion.begin(), 2).log_p < 0
    True
    """

    def __init__(self, model: Any, codec: TextCodec, weights: FusionWeights) -> None:
        require_character_model(model)
        self.weight, self.length_bonus = weights
        self._states = generating_states(model, 1)
        texts = [codec.tokenizer.join(codec.names([position])) for position in range(len(codec.vocabulary))]
        encode = model.codec_.encode
        self._positions = [encode(text).positions.tolist() for text in texts]
        # a transcript begins without the space that its first token has
        self._first_positions = [encode(text.lstrip()).positions.tolist() for text in texts]

    def begin(self) -> LanguagePrefix:
        """Return the empty prefix."""
        prefix = LanguagePrefix(None, [], 0.0)
        self._clear()
        prefix.state, prefix.distribution = self._copy(), self._states.next_tokens()
        return prefix

    def extend(self, prefix: LanguagePrefix, token: int) -> LanguagePrefix:
        """Return the prefix with a token of the codec behind it."""
        positions = (self._first_positions if prefix.before is None else self._positions)[token]
        if not positions:  # the space before the first word
            longer = LanguagePrefix(None, [], 0.0)
            longer.state, longer.distribution = prefix.state, prefix.distribution
            return longer
        self._read(prefix)
        log_p, distribution = 0.0, prefix.distribution
        if len(positions) > 1:
            answers = self._step(prefix, positions[:-1])
            log_p = sum(_log(row[p]) for row, p in zip([distribution, *answers[:-1]], positions[:-1],
                                                       strict=True))  # fmt: skip
            distribution = answers[-1]
        return LanguagePrefix(prefix, positions, log_p + _log(distribution[positions[-1]]))

    def _read(self, prefix: LanguagePrefix) -> None:
        """Compute the state after a prefix, if it is not known."""
        if prefix.state is None:
            assert prefix.before is not None
            assert prefix.before.state is not None, "a prefix is extended from one that was"
            prefix.distribution = self._step(prefix.before, prefix.positions)[-1]
            prefix.state = self._copy()

    def _step(self, prefix: LanguagePrefix, positions: list[int]) -> Floats:
        """Step from the state after a prefix, and return the distributions (n, V) after each position."""
        assert prefix.state is not None
        for name, array in self._states.arrays.items():
            array[0] = prefix.state[name]
        rows = np.array(positions, dtype=np.float64)[:, None]
        return self._states.step(rows, _FIRST, np.array([len(positions)]))

    def _copy(self) -> State:
        return {name: array[0].copy() for name, array in self._states.arrays.items()}

    def _clear(self) -> None:
        for array in self._states.arrays.values():
            array[0] = 0


def require_character_model(model: Any) -> None:
    """Pass if a model is a fitted LanguageModel of characters.

    Raises:
        ArgumentError: it is another.
    """
    got = type(model).__name__
    if got == "LanguageModel":
        if not model.__sklearn_is_fitted__():
            got = "one that is not fitted"
        elif model.codec_.tokenizer.unit != "char":
            got = f"one with unit={model.unit!r}"
        else:
            return
    raise ArgumentError(
        f"language_model: expected a fitted LanguageModel with unit='char', got {got}. Fit one on texts like "
        "the transcripts."
    )


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-30))
