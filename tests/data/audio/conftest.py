"""Recordings in files: two words of two speakers, tones of their own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile


@pytest.fixture
def tone() -> Callable[..., NDArray[np.int16]]:
    """Make samples of a tone in 16 bits."""

    def make(hz: float = 440.0, n: int = 1600, rate: int = 8000) -> NDArray[np.int16]:
        return (8000 * np.sin(2 * np.pi * hz * np.arange(n) / rate)).astype(np.int16)

    return make


@pytest.fixture
def word_folder(tmp_path: Path, tone: Callable[..., NDArray[np.int16]]) -> Path:
    """Write a folder a label, three files in each."""
    folder = tmp_path / "words"
    for word, hz in (("high", 1500), ("low", 300)):
        (folder / word).mkdir(parents=True)
        for k in range(3):
            wavfile.write(folder / word / f"{k}.wav", 8000, tone(hz + 10 * k, 1600 + 80 * k))
    return folder
