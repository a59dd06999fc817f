"""Any split into messages, any repeats and losses: each event counts once, and answers are the same bits."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unrolled.errors import StoreError, StreamError
from unrolled.stream.replies import Again, Applied, Gap, Message, Old, Refused
from unrolled.stream.session import Saved, Session
from unrolled.stream.store.memory import MemoryStore

Array = NDArray[np.float64]


class FullStore(MemoryStore):
    """Fails to write while `is_full`."""

    is_full = False

    def commit(self, rows: Any, *, now: int) -> set[str]:
        if self.is_full:
            raise StoreError("no room.", "storage_full")
        return super().commit(rows, now=now)


class SharedStore(MemoryStore):
    """Another process may write too."""

    is_shared = True


def answers_of(reply: Any) -> Array:
    """The answers that a message got."""
    assert isinstance(reply, Applied | Again)
    return np.array(json.loads(reply.y))


def pieces(events: Array, cuts: list[int]) -> Iterator[tuple[int, Array]]:
    """The events in messages: number of the first, events."""
    bounds = sorted({0, *cuts, len(events)})
    for start, end in pairwise(bounds):
        yield start + 1, events[start:end]


@settings(max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 39), max_size=10),
    repeats=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    losses=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_any_split_and_any_repeats_give_the_answers_of_one_run(
    recurrence: Any, events: Array, cuts: list[int], repeats: list[int], losses: list[bool]
) -> None:
    """A message may arrive any number of times; its answer may be lost, and the state in memory with it."""
    streams, store = recurrence(), MemoryStore()
    session, answers = Session(streams, store), []
    for (n, xs), times, is_lost in zip(pieces(events, cuts), repeats, losses, strict=False):
        first = session.apply("a", n, xs)
        assert isinstance(first, Applied)
        assert first.last == n + len(xs) - 1
        if is_lost:  # the process died; another reads the store
            session = Session(recurrence(), store)
        for _ in range(times):
            assert session.apply("a", n, xs.tolist()) == Again(first.last, first.y)
        answers.append(answers_of(first))
    assert np.array_equal(np.concatenate(answers), recurrence().steps({"a": events})["a"])


@settings(max_examples=60)
@given(
    order=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=60),
    capacity=st.integers(1, 3),
)
def test_in_any_order_only_the_next_message_is_applied(
    recurrence: Any, events: Array, order: list[tuple[int, int]], capacity: int
) -> None:
    """Messages of four events of three streams arrive in any order; each reply is that of a plain model."""
    session = Session(recurrence(capacity), MemoryStore())
    lasts: dict[str, int] = {}
    whole = recurrence().steps({"s": events})["s"]
    for k, number in order:
        stream, n = f"s{number % 3}", 4 * k + 1
        last = lasts.get(stream, 0)
        reply = session.apply(stream, n, events[n - 1 : n + 3])
        if n == last + 1:
            lasts[stream] = n + 3
            assert isinstance(reply, Applied)
            assert np.array_equal(answers_of(reply), whole[n - 1 : n + 3])
        elif n + 3 == last:
            assert isinstance(reply, Again)
            assert np.array_equal(answers_of(reply), whole[n - 1 : n + 3])
        else:
            assert reply == (Gap(last + 1) if n > last else Old(last))
        assert session.last(stream) == (lasts.get(stream) or None)


@settings(max_examples=40)
@given(batches=st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=12), capacity=st.integers(1, 6))
def test_many_streams_in_one_call_equal_each_alone(
    recurrence: Any, events: Array, batches: list[list[int]], capacity: int
) -> None:
    """Streams may stand in a call several times; each takes its own next event, in the order given."""
    streams = recurrence(capacity)
    session = Session(streams, MemoryStore())
    alone = [recurrence().steps({"s": np.roll(events, k, axis=0)})["s"] for k in range(5)]
    counts = [0] * 5
    for batch in batches:
        messages, expected = [], []
        for k in batch:
            counts[k] += 1
            messages.append(Message(f"s{k}", counts[k], [np.roll(events, k, axis=0)[counts[k] - 1]]))
            expected.append(alone[k][counts[k] - 1])
        replies = session.apply_many(messages)
        assert [answers_of(reply)[0].tolist() for reply in replies] == [row.tolist() for row in expected]
        assert len(streams) <= capacity
    assert session.names() == [f"s{k}" for k in range(5) if counts[k]]


def test_streams_of_one_call_are_stepped_together_and_stored_together(recurrence: Any, events: Array) -> None:
    """One kernel call and one commit for distinct streams."""
    streams, commits = recurrence(), []

    class Counted(MemoryStore):
        def commit(self, rows: Any, *, now: int) -> set[str]:
            commits.append(sorted(rows))
            return super().commit(rows, now=now)

    session = Session(streams, Counted())
    session.apply_many([Message(name, 1, events[:2]) for name in "cab"])
    assert [sorted(call) for call in streams.calls] == commits == [["a", "b", "c"]]
    session.apply_many([Message(name, 1, events[:2]) for name in "cab"])
    assert len(commits) == len(streams.calls) == 1  # answered, not computed


def test_a_changed_last_message_is_old(recurrence: Any, events: Array) -> None:
    """The same numbers with other values, or cut elsewhere, are not the last message."""
    session = Session(recurrence(), MemoryStore())
    session.apply("a", 1, events[:2])
    session.apply("a", 3, events[2:4])
    for n, xs in [
        (3, events[2:4] + 1e-12),
        (3, events[2:3]),
        (4, events[3:4]),
        (2, events[1:4]),
        (3, events[2:5]),
    ]:
        assert session.apply("a", n, xs) == Old(4)
    assert isinstance(session.apply("a", 3, events[2:4]), Again)


def test_a_bad_message_harms_no_other(recurrence: Any, events: Array) -> None:
    """Each fault has its own reply; the messages beside it are applied, and no stream is made of it."""
    session = Session(recurrence(), MemoryStore())
    bad = [
        (Message("a/b", 1, events[:1]), "bad_stream"),
        (Message(["a"], 1, events[:1]), "bad_stream"),
        (Message("b", 0, events[:1]), "bad_number"),
        (Message("b", 2**53, events[:2]), "bad_number"),
        (Message("b", 1, events[:1, :2]), "bad_input"),
        (Message("c", 1, [[None, 1, 2]]), "bad_input"),
        (Message("d", 1, "text"), "bad_input"),
        (Message("e", 1, []), "bad_input"),
    ]
    replies = session.apply_many([Message("a", 1, events[:1]), *(message for message, _ in bad)])
    assert isinstance(replies[0], Applied)
    assert [reply.code for reply in replies[1:] if isinstance(reply, Refused)] == [code for _, code in bad]
    assert session.names() == ["a"]
    assert isinstance(session.apply("b", 1, events[:1]), Applied)
    with pytest.raises(StreamError, match="expected 3 numbers") as caught:
        session.apply("b", 2, events[:1, :2])
    assert caught.value.code == "bad_input"
    assert isinstance(session.apply("b", 2, events[1:2]), Applied)


def test_what_cannot_be_stored_is_not_applied(recurrence: Any, events: Array) -> None:
    """The state in memory moves no further than the store; the same message goes through later."""
    store = FullStore()
    session = Session(recurrence(), store)
    session.apply("a", 1, events[:3])
    store.is_full = True
    for _ in range(2):
        with pytest.raises(StoreError):
            session.apply_many([Message("a", 4, events[3:5]), Message("b", 1, events[:1])])
    assert (session.last("a"), session.last("b")) == (3, None)
    store.is_full = False
    reply = session.apply("a", 4, events[3:5])
    assert np.array_equal(answers_of(reply), recurrence().steps({"a": events})["a"][3:5])


def test_a_fault_of_the_streams_leaves_what_is_stored(recurrence: Any, events: Array) -> None:
    """An unexpected error passes through, and the next message starts from the stored state."""
    streams = recurrence()
    session = Session(streams, MemoryStore())
    session.apply("a", 1, events[:1])
    snapshot = streams.snapshot
    streams.snapshot = lambda stream: 1 / 0
    with pytest.raises(ZeroDivisionError):
        session.apply("a", 2, events[1:2])
    streams.snapshot = snapshot
    reply = session.apply("a", 2, events[1:2])
    assert np.array_equal(answers_of(reply), recurrence().steps({"a": events})["a"][1:2])


def test_a_number_of_streams_is_a_limit(recurrence: Any, events: Array) -> None:
    """The streams that there are go on; a new one is refused until one is deleted."""
    session = Session(recurrence(), MemoryStore(), max_streams=2)
    replies = session.apply_many([Message(name, 1, events[:1]) for name in "abc"])
    assert [type(reply) for reply in replies] == [Applied, Applied, Refused]
    with pytest.raises(StreamError) as caught:
        session.restore("d", Saved(5, b""))
    assert caught.value.code == "too_many_streams"
    assert isinstance(session.apply("a", 2, events[1:2]), Applied)
    assert session.delete("a")
    assert not session.delete("a")
    assert isinstance(session.apply("c", 1, events[:1]), Applied)


def test_a_deleted_stream_begins_anew(recurrence: Any, events: Array) -> None:
    """Its next event is number 1, from the zero state."""
    session = Session(recurrence(), MemoryStore())
    first = session.apply("a", 1, events[:2])
    session.delete("a")
    assert session.apply("a", 3, events[2:3]) == Gap(1)
    assert session.apply("a", 1, events[:2]) == first


def test_a_snapshot_moves_to_another_session(recurrence: Any, events: Array) -> None:
    """State and number come along; the message before it is unknown there."""
    session, other = (Session(recurrence(), MemoryStore()) for _ in range(2))
    session.apply("a", 1, events[:7])
    saved = session.snapshot("a")
    assert saved is not None
    assert saved.last == 7
    other.restore("b", saved)
    assert other.apply("b", 1, events[:7]) == Old(7)
    assert other.apply("b", 8, events[7:9]) == session.apply("a", 8, events[7:9])
    assert session.snapshot("none") is None


def test_a_snapshot_of_another_model_is_refused(recurrence: Any, events: Array) -> None:
    """In a sentence, and the stream goes on from where it was."""
    session, other = Session(recurrence(), MemoryStore()), Session(recurrence(name=b"two"), MemoryStore())
    session.apply("a", 1, events[:7])
    other.apply("a", 1, events[:7])
    saved = other.snapshot("a")
    assert saved is not None
    with pytest.raises(StreamError, match="snapshot of this model") as caught:
        session.restore("a", saved)
    assert caught.value.code == "other_model"
    for last in (-1, 2**53 + 1, True, "7"):
        with pytest.raises(StreamError, match="last: expected a whole number from 0"):
            session.restore("a", Saved(last, b""))
    reply = session.apply("a", 8, events[7:9])
    assert np.array_equal(answers_of(reply), recurrence().steps({"a": events})["a"][7:9])


def test_a_stored_state_that_cannot_be_used_stops_its_stream_alone(recurrence: Any, events: Array) -> None:
    """Every message to it is refused; the streams beside it go on."""
    store = MemoryStore()
    Session(recurrence(name=b"two"), store).apply("a", 1, events[:1])
    session = Session(recurrence(), store)
    replies = session.apply_many([Message("a", 2, events[1:2]), Message("b", 1, events[:1])])
    assert isinstance(replies[0], Refused)
    assert replies[0].code == "other_model"
    assert isinstance(replies[1], Applied)
    with pytest.raises(StreamError, match="snapshot of this model"):
        session.last("a")


def test_streams_without_a_message_expire(recurrence: Any, events: Array) -> None:
    """By the caller's clock; the state in memory goes with them."""
    streams = recurrence()
    session = Session(streams, MemoryStore())
    session.apply("a", 1, events[:1], now=10)
    session.apply("b", 1, events[:1], now=20)
    assert session.expire(10) == []
    assert session.expire(11) == ["a"]
    assert list(streams.states) == session.names() == ["b"]
    assert session.apply("a", 1, events[:1], now=30) == Applied(1, session.apply("b", 1, events[:1]).y)  # type: ignore[union-attr]


@settings(max_examples=40)
@given(turns=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=30))
def test_two_sessions_on_one_store_are_one(
    recurrence: Any, events: Array, turns: list[tuple[int, int]]
) -> None:
    """Messages of a stream may go to either; each sees what the other stored."""
    store = SharedStore()
    sessions = [Session(recurrence(), store) for _ in range(2)]
    whole, counts = recurrence().steps({"s": events})["s"], [0, 0]
    for who, stream in turns:
        n = counts[stream] = counts[stream] + 1
        reply = sessions[who].apply(f"s{stream}", n, events[n - 1 : n])
        assert np.array_equal(answers_of(reply)[0], whole[n - 1])
        assert isinstance(sessions[1 - who].apply(f"s{stream}", n, events[n - 1 : n]), Again)


def test_a_stream_that_moved_between_read_and_write_is_read_again(recurrence: Any, events: Array) -> None:
    """The other process applied the same message first: here it comes again."""

    class Raced(SharedStore):
        rival: Any = None

        def commit(self, rows: Any, *, now: int) -> set[str]:
            if rival := self.rival:
                self.rival = None
                rival()
            return super().commit(rows, now=now)

    store = Raced()
    session, other = (Session(recurrence(), store) for _ in range(2))
    store.rival = lambda: other.apply("a", 1, events[:2])
    replies = session.apply_many([Message("a", 1, events[:2]), Message("b", 1, events[:2])])
    assert [type(reply) for reply in replies] == [Again, Applied]
    store.rival = lambda: other.apply("a", 3, events[3:4])
    assert session.apply("a", 3, events[2:3]) == Old(3)
    assert np.array_equal(answers_of(session.apply("a", 4, events[2:3])).shape, (1, 5))


def test_a_stream_that_always_moves_is_given_up(recurrence: Any, events: Array) -> None:
    """With an error that says to send again, not with a loop."""

    class Restless(SharedStore):
        def commit(self, rows: Any, *, now: int) -> set[str]:
            return set(rows)

    with pytest.raises(StoreError, match="again and again"):
        Session(recurrence(), Restless()).apply("a", 1, events[:1])


def test_arguments_of_a_session_are_checked(recurrence: Any) -> None:
    """A limit below one stream makes no sense."""
    with pytest.raises(ValueError, match="max_streams: expected a whole number at least 1"):
        Session(recurrence(), MemoryStore(), max_streams=0)
