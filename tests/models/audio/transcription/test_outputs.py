"""Outputs for whole recordings: alone, in a batch, and of a long one in pieces."""

import numpy as np
import pytest

from unrolled.models.audio.transcription import outputs
from unrolled.models.audio.transcription.transcriber import Transcriber

from .conftest import Sentences


def test_a_recording_alone_has_the_outputs_of_the_batch(
    transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """To the bit, and a probability each."""
    recordings = transcriber._read(unseen_sentences.waves[:5]).recordings
    together = outputs.recording_outputs(transcriber, recordings)
    for k, each in enumerate(together):
        (alone,) = outputs.recording_outputs(transcriber, recordings[k : k + 1])
        assert np.array_equal(alone, each)
        np.testing.assert_allclose(each.sum(1), 1, atol=1e-9)
        n_frames = transcriber.features_.count(len(recordings[k]) + transcriber.tail_samples_)
        assert len(each) == -(-n_frames // 3)


def test_a_long_recording_is_read_in_pieces_to_the_same_bits(
    transcriber: Transcriber, unseen_sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside short ones, in the order that they came in."""
    long = np.concatenate(unseen_sentences.waves[:6])
    recordings = transcriber._read([unseen_sentences.waves[0], long, unseen_sentences.waves[1]]).recordings
    whole = outputs.recording_outputs(transcriber, recordings)
    monkeypatch.setattr(outputs, "_LONG_S", 1.5)
    monkeypatch.setattr(outputs, "_PIECE_S", 1)
    for one, other in zip(whole, outputs.recording_outputs(transcriber, recordings), strict=True):
        assert np.array_equal(one, other)
