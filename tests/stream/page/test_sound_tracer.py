"""Traces of sound: a frame a step, with its bands and the scores of the stream."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import StreamError
from unrolled.stream.page.sound_tracer import SoundTracer, SpeechTracer


def test_a_trace_of_sound_in_parts_equals_one(audio_classifier: Any, tones: Any) -> None:
    """From snapshot to snapshot, samples between two frames included; detections are counted once."""
    tracer = SoundTracer(audio_classifier, threshold=0.6)
    whole, traced, snapshot = tracer(None, tones), [], None
    for part in np.split(tones, [50, 777, 3001]):
        traced.append(tracer(snapshot, part))
        snapshot = traced[-1]["snapshot"]
    for key in ("y", "state", "input", "memory", "bands", "detections"):
        assert [row for part in traced for row in part[key]] == whole[key]
    live = audio_classifier.stream(threshold=0.6)
    assert whole["y"] == live.feed(tones).tolist()
    assert [each["seconds"] for each in whole["detections"]] == [each.seconds for each in live.detections]
    assert np.array_equal(whole["bands"], audio_classifier.features_.frames(tones))
    assert len(traced[0]["y"]) == 0


def test_a_trace_of_speech_has_the_text_of_each_frame(transcriber: Any, tones: Any) -> None:
    """In parts as whole; joined, the text of the library's stream."""
    tracer = SpeechTracer(transcriber)
    whole, first = tracer(None, tones), tracer(None, tones[:777])
    second = tracer(first["snapshot"], tones[777:])
    for key in ("y", "state", "input", "memory", "bands"):
        assert first[key] + second[key] == whole[key]
    assert "".join(whole["y"]) == transcriber.stream().feed(tones) != ""
    assert (tracer.facts()["kind"], tracer.facts()["reads"]) == ("transcript", "sound")


def test_facts_say_that_sound_is_read(audio_classifier: Any) -> None:
    """At which rate, and in how many bands."""
    facts = SoundTracer(audio_classifier).facts()
    assert (facts["reads"], facts["rate"], facts["window"], facts["hop"]) == ("sound", 8000, 200, 80)
    assert (facts["kind"], facts["classes"]) == ("classes", ["0", "1"])


@pytest.mark.parametrize(
    ("x", "options"), [([], {}), ("text", {}), (np.ones(80_001), {}), (np.ones(300), {"network": 3})]
)
def test_sound_that_cannot_be_traced_is_refused(audio_classifier: Any, x: Any, options: Any) -> None:
    """With the code of a bad input."""
    with pytest.raises(StreamError) as caught:
        SoundTracer(audio_classifier)(None, x, **options)
    assert caught.value.code == "bad_input"
