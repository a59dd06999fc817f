"""Texts and tagged sentences are compared with their own baselines, by the same verdict."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.comparison import compare
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.tagger import TextTagger

QUICK: dict[str, Any] = {
    "hidden_size": 4, "embedding_size": 4, "n_buckets": 64, "n_members": 1, "max_epochs": 1,
}  # fmt: skip
FORMS = ("a {} film", "how {} it was", "so {} !")
TEXTS = [
    f"{form.format(word)} {k}"
    for k in range(5)
    for form in FORMS
    for word in ("warm", "dull", "funny", "flat")
]
LABELS = ["good", "bad"] * 30


def test_a_classifier_stands_beside_majority_and_tfidf() -> None:
    """All on the same folds; the sentence counts texts."""
    result = compare(TextClassifier(**QUICK), pd.Series(TEXTS), LABELS, folds=2)
    names = {row.name for row in result.rows}
    assert names == {"gru", "majority class", "TF-IDF words", "TF-IDF words and characters"}
    assert "of 60 texts" in result.sentence
    assert result.unit == "texts"
    assert next(row for row in result.rows if row.name == "TF-IDF words").accuracy == 1.0
    assert result.columns["y"].tolist() == LABELS


def test_a_test_set_is_never_fitted_on_and_copies_in_it_are_told() -> None:
    """The network is named as worse than a regression that is right everywhere."""
    test = ([*TEXTS[:20], "a very warm and friendly film"], [*LABELS[:20], "good"])
    X, y = [*TEXTS[20:], test[0][-1]], [*LABELS[20:], "good"]
    pipeline = make_pipeline(
        FunctionTransformer(lambda X: [text.lower() for text in X]), TextClassifier(**QUICK)
    )
    result = compare(pipeline, X, y, test=test, baselines=["TF-IDF words"])
    assert result.n_sequences == 21
    assert any("1 of 21 test texts are in X as well" in remark for remark in result.remarks)
    assert result.rows[0].name == "TextClassifier"


def test_copies_and_groups_are_kept_together() -> None:
    """Repeated texts are one group, and a remark says so; groups of the user's come first."""
    X = [f"{text} and it goes on and on" for text in TEXTS[:20]] * 2
    y = LABELS[:20] * 2
    result = compare(TextClassifier(**QUICK), X, y, folds=2, baselines=["majority class"])
    assert (result.groups, result.n_sequences) == (20, 40)
    assert any("20 of 40 texts repeat another one exactly" in remark for remark in result.remarks)
    grouped = compare(
        TextClassifier(**QUICK), X, y, folds=2, groups=np.arange(40) // 4, baselines=["majority class"]
    )
    assert grouped.groups == 10


SENTENCES = [["the", animal, verb] for animal in ("dog", "cat", "hen") for verb in ("ran", "sat")] * 4
TAGS = [["DET", "NOUN", "VERB"]] * 24


def test_a_tagger_is_scored_word_by_word_and_sentences_are_the_units() -> None:
    """Beside the most frequent tag and a regression on each word."""
    result = compare(TextTagger(**QUICK), SENTENCES, TAGS, folds=2)
    assert {row.name for row in result.rows} == {"gru", "most frequent tag", "logistic regression"}
    assert (result.unit, result.n_sequences, result.groups) == ("words", 72, 24)
    assert "of 72 words" in result.sentence
    frequent = next(row for row in result.rows if row.name == "most frequent tag")
    assert frequent.accuracy == 1.0
    assert result.columns["most frequent tag"].tolist() == [tag for tags in TAGS for tag in tags]


@pytest.mark.parametrize(
    ("model", "arguments", "sentence"),
    [
        (TextClassifier(), (TEXTS, LABELS[:-1]), "compare y: expected 60 as X has 60 sequences, got 59"),
        (TextClassifier(), (["a", None], ["x", "y"]), "compare X, position 1: expected a text, got None"),
        (TextTagger(), (["a b"], [["X", "Y"]]), "compare X: expected lists of words"),
        (TextTagger(), ([["a", "b"]], [["X"]]), "compare y, sentence 0: expected 2 tags, one a word, got 1"),
        (
            TextTagger(),
            ([["a"]], [["X"], ["Y"]]),
            "compare y: expected 1 lists of tags, one a sentence, got 2",
        ),
    ],
)
def test_texts_that_cannot_be_compared_are_refused(model: Any, arguments: Any, sentence: str) -> None:
    """Before anything is fitted."""
    with pytest.raises(DataError) as fault:
        compare(model, *arguments, folds=2)
    assert str(fault.value).startswith(sentence)


def test_arguments_of_sequences_are_refused() -> None:
    """One sentence each."""
    with pytest.raises(ArgumentError, match=r"lengths: texts have their own"):
        compare(TextClassifier(), TEXTS, LABELS, lengths=[1] * 60)
    with pytest.raises(ArgumentError, match=r"baselines: .*'TF-IDF words'"):
        compare(TextClassifier(), TEXTS, LABELS, baselines=["TF-IDF word"])
    with pytest.raises(ArgumentError, match=r"test: expected a pair \(X_test, y_test\)"):
        compare(TextClassifier(), TEXTS, LABELS, test=TEXTS)
