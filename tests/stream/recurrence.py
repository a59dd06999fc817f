"""Streams of a small recurrence in NumPy: deterministic, quick to import, states as bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError

UNITS, WIDTH = 5, 3
_ROWS = np.random.default_rng(7).normal(0, 0.6, (UNITS, UNITS + WIDTH + 1))


class Recurrence:
    """h = tanh(W h + U x + b), the answer to a step is h; each row is summed in one order."""

    def __init__(self, capacity: int = 8, name: bytes = b"one") -> None:
        self.capacity, self.name = capacity, name
        self.states: dict[str, NDArray[np.float64]] = {}
        self.calls: list[list[str]] = []  # streams of each call

    def steps(self, inputs: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
        for stream, events in inputs.items():
            if events.shape[1:] != (WIDTH,) or np.isnan(events).any():
                raise ArgumentError(f"{stream}: expected {WIDTH} numbers an event, got {events.shape}.")
        if len(self.states.keys() | inputs.keys()) > self.capacity:
            raise AssertionError("more streams than there is capacity for")
        self.calls.append(list(inputs))
        return {stream: self._run(stream, events) for stream, events in inputs.items()}

    def _run(self, stream: str, events: NDArray[np.float64]) -> NDArray[np.float64]:
        h, answers = self.states.get(stream, np.zeros(UNITS)), []
        for x in events:
            h = np.tanh((_ROWS * np.concatenate([h, x, [1.0]])).sum(axis=1))
            answers.append(h)
        self.states[stream] = h
        return np.stack(answers)

    def snapshot(self, stream: str) -> bytes:
        return self.name + self.states[stream].tobytes()

    def snapshots(self, streams: Iterable[str]) -> dict[str, bytes]:
        return {stream: self.snapshot(stream) for stream in streams}

    def restore(self, stream: str, blob: bytes) -> None:
        if blob[:3] != self.name or len(blob) != 3 + 8 * UNITS:
            raise ArgumentError("blob: expected a snapshot of this model, got another's.")
        self.states[stream] = np.frombuffer(blob[3:])

    def reset(self, stream: str) -> None:
        self.states.pop(stream, None)

    def remove(self, stream: str) -> None:
        del self.states[stream]

    def __contains__(self, stream: object) -> bool:
        return stream in self.states

    def __len__(self) -> int:
        return len(self.states)
