"""Stored row of a stream, and the protocol of what stores it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import StoreError

START = b""  # the history of a stream without events


class StreamRow(NamedTuple):
    """Stored fields of a stream: its number, its digests, its state and its last answer.

    Args:
        last: number of the last event.
        length: number of events in the last message; 0 where there was none.
        previous: digest of all messages but the last.
        history: digest of all messages, which tells one state from any other.
        state: snapshot of the state; empty for the zero state.
        answer: encoded answers to the last message.
    """

    last: int
    length: int
    previous: bytes
    history: bytes
    state: bytes
    answer: bytes


def extend_history(history: bytes, n: int, events: NDArray[np.float64], start: str | None = None) -> bytes:
    """Digest a message onto the digest of those before it."""
    head = f"{n} {events.shape} {start or ''}".encode()
    return blake2b(head + events.tobytes(), digest_size=16, key=history).digest()


@dataclass(frozen=True, slots=True)
class Sizes:
    """Number of streams in a store, and their size.

    Args:
        streams: number of streams.
        bytes: bytes on disk or in memory, as the store counts them.
    """

    streams: int
    bytes: int


class Store(Protocol):
    """Place where rows survive; one thread at a time calls it.

    Every method raises StoreError where the store fails; then nothing was changed.
    """

    is_shared: bool  # whether others may change rows meanwhile

    def read(self, streams: Iterable[str]) -> Mapping[str, StreamRow | StoreError]:
        """Read the rows of those streams that there are; a damaged row is an error, the others are read."""

    def read_histories(self, streams: Iterable[str]) -> dict[str, bytes]:
        """Read `history` alone; streams that there are not are left out."""

    def commit(self, rows: Mapping[str, tuple[bytes, StreamRow]], *, now: int) -> set[str]:
        """Write rows together, each with the history it follows on; START makes a stream.

        Args:
            rows: by stream.
            now: seconds, by the clock of the caller, at which these streams were seen.

        Returns:
            Streams that another had moved meanwhile, whose rows were not written.
        """

    def delete(self, stream: str) -> bool:
        """Remove a stream; return whether there was one."""

    def expire(self, before: int, *, most: int = 1000) -> list[str]:
        """Look at some streams, the next ones each time, and remove those not seen since `before`."""

    def names(self, after: str = "", *, most: int = 1000) -> list[str]:
        """List streams in the order of their names, those after a name."""

    def __len__(self) -> int:
        """Count the streams."""

    def sizes(self) -> Sizes:
        """Count the streams and their bytes."""

    def maintain(self) -> None:
        """Do what can wait until there is time, such as a checkpoint."""

    def close(self) -> None:
        """Write what is left and let others have the store."""
