"""Rising and falling chirps of several voices, which differ in pitch and loudness."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.models.audio.classifier import AudioClassifier

SMALL = {"rate": 8000, "hidden_size": 12, "num_layers": 1, "max_epochs": 14, "learning_rate": 1e-2}


class Chirps(NamedTuple):
    """Recordings (N_i,) at 8,000 samples a second, their labels and voices."""

    waves: list[NDArray[np.float64]]
    labels: list[str]
    voices: list[str]


def make_chirps(n: int, seed: int) -> Chirps:
    """Make n chirps of 0.2 to 0.3 s, every second of them rising."""
    rng = np.random.default_rng(seed)
    waves, voices = [], []
    for i in range(n):
        time = np.arange(rng.integers(1600, 2400)) / 8000
        voice, sign = i // 2 % 4, 1 - i % 2 * 2
        base, slope = 400 + 150 * voice + rng.uniform(-30, 30), rng.uniform(1500, 2500) * sign
        tone = np.sin(2 * np.pi * ((base + 500) * time + slope * time * (time - time[-1]) / 2))
        waves.append((0.1 + 0.2 * voice) * (tone * np.hanning(len(time)) + rng.normal(0, 0.01, len(time))))
        voices.append(f"voice {voice}")
    return Chirps(waves, ["up", "down"] * (n // 2), voices)


@pytest.fixture(scope="session")
def chirps() -> Chirps:
    """Recordings to learn from."""
    return make_chirps(64, seed=0)


@pytest.fixture(scope="session")
def unseen_chirps() -> Chirps:
    """Recordings to test on."""
    return make_chirps(40, seed=1)


@pytest.fixture(scope="session")
def fitted_on_chirps(chirps: Chirps) -> AudioClassifier:
    """Tests must not change it."""
    return AudioClassifier(**SMALL).fit(chirps.waves, chirps.labels, groups=chirps.voices)
