"""States in memory of streams in a store: read when needed, dropped when not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import islice

from unrolled.errors import StoreError, UnrolledError
from unrolled.stream.protocols import SupportsStreams
from unrolled.stream.replies import Refused
from unrolled.stream.store.row import Store, StreamRow


class StateCache:
    """Newest rows of streams whose states are in `streams`; what is stored is true, so any may be dropped.

    Args:
        streams: holds the states, up to its capacity.
        store: where they are read from.
    """

    def __init__(self, streams: SupportsStreams, store: Store) -> None:
        self._streams, self._store = streams, store
        self._heads: OrderedDict[str, StreamRow] = OrderedDict()  # without their states; oldest use first

    def load(self, streams: Iterable[str]) -> tuple[dict[str, StreamRow], dict[str, Refused]]:
        """Put the states of streams, at most the capacity, into `streams`.

        Returns:
            Their rows, without the states; streams that there are not are left out.
            The reason, for streams whose stored state cannot be used.

        Raises:
            StoreError: the store cannot be read.
        """
        streams = list(streams)
        if self._store.is_shared:
            self._drop_moved(streams)
        missing = [stream for stream in streams if stream not in self._heads]
        rows = self._store.read(missing) if missing else {}
        self.make_room(streams)
        refusals = {
            stream: refusal
            for stream, row in rows.items()
            if (refusal := self._take(stream, row)) is not None
        }
        heads = {stream: self._heads[stream] for stream in streams if stream in self._heads}
        for stream in heads:
            self._heads.move_to_end(stream)
        return heads, refusals

    def keep(self, rows: Mapping[str, StreamRow]) -> None:
        """Take the rows of states that `streams` holds and that were stored."""
        self._heads.update({stream: row._replace(state=b"") for stream, row in rows.items()})

    def drop(self, streams: Iterable[str]) -> None:
        """Forget streams: their states are read from the store when they are needed again."""
        for stream in streams:
            self._heads.pop(stream, None)
            if stream in self._streams:
                self._streams.remove(stream)

    def make_room(self, streams: Iterable[str]) -> None:
        """Drop what was not used for longest, so that these streams find a place."""
        needed = set(streams)
        n_new = sum(stream not in self._heads for stream in needed)
        excess = len(self._heads) + n_new - self._streams.capacity
        if excess > 0:
            unused = (stream for stream in self._heads if stream not in needed)
            self.drop(list(islice(unused, excess)))

    def _drop_moved(self, streams: Iterable[str]) -> None:
        """Drop what another process has moved since it was read."""
        histories = {stream: self._heads[stream].history for stream in streams if stream in self._heads}
        stored = self._store.read_histories(histories) if histories else {}
        self.drop([stream for stream, history in histories.items() if stored.get(stream) != history])

    def _take(self, stream: str, row: StreamRow | StoreError) -> Refused | None:
        """Put a state that was read in its place; say why where that cannot be done."""
        if isinstance(row, StoreError):
            return Refused(row.code, str(row))
        try:
            if row.state:
                self._streams.restore(stream, row.state)
        except UnrolledError as fault:
            return Refused("other_model", str(fault))
        self.keep({stream: row})
        return None
