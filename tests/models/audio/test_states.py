"""States of streams of sound, stepped with frames, and as a value."""

import numpy as np
import pytest

from unrolled.errors import ArgumentError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.states import AudioStates, SoundStream, check_stream_rate

from .conftest import Chirps


def test_streams_step_apart_from_one_another(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """In any order and number, to the bits of each alone."""
    frames = [fitted_on_chirps.features_.frames(wave)[:12] for wave in chirps.waves[:2]]
    together, alone = AudioStates(fitted_on_chirps, 2), AudioStates(fitted_on_chirps, 1)
    rows = np.concatenate([frames[1][:5], frames[0][:3]])
    together.step(rows, np.array([1, 0]), np.array([5, 3]))
    answers = together.step(frames[1][5:], np.array([1]), np.array([7]))
    expected = alone.step(frames[1], np.array([0]), np.array([12]))
    assert np.array_equal(answers, expected[5:])


def test_a_stream_counts_seconds_and_is_a_value(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """What the base class keeps."""
    stream = fitted_on_chirps.stream()
    assert isinstance(stream, SoundStream)
    stream.feed(chirps.waves[0][:1000])
    again = fitted_on_chirps.stream()
    again.restore(stream.snapshot())
    assert again.snapshot() == stream.snapshot()
    assert again.seconds == stream.seconds == pytest.approx(0.125)


def test_another_rate_is_refused() -> None:
    """Chunks are not converted."""
    check_stream_rate(None, 8000)
    check_stream_rate(8000, 8000)
    with pytest.raises(ArgumentError, match="rate: expected 8,000 samples a second, as the model reads"):
        check_stream_rate(44, 8000)
