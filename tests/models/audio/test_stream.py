"""Live streams of sound: the bits of the whole recording, detections, snapshots, and what cannot stream."""

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.states import check_stream_rate
from unrolled.models.streaming.streams import Streams

from .conftest import SMALL, Chirps, make_chirps

Floats = NDArray[np.float64]


def _feed(stream: object, wave: Floats, size: int) -> Floats:
    return np.concatenate([stream.feed(wave[i : i + size]) for i in range(0, len(wave), size)])


@pytest.mark.parametrize("size", [1, 79, 80, 201, 5000])
def test_chunks_of_any_size_have_the_scores_of_the_whole(
    size: int, fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps
) -> None:
    """To the bit, after every frame: those of the samples so far."""
    wave = unseen_chirps.waves[0]
    scores = _feed(fitted_on_chirps.stream(rate=8000), wave, size)
    assert len(scores) == fitted_on_chirps.features_.count(len(wave))
    for frame in (0, 1, 7, len(scores) - 1):
        so_far = wave[: 200 + 80 * frame]
        assert np.array_equal(scores[frame], fitted_on_chirps.predict_proba([so_far])[0])


def _sentence() -> tuple[Floats, list[str]]:
    """Ten chirps with half a second of noise between."""
    chirps, rng = make_chirps(10, seed=2), np.random.default_rng(0)
    parts = [part for wave in chirps.waves for part in (rng.normal(0, 0.01, 4000), wave)]
    return np.concatenate(parts), chirps.labels


@pytest.fixture(scope="module")
def spotter(chirps: Chirps) -> AudioClassifier:
    """Learned noise as a class too."""
    rng = np.random.default_rng(3)
    noise = [rng.normal(0, 0.01 + 0.1 * (i % 4), 2000) for i in range(32)]
    labels = [*chirps.labels, *["noise"] * 32]
    return AudioClassifier(**SMALL).fit([*chirps.waves, *noise], labels)


def test_words_in_a_long_recording_are_detected_once(spotter: AudioClassifier) -> None:
    """Whatever the chunks: the same detections and scores, most of them right."""
    wave, _ = _sentence()
    settings = {"threshold": 0.6, "hold_ms": 60, "refractory_ms": 300, "ignore": ["noise"]}
    whole = spotter.stream(**settings)
    scores = whole.feed(wave)
    for size in (333, 1000):
        stream = spotter.stream(**settings)
        assert np.array_equal(_feed(stream, wave, size), scores)
        assert stream.detections == whole.detections
    found = [detection.label for detection in whole.detections]
    assert "noise" not in found
    assert 6 <= len(found) <= 14
    seconds = [detection.seconds for detection in whole.detections]
    assert min(np.diff(seconds)) > 0.3
    assert all(detection.probability >= 0.6 for detection in whole.detections)


@pytest.fixture(scope="module")
def spotter_in_context(chirps: Chirps) -> AudioClassifier:
    """Learned the chirps between pieces of noise."""
    rng = np.random.default_rng(3)
    noise = [rng.normal(0, level, 9000) for level in (0.001, 0.01, 0.05)]
    settings = SMALL | {"background": "noise", "hidden_size": 24, "max_epochs": 60}
    return AudioClassifier(**settings).fit([*chirps.waves, *noise], [*chirps.labels, *["noise"] * 3])


def test_a_spotter_finds_the_words_between_noise(spotter_in_context: AudioClassifier) -> None:
    """Each once, by its name, whatever the chunks; the background needs no `ignore`."""
    wave, labels = _sentence()
    whole = spotter_in_context.stream(threshold=0.6, refractory_ms=200)
    scores = whole.feed(wave)
    found = [detection.label for detection in whole.detections]
    assert sum(one == other for one, other in zip(found, labels, strict=False)) >= 9
    assert len(found) <= 11
    for size in (80, 333):
        stream = spotter_in_context.stream(threshold=0.6, refractory_ms=200)
        assert np.array_equal(_feed(stream, wave, size), scores)
        assert stream.detections == whole.detections


def test_a_spotter_answers_with_the_copy_that_began_first(spotter_in_context: AudioClassifier) -> None:
    """A copy begins every window, and hears two: its scores are those of these samples alone."""
    model, window = spotter_in_context, spotter_in_context.context_.window
    wave = np.random.default_rng(0).normal(0, 0.01, 8000)
    scores = _feed(model.stream(threshold=1.0), wave, 80)
    for frame in (0, window, 2 * window - 1, 2 * window, 3 * window + 1):
        first = max(frame // window - 1, 0) * window
        heard = wave[first * 80 : frame * 80 + 200]
        assert np.array_equal(scores[frame], model.predict_proba([heard])[0])


def test_a_spotter_goes_on_from_a_snapshot(spotter_in_context: AudioClassifier) -> None:
    """With both copies, and saved and loaded."""
    wave, _ = _sentence()
    stream = spotter_in_context.stream(threshold=0.6)
    stream.feed(wave[:9111])
    again = spotter_in_context.stream(stream.snapshot(), threshold=0.6)
    assert np.array_equal(again.feed(wave[9111:20000]), stream.feed(wave[9111:20000]))
    with pytest.raises(DataError, match=r"without threshold=\. Open the stream as the snapshot was taken"):
        spotter_in_context.stream(stream.snapshot())


def test_a_snapshot_goes_on_to_the_same_bits(spotter: AudioClassifier) -> None:
    """In the middle of a frame, with the counts of what was detected; another model refuses it."""
    wave, _ = _sentence()
    settings = {"threshold": 0.6, "ignore": ["noise"]}
    stream = spotter.stream(**settings)
    stream.feed(wave[:9111])
    again = spotter.stream(stream.snapshot(), **settings)
    assert again.seconds == stream.seconds
    assert np.array_equal(again.feed(wave[9111:]), stream.feed(wave[9111:]))
    assert again.detections == stream.detections[-len(again.detections) :]
    quick = SMALL | {"max_epochs": 1}
    other = AudioClassifier(**quick).fit([wave[:2000], wave[2000:4000]], [0, 1])
    with pytest.raises(DataError, match="expected one of this model"):
        other.stream(stream.snapshot())


def test_reset_begins_anew(fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps) -> None:
    """As a new stream does."""
    stream = fitted_on_chirps.stream()
    stream.feed(unseen_chirps.waves[1])
    assert stream.seconds > 0.15
    stream.reset()
    assert (stream.seconds, repr(stream)) == (0.0, "AudioStream after 0 s")
    new = fitted_on_chirps.stream()
    assert np.array_equal(stream.feed(unseen_chirps.waves[0]), new.feed(unseen_chirps.waves[0]))


def test_many_streams_step_together_with_frames(
    fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps
) -> None:
    """`Streams` takes log-mel frames; each stream has the bits of its own recording."""
    streams = Streams(fitted_on_chirps, capacity=3)
    frames = [fitted_on_chirps.features_.frames(wave) for wave in unseen_chirps.waves[:2]]
    streams.steps({"a": frames[0][:5], "b": frames[1][:9]})
    answers = streams.steps({"b": frames[1][9:], "a": frames[0][5:]})
    for name, wave in zip("ab", unseen_chirps.waves, strict=False):
        assert np.array_equal(answers[name][-1], fitted_on_chirps.predict_proba([wave])[0])


def test_what_cannot_stream_says_why(chirps: Chirps) -> None:
    """Whole-recording levels, and a run from the end."""
    quick = SMALL | {"max_epochs": 1}
    whole = AudioClassifier(**quick, normalization="recording").fit(chirps.waves[:8], chirps.labels[:8])
    with pytest.raises(
        ArgumentError, match=r"normalization='recording' divides out .* Fit with normalization="
    ):
        whole.stream()
    both = AudioClassifier(**quick, bidirectional=True).fit(chirps.waves[:8], chirps.labels[:8])
    with pytest.raises(ArgumentError, match="bidirectional=True reads from the end"):
        both.stream()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 16000}, "rate: expected 8,000 samples a second, as the model reads, got 16000"),
        ({"rate": np.arange(900.0)}, r"rate: expected 8,000 samples a second, .* got array.*\. Convert"),
        ({"threshold": 1.5}, "threshold: expected a number above 0 and at most 1"),
        ({"hold_ms": -1}, "hold_ms"),
        ({"refractory_ms": np.nan}, "refractory_ms"),
        ({"ignore": "down"}, r"ignore: expected a list of classes, got 'down'\. Put it in a list"),
        ({"ignore": None}, r"ignore: expected a list of classes, got None"),
        ({"hold_ms": 80}, r"hold_ms: expected a threshold beside it, .* got none\. Pass threshold=0\.9"),
        ({"refractory_ms": 300.0}, "refractory_ms: expected a threshold beside it"),
        ({"ignore": ["down"]}, "ignore: expected a threshold beside it"),
        ({"ignore": ["hush"]}, r"ignore: expected some of the classes \['down', 'up'\], got 'hush'"),
        ({"ignore": np.array("up")}, r"ignore: expected a list of classes, got array.*\. Put it in a list"),
        ({"ignore": np.array([["up", "down"]])}, "ignore: expected some of the classes.*, got array"),
        ({"blob": "text"}, "expected the bytes of stream.snapshot"),
    ],
)
def test_arguments_out_of_range_are_refused(
    settings: dict[str, object], message: str, fitted_on_chirps: AudioClassifier
) -> None:
    """In a sentence that names them."""
    with pytest.raises(ArgumentError, match=message):
        fitted_on_chirps.stream(**settings)


def test_a_bad_chunk_leaves_the_stream_where_it_was(
    fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps
) -> None:
    """Its samples are not taken."""
    stream, wave = fitted_on_chirps.stream(), unseen_chirps.waves[0]
    stream.feed(wave[:700])
    with pytest.raises(DataError, match="chunk: expected finite numbers"):
        stream.feed([np.inf])
    assert np.array_equal(stream.feed(wave[700:])[-1], fitted_on_chirps.predict_proba([wave])[0])
    check_stream_rate(None, 8000)
    check_stream_rate(8000, 8000)
