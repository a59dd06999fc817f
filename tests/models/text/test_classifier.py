"""TextClassifier learns from words, their order and their spelling, and works in scikit-learn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from unrolled.errors import DataError
from unrolled.models.text import base, regression
from unrolled.models.text.classifier import TextClassifier

Corpus = tuple[list[str], list[str]]

SMALL = {"hidden_size": 12, "embedding_size": 16, "n_buckets": 512, "n_members": 1, "dropout": 0.1,
         "embedding_dropout": 0.1, "word_dropout": 0.0, "max_epochs": 16, "learning_rate": 1e-2}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(reviews: Corpus) -> TextClassifier:
    """Tests must not change it."""
    return TextClassifier(**SMALL).fit(*reviews)


def test_words_and_their_order_are_learned(fitted: TextClassifier, unseen_reviews: Corpus) -> None:
    """One review in four is turned round by "not": words without order would miss those."""
    texts, labels = unseen_reviews
    assert fitted.score(texts, labels) > 0.95
    negated = ["not" in text.split() for text in texts]
    predictions = fitted.predict(texts)
    assert (predictions == labels)[negated].mean() > 0.9
    assert fitted.predict_proba(texts).sum(1) == pytest.approx(1)
    assert fitted.classes_.tolist() == ["bad", "good"]


def test_pairs_of_words_take_little_memory_with_many_classes() -> None:
    """A million weights at most, in fewer buckets the more classes there are."""
    texts = [f"item {k}" for k in range(300)]
    few, many = (
        TextClassifier(**SMALL | {"max_epochs": 1}).fit(texts, [f"{k % n}" for k in range(300)])
        for n in (2, 150)
    )
    assert few.networks_[0].bigrams.weight.shape == (65_536, 2)
    assert many.networks_[0].bigrams.weight.numel() <= 2**20
    tfidf = few.networks_[0].tfidf
    assert tfidf.weight.shape == (tfidf.n_words + 65_536, 3)
    assert many.networks_[0].tfidf.weight.numel() <= 1.1 * 2**20
    wide = TextClassifier(**SMALL | {"max_epochs": 1, "n_buckets": 1 << 15})
    assert wide.fit(texts, [f"{k % 150}" for k in range(300)]).networks_[0].tfidf is None  # 6 million weights


def test_a_regression_that_would_take_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its work is that of all features and classes."""
    texts, labels = ["a fine film", "a dull plot"] * 8, ["good", "bad"] * 8
    monkeypatch.setattr(regression, "_MOST_WORK", 100)
    model = TextClassifier(**SMALL | {"max_epochs": 1}).fit(texts, labels)
    assert model.networks_[0].tfidf is None
    assert "regression" not in model.network_config_.readout_words


def test_the_validation_loss_is_that_of_the_model(reviews: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum of network and regression, as the epoch is chosen by it."""
    texts, labels = zip(*dict.fromkeys(zip(*reviews, strict=True)), strict=True)  # each once
    is_held = np.arange(len(texts)) % 3 == 0
    monkeypatch.setattr(base, "holdout_mask", lambda *_, **__: is_held)
    settings = SMALL | {"label_smoothing": 0.0, "validation_fraction": 0.3, "max_epochs": 4}
    model = TextClassifier(**settings).fit(list(texts), list(labels))
    held = np.flatnonzero(is_held)
    probabilities = model.predict_proba([texts[i] for i in held])
    right = probabilities[np.arange(len(held)), np.searchsorted(model.classes_, [labels[i] for i in held])]
    assert -np.log(right).mean() == pytest.approx(model.history_.best.validation_loss, rel=1e-4)


def test_a_misspelt_word_is_read_by_its_ngrams(fitted: TextClassifier) -> None:
    """As a word that the training text lacks is."""
    assert fitted.predict(["a boringly film", "a funnyish plot"]).tolist() == ["bad", "good"]


def test_lists_of_words_series_and_frames_are_texts_too(fitted: TextClassifier, reviews: Corpus) -> None:
    """The same texts have the same probabilities in every form."""
    texts = reviews[0][:6]
    expected = fitted.predict_proba(texts)
    for X in (pd.Series(texts), pd.DataFrame({"text": texts}), np.array(texts), [t.split() for t in texts]):
        assert np.array_equal(fitted.predict_proba(X), expected)


def test_it_works_in_pipelines_searches_and_cross_validation(reviews: Corpus) -> None:
    """scikit-learn's contract: clone, parameters, classifier."""
    quick = TextClassifier(hidden_size=3, embedding_size=4, n_buckets=32, n_members=1, max_epochs=1)
    assert is_classifier(quick)
    assert clone(quick).get_params() == quick.get_params()
    texts, labels = reviews[0][:60], reviews[1][:60]
    assert cross_val_score(quick, texts, labels, cv=2).shape == (2,)
    lower = FunctionTransformer(lambda X: [text.lower() for text in X])
    pipeline = make_pipeline(lower, quick)
    search = GridSearchCV(pipeline, {"textclassifier__cell": ["gru", "lstm"]}, cv=2)
    search.fit(texts, labels)
    assert len(search.predict(["warm"])) == 1


def test_scores_weigh_and_refuse_labels_of_another_type(fitted: TextClassifier) -> None:
    """A class that was never seen counts as wrong; numbers in place of texts are refused."""
    texts = ["a warm film", "a dull film"]
    assert fitted.score(texts, ["good", "new"]) == 0.5
    assert fitted.score(texts, ["good", "new"], sample_weight=[3, 1]) == 0.75
    with pytest.raises(DataError, match="expected labels like 'bad', as in fit, got 1"):
        fitted.score(texts, [1, 0])


def test_class_weights_move_the_border(reviews: Corpus) -> None:
    """A class of a hundred times the weight is nearly always predicted."""
    heavy = TextClassifier(**SMALL | {"class_weight": {"good": 100.0}, "max_epochs": 3}).fit(*reviews)
    assert (heavy.predict(reviews[0]) == "good").mean() > 0.9


def test_groups_are_held_out_together(reviews: Corpus, tmp_path: Path) -> None:
    """An author's texts are on one side: no word of a held-out author alone is learned."""
    authors = [f"author{i // 24}" for i in range(240)]
    texts = [f"{text} {author}" for text, author in zip(reviews[0], authors, strict=True)]
    model = TextClassifier(**SMALL | {"max_epochs": 1, "validation_fraction": 0.2})
    model.fit(texts, reviews[1], groups=authors)
    learned = [token for token in model.token_encoder_.vocabulary.tokens if token.startswith("author")]
    assert 6 <= len(learned) <= 8
    assert len(set(learned)) == len(learned)
