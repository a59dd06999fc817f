"""States of live streams of sound: log-mel frames stepped through levels and networks, and as a snapshot.

Shapes: N streams, T frames, F bands, K outputs.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMelStream
from unrolled.errors import ArgumentError
from unrolled.models.audio.levels import LevelState
from unrolled.models.audio.training import unscaled
from unrolled.models.streaming.sequence import SequenceStates
from unrolled.models.streaming.snapshots import State, model_hash, pack_snapshot, unpack_snapshot
from unrolled.models.streaming.streams import StreamStates
from unrolled.validation import short_repr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _FrameModel:
    """Networks of an estimator of recordings, as `SequenceStates` reads those of normalised frames."""

    missing = None

    def __init__(self, model: Any) -> None:
        self.networks_, self.network_config_ = model.networks_, model.network_config_
        self.device, self._classes = model.device, model.output_classes()
        self.scaler_ = unscaled(model.features_.n_bands)

    def output_classes(self) -> Any:
        return self._classes

    def output_scale(self) -> tuple[float, float]:
        return 0.0, 1.0


class AudioStates(StreamStates):
    """States of N streams of an estimator of recordings, which are stepped with log-mel frames.

    An answer holds the probabilities (K,) of the outputs after the frames so far: what `predict_proba` of an
    AudioClassifier gives.

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
        self._level_stepper = self._levels.stepper(self._level_state)
        self._normalized = np.empty((capacity, self.width))  # the next frame
        self.capacity = capacity
        self._streams, self._ones = np.arange(capacity), np.ones(capacity, dtype=np.int64)
        levels = {f"levels.{name}": array for name, array in self._level_state._asdict().items()}
        self.arrays: State = self._states.arrays | levels

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted estimator cannot be streamed; empty if it can."""
        if model.levels_.kind != "running":
            return (
                f"normalization={model.levels_.kind!r} divides out the levels of the whole recording, whose "
                "end a stream does not have. Fit with normalization='running'."
            )
        return SequenceStates.why_not_streamable(_FrameModel(model))

    def check(self, rows: Floats, name: str) -> None:
        """Pass if frames (n, F) hold finite numbers."""
        self._states.check(rows, name)

    def step_all(self, frames: Floats) -> Floats:
        """Step all streams with the same frames (m, F); return the answers (N, m, K)."""
        N, m = self.capacity, len(frames)
        if m == 1:  # a hop of a live stream
            self._level_stepper.step(frames, self._normalized)
            return self._states.outputs(self._normalized, self._streams, self._ones)[:, None]
        answers = self.step(np.concatenate([frames] * N), self._streams, m * self._ones)
        return answers.reshape(N, m, answers.shape[1])

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; see `StreamStates`."""
        normalized, start = np.empty_like(rows), 0
        for stream, count in zip(streams.tolist(), counts.tolist(), strict=True):
            part = slice(start, start + count)
            normalized[part] = self._levels.advance(rows[part], self._level_state, stream)
            start += count
        return self._states.step(normalized, streams, counts)


class SoundStream:
    """Live stream of sound: samples in chunks of any size, frames, states; all of it a value.

    A subclass says what `feed` and `reset` do, and may count more than frames.

    Args:
        model: a fitted estimator of recordings, one that can be streamed.
        n_copies: states that hear the same sound.

    Raises:
        ArgumentError: the model cannot be streamed, which the sentence explains.
    """

    _counters: tuple[str, ...] = ()  # what is counted beside frames

    def __init__(self, model: Any, n_copies: int = 1) -> None:
        self._model, self._frames = model, LogMelStream(model.features_)
        self.states: AudioStates = model.stream_states(n_copies)
        self._counts: dict[str, int] = dict.fromkeys(("frames", *self._counters), 0)

    def __repr__(self) -> str:
        return f"{type(self).__name__} after {self.seconds:.3g} s"

    @property
    def seconds(self) -> float:
        """Sound so far, up to the end of the last whole frame."""
        frames, features = self._counts["frames"], self._model.features_
        return (features.window + (frames - 1) * features.hop) / features.rate if frames else 0.0

    @property
    def answering(self) -> int:
        """Place in `states` of the copy that answers."""
        return 0

    @property
    def rest(self) -> Floats:
        """Samples that the next frame begins with."""
        return self._frames.rest

    def snapshot(self) -> bytes:
        """Return the state as bytes, which `model.stream(blob)` goes on from; it holds no answers."""
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
        return {name: array.copy() for name, array in self.states.arrays.items()}

    def _set_network_state(self, state: State) -> None:
        for name, array in self.states.arrays.items():
            array[:] = state[name]

    def _clear_network_state(self, stream: int | slice = slice(None)) -> None:
        for array in self.states.arrays.values():
            array[stream] = 0

    def _step(self, frames: Floats) -> Floats:
        """Step the only stream."""
        answers: Floats = self.states.step_all(frames)[0]
        return answers


def check_stream_rate(rate: int | None, expected: int) -> None:
    """Pass if the rate of a stream is that of its model.

    Raises:
        ArgumentError: it is another: chunks are not converted, which would change them by where they are cut.
    """
    is_expected = isinstance(rate, int | float | np.number) and rate == expected
    if rate is not None and not is_expected:
        raise ArgumentError(
            f"rate: expected {expected:,} samples a second, as the model reads, got {short_repr(rate)}. "
            "Convert the sound before, or fit a model on that rate."
        )
