"""`compare` finds what compares a model by its class, passes every argument on, and refuses the others."""

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import unrolled as ur
from unrolled import ArgumentError, SequenceClassifier, SequenceTagger, compare
from unrolled.evaluate import comparison
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.audio.classification import compare_recordings
from unrolled.evaluate.sequence.compare import compare_sequences
from unrolled.evaluate.text.classification import compare_texts
from unrolled.evaluate.text.language import compare_language
from unrolled.evaluate.text.translation import compare_translations
from unrolled.evaluate.video.classification import compare_videos


def test_the_names_are_public() -> None:
    """As the rest of the package."""
    assert ur.compare is ur.evaluate.compare is compare
    assert ur.Comparison.kind == "comparison"


@pytest.mark.parametrize(
    ("model", "function"),
    [
        (ur.Translator(), compare_translations),
        (ur.LanguageModel(), compare_language),
        (ur.TextClassifier(), compare_texts),
        (ur.TextTagger(), compare_texts),
        (ur.AudioClassifier(), compare_recordings),
        (ur.SequenceClassifier(), compare_sequences),
        (ur.SequenceRegressor(), compare_sequences),
        (KNeighborsClassifier(), compare_sequences),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_the_class_of_a_model_decides_what_compares_it(model: Any, function: Any) -> None:
    """Alone, and as the last step of a pipeline."""
    assert comparison._comparison_of(model, ["X"]) is function
    assert comparison._comparison_of(make_pipeline(FunctionTransformer(), model), ["X"]) is function


def test_clips_are_compared_as_such() -> None:
    """By what X is: the same estimators read tables and frames."""
    clips = np.zeros((2, 3, 8, 8))
    for model in (ur.SequenceClassifier(), ur.SequenceRegressor(), KNeighborsClassifier()):
        assert comparison._comparison_of(model, clips) is compare_videos


def test_every_argument_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name."""
    given: list[Any] = []
    monkeypatch.setattr(comparison, "compare_sequences", lambda *arguments: given.extend(arguments))
    values = {"test": 1, "folds": 2, "groups": 3, "lengths": 4, "baselines": "b", "level": 90}
    model = SequenceClassifier()
    compare(model, "X", "y", **values)  # type: ignore[call-overload]
    assert given[:3] == [model, "X", "y"]
    assert isinstance(given[3], ComparisonArguments)
    assert vars(given[3]) == values


class Untagged:
    """No scikit-learn estimator."""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (SequenceClassifier, "expected a classifier or a regressor, fitted or not, got <class"),
        (Untagged(), "expected a classifier or a regressor"),
        ("gru", "expected a classifier or a regressor, fitted or not, got 'gru'"),
        (
            SequenceTagger(),
            r"expected an estimator with one prediction a sequence, got a SequenceTagger\. Score it",
        ),
    ],
)
def test_a_model_that_cannot_be_compared_is_refused(model: Any, words: str) -> None:
    """The demand, and what came."""
    with pytest.raises(ArgumentError, match=rf"model: {words}"):
        compare(model, np.zeros((20, 3)), np.arange(20) % 2)


@pytest.mark.parametrize("model", [SequenceClassifier(), ur.TextClassifier()])
def test_a_model_without_targets_is_refused(model: Any) -> None:
    """Labels or numbers."""
    with pytest.raises(ArgumentError, match="compare y: expected what the model predicts"):
        compare(model, [[1.0, 2.0]])  # type: ignore[call-overload]


def test_all_faults_of_a_call_are_reported_at_once() -> None:
    """Folds, level and baselines."""
    with pytest.raises(ArgumentError) as record:
        compare(
            KNeighborsClassifier(),
            np.zeros((20, 3)),
            np.arange(20) % 2,
            folds=1,
            level=100,
            baselines="reservoire",
        )
    lines = str(record.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["folds", "level", "baselines"]
