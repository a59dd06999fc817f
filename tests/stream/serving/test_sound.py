"""Sound for sessions: samples in chunks, the scores and detections of the library's stream."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from unrolled.errors import ArgumentError, DataError, StreamError
from unrolled.stream.protocols import SupportsStreams
from unrolled.stream.serving.sound import SoundStreams

OPTIONS = {"threshold": 0.6, "hold_ms": 20.0}


def test_chunks_of_many_streams_equal_the_library_to_the_bit(audio_classifier: Any, tones: Any) -> None:
    """By turns, and from a snapshot in another process."""
    streams, cuts = SoundStreams(audio_classifier, 2, **OPTIONS), [0, 7, 500, 511, 3200]
    other = SoundStreams(audio_classifier, 1, **OPTIONS)
    assert isinstance(streams, SupportsStreams)
    live = audio_classifier.stream(**OPTIONS)
    scores, detections, seconds = [], [], 0.0
    for start, end in pairwise(cuts):
        answers = streams.steps({"b": tones[end:start:-1], "a": tones[start:end]})
        other.restore("a", streams.snapshots(["a"])["a"])
        scores.append(answers["a"].scores)
        detections += answers["a"].detections
        seconds = answers["a"].seconds
    assert np.array_equal(np.concatenate(scores), live.feed(tones))
    assert detections == live.detections != []
    assert seconds == live.seconds
    assert np.array_equal(other.steps({"a": tones[:400]})["a"].scores, live.feed(tones[:400]))
    assert answers["a"].to_dict()["detections"][0]["label"] in (0, 1)


def test_samples_of_16_bits_are_from_minus_one_to_one(audio_classifier: Any) -> None:
    """Numbers of JSON are as they are, alone or in lists of one."""
    read = SoundStreams(audio_classifier, 1).read
    assert read(np.array([16384, -32768], "<i2")).tolist() == [0.5, -1.0]
    assert read(np.float32([0.5, 2.0])).tolist() == read([0.5, 2]).tolist() == read([[0.5], [2]]).tolist()


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([], "at least one event"),
        ("text", "got str"),
        ([0.5, None], "expected finite numbers, got nan at sample 1"),
        (np.float32([np.inf]), "infinite"),
        ([[0.1, 0.2]], r"the samples of one channel, got float64 of shape \(1, 2\)"),
        (np.zeros(80_001), "at most 80,000 samples in a message, 10 seconds, got 80,001"),
    ],
)
def test_what_is_no_sound_is_refused(audio_classifier: Any, x: Any, sentence: str) -> None:
    """With the code of a bad input."""
    with pytest.raises(StreamError, match=sentence) as caught:
        SoundStreams(audio_classifier, 1).read(x)
    assert caught.value.code == "bad_input"


def test_a_bad_chunk_or_snapshot_moves_no_stream(audio_classifier: Any, tones: Any) -> None:
    """Nor does one stream too many."""
    streams = SoundStreams(audio_classifier, 2)
    streams.steps({"a": tones[:300]})
    before = streams.snapshots(["a"])
    with pytest.raises(DataError, match="stream 'b'"):
        streams.steps({"a": tones[:300], "b": np.array([np.nan])})
    with pytest.raises(DataError, match="snapshot"):
        streams.restore("a", b"none")
    with pytest.raises(ArgumentError, match=r"at most 2, the capacity; got 3\. Remove some"):
        streams.steps(dict.fromkeys("abc", tones[:9]))
    assert streams.snapshots(["a"]) == before
    streams.remove("a")
    assert ("a" in streams, len(streams)) == (False, 0)
