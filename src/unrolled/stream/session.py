"""Streams that lose no event and apply none twice: messages in, replies out, no socket and no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import StoreError, StreamError, UnrolledError
from unrolled.stream.answers import encode_json
from unrolled.stream.protocols import SupportsStreams
from unrolled.stream.replies import (
    MOST_EVENTS,
    Again,
    Applied,
    Gap,
    Message,
    Old,
    Refused,
    Reply,
    check_events,
    check_number,
    check_stream,
)
from unrolled.stream.state_cache import StateCache
from unrolled.stream.store.row import START, Sizes, Store, StreamRow, extend_history
from unrolled.validation import check_int

_MOST_TRIES = 8  # to write a stream that other processes move


@dataclass(frozen=True, slots=True)
class Saved:
    """State of a stream outside its session.

    Args:
        last: number of the last event in it.
        blob: snapshot, which `Session.restore` and `model.stream` take; empty for the zero state.
    """

    last: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class _Step:
    """A message, checked as far as the stream plays no part."""

    stream: str
    n: int
    events: NDArray[np.float64]
    start: str | None


class Session:
    """Apply numbered messages to streams, each event exactly once, and store state and answer together.

    A stream counts its events from 1; a message names the number of its first. The next message is applied;
    the identical last one is answered with the stored bytes; anything else is `Gap` or `Old`, and changes
    nothing. So whoever sends a message until it is answered loses nothing and repeats nothing, whatever
    breaks in between. One message of a stream at a time may be without an answer.

    States are kept in `streams`, up to its capacity, and are read from the store when they are needed again.

    Args:
        streams: steps the states, as `unrolled.Streams` does.
        store: where rows survive.
        max_streams: streams there may be; None for no limit.
        read: turns the events of a message into an array, one a row; raises StreamError where they are none.
        encode: turns the answers to one message into bytes.
        begin: makes the snapshot of a stream without events whose first one has a time; None where streams
            have no times.

    >>> import numpy as np
    >>> from unrolled.stream.store.memory import MemoryStore
    >>> class Sums(dict):
    ...     capacity = 100
    ...     def steps(self, inputs):
    ...         answers = {}
    ...         for stream, events in inputs.items():
    ...             answers[stream] = self.get(stream, 0.0) + np.cumsum(events)
    ...             self[stream] = answers[stream][-1]
    ...         return answers
    ...     def snapshots(self, streams):
    ...         return {stream: np.float64(self[stream]).tobytes() for stream in streams}
    ...     def restore(self, stream, blob):
    ...         self[stream] = np.frombuffer(blob)[0]
    ...     remove = dict.pop
    >>> session = Session(Sums(), MemoryStore())
    >>> session.apply("a", 1, [1, 2, 3])
    Applied(last=3, y=b'[1.0,3.0,6.0]')
    >>> session.apply("a", 1, [1, 2, 3])
    Again(last=3, y=b'[1.0,3.0,6.0]')
    >>> session.apply("a", 2, [2]), session.apply("a", 6, [6])
    (Old(last=3), Gap(want=4))
    """

    def __init__(
        self,
        streams: SupportsStreams,
        store: Store,
        *,
        max_streams: int | None = None,
        read: Callable[[Any], NDArray[np.float64]] = check_events,
        encode: Callable[[Any], bytes] = encode_json,
        begin: Callable[[str], bytes] | None = None,
    ) -> None:
        self._streams, self._store, self._read, self._encode = streams, store, read, encode
        self._begin = begin
        self._max_streams = (
            MOST_EVENTS if max_streams is None else check_int("max_streams", max_streams, least=1)
        )
        self._cache = StateCache(streams, store)

    def apply(
        self, stream: str, n: int, xs: Any, *, start: str | None = None, now: int = 0
    ) -> Applied | Again | Gap | Old:
        """Apply one message.

        Args:
            stream: name; the first message makes the stream.
            n: number of the first event.
            xs: events as `read` takes them: (T, F) or (T,); None or NaN is a missing value.
            start: time of the first event, where n is 1 and the model reads the calendar.
            now: seconds by the caller's clock, for `expire`.

        Raises:
            StreamError: the name, the number or the events cannot be used; nothing has changed.
            StoreError: it could not be stored; nothing has changed.
        """
        (reply,) = self.apply_many([Message(stream, n, xs, start)], now=now)
        if isinstance(reply, Refused):
            raise StreamError(reply.sentence, reply.code)
        return reply

    def apply_many(self, messages: Sequence[Message], *, now: int = 0) -> list[Reply]:
        """Apply messages of many streams in one step and one commit; a second message of a stream in another.

        Returns:
            The reply to each message. One that is refused changes nothing and hinders no other.

        Raises:
            StoreError: nothing of this call was stored, or of its first messages of each stream; send all
                again.
        """
        parsed = [self._parse(message) for message in messages]
        replies: list[Any] = list(parsed)  # the refused ones are replies already
        steps = [(k, step) for k, step in enumerate(parsed) if isinstance(step, _Step)]
        for wave in _waves(steps, self._streams.capacity):
            by_stream = self._apply_wave({step.stream: step for step in wave.values()}, now)
            for k, step in wave.items():
                replies[k] = by_stream[step.stream]
        return replies

    def last(self, stream: str) -> int | None:
        """Return the number of the last event of a stream; None where there is no such stream.

        Raises:
            StreamError: no stream has such a name.
            StoreError: the store cannot be read.
        """
        heads, refusals = self._cache.load([check_stream(stream)])
        if refusals:
            raise StreamError(refusals[stream].sentence, refusals[stream].code)
        return heads[stream].last if heads else None

    def create(self, stream: str, *, now: int = 0) -> int:
        """Make a stream in the zero state, if there is none; return the number of its last event.

        Raises:
            StreamError: no stream has such a name, or there are as many as may be.
            StoreError: it could not be stored.
        """
        last = self.last(stream)
        if last is None:
            self.restore(stream, Saved(0, b""), now=now)
        return last or 0

    def snapshot(self, stream: str) -> Saved | None:
        """Return the state of a stream and its number; None where there is no such stream.

        Raises:
            StreamError: no stream has such a name.
            StoreError: the store cannot be read.
        """
        row = self._store.read([check_stream(stream)]).get(stream)
        if isinstance(row, StoreError):
            raise row
        return None if row is None else Saved(row.last, row.state)

    def restore(self, stream: str, saved: Saved, *, now: int = 0) -> None:
        """Give a stream, new or not, the state and the number of a snapshot.

        Raises:
            StreamError: the name or the number cannot be used, or the snapshot is of another model.
            StoreError: it could not be stored; nothing has changed.
        """
        last = check_number("last", saved.last, least=0)
        before = self._store.read_histories([check_stream(stream)]).get(stream, START)
        if before == START and len(self._store) >= self._max_streams:
            raise StreamError(self._limit_sentence(stream), "too_many_streams")
        self._cache.drop([stream])
        self._cache.make_room([stream])
        try:
            if saved.blob:
                self._streams.restore(stream, saved.blob)
        except UnrolledError as fault:
            raise StreamError(str(fault), "other_model") from fault
        finally:
            self._cache.drop([stream])
        digest = blake2b(b"%d " % last + saved.blob, digest_size=16, person=b"snapshot").digest()
        row = StreamRow(last, 0, START, digest, saved.blob, b"")
        if self._store.commit({stream: (before, row)}, now=now):
            raise StoreError(f"{stream}: another process moved this stream meanwhile. Send it again.")

    def delete(self, stream: str) -> bool:
        """Remove a stream; return whether there was one.

        Raises:
            StreamError: no stream has such a name.
            StoreError: the store cannot be written; nothing has changed.
        """
        was_there = self._store.delete(check_stream(stream))
        self._cache.drop([stream])
        return was_there

    def expire(self, before: int, *, most: int = 1000) -> list[str]:
        """Remove streams that had no message since `before`, in seconds, and return their names.

        Each call looks at `most` streams, the next ones each time, so that none takes long.
        """
        idle = self._store.expire(before, most=most)
        self._cache.drop(idle)
        return idle

    def names(self, after: str = "", *, most: int = 1000) -> list[str]:
        """List streams in the order of their names, those after a name."""
        return self._store.names(after, most=most)

    def sizes(self) -> Sizes:
        """Count the streams and bytes that are stored."""
        return self._store.sizes()

    def maintain(self) -> None:
        """Do what the store puts off until there is time."""
        self._store.maintain()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _parse(self, message: Message) -> _Step | Refused:
        """Check a message as far as the stream plays no part."""
        try:
            stream, events = check_stream(message.stream), self._read(message.x)
            n = check_number("n", message.n, count=len(events))
            if message.start is not None and n != 1:
                raise StreamError(f"start: expected it in the first message, n = 1; got it with n = {n}.")
            return _Step(stream, n, events, message.start)
        except StreamError as fault:
            return Refused(fault.code, str(fault))

    def _apply_wave(self, steps: Mapping[str, _Step], now: int) -> dict[str, Reply]:
        """Apply a message of each stream, until no other process comes in between."""
        replies: dict[str, Reply] = {}
        for _ in range(_MOST_TRIES):
            steps = self._apply_once(steps, replies, now)
            if not steps:
                return replies
        raise StoreError("Other processes moved these streams again and again. Send the messages again.")

    def _apply_once(
        self, steps: Mapping[str, _Step], replies: dict[str, Reply], now: int
    ) -> dict[str, _Step]:
        """Apply a message of each stream; return those whose stream another process moved meanwhile."""
        heads, refusals = self._cache.load(steps)
        replies |= refusals
        replies |= {
            stream: reply
            for stream, step in steps.items()
            if stream not in replies and (reply := _reply_at_once(step, heads.get(stream)))
        }
        following = {stream: step for stream, step in steps.items() if stream not in replies}
        self._refuse_beyond_limit([stream for stream in following if stream not in heads], replies)
        try:
            self._begin_with_start([step for step in following.values() if step.start is not None], replies)
            answers = self._step(
                {s: step.events for s, step in following.items() if s not in replies}, replies
            )
            states = self._streams.snapshots(answers)
            rows = {
                stream: self._row(following[stream], heads.get(stream), states[stream], answer)
                for stream, answer in answers.items()
            }
            changes = {stream: (row.previous, row) for stream, row in rows.items()}
            moved = self._store.commit(changes, now=now) if changes else set()
        except BaseException:
            self._cache.drop(following)  # what is stored is true
            raise
        refused_new = following.keys() - heads.keys() - rows.keys()
        self._cache.drop([*moved, *refused_new])
        stored = {stream: row for stream, row in rows.items() if stream not in moved}
        self._cache.keep(stored)
        replies |= {stream: Applied(row.last, row.answer) for stream, row in stored.items()}
        return {stream: steps[stream] for stream in moved}

    def _begin_with_start(self, steps: Sequence[_Step], replies: dict[str, Reply]) -> None:
        """Begin those streams that have times of their own."""
        for step in steps:
            if step.stream in replies:
                continue
            try:
                if self._begin is None:
                    raise StreamError("start: expected none, for these streams have no times. Leave it out.")
                self._streams.restore(step.stream, self._begin(str(step.start)))
            except UnrolledError as fault:
                replies[step.stream] = Refused("bad_input", str(fault))

    def _refuse_beyond_limit(self, new: Sequence[str], replies: dict[str, Reply]) -> None:
        """Refuse those of the new streams for which there is no place."""
        room = self._max_streams - len(self._store) if new else 0
        for stream in new[max(room, 0) :]:
            replies[stream] = Refused("too_many_streams", self._limit_sentence(stream))

    def _limit_sentence(self, stream: str) -> str:
        return (
            f"{stream}: expected at most {self._max_streams} streams, and there are as many. "
            "Delete some, or raise max_streams."
        )

    def _step(self, inputs: Mapping[str, NDArray[np.float64]], replies: dict[str, Reply]) -> dict[str, Any]:
        """Step all streams together; where an input does not fit, each alone, so that it harms no other."""
        if not inputs:
            return {}
        try:
            return dict(self._streams.steps(inputs))
        except UnrolledError as fault:
            if len(inputs) > 1:
                alone = (self._step({stream: events}, replies) for stream, events in inputs.items())
                return {stream: answers for each in alone for stream, answers in each.items()}
            (stream,) = inputs
            replies[stream] = Refused("bad_input", str(fault))
            return {}

    def _row(self, step: _Step, head: StreamRow | None, state: bytes, answers: Any) -> StreamRow:
        previous = head.history if head else START
        return StreamRow(
            last=step.n + len(step.events) - 1,
            length=len(step.events),
            previous=previous,
            history=extend_history(previous, step.n, step.events, step.start),
            state=state,
            answer=self._encode(answers),
        )


def _reply_at_once(step: _Step, head: StreamRow | None) -> Reply | None:
    """Reply to a message that is not the next one; None where it is."""
    last = head.last if head else 0
    if step.n == last + 1:
        return None
    if step.n > last:
        return Gap(last + 1)
    is_last = head is not None and head.length == len(step.events) and step.n + head.length - 1 == last
    if head and is_last and extend_history(head.previous, step.n, step.events, step.start) == head.history:
        return Again(last, head.answer)
    return Old(last)


def _waves(steps: Iterable[tuple[int, _Step]], capacity: int) -> list[dict[int, _Step]]:
    """Split messages, in their order, so that each part holds a stream once and fits the capacity."""
    waves: list[dict[int, _Step]] = []
    next_wave: dict[str, int] = {}  # of a stream: the first that may hold its next message
    for k, step in steps:
        wave = next_wave.get(step.stream, 0)
        while wave < len(waves) and len(waves[wave]) >= capacity:
            wave += 1
        if wave == len(waves):
            waves.append({})
        waves[wave][k] = step
        next_wave[step.stream] = wave + 1
    return waves
