"""Live streams of AudioClassifier: samples in chunks of any size, the scores of the whole recording.

Shapes: N streams, T frames, F bands, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMelStream
from unrolled.errors import ArgumentError
from unrolled.models.audio.levels import LevelState
from unrolled.models.audio.training import unscaled
from unrolled.models.streaming.sequence import SequenceStates
from unrolled.models.streaming.snapshots import State, model_hash, pack_snapshot, unpack_snapshot
from unrolled.models.streaming.streams import StreamStates
from unrolled.validation import ErrorCollector, check_float

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST = np.zeros(1, dtype=np.int64)


class Detection(NamedTuple):
    """Class that a stream has recognised.

    Args:
        label: the class.
        seconds: from the first sample of the stream to the end of the frame that decided.
        probability: of the class at that frame.
    """

    label: Any
    seconds: float
    probability: float


class _FrameModel:
    """Networks of an AudioClassifier as a classifier of normalised frames, as `SequenceStates` reads it."""

    missing = None

    def __init__(self, model: Any) -> None:
        self.networks_, self.network_config_ = model.networks_, model.network_config_
        self.device, self._classes = model.device, model.classes_
        self.scaler_ = unscaled(model.features_.n_bands)

    def output_classes(self) -> Any:
        return self._classes

    def output_scale(self) -> tuple[float, float]:
        return 0.0, 1.0


class AudioStates(StreamStates):
    """States of N streams of an AudioClassifier, which are stepped with log-mel frames.

    An answer is what `predict_proba` gives for the frames so far: probabilities (K,).

    Args:
        model: fitted, one that `why_not_streamable` has nothing against.
        capacity: N.
    """

    def __init__(self, model: Any, capacity: int) -> None:
        self.width = model.features_.n_bands
        self._levels = model.levels_
        self._frame_model = _FrameModel(model)
        self._states = SequenceStates(self._frame_model, capacity)
        self._level_state = LevelState.zeros(capacity, self.width)
        levels = {f"levels.{name}": array for name, array in self._level_state._asdict().items()}
        self.arrays: State = self._states.arrays | levels

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted AudioClassifier cannot be streamed; empty if it can."""
        if model.levels_.kind != "running":
            return (
                f"normalization={model.levels_.kind!r} divides out the levels of the whole recording, whose "
                "end a stream does not have. Fit with normalization='running'."
            )
        return SequenceStates.why_not_streamable(_FrameModel(model))

    def check(self, rows: Floats, name: str) -> None:
        """Pass if frames (n, F) hold finite numbers."""
        self._states.check(rows, name)

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; see `StreamStates`."""
        normalized, start = np.empty_like(rows), 0
        for stream, count in zip(streams.tolist(), counts.tolist(), strict=True):
            part = slice(start, start + count)
            normalized[part] = self._levels.advance(rows[part], self._level_state, stream)
            start += count
        return self._states.step(normalized, streams, counts)


class AudioStream:
    """Live stream of sound: samples in, probabilities out, and the classes that were recognised.

    Made by `model.stream(...)`. After each frame the probabilities equal `predict_proba` of the samples since
    the stream began, to the bit, however the samples are cut into chunks. With a `threshold`, a class whose
    probability has stayed at or above it for `hold_ms` is recognised, and the stream begins anew, then and
    after the refractory time.

    Args:
        model: a fitted AudioClassifier.
        states: those of one stream of it.
        threshold: least probability of what is recognised; None to recognise nothing and never begin anew.
        hold_ms: milliseconds that it has to stay there.
        refractory_ms: milliseconds after a detection without another.
        ignore: classes that are never reported, such as noise; the stream begins anew with them too.

    Raises:
        ArgumentError: an argument is out of range.

    >>> import unrolled as ur
    >>> clips = [np.sin(np.arange(1600) * w) for w in (0.3, 0.31, 1.2, 1.21)] * 4
    >>> model = ur.AudioClassifier(rate=8000, hidden_size=4, max_epochs=1).fit(clips, [0, 0, 1, 1] * 4)
    >>> stream = model.stream()
    >>> scores = np.concatenate([stream.feed(chunk) for chunk in np.split(clips[0], [100, 777])])
    >>> scores.shape, bool((scores[-1] == model.predict_proba(clips[:1])[0]).all())
    ((18, 2), True)
    """

    def __init__(
        self,
        model: Any,
        states: AudioStates,
        *,
        threshold: float | None = None,
        hold_ms: float = 50.0,
        refractory_ms: float = 500.0,
        ignore: Sequence[Any] = (),
    ) -> None:
        faults = ErrorCollector()
        if threshold is not None:
            faults.collect(check_float, "threshold", threshold, above=0, most=1)
        faults.collect(check_float, "hold_ms", hold_ms, least=0)
        faults.collect(check_float, "refractory_ms", refractory_ms, least=0)
        names = model.classes_.tolist()
        if isinstance(ignore, str) or not isinstance(ignore, Iterable):
            faults.add(f"ignore: expected a list of classes, got {ignore!r}. Put it in a list.")
            ignore = ()
        for label in ignore:
            if label not in names:
                faults.add(f"ignore: expected some of the classes {names}, got {label!r}.")
        faults.raise_if_any()
        self._model, self._states, self._frames = model, states, LogMelStream(model.features_)
        self._threshold, self._ignored = threshold, [names.index(label) for label in ignore]
        hop_ms = model.features_.hop_ms
        self._hold, self._refractory = round(hold_ms / hop_ms), round(refractory_ms / hop_ms)
        # frames in all, frames before which nothing is reported, the likeliest class and for how long
        self._counts: dict[str, int] = {"frames": 0, "quiet_until": 0, "held": -1, "held_frames": 0}
        self.detections: list[Detection] = []

    def __repr__(self) -> str:
        return f"AudioStream after {self.seconds:.3g} s"

    @property
    def seconds(self) -> float:
        """Sound so far, up to the end of the last whole frame."""
        frames, features = self._counts["frames"], self._model.features_
        return (features.window + (frames - 1) * features.hop) / features.rate if frames else 0.0

    @property
    def rest(self) -> Floats:
        """Samples that the next frame begins with."""
        return self._frames.rest

    def feed(self, chunk: Any) -> Floats:
        """Take the next samples (n,), and return the probabilities (m, K) after each frame they complete.

        Raises:
            DataError: these are no numbers (n,), or one is not finite; the stream has not moved.
        """
        frames = self._frames.feed(chunk)
        scores = np.empty((len(frames), len(self._model.classes_)))
        start = 0
        while start < len(frames):
            before = self._network_state() if self._threshold is not None else None
            scores[start:] = self._step(frames[start:])
            end = self._first_hit(scores[start:])
            if end is None:
                break
            assert before is not None
            self._set_network_state(before)
            self._step(frames[start : start + end + 1])
            self._begin_anew()
            start += end + 1
        return scores

    def reset(self) -> None:
        """Go back to before the first sample; detections stay."""
        self._begin_anew()
        self._frames.reset()
        self._counts |= {"frames": 0, "quiet_until": 0}

    def snapshot(self) -> bytes:
        """Return the state as bytes, which `model.stream(blob)` goes on from; it holds no detections."""
        return pack_snapshot(self._state(), self._hash)

    def restore(self, blob: bytes) -> None:
        """Go on from a snapshot of a stream of this model.

        Raises:
            ArgumentError: these are no bytes.
            DataError: they are not whole, of another format, or of another model.
        """
        state = unpack_snapshot(blob, self._hash, self._state())
        counts = state.pop("counts")
        rest, n_rest = state.pop("rest"), int(state.pop("n_rest"))
        self._frames.rest = rest[:n_rest]
        self._counts = dict(zip(self._counts, counts.tolist(), strict=True))
        self._set_network_state(state)

    @cached_property
    def _hash(self) -> str:
        return model_hash(self._model)

    def _state(self) -> State:
        rest = np.zeros(self._model.features_.window)
        rest[: len(self._frames.rest)] = self._frames.rest
        return self._network_state() | {
            "rest": rest,
            "n_rest": np.array(len(self._frames.rest)),
            "counts": np.array(list(self._counts.values()), np.int64),
        }

    def _network_state(self) -> State:
        return {name: array[0].copy() for name, array in self._states.arrays.items()}

    def _set_network_state(self, state: State) -> None:
        for name, array in self._states.arrays.items():
            array[0] = state[name]

    def _begin_anew(self) -> None:
        for array in self._states.arrays.values():
            array[0] = 0
        self._counts |= {"held": -1, "held_frames": 0}

    def _step(self, frames: Floats) -> Floats:
        return self._states.step(frames, _FIRST, np.array([len(frames)]))

    def _first_hit(self, scores: Floats) -> int | None:
        """Count frames up to the first after which the stream begins anew, and return its place.

        That is where a class has held, which is reported, and the end of the refractory time, whose sound is
        the rest of that class.
        """
        counts = self._counts
        if self._threshold is None:
            counts["frames"] += len(scores)
            return None
        for place, row in enumerate(scores):
            counts["frames"] += 1
            if counts["frames"] <= counts["quiet_until"]:
                if counts["frames"] == counts["quiet_until"]:
                    return place
                continue
            best = int(row.argmax())
            is_high = bool(row[best] >= self._threshold)
            is_same = is_high and counts["held"] == best
            counts["held"] = best if is_high else -1
            counts["held_frames"] = counts["held_frames"] + 1 if is_same else int(is_high)
            if is_high and counts["held_frames"] > self._hold:
                if best not in self._ignored:
                    label = self._model.classes_[best]
                    self.detections.append(Detection(label, self.seconds, float(row[best])))
                    counts["quiet_until"] = counts["frames"] + self._refractory
                return place
        return None


def check_stream_rate(rate: int | None, expected: int) -> None:
    """Pass if the rate of a stream is that of its model.

    Raises:
        ArgumentError: it is another: chunks are not converted, which would change them by where they are cut.
    """
    if rate is not None and rate != expected:
        raise ArgumentError(
            f"rate: expected {expected:,} samples a second, as the model reads, got {rate!r}. Convert the "
            "sound before, or fit a model on that rate."
        )
