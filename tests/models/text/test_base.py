"""What every estimator of texts does: bad input, saving, weights, groups, other units."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.text.vocabulary import Vocabulary
from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.text.classifier import TextClassifier

Corpus = tuple[list[str], list[str]]

QUICK: dict[str, Any] = {
    "hidden_size": 6, "embedding_size": 8, "n_buckets": 256, "n_members": 1, "max_epochs": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(reviews: Corpus) -> TextClassifier:
    """Tests must not change it."""
    return TextClassifier(**QUICK | {"n_members": 2}).fit(*reviews)


def test_a_saved_model_predicts_the_same(fitted: TextClassifier, reviews: Corpus, tmp_path: Path) -> None:
    """To the bit, with its vocabulary, and without code."""
    folder = fitted.save(tmp_path / "model")
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json", ".md"}
    again = TextClassifier.load(folder)
    texts = [*reviews[0][:9], "wörds né👍🏽ver seen", "x"]
    assert np.array_equal(again.predict_proba(texts), fitted.predict_proba(texts))
    assert again.token_encoder_ == fitted.token_encoder_
    assert again.summary() == fitted.summary()


def test_a_text_alone_has_the_probabilities_that_it_has_among_others(
    fitted: TextClassifier, reviews: Corpus
) -> None:
    """Up to rounding: a mean over padded states is summed in another order."""
    texts = [*reviews[0][:7], "a " * 40]
    together = fitted.predict_proba(texts)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(fitted.predict_proba([text])[0], together[row], rtol=0, atol=1e-6)


def test_a_weight_of_two_is_two_copies(reviews: Corpus) -> None:
    """The same training, to the bit."""
    texts, labels = reviews[0][:40], reviews[1][:40]
    distinct = list(dict.fromkeys(texts))
    classes = [labels[texts.index(text)] for text in distinct]
    weights = [2.0] * 5 + [1.0] * (len(distinct) - 5)
    weighted = TextClassifier(**QUICK).fit(distinct, classes, sample_weight=weights)
    copied = TextClassifier(**QUICK).fit(distinct + distinct[:5], classes + classes[:5])
    assert np.array_equal(weighted.predict_proba(texts), copied.predict_proba(texts))


def test_the_vocabulary_holds_no_word_of_held_out_texts(reviews: Corpus) -> None:
    """What is validated on shapes nothing that is validated."""
    texts = [f"{text} only{i} only{i}" for i, text in enumerate(reviews[0])]
    model = TextClassifier(**QUICK | {"validation_fraction": 0.25}).fit(texts, reviews[1])
    learned = [token for token in model.token_encoder_.vocabulary.tokens if token.startswith("only")]
    assert len(learned) == 180


@pytest.mark.parametrize("unit", ["char", 270])
def test_other_units_are_fitted_saved_and_loaded(unit: Any, reviews: Corpus, tmp_path: Path) -> None:
    """Characters and subwords have no n-grams."""
    if unit != "char":
        pytest.importorskip("tokenizers")
    model = TextClassifier(**QUICK, unit=unit).fit(*reviews)
    assert model.token_encoder_.n_buckets == 0
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict_proba(reviews[0][:5]), model.predict_proba(reviews[0][:5]))


def test_texts_of_unknown_words_are_read_by_their_ngrams(fitted: TextClassifier) -> None:
    """Two words that were never seen differ."""
    assert isinstance(fitted.token_encoder_.vocabulary, Vocabulary)
    one, other = fitted.predict_proba(["unwarmly", "qqq"])
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"unit": "words"}, "unit: expected 'word', 'char' or a number of subwords, got 'words'. Did you"),
        ({"unit": 2.5}, "unit: expected 'word', 'char' or a number of subwords, a whole one, got 2.5"),
        ({"unit": True}, "unit: expected 'word', 'char' or a number of subwords, a whole one, got True"),
        ({"unit": 12}, "unit: expected a whole number at least 256, got 12"),
        ({"cell": "feedforward"}, "cell: expected one of"),
        ({"word_dropout": 1.0}, "word_dropout: expected"),
        ({"unit": "char", "vectors": "v.txt"}, "vectors: unit='char' has no words"),
        ({"unit": 300, "vectors": "v.txt"}, "vectors: expected unit='word' beside them, got unit=300"),
        ({"patience": 2}, "patience: validation_fraction=None holds nothing out"),
        ({"pooling": "sum"}, "pooling: expected"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(
    settings: dict[str, Any], sentence: str, reviews: Corpus
) -> None:
    """Before anything is trained."""
    if settings.get("unit") == 300:
        pytest.importorskip("tokenizers")
    with pytest.raises(ArgumentError) as fault:
        TextClassifier(**QUICK | settings).fit(*reviews)
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (["a b", ""], [0, 1], "TextClassifier X, position 1: expected a text with at least one word"),
        (["a b", None], [0, 1], "TextClassifier X, position 1: expected a text, got None"),
        (["a b", "c"], ["x", None], "TextClassifier y, position 1: expected a label"),
        (["a b", "c"], ["x"], "TextClassifier y: expected 2 as X has 2 sequences, got 1"),
        (["a b", "c"], ["x", "x"], "TextClassifier y: expected at least two classes, got one class ('x')"),
        ("a b", ["x"], "TextClassifier X: expected a list of texts, got one text"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_a_sentence(X: Any, y: Any, sentence: str) -> None:
    """With its position."""
    with pytest.raises(DataError) as fault:
        TextClassifier(**QUICK).fit(X, y)
    assert str(fault.value).startswith(sentence)


def test_vectors_of_none_of_the_words_are_refused(tmp_path: Path) -> None:
    """A file of another language would be read for nothing; letters may differ in case."""
    path = tmp_path / "v.txt"
    path.write_text("chien 1 2\n")
    with pytest.raises(DataError, match=r"v.txt: expected vectors of words that the texts have.*'chien'"):
        TextClassifier(**QUICK, vectors=path).fit(["a dog", "a cat"], ["x", "y"])
    assert (
        TextClassifier(**QUICK, vectors=path)
        .fit(["a Chien", "a cat"], ["x", "y"])
        .token_encoder_.vector_words
    )


def test_a_model_that_is_not_fitted_says_what_to_call() -> None:
    """As scikit-learn's own."""
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call fit\(texts, y\) first"):
        TextClassifier().predict(["a"])


def test_training_resumes_from_a_checkpoint_to_the_same_result(reviews: Corpus, tmp_path: Path) -> None:
    """And other texts are refused there."""
    whole = TextClassifier(**QUICK).fit(*reviews)
    stopped = TextClassifier(**QUICK)

    def stop(record: dict[str, Any]) -> None:
        raise RuntimeError(record["epoch"])

    with pytest.raises(RuntimeError):
        stopped.fit(*reviews, checkpoint=tmp_path / "c", callbacks=[stop])
    resumed = stopped.fit(*reviews, checkpoint=tmp_path / "c")
    assert np.array_equal(resumed.predict_proba(reviews[0]), whole.predict_proba(reviews[0]))
    with pytest.raises(ValueError, match="made with other settings or data"):
        TextClassifier(**QUICK).fit(reviews[0][:50], reviews[1][:50], checkpoint=tmp_path / "c")
