"""Protocol of the streams that a session steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class SupportsStreams(Protocol):
    """Independent states of one model, by name, stepped together; `unrolled.Streams` is one.

    What a stream answers depends on its own events alone, to the bit: never on which others are stepped with
    it, nor on how the events are cut into calls.
    """

    capacity: int

    def steps(self, inputs: Mapping[str, NDArray[np.float64]]) -> Mapping[str, Any]:
        """Step each stream by its events (T, ...), a new one from the zero state; return the answers of each.

        Raises:
            UnrolledError: an input does not fit; no state has moved.
        """

    def snapshots(self, streams: Iterable[str]) -> Mapping[str, bytes]:
        """Return the states of streams."""

    def restore(self, stream: str, blob: bytes) -> None:
        """Give a stream the state of a snapshot.

        Raises:
            UnrolledError: it is none of this model; no state has moved.
        """

    def remove(self, stream: str) -> None:
        """Forget a stream."""

    def __contains__(self, stream: object) -> bool:
        """Tell whether the stream has a state here."""

    def __len__(self) -> int:
        """Count the streams that have a state here."""
