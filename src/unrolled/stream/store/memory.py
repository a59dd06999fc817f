"""Store in memory: for the library and for tests; it ends with the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unrolled.stream.store.row import START, Sizes, StreamRow


class MemoryStore:
    """Rows in a dict.

    >>> store = MemoryStore()
    >>> row = StreamRow(last=1, length=1, previous=START, history=b"1", state=b"", answer=b"[0.5]")
    >>> store.commit({"a": (START, row)}, now=0)
    set()
    >>> store.read(["a", "b"])["a"].answer, store.names()
    (b'[0.5]', ['a'])
    """

    is_shared = False

    def __init__(self) -> None:
        self._rows: dict[str, StreamRow] = {}
        self._seen: dict[str, int] = {}

    def read(self, streams: Iterable[str]) -> dict[str, StreamRow]:
        """Read the rows of those streams that there are."""
        return {stream: self._rows[stream] for stream in streams if stream in self._rows}

    def read_histories(self, streams: Iterable[str]) -> dict[str, bytes]:
        """Read `history` alone."""
        return {stream: row.history for stream, row in self.read(streams).items()}

    def commit(self, rows: Mapping[str, tuple[bytes, StreamRow]], *, now: int) -> set[str]:
        """Write rows together."""
        moved = {
            stream
            for stream, (previous, _) in rows.items()
            if (self._rows[stream].history if stream in self._rows else START) != previous
        }
        for stream, (_, row) in rows.items():
            if stream not in moved:
                self._rows[stream], self._seen[stream] = row, now
        return moved

    def delete(self, stream: str) -> bool:
        """Remove a stream; return whether there was one."""
        self._seen.pop(stream, None)
        return self._rows.pop(stream, None) is not None

    def expire(self, before: int, *, most: int = 1000) -> list[str]:
        """Remove streams not seen since `before`."""
        idle = [stream for stream, seen in self._seen.items() if seen < before][:most]
        for stream in idle:
            self.delete(stream)
        return idle

    def names(self, after: str = "", *, most: int = 1000) -> list[str]:
        """List streams in the order of their names."""
        return sorted(stream for stream in self._rows if stream > after)[:most]

    def __len__(self) -> int:
        return len(self._rows)

    def sizes(self) -> Sizes:
        """Count streams, and the bytes of their states and answers."""
        return Sizes(len(self._rows), sum(len(row.state) + len(row.answer) for row in self._rows.values()))

    def maintain(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
