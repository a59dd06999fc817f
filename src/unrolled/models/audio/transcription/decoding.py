"""Decode the outputs of a network: the likeliest path or a beam search; weigh a language model.

Shapes: T outputs, K kinds of output, the blank first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.error_rates import error_counts
from unrolled.data.text.codec import TextCodec
from unrolled.models.audio.transcription.beam import BeamSearch
from unrolled.models.audio.transcription.fusion import FusionWeights, LanguageFusion
from unrolled.models.audio.transcription.words import WrittenToken, best_path, text_of

Floats = NDArray[np.float64]

BEAM = 8  # hypotheses beside a language model
_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
_LENGTH_BONUSES = (0.0, 0.5, 1.0, 1.5, 2.0)
_FIRST_BONUS = 0.5  # beside which weights are tried


def decode_outputs(
    probabilities: Floats, beam: int, fusion: LanguageFusion | None = None
) -> list[WrittenToken]:
    """Return the tokens that outputs (T, K) write: of the likeliest path, or of a search with a beam above 1.

    >>> decode_outputs(np.array([[0.4, 0.6], [0.4, 0.6]]), beam=1)
    [WrittenToken(token=1, start=0, end=2)]
    """
    if beam == 1 and fusion is None:
        return best_path(probabilities)
    search = BeamSearch(beam, fusion)
    search.read(probabilities)
    return search.best()


def choose_fusion_weights(
    language_model: Any, codec: TextCodec, outputs: Sequence[Floats], references: Sequence[str], beam: int
) -> FusionWeights:
    """Choose the weights with the fewest word errors, of equals those with the fewest character errors.

    The weight is chosen beside a length bonus of 0.5, then the bonus beside that weight.

    Args:
        language_model: see `LanguageFusion`.
        codec: of the Transcriber.
        outputs: (T_i, K) probabilities of each recording.
        references: its transcript.
        beam: hypotheses of the search.
    """

    def errors(weights: FusionWeights) -> tuple[float, ...]:
        fusion = LanguageFusion(language_model, codec, weights)
        texts = [
            text_of(codec, [written.token for written in decode_outputs(each, beam, fusion)])
            for each in outputs
        ]
        counts = error_counts(texts, references).sum(0)
        return float(counts[0]), float(counts[2]), weights.weight, weights.length_bonus

    weight = min((FusionWeights(weight, _FIRST_BONUS) for weight in _WEIGHTS), key=errors).weight
    return min((FusionWeights(weight, bonus) for bonus in _LENGTH_BONUSES), key=errors)
