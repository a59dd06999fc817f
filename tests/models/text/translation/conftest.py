"""Made-up pairs: numbers in words that change their order, as verbs and objects do between languages."""

from typing import Any

import numpy as np
import pytest

from unrolled.models.text.translation.translator import Translator

Pairs = tuple[list[str], list[str]]

_NOUNS = {"Hund": "dog", "Katze": "cat", "Mann": "man", "Frau": "woman", "Kind": "child", "Pferd": "horse"}
_VERBS = {"sieht": "sees", "ruft": "calls", "sucht": "seeks", "kennt": "knows"}
SMALL: dict[str, Any] = {
    "unit": "word", "hidden_size": 48, "embedding_size": 24, "num_layers": 2, "encoder_layers": 1,
    "dropout": 0.1, "word_dropout": 0.0, "learning_rate": 1e-2,
}  # fmt: skip


def make_pairs(count: int, seed: int = 0) -> Pairs:
    """Make sentences whose verb stands last in the one language and second in the other."""
    rng = np.random.default_rng(seed)
    sources, targets = [], []
    for _ in range(count):
        one, other = (str(noun) for noun in rng.choice(list(_NOUNS), 2))
        verb = str(rng.choice(list(_VERBS)))
        sources.append(f"weil {one} {other} {verb}")
        targets.append(f"because {_NOUNS[one]} {_VERBS[verb]} {_NOUNS[other]}.")
    return sources, targets


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    """200 pairs."""
    return make_pairs(200)


@pytest.fixture(scope="session")
def unseen_pairs() -> Pairs:
    """60 others of the same kind."""
    return make_pairs(60, seed=1)


@pytest.fixture(scope="session")
def fitted(pairs: Pairs) -> Translator:
    """Tests must not change it."""
    return Translator(**SMALL, max_epochs=20).fit(*pairs)
