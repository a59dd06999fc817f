"""Sentences of tones: every word is a tone of its own pitch, spoken by voices of several loudnesses."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.models.audio.transcription.transcriber import Transcriber

TONES = {"do": 400, "mi": 800, "so": 1500}
SMALL: dict[str, Any] = {
    "rate": 8000, "hidden_size": 24, "num_layers": 1, "max_epochs": 18, "learning_rate": 1e-2,
}  # fmt: skip


class Sentences(NamedTuple):
    """Recordings (N_i,) at 8,000 samples a second, their transcripts and voices."""

    waves: list[NDArray[np.float64]]
    texts: list[str]
    voices: list[str]


def make_sentences(n: int, seed: int) -> Sentences:
    """Make n sentences of one to three words, with pauses between."""
    rng = np.random.default_rng(seed)
    waves, texts, voices = [], [], []
    for i in range(n):
        words = rng.choice(list(TONES), rng.integers(1, 4))
        parts = []
        for word in words:
            time = np.arange(rng.integers(1500, 2100)) / 8000
            hertz = TONES[str(word)] * rng.uniform(0.95, 1.05)
            parts += [
                np.zeros(rng.integers(300, 900)),
                np.sin(2 * np.pi * hertz * time) * np.hanning(len(time)),
            ]
        wave = np.concatenate(parts)
        waves.append((0.1 + 0.2 * (i % 3)) * (wave + rng.normal(0, 0.003, len(wave))))
        texts.append(" ".join(words))
        voices.append(f"voice {i % 3}")
    return Sentences(waves, texts, voices)


@pytest.fixture(scope="session")
def sentences() -> Sentences:
    """Recordings to learn from."""
    return make_sentences(96, seed=0)


@pytest.fixture(scope="session")
def unseen_sentences() -> Sentences:
    """Recordings to test on."""
    return make_sentences(30, seed=1)


@pytest.fixture(scope="session")
def transcriber(sentences: Sentences) -> Transcriber:
    """Tests must not change it."""
    return Transcriber(**SMALL).fit(sentences.waves, sentences.texts)
