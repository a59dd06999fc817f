"""Baselines of transcripts: the commonest, and the nearest recording."""

import numpy as np

from unrolled.data.audio.recording import Recording, RecordingList
from unrolled.evaluate.audio.transcription_baselines import (
    TRANSCRIPTION_BASELINES,
    CommonestTranscript,
    NearestRecording,
)


def _tones(heights: list[float], n: int) -> RecordingList:
    rng = np.random.default_rng(0)
    waves = [np.sin(np.arange(n + 100 * k) * w) + rng.normal(0, 0.01, n + 100 * k)
             for k, w in enumerate(heights)]  # fmt: skip
    return RecordingList(tuple(Recording(wave, 8000) for wave in waves), 8000)


def test_the_commonest_transcript_is_the_first_of_equals() -> None:
    """Whatever is heard."""
    assert CommonestTranscript().fit([], ["b", "a", "a", "b"]).predict([1, 2, 3]) == ["b"] * 3


def test_the_nearest_recording_lends_its_transcript() -> None:
    """Of any length and loudness."""
    model = NearestRecording().fit(_tones([0.3, 0.8, 1.6], 2000), ["low", "mid", "high"])
    assert model.predict(_tones([1.6, 0.3, 0.8], 3000)) == ["high", "low", "mid"]


def test_the_names_are_those_that_compare_takes() -> None:
    """Both of them."""
    assert list(TRANSCRIPTION_BASELINES) == ["commonest transcript", "nearest recording"]
