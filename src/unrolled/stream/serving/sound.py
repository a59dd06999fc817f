"""Sound for sessions: an event is a sample, and the answer to a message is what its frames were.

Shapes: n samples, m frames that they complete, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import as_wave
from unrolled.errors import ArgumentError, StreamError, UnrolledError
from unrolled.jsonable import to_jsonable
from unrolled.stream.replies import check_events

Floats = NDArray[np.float64]

_MOST_SECONDS = 10  # of sound in a message


@dataclass(frozen=True, eq=False)
class SoundAnswer:
    """Answer to a chunk of sound.

    Args:
        seconds: from the stream's first sample to the end of the last whole frame.
        scores: (m, K) probabilities after each frame.
        detections: classes that were recognised, each with its time and probability.
    """

    seconds: float
    scores: Floats
    detections: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        detections = to_jsonable([each._asdict() for each in self.detections])
        return {"seconds": self.seconds, "scores": self.scores.tolist(), "detections": detections}


@dataclass(frozen=True, eq=False)
class SpeechAnswer:
    """Answer of a Transcriber to a chunk of sound.

    Args:
        seconds: as of `SoundAnswer`.
        text: what the chunk adds to the text.
    """

    seconds: float
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"seconds": self.seconds, "text": self.text}


class SoundStreams:
    """Streams of an estimator of sound by name, whose states are snapshots, as `SupportsStreams` has them.

    Args:
        model: a fitted AudioClassifier or Transcriber.
        capacity: streams at most.
        options: as for `model.stream`.

    Raises:
        ArgumentError: the model cannot be streamed, or an option is out of range.
    """

    def __init__(self, model: Any, capacity: int, **options: Any) -> None:
        self.capacity = capacity
        self._stream = model.stream(**options)
        self._most = _MOST_SECONDS * model.rate_
        self._start: bytes = self._stream.snapshot()
        self._states: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, stream: object) -> bool:
        return stream in self._states

    def read(self, x: Any) -> Floats:
        """Turn the x of a message into samples (n,): whole numbers of 16 bits are from -1 to 1 then.

        Raises:
            StreamError: it holds no sample, something else, or too much.
        """
        events = check_events(x)
        if len(events) > self._most:
            raise StreamError(
                f"x: expected at most {self._most:,} samples in a message, {_MOST_SECONDS} seconds, got"
                f" {len(events):,}. Send them in parts."
            )
        is_column = events.ndim == 2 and events.shape[1] == 1
        samples = x if isinstance(x, np.ndarray) else events[:, 0] if is_column else events
        try:
            return as_wave(samples, "x")
        except UnrolledError as fault:
            raise StreamError(str(fault)) from fault

    def steps(self, inputs: Mapping[str, Floats]) -> dict[str, SoundAnswer | SpeechAnswer]:
        """Feed each stream samples (n,), a new one from its start.

        Raises:
            ArgumentError: there would be more streams than the capacity; none has moved.
            DataError: these are no samples; no stream has moved.
        """
        n_streams = len(self._states.keys() | inputs.keys())
        if n_streams > self.capacity:
            raise ArgumentError(
                f"streams: expected at most {self.capacity:,}, the capacity; got {n_streams:,}. Remove some."
            )
        waves = {stream: as_wave(samples, f"stream {stream!r}") for stream, samples in inputs.items()}
        return {stream: self._feed(stream, wave) for stream, wave in waves.items()}

    def _feed(self, stream: str, wave: Floats) -> SoundAnswer | SpeechAnswer:
        live = self._stream
        live.reset()  # what a snapshot does not hold
        live.restore(self._states.get(stream, self._start))
        heard = live.feed(wave)
        self._states[stream] = live.snapshot()
        if isinstance(heard, str):
            return SpeechAnswer(live.seconds, heard)
        detections = tuple(live.detections)
        live.detections.clear()
        return SoundAnswer(live.seconds, heard, detections)

    def snapshots(self, streams: Iterable[str]) -> dict[str, bytes]:
        """Return the states of streams."""
        return {stream: self._states[stream] for stream in streams}

    def restore(self, stream: str, blob: bytes) -> None:
        """Give a stream the state of a snapshot.

        Raises:
            DataError: it is none of this model; no state has moved.
        """
        self._stream.restore(blob)
        self._states[stream] = blob

    def remove(self, stream: str) -> None:
        """Forget a stream."""
        del self._states[stream]
