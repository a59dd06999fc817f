"""Live streams of fitted models: one state, or thousands that are stepped together.

A domain says how its states are kept and stepped (`StreamStates`); here they get names and snapshots.

Shapes: n steps, F values a step; one answer a step.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError
from unrolled.models.streaming.rows import read_numbers, read_rows
from unrolled.models.streaming.snapshots import (
    State,
    model_hash,
    pack_snapshot,
    pack_snapshots,
    unpack_snapshot,
)
from unrolled.validation import check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class StreamStates(Protocol):
    """States of N streams of a model, kept in arrays whose first axis is the stream."""

    arrays: State  # (N, ...) each; zero before the first step
    width: int  # F

    def rows(self, values: Any, name: str) -> Floats:
        """Convert the values of several steps to rows (n, F); `name` is what errors call them.

        Raises:
            DataError: they are no numbers, or not F a step.
        """
        return read_rows(values, self.width, name)

    def check(self, rows: Floats, name: str) -> None:
        """Pass if rows (n, F) can be stepped with.

        Raises:
            DataError: they cannot.
        """

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Any:
        """Step each of the streams (S,) with `counts` (S,) of the rows (Σ counts, F), which passed `check`.

        Returns:
            The answers, one a row: an array or a record of arrays that can be sliced.
        """


class Stream:
    """Live stream through a fitted model: one value in, one answer out, at the same cost every time.

    Made by `model.stream()`, or by `model.stream(blob)` from a snapshot. The answer after t steps equals the
    model's prediction for those t steps, to the bit. One thread at a time may call a stream.

    Args:
        model: a fitted model.
        states: those of one stream of it.
        digest: the model's hash where it is known; None to compute it when it is needed.

    >>> import unrolled as ur
    >>> X = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    >>> model = ur.SequenceClassifier(hidden_size=8, max_epochs=2).fit(X, ["up", "down"])
    >>> stream = model.stream()
    >>> answers = [stream.step(x) for x in X[0]]
    >>> bool((answers[2] == model.predict_proba([X[0][:3]])[0]).all())
    True
    """

    def __init__(self, model: Any, states: StreamStates, digest: str | None = None) -> None:
        self._model, self._states, self._digest = model, states, digest
        self._name = f"{type(model).__name__} stream"

    def __repr__(self) -> str:
        return f"{self._name} after {self.n_steps} steps"

    @property
    def n_steps(self) -> int:
        """Steps so far."""
        return int(self._states.arrays["steps"][0])

    def step(self, x: Any) -> Any:
        """Move on by one step and return its answer.

        Args:
            x: (F,) values; a number where F is 1. Of a model of text, one token.

        Raises:
            DataError: x cannot be used; the state has not moved.
        """
        return self._step(self._read_step(x))[0]

    def steps(self, xs: Any) -> Any:
        """Move on by several steps and return their answers.

        Args:
            xs: (n, F) values, or (n,) where F is 1. Of a model of text, a text.

        Raises:
            DataError: one of them cannot be used; the state has not moved.
        """
        rows = self._states.rows(xs, f"{self._name} xs")
        self._states.check(rows, f"{self._name} xs")
        return self._step(rows)

    def peek(self, x: Any) -> Any:
        """Return the answer that `step(x)` would, and leave the state where it is."""
        before = self.state
        try:
            return self.step(x)
        finally:
            self.state = before

    def reset(self) -> None:
        """Go back to the state before the first step."""
        for array in self._states.arrays.values():
            array[0] = 0

    @property
    def state(self) -> State:
        """State as arrays by name, copies; it may be set."""
        return {name: array[0].copy() for name, array in self._states.arrays.items()}

    @state.setter
    def state(self, state: State) -> None:
        set_state(self._states.arrays, 0, state, self._name)

    def snapshot(self) -> bytes:
        """Return the state as bytes, which `model.stream(blob)` goes on from."""
        return pack_snapshot(self.state, self._hash)

    def restore(self, blob: bytes) -> None:
        """Go on from a snapshot of a stream of this model.

        Raises:
            ArgumentError: these are no bytes.
            DataError: they are not whole, of another format, or of another model.
        """
        arrays = self._states.arrays
        self.state = unpack_snapshot(blob, self._hash, {name: array[0] for name, array in arrays.items()})

    @cached_property
    def _hash(self) -> str:
        return self._digest or model_hash(self._model)

    def _read_step(self, x: Any) -> Floats:
        name = f"{self._name} x"
        if isinstance(x, str):
            rows = self._states.rows(x, name)
            if len(rows) != 1:
                raise DataError(
                    f"{name}: expected one token, got {x!r}, which is {len(rows)}. Pass texts to steps(text)."
                )
            return rows
        values = read_numbers(x, name)
        width = self._states.width
        if values.shape != (width,) and not (width == 1 and values.ndim == 0):
            demand = "one number" if width == 1 else f"one step of {width} values"
            raise DataError(
                f"{name}: expected {demand}, got shape {values.shape}. Pass several steps to steps(xs)."
            )
        rows = values.reshape(1, width)
        self._states.check(rows, name)
        return rows

    def _step(self, rows: Floats) -> Any:
        return self._states.step(rows, _FIRST, np.array([len(rows)]))


class Streams:
    """Live streams of one model by id, thousands of them, stepped together.

    A stream begins, from zero, with its first step. Whatever is wrong with one stream's values, all are
    checked before any state moves.

    Args:
        model: a fitted model.
        capacity: streams at most, for which memory is set aside.
        digest: as of `Stream`.
        options: as for `model.stream`.

    Raises:
        ArgumentError: the model cannot be streamed, or `capacity` is no whole number above 0.

    >>> import unrolled as ur
    >>> X = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    >>> model = ur.SequenceClassifier(hidden_size=8, max_epochs=2).fit(X, ["up", "down"])
    >>> streams = Streams(model, capacity=1000)
    >>> answers = streams.steps({"a": [1.0, 2.0], "b": [4.0]})
    >>> answers["a"].shape, answers["b"].shape, len(streams), "b" in streams
    ((2, 2), (1, 2), 2, True)
    """

    def __init__(self, model: Any, capacity: int, *, digest: str | None = None, **options: Any) -> None:
        self._model = model
        self.capacity = check_int("Streams capacity", capacity, least=1)
        self._states: StreamStates = model.stream_states(self.capacity, **options)
        self._places: dict[Hashable, int] = {}
        self._free = list(range(self.capacity - 1, -1, -1))
        self._hash = digest or model_hash(model)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, stream: object) -> bool:
        return stream in self._places

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._places)

    def steps(self, inputs: Mapping[Any, Any]) -> dict[Any, Any]:
        """Move each stream on by its steps, and return the answers of each.

        Args:
            inputs: for each id (n, F) values, or (n,) where F is 1; n may differ. Of a model of text, texts.

        Raises:
            DataError: some values cannot be used; the id is named, and no stream has moved.
            ArgumentError: there would be more streams than the capacity; none has moved.
        """
        rows, counts = self._read(inputs)
        self._require_room(sum(stream not in self._places for stream in inputs))
        if not inputs:
            return {}
        places = np.array([self._place_of(stream) for stream in inputs])
        answers = self._states.step(rows, places, counts)
        ends = np.cumsum(counts)
        return {
            stream: answers[end - count : end]
            for stream, count, end in zip(inputs, counts.tolist(), ends.tolist(), strict=True)
        }

    def begin(self, stream: Hashable, *, start: Any) -> None:
        """Make a stream of a Forecaster that reads the calendar, whose first value has a time of its own.

        Args:
            stream: id; one that there is begins anew.
            start: time of its first value; `options` have start="each" where all streams say theirs.

        Raises:
            ArgumentError: it is no time, the model reads no calendar, or there are as many streams as may be.
        """
        self.restore(stream, self.beginning(start))

    def beginning(self, start: Any) -> bytes:
        """Return the snapshot of a stream without a step whose first value has this time; see `begin`."""
        state = getattr(self._states, "starting_at", _no_start)(start)
        return pack_snapshot(state, self._hash)

    def rows(self, values: Any) -> Floats:
        """Convert what a stream is stepped with, such as a text, to rows (n, F), which `steps` takes too.

        Raises:
            DataError: it cannot be used.
        """
        rows = self._states.rows(values, "x")
        self._states.check(rows, "x")
        return rows

    def _read(self, inputs: Mapping[Any, Any]) -> tuple[Floats, Ints]:
        """Return the rows (Σ n, F) of all streams, which can be stepped with, and the number n of each."""
        width, together = self._states.width, list(inputs.values())
        try:  # at once; a fault is looked for stream by stream
            counts = np.array([len(xs) for xs in together], dtype=np.int64)
            rows = read_rows([x for xs in together for x in xs], width, "inputs")
            if len(rows) == counts.sum():
                self._states.check(rows, "inputs")
                return rows, counts
        except (DataError, TypeError):
            pass
        parts = [self._states.rows(xs, f"stream {stream!r}") for stream, xs in inputs.items()]
        for stream, part in zip(inputs, parts, strict=True):
            self._states.check(part, f"stream {stream!r}")
        return np.concatenate(parts), np.array([len(part) for part in parts], dtype=np.int64)

    def snapshot(self, stream: Hashable) -> bytes:
        """Return the state of a stream as bytes, which `restore` and `model.stream(blob)` go on from.

        Raises:
            ArgumentError: there is no such stream.
        """
        return self.snapshots([stream])[stream]

    def snapshots(self, streams: Iterable[Hashable]) -> dict[Any, bytes]:
        """Return the states of several streams as bytes, written at once.

        Raises:
            ArgumentError: one of them is no stream.
        """
        streams = list(streams)
        places = [self._known(stream) for stream in streams]
        states = {name: array[places] for name, array in self._states.arrays.items()}
        return dict(zip(streams, pack_snapshots(states, self._hash), strict=True))

    def restore(self, stream: Hashable, blob: bytes) -> None:
        """Go on from a snapshot, in a stream that is there or a new one.

        Raises:
            ArgumentError: these are no bytes, or there would be more streams than the capacity.
            DataError: they are not whole, of another format, or of another model; no stream has changed.
        """
        arrays = self._states.arrays
        state = unpack_snapshot(blob, self._hash, {name: array[0] for name, array in arrays.items()})
        self._require_room(stream not in self._places)
        set_state(arrays, self._place_of(stream), state, f"stream {stream!r}")

    def reset(self, stream: Hashable) -> None:
        """Set a stream back to before its first step.

        Raises:
            ArgumentError: there is no such stream.
        """
        place = self._known(stream)
        for array in self._states.arrays.values():
            array[place] = 0

    def remove(self, stream: Hashable) -> None:
        """Forget a stream, and free its place.

        Raises:
            ArgumentError: there is no such stream.
        """
        self.reset(stream)
        self._free.append(self._places.pop(stream))

    def _known(self, stream: Hashable) -> int:
        place = self._places.get(stream)
        if place is None:
            raise ArgumentError(
                f"Streams: expected the id of a stream, got {stream!r}, which is none. Step it first."
            )
        return place

    def _require_room(self, more: int) -> None:
        if more > len(self._free):
            raise ArgumentError(
                f"Streams: expected at most {self.capacity:,} streams, the capacity; got"
                f" {len(self._places) + more:,}. Remove some, or make Streams with a larger capacity."
            )

    def _place_of(self, stream: Hashable) -> int:
        if stream not in self._places:
            self._places[stream] = self._free.pop()
        return self._places[stream]


_FIRST = np.zeros(1, dtype=np.int64)


def _no_start(_: Any) -> State:
    raise ArgumentError("start: expected none, for streams of this model have no times. Leave it out.")


def set_state(arrays: State, place: int, state: Mapping[str, Any], name: str) -> None:
    """Write a state into the arrays of all streams, whole or not at all.

    Raises:
        ArgumentError: it is not like a state of these streams.
    """
    if not isinstance(state, Mapping) or state.keys() != arrays.keys():
        got = sorted(state) if isinstance(state, Mapping) else type(state).__name__
        raise ArgumentError(
            f"{name} state: expected {sorted(arrays)}, got {got}. Set what stream.state gave."
        )
    new = {key: np.asarray(value) for key, value in state.items()}
    for key, value in new.items():
        like = arrays[key][place]
        if value.shape != like.shape or not np.can_cast(value.dtype, like.dtype, "same_kind"):
            raise ArgumentError(
                f"{name} state, {key}: expected shape {like.shape} of {like.dtype}, got {value.shape} of"
                f" {value.dtype}. Set what stream.state gave."
            )
    for key, value in new.items():
        arrays[key][place] = value
