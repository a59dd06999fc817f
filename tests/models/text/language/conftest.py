"""A text whose next characters follow from the last few, and models fitted on it and on documents."""

import numpy as np
import pytest

from unrolled.models.text.language.language_model import LanguageModel

SMALL = {"hidden_size": 24, "embedding_size": 12, "max_epochs": 30, "learning_rate": 2e-2}


def make_text(n_sentences: int, seed: int = 0) -> str:
    """Sentences of three to five words of a few."""
    rng = np.random.default_rng(seed)
    words = ("the", "cat", "dog", "sat", "ran", "on", "mat", "lazy", "quickly")
    return " ".join(
        " ".join(rng.choice(words, size=int(rng.integers(3, 6)))) + "." for _ in range(n_sentences)
    )


@pytest.fixture(scope="session")
def text() -> str:
    """About 3,000 characters."""
    return make_text(140)


@pytest.fixture(scope="session")
def unseen() -> str:
    """About 1,000 others of the same kind."""
    return make_text(45, seed=1)


@pytest.fixture(scope="session")
def model(text: str) -> LanguageModel:
    """Tests must not change it."""
    return LanguageModel(**SMALL).fit(text)


@pytest.fixture(scope="session")
def documents_model(text: str) -> LanguageModel:
    """Each sentence a document; two layers of another cell, weights tied behind a projection."""
    settings = SMALL | {"cell": "gru", "num_layers": 2, "tied_weights": True}
    return LanguageModel(**settings).fit([f"{sentence}." for sentence in text.split(".") if sentence])
