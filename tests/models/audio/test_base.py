"""What the estimators of recordings share: rate, frames, facts, and the silence behind a recording."""

import numpy as np
import pytest

from unrolled.errors import DataError, NotFittedError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber

from .conftest import Chirps

QUICK = {"rate": 8000, "hidden_size": 4, "num_layers": 1, "max_epochs": 1}


def test_frames_are_those_of_the_recording_less_its_levels(
    fitted_on_chirps: AudioClassifier, chirps: Chirps
) -> None:
    """One recording beside others as alone."""
    frames = fitted_on_chirps.normalized_frames(chirps.waves[:3])
    raw = fitted_on_chirps.features_.frames(chirps.waves[1])
    start, end = frames.offsets[1:3]
    assert np.array_equal(frames.values[start:end], fitted_on_chirps.levels_.normalize(raw))
    assert fitted_on_chirps.rate_ == 8000


def test_a_transcriber_reads_on_for_a_fifth_of_a_second(chirps: Chirps) -> None:
    """A classifier does not; the minimum is a window of sound all the same."""
    model = Transcriber(**QUICK).fit(chirps.waves[:6], chirps.labels[:6])
    raw = model.features_.frames(np.append(chirps.waves[0], np.zeros(1600)))
    frames = model.normalized_frames(chirps.waves[:1])
    assert np.array_equal(frames.values, model.levels_.normalize(raw))
    with pytest.raises(DataError, match="expected at least 200 samples"):
        model.normalized_frames([np.ones(199)])


def test_facts_name_rate_levels_and_speakers(fitted_on_chirps: AudioClassifier) -> None:
    """As the card shows them."""
    facts = {fact.name: fact.text for fact in fitted_on_chirps.summary()}
    assert facts["Reads"].startswith(
        "8,000 samples a second as 40 log-mel bands every 10 ms, less the levels of"
    )
    assert facts["Speakers"] == "4 groups"


def test_nothing_is_read_before_a_fit() -> None:
    """Whatever is asked."""
    with pytest.raises(NotFittedError):
        AudioClassifier().normalized_frames([np.ones(800)])
    with pytest.raises(NotFittedError):
        _ = Transcriber().rate_
