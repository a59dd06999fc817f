"""A small corpus of made-up reviews whose class depends on words, negation and spelling."""

import numpy as np
import pytest

Corpus = tuple[list[str], list[str]]

_GOOD = ("warm", "funny", "moving", "clever", "bright")
_BAD = ("dull", "clumsy", "boring", "noisy", "flat")
_NOUNS = ("film", "plot", "cast", "score", "ending")
_FORMS = ("a {} {}", "the {1} was {0}", "so {} , this {} !", "what a {0} {1} it is", "{} , a {} for all")


def make_reviews(count: int, seed: int = 0) -> Corpus:
    """Make reviews with the class of each: good or bad words, one in four turned round by "not"."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        is_good = bool(rng.random() < 0.5)
        is_negated = bool(rng.random() < 0.25)
        word = str(rng.choice(_GOOD if is_good != is_negated else _BAD))
        form = str(rng.choice(_FORMS))
        texts.append(form.format(f"not {word}" if is_negated else word, rng.choice(_NOUNS)))
        labels.append("good" if is_good else "bad")
    return texts, labels


@pytest.fixture(scope="session")
def reviews() -> Corpus:
    """240 reviews and their classes."""
    return make_reviews(240)


@pytest.fixture(scope="session")
def unseen_reviews() -> Corpus:
    """80 other reviews of the same kind."""
    return make_reviews(80, seed=1)
