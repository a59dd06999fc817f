"""Decoding by path or beam, and the choice of weights."""

import numpy as np

from unrolled.data.text.codec import TextCodec
from unrolled.models.audio.transcription.decoding import choose_fusion_weights, decode_outputs
from unrolled.models.text.language.language_model import LanguageModel


def test_one_hypothesis_is_the_best_path() -> None:
    """Several sum over paths."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert decode_outputs(probabilities, 1) == []
    assert [written.token for written in decode_outputs(probabilities, 4)] == [1]


def test_weights_are_those_with_the_fewest_errors() -> None:
    """A language model that knows the word corrects outputs that do not; without need it has no weight."""
    codec = TextCodec.learn("char", ["so li"])
    space, s, o, i = (int(codec.vocabulary.positions([token])[0]) for token in " soi")
    doubtful = np.full((3, len(codec.vocabulary)), 0.001)
    doubtful[0, space] = doubtful[1, s] = 0.95
    doubtful[2, [o, i]] = 0.4, 0.55
    certain = doubtful.copy()
    certain[2, [o, i]] = 0.9, 0.05
    language_model = LanguageModel(hidden_size=12, max_epochs=6).fit("so li so so li " * 40)
    needed = choose_fusion_weights(language_model, codec, [doubtful], ["so"], 4)
    assert needed.weight > 0
    assert choose_fusion_weights(language_model, codec, [certain], ["so"], 4).weight == 0
