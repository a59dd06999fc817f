"""Baselines of texts: logistic regression on counts of words and characters; tags of words by themselves.

Each has `fit(X, y)` and `predict(X)` on texts, strings or lists of words; those of tags on lists of words.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.targets import as_objects

Array = NDArray[Any]
Floats = NDArray[np.float64]
Sentence = Sequence[str]

_INVERSE_PENALTY = 4.0  # C of the regressions on TF-IDF: the best of 1, 4 and 10 on held-out training texts
_TAG_PENALTY = 1.0
_MAX_ITERATIONS = 200
_WORD_PATTERN = r"[^\W_]+|[^\w\s]"  # words, and signs by themselves
_RARE = 1  # occurrences of words that stand for those never seen


class TfidfLogistic:
    """Logistic regression on TF-IDF of words and pairs of words, and of character n-grams if asked for.

    Args:
        characters: whether n-grams of 2 to 5 characters within words count too.

    >>> texts = ["warm and funny", "dull and long", "funny film", "dull film"]
    >>> model = TfidfLogistic(characters=True).fit(texts, np.array(["good", "bad", "good", "bad"]))
    >>> model.predict(["a funnier one"]).tolist()
    ['good']
    """

    def __init__(self, *, characters: bool = False) -> None:
        self.characters = characters

    def fit(self, X: Sequence[str | Sentence], y: Array) -> Self:
        """Count, weigh and regress."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 (with it alone)
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415

        counts = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD_PATTERN)]
        if self.characters:
            counts.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))
        regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000)
        self.pipeline_ = make_pipeline(make_union(*counts), regression)
        self.pipeline_.fit(_joined(X), y)
        self.classes_: Array = self.pipeline_.classes_
        return self

    def predict(self, X: Sequence[str | Sentence]) -> Array:
        """Return the likeliest class (N,)."""
        return np.asarray(self.pipeline_.predict(_joined(X)))

    def predict_proba(self, X: Sequence[str | Sentence]) -> Floats:
        """Return the probabilities (N, C)."""
        return np.asarray(self.pipeline_.predict_proba(_joined(X)))


class MostFrequentTag:
    """The most frequent tag of each word; of a word never seen, that of the words that occur once.

    >>> model = MostFrequentTag().fit([["a", "dog"], ["a", "a"]], [["DET", "NOUN"], ["DET", "X"]])
    >>> [tags.tolist() for tags in model.predict([["a", "cat"]])]
    [['DET', 'NOUN']]
    """

    def fit(self, X: Sequence[Sentence], y: Sequence[Sequence[Any]]) -> Self:
        """Count the tags of each word."""
        counts: dict[str, Counter[Any]] = defaultdict(Counter)
        for words, tags in zip(X, y, strict=True):
            for word, tag in zip(words, tags, strict=True):
                if tag is not None:
                    counts[word][tag] += 1
        rare = sum((c for c in counts.values() if c.total() <= _RARE), Counter())
        self.unknown_ = (rare or sum(counts.values(), Counter())).most_common(1)[0][0]
        self.tag_of_ = {word: c.most_common(1)[0][0] for word, c in counts.items()}
        return self

    def predict(self, X: Sequence[Sentence]) -> Array:
        """Return tags: N arrays (T_i,), in an array of objects."""
        return as_objects([np.array([self.tag_of_.get(w, self.unknown_) for w in words]) for words in X])


class TokenLogistic:
    """Logistic regression of a word's tag on the word, its affixes and shape, and the words beside it.

    It reads two words to either side, but no tag that it has predicted: every word by itself.
    """

    def fit(self, X: Sequence[Sentence], y: Sequence[Sequence[Any]]) -> Self:
        """Collect features and regress; words without a tag are read as neighbours alone."""
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 (with it alone)
        from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        # a feature seen once tells nothing of other words, and half of all are
        self.counts_ = CountVectorizer(analyzer=_as_they_are, min_df=2, binary=True)
        tags = [tag for one in y for tag in one]
        features = (each for words in X for each in token_features(words))
        tagged = [each for each, tag in zip(features, tags, strict=True) if tag is not None]
        self.regression_ = LogisticRegression(C=_TAG_PENALTY, max_iter=_MAX_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is as good by then
            labels = np.array([tag for tag in tags if tag is not None])
            self.regression_.fit(self.counts_.fit_transform(tagged), labels)
        return self

    def predict(self, X: Sequence[Sentence]) -> Array:
        """Return tags: N arrays (T_i,), in an array of objects."""
        features = (each for words in X for each in token_features(words))
        flat = np.asarray(self.regression_.predict(self.counts_.transform(features)))
        return as_objects(np.split(flat, np.cumsum([len(words) for words in X])[:-1]))


def token_features(words: Sentence) -> Iterable[list[str]]:
    """Yield the features of each word of a sentence: itself, affixes, shape, and the words beside it.

    >>> next(iter(token_features(["Ann", "ran"])))[:3]
    ['1', 'w=Ann', 'l=ann']
    """
    padded = ["<", "<", *words, ">", ">"]
    for k, word in enumerate(words, start=2):
        low = word.lower()
        shape = re.sub(r"(.)\1+", r"\1", "".join(_letter_kind(letter) for letter in word))
        features = ["1", f"w={word}", f"l={low}", f"h={shape}"]
        features += [f"p={low[:n]}" for n in (1, 2, 3)] + [f"s={low[-n:]}" for n in (1, 2, 3, 4)]
        for step in (-2, -1, 1, 2):
            beside = padded[k + step].lower()
            features += [f"{step}={beside}", f"{step}s={beside[-3:]}"]
        features.append(f"b={padded[k - 1].lower()} {low}")
        yield features


def _as_they_are(features: list[str]) -> list[str]:
    return features


def _letter_kind(letter: str) -> str:
    if letter.isalpha():
        return "X" if letter.isupper() else "x"
    return "d" if letter.isdigit() else letter


def _joined(X: Sequence[str | Sentence]) -> list[str]:
    return [text if isinstance(text, str) else " ".join(text) for text in X]
