"""A language model judges the tokens of a transcript as it judges its text."""

import math

import numpy as np
import pytest

from unrolled.data.text.codec import TextCodec
from unrolled.errors import ArgumentError
from unrolled.models.audio.transcription.beam import BeamSearch
from unrolled.models.audio.transcription.fusion import (
    FusionWeights,
    LanguageFusion,
    require_character_model,
)
from unrolled.models.text.language.language_model import LanguageModel

TEXT = "so la so mi. la so la! " * 20


@pytest.fixture(scope="module")
def language_model() -> LanguageModel:
    """Of a few words."""
    return LanguageModel(hidden_size=12, max_epochs=4).fit(TEXT)


@pytest.mark.parametrize("unit", ["char", "word"])
def test_a_text_costs_what_the_language_model_says(unit: str, language_model: LanguageModel) -> None:
    """Token by token, characters and words alike."""
    codec = TextCodec.learn(unit, ["so la mi."])
    fusion = LanguageFusion(language_model, codec, FusionWeights(0.5, 1.0))
    prefix, total = fusion.begin(), 0.0
    for token in codec.encode("la mi so.").tolist():
        prefix = fusion.extend(prefix, token)
        total += prefix.log_p
    (cost,) = language_model.costs(["la mi so."])
    nats = cost.nats[: len("la mi so.")].sum() if hasattr(cost, "nats") else None
    expected = sum(
        math.log(p[position])
        for p, position in zip(_distributions(language_model, "la mi so."),
                               language_model.codec_.encode("la mi so.").positions, strict=True)
    )  # fmt: skip
    assert nats is None or nats > 0
    assert total == pytest.approx(expected, rel=1e-6)


def _distributions(model: LanguageModel, text: str) -> list[np.ndarray]:
    stream = model.stream()
    first = stream.peek()
    return [first, *stream.steps(text)[:-1]]


def test_prefixes_may_be_extended_in_any_order(language_model: LanguageModel) -> None:
    """Each has a state of its own."""
    codec = TextCodec.learn("char", ["so la mi."])
    fusion = LanguageFusion(language_model, codec, FusionWeights(1.0, 0.0))
    s, o, m = (int(codec.vocabulary.positions([token])[0]) for token in "som")
    start = fusion.extend(fusion.begin(), s)
    one = fusion.extend(fusion.extend(start, o), m).log_p
    fusion.extend(fusion.extend(start, m), m)
    assert fusion.extend(fusion.extend(start, o), m).log_p == one


def test_a_language_model_decides_between_equal_sounds(language_model: LanguageModel) -> None:
    """Behind "s" it expects "o", whatever the outputs say a little less of."""
    codec = TextCodec.learn("char", ["so la mi."])
    space, s, o, i = (int(codec.vocabulary.positions([token])[0]) for token in " soi")
    probabilities = np.full((3, len(codec.vocabulary)), 0.001)
    probabilities[0, space] = probabilities[1, s] = 0.95
    probabilities[2, [o, i]] = 0.45, 0.5
    alone = BeamSearch(4)
    alone.read(probabilities)
    assert [written.token for written in alone.best()] == [space, s, i]
    fused = BeamSearch(4, LanguageFusion(language_model, codec, FusionWeights(0.8, 0.5)))
    fused.read(probabilities)
    assert [written.token for written in fused.best()] == [space, s, o]


def test_other_models_are_refused(language_model: LanguageModel) -> None:
    """With what is needed."""
    require_character_model(language_model)
    for model, got in (
        (LanguageModel(), "one that is not fitted"),
        (LanguageModel(unit="word", hidden_size=4, max_epochs=1).fit(TEXT), "one with unit='word'"),
        (7, "int"),
    ):
        with pytest.raises(ArgumentError, match=f"language_model: expected .*got {got}"):
            require_character_model(model)
