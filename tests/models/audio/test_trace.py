"""Trace of a recording: the frames, states and decisions of a live stream."""

import json

import numpy as np
import pytest

from unrolled.data.audio.recording import Recording
from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber

from .conftest import SMALL, Chirps


def test_decisions_are_those_of_the_stream(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """To the bit, a state for each, and the answer of `predict`."""
    wave = chirps.waves[0]
    trace = fitted_on_chirps.trace(wave)
    assert np.array_equal(trace.decisions, fitted_on_chirps.stream().feed(wave))
    assert trace.labels == ("down", "up")
    assert trace.answer == fitted_on_chirps.predict([wave])[0]
    assert trace.states.shape == (len(trace.frames), 12)
    assert trace.sentence == f"recording, {len(wave) / 8000:.3g} s: heard as {trace.answer!r}."
    np.testing.assert_allclose(trace.frames * np.log(10) / 10, fitted_on_chirps.features_.frames(wave))
    assert (np.diff(trace.hertz) > 0).all()


def test_a_transcript_has_words_and_a_state_for_each_output(chirps: Chirps) -> None:
    """The silence behind the recording is decided on too; JSON holds no frames."""
    model = Transcriber(rate=8000, hidden_size=4, num_layers=1, max_epochs=1)
    model.fit(chirps.waves[:8], chirps.labels[:8])
    trace = model.trace(Recording(chirps.waves[0], 8000, "a.wav"))
    n_frames = model.features_.count(len(chirps.waves[0]) + 1600)
    assert len(trace.decisions) == n_frames
    assert len(trace.states) == -(-n_frames // model.network_config_.stem_stride)
    assert trace.written == tuple(model.predict_words([chirps.waves[0]])[0])
    record = json.loads(json.dumps(trace.to_dict()))
    assert record["kind"] == "recording trace"
    assert not {"frames", "states"} & set(record)
    assert "written as" in trace.sentence


def test_what_cannot_be_traced_says_why(chirps: Chirps, fitted_on_chirps: AudioClassifier) -> None:
    """A model without live decisions, no fit, another rate."""
    both = AudioClassifier(**SMALL | {"max_epochs": 1}, bidirectional=True)
    both.fit(chirps.waves[:8], chirps.labels[:8])
    with pytest.raises(ArgumentError, match=r"trace: expected a model that decides as it hears"):
        both.trace(chirps.waves[0])
    with pytest.raises(NotFittedError):
        AudioClassifier().trace(chirps.waves[0])
    with pytest.raises(DataError, match="expected 8,000"):
        fitted_on_chirps.trace(Recording(np.ones(900), 16000))
