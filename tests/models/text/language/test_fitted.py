"""A classifier's encoder is a fitted language model; whatever else is given for one is refused."""

from typing import Any

import pytest

from unrolled.errors import ArgumentError
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.language.language_model import LanguageModel

Corpus = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def language(reviews: Corpus) -> LanguageModel:
    """Tests must not change it."""
    return LanguageModel(unit="word", hidden_size=4, max_epochs=1).fit(reviews[0])


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (LanguageModel, r"encoder: expected a fitted LanguageModel, got the class LanguageModel\. Fit one"),
        (LanguageModel(), r"encoder: expected a fitted LanguageModel, got one that is not\. Fit it"),
        (TextClassifier(), r"encoder: expected a fitted LanguageModel, got TextClassifier\."),
        ("model", r"encoder: expected a fitted LanguageModel, got str\."),
    ],
)
def test_what_is_no_fitted_language_model_is_refused(encoder: Any, message: str) -> None:
    """In a sentence, before a text is read."""
    with pytest.raises(ArgumentError, match=message):
        TextClassifier(encoder=encoder).fit(["a", "b"], [0, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "char"}, r"unit: encoder=LanguageModel\(.*\) has its own; got 'char'\. Leave it out"),
        ({"bidirectional": True}, r"bidirectional: .* reads from the beginning alone; got True"),
        ({"cell": "lstm"}, "cell: .* has its own; got 'lstm'"),
        ({"vectors": "v.txt"}, "vectors: .* has its own; got 'v.txt'"),
    ],
)
def test_what_the_language_model_decides_is_refused_beside_it(
    language: LanguageModel, settings: dict[str, Any], message: str
) -> None:
    """Whoever sets it believes that it matters."""
    with pytest.raises(ArgumentError, match=message):
        TextClassifier(encoder=language, **settings).fit(["a", "b"], [0, 1])


def test_a_decay_by_layer_needs_a_language_model(language: LanguageModel) -> None:
    """Layers that begin at random all learn alike."""
    with pytest.raises(ArgumentError, match="layer_decay: encoder=None has no layers that were learned"):
        TextClassifier(layer_decay=0.5).fit(["a", "b"], [0, 1])
    TextClassifier(encoder=language, layer_decay=0.5).check_parameters()


def test_reading_in_one_direction_may_be_said(language: LanguageModel) -> None:
    """It is what the language model does."""
    TextClassifier(encoder=language, bidirectional=False).check_parameters()
