"""Baselines of translations: the source itself, its words one by one, the translation of the nearest source.

Each has `fit(sources, targets)` and `predict(sources)` on lists of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.codec import spaced_words

Ints = NDArray[np.int64]

_ROUNDS = 8  # of expectation maximisation: later ones change hardly any word's best translation
_MOST_WORDS = 80  # of a side of a pair that is learned from: words times words are in memory
_PAIRS_AT_ONCE = 1 << 22  # of words
_QUERIES_AT_ONCE = 512
_NULL = 0  # the empty source word, from which words come that stand for none


class CopySource:
    """The source as it is: names and numbers are right, the rest where the languages agree.

    >>> CopySource().fit(["ein Hund"], ["a dog"]).predict(["eine Katze"])
    ['eine Katze']
    """

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:  # noqa: ARG002 (as all baselines)
        """Learn nothing."""
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        """Return the sources."""
        return list(X)


class WordByWord:
    """Each source word by its likeliest translation, in the order of the source; words never seen stay.

        p(t | s) is the share of the counts of t that s has; a count of t in a pair is divided among the
        source words of the pair, and an empty one, in proportion to p(t | ·)

    Source: Brown et al., The Mathematics of Statistical Machine Translation (1993), model 1.

    >>> german, english = ["ein Hund", "ein Haus", "der Hund"], ["a dog", "a house", "the dog"]
    >>> WordByWord().fit(german, english).predict(["der ein Haus!"])
    ['the a house!']
    """

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:
        """Learn the lexicon by expectation maximisation."""
        source_of: dict[str, int] = {"": _NULL}
        target_of: dict[str, int] = {}
        sources = [[_NULL, *_numbers(text, source_of)] for text in X]
        targets = [_numbers(text, target_of) for text in y]
        words, links = _learn_lexicon(sources, targets, len(target_of))
        names = list(target_of)
        best = {int(s): names[int(t)] for s, t in zip(words, links, strict=True)}
        self.translation_of_ = {word: best[k] for word, k in source_of.items() if k in best and k != _NULL}
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        """Translate word by word."""
        return ["".join(self.translation_of_.get(word, word) for word in spaced_words(text)).strip()
                for text in X]  # fmt: skip


class NearestSentence:
    """The translation of the training source that is most like the text, by TF-IDF of words and pairs.

    >>> german, english = ["ein Hund rennt", "zwei Katzen"], ["a dog runs", "two cats"]
    >>> NearestSentence().fit(german, english).predict(["der Hund rennt"])
    ['a dog runs']
    """

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:
        """Weigh the words of all sources."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 (with it alone)

        self.counts_: Any = TfidfVectorizer(analyzer=_word_features, sublinear_tf=True)
        self.sources_: Any = self.counts_.fit_transform(list(X)).T.tocsr()
        self.targets_ = list(y)
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        """Return the translation that goes with the nearest source; of equals that of the first."""
        translations: list[str] = []
        for start in range(0, len(X), _QUERIES_AT_ONCE):
            queries = self.counts_.transform(X[start : start + _QUERIES_AT_ONCE])
            nearest = np.asarray((queries @ self.sources_).toarray().argmax(axis=1))
            translations += [self.targets_[k] for k in nearest.tolist()]
        return translations


TRANSLATION_BASELINES: dict[str, Callable[[], Any]] = {
    "copy": CopySource,
    "word by word": WordByWord,
    "nearest sentence": NearestSentence,
}


def _word_features(text: str) -> list[str]:
    """Return the words of a text in lower case, and its pairs of neighbours."""
    words = [word.strip().lower() for word in spaced_words(text)]
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def _numbers(text: str, number_of: dict[str, int]) -> list[int]:
    """Number the words of a text; new ones are added."""
    words = spaced_words(text)[:_MOST_WORDS]
    return [number_of.setdefault(word, len(number_of)) for word in words]


def _learn_lexicon(sources: list[list[int]], targets: list[list[int]], n_targets: int) -> tuple[Ints, Ints]:
    """Return source words, and the likeliest target word of each."""
    chunks = _linked(sources, targets, n_targets)
    codes = np.unique(np.concatenate([np.unique(code) for code, _ in chunks]))  # a word pair each
    places = [(np.searchsorted(codes, code).astype(np.int32), group) for code, group in chunks]
    words = codes // n_targets
    p = np.ones(len(codes))
    for _ in range(_ROUNDS):
        counts = np.zeros(len(codes))
        for place, group in places:
            likely = p[place]
            shares = likely / np.bincount(group, likely)[group]
            counts += np.bincount(place, shares, minlength=len(codes))
        p = counts / np.bincount(words, counts)[words]
    order = np.lexsort((-p, words))
    first = np.unique(words[order], return_index=True)[1]
    best = order[first]
    return words[best], codes[best] % n_targets


def _linked(
    sources: list[list[int]], targets: list[list[int]], n_targets: int
) -> list[tuple[Ints, NDArray[np.int32]]]:
    """Link every target word with every source word of its pair, in chunks of a bounded size.

    Returns:
        For each chunk the code of each link, source word times `n_targets` plus target word; and the target
        word, numbered within the chunk, that it is a link of.
    """
    n_sources, n_words = (np.array([len(row) for row in side]) for side in (sources, targets))
    cuts = (n_sources * n_words).cumsum() // _PAIRS_AT_ONCE
    chunks = []
    for k in np.unique(cuts):
        rows = np.flatnonzero(cuts == k)
        flat = np.concatenate([np.array(targets[i], dtype=np.int64) for i in rows])
        widths = np.repeat(n_sources[rows], n_words[rows])  # links of each target word
        tiled = np.concatenate([np.tile(np.array(sources[i], dtype=np.int64), n_words[i]) for i in rows])
        group = np.repeat(np.arange(len(flat), dtype=np.int32), widths)
        chunks.append((tiled * n_targets + flat[group], group))
    return chunks
