"""Live stream of a language model: text in, the distribution of the next token out, the state a value.

Shapes: V tokens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.models.parameters import RandomSource, RandomState, draw_seed
from unrolled.models.streaming.streams import Stream
from unrolled.models.text.language.generation import Sampling, sample_tokens
from unrolled.models.text.language.states import LanguageStates
from unrolled.validation import check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NONE = np.empty(0, dtype=np.int64)


class Continuation(NamedTuple):
    """Text that a stream wrote on.

    Args:
        text: of the tokens.
        positions: (n,) in the vocabulary, with which a stream of the same state is stepped to read them.
    """

    text: str
    positions: Ints


class LanguageStream(Stream):
    """Live stream through a language model: text in, the distribution (V,) of the next token out.

    Each token costs the same, however long the text before it. The tokens are those of `model.tokens_`. The
    distributions equal `model.predict_proba(text)` to the bit, however the text is cut into calls; of words
    and subwords as long as no token is cut.

    Made by `model.stream()`, or by `model.stream(blob)` from a snapshot. One thread at a time may call it.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=2).fit("to be or not to be " * 20)
    >>> stream = model.stream()
    >>> stream.steps("to b").shape[1] == len(model.tokens_) == len(stream.peek())
    True
    >>> stream
    LanguageModel stream after 4 steps
    """

    _states: LanguageStates

    @property
    def n_steps(self) -> int:
        """Tokens so far."""
        return max(0, super().n_steps - 1)

    def peek(self, x: Any = None) -> Floats:
        """Return the distribution (V,) of the next token, or the one that `step(x)` would; nothing moves."""
        if x is None:
            return self._states.next_tokens()
        answer: Floats = super().peek(x)
        return answer

    def generate(
        self,
        n: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomSource = None,
    ) -> Continuation:
        """Write the text on, as `model.generate` does after a prompt of all tokens so far; nothing moves.

        Args:
            n: tokens to write; fewer where a model of documents ends one.
            temperature: as of `LanguageModel.generate`, as the others.
            top_k: draw from so many of the likeliest tokens; None for all.
            top_p: draw from the fewest likeliest tokens whose probabilities sum to this; None for all.
            random_state: seed of the draws; None for new ones each time.

        Raises:
            ArgumentError: an argument is out of range.
        """
        check_int("n", n, least=1)
        RandomState().check("random_state", random_state)
        sampling = Sampling.from_arguments(temperature, top_k, top_p)
        rng = np.random.default_rng(draw_seed(random_state))
        before = self.state
        try:
            drawn = sample_tokens(self._states, _NONE, int(n), sampling, rng, has_ends=self._model.has_ends_)
        finally:
            self.state = before
        return Continuation(self._model.codec_.decode(drawn), np.array(drawn, dtype=np.int64))
