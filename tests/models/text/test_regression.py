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
BUCKETS, NGRAM_BUCKETS = 1009, 4096


def _dataset(texts: list[str]) -> TextDataset:
    words = tuple(dict.fromkeys(word for text in TEXTS for word in text.split()))
    encoder = TokenEncoder(Vocabulary(words), n_buckets=NGRAM_BUCKETS)
    return TextDataset.from_sequences(as_documents(texts, Tokenizer("word")).sequences, encoder)


def _config(n_classes: int) -> TextNetworkConfig:
    return TextNetworkConfig(
        n_words=9, n_buckets=NGRAM_BUCKETS, n_tfidf_buckets=BUCKETS, output_size=n_classes
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
    texts = [*TEXTS, "so long", "warm dull plot"]
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
    assert _logits(weighted, TEXTS) == pytest.approx(_logits(copied, TEXTS), abs=1e-4)


def test_a_class_that_no_text_has_is_unlikely() -> None:
    """As where all its texts are held out."""
    tfidf = fit_tfidf(_dataset(TEXTS), _config(4), CLASSES, np.ones(8))
    logits = _logits(tfidf, TEXTS)
    assert (logits[:, 3] < logits[:, :3].min(1)).all()


def test_texts_of_one_class_teach_nothing() -> None:
    """The outputs stay as they are."""
    tfidf = fit_tfidf(_dataset(TEXTS), _config(2), np.zeros(8, dtype=np.int64), np.ones(8))
    assert (tfidf.scale, tfidf.bias.any(), tfidf.weight.any()) == (1, False, False)
