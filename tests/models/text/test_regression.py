"""The regression on TF-IDF that adds to a classifier of texts is scikit-learn's."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from unrolled.data.text.documents import as_documents
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.text import regression
from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.encoder import TokenEncoder
from unrolled.models.text.network import TextNetworkConfig
from unrolled.models.text.regression import fit_tfidf
from unrolled.nn.modules.tfidf import TfidfOutputs

Floats = NDArray[np.float64]

# No feature comes twice in a text, so that the norm of the formula is that of TF-IDF.
TEXTS = ["warm film", "dull film", "warm plot", "so dull", "long plot", "so warm", "dull", "long"]
CLASSES = np.array([1, 0, 1, 0, 0, 1, 0, 2])
WORDS = (*dict.fromkeys(word for text in TEXTS for word in text.split()), *(f"w{k}" for k in range(400)))
BUCKETS, NGRAM_BUCKETS = 1009, 4096


def _dataset(texts: list[str]) -> TextDataset:
    encoder = TokenEncoder(Vocabulary(WORDS), n_buckets=NGRAM_BUCKETS)
    return TextDataset.from_sequences(as_documents(texts, Tokenizer("word")).sequences, encoder)


def _config(n_classes: int) -> TextNetworkConfig:
    return TextNetworkConfig(
        n_words=len(WORDS) + 1,
        n_buckets=NGRAM_BUCKETS,
        n_bigram_buckets=BUCKETS,
        has_regression=True,
        output_size=n_classes,
    )


def _logits(tfidf: TfidfOutputs, texts: list[str]) -> Floats:
    """Compute what the regression alone says of texts."""
    batch = _dataset(texts).batch(torch.arange(len(texts)))
    tokens = batch.tokens
    spelling = tfidf.spelling(tokens.ngrams, tokens.ngram_offsets)[tokens.places]
    nothing = torch.zeros(len(texts), tfidf.output_size, dtype=torch.float64)
    added = tfidf(nothing, tokens.words[tokens.places], spelling, batch.sequences.lengths)
    return (added / tfidf.scale).numpy()  # type: ignore[no-any-return]


def _features(texts: list[str]) -> Floats:
    """Compute TF-IDF of words with pairs, and of n-grams, from the definition."""
    blocks = []
    for ngrams in (False, True):
        bags = [_bag(text.split(), ngrams=ngrams) for text in texts]
        known = sorted(set().union(*bags[: len(TEXTS)]))
        counts = np.array([[bag.count(name) for name in known] for bag in bags], dtype=float)
        idf = np.log((1 + len(TEXTS)) / (1 + (counts[: len(TEXTS)] > 0).sum(0))) + 1
        blocks.append((0.5 if ngrams else 1.0) * counts * idf / np.sqrt(counts @ idf**2)[:, None])
    return np.hstack(blocks)


def _bag(words: list[str], *, ngrams: bool) -> list[str]:
    if not ngrams:
        return [*words, *(f"{a} {b}" for a, b in zip(["^", *words], words, strict=False))]
    marked = [f"<{word}>" for word in words]
    pieces = [w[i : i + n] for w in marked for n in (3, 4, 5) for i in range(len(w) - n + 1)]
    return [*pieces, *("shape" for _ in words)]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_the_regression_of_scikit_learn(n_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same features, penalty and norms, for texts that it has not seen as well."""
    monkeypatch.setattr(regression, "_TOLERANCE", 1e-8)
    classes = np.minimum(CLASSES, n_classes - 1)
    tfidf = fit_tfidf(_dataset(TEXTS), _config(n_classes), classes, np.ones(8))
    texts = [*TEXTS, "so long", "long film"]
    features = _features(texts)
    expected = LogisticRegression(C=8.0, tol=1e-8).fit(features[:8], classes).predict_proba(features)
    logits = _logits(tfidf, texts)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert probabilities == pytest.approx(expected, abs=1e-4)
    assert tfidf.scale == pytest.approx(0.6)


def test_a_weight_of_two_counts_as_two_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the penalty and in the frequencies; a weight of 0 is no text at all."""
    monkeypatch.setattr(regression, "_TOLERANCE", 1e-8)
    weights = np.array([1.0, 2, 1, 0, 1, 1, 2, 1])
    copies = [k for k in range(8) for _ in range(int(weights[k]))]
    weighted = fit_tfidf(_dataset(TEXTS), _config(3), CLASSES, weights)
    copied = fit_tfidf(
        _dataset([TEXTS[k] for k in copies]), _config(3), CLASSES[copies], np.ones(len(copies))
    )
    assert _logits(weighted, TEXTS) == pytest.approx(_logits(copied, TEXTS), abs=1e-3)


def test_a_class_without_weight_is_unlikely() -> None:
    """As where `class_weight` gives it none."""
    weights = np.where(CLASSES == 2, 0.0, 1.0)
    tfidf = fit_tfidf(_dataset(TEXTS), _config(3), CLASSES, weights)
    logits = _logits(tfidf, TEXTS)
    assert (logits[:, 2] < logits[:, :2].min(1) - 3).all()


def test_rare_features_are_learned_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where texts are long and classes many, the gradient of each is small from the beginning."""
    rng = np.random.default_rng(0)
    classes = np.arange(300) % 20
    of_class = classes[:, None] * 20 + rng.integers(0, 20, (300, 60))
    drawn = np.where(rng.random((300, 60)) < 0.1, of_class, rng.integers(0, 400, (300, 60)))
    texts = [" ".join(f"w{k}" for k in row) for row in drawn]
    learned = fit_tfidf(_dataset(texts), _config(20), classes, np.ones(300))
    monkeypatch.setattr(regression, "_TOLERANCE", 1e-8)
    exact = fit_tfidf(_dataset(texts), _config(20), classes, np.ones(300))
    assert _logits(learned, texts) == pytest.approx(_logits(exact, texts), abs=0.05)


def test_long_texts_are_not_more_certain_for_their_length() -> None:
    """A word said ten thousand times says little more than one said often enough to be long."""
    tfidf = fit_tfidf(_dataset(TEXTS), _config(2), np.minimum(CLASSES, 1), np.ones(8))
    few, many = _logits(tfidf, ["warm " * 20, "warm " * 10_000])
    assert np.abs(many).max() < 1.5 * np.abs(few).max()
