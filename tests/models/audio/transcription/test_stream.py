"""Live streams of speech: the text of the whole recording, for any chunks; snapshots; the end."""

import numpy as np
import pytest

from unrolled.errors import ArgumentError, DataError
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.streaming.streams import Streams

from .conftest import SMALL, Sentences


@pytest.mark.parametrize("size", [1, 79, 240, 1001, 40000])
def test_chunks_of_any_size_write_the_text_of_the_whole(
    size: int, transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """With the same words at the same times, outputs equal to the bit."""
    for wave in unseen_sentences.waves[: 1 if size == 1 else 6]:
        stream = transcriber.stream(rate=8000)
        parts = [stream.feed(wave[start : start + size]) for start in range(0, len(wave), size)]
        assert "".join(parts) + stream.finish() == transcriber.predict([wave])[0]
        assert stream.words == transcriber.predict_words([wave])[0]
        assert stream.finish() == ""


def test_no_sound_writes_nothing(transcriber: Transcriber) -> None:
    """A stream that ends as it begins has the text of the silence behind it."""
    stream = transcriber.stream()
    assert stream.feed([]) == ""
    assert stream.words == []
    assert repr(stream) == "TranscriptionStream after 0 s"


def test_a_snapshot_goes_on_to_the_same_text(transcriber: Transcriber, unseen_sentences: Sentences) -> None:
    """In the middle of a word, of a block and of a frame."""
    wave = np.concatenate(unseen_sentences.waves[:3])
    for cut in (1234, 2350, 9001):
        stream = transcriber.stream()
        before = stream.feed(wave[:cut])
        again = transcriber.stream(stream.snapshot())
        assert before + again.feed(wave[cut:]) + again.finish() == transcriber.predict([wave])[0]
        assert again.seconds > 1


def test_a_finished_stream_begins_anew_after_a_reset(
    transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """And takes nothing before it."""
    wave = unseen_sentences.waves[0]
    stream = transcriber.stream()
    text = stream.feed(wave) + stream.finish()
    with pytest.raises(DataError, match=r"expected no sound after the end\. Call reset\(\)"):
        stream.feed(wave)
    stream.reset()
    assert stream.words == []
    assert stream.feed(wave) + stream.finish() == text


def test_a_bad_chunk_leaves_the_stream_where_it_was(
    transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """Its samples are not taken."""
    wave, stream = unseen_sentences.waves[0], transcriber.stream()
    text = stream.feed(wave[:3000])
    with pytest.raises(DataError, match="chunk: expected finite numbers"):
        stream.feed([0.0, np.nan])
    assert text + stream.feed(wave[3000:]) + stream.finish() == transcriber.predict([wave])[0]


def test_many_streams_step_together_with_frames(
    transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """`Streams` takes log-mel frames; an answer holds the probabilities of blank and tokens."""
    streams = Streams(transcriber, capacity=2)
    frames = [transcriber.features_.frames(wave) for wave in unseen_sentences.waves[:2]]
    answers = streams.steps({"a": frames[0], "b": frames[1]})
    assert answers["b"].shape == (len(frames[1]), len(transcriber.output_classes()))
    np.testing.assert_allclose(answers["a"].sum(1), 1, atol=1e-12)


def test_what_cannot_stream_says_why(transcriber: Transcriber, sentences: Sentences) -> None:
    """A run from the end, levels of the whole, another rate."""
    quick = SMALL | {"max_epochs": 1}
    both = Transcriber(**quick, bidirectional=True).fit(sentences.waves[:8], sentences.texts[:8])
    with pytest.raises(ArgumentError, match="bidirectional=True reads from the end"):
        both.stream()
    with pytest.raises(ArgumentError, match="rate: expected 8,000"):
        transcriber.stream(rate=44100)
