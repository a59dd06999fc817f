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
from unrolled.nn.modules.bigrams import words_before
from unrolled.nn.modules.tfidf import LEAST_SQUARES, TfidfOutputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INVERSE_PENALTY = 8.0  # C
_NGRAM_SHARE = 0.5  # norm of the character n-grams over that of the words
_SCALE = 0.6  # of the sum of both logits, the network's and the regression's
_MAX_ITERATIONS, _TOLERANCE = 100, 1e-5
_MOST_WORK = 2**26  # features of all texts times classes: half a minute, and half a gigabyte
_MOST_WEIGHTS = 2**22  # features times classes: the solver holds some 25 vectors of them, 0.8 GB


def is_regression_small(dataset: TextDataset, config: TextNetworkConfig) -> bool:
    """Tell whether a regression on TF-IDF takes little beside a training, in time and memory.

    At most 67 million features of all texts times classes, of which a network learns by itself what a
    regression knows, and 4 million weights.
    """
    n_classes = config.output_size
    if (config.n_words + config.n_bigram_buckets + config.n_buckets) * n_classes > _MOST_WEIGHTS:
        return False
    tokens = dataset.sequences.values[:-1, 0]
    n_ngrams = int(dataset.table.ngram_offsets.diff()[tokens].sum())
    return (2 * len(tokens) + n_ngrams) * n_classes <= _MOST_WORK


def fit_tfidf(
    dataset: TextDataset, config: TextNetworkConfig, classes: Ints, weights: Floats
) -> TfidfOutputs:
    """Fit a logistic regression on TF-IDF of words, pairs of words and character n-grams.

    Its inverse penalty C = 8, the norm of the n-grams, half that of the words, and the scale 0.6 of the sum
    with the network's logits were chosen on parts of the training texts of TREC-6 and SST-2.

    Args:
        dataset: N texts to learn from, each class among them.
        config: of the networks, which says how many buckets there are.
        classes: (N,) of each text, below `config.output_size`.
        weights: (N,) at least 0, of each text.

    Returns:
        What adds the regression to the outputs of a network.
    """
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 (with it alone)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    tfidf = TfidfOutputs(config.n_words, config.n_bigram_buckets, config.n_buckets, config.output_size)
    blocks = _feature_counts(dataset, tfidf)
    tables, shares = (tfidf.weight, tfidf.ngram_weight), (1.0, _NGRAM_SHARE)
    for j, (counts, share) in enumerate(zip(blocks, shares, strict=True)):
        idf = _inverse_document_frequencies(counts, weights)
        squares = counts @ idf**2
        _weigh(counts, idf, share / np.sqrt(np.maximum(squares, LEAST_SQUARES)))
        tables[j][:, -1] = torch.from_numpy(idf**2)
        tfidf.longest[j] = max(float(squares[weights > 0].max(initial=0.0)), LEAST_SQUARES)
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many iterations are the training
        regression.fit(scipy.sparse.hstack(blocks, format="csr"), classes, weights)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(coefficients) == 1:  # log odds of the second of two classes
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    parts = np.split(coefficients.T, [len(tfidf.weight)])
    for table, share, part in zip(tables, shares, parts, strict=True):
        table[:, :-1] = share * table[:, -1:].sqrt() * torch.from_numpy(part)
    tfidf.bias[:] = torch.from_numpy(intercepts)
    tfidf.scale.fill_(_SCALE)
    return tfidf


def _inverse_document_frequencies(counts: Any, weights: Floats) -> Floats:
    """Compute ln((1 + N) / (1 + n)) + 1 of each feature, n of N texts having it; 0 if none has.

    Args:
        counts: (N, F).
        weights: (N,): a text of weight k counts as k texts.
    """
    of_entries = np.repeat(weights, np.diff(counts.indptr))
    n = np.bincount(counts.indices, weights=of_entries, minlength=counts.shape[1])
    return np.where(n > 0, np.log((1 + weights.sum()) / (1 + n)) + 1, 0.0)


def _weigh(counts: Any, of_columns: Floats, of_rows: Floats) -> None:
    """Multiply columns and rows in place: there are many."""
    counts.data *= of_columns[counts.indices]
    counts.data *= np.repeat(of_rows, np.diff(counts.indptr))


def _feature_counts(dataset: TextDataset, tfidf: TfidfOutputs) -> tuple[Any, Any]:
    """Count the features of N texts in the rows of both tables of `TfidfOutputs`: (N, rows), sparse."""
    sequences, table = dataset.sequences, dataset.table
    lengths, n_texts = sequences.lengths.cpu(), len(dataset)
    texts = torch.arange(n_texts).repeat_interleave(lengths)
    firsts = lengths.cumsum(0) - lengths  # of each text, among the tokens of all
    places = torch.arange(len(texts)) + (sequences.starts.cpu() - firsts)[texts]
    tokens = sequences.values[:, 0].cpu()[places]
    words = table.words.cpu()[tokens]
    before = words_before(words[None], tfidf.n_words)[0]
    before[firsts] = tfidf.n_words
    rows = torch.cat([words, tfidf.pair_rows(before, words)])
    of_words = _counts(texts.repeat(2), rows, (n_texts, len(tfidf.weight)))
    ngrams, offsets = table.ngrams.cpu().numpy(), table.ngram_offsets.cpu().numpy()
    entries = np.ones(len(ngrams), np.float32), ngrams, offsets
    of_tokens = scipy.sparse.csr_matrix(entries, shape=(len(table.words), tfidf.n_ngram_buckets))
    return of_words, _counts(texts, tokens, (n_texts, len(table.words))) @ of_tokens


def _counts(rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Any:
    """Count how often each column comes in each row."""
    places = rows.numpy(), columns.numpy()
    return scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), places), shape=shape)
