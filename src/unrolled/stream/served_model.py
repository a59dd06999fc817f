"""Fitted models of any kind as a session, the routes of a server and its page need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.forecasting.stream import EACH
from unrolled.models.streaming.snapshots import model_hash
from unrolled.models.streaming.streams import Streams
from unrolled.models.text.base import TextEstimator
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.stream.page.sound_tracer import SoundTracer, SpeechTracer
from unrolled.stream.page.text_tracer import LanguageTracer, TextTracer
from unrolled.stream.page.tracer import Tracer
from unrolled.stream.protocols import SupportsStreams
from unrolled.stream.replies import check_events
from unrolled.stream.serving.generation import Generator
from unrolled.stream.serving.sound import SoundStreams
from unrolled.stream.serving.text import LanguageStreams, text_reader

LIKELIEST = 10  # tokens in an answer of a language model


@dataclass(frozen=True)
class ServedModel:
    """Model as its streams are served.

    Args:
        streams: step its states.
        read: turns the x of a message into events.
        tracer: what the page shows.
        generator: writes on from a state; None where the model writes nothing.
        begin: snapshot of a stream whose first value has a time; None where streams have no times.
    """

    streams: SupportsStreams
    read: Callable[[Any], Any]
    tracer: Tracer
    generator: Generator | None = None
    begin: Callable[[str], bytes] | None = None


def serve_model(model: Any, capacity: int, *, digest: str | None = None, **options: Any) -> ServedModel:
    """Make the streams of a fitted model, and what belongs to them.

    Args:
        model: fitted.
        capacity: states in memory.
        digest: the model's hash where it is known.
        options: as for `model.stream`; of a LanguageModel `likeliest`, the tokens of an answer.

    Raises:
        ArgumentError: the model cannot be streamed, or an option is out of range.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=1).fit("to be or not to be " * 20)
    >>> served = serve_model(model, 4, likeliest=2)
    >>> [len(each) for each in served.streams.steps({"a": served.read("to")})["a"].tolist()]
    [2, 2]
    """
    digest = digest or model_hash(model)
    if isinstance(model, LanguageModel):
        likeliest = options.pop("likeliest", LIKELIEST)
        writing = LanguageStreams(model, capacity, likeliest=likeliest, digest=digest)
        tracer = LanguageTracer(model, likeliest=likeliest, digest=digest)
        return ServedModel(writing, text_reader(writing), tracer, Generator(model, digest))
    if isinstance(model, AudioClassifier | Transcriber):
        sound = SoundStreams(model, capacity, **options)
        kind = SpeechTracer if isinstance(model, Transcriber) else SoundTracer
        return ServedModel(sound, sound.read, kind(model, digest=digest, **options))
    if isinstance(model, Forecaster):
        options = {"start": EACH, **options}
    streams = Streams(model, capacity, digest=digest, **options)
    if isinstance(model, TextEstimator):
        return ServedModel(streams, text_reader(streams), TextTracer(model, digest=digest))
    begin = streams.beginning if isinstance(model, Forecaster) else None
    return ServedModel(streams, check_events, Tracer(model, digest=digest, **options), begin=begin)
