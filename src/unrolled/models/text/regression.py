"""Fit the logistic regression on TF-IDF that adds to the networks of a TextClassifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.network import TextNetworkConfig
from unrolled.nn.modules.tfidf import LEAST_SQUARES, TfidfOutputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INVERSE_PENALTY = 8.0  # C
_NGRAM_SHARE = 0.5  # norm of the character n-grams over that of the words
_SCALE = 0.6  # of the sum of both logits, the network's and the regression's
_MAX_ITERATIONS, _TOLERANCE = 300, 1e-3


def fit_tfidf(
    dataset: TextDataset, config: TextNetworkConfig, classes: Ints, weights: Floats
) -> TfidfOutputs:
    """Fit a logistic regression on TF-IDF of words, pairs of words and character n-grams.

    Its inverse penalty C = 8, the norm of the n-grams, half that of the words, and the scale 0.6 of the sum
    with the network's logits were chosen on parts of the training texts of TREC-6 and SST-2.

    Args:
        dataset: N texts to learn from.
        config: of the networks, which says how many buckets there are.
        classes: (N,) of each text, below `config.output_size`.
        weights: (N,) at least 0, of each text.

    Returns:
        What adds the regression to a network; of texts of one class what adds nothing.
    """
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 (with it alone)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    tfidf = TfidfOutputs(config.n_words, config.n_tfidf_buckets, config.n_buckets, config.output_size)
    is_used = weights > 0
    known = np.unique(classes[is_used])
    if len(known) == 1:
        return tfidf
    words, ngrams = (
        _Features(counts[is_used], weights[is_used]) for counts in _feature_counts(dataset, tfidf)
    )
    features = scipy.sparse.hstack([words.weighted(), _NGRAM_SHARE * ngrams.weighted()]).tocsr()
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is as good by then
        regression.fit(features, classes[is_used], weights[is_used])
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(known) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    bias = np.full(config.output_size, intercepts.min() - np.log1p(is_used.sum()))  # of a class not known
    bias[known] = intercepts
    of_words, of_ngrams = np.split(coefficients.T, [words.n_known])
    tfidf.weight[:] = words.table(of_words, known, config.output_size)
    tfidf.ngram_weight[:] = ngrams.table(_NGRAM_SHARE * of_ngrams, known, config.output_size)
    tfidf.bias[:] = torch.from_numpy(bias)
    tfidf.scale.fill_(_SCALE)
    return tfidf


class _Features:
    """Features of one block, each with its inverse document frequency.

    Args:
        counts: (N, F) of the features of each text.
        weights: (N,) above 0, of each text.
    """

    def __init__(self, counts: Any, weights: Floats) -> None:
        document_frequency = counts.astype(bool).T @ weights
        self._places = np.flatnonzero(document_frequency)
        self._idf = np.log((1 + weights.sum()) / (1 + document_frequency[self._places])) + 1
        self._counts, self._n_features = counts[:, self._places], counts.shape[1]

    @property
    def n_known(self) -> int:
        """Number of the features that some text has."""
        return len(self._places)

    def weighted(self) -> Any:
        """Compute TF-IDF (N, n_known), as `TfidfOutputs` does."""
        norms = np.sqrt(np.maximum(self._counts @ self._idf**2, LEAST_SQUARES))
        return scipy.sparse.diags(1 / norms) @ self._counts @ scipy.sparse.diags(self._idf)

    def table(self, coefficients: Floats, known: Ints, output_size: int) -> Tensor:
        """Fill a table (F, K + 1) of `TfidfOutputs` from the coefficients (n_known, C) of known classes."""
        table = np.zeros((self._n_features, output_size + 1))
        table[self._places[:, None], known] = self._idf[:, None] * coefficients
        table[self._places, -1] = self._idf**2
        return torch.from_numpy(table)


def _feature_counts(dataset: TextDataset, tfidf: TfidfOutputs) -> tuple[Any, Any]:
    """Count the features of N texts: words with pairs of words, and character n-grams, both (N, F)."""
    sequences, table = dataset.sequences, dataset.table
    lengths, n_texts = sequences.lengths.cpu(), len(dataset)
    texts = torch.arange(n_texts).repeat_interleave(lengths)
    firsts = lengths.cumsum(0) - lengths  # of each text, among the tokens of all
    places = torch.arange(len(texts)) + (sequences.starts.cpu() - firsts)[texts]
    tokens = sequences.values[:, 0].cpu()[places]
    words = table.words.cpu()[tokens]
    before = torch.cat([words[:1], words[:-1]])
    before[firsts] = tfidf.n_words
    buckets = torch.cat(tfidf.buckets(before, words))
    of_words = _counts(texts.repeat(2), buckets, (n_texts, tfidf.n_buckets))
    entries = np.ones(len(table.ngrams)), table.ngrams.cpu().numpy(), table.ngram_offsets.cpu().numpy()
    ngrams = scipy.sparse.csr_matrix(entries, shape=(len(table.words), tfidf.n_ngram_buckets))
    return of_words, _counts(texts, tokens, (n_texts, len(table.words))) @ ngrams


def _counts(rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Any:
    """Count how often each column comes in each row."""
    places = rows.numpy(), columns.numpy()
    return scipy.sparse.csr_matrix((np.ones(len(rows)), places), shape=shape)
