"""Baselines of language models: a character n-gram model, and gzip.

Each has `fit(texts, are_documents=)` and `block_nats(texts, n_blocks)`: the cost of blocks of each text, all
of one number of characters, as a lossless code of any text.
"""

from __future__ import annotations

import math
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.language.codec import CODE_POINTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ORDERS = (3, 4, 5, 6, 7)  # characters of an n-gram
_END = CODE_POINTS  # symbol beside all characters
_GZIP_LEVEL = 9


class _Level(NamedTuple):
    """Counts of n-grams of one length, in the order of their keys: context * S + symbol, S symbols in all."""

    keys: Ints
    counts: Ints
    context_counts: Ints  # of each context, how often anything followed it
    context_types: Ints  # and how many different symbols did


class WittenBell:
    """Model of characters that interpolates n-grams of all lengths up to an order.

        P_k(w | h) = (c(h w) + T(h) P_{k-1}(w | h')) / (c(h) + T(h))

    c counts in the training text, T(h) counts the different characters after h, and h' is h without its first
    character. P_{-1} is 1 / 1,114,113 for each character of Unicode and the end of a document, so that every
    text has a probability. The order is that of 3 to 7 which is best on the last tenth of the training text;
    the counts are then of all of it.

    Source: Witten and Bell, The Zero-Frequency Problem (1991), method C.

    Args:
        order: characters of the longest n-gram; None to choose it.

    >>> model = WittenBell().fit(["the cat sat on the mat. " * 20], are_documents=False)
    >>> float(model.block_nats(["the cat sat"], 1)[0, 0]) < 10
    True
    """

    def __init__(self, order: int | None = None) -> None:
        self.order = order

    def fit(self, texts: Sequence[str], *, are_documents: bool) -> Self:
        """Choose the order and count."""
        self.are_documents_ = are_documents
        self.order_ = self.order or self._best_order(texts)
        self._count(texts, self.order_)
        return self

    def _best_order(self, texts: Sequence[str]) -> int:
        training, held_out = _last_tenth(texts)
        if not training or not held_out:
            return ORDERS[0]
        self._count(training, ORDERS[-1])
        totals = np.sum([self._order_nats(text).sum(1) for text in held_out], axis=0)
        return min(ORDERS, key=lambda order: float(totals[order - 1]))

    def _count(self, texts: Sequence[str], order: int) -> None:
        ends = [_END] if self.are_documents_ else []
        symbols = np.concatenate([[_END, *_code_points(text)] for text in texts] + [ends]).astype(np.int64)
        self.alphabet_ = np.unique(symbols)
        ids = np.searchsorted(self.alphabet_, symbols)
        contexts = np.zeros(len(ids), dtype=np.int64)  # of the symbol at each place
        self._levels: list[_Level] = []
        for level in range(order):
            keys, inverse, counts = np.unique(
                contexts * self._n_symbols + ids, return_inverse=True, return_counts=True
            )
            parents, n_contexts = keys // self._n_symbols, int(contexts.max(initial=0)) + 1
            if level:
                n_contexts = len(self._levels[-1].keys)
            self._levels.append(
                _Level(
                    keys,
                    counts,
                    np.bincount(parents, weights=counts, minlength=n_contexts).astype(np.int64),
                    np.bincount(parents, minlength=n_contexts),
                )
            )
            contexts, ids = inverse[:-1].astype(np.int64), ids[1:]

    @property
    def _n_symbols(self) -> int:
        return len(self.alphabet_) + 1  # the last is any that the training text lacks

    def _order_nats(self, text: str) -> Floats:
        """Compute -log p (order, T) of each character, and of the end of a document, by each order."""
        ends = [_END] if self.are_documents_ else []
        symbols = np.array([_END, *_code_points(text), *ends], dtype=np.int64)
        places = np.minimum(np.searchsorted(self.alphabet_, symbols), len(self.alphabet_) - 1)
        ids = np.where(self.alphabet_[places] == symbols, places, len(self.alphabet_))
        p = np.full(len(ids), 1 / (CODE_POINTS + 1))
        contexts = np.zeros(len(ids), dtype=np.int64)
        nats = np.empty((len(self._levels), len(ids) - 1))
        for level, counts in enumerate(self._levels):  # a place has no context longer than what precedes it
            keys = contexts * self._n_symbols + ids[level:]
            at = np.minimum(np.searchsorted(counts.keys, keys), len(counts.keys) - 1)
            is_counted = (counts.keys[at] == keys) & (contexts >= 0)
            c = np.where(is_counted, counts.counts[at], 0)
            total, types = counts.context_counts[contexts], counts.context_types[contexts]
            is_known = (contexts >= 0) & (total > 0)
            lower = p[level:]
            p[level:] = np.where(is_known, (c + types * lower) / np.maximum(total + types, 1), lower)
            nats[level] = -np.log(p[1:])
            contexts = np.where(is_counted, at, -1)[:-1]
        return nats

    def block_nats(self, texts: Sequence[str], n_blocks: int) -> Floats:
        """Compute the cost (N, n_blocks) of blocks of each text."""
        return np.stack([split_evenly(self._order_nats(text)[-1], n_blocks) for text in texts])


class GzipCode:
    """Code of gzip, whose window holds the last 32 kB of the training text: zlib at its highest level.

    Blocks are flushed to be counted; their sum is scaled to that of all texts in one go.

    >>> code = GzipCode().fit(["the cat sat on the mat. " * 20], are_documents=False)
    >>> float(code.block_nats(["the cat sat on the mat. "], 1)[0, 0]) < 100
    True
    """

    def fit(self, texts: Sequence[str], *, are_documents: bool) -> Self:
        """Remember the end of the training text; documents are lines."""
        self._line_feed = b"\n" if are_documents else b""
        self._window = b"".join(_utf8(text) + self._line_feed for text in texts)[-(1 << 15) :]
        return self

    def block_nats(self, texts: Sequence[str], n_blocks: int) -> Floats:
        """Compute the cost (N, n_blocks) of blocks of each text."""
        compressor = zlib.compressobj(_GZIP_LEVEL)
        compressor.compress(self._window)
        compressor.flush(zlib.Z_SYNC_FLUSH)
        sizes = np.zeros((len(texts), n_blocks))
        blocks = [_blocks_of(text, n_blocks) for text in texts]
        for i, of_text in enumerate(blocks):
            for k, block in enumerate(of_text):
                content = _utf8(block) + (self._line_feed if k == n_blocks - 1 else b"")
                sizes[i, k] = len(compressor.compress(content)) + len(compressor.flush(zlib.Z_SYNC_FLUSH))
        everything = b"".join(_utf8(text) + self._line_feed for text in texts)
        at_once = len(zlib.compress(self._window + everything, _GZIP_LEVEL))
        total = at_once - len(zlib.compress(self._window, _GZIP_LEVEL))
        return np.asarray(sizes * (total / sizes.sum()) * 8 * math.log(2))


def split_evenly(nats: Floats, n_blocks: int, lengths: Ints | None = None) -> Floats:
    """Sum the costs (T,) of tokens over blocks (n_blocks,) of one length.

    Args:
        nats: of each token.
        n_blocks: how many.
        lengths: (T,) characters of each token, which belongs to the block its middle is in; None for 1.

    >>> split_evenly(np.array([1.0, 2.0, 3.0, 4.0]), 2).tolist()
    [3.0, 7.0]
    """
    ends = np.arange(1, len(nats) + 1) if lengths is None else np.cumsum(lengths)
    middles = ends - (0.5 if lengths is None else lengths / 2)
    block = np.minimum((middles / ends[-1] * n_blocks).astype(np.int64), n_blocks - 1)
    return np.bincount(block, weights=nats, minlength=n_blocks).astype(np.float64)


def _last_tenth(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a running text, or several documents, at nine tenths."""
    if len(texts) > 1:
        cut = len(texts) - max(1, len(texts) // 10)
        return [*texts[:cut]], [*texts[cut:]]
    cut = len(texts[0]) - len(texts[0]) // 10
    return [part for part in (texts[0][:cut],) if part], [part for part in (texts[0][cut:],) if part]


def _code_points(text: str) -> NDArray[np.uint32]:
    content = unicodedata.normalize("NFC", text).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(content, dtype=np.uint32)


def _utf8(text: str) -> bytes:
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _blocks_of(text: str, n_blocks: int) -> list[str]:
    text = unicodedata.normalize("NFC", text)
    cuts = np.linspace(0, len(text), n_blocks + 1).round().astype(int)
    return [text[first:last] for first, last in pairwise(cuts)]
